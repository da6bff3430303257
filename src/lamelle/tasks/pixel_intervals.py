"""Intervals of what is measured on images with masks: the same for pixels, outlines and objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from lamelle.metrics.differences import Imagined
from lamelle.metrics.intervals import Interval, IntervalOptions, Units
from lamelle.metrics.measured_intervals import (
    alone,
    best_and_worst,
    calibration_interval,
    measured_intervals,
)
from lamelle.tasks.calibrating import BEFORE

GROUPS = 30
"""Groups below which the largest difference that was seen says too little about the next group."""
_PIXELS = 1 << 30
"""Answers that a calibration error of pixels rests on: chance does not count."""


def pixel_intervals(
    statistic: Callable[[np.ndarray], Mapping[str, np.ndarray]], *, units: Units, options: IntervalOptions
) -> dict[str, Interval]:
    """Every score of ``statistic`` with its interval.

    Args:
        statistic: From weights of the rows [R, N] to name → scores [R].
    """
    made = measured_intervals(statistic, units=units, options=options, ends=best_and_worst)
    for name in (f"ece{end}" for end in ("", BEFORE)):
        if name in made:
            found = calibration_interval(
                lambda weights, name=name: statistic(weights)[name],
                units=units,
                options=options,
                outcomes=_PIXELS,
                chance=0.0,
            )
            made[name] = replace(found, n=made[name].n)
    return made


def pixel_difference(
    of_a: Callable[[np.ndarray], np.ndarray], of_b: Callable[[np.ndarray], np.ndarray], score: str, units: Units
) -> Imagined:
    """What one more image could do to the difference of two models in one score.

    Args:
        of_a: From weights of the rows [R, N] to the scores [R] of one model.
        of_b: The same of the other.
    """
    a, b = (alone(lambda weights, of=of: {"": of(weights)}, units)[0][""] for of in (of_a, of_b))
    apart = np.abs(a - b)
    known = apart[~np.isnan(apart)]
    seen = float(known.max()) if len(known) else 0.0
    if seen == 0 or (units.grouped and units.n < GROUPS):
        good, bad = best_and_worst(score, np.concatenate([a, b]))
        seen = abs(good - bad)
    either = ~np.isnan(a) | ~np.isnan(b)
    return Imagined([[either[units.member]]], seen, measured=True)
