"""Runs that were never trained: only the files that the doctor reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lamelle.results import history
from lamelle.results.history import Epoch
from lamelle.results.items import Failure
from lamelle.results.scores import Confusion, Item, Score, Scores
from lamelle.runs import layers
from lamelle.runs import recipe as recipes
from lamelle.runs.folder import RunFolder

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
    **sections: Mapping[str, Any],
) -> RunFolder:
    """A Run with these curves, one value an epoch; what is None in a curve was not measured."""
    run = RunFolder(root / name)
    run.path.mkdir(parents=True)
    epochs = max(len(train_loss), len(score))
    asked = {key: dict(value) for key, value in BASE[task].items()}
    asked["train"] = {"epochs": max(epochs, 1), "precision": "32"}
    layers.merge(asked, {key: dict(value) for key, value in sections.items()})
    run.write_text(run.recipe, recipes.validate(asked).to_yaml())
    run.write_json(run.environment, {})
    index = {"root": str(root), "layout": "table", "records": []}
    plan = {
        "format": 1,
        "index": index,
        "records": [],
        "contents": {},
        "task": {"options": {"name": task}, "settled": {}},
    }
    run.write_json(run.plan, plan | {"split_by": split_by, "planned": {}, "problems": [], "naming": None})
    rows = [f"{c}{i},validation,,{c}," for c, n in (validation or {"a": 100, "b": 100}).items() for i in range(n)]
    run.write_text(run.split, "\n".join(["id,split,group,stratum,position", *rows]) + "\n")
    monitor = {"classify": "macro_f1", "segment": "dice"}[task]
    if epochs:
        epochs_made = _history(train_loss, train_score, loss, score, steps=steps, monitor=monitor)
        run.write_text(run.history, history.to_csv(epochs_made))
    if scores is not None:
        run.write_scores(scores.model_copy(update={"task": task, "monitor": monitor}))
    if failure is not None:
        run.write_failure(failure)
    return run


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
