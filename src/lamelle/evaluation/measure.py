"""Scores with intervals: no bare number.

Every score carries n, the unit that was resampled and an interval. Where groups are known (patients, volumes) whole
groups are resampled; where all items are slices of one volume, blocks of the plane are, and the scores say so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lamelle.data.samples import Reader
from lamelle.metrics.intervals import IntervalOptions, Units, few_units
from lamelle.metrics.names import of_images
from lamelle.prediction.predictor import Predictor
from lamelle.results.fitted import Fit, Fitted, Sweep
from lamelle.results.items import ItemStats
from lamelle.results.scores import Confusion, Note, Score, Scores
from lamelle.tasks.base import Task
from lamelle.types import Record

Listener = Callable[[Record, np.ndarray, ItemStats], Mapping[str, object]]
"""Hears of each item: record, probabilities, statistics; gives its line of the table of predictions."""


def measure(
    records: Sequence[Record], predictor: Predictor, reader: Reader, fitted: Fitted, listen: Listener | None
) -> list[ItemStats]:
    """Statistics of each record, with its id, group and place in its volume."""
    task, items = predictor.task, []
    for record, probabilities in predictor.of_records(records, reader.store):
        values = task.row(probabilities, reader.target(record), fitted, reader.store.spacing(record.image))
        one = ItemStats(record.id, values, record.group, record.columns.get("volume"), record.position)
        items.append(one if listen is None else replace(one, line=listen(record, probabilities, one)))
    return items


def fit(records: Sequence[Record], predictor: Predictor, reader: Reader) -> Fit:
    """What the validation set decides, to be frozen in the Package, and what was tried for it."""
    fitter = predictor.task.fitter()
    for record, probabilities in predictor.of_records(records, reader.store):
        fitter.add(probabilities, reader.target(record))
    return fitter.done()


def summarise(
    task: Task,
    items: Sequence[ItemStats],
    options: IntervalOptions,
    *,
    split: str,
    fitted: Fitted | None = None,
    sweeps: Sequence[Sweep] = (),
) -> Scores:
    """The content of ``scores.json``: every score with n, unit and interval, and what stands behind the figures.

    Args:
        split: What was scored, as `Scores` says it.
        fitted: What the answers were made with; None where items of several models are together.
        sweeps: What was tried for it.
    """
    scores, notes = _intervals(task, items, options)
    figures = task.figures(items)
    support = next((one.support for one in figures if isinstance(one, Confusion)), ())
    if absent := [task.classes[k] for k, n in enumerate(support) if n == 0]:
        notes.append(Note(code="evaluate.absent_classes", values={"classes": ", ".join(absent)}))
        if "macro_f1" in scores:
            notes.append(Note(code="evaluate.over_present"))
    if undecided := list(dict.fromkeys(one.of for one in sweeps if one.undecided)):
        notes.append(Note(code="evaluate.unsearched", values={"classes": ", ".join(undecided)}))
    return Scores(
        task=task.name,
        classes=task.classes,
        split=split,
        n=len(items),
        monitor=task.monitor,
        headline=tuple(name for name in task.headline if name in scores),
        counted=task.counted,
        notes=tuple(notes),
        scores=scores,
        items=tuple(task.item(one) for one in items),
        figures=(*figures, *sweeps),
        fitted=fitted.decided() if fitted else {},
    )


def _intervals(task: Task, items: Sequence[ItemStats], options: IntervalOptions) -> tuple[dict[str, Score], list[Note]]:
    """Intervals by the largest unit that is known, and what a reader must be told about them."""
    groups, positions = [one.group for one in items], [one.position for one in items]
    volumes = {one.volume for one in items}
    one_volume = len(volumes) == 1 and None not in volumes
    notes: list[Note] = []
    if one_volume and "blocks" in items[0].values:
        notes.append(Note(code="report.one_volume", values={"volume": volumes.pop()}))
        of_slices = None not in positions
        scores = _resample(
            task, items, None if of_slices else [0] * len(items), "slice" if of_slices else "volume", options
        )
        blocks, places = _by_block(items)
        scores |= _resample(task, blocks, places, "block", options)
    elif one_volume and len(set(groups)) == 1 and None not in positions:
        values = {"volume": volumes.pop(), "n": len(items), "slices": len(set(positions))}
        notes.append(Note(code="evaluate.one_volume", values=values))
        scores = _resample(task, items, positions, "slice", options)
    elif all(groups) and len(set(groups)) > 1:
        scores = _resample(task, items, groups, "group", options)
    elif all(groups):
        notes.append(Note(code="evaluate.one_group", values={"group": groups[0], "n": len(items)}))
        scores = _resample(task, items, None, "image", options)
    else:
        notes.append(Note(code="report.independence", values={"n": len(items)}))
        scores = _resample(task, items, None, "image", options)
    given = [scores[name] for name in task.headline if name in scores and not math.isnan(scores[name].low)]
    if given and few_units(units := min(one.n for one in given)):
        notes.append(Note(code="report.few_units", values={"n": units}))
    return scores, notes


@dataclass(frozen=True, slots=True)
class Shared:
    """What is resampled when the scores of several runs are compared."""

    items: list[ItemStats]
    groups: list[str | None] | list[int] | None
    unit: str


def units_of(items: Sequence[ItemStats]) -> Shared:
    """The largest units that are known, as the intervals of one run take them; blocks where there is one volume."""
    groups, positions = [one.group for one in items], [one.position for one in items]
    one_volume = len({one.volume for one in items}) == 1 and items[0].volume is not None
    if one_volume and "blocks" in items[0].values:
        blocks, places = _by_block(items)
        return Shared(blocks, places, "block")
    if one_volume and len(set(groups)) == 1 and None not in positions:
        return Shared(list(items), [int(place or 0) for place in positions], "slice")
    if all(groups) and len(set(groups)) > 1:
        return Shared(list(items), groups, "group")
    return Shared(list(items), None, "image")


def _by_block(items: Sequence[ItemStats]) -> tuple[list[ItemStats], list[int]]:
    """Each block of each slice as an item of its own; blocks at the same place in the plane belong together."""
    cut = [
        (ItemStats(f"{one.id}/{place}", {"confusion": matrix}), place)
        for one in items
        for place, matrix in enumerate(one.values["blocks"])
    ]
    return [one for one, _ in cut], [place for _, place in cut]


def _resample(
    task: Task, items: Sequence[ItemStats], groups: Sequence[Hashable] | None, unit: str, options: IntervalOptions
) -> dict[str, Score]:
    """Every score with its interval; a block can give those pooled over pixels, not means over whole images."""
    table = task.table([one.values for one in items])
    scores = task.intervals(table, units=Units.of(len(items), groups, unit), options=options)
    return {name: one for name, one in scores.items() if unit != "block" or not of_images(name)}
