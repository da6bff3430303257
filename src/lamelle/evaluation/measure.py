"""Scores with intervals: no bare number.

Every score carries n, the unit that was resampled and an interval. Where groups are known (patients, volumes) whole
groups are resampled; where all items are slices of one volume, blocks of the plane are, and the scores say so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lamelle.data.samples import Reader
from lamelle.metrics.intervals import Interval, IntervalOptions, Units, few_units
from lamelle.metrics.names import of_images
from lamelle.prediction.predictor import Predictor
from lamelle.tasks.base import Row, Task
from lamelle.types import Problem, Record

Listener = Callable[[Record, np.ndarray, np.ndarray, Row], None]
"""Hears of each item: record, probabilities, target, row."""


def measure(
    records: Sequence[Record], predictor: Predictor, reader: Reader, fitted: Mapping[str, Any], listen: Listener | None
) -> list[Row]:
    """Sufficient statistics of each record, with its id, group and place in its volume."""
    task, rows = predictor.task, []
    for record, probabilities in predictor.of_records(records, reader.store):
        target = reader.target(record)
        row = task.row(probabilities, target, fitted, reader.store.spacing(record.image))
        row |= {"id": record.id, "group": record.group}
        row |= {"volume": record.columns.get("volume"), "position": record.position}
        rows.append(row)
        if listen is not None:
            listen(record, probabilities, target, row)
    return rows


def fit(records: Sequence[Record], predictor: Predictor, reader: Reader) -> dict[str, Any]:
    """What the validation set decides, to be frozen in the Package."""
    fitter = predictor.task.fitter()
    for record, probabilities in predictor.of_records(records, reader.store):
        fitter.add(probabilities, reader.target(record))
    return fitter.done()


def summarise(
    task: Task, rows: Sequence[Row], options: IntervalOptions, *, split: str, fitted: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of ``scores.json``: every score with n, unit and interval, and what stands behind the figures."""
    intervals, notes = _intervals(task, rows, options)
    figures = task.figures(rows)
    if absent := [c for c, n in zip(task.classes, figures["support"], strict=True) if n == 0]:
        notes.append(Problem("evaluate.absent_classes", values={"classes": ", ".join(absent)}))
        if "macro_f1" in intervals:
            notes.append(Problem("evaluate.over_present"))
    if unsearched := fitted.get("unsearched"):
        names = ", ".join(task.classes[int(k)] for k in unsearched)
        notes.append(Problem("evaluate.unsearched", values={"classes": names}))
    return {
        "task": task.name,
        "classes": list(task.classes),
        "split": split,
        "n": len(rows),
        "headline": [name for name in task.headline if name in intervals],
        "notes": [written(note) for note in notes],
        "scores": {name: asdict(found) for name, found in intervals.items()},
        "items": [{"id": row["id"], **task.item(row)} for row in rows],
        "figures": figures,
        "fitted": dict(fitted),
    }


def written(note: Problem) -> dict[str, Any]:
    return {"code": note.code, "values": dict(note.values)}


def _intervals(task: Task, rows: Sequence[Row], options: IntervalOptions) -> tuple[dict[str, Interval], list[Problem]]:
    """Intervals by the largest unit that is known, and what a reader must be told about them."""
    groups = [row["group"] for row in rows]
    volumes = {row["volume"] for row in rows}
    one_volume = len(volumes) == 1 and None not in volumes
    positions = [row.get("position") for row in rows]
    notes: list[Problem] = []
    if one_volume and "blocks" in rows[0]:
        notes.append(Problem("report.one_volume", values={"volume": volumes.pop()}))
        of_slices = None not in positions
        found = _resample(
            task, rows, None if of_slices else [0] * len(rows), "slice" if of_slices else "volume", options
        )
        blocks, places = _by_block(rows)
        found |= _resample(task, blocks, places, "block", options)
    elif one_volume and len(set(groups)) == 1 and None not in positions:
        values = {"volume": volumes.pop(), "n": len(rows), "slices": len(set(positions))}
        notes.append(Problem("evaluate.one_volume", values=values))
        found = _resample(task, rows, positions, "slice", options)
    elif all(groups) and len(set(groups)) > 1:
        found = _resample(task, rows, groups, "group", options)
    elif all(groups):
        notes.append(Problem("evaluate.one_group", values={"group": groups[0], "n": len(rows)}))
        found = _resample(task, rows, None, "image", options)
    else:
        notes.append(Problem("report.independence", values={"n": len(rows)}))
        found = _resample(task, rows, None, "image", options)
    given = [found[name] for name in task.headline if name in found and not math.isnan(found[name].low)]
    if given and few_units(units := min(one.n for one in given)):
        notes.append(Problem("report.few_units", values={"n": units}))
    return found, notes


@dataclass(frozen=True, slots=True)
class Shared:
    """What is resampled when the scores of several runs are compared."""

    rows: list[Row]
    groups: list[Any] | None
    unit: str


def units_of(rows: Sequence[Row]) -> Shared:
    """The largest units that are known, as the intervals of one run take them; blocks where there is one volume."""
    groups, positions = [row["group"] for row in rows], [row.get("position") for row in rows]
    one_volume = len({row["volume"] for row in rows}) == 1 and rows[0]["volume"] is not None
    if one_volume and "blocks" in rows[0]:
        blocks, places = _by_block(rows)
        names = [{"id": f"{row['id']}/{place}"} for row in rows for place in range(len(row["blocks"]))]
        return Shared([block | name for block, name in zip(blocks, names, strict=True)], list(places), "block")
    if one_volume and len(set(groups)) == 1 and None not in positions:
        return Shared(list(rows), positions, "slice")
    if all(groups) and len(set(groups)) > 1:
        return Shared(list(rows), groups, "group")
    return Shared(list(rows), None, "image")


def _by_block(rows: Sequence[Row]) -> tuple[list[Row], list[int]]:
    """Each block of each slice as an item of its own; blocks at the same place in the plane belong together."""
    cut = [({"confusion": matrix}, place) for row in rows for place, matrix in enumerate(row["blocks"])]
    return [row for row, _ in cut], [place for _, place in cut]


def _resample(
    task: Task, rows: Sequence[Row], groups: Sequence[Any] | None, unit: str, options: IntervalOptions
) -> dict[str, Interval]:
    """Every score with its interval; a block can give those pooled over pixels, not means over whole images."""
    found = task.intervals(task.table(rows), units=Units.of(len(rows), groups, unit), options=options)
    return {name: one for name, one in found.items() if unit != "block" or not of_images(name)}
