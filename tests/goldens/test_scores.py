"""Scores, intervals and notes of fixed synthetic answers stay what they were, digit by digit."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import made_tasks
import numpy as np
import pytest
from goldens.synthetic import Case, cases

from lamelle.evaluation.measure import summarise
from lamelle.io.atomic import plain
from lamelle.metrics.intervals import IntervalOptions
from lamelle.results.items import ItemStats, read_stats, written_stats
from lamelle.tasks.base import Task
from lamelle.tasks.instances import Instances, SettledObjects
from lamelle.tasks.segment import Segment

EXPECTED = json.loads((Path(__file__).parent / "scores.json").read_text(encoding="utf-8"))
CASES = {case.name: case for case in cases()}


def task_of(case: Case) -> Task:
    if case.task == "classify":
        return made_tasks.classify(case.classes, counts=(5,) * len(case.classes), **case.options)
    if case.task == "instances":
        return Instances(Instances.Options(), SettledObjects(classes=case.classes, ignore=(), parts=False))
    options = dict(case.options)
    also = [name for name in Segment.also if options.pop(name, False)]
    sigmoid = len(case.classes) == 2 or not options.get("exclusive", True)
    return made_tasks.segment(case.classes, also=also, **{"loss": "bce" if sigmoid else "ce"} | options)


def found(case: Case) -> dict[str, Any]:
    task = task_of(case)
    fitted = task.restore_fitted(case.fitted)
    items = [
        ItemStats(i.id, task.row(i.probabilities, i.target, fitted, i.spacing), i.group, i.volume, i.position)
        for i in case.items
    ]
    items = read_stats(json.loads(json.dumps(plain(written_stats(items)))))
    rows = [one.values for one in items]
    quick = [task.quick_row(i.probabilities, i.target) for i in case.items]
    scores = summarise(task, items, IntervalOptions(0.95, 200, 0), split="test", fitted=fitted)
    weights = np.random.default_rng(9).standard_exponential((3, len(rows)))
    fields = ("value", "low", "high", "n", "unit", "reason", "of")
    return plain({
        "scores": {name: [getattr(one, field) for field in fields] for name, one in scores.scores.items()},
        "weighted": {name: list(value) for name, value in task.summarise(task.table(rows), weights).items()},
        "quick": {name: float(value[0]) for name, value in task.quick_scores(quick).items()},
        "quality": [item.quality for item in scores.items],
        "notes": [note.code for note in scores.notes],
        "headline": scores.headline,
    })  # fmt: skip


def flat(name: str, value: Any) -> dict[str, Any]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if parts is None:
        return {name: value}
    return {key: one for k, part in parts for key, one in flat(f"{name}/{k}", part).items()}


def same(one: Any, other: Any, near: float) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=near, abs_tol=near)
    return one == other


@pytest.mark.parametrize("name", CASES)
def test_nothing_that_is_computed_has_changed(name: str) -> None:
    now, before = flat("", found(CASES[name])), flat("", EXPECTED[name])
    assert now.keys() == before.keys()
    # exponentials and logarithms in float32, of which a temperature needs some, differ by processor
    near = 1e-5 if "temperature" in CASES[name].fitted else 1e-12
    differing = {key: (value, now[key]) for key, value in before.items() if not same(value, now[key], near)}
    assert differing == {}
