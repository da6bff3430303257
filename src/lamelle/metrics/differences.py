"""Two models on the same units: how much better one is, and whether that is more than noise.

The verdict is an exchange test: if both models were equally good, it would not matter which of the two answered a unit,
so answers are swapped in whole units, and the difference that was seen is placed among those. The interval comes from
draws as those of `intervals`, with an imagined unit on which the two models differ as much as they can.

Reference: Fagerland, Lydersen and Laake (2013), doi:10.1186/1471-2288-13-91 (mid-P of McNemar's test, which this is for
    accuracy); Holm (1979), Scand. J. Statist. 6, 65–70
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from lamelle.metrics.intervals import IntervalOptions, Stratum, Units, bounds, draws, tail

Pairs = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From the weights that A and B give to a table of A's rows above B's [R, 2N] to the scores of both [R, S]: S pairs of
seeds."""
MIN_UNITS = 6
"""Units below which even the clearest difference has p > 0.05."""
_MID, _ALL = 8, 12
_ALIKE = 1e-12
_CHUNK = 1 << 22


@dataclass(frozen=True, slots=True)
class Imagined:
    """What one more unit can do to a difference."""

    strata: Sequence[Sequence[np.ndarray]]
    """Rows that each denominator counts, bool [N]: the parts of a mean, each with all its denominators."""
    largest: float
    """Difference of a unit on which one model is as good and the other as bad as can be."""
    measured: bool
    """Whether the score is measured on each unit, not right or wrong."""


@dataclass(frozen=True, slots=True)
class Paired:
    """A's score minus B's."""

    value: float
    low: float
    high: float
    p: float
    """NaN where there are too few units for a verdict."""
    n: int


def paired(
    score: Pairs,
    *,
    units: Units,
    options: IntervalOptions,
    imagined: Imagined,
    seeds: tuple[Sequence[float], Sequence[float]],
) -> Paired:
    """The difference of two models (or of two sets of equally trained ones) with its interval and its p.

    Where several trainings stand behind a side, what they differ by is added to the variance, and p is the larger one
    of the exchange test and of a t-test that knows both kinds of chance.

    Args:
        score: Scores of both sides, for any weights.
        imagined: What a unit that was not seen may do.
        seeds: Score of each training of A, and of B.

    Example:
        >>> a, b = np.array([1, 1, 1, 1, 1, 1.0]), np.zeros(6)
        >>> table = np.concatenate([a, b])
        >>> mean = lambda w: (w @ table / w.sum(1))[:, None]
        >>> found = paired(
        ...     lambda of_a, of_b: (mean(of_a), mean(of_b)), units=Units.of(6, None, "image"),
        ...     options=IntervalOptions(0.95, 500, 0), imagined=Imagined([[np.ones(6, bool)]], 1.0, False),
        ...     seeds=([1.0], [0.0]))
        >>> found.value, found.p, round(found.high, 3)
        (1.0, 0.03125, 1.0)
    """
    rows = len(units.member)
    once, none = np.ones((1, rows)), np.zeros((1, rows))
    value = _difference(score, once, none)[0]
    if math.isnan(value):
        return Paired(value, math.nan, math.nan, math.nan, units.n)
    drawn, share = _drawn(score, units, options, imagined)
    low, high = bounds(drawn, value, share)
    p = exchange(score, value, units=units, options=options)
    if any(len(set(side)) > 1 for side in seeds):
        low, high = with_seeds(float(value), (low, high), units.n, seeds, options.level)
        p = max(p, _p_with_seeds(float(value), float(np.nanvar(drawn)), units.n, seeds))
    return Paired(float(value), low, high, p, units.n)


def exchange(score: Pairs, value: float, *, units: Units, options: IntervalOptions) -> float:
    """p of the exchange test: all ways to swap up to 12 units, else as many as there are draws; NaN below 6 units."""
    if units.n < MIN_UNITS:
        return math.nan
    beyond = ties = total = 0
    for swapped in _swaps(units, options):
        away = swapped[:, units.member].astype(np.float64)
        exchanged = np.abs(_difference(score, 1 - away, away))
        gap = exchanged - abs(value)
        beyond += int((gap > _ALIKE).sum())
        ties += int((np.abs(gap) <= _ALIKE).sum())
        total += len(exchanged)
    if units.n > _ALL:  # the way it was seen counts among the random ones
        ties, total = ties + 1, total + 1
    if ties == total:
        return 1.0
    return (beyond + (ties if units.n < _MID else ties / 2)) / total


