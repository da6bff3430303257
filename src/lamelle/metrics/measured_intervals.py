"""Intervals of what is measured on each image: Dice, boundary F, distances, Brier score, shares.

The imagined unit of a draw (see `intervals`) is mixed into the score itself: good = the best value there is, bad = a
third of the worst unit's own (of errors: 0, and twice the worst). Twenty good images do not exclude that one in twenty
fails: that is why intervals of a mean Dice are wide below fifty images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from lamelle.metrics.intervals import MIN_UNITS, IntervalOptions, Stratum, Units, bounds, draws, tail
from lamelle.metrics.names import less_is_better, limits
from lamelle.results.scores import Score

Statistic = Callable[[np.ndarray], Mapping[str, np.ndarray]]
"""From weights of the rows float64 [R, N] to name → scores [R]."""
Ends = Callable[[str, np.ndarray], tuple[float, float]]
"""From a score and its values of the units alone [n] to those of an imagined unit, at best and at worst."""
METHOD = "Bayesian bootstrap with an imagined unit"
_AT_ONCE = 64
"""Units looked at together, each alone."""
_CERTAIN = 100
"""Outcomes below which a calibration error is mostly chance."""


def measured_intervals(statistic: Statistic, *, units: Units, options: IntervalOptions, ends: Ends) -> dict[str, Score]:
    """Intervals of measured scores.

    Args:
        statistic: Every score for some weights of the rows; NaN where it has no value.
        ends: What one more unit may bring: `best_and_worst`, or `most_and_least`.

    Example:
        >>> dice = np.array([0.9, 0.95, 0.85, 0.92, 0.88, 0.97, 0.9, 0.93])
        >>> found = measured_intervals(
        ...     lambda w: {"dice": w @ dice / w.sum(1)}, units=Units.of(8, None, "image"),
        ...     options=IntervalOptions(0.95, 2000, 0), ends=best_and_worst)["dice"]
        >>> round(found.value, 4), found.low < 0.85, found.high < 1, found.n
        (0.9125, True, True, 8)
    """
    rows = len(units.member)
    value = {k: float(v[0]) for k, v in statistic(np.ones((1, rows))).items()}
    single, defined = alone(statistic, units)
    rules = {}
    for name in value:
        counted = defined[name]
        stratum = Stratum.of(units.rows(counted))
        share = tail([stratum], level=options.level, grouped=units.grouped, measured=True) if stratum.units else 0.0
        rules[name] = (
            counted.astype(np.float64),
            stratum,
            share,
            *ends(name, single[name]),
        )
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in value}
    for some in draws(units, options, strata=1):
        weights, extra = some.weights[:, units.member], some.imagined[:, 0]
        for name, values in statistic(weights).items():
            counted, stratum, _, good, bad = rules[name]
            imagined = np.where(some.good, good, bad)
            mass = extra * stratum.mass
            drawn[name].append(values + (imagined - values) * mass / (weights @ counted + mass))
    made = {}
    for name, one in value.items():
        _, stratum, share, *_ = rules[name]
        low, high, reason = math.nan, math.nan, ""
        if math.isnan(one):
            reason = "undefined"
        elif stratum.units < MIN_UNITS:
            reason = "few"
        else:
            low, high = bounds(np.concatenate(drawn[name]), one, share)
        made[name] = Score(one, low, high, stratum.units, units.name, METHOD, options.level, reason)
    return made


def calibration_interval(
    statistic: Callable[[np.ndarray], np.ndarray],
    *,
    units: Units,
    options: IntervalOptions,
    outcomes: int,
    chance: float,
) -> Score:
    """The interval of a calibration error, which is biased: outcomes never match their probabilities exactly.

    The upper bound is a quantile of the draws; the lower one is 0 where the value is no more than a calibrated model
    would show, else as far below the value as the upper one is above.

    Args:
        statistic: From weights [R, N] to the error [R].
        outcomes: Answers that the error rests on.
        chance: The 95 % quantile of the error if the probabilities were true.
    """
    value = float(statistic(np.ones((1, len(units.member))))[0])
    low, high, reason = math.nan, math.nan, ""
    if math.isnan(value):
        reason = "undefined"
    elif outcomes < _CERTAIN:
        reason = "chance"
    elif units.n < MIN_UNITS:
        reason = "few"
    else:
        drawn = np.concatenate([statistic(s.weights[:, units.member]) for s in draws(units, options, strata=1)])
        _, high = bounds(drawn, value, (1 - options.level) / 2)
        low = 0.0 if value <= chance else max(0.0, 2 * value - high)
    return Score(value, low, high, units.n, units.name, METHOD, options.level, reason)


def best_and_worst(score: str, single: np.ndarray) -> tuple[float, float]:
    """What a score of the next unit may be at best and at worst, from those of the units alone [n].

    Example:
        >>> best_and_worst("dice", np.array([0.9, 0.6]))[0], best_and_worst("hd95", np.array([3.0, 4.0]))
        (1.0, (0.0, 8.0))
    """
    defined = single[~np.isnan(single)]
    if not len(defined):
        return math.nan, math.nan
    (low, high), least, most = limits(score), float(defined.min()), float(defined.max())
    bounded = math.isfinite(high)
    if not less_is_better(score):
        return (high, low + (least - low) / 3) if bounded else (2 * most, least / 2)
    return low, high - (high - most) / 3 if bounded else 2 * most or 1.0


def most_and_least(score: str, single: np.ndarray) -> tuple[float, float]:
    """The same where no value is better than another: the largest and the smallest that were seen."""
    defined = single[~np.isnan(single)]
    return (float(defined.max()), float(defined.min())) if len(defined) else (math.nan, math.nan)


def alone(statistic: Statistic, units: Units) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Every score of each unit alone [n], and which rows have a value of it, bool [N]."""
    each = _of(statistic, units.member, units.n)
    rows = _of(statistic, np.arange(len(units.member)), len(units.member)) if units.grouped else each
    return each, {name: ~np.isnan(row) for name, row in rows.items()}


def _of(statistic: Statistic, member: np.ndarray, n: int) -> dict[str, np.ndarray]:
    gathered: dict[str, list[np.ndarray]] = {}
    for start in range(0, n, _AT_ONCE):
        some = np.arange(start, min(start + _AT_ONCE, n))
        for name, values in statistic((member[None] == some[:, None]).astype(np.float64)).items():
            gathered.setdefault(name, []).append(np.asarray(values, np.float64))
    return {name: np.concatenate(parts) for name, parts in gathered.items()}
