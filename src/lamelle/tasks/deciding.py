"""From probabilities to the class that is said: thresholds chosen on validation, and frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamelle.metrics import regions, thresholds
from lamelle.metrics.calibration import log_odds
from lamelle.metrics.counts import confusion
from lamelle.tasks import calibrating

POINTS = 200
"""The curve over the threshold has one point less, from 0.005 to 0.995."""
_SWEEPS = 20


def decide(probabilities: np.ndarray, fitted: Mapping[str, Any], *, multi_label: bool) -> np.ndarray:
    """The classes that are said: int64 [n], or 0 and 1 [n, K] if several may hold at once.

    ``fitted["thresholds"]`` is t [K]. Several labels: class k where p_k ≥ t_k. Two classes: class 1 where p_1 ≥ t_1.
    More: argmax p_k / t_k. Without it: p_k ≥ 0.5, or the most probable class.

    Args:
        probabilities: [n, K].

    Example:
        >>> p = np.array([[0.7, 0.3], [0.9, 0.1]])
        >>> decide(p, {"thresholds": [0.8, 0.2]}, multi_label=False), decide(p, {}, multi_label=False)
        (array([1, 0]), array([0, 0]))
    """
    p, t = np.asarray(probabilities, np.float64), fitted.get("thresholds")
    if multi_label:
        return (p >= (0.5 if t is None else np.asarray(t, np.float64))).astype(np.int64)
    if t is None:
        return p.argmax(1)
    if p.shape[1] == 2:
        return (p[:, 1] >= t[1]).astype(np.int64)
    return (p / np.asarray(t, np.float64)).argmax(1)


def pixel_classes(probabilities: np.ndarray, thresholds: Sequence[float]) -> np.ndarray:
    """The class of each pixel, int64 [(Z,) Y, X], where each class but the background has a sigmoid of its own.

    The one whose probability exceeds its threshold most, by the difference of the logits; 0 where none reaches its own.

    Args:
        probabilities: Of the classes 1, 2 … [C, (Z,) Y, X].
        thresholds: Of the same classes [C].

    Example:
        >>> pixel_classes(np.array([[0.6, 0.6, 0.2]]), [0.5])
        array([1, 1, 0])
        >>> pixel_classes(np.array([[0.6, 0.6, 0.2], [0.1, 0.5, 0.2]]), [0.5, 0.3])
        array([1, 2, 0])
    """
    if len(thresholds) == 1:
        return (probabilities[0] >= thresholds[0]).astype(np.int64)
    found = np.zeros(probabilities.shape[1:], np.int64)
    most = np.full(found.shape, -np.inf, np.float32)
    for k, (p, t) in enumerate(zip(probabilities, thresholds, strict=True), start=1):
        ahead = np.where(p >= t, log_odds(p) - log_odds(np.asarray(t)), -np.inf)
        better = ahead > most
        found[better], most[better] = k, ahead[better]
    return found


class Decision:
    """Collects what validation says, to freeze the thresholds; see `lamelle.tasks.base.Fitter`."""

    def __init__(self, threshold: str | float, *, classes: int, multi_label: bool, calibrate: bool) -> None:
        """Prepare.

        Args:
            threshold: ``argmax`` fits none, ``f1`` searches, a number is taken as it is.
            calibrate: Fit a temperature first; thresholds are of calibrated probabilities.
        """
        self._threshold, self._classes, self._multi_label = threshold, classes, multi_label
        self._calibrate = calibrate
        self._probabilities: list[np.ndarray] = []
        self._targets: list[np.ndarray] = []

    def add(self, probabilities: np.ndarray, target: np.ndarray) -> None:
        """Take one item: probabilities [K], target a class or 0 and 1 [K]."""
        if self._calibrate or self._threshold != "argmax":
            self._probabilities.append(np.asarray(probabilities, np.float64))
            self._targets.append(np.asarray(target))

    def done(self) -> dict[str, Any]:
        """The temperature; thresholds [K], the F1 of each class with them and without, and for two classes the curve.

        The curve has macro F1, and precision, recall and F1 of the class that is rarer in the validation set.
        """
        p = np.array(self._probabilities).reshape(-1, self._classes)
        truth = np.array(self._targets).astype(np.int64)
        truth = truth.reshape(-1, self._classes) if self._multi_label else truth.reshape(-1)
        found: dict[str, Any] = {}
        if self._calibrate:
            p, found = calibrating.fit_items(p, truth)
        if self._threshold == "argmax":
            return found
        found["thresholds"] = self._search(p, truth)
        found["threshold_scores"] = {"f1": self._f1(p, truth, found), "f1_before": self._f1(p, truth, {})}
        if self._classes == 2 and not self._multi_label and len(truth):
            found["threshold_curve"] = _curve(p[:, 1], truth)
        return found

    def _search(self, p: np.ndarray, truth: np.ndarray) -> list[float]:
        """Thresholds [K]: of two classes [1 − t, t]; where validation cannot tell, what would be said without."""
        if isinstance(self._threshold, float | int):
            t = float(self._threshold)
            return [t] * self._classes if self._multi_label else [1 - t, t]
        if self._multi_label:
            cuts = [thresholds.best_cut(truth[:, k], p[:, k], by="f1") for k in range(self._classes)]
            return [0.5 if np.isnan(t) else t for t in cuts]
        if self._classes == 2:
            t = thresholds.best_cut(truth, p[:, 1], by="macro_f1")
            return [0.5, 0.5] if np.isnan(t) else [1 - t, t]
        return thresholds.class_factors(truth, p, sweeps=_SWEEPS).tolist()

    def _f1(self, p: np.ndarray, truth: np.ndarray, fitted: Mapping[str, Any]) -> list[float]:
        """F1 of each class on the validation set [K]; NaN where truth and decision both lack it."""
        chosen = decide(p, fitted, multi_label=self._multi_label)
        if not self._multi_label:
            return regions.dice(confusion(truth, chosen, classes=self._classes)).tolist()
        each = [confusion(t, c, classes=2) for t, c in zip(truth.T, chosen.T, strict=True)]
        return regions.dice(np.array(each))[:, 1].tolist()


def _curve(score: np.ndarray, truth: np.ndarray) -> dict[str, list[float]]:
    at = np.arange(1, POINTS) / POINTS
    rarer = int(2 * truth.sum() <= len(truth))
    found = thresholds.scores_at(truth, score, thresholds=at, of=rarer)
    return {"threshold": at.tolist(), **{name: v.tolist() for name, v in found.items()}, "class": [float(rarer)]}
