"""Runs that were never trained: only the files that the doctor reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from lamelle.data.changed_files import Content
from lamelle.data.targets.values import ValueMap
from lamelle.results import history
from lamelle.results.audit import Audit, DataStatistics
from lamelle.results.baseline import Baseline
from lamelle.results.history import Epoch
from lamelle.results.items import Failure
from lamelle.results.scores import Confusion, Item, Score, Scores
from lamelle.runs import compatibility, layers
from lamelle.runs import recipe as recipes
from lamelle.runs.folder import RunFolder
from lamelle.runs.plan import Plan
from lamelle.runs.recipe import Recipe
from lamelle.runs.saved_plan import save_plan
from lamelle.tasks.base import Task
from lamelle.tasks.classify import Classify, SettledClasses
from lamelle.tasks.segment import Segment, SettledPixels
from lamelle.types import ClassNames, Index, LabelImage, Record, Source

Maker = Callable[..., RunFolder]
CLASSES = ("a", "b")
BASE: Mapping[str, Mapping[str, Any]] = {
    "classify": {
        "task": {"name": "classify"},
        "model": {"kind": "cnn", "name": "cnn1"},
        "augment": {"flip": ["x"], "rot90": False},
    },
    "segment": {"task": {"name": "segment"}, "model": {"kind": "unet", "norm": "none"}},
}


def scored(test: float, *, spread: float = 0.03, confusion: Any = None, items: Sequence[Item] = ()) -> Scores:
    """The part of ``scores.json`` that is read; the interval is ± ``spread``."""
    found = Score(test, test - spread, test + spread, 200, "image")
    counts = confusion or ((90, 10), (10, 90))
    return Scores(
        task="classify",
        classes=CLASSES,
        split="test",
        n=200,
        monitor="macro_f1",
        headline=(),
        scores={"macro_f1": found, "dice": found},
        items=tuple(items),
        figures=(Confusion(counts=counts, support=tuple(map(sum, counts))),),
    )


def make(
    root: Path,
    *,
    name: str = "run",
    task: str = "classify",
    train_loss: Sequence[float | None] = (),
    train_score: Sequence[float | None] = (),
    loss: Sequence[float | None] = (),
    score: Sequence[float | None] = (),
    steps: int = 20,
    validation: Mapping[str, int] | None = None,
    scores: Scores | None = None,
    failure: Failure | None = None,
    split_by: str = "record",
    records: Sequence[Record] = (),
    baseline: Baseline | None = None,
    **sections: Mapping[str, Any],
) -> RunFolder:
    """A Run with these curves, one value an epoch; what is None in a curve was not measured."""
    run = RunFolder(root / name)
    run.path.mkdir(parents=True)
    epochs = max(len(train_loss), len(score))
    asked = {key: dict(value) for key, value in BASE[task].items()}
    asked["train"] = {"epochs": max(epochs, 1), "precision": "32"}
    layers.merge(asked, {key: dict(value) for key, value in sections.items()})
    recipe = recipes.validate(asked)
    made = records or _validated(validation or {"a": 100, "b": 100}, task=task)
    index = Index(root, "table", tuple(made), classes=CLASSES)
    audit = Audit((), (), (), {}, DataStatistics())
    problems = tuple(compatibility.input_range(recipe))
    settled, contents = _settled(recipe), {one.id: Content("", "") for one in made}
    save_plan(run, Plan(recipe, index, audit, tuple(made), settled, split_by, {}, problems, contents))
    if baseline is not None:
        run.write_baseline(baseline)
    monitor = {"classify": "macro_f1", "segment": "dice"}[task]
    if epochs:
        epochs_made = _history(train_loss, train_score, loss, score, steps=steps, monitor=monitor)
        run.write_text(run.history, history.to_csv(epochs_made))
    if scores is not None:
        run.write_scores(scores.model_copy(update={"task": task, "monitor": monitor}))
    if failure is not None:
        run.write_failure(failure)
    return run


def _settled(recipe: Recipe) -> Task:
    """The task, as classes ``a`` and ``b`` settle it."""
    if isinstance(recipe.task, Classify.Options):
        return Classify(recipe.task, SettledClasses(classes=CLASSES, class_counts=(100, 100), multi_label=False))
    settled = SettledPixels(classes=CLASSES, values=ValueMap(CLASSES, {0: 0, 1: 1}), objects=False)
    return Segment(cast(Segment.Options, recipe.task), settled)


def record(name: str, split: str, label: str | None = None, group: str | None = None) -> Record:
    """A record of which no file is there; without a label, one of masks."""
    target = ClassNames((label,)) if label else LabelImage(Source(Path(f"{name}-mask.png")))
    return Record(name, Source(Path(f"{name}.png")), target, group=group, split=split, stratum=label)


def _validated(counts: Mapping[str, int], *, task: str) -> list[Record]:
    label = task == "classify"
    return [record(f"{c}{i}", "validation", c if label else None) for c, n in counts.items() for i in range(n)]


def _history(*curves: Sequence[float | None], steps: int, monitor: str) -> list[Epoch]:
    known = [value if value is not None else -1e9 for value in curves[3]]
    best = known.index(max(known)) if known else -1
    made = []
    for i in range(max(len(c) for c in curves)):
        train_loss, train_score, loss, score = (None if i >= len(c) else c[i] for c in curves)
        made.append(
            Epoch(
                epoch=i + 1,
                step=(i + 1) * steps,
                lr=0.001,
                seconds=1.0,
                best=i == best,
                train_loss=train_loss,
                loss=loss,
                train={} if train_score is None else {monitor: train_score},
                validation={} if score is None else {monitor: score},
            )
        )
    return made
