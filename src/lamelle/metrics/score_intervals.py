"""Every score with its interval, each made in the way that the row of its metric says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lamelle.metrics import calibration
from lamelle.metrics.class_intervals import Answers, class_difference, class_intervals
from lamelle.metrics.differences import Imagined
from lamelle.metrics.intervals import IntervalOptions, Units
from lamelle.metrics.measured_intervals import alone, best_and_worst, calibration_interval, measured_intervals
from lamelle.metrics.metric import Columns, Metric
from lamelle.metrics.ranking import one_hot
from lamelle.metrics.scoring import as_rows, metrics_of, scores
from lamelle.results.scores import Score

GROUPS = 30
"""Groups below which the largest difference that was seen says too little about the next group."""
_PIXELS = 1 << 30
"""Answers that a calibration error of pixels rests on: chance does not count."""


def intervals(
    columns: Columns, *, view: str, classes: Sequence[str] = (), units: Units, options: IntervalOptions
) -> dict[str, Score]:
    """Every score of these items with its interval.

    Args:
        columns: Statistics of the items [n, ...].
        view: How targets are seen.
        classes: Names, as `scores` takes them.
        units: Whole groups of items, or items.

    Example:
        >>> columns = {"confusion": np.array([[[9, 1], [k, 9]] for k in range(6)], float)}
        >>> found = intervals(columns, view="objects", units=Units.of(6, None, "image"),
        ...     options=IntervalOptions(0.95, 500, 0))["dice"]
        >>> found.low < found.value < found.high, found.n
        (True, 6)
    """
    about = {"view": view, "classes": classes}
    every = list(scores(columns, np.ones((1, len(units.member))), **about))
    made = _of_answers(columns, classes, units, options) if view == "classes" else {}

    def measured(metric: Metric) -> bool:
        return view != "classes" or metric.interval == "measured"

    def statistic(weights: np.ndarray) -> dict[str, np.ndarray]:
        return scores(columns, weights, which=measured, **about)

    made |= measured_intervals(statistic, units=units, options=options, ends=best_and_worst)
    made |= _of_calibration(columns, view, classes, units, options, made)
    return {name: made[name] for name in every}


def _of_answers(columns: Columns, classes: Sequence[str], units: Units, options: IntervalOptions) -> dict[str, Score]:
    """Those of right and wrong answers, and of their order."""
    truth, chosen = (columns[name].astype(np.int64) for name in ("truth", "chosen"))
    return class_intervals(
        Answers(truth, chosen, columns["probabilities"], tuple(classes)), units=units, options=options
    )


def _of_calibration(
    columns: Columns,
    view: str,
    classes: Sequence[str],
    units: Units,
    options: IntervalOptions,
    scores: dict[str, Score],
) -> dict[str, Score]:
    """Those of calibration errors, which are biased."""
    made, shared = {}, {"units": units, "options": options}
    for metric in metrics_of(view, columns):
        for name, column in _calibrations(metric, columns, classes).items():

            def statistic(weights: np.ndarray, of: Metric = metric, column: np.ndarray = column) -> np.ndarray:
                return of.value(weights @ column)

            if view != "classes":
                interval = calibration_interval(statistic, outcomes=_PIXELS, chance=0.0, **shared)
                made[name] = replace(interval, n=scores[name].n)
                continue
            hit, chance = calibration.outcomes(
                columns["truth"], columns["before" if metric.of == "uncalibrated" else "probabilities"]
            )
            if label := name.partition("/")[2]:
                k = list(classes).index(label)
                hit, chance = hit[:, k : k + 1], chance[:, k : k + 1]
            usual = calibration.chance_ece(chance, bins=calibration.BINS, share=options.level, seed=options.seed)
            made[name] = calibration_interval(statistic, outcomes=hit.size, chance=usual, **shared)
    return made


def _calibrations(metric: Metric, columns: Columns, classes: Sequence[str]) -> dict[str, np.ndarray]:
    """Sums [n, ROW] behind each calibration error of a metric: that of all answers, and of the classes' own."""
    if metric.interval != "calibration":
        return {}
    made = {metric.name: columns[metric.statistics[0]]}
    if metric.each_of in columns:
        each = as_rows(columns[metric.each_of])
        made |= {f"{metric.name}/{c}": each[:, k] for k, c in enumerate(classes)}
    return made


def imagined(
    score: str, columns: tuple[Columns, Columns], *, view: str, classes: Sequence[str] = (), units: Units
) -> Imagined:
    """What one more unit could do to the difference of two models in a score.

    Args:
        columns: Statistics of the same items, of both models.
    """
    if view == "classes":
        hot = one_hot(columns[0]["truth"], classes=len(classes)).astype(bool)
        return class_difference(score, hot, classes=classes)
    a, b = (
        alone(lambda weights, of=of: {"": scores(of, weights, view=view, classes=classes)[score]}, units)[0][""]
        for of in columns
    )
    apart = np.abs(a - b)
    defined = apart[~np.isnan(apart)]
    seen = float(defined.max()) if len(defined) else 0.0
    if seen == 0 or (units.grouped and units.n < GROUPS):
        good, bad = best_and_worst(score, np.concatenate([a, b]))
        seen = abs(good - bad)
    either = ~np.isnan(a) | ~np.isnan(b)
    return Imagined([[either[units.member]]], seen, measured=True)
