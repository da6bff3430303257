"""Whether probabilities come true: reliability, expected calibration error, and the temperature that mends them.

Everything rests on sums in bins of equal width (`binned`), which add up over images and which an interval can weight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lamelle.metrics.counts import ratio
from lamelle.metrics.ranking import CERTAIN, brier_each, log_loss_each, one_hot
from lamelle.types import IGNORE

BINS = 15
"""Bins of equal width, as in the paper that made the calibration error known (Guo et al. 2017)."""
ROW = 3 * BINS + 2
"""Numbers of an item: its bins (`binned`), squares (Brier score) and nats (log loss), each summed over its answers."""
_PIECE = 1 << 20
"""Pixels that are scored at once."""
COLDEST, HOTTEST = 0.1, 10.0
"""Temperatures between which one is sought."""
_SIMULATED = 400
"""Sets of outcomes drawn to see what chance alone does to the error."""
_TINY = 1e-37
"""The least probability that a logarithm is taken of; float32 knows it."""


@dataclass(frozen=True, slots=True)
class ReliabilityCurve:
    """What a reliability plot shows, float64 [bins]; NaN where a bin is empty."""

    confidence: np.ndarray
    """Mean probability of what is in the bin."""
    accuracy: np.ndarray
    """Share of it that came true."""
    count: np.ndarray


def outcomes(target: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What came true, 0 and 1 [N, M], and the probabilities it was given [N, M].

    Classes [N] and [N, K]: the most probable class, and whether it is right, M = 1. Multi-hot [N, K]: each class is a
    question of its own, M = K.

    Example:
        >>> outcomes(np.array([0, 0]), np.array([[0.75, 0.25], [0.25, 0.75]]))
        (array([[1],
               [0]]), array([[0.75],
               [0.75]]))
    """
    p = np.asarray(probabilities, np.float64)
    if np.ndim(target) == 2:
        return one_hot(target, classes=p.shape[1]), p
    chosen = p.argmax(-1)
    return (np.asarray(target) == chosen).astype(np.int64)[:, None], p[np.arange(len(p)), chosen][:, None]


def binned(hit: np.ndarray, chance: np.ndarray, *, bins: int) -> np.ndarray:
    """Of each item, sums over its M outcomes in each bin [N, 3, bins]: their number, probabilities, and hits.

    Bin i holds the probabilities above i / bins up to (i + 1) / bins; the first one holds 0 too.

    Example:
        >>> binned(np.array([[0, 1]]), np.array([[0.25, 0.75]]), bins=2)[0]
        array([[1.  , 1.  ],
               [0.25, 0.75],
               [0.  , 1.  ]])
    """
    n = len(chance)
    place = (bin_of(chance, bins=bins) + np.arange(n)[:, None] * bins).ravel()
    sums = [np.bincount(place, weights=w, minlength=n * bins) for w in (None, chance.ravel(), hit.ravel())]
    return np.stack([s.reshape(n, bins).astype(np.float64) for s in sums], axis=1)


def bin_of(chance: np.ndarray, *, bins: int) -> np.ndarray:
    """The bin of each probability.

    Example:
        >>> bin_of(np.array([0.0, 0.5, 0.51, 1.0]), bins=2)
        array([0, 0, 1, 1])
    """
    return np.clip(np.ceil(chance * bins).astype(np.int64) - 1, 0, bins - 1)


def reliability(sums: np.ndarray) -> ReliabilityCurve:
    """Mean probability and share that came true in each bin of sums [3, bins].

    Example:
        >>> reliability(np.array([[2.0, 0], [0.5, 0], [1, 0]])).accuracy
        array([0.5, nan])
    """
    count, chance, hits = np.asarray(sums, np.float64)
    return ReliabilityCurve(ratio(chance, count), ratio(hits, count), count)


def ece(sums: np.ndarray) -> np.ndarray:
    """Expected calibration error [...] of sums [..., 3, bins]: mean distance of probability and frequency in a bin.

    NaN without an outcome. It is never below 0, so few items and many bins make it larger than it is.

    Example:
        >>> hit, chance = np.array([[0], [1], [1]]), np.array([[0.1], [0.8], [0.6]])
        >>> float(ece(binned(hit, chance, bins=2).sum(0)).round(4))
        0.2333

    Reference: Naeini, Cooper and Hauskrecht (2015), doi:10.1609/aaai.v29i1.9602; Guo et al. (2017), arXiv:1706.04599
    """
    sums = np.asarray(sums, np.float64)
    return ratio(np.abs(sums[..., 1, :] - sums[..., 2, :]).sum(-1), sums[..., 0, :].sum(-1))


