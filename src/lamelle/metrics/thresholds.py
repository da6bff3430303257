"""Scores over all thresholds: at threshold t, class 1 is predicted where its probability is t or more.

- Of pixels, from a histogram [2, bins] of probabilities, as ``counts.binary_histogram`` gives it. A threshold between
  two edges of bins is rounded up to the next edge, which with 65 536 bins is finer than float16 sees.
- Of items, from their probabilities themselves: :func:`best_cut`, :func:`scores_at`, and :func:`class_factors` where
  more than two classes exclude each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lamelle.metrics.counts import ratio
from lamelle.metrics.ranking import macro, steps

Criterion = Literal["f1", "accuracy", "youden"]
ELEVEN = tuple(i / 10 for i in range(11))
"""The thresholds 0, 0.1 … 1 of the eleven-point view."""


@dataclass(frozen=True, slots=True)
class ThresholdCurve:
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


def curve(histogram: np.ndarray) -> ThresholdCurve:
    """Scores at every edge of the histogram [2, bins], 0 to 1 inclusive: bins + 1 thresholds.

    At threshold 1 nothing is predicted, not even a probability of exactly 1, which the last bin does not tell apart.

    Example:
        >>> curve(np.array([[3, 1], [0, 2]])).f1.round(3)
        array([0.5, 0.8, 0. ])
    """
    bins = histogram.shape[-1]
    return _scores(histogram, np.arange(bins + 1))


def curve_at(histogram: np.ndarray, *, thresholds: tuple[float, ...]) -> ThresholdCurve:
    """Scores at a few thresholds, such as ``ELEVEN``.

    Raises:
        ValueError: If a threshold is outside [0, 1].

    Example:
        >>> curve_at(np.array([[3, 1], [0, 2]]), thresholds=(0.5,)).precision.round(3)
        array([0.667])
    """
    wanted = np.asarray(thresholds, np.float64)
    if not ((wanted >= 0) & (wanted <= 1)).all():
        raise ValueError(f"thresholds are in [0, 1], not {thresholds}")
    bins = histogram.shape[-1]
    values = _scores(histogram, np.ceil(np.round(wanted * bins, 6)).astype(np.int64))
    return ThresholdCurve(wanted, values.precision, values.recall, values.specificity, values.f1, values.accuracy)


def _scores(histogram: np.ndarray, edges: np.ndarray) -> ThresholdCurve:
    counts = np.asarray(histogram, np.float64)
    above = np.zeros((2, counts.shape[-1] + 1))
    above[:, :-1] = counts[:, ::-1].cumsum(-1)[:, ::-1]
    false, true = above[:, edges]
    negatives, positives = above[:, 0]
    right = true + negatives - false
    return ThresholdCurve(
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
    values = curve(counts)
    score = np.nan_to_num(getattr(values, by)[1:-1], nan=-np.inf)
    best = np.flatnonzero(score >= score.max() - 1e-12)
    runs = np.split(best, np.flatnonzero(np.diff(best) != 1) + 1)
    longest = max(len(run) for run in runs)
    middles = [(run[0] + run[-1]) // 2 for run in runs if len(run) == longest]
    return float(min((values.thresholds[m + 1] for m in middles), key=lambda t: abs(t - 0.5)))


# items ---------------------------------------------------------------------------------------------------------------


def best_cut(target: np.ndarray, score: np.ndarray, *, by: Literal["f1", "macro_f1"]) -> float:
    """The threshold with the best score over all distinct scores of the items; NaN if it cannot be told.

    It lies half way between two scores that occur, so that the last digit of a score decides nothing. Among equally
    good ones it is the one nearest to 0.5. It cannot be told where a truth is missing or all scores are alike.

    Args:
        target: 0 and 1, [n].
        score: Probability of class 1, [n].
        by: F1 of class 1, or the mean of the F1 of both classes.

    Example:
        >>> best_cut(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.9]), by="macro_f1")
        0.25

    Reference: Lipton, Elkan and Naryanaswamy (2014), doi:10.1007/978-3-662-44851-9_15
    """
    false, true, distinct = steps(target, score, None)
    if len(distinct) < 2 or false[-1] == 0 or true[-1] == 0:
        return float("nan")
    hit, both = _f1_pair(false, true)
    values = hit if by == "f1" else both
    between = (distinct + np.append(distinct[1:], 0.0)) / 2
    best = between[values >= values.max() - 1e-12]
    return float(min(best, key=lambda t: abs(t - 0.5)))


def scores_at(target: np.ndarray, score: np.ndarray, *, thresholds: np.ndarray, of: int) -> dict[str, np.ndarray]:
    """Macro F1 of both classes, and precision, recall and F1 of class ``of``, at each threshold [T].

    Example:
        >>> found = scores_at(np.array([0, 1, 1]), np.array([0.1, 0.4, 0.8]), thresholds=np.array([0.5]), of=1)
        >>> {name: float(values[0].round(3)) for name, values in found.items()}
        {'macro_f1': 0.667, 'precision': 1.0, 'recall': 0.5, 'f1': 0.667}
    """
    truth, positive = np.asarray(target)[:, None] == of, (np.asarray(score)[:, None] >= thresholds) == bool(of)
    hits, predicted, actual = (truth & positive).sum(0), positive.sum(0), truth.sum(0)
    others = (~truth & ~positive).sum(0)
    f1 = ratio(2.0 * hits, predicted + actual)
    other = ratio(2.0 * others, (~positive).sum(0) + (~truth).sum(0))
    return {
        "macro_f1": macro(np.stack([f1, other], axis=-1)),
        "precision": ratio(hits, predicted),
        "recall": ratio(hits, actual + np.zeros_like(hits)),
        "f1": f1,
    }


def _f1_pair(false: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F1 of class 1, and the mean of the F1 of both, from the items at or above each threshold."""
    negatives, positives = false[-1], true[-1]
    hit = 2 * true / (true + false + positives)
    spared = negatives - false
    both = (hit + ratio(2 * spared, spared + positives - true + negatives)) / 2
    return hit, both


