"""Tasks as a recipe and some data would make them, from a few words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lamelle.data.targets.values import ValueMap
from lamelle.results.fitted import Sweep
from lamelle.tasks import classify as classification
from lamelle.tasks import instances as objects_one_by_one
from lamelle.tasks import segment as segmentation
from lamelle.tasks.base import Task
from lamelle.tasks.classify import Classify
from lamelle.tasks.instances import Instances
from lamelle.tasks.segment import Segment


def classify(
    classes: Sequence[str] = ("a", "b"),
    *,
    counts: Sequence[int] | None = None,
    multi_label: bool = False,
    **options: Any,
) -> Classify:
    """A classification; ``options`` are keys of its section."""
    settled = classification.SettledClasses(
        classes=tuple(classes), class_counts=tuple(counts or [1] * len(classes)), multi_label=multi_label
    )
    return Classify(Classify.Options.model_validate(options), settled)


def segment(
    values: ValueMap | Sequence[str] = ("background", "cell"),
    *,
    objects: bool = False,
    also: Sequence[str] = (),
    **options: Any,
) -> Segment:
    """A segmentation; the values of classes are their numbers, if nothing is said of them."""
    if not isinstance(values, ValueMap):
        values = ValueMap(tuple(values), {i: i for i in range(len(values))})
    chosen = Segment.Options.model_validate(options)
    weights = chosen.weights if isinstance(chosen.weights, tuple) else None
    settled = segmentation.SettledPixels(
        classes=values.classes, values=values, objects=objects, weights=weights, also=tuple(also)
    )
    return Segment(chosen, settled)


def fit(task: Task, items: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[Any, dict[str, Sweep]]:
    """What is decided on some items, through JSON and back, and what was tried for it, by name (``name/class``)."""
    fitter = task.fitter()
    for p, truth in items:
        fitter.add(p, np.asarray(truth))
    decided, sweeps = fitter.done()
    again = task.restore_fitted(json.loads(json.dumps(decided.decided())))
    assert again == decided
    several = len({one.of for one in sweeps if one.name == "threshold"}) > 1
    tried = {f"{s.name}/{s.of}" if several and s.of else s.name: s for s in sweeps}
    assert len(tried) == len(sweeps), "one for each number"
    return decided, {key: Sweep.model_validate_json(one.model_dump_json()) for key, one in tried.items()}


def instances(*, ignore: Sequence[int] = (), parts: bool = False, **options: Any) -> Instances:
    """A segmentation of objects."""
    settled = objects_one_by_one.SettledObjects(classes=("background", "cell"), ignore=tuple(ignore), parts=parts)
    return Instances(Instances.Options.model_validate(options), settled)
