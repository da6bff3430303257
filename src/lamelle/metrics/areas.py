"""Areas under the ROC and the precision-recall curve for many weights of the rows, with imagined rows at the ends.

One sort, one gather and one running sum serve both areas and all draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamelle.metrics.counts import ratio


@dataclass(frozen=True, slots=True)
class Ends:
    """Weights of imagined rows that are ranked above or below all that were seen [R]."""

    positive_first: np.ndarray
    positive_last: np.ndarray
    negative_first: np.ndarray
    negative_last: np.ndarray


@dataclass(frozen=True, slots=True)
class Sums:
    """Running sums of some draws; P = rows of the class, R = draws."""

    weights: np.ndarray
    """Of the rows of the class, by descending score [P, R]."""
    negatives: np.ndarray
    """Weight of the other rows ranked before each of them, half of those with the same score counted [P, R]."""
    positives: np.ndarray
    """Weight of the rows of the class at or above each one's score [P, R]."""
    ranked: np.ndarray
    """Weight of all rows at or above each one's score [P, R]."""
    total: np.ndarray
    """Of the class, and of all rows [2, R]."""


class Areas:
    """One class against the others.

    Example:
        >>> area = Areas(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
        >>> sums = area.sums(np.ones((4, 1)))
        >>> area.roc(sums), area.pr(sums).round(4)
        (array([0.75]), array([0.8333]))
    """

    def __init__(self, truth: np.ndarray, score: np.ndarray) -> None:
        """Take truth 0 and 1 [N] and score [N]."""
        self._order = np.argsort(-score, kind="stable")
        ordered = score[self._order]
        self._at = np.flatnonzero(np.asarray(truth)[self._order] > 0)
        first = np.searchsorted(-ordered, -ordered[self._at], side="left")
        self._begin, self._end = first, np.searchsorted(-ordered, -ordered[self._at], side="right")
        self._hits_begin = np.searchsorted(self._at, self._begin)
        self._hits_end = np.searchsorted(self._at, self._end)

    def sums(self, weights: np.ndarray) -> Sums:
        """Running sums for weights of the rows [N, R]."""
        ordered = weights[self._order]
        hits = ordered[self._at]
        ranked, hits_so_far = _running(ordered), _running(hits)
        above, above_hits = ranked[self._end], hits_so_far[self._hits_end]
        before = ranked[self._begin] - hits_so_far[self._hits_begin]
        return Sums(hits, (before + above - above_hits) / 2, above_hits, above, np.stack([hits_so_far[-1], ranked[-1]]))

    def roc(self, sums: Sums, imagined: Ends | None = None) -> np.ndarray:
        """Area under the ROC curve [R]; NaN where one of the two truths is missing.

        Reference: Fawcett (2006), doi:10.1016/j.patrec.2005.10.010
        """
        yes, no = sums.total[0], sums.total[1] - sums.total[0]
        won = yes * no - (sums.weights * sums.negatives).sum(0)
        if imagined is None:
            return ratio(won, yes * no)
        first, last = imagined.positive_first, imagined.positive_last
        high, low = imagined.negative_first, imagined.negative_last
        won = won + yes * low + first * (no + low + high / 2) + last * low / 2
        return np.minimum(ratio(won, (yes + first + last) * (no + high + low)), 1.0)

    def pr(self, sums: Sums, imagined: Ends | None = None) -> np.ndarray:
        """Average precision [R]; NaN without a positive.

        Reference: Davis and Goadrich (2006), doi:10.1145/1143844.1143874
        """
        yes, every = sums.total
        if imagined is None:
            return ratio((sums.weights * np.nan_to_num(ratio(sums.positives, sums.ranked))).sum(0), yes)
        first, last, high = imagined.positive_first, imagined.positive_last, imagined.negative_first
        inner = sums.weights * np.nan_to_num(ratio(sums.positives + first, sums.ranked + first + high))
        top = first * np.nan_to_num(ratio(first, first + high))
        bottom = last * ratio(yes + first + last, every + first + last + high + imagined.negative_last)
        return np.minimum(ratio(inner.sum(0) + top + bottom, yes + first + last), 1.0)


def _running(weights: np.ndarray) -> np.ndarray:
    """Sums of the first 0, 1, 2 … rows [N + 1, R]."""
    sums = np.zeros((len(weights) + 1, weights.shape[1]))
    np.cumsum(weights, axis=0, out=sums[1:])
    return sums