def item_rows(target: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Sums over the answers of each item [N, ROW].

    Args:
        target: Classes [N], or multi-hot [N, K]: then each class is an answer of its own.

    Example:
        >>> rows = item_rows(np.array([0, 1]), np.array([[1.0, 0.0], [0.5, 0.5]]))
        >>> rows[:, -2], rows.shape == (2, ROW)
        (array([0. , 0.5]), True)
    """
    hit, chance = outcomes(target, probabilities)
    answers = hit.shape[1]  # what the scores are means over
    bins = binned(hit, chance, bins=BINS).reshape(len(hit), -1)
    rest = (answers * brier_each(target, probabilities), answers * log_loss_each(target, probabilities))
    return np.concatenate([bins, np.stack(rest, axis=1)], axis=1)


def pixel_row(target: np.ndarray, probabilities: np.ndarray, *, exclusive: bool) -> np.ndarray:
    """Sums over the pixels that are not ignored [ROW].

    Args:
        target: Classes [(Z,) Y, X].
        probabilities: Of each class [K, ...]; where they do not exclude each other, of the classes 1, 2 … [K − 1, ...],
            each a question of its own.

    Example:
        >>> row = pixel_row(np.array([[0, 1, -1]]), np.array([[[0.5, 0.5, 0.1]]]), exclusive=False)
        >>> float(row[-2]), round(float(row[-1]), 3), len(row) == ROW
        (0.5, 1.386, True)
    """
    sums = np.zeros(ROW)
    flat, p = target.reshape(-1), probabilities.reshape(len(probabilities), -1)
    for start in range(0, flat.size, _PIECE):
        part = slice(start, start + _PIECE)
        kept = flat[part] != IGNORE
        truth, predicted = flat[part][kept], p[:, part][:, kept].T.astype(np.float64)
        if not exclusive:
            truth = truth[:, None] == np.arange(1, len(p) + 1)
        hit, chance = outcomes(truth, predicted)
        sums[:-2] += binned(hit.reshape(1, -1), chance.reshape(1, -1), bins=BINS)[0].ravel()
        answers = hit.shape[1]  # what the scores are means over
        sums[-2] += answers * brier_each(truth, predicted).sum()
        sums[-1] += answers * log_loss_each(truth, predicted).sum()
    return sums


def bins_of(sums: np.ndarray) -> np.ndarray:
    """The bins [..., 3, bins] of sums [..., ROW]."""
    return sums[..., :-2].reshape(*sums.shape[:-1], 3, BINS)


def brier_of(sums: np.ndarray) -> np.ndarray:
    """Brier score [...] of sums [..., ROW]; see `lamelle.metrics.ranking.brier_each`.

    Example:
        >>> sums = pixel_row(np.array([[0, 1]]), np.array([[[0.25, 0.75]]]), exclusive=False)
        >>> [float(score(sums).round(3)) for score in (brier_of, log_loss_of, ece_of)]
        [0.062, 0.288, 0.25]
    """
    return ratio(sums[..., -2], bins_of(sums)[..., 0, :].sum(-1))


def log_loss_of(sums: np.ndarray) -> np.ndarray:
    """Log loss [...] of sums [..., ROW], in nats."""
    return ratio(sums[..., -1], bins_of(sums)[..., 0, :].sum(-1))


def ece_of(sums: np.ndarray) -> np.ndarray:
    """Expected calibration error [...] of sums [..., ROW]."""
    return ece(bins_of(sums))


def chance_ece(chance: np.ndarray, *, bins: int, share: float, seed: int) -> float:
    """The error [quantile ``share``] that probabilities [N, M] show by chance alone if every one of them is true.

    Example:
        >>> 0.05 < chance_ece(np.full((100, 1), 0.8), bins=15, share=0.95, seed=0) < 0.1
        True
    """
    random, flat = np.random.default_rng(seed), np.asarray(chance, np.float64).ravel()
    place = bin_of(flat, bins=bins)
    errors = []
    for _ in range(_SIMULATED if flat.size else 0):
        gaps = np.bincount(place, weights=flat - (random.random(flat.size) < flat), minlength=bins)
        errors.append(float(np.abs(gaps).sum() / flat.size))
    return float(np.quantile(errors, share)) if errors else float("nan")


# temperature ---------------------------------------------------------------------------------------------------------


def tempered(probabilities: np.ndarray, temperature: float, *, exclusive: bool, axis: int) -> np.ndarray:
    """Probabilities at a temperature, float32: logits divided by it; above 1 they come nearer to each other.

    Exclusive classes: p^(1/T), divided by their sum along the axis. Else: the sigmoid of logit(p) / T. The order of the
    probabilities stays, and 1 / T undoes T.

    Example:
        >>> tempered(np.array([0.2, 0.8]), 2.0, exclusive=True, axis=0)
        array([0.33333334, 0.6666667 ], dtype=float32)
        >>> tempered(np.array([0.5, 0.8]), 2.0, exclusive=False, axis=0)
        array([0.5      , 0.6666667], dtype=float32)

    Reference: Guo et al. (2017), arXiv:1706.04599
    """
    p = np.asarray(probabilities, np.float32)
    if temperature == 1:
        return p
    if exclusive:
        z = np.log(np.maximum(p, np.float32(_TINY))) / np.float32(temperature)
        z = np.exp(z - z.max(axis, keepdims=True))
        return z / z.sum(axis, keepdims=True)
    return _sigmoid(log_odds(p) / np.float32(temperature))


def log_odds(p: np.ndarray) -> np.ndarray:
    """Logits that a sigmoid makes these probabilities of; 0 and 1 count as a little beside.

    Example:
        >>> log_odds(np.array([0.5, 0.8])).round(3)
        array([0.   , 1.386])
    """
    p = np.clip(p, CERTAIN, 1 - CERTAIN)
    return np.log(p) - np.log1p(-p)


def uncalibrated(probabilities: np.ndarray, temperatures: np.ndarray, *, exclusive: bool) -> np.ndarray:
    """Calibrated probabilities [N, K] as they were before, each at the temperature [N] that its fold fitted."""
    before = np.array(probabilities, np.float64)
    for one in np.unique(temperatures):
        at = temperatures == one
        before[at] = tempered(before[at], 1 / float(one), exclusive=exclusive, axis=1)
    return before


def _sigmoid(z: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    return expit(z)


def exclusive_temperature(probabilities: np.ndarray, target: np.ndarray) -> float:
    """The temperature with the least log loss of classes [N] that exclude each other, given [N, K].

    1 where it cannot be told: without an item, or where colder is better without end, because nothing is wrong.

    Example:
        >>> p = np.array([[0.9, 0.1]] * 4)
        >>> exclusive_temperature(p, np.array([0, 0, 0, 1])).__round__(3)
        2.0

    Reference: Guo et al. (2017), arXiv:1706.04599
    """
    z = np.log(np.maximum(np.asarray(probabilities, np.float64), _TINY))
    right = z[np.arange(len(z)), np.asarray(target, np.int64)]

    def slope(cold: float) -> float:
        weights = np.exp(cold * (z - z.max(1, keepdims=True)))
        return float(((weights * z).sum(1) / weights.sum(1) - right).sum())

    return _least(slope, len(z))


def yes_no_temperature(probabilities: np.ndarray, yes: np.ndarray, no: np.ndarray) -> float:
    """The temperature with the least log loss of yes-or-no questions, asked with the same answer any number of times.

    1 where it cannot be told, as with `exclusive_temperature`.

    Args:
        probabilities: Of yes [M].
        yes: How often each came true [M].
        no: How often it did not [M].

    Example:
        >>> yes_no_temperature(np.array([0.9]), np.array([3]), np.array([1])).__round__(3)
        2.0

    Reference: Guo et al. (2017), arXiv:1706.04599
    """
    z = log_odds(np.asarray(probabilities, np.float64))
    yes, no = np.asarray(yes, np.float64), np.asarray(no, np.float64)

    def slope(cold: float) -> float:
        return float((z * ((yes + no) * _sigmoid(cold * z) - yes)).sum())

    return _least(slope, float(yes.sum() + no.sum()))


def _least(slope: Callable[[float], float], items: float) -> float:
    """Where a convex loss is least, from its slope over the inverse of the temperature."""
    from scipy.optimize import brentq

    coldest, hottest = 1 / COLDEST, 1 / HOTTEST
    if not items or slope(coldest) <= 0:
        return 1.0
    if slope(hottest) >= 0:
        return HOTTEST
    return 1 / float(brentq(slope, hottest, coldest, xtol=1e-9))  # type: ignore[arg-type]
