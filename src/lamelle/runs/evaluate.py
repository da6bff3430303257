"""Scores of records, written into a Run or a folder of its kind, with the predictions they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lamelle.data.samples import Reader
from lamelle.data.store import Store
from lamelle.evaluation.measure import measure, summarise
from lamelle.messages import text
from lamelle.messages.numbers import number, unit_of
from lamelle.metrics import by_class
from lamelle.metrics.intervals import IntervalOptions, why_none
from lamelle.metrics.names import name_of
from lamelle.prediction import comparing
from lamelle.prediction.files import PredictionFolder
from lamelle.prediction.output_places import planes_of
from lamelle.prediction.package import Package
from lamelle.prediction.predictor import of_package
from lamelle.prediction.tables import Row, items_csv
from lamelle.results.items import ItemStats
from lamelle.results.scores import Note, Score, Scores
from lamelle.runs.folder import RunFolder
from lamelle.runs.recipe import Recipe
from lamelle.tasks.base import Task
from lamelle.types import Record


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
    notes: Sequence[Note] = (),
) -> list[ItemStats]:
    """Scores and predictions of a Run's test set, written into the Run; without one, of its validation set.

    Args:
        notes: What else is to be said beside the scores.

    Returns:
        Statistics of the items.
    """
    items = predict_and_measure(run, package, records, store)
    notes = [*notes_of(package), *([Note(code="evaluate.no_test")] if split == "validation" else []), *notes]
    write_scores(run, package.task, items, options, split=split, package=package, notes=notes)
    return items


def notes_of(package: Package) -> list[Note]:
    """What of its training must be said beside the scores of a model."""
    short = package.provenance.get("too_short")
    code = "evaluate.too_short_busy" if short and "share" in short else "evaluate.too_short"
    return [Note(code=code, values=dict(short))] if short else []


def predict_and_measure(
    run: RunFolder,
    package: Package,
    records: Sequence[Record],
    store: Store,
    compared: comparing.Compared | None = None,
) -> list[ItemStats]:
    """Statistics of records whose truth is known, each with its line of the table of predictions; these are written.

    Args:
        run: Where the predictions are written.
        compared: The images beside those of the training, where they are others.
    """
    others = compared or comparing.Compared()
    reader, predictor = Reader(store, package.task.targets, package.preparation), of_package(package, others.units)
    folder = PredictionFolder(run.predictions, package.task.classes, planes=planes_of(records))

    def listen(record: Record, probabilities: np.ndarray, one: ItemStats) -> Row:
        prediction = package.task.decode(probabilities, package.fitted, store.spacing(record.image))
        grid = store.grid(record.image)
        judged = _judged(package.task, one) | others.columns(record)
        line = folder.add(record, store.image(record.image), prediction, grid, judged)
        return line | ({"file": folder.folder / str(line["file"])} if "file" in line else {})

    run.forget(run.predictions)
    items = measure(records, predictor, reader, package.fitted, listen)
    folder.close()
    run.seal(*(path for path in sorted(run.predictions.rglob("*")) if path.is_file()))
    return items


def score_validation(
    run: RunFolder, package: Package, records: Sequence[Record], store: Store, options: IntervalOptions
) -> Scores:
    """``scores.json`` of a Run that is one of many: those of the validation set, for a choice among them."""
    reader, predictor = Reader(store, package.task.targets, package.preparation), of_package(package)
    items = measure(records, predictor, reader, package.fitted, None)
    scores = summarise(package.task, items, options, split="validation", fitted=package.fitted, sweeps=package.sweeps)
    scores = scores.noted(*notes_of(package))
    run.write_scores(scores)
    return scores


def _judged(task: Task, one: ItemStats) -> dict[str, object]:
    """What a table of predictions says beside the prediction where the truth is known."""
    return {k: v for k, v in task.item(one).columns().items() if k != "predicted"}


def write_scores(
    run: RunFolder,
    task: Task,
    items: Sequence[ItemStats],
    options: IntervalOptions,
    *,
    split: str,
    package: Package | None = None,
    folds: Sequence[Scores] = (),
    notes: Sequence[Note] = (),
) -> Scores:
    """``scores.json``, ``classes.csv`` and ``predictions.csv`` of a Run; the last has the columns of every such table.

    Args:
        package: The model that answered; None where there were several.
        folds: Scores of each fold, where the items are those of several; between which values they lie is said.
        notes: What else is to be said beside the scores.
    """
    fitted, sweeps = (package.fitted, package.sweeps) if package else (None, ())
    scores = summarise(task, items, options, split=split, fitted=fitted, sweeps=sweeps).noted(*notes)
    if folds:
        scores = scores.noted(Note(code="evaluate.between_folds", values={"scores": _spread(scores, folds)}))
    run.write_scores(scores)
    run.write_text(run.classes, by_class.to_csv(scores))
    run.write_stats(items)
    lines = [dict(one.line) or {"image": one.id, **_judged(task, one)} for one in items]
    below = [{k: run.relative(v) if isinstance(v, Path) else v for k, v in one.items()} for one in lines]
    run.write_text(run.predictions_table, items_csv(below))
    return scores


def _spread(scores: Scores, folds: Sequence[Scores]) -> str:
    """The least and the largest value of each headline score among the folds."""
    ranges = []
    for name in scores.headline:
        values = [one.scores[name].value for one in folds if name in one.scores and one.scores[name].defined]
        ranges += [f"{name_of(name)} {min(values):.3f} – {max(values):.3f}"] if values else []
    return ", ".join(ranges)


def read_items(run: RunFolder) -> list[ItemStats]:
    """The items of a scored Run, each with its line of the table of predictions, as `write_scores` takes them."""
    items = []
    for one, line in zip(run.read_stats(), run.read_table(run.predictions_table), strict=True):
        file = {"file": run.path / line["file"]} if line.get("file") else {}
        items.append(replace(one, line=line | file))
    return items


def headline(scores: Scores) -> list[str]:
    """The most important scores, one line each, and what a reader must be told about them."""
    lines = [_score_line(name, scores.scores[name]) for name in scores.headline]
    return [*lines, *(text(note.code, **note.values) for note in scores.notes)]


def _score_line(name: str, score: Score) -> str:
    """A score with its interval, or why it has none."""
    about = {"name": name_of(name), "n": score.n, "unit": unit_of(score.unit, score.n)}
    numbers = {k: number(getattr(score, k)) for k in ("value", "low", "high")}
    if why := why_none(score):
        return text("verbs.score_alone", name=about["name"], value=numbers["value"], why=why)
    return text("verbs.score", level=f"{round(100 * score.level)} %", **numbers, **about)
