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
from lamelle.data.store import Store
from lamelle.keys import Recipe
from lamelle.messages import text
from lamelle.messages.numbers import number
from lamelle.metrics.intervals import Interval, IntervalOptions, Units, few_units, why_none
from lamelle.metrics.names import name_of, unit_of
from lamelle.package import Package
from lamelle.prediction import comparing
from lamelle.prediction.files import PredictionFolder, items_csv, planes_of
from lamelle.prediction.predictor import Predictor, of_package
from lamelle.run import RunFolder
from lamelle.tasks import by_class
from lamelle.tasks.base import Row, Task
from lamelle.tasks.pixel_scores import of_images
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
        "notes": [_written(note) for note in notes],
        "scores": {name: asdict(found) for name, found in intervals.items()},
        "items": [{"id": row["id"], **task.item(row)} for row in rows],
        "figures": figures,
        "fitted": dict(fitted),
    }


def _written(note: Problem) -> dict[str, Any]:
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


# into a run, or about another folder ---------------------------------------------------------------------------------


def interval_options(recipe: Recipe) -> IntervalOptions:
    """What a recipe says about intervals."""
    return IntervalOptions(recipe.evaluate.level, recipe.evaluate.resamples, recipe.train.seed)


def score_run(
    run: RunFolder,
    package: Package,
    records: Sequence[Record],
    store: Store,
    options: IntervalOptions,
    *,
    split: str = "test",
) -> list[Row]:
    """Scores and predictions of a Run's test set, written into the Run; without one, of its validation set.

    Returns:
        The rows of the items.
    """
    rows = predict_and_measure(run, package, records, store)
    notes = notes_of(package) + ([Problem("evaluate.no_test")] if split == "validation" else [])
    write_scores(run, package.task, rows, options, split=split, fitted=package.fitted, notes=notes)
    return rows


def notes_of(package: Package) -> list[Problem]:
    """What of its training must be said beside the scores of a model."""
    short = package.provenance.get("too_short")
    code = "evaluate.too_short_busy" if short and "share" in short else "evaluate.too_short"
    return [Problem(code, values=short)] if short else []


def predict_and_measure(
    run: RunFolder,
    package: Package,
    records: Sequence[Record],
    store: Store,
    compared: comparing.Compared | None = None,
) -> list[Row]:
    """Rows of records whose truth is known, each with its line of the table of predictions; these are written.

    Args:
        run: Where the predictions are written.
        compared: The images beside those of the training, where they are others.
    """
    others = compared or comparing.Compared()
    reader, predictor = Reader(store, package.task, package.preparation), of_package(package, others.units)
    folder = PredictionFolder(
        run.predictions, package.task.classes, probabilities=False, overlays=False, planes=planes_of(records)
    )

    def listen(record: Record, probabilities: np.ndarray, target: np.ndarray, row: Row) -> None:
        prediction = package.task.decode(probabilities, package.fitted, store.spacing(record.image))
        grid = store.grid(record.image)
        known = _judged(package.task, row) | others.columns(record)
        said = folder.add(record, store.image(record.image), prediction, grid, known)
        row["said"] = said | ({"file": folder.folder / said["file"]} if "file" in said else {})

    run.forget(run.predictions)
    rows = measure(records, predictor, reader, package.fitted, listen)
    folder.close()
    run.seal(*(path for path in sorted(run.predictions.rglob("*")) if path.is_file()))
    return rows


def score_validation(
    run: RunFolder, package: Package, records: Sequence[Record], store: Store, options: IntervalOptions
) -> dict[str, Any]:
    """``scores.json`` of a Run that is one of many: those of the validation set, for a choice among them."""
    reader, predictor = Reader(store, package.task, package.preparation), of_package(package)
    rows = measure(records, predictor, reader, package.fitted, None)
    scores = summarise(package.task, rows, options, split="validation", fitted=package.fitted)
    scores["notes"] += [_written(note) for note in notes_of(package)]
    run.write_json(run.scores, scores)
    return scores


def _judged(task: Task, row: Row) -> dict[str, Any]:
    """What a table of predictions says beside the prediction where the truth is known."""
    return {k: v for k, v in task.item(row).items() if k != "predicted"}


def write_scores(
    run: RunFolder,
    task: Task,
    rows: Sequence[Row],
    options: IntervalOptions,
    *,
    split: str,
    fitted: Mapping[str, Any],
    folds: Sequence[Mapping[str, Any]] = (),
    notes: Sequence[Problem] = (),
) -> dict[str, Any]:
    """``scores.json``, ``classes.csv`` and ``predictions.csv`` of a Run; the last has the columns of every such table.

    Args:
        folds: Scores of each fold, where the rows are those of several; between which values they lie is said.
        notes: What else is to be said beside the scores.
    """
    scores = summarise(task, rows, options, split=split, fitted=fitted)
    scores["notes"] += [_written(note) for note in notes]
    if folds:
        scores["notes"].append({"code": "evaluate.between_folds", "values": {"scores": _spread(scores, folds)}})
    run.write_json(run.scores, scores)
    run.write_text(run.classes, by_class.to_csv(scores))
    run.write_json(run.rows, [{k: v for k, v in row.items() if k != "said"} for row in rows])
    said = [row.get("said") or {"image": row["id"], **_judged(task, row)} for row in rows]
    below = [{k: run.relative(v) if k == "file" else v for k, v in one.items()} for one in said]
    run.write_text(run.predictions_table, items_csv(below))
    return scores


def _spread(scores: Mapping[str, Any], folds: Sequence[Mapping[str, Any]]) -> str:
    """The least and the largest value of each headline score among the folds."""
    found = []
    for name in scores["headline"]:
        values = [v for one in folds if (v := one["scores"].get(name, {}).get("value")) is not None]
        found += [f"{name_of(name)} {min(values):.3f} – {max(values):.3f}"] if values else []
    return ", ".join(found)


def read_rows(run: RunFolder) -> list[Row]:
    """The rows of a scored Run, each with its line of the table of predictions, as `write_scores` takes them."""
    found = []
    for row, said in zip(run.read_json(run.rows), run.read_table(run.predictions_table), strict=True):
        file = {"file": run.path / said["file"]} if said.get("file") else {}
        found.append(row | {"said": said | file})
    return found


def headline(scores: Mapping[str, Any]) -> list[str]:
    """The most important scores, one line each, and what a reader must be told about them."""
    lines = [_score_line(name, scores["scores"][name]) for name in scores["headline"]]
    return [*lines, *(text(note["code"], **note["values"]) for note in scores["notes"])]


def _score_line(name: str, found: Mapping[str, Any]) -> str:
    """A score with its interval, or why it has none."""
    about = {"name": name_of(name), "n": found["n"], "unit": unit_of(found["unit"], found["n"])}
    numbers = {k: number(found[k]) for k in ("value", "low", "high")}
    if why := why_none(found):
        return text("verbs.score_alone", name=about["name"], value=numbers["value"], why=why)
    return text("verbs.score", level=f"{round(100 * found['level'])} %", **numbers, **about)
