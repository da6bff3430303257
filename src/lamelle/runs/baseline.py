"""What a Run is measured against besides its own curves, saved in ``baseline.json`` once it is scored.

The model that it is to improve on is the one it was started from, or its like with a frozen encoder in the same study.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from lamelle.data.store import Store
from lamelle.errors import LamelleError
from lamelle.evaluation.batch_norm import check_norms
from lamelle.prediction.package import Package
from lamelle.results.baseline import Baseline, EarlierModel
from lamelle.results.scores import Scores
from lamelle.runs import recipe as recipes
from lamelle.runs.folder import RunFolder
from lamelle.runs.plan import Plan
from lamelle.runs.recipe import Recipe

MIN_ITEMS = 10
"""Items that both models must have been scored on."""
_SAME = ("task", "data", "split", "augment")
"""Sections of a recipe that do not differ between a run and its frozen sibling."""


def save_baseline(run: RunFolder, plan: Plan, package: Package, store: Store) -> None:
    """Compare a scored Run with the model that it is to improve on, look at its batch norms, and write both down."""
    norms = check_norms(package, plan.of("train"), store)
    run.write_baseline(Baseline(earlier=earlier_model(run, plan, run.read_scores()), norms=norms))


def renew_baseline(run: RunFolder, plan: Plan) -> None:
    """Compare again: the Run was scored anew, or its like was trained later than itself."""
    before = run.read_baseline()
    after = before.model_copy(update={"earlier": earlier_model(run, plan, run.read_scores())})
    if after != before:
        run.write_baseline(after)


def earlier_model(run: RunFolder, plan: Plan, scores: Scores) -> EarlierModel | None:
    """What a Run is to improve on; None if there is nothing, or it was scored on other images."""
    for other in _candidates(run, plan.recipe):
        if other.scores.is_file() and not other.older:
            with suppress(LamelleError):  # a damaged run of another day breaks nothing here
                return _compared(other, plan, scores, other.read_scores())
    return None


def _candidates(run: RunFolder, recipe: Recipe) -> Iterator[RunFolder]:
    if start := recipe.train.start:
        yield RunFolder(Path(start))
        yield RunFolder(Path(start).parent)
        return
    path, wanted = run.path.resolve(), recipe.model.with_frozen_encoder()
    for folder in sorted(path.parent.parent.glob(f"*/{path.name}")) if wanted else ():
        other = RunFolder(folder)
        if folder == path or not other.recipe.is_file():
            continue
        with suppress(LamelleError):
            theirs = recipes.validate(other.read_recipe())
            if theirs.model == wanted and all(getattr(theirs, s) == getattr(recipe, s) for s in _SAME):
                yield other
                return


def _compared(other: RunFolder, plan: Plan, ours: Scores, theirs: Scores) -> EarlierModel | None:
    here, there = _qualities(ours), _qualities(theirs)
    if here.keys() != there.keys() or len(here) < MIN_ITEMS:
        return None
    groups = {record.id: record.group or record.id for record in plan.records}
    difference = {name: here[name] - there[name] for name in here}
    mean, sums = float(np.mean(list(difference.values()))), dict[str, float]()
    for name, value in difference.items():
        group = groups.get(name, name)
        sums[group] = sums.get(group, 0.0) + value - mean
    error = float(np.sqrt(np.sum(np.square(list(sums.values()))))) / len(here)
    means = [float(np.mean(list(each.values()))) for each in (there, here)]
    return EarlierModel(run=str(other.path), theirs=means[0], ours=means[1], error=error, n=len(here))


def _qualities(scores: Scores) -> dict[str, float]:
    """Of each item: right or wrong where that is known, else its quality."""
    values = {item.id: item.quality if item.correct is None else item.correct for item in scores.items}
    return {name: float(value) for name, value in values.items() if value is not None}