def class_factors(target: np.ndarray, probabilities: np.ndarray, *, sweeps: int) -> np.ndarray:
    """Factors t [K], Σ = 1, so that the decision argmax p_k / t_k has a high macro F1; equal ones decide by argmax.

    Coordinate ascent from equal factors: class by class, the best cut over all items while the other factors stay,
    until nothing is better. So macro F1 is never below that of argmax on these items. Classes that the target lacks
    keep their factor and do not count.

    Args:
        target: Classes [n].
        probabilities: [n, K].
        sweeps: Most passes over the classes.

    Example:
        >>> p = np.array([[0.6, 0.3, 0.1], [0.6, 0.4, 0.0], [0.7, 0.1, 0.2], [0.9, 0.0, 0.1]])
        >>> factors = class_factors(np.array([1, 1, 2, 0]), p, sweeps=10)
        >>> (p / factors).argmax(1)
        array([1, 1, 2, 0])
    """
    target, p = np.asarray(target, np.int64), np.asarray(probabilities, np.float64)
    classes = p.shape[1]
    factors = np.ones(classes)
    if not len(target):
        return factors / classes
    present = np.flatnonzero(np.bincount(target, minlength=classes))
    best = _macro_f1(target, (p / factors).argmax(1), present)
    for _ in range(sweeps):
        before = best
        for k in present:
            cut = _best_factor(target, p, factors, int(k), present)
            tried = np.where(np.arange(classes) == k, cut, factors)
            score = _macro_f1(target, (p / tried).argmax(1), present)
            if score > best + 1e-12:
                factors, best = tried, score
        if best <= before:
            break
    return factors / factors.sum()


def _best_factor(target: np.ndarray, p: np.ndarray, factors: np.ndarray, k: int, present: np.ndarray) -> float:
    """The factor of class k with the best macro F1, the others being as they are; its own if none is better."""
    classes = p.shape[1]
    rest = p / factors
    rest[:, k] = -1.0
    other = rest.argmax(1)
    # class k is chosen where its factor is below p_k over the best of the others
    turn = np.clip(p[:, k] / np.maximum(rest.max(1), 1e-12), 1e-6, 1e6)
    order = np.argsort(-turn, kind="stable")
    turn, truth, other = turn[order], target[order], other[order]
    last = np.append(np.flatnonzero(np.diff(turn)), len(turn) - 1)
    actual = np.bincount(target, minlength=classes)
    hot_other = other[:, None] == np.arange(classes)
    lost = hot_other.cumsum(0)[last]
    missed = (hot_other & (truth == other)[:, None]).cumsum(0)[last]
    predicted, hits = hot_other.sum(0) - lost, (hot_other & (truth == other)[:, None]).sum(0) - missed
    predicted[:, k], hits[:, k] = last + 1, (truth == k).cumsum()[last]
    f1 = ratio(2.0 * hits, predicted + actual)[:, present].mean(1)
    between = np.sqrt(turn[last] * np.append(turn[last][1:], 1e-6))
    best = between[f1 >= f1.max() - 1e-12]
    return float(min(best, key=lambda t: abs(np.log(t / factors[k]))))


def _macro_f1(target: np.ndarray, chosen: np.ndarray, present: np.ndarray) -> float:
    """Mean F1 of the classes that the target holds."""
    counts = int(max(target.max(), chosen.max())) + 1
    actual, predicted = np.bincount(target, minlength=counts), np.bincount(chosen, minlength=counts)
    hits = np.bincount(target[target == chosen], minlength=counts)
    return float((2.0 * hits[present] / (actual + predicted)[present]).mean())
