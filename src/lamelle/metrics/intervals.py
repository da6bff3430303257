"""Intervals that cover: a Bayesian bootstrap in which every draw holds one unit more than was seen.

A test set of n units is silent about what the next one may bring. So each draw gives the units that were seen random
weights (gaps of exponentials, none of them 0, so that no class is ever lost) and adds one imagined unit, in half of the
draws as good as can be, in the other half as bad. For k right of n that is exactly the mid-P interval.

Here: the interval itself, units, the draws, and the closed form. `class_intervals` and `measured_intervals` know what
an imagined unit is, `differences` compares two models on the same units.

Reference: Rubin (1981), doi:10.1214/aos/1176345338; Muliere and Secchi (1996), Ann. Inst. Statist. Math. 48, 663;
    Fay, Proschan and Brittain (2015), doi:10.1111/biom.12231; Berry and Armitage (1995), doi:10.2307/2348891
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from lamelle.messages import text
from lamelle.messages.numbers import unit_of
from lamelle.results.scores import MeanScore, Score

MIN_UNITS = 5
"""Units that a measured, ranked or grouped score needs for an interval."""
FEW_UNITS = 10
"""Units of a measured score below which a reader is told that they are few: the interval is wide because of that."""
_MIN_RESAMPLES, _MAX_RESAMPLES = 1_000, 10_000
_NUMBERS = 20_000_000
"""Weights drawn in all, where nobody says how many draws there are to be."""
_CHUNK = 1 << 22
"""Numbers held at once."""


@dataclass(frozen=True, slots=True)
class IntervalOptions:
    """How intervals are made."""

    level: float
    resamples: int | None
    """Draws; None = as many as the number of rows allows, 1,000 to 10,000."""
    seed: int

    def draws(self, rows: int) -> int:
        """How many draws there are for a table of this many rows."""
        return self.resamples or int(np.clip(_NUMBERS // max(1, rows), _MIN_RESAMPLES, _MAX_RESAMPLES))


@dataclass(frozen=True, slots=True)
class Units:
    """What is independent, and which rows of a table belong to each."""

    member: np.ndarray
    """Number of the unit of each row, int64 [N]."""
    n: int
    name: str
    """``group``, ``image``, ``slice``, ``block`` …"""

    @staticmethod
    def of(rows: int, groups: Sequence[Hashable] | None, name: str) -> Units:
        """Each row by itself, or the rows of one group together.

        Raises:
            ValueError: If ``groups`` has another length than there are rows.

        Example:
            >>> Units.of(3, ["p1", "p2", "p1"], "group").member
            array([0, 1, 0])
        """
        if groups is None:
            return Units(np.arange(rows), rows, name)
        if len(groups) != rows:
            raise ValueError(f"groups has {len(groups)} entries, but there are {rows} rows")
        numbers: dict[Hashable, int] = {}
        member = np.array([numbers.setdefault(g, len(numbers)) for g in groups], np.int64)
        return Units(member, len(numbers), name)

    @property
    def grouped(self) -> bool:
        """Whether some unit has several rows."""
        return self.n < len(self.member)

    def rows(self, counted: np.ndarray) -> np.ndarray:
        """Rows of each unit [n] that a stratum counts, given which rows it counts [N]."""
        return np.bincount(self.member, weights=np.asarray(counted, np.float64), minlength=self.n)


@dataclass(frozen=True, slots=True)
class Stratum:
    """The rows that one denominator of a score counts."""

    units: int
    """Units that have such a row."""
    effective: float
    """As many units of equal size would tell as much (Kish)."""
    mass: float
    """Rows that an imagined unit stands for."""

    @staticmethod
    def of(rows: np.ndarray) -> Stratum:
        """The stratum with this many rows in each unit [n]."""
        there = rows[rows > 0]
        total, squares = float(there.sum()), float((there**2).sum())
        if not len(there):
            return Stratum(0, 0.0, 0.0)
        return Stratum(len(there), total**2 / squares, (total / len(there)) ** (2 / 3))


def tail(strata: Sequence[Stratum], *, level: float, grouped: bool, measured: bool) -> float:
    """Share of the draws beyond each bound.

    Of right-or-wrong rows that are units themselves, half of 1 − level; otherwise the tail of Student's t, expressed in
    the normal's, so that few units give a wider interval (Hesterberg's expansion), with Satterthwaite's degrees.

    Reference: Hesterberg (2015), doi:10.1080/00031305.2015.1089789; Korn and Graubard (1998), Survey
        Methodology 24, 193
    """
    from scipy.special import ndtr, stdtrit

    if not (grouped or measured):
        return (1 - level) / 2
    sizes = np.array([s.effective for s in strata if s.effective > 0])
    degrees = max((1 / sizes).sum() ** 2 / (1 / sizes**3).sum(), 1 + 1e-6)
    wide = float(stdtrit(degrees, (1 + level) / 2))
    if grouped:
        wide *= math.sqrt((degrees + 1) / (degrees - 1))
    return float(ndtr(-wide))


@dataclass(frozen=True, slots=True)
class Draws:
    """Some of the draws: weights of the units, and what the imagined ones are like."""

    weights: np.ndarray
    """Of each unit, none of them 0 [R, n]."""
    imagined: np.ndarray
    """Weight of the imagined unit of each stratum [R, S]."""
    good: np.ndarray
    """Whether the imagined units are as good as can be, bool [R]: one coin for all strata."""
    random: np.random.Generator
    """For what else a draw decides."""


def draws(units: Units, options: IntervalOptions, *, strata: int, width: int = 1) -> Iterator[Draws]:
    """All draws, in chunks that fit in memory.

    Args:
        strata: Imagined units that a score can need at once.
        width: Numbers that are held for each row of a draw.
    """
    random = np.random.default_rng(options.seed)
    total = options.draws(len(units.member))
    chunk = max(1, _CHUNK // max(1, width * max(len(units.member), strata)))
    for start in range(0, total, chunk):
        size = min(chunk, total - start)
        weights = random.standard_exponential((size, units.n))
        yield Draws(weights, random.standard_exponential((size, strata)), random.random(size) < 0.5, random)


def bounds(drawn: np.ndarray, value: float, share: float) -> tuple[float, float]:
    """Lower and upper bound from the scores of the draws [R]; they always hold the value.

    Args:
        share: Of the draws beyond each bound; see `tail`.
    """
    defined = drawn[~np.isnan(drawn)]
    if math.isnan(value) or not len(defined):
        return math.nan, math.nan
    low, high = np.quantile(defined, (share, 1 - share))
    return min(float(low), value), max(float(high), value)


def proportion(k: int, n: int, *, level: float) -> tuple[float, float]:
    """The mid-P interval of k right of n independent ones; NaN for n = 0.

    Raises:
        ValueError: If k is not in 0 .. n.

    Example:
        >>> [round(bound, 3) for bound in proportion(5, 20, level=0.95)], round(proportion(12, 12, level=0.95)[0], 4)
        ([0.098, 0.47], 0.7791)

    Reference: Berry and Armitage (1995), doi:10.2307/2348891
    """
    from scipy.optimize import brentq
    from scipy.special import betainc

    if not 0 <= k <= n:
        raise ValueError(f"k = {k} is not in 0..{n}")
    if n == 0:
        return math.nan, math.nan

    def below(p: float) -> float:
        """Half Beta(k, n − k + 1) and half Beta(k + 1, n − k): the share of draws that give less than p."""
        first = 1.0 if k == 0 else float(betainc(k, n - k + 1, p))
        second = 0.0 if k == n else float(betainc(k + 1, n - k, p))
        return (first + second) / 2

    def where(share: float) -> float:
        return cast(float, brentq(lambda p: below(p) - share, 0.0, 1.0, xtol=1e-12))

    rest = (1 - level) / 2
    return 0.0 if k == 0 else where(rest), 1.0 if k == n else where(1 - rest)


def difference(one: Score, other: Score) -> Score:
    """How much a score of one set lies above that of another, independent one, from their intervals alone.

    The bounds follow from those of both scores (MOVER), whatever method gave them, and so need not be symmetric. They
    are NaN where either score has none, or one of another level.

    Example:
        >>> here = Score(0.7, 0.6, 0.8, 30, "image", "…", 0.95)
        >>> there = Score(0.9, 0.86, 0.92, 40, "image", "…", 0.95)
        >>> found = difference(here, there)
        >>> round(found.value, 2), round(found.low, 3), round(found.high, 3), found.n
        (-0.2, -0.302, -0.092, 30)

    Reference: Zou and Donner (2008), doi:10.1002/sim.3095
    """
    value, low, high = one.value - other.value, math.nan, math.nan
    if one.level == other.level:
        low = value - math.hypot(one.value - one.low, other.high - other.value)
        high = value + math.hypot(one.high - one.value, other.value - other.low)
    reason = one.reason or other.reason or ("" if math.isfinite(low) else "undefined")
    return Score(value, low, high, min(one.n, other.n), one.unit, "MOVER", one.level, reason)


def bands(
    statistic: Callable[[np.ndarray], np.ndarray], *, units: Units, options: IntervalOptions
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A curve [P] with bounds at each point by itself, from the weights of the draws alone.

    Args:
        statistic: From weights of the rows [R, N] to curves [R, P].
    """
    value = statistic(np.ones((1, len(units.member))))[0]
    drawn = [statistic(some.weights[:, units.member]) for some in draws(units, options, strata=1)]
    rest = (1 - options.level) / 2
    low, high = np.quantile(np.concatenate(drawn), (rest, 1 - rest), axis=0)
    return value, np.minimum(low, value), np.maximum(high, value)


