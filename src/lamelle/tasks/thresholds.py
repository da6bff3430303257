"""From probabilities to the class that is said: thresholds chosen on validation, and frozen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, FiniteFloat

from lamelle.metrics import regions, thresholds
from lamelle.metrics.calibration import log_odds
from lamelle.metrics.counts import confusion
from lamelle.results.fitted import Fitted, Sweep, Temperature, defined
from lamelle.tasks import calibration

POINTS = 200
"""The curve over the threshold has one point less, from 0.005 to 0.995."""
_SWEEPS = 20


class FittedClasses(Fitted):
    """What validation decides for a classification."""

    temperature: Temperature | None = None
    thresholds: tuple[Annotated[FiniteFloat, Field(ge=0)], ...] | None = None
    """[K], see `decide`; None = the most probable class, or whatever is more likely than not."""


def decide(probabilities: np.ndarray, thresholds: Sequence[float] | None, *, multi_label: bool) -> np.ndarray:
    """The classes that are said: int64 [n], or 0 and 1 [n, K] if several may hold at once.

    Several labels: class k where p_k ≥ t_k. Two classes: class 1 where p_1 ≥ t_1. More: argmax p_k / t_k. Without
    thresholds: p_k ≥ 0.5, or the most probable class.

    Args:
        probabilities: [n, K].
        thresholds: t [K].

    Example:
        >>> p = np.array([[0.7, 0.3], [0.9, 0.1]])
        >>> decide(p, [0.8, 0.2], multi_label=False), decide(p, None, multi_label=False)
        (array([1, 0]), array([0, 0]))
    """
    p = np.asarray(probabilities, np.float64)
    if multi_label:
        return (p >= (0.5 if thresholds is None else np.asarray(thresholds, np.float64))).astype(np.int64)
    if thresholds is None:
        return p.argmax(1)
    if p.shape[1] == 2:
        return (p[:, 1] >= thresholds[1]).astype(np.int64)
    return (p / np.asarray(thresholds, np.float64)).argmax(1)


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
    labels = np.zeros(probabilities.shape[1:], np.int64)
    most = np.full(labels.shape, -np.inf, np.float32)
    for k, (p, t) in enumerate(zip(probabilities, thresholds, strict=True), start=1):
        ahead = np.where(p >= t, log_odds(p) - log_odds(np.asarray(t)), -np.inf)
        better = ahead > most
        labels[better], most[better] = k, ahead[better]
    return labels


class Decision:
    """Collects what validation says, to freeze the thresholds; see `lamelle.tasks.base.Fitter`."""

    def __init__(
        self,
        threshold: Literal["argmax", "f1"] | float,
        *,
        classes: Sequence[str],
        multi_label: bool,
        calibrate: bool,
    ) -> None:
        """Prepare.

        Args:
            threshold: ``argmax`` fits none, ``f1`` searches, a number is taken as it is.
            calibrate: Fit a temperature first; thresholds are of calibrated probabilities.
        """
        self._threshold, self._names, self._classes = threshold, classes, len(classes)
        self._multi_label, self._calibrate = multi_label, calibrate
        self._probabilities: list[np.ndarray] = []
        self._targets: list[np.ndarray] = []

    def add(self, probabilities: np.ndarray, target: np.ndarray) -> None:
        """Take one item: probabilities [K], target a class or 0 and 1 [K]."""
        if self._calibrate or self._threshold != "argmax":
            self._probabilities.append(np.asarray(probabilities, np.float64))
            self._targets.append(np.asarray(target))

    def done(self) -> tuple[FittedClasses, tuple[Sweep, ...]]:
        """Temperature and thresholds, and what was tried for them.

        Of two classes, macro F1 over the threshold, with precision, recall and F1 of the class that is rarer in the
        validation set; else the F1 of each class without thresholds and with them.
        """
        p = np.array(self._probabilities).reshape(-1, self._classes)
        truth = np.array(self._targets).astype(np.int64)
        truth = truth.reshape(-1, self._classes) if self._multi_label else truth.reshape(-1)
        temperature, sweeps = None, list[Sweep]()
        if self._calibrate:
            p, sweep = calibration.fit_items(p, truth)
            temperature = sweep.chosen
            sweeps.append(sweep)
        if self._threshold == "argmax":
            return FittedClasses(temperature=temperature), tuple(sweeps)
        cuts, usual = self._search(p, truth)
        decided = FittedClasses(temperature=temperature, thresholds=tuple(0.5 if np.isnan(t) else t for t in cuts))
        sweeps += self._sweeps(p, truth, decided.thresholds or (), usual, [bool(np.isnan(t)) for t in cuts])
        return decided, tuple(sweeps)

    def _search(self, p: np.ndarray, truth: np.ndarray) -> tuple[list[float], float]:
        """Thresholds [K], NaN where validation cannot tell, and the one of each class that changes nothing.

        Of two classes they are [1 − t, t].
        """
        if isinstance(self._threshold, float | int):
            t = float(self._threshold)
            return ([t] * self._classes if self._multi_label else [1 - t, t]), 0.5
        if self._multi_label:
            return [thresholds.best_cut(truth[:, k], p[:, k], by="f1") for k in range(self._classes)], 0.5
        if self._classes == 2:
            t = thresholds.best_cut(truth, p[:, 1], by="macro_f1")
            return [1 - t, t], 0.5
        return thresholds.class_factors(truth, p, sweeps=_SWEEPS).tolist(), 1 / self._classes

    def _sweeps(
        self, p: np.ndarray, truth: np.ndarray, cuts: Sequence[float], usual: float, undecided: Sequence[bool]
    ) -> list[Sweep]:
        searched = self._threshold == "f1"
        if self._classes == 2 and not self._multi_label:
            by = "macro_f1" if searched and not undecided[1] else ""
            about = {"of": self._names[1], "chosen": cuts[1], "by": by, "undecided": undecided[1], "n": len(truth)}
            points, scores = _curve(p[:, 1], truth, self._names) if len(truth) else ((), {})
            return [Sweep(name="threshold", points=points, scores=scores, **about)]
        by = ("f1" if self._multi_label else "macro_f1") if searched else ""
        pairs = zip(self._f1(p, truth, None), self._f1(p, truth, cuts), strict=True)
        return [
            Sweep(
                name="threshold",
                of=name,
                points=(usual, cut),
                scores={"f1": defined(pair)},
                chosen=cut,
                by="" if lacking else by,
                undecided=lacking,
                n=len(truth),
            )
            for name, cut, pair, lacking in zip(self._names, cuts, pairs, undecided, strict=True)
        ]

    def _f1(self, p: np.ndarray, truth: np.ndarray, cuts: Sequence[float] | None) -> list[float]:
        """F1 of each class on the validation set [K]; NaN where truth and decision both lack it."""
        chosen = decide(p, cuts, multi_label=self._multi_label)
        if not self._multi_label:
            return regions.dice(confusion(truth, chosen, classes=self._classes)).tolist()
        each = [confusion(t, c, classes=2) for t, c in zip(truth.T, chosen.T, strict=True)]
        return regions.dice(np.array(each))[:, 1].tolist()


def _curve(
    score: np.ndarray, truth: np.ndarray, names: Sequence[str]
) -> tuple[tuple[float, ...], dict[str, tuple[float | None, ...]]]:
    """Thresholds, and the scores at each."""
    at = np.arange(1, POINTS) / POINTS
    rarer = int(2 * truth.sum() <= len(truth))
    scores = thresholds.scores_at(truth, score, thresholds=at, of=rarer)
    named = {name if name == "macro_f1" else f"{name}/{names[rarer]}": defined(v) for name, v in scores.items()}
    return tuple(at.tolist()), named
