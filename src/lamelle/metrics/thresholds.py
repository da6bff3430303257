"""Scores over all thresholds, from a histogram [2, bins] of probabilities, as ``counts.binary_histogram`` gives it.

At threshold t, class 1 is predicted where its probability is t or more. A threshold between two edges of bins is
rounded up to the next edge, which with 65 536 bins is finer than float16 sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lamelle.metrics.counts import ratio

Criterion = Literal["f1", "accuracy", "youden"]
ELEVEN = tuple(i / 10 for i in range(11))
"""The thresholds 0, 0.1 … 1 of the eleven-point view."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Scores of class 1 at each threshold; all arrays are float64 [T]."""

    thresholds: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    specificity: np.ndarray
    f1: np.ndarray
    accuracy: np.ndarray

    @property
    def youden(self) -> np.ndarray:
        """Recall + specificity − 1 [T]. Reference: Youden (1950), Cancer 3(1), 32–35."""
        return self.recall + self.specificity - 1


def curve(histogram: np.ndarray) -> Curve:
    """Scores at every edge of the histogram [2, bins], 0 to 1 inclusive: bins + 1 thresholds.

    At threshold 1 nothing is predicted, not even a probability of exactly 1, which the last bin does not tell apart.

    Example:
        >>> curve(np.array([[3, 1], [0, 2]])).f1.round(3)
        array([0.5, 0.8, 0. ])
    """
    bins = histogram.shape[-1]
    return _scores(histogram, np.arange(bins + 1))


def curve_at(histogram: np.ndarray, *, thresholds: tuple[float, ...]) -> Curve:
    """Scores at a few thresholds, such as ``ELEVEN``.

    Raises:
        ValueError: If a threshold is outside [0, 1].

    Example:
        >>> curve_at(np.array([[3, 1], [0, 2]]), thresholds=(0.5,)).precision.round(3)
        array([0.667])
    """
    asked = np.asarray(thresholds, np.float64)
    if not ((asked >= 0) & (asked <= 1)).all():
        raise ValueError(f"thresholds are in [0, 1], not {thresholds}")
    bins = histogram.shape[-1]
    found = _scores(histogram, np.ceil(np.round(asked * bins, 6)).astype(np.int64))
    return Curve(asked, found.precision, found.recall, found.specificity, found.f1, found.accuracy)


def _scores(histogram: np.ndarray, edges: np.ndarray) -> Curve:
    counts = np.asarray(histogram, np.float64)
    above = np.zeros((2, counts.shape[-1] + 1))
    above[:, :-1] = counts[:, ::-1].cumsum(-1)[:, ::-1]
    false, true = above[:, edges]
    negatives, positives = above[:, 0]
    right = true + negatives - false
    return Curve(
        thresholds=edges / counts.shape[-1],
        precision=ratio(true, true + false),
        recall=ratio(true, np.full_like(true, positives)),
        specificity=ratio(negatives - false, np.full_like(true, negatives)),
        f1=ratio(2 * true, true + false + positives),
        accuracy=ratio(right, np.full_like(true, negatives + positives)),
    )


def best_threshold(histogram: np.ndarray, *, by: Criterion) -> float:
    """The threshold in (0, 1) with the best score; NaN if the histogram lacks one of the two classes.

    Between two neighbouring probabilities the score is constant: of the longest such stretch with the best score, the
    middle is taken, away from the probabilities on either side.

    Example:
        >>> best_threshold(np.array([[5, 0, 0, 0], [0, 0, 0, 5]]), by="f1")
        0.5

    Reference: Lipton, Elkan and Naryanaswamy (2014), doi:10.1007/978-3-662-44851-9_15 (thresholds for F1)
    """
    counts = np.asarray(histogram)
    if not (counts.sum(-1) > 0).all():
        return float("nan")
    found = curve(counts)
    score = np.nan_to_num(getattr(found, by)[1:-1], nan=-np.inf)
    best = np.flatnonzero(score >= score.max() - 1e-12)
    runs = np.split(best, np.flatnonzero(np.diff(best) != 1) + 1)
    longest = max(len(run) for run in runs)
    middles = [(run[0] + run[-1]) // 2 for run in runs if len(run) == longest]
    return float(min((found.thresholds[m + 1] for m in middles), key=lambda t: abs(t - 0.5)))