def why_none(score: Score) -> str:
    """Why a score has no interval or no value; empty where it has both.

    Example:
        >>> why_none(Score(1.0, math.nan, math.nan, 3, "image", reason="few", of="b"))
        'no interval: 3 images of b; 5 are needed'
    """
    code = score.reason or ("" if score.bounded else "undefined")
    if not code:
        return ""
    if code == "few" and score.of:
        code = "few_of"
    elif code == "undefined" and score.defined:
        code = "unbounded"
    elif code == "undefined" and not score.n:
        code = "nowhere"
    about = {"n": score.n, "unit": unit_of(score.unit, score.n), "least": MIN_UNITS, "name": score.of}
    why = text(f"intervals.{code}", **about)
    if not isinstance(score, MeanScore) or score.lacking in (0, score.seeds):
        return why
    return text("intervals.in_seeds", why=why, lacking=score.lacking, seeds=score.seeds)


COLUMNS = ("", "_low", "_high", "_n", "_unit", "_reason")
"""Ends of the names of the columns that a score has in a table."""


def cells(score: Score | None) -> list[Any]:
    """What a score says in ``COLUMNS``; nothing of a score that is not there.

    Example:
        >>> cells(Score(1.0, 0.5, 1.0, 3, "image"))
        [1.0, 0.5, 1.0, 3, 'image', '']
    """
    if score is None:
        return [None] * len(COLUMNS)
    return [score.value, score.low, score.high, score.n, score.unit, why_none(score)]


def few_units(n: int) -> bool:
    """Whether n units are so few that the width of an interval is mostly due to that, which a reader must be told.

    Example:
        >>> few_units(3), few_units(200)
        (True, False)
    """
    return n < FEW_UNITS