def _swaps(units: Units, options: IntervalOptions) -> Iterator[np.ndarray]:
    """Which units are swapped, bool [R, n], in chunks."""
    if units.n <= _ALL:
        yield np.array(list(product((False, True), repeat=units.n)))
        return
    random, total = np.random.default_rng(options.seed), options.draws(len(units.member))
    chunk = max(1, _CHUNK // len(units.member))
    for start in range(0, total, chunk):
        yield random.random((min(chunk, total - start), units.n)) < 0.5


def _difference(score: Pairs, of_a: np.ndarray, of_b: np.ndarray) -> np.ndarray:
    """A minus B [R], each row of A counted ``of_a`` times by A and ``of_b`` times by B, and the other way round."""
    a, b = score(np.concatenate([of_a, of_b], axis=1), np.concatenate([of_b, of_a], axis=1))
    return (a - b).mean(1)


def _drawn(score: Pairs, units: Units, options: IntervalOptions, imagined: Imagined) -> tuple[np.ndarray, float]:
    """Differences of the draws [R], and the share of them beyond each bound."""
    strata = [[Stratum.of(units.rows(rows)) for rows in part] for part in imagined.strata]
    flat = [s for part in strata for s in part]
    share = tail(flat, level=options.level, grouped=units.grouped, measured=imagined.measured)
    values = []
    for some in draws(units, options, strata=len(flat), width=2):
        weights = some.weights[:, units.member]
        drawn = _difference(score, weights, np.zeros_like(weights))
        extreme, at = np.where(some.good, imagined.largest, -imagined.largest), 0
        moved = np.zeros(len(drawn))
        for part, masks in zip(strata, imagined.strata, strict=True):
            for stratum, rows in zip(part, masks, strict=True):
                mass = some.imagined[:, at] * stratum.mass
                moved += (extreme - drawn) * mass / (weights @ rows + mass) / len(strata)
                at += 1
        most = np.maximum(np.abs(drawn), imagined.largest)
        values.append(np.clip(drawn + moved, -most, most))
    return np.concatenate(values), share


def with_seeds(
    value: float, ends: tuple[float, float], n: int, seeds: Sequence[Sequence[float]], level: float
) -> tuple[float, float]:
    """Bounds of images alone, widened by what equally trained models differ by.

    Args:
        ends: Bounds of images alone.
        n: Units behind them.
        seeds: Score of each training, of one or of both sides.

    Example:
        >>> low, high = with_seeds(0.8, (0.7, 0.85), 50, [[0.78, 0.8, 0.82]], 0.95)
        >>> 0.6 < low < 0.7 and 0.85 < high < 1
        True

    Reference: Welch (1947), doi:10.1093/biomet/34.1-2.28
    """
    from scipy.special import stdtrit

    alone = float(stdtrit(max(1, n - 1), (1 + level) / 2))
    bounds_ = []
    for bound in ends:
        total, freedom = _total(((bound - value) / alone) ** 2, max(1, n - 1), seeds)
        bounds_.append(
            math.copysign(float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(total), bound - value) + value
        )
    return min(bounds_[0], ends[0]), max(bounds_[1], ends[1])


def _p_with_seeds(value: float, variance: float, n: int, seeds: Sequence[Sequence[float]]) -> float:
    """p of a t-test that knows images and trainings."""
    from scipy.special import stdtr

    total, freedom = _total(variance, max(1, n - 1), seeds)
    return float(2 * stdtr(freedom, -abs(value) / math.sqrt(total)))


def _total(variance: float, degrees: int, seeds: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Variance of images and trainings together, and its degrees of freedom (Satterthwaite)."""
    parts = [(variance, degrees)]
    parts += [(float(np.var(side, ddof=1)) / len(side), len(side) - 1) for side in seeds if len(side) > 1]
    total = sum(v for v, _ in parts)
    return total, total**2 / sum(v**2 / d for v, d in parts) if total else float(degrees)


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """p values corrected for their number, never smaller than those before them; NaN stays.

    Example:
        >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
        {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    corrected, largest = {}, 0.0
    defined = sorted((name for name in p if not math.isnan(p[name])), key=lambda name: p[name])
    for rank, name in enumerate(defined):
        largest = max(largest, min(1.0, (len(defined) - rank) * p[name]))
        corrected[name] = largest
    return {name: corrected.get(name, math.nan) for name in p}
