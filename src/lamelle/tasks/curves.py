"""ROC and precision-recall curves of each class, with bands."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np

from lamelle.metrics import ranking
from lamelle.metrics.intervals import MIN_UNITS, IntervalOptions, Units, bands
from lamelle.results.scores import Curve

POINTS = 101
RESAMPLES = 300
LEVEL = 0.95
MANY_ITEMS = 20_000
"""With more items a band is hardly wider than its line, and is left out."""
_KINDS: tuple[Literal["roc", "pr"], ...] = ("roc", "pr")


def curves(
    hot: np.ndarray, probabilities: np.ndarray, *, classes: Sequence[str], groups: Sequence[Hashable] | None
) -> dict[str, dict[Literal["roc", "pr"], Curve]]:
    """For each class ``roc`` and ``pr``: ``x``, ``y`` and ``area``, and ``low`` and ``high`` of its band.

    The band holds with 95 % at each x by itself, from resampled items or groups, as the intervals of scores do. ``x``
    and ``y`` are empty where a class lacks what the curve needs; a band of a rare class is left out like its interval.

    Args:
        hot: 0 and 1 [n, K].
        probabilities: [n, K].
        groups: Group of each item, where whole groups are to be resampled.

    Example:
        >>> hot, p = np.array([[1, 0], [0, 1]]), np.array([[0.9, 0.1], [0.2, 0.8]])
        >>> found = curves(hot, p, classes=["a", "b"], groups=None)
        >>> found["a"]["roc"].area, found["a"]["roc"].y[:2]
        (1.0, (1.0, 1.0))
    """
    areas = {"roc": ranking.roc_auc_each(hot, probabilities), "pr": ranking.pr_auc_each(hot, probabilities)}
    return {
        name: {
            kind: Curve(area=float(areas[kind][k]), **_curve(hot[:, k], probabilities[:, k], kind, groups))
            for kind in _KINDS
        }
        for k, name in enumerate(classes)
    }


def _curve(
    truth: np.ndarray, score: np.ndarray, kind: Literal["roc", "pr"], groups: Sequence[Hashable] | None
) -> dict[str, tuple[float, ...]]:
    x = np.linspace(0, 1, POINTS)

    def statistic(weights: np.ndarray) -> np.ndarray:
        return ranking.heights(truth, score, kind=kind, weights=weights, x=x)

    y = statistic(np.ones((1, len(score))))[0]
    if np.isnan(y).any():
        return {}
    line = {"x": tuple(x.tolist()), "y": tuple(y.tolist())}
    units = Units.of(len(score), groups, "group" if groups is not None else "image")
    sides = [np.count_nonzero(units.rows(truth == side)) for side in (0, 1)]
    if len(score) > MANY_ITEMS or min(sides) < MIN_UNITS:
        return line
    _, low, high = bands(statistic, units=units, options=IntervalOptions(LEVEL, RESAMPLES, 0))
    return line | {"low": tuple(low.tolist()), "high": tuple(high.tolist())}
