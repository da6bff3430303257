"""The model that a Run must beat: the one it was started from, or its like with a frozen encoder in the same study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lamelle.results.scores import Scores
from lamelle.runs.folder import RunFolder

LEAST = 10
"""Images that both must have been scored on."""
_SAME = ("task", "data", "split", "augment")
"""Sections of a recipe that do not differ between a run and its frozen sibling."""


@dataclass(frozen=True, slots=True)
class Base:
    """A run to beat, on the same test images."""

    name: str
    theirs: float
    """Its mean quality: share of right answers, or mean score of an image."""
    ours: float
    error: float
    """Standard error of the difference; images of one group count together."""
    n: int


def base_of(run: RunFolder, recipe: Mapping[str, Any], scores: Scores | None) -> Base | None:
    """The base of a run, if it has one that was scored on the same test images."""
    if scores is None:
        return None
    start = recipe["train"].get("start")
    candidates = [RunFolder(Path(start)), RunFolder(Path(start).parent)] if start else _frozen(run, recipe)
    for other in candidates:
        if other.scores.is_file() and not other.older:
            return _compared(run, other, scores, other.read_scores())
    return None


def _frozen(run: RunFolder, recipe: Mapping[str, Any]) -> list[RunFolder]:
    """The run of the same study and seed that differs in nothing but its frozen encoder."""
    if recipe["model"].get("freeze", "head") == "head":
        return []
    path = run.path.resolve()
    for folder in sorted(path.parent.parent.glob(f"*/{path.name}")):
        other = RunFolder(folder)
        if folder == path or not other.recipe.is_file():
            continue
        theirs = other.read_recipe()
        if all(theirs.get(s) == recipe.get(s) for s in _SAME) and theirs["model"] == {
            **recipe["model"],
            "freeze": "head",
        }:
            return [other]
    return []


def _compared(run: RunFolder, other: RunFolder, ours: Scores, theirs: Scores) -> Base | None:
    here, there = _qualities(ours), _qualities(theirs)
    if here.keys() != there.keys() or len(here) < LEAST:
        return None
    groups = {row["id"]: row["group"] or row["id"] for row in run.read_table(run.split)}
    difference = {name: here[name] - there[name] for name in here}
    mean, sums = float(np.mean(list(difference.values()))), dict[str, float]()
    for name, value in difference.items():
        group = groups.get(name, name)
        sums[group] = sums.get(group, 0.0) + value - mean
    error = float(np.sqrt(np.sum(np.square(list(sums.values()))))) / len(here)
    means = [float(np.mean(list(each.values()))) for each in (there, here)]
    return Base(str(other.path), means[0], means[1], error, len(here))


def _qualities(scores: Scores) -> dict[str, float]:
    """Of each item: right or wrong where that is known, else its quality."""
    known = {item.id: item.quality if item.correct is None else item.correct for item in scores.items}
    return {name: float(value) for name, value in known.items() if value is not None}
