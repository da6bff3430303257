"""Runs that were never trained: only the files that the doctor reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

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


def scored(test: float, *, spread: float = 0.03, confusion: Any = None, items: Sequence[Any] = ()) -> dict[str, Any]:
    """The part of ``scores.json`` that is read; the interval is ± ``spread``."""
    interval = {"value": test, "low": test - spread, "high": test + spread, "n": 200, "unit": "image", "level": 0.95}
    return {
        "scores": {"macro_f1": interval, "dice": interval},
        "n": 200,
        "classes": list(CLASSES),
        "figures": {"confusion": confusion or [[90, 10], [10, 90]]},
        "items": list(items),
        "headline": [],
        "notes": [],
    }


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
    scores: Mapping[str, Any] | None = None,
    stopped: Mapping[str, Any] | None = None,
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
    if epochs:
        run.write_text(run.history, _history(train_loss, train_score, loss, score, steps))
    for path, content in ((run.scores, scores), (run.stopped, stopped)):
        if content is not None:
            path.write_text(json.dumps(content))
    return run


def _history(*curves: Any) -> str:
    *columns, steps = curves
    known = [value if value is not None else -1e9 for value in columns[3]]
    best = known.index(max(known)) if known else -1
    lines = ["epoch,step,lr,train_loss,train_score,train_accuracy,loss,score,accuracy,best,seconds"]
    for i in range(max(len(c) for c in columns)):
        train_loss, train_score, loss, score = ("" if i >= len(c) or c[i] is None else c[i] for c in columns)
        lines.append(
            f"{i + 1},{(i + 1) * steps},0.001,{train_loss},{train_score},,{loss},{score},,{int(i == best)},1.0"
        )
    return "\n".join(lines) + "\n"
