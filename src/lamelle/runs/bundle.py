"""Everything that a Run holds, read once and checked: what pages are made of."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from lamelle.data.audit.leaks import leaks
from lamelle.prediction.package import DESCRIPTION, WEIGHTS
from lamelle.results.audit import Audit
from lamelle.results.baseline import Baseline
from lamelle.results.history import History
from lamelle.results.items import Failure
from lamelle.results.pictures import Pictures
from lamelle.results.scores import Scores
from lamelle.runs.folder import RunFolder
from lamelle.runs.pictures import read_pictures
from lamelle.runs.plan import Plan
from lamelle.runs.recipe import Recipe, Section
from lamelle.runs.saved_plan import open_plan
from lamelle.types import SPLITS, JsonObject, Problem, Record

_SELF_TEST = "selftest."
_STATISTICS, _COUNTER = ("running_mean", "running_var"), "num_batches_tracked"
"""Ends of the names of tensors that batch norms measure, and of one that only counts."""


@dataclass(frozen=True, slots=True)
class RunBundle:
    """The artefacts of a Run, or of an evaluation on another folder; everything but the recipe may be missing."""

    run: RunFolder
    recipe: Section
    environment: JsonObject
    plan: Plan | None
    """None where it was not saved (yet)."""
    audit: Audit | None
    history: History
    scores: Scores | None
    model: JsonObject | None
    """Content of ``model.json``."""
    pictures: Pictures
    baseline: Baseline
    failure: Failure | None
    folds: tuple[RunBundle, ...] = ()
    """Of a cross-validation, one for each fold that was begun."""

    @property
    def name(self) -> str:
        return self.run.path.resolve().name

    @property
    def records(self) -> tuple[Record, ...]:
        """All records, each with its split; none where no plan was saved (yet)."""
        return self.plan.records if self.plan else ()

    def leaks(self) -> tuple[Problem, ...]:
        """What the splits share although they should not: near copies, overlapping patches, and what was allowed."""
        if self.audit is None or self.plan is None:
            return ()
        return leaks([r for r in self.plan.records if r.split in SPLITS], self.audit)

    @property
    def advised_budget(self) -> str | None:
        """The budget that the training itself asked for, where its own was too short or the machine was busy."""
        about = self.model.get("provenance", {}) if self.model else {}
        return (about.get("too_short") or about.get("busy") or {}).get("more")

    def picture(self, file: str) -> bytes:
        """The content of one picture.

        Raises:
            RequestError: If it is missing, or not what was written.
        """
        return self.run.read_bytes(self.run.pictures / Path(file).name)


def open_bundle(run: RunFolder, *, recipe: Recipe | None = None) -> RunBundle:
    """Read a Run; no file outside of it is opened.

    Args:
        recipe: Of an evaluation on another folder, which has no file of it.

    Raises:
        RequestError: If a file is not what was written.
    """
    plan = open_plan(run, recipe) if run.plan.is_file() and run.audit.is_file() else None
    description = run.model / DESCRIPTION
    return RunBundle(
        run,
        run.read_recipe() if recipe is None else recipe.model_dump(mode="json"),
        run.read_json(run.environment) if run.environment.is_file() else {},
        plan,
        plan.audit if plan else None,
        run.read_history(),
        run.known_scores(),
        run.read_json(description) if description.is_file() else None,
        read_pictures(run),
        run.read_baseline(),
        run.read_failure(),
        tuple(open_bundle(part) for part in run.parts() if part.path != run.path),
    )


def parameters(run: RunFolder, *, statistics: bool = False) -> int | None:
    """Numbers of the network, from the header of its file; None if there is no model.

    Args:
        statistics: With those that batch norms measured.
    """
    path = run.model / WEIGHTS
    if not path.is_file():
        return None
    with run.check(path).open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    others = (_COUNTER,) if statistics else (_COUNTER, *_STATISTICS)
    names = [n for n in header if n != "__metadata__" and not n.startswith(_SELF_TEST) and not n.endswith(others)]
    return sum(math.prod(header[name]["shape"]) for name in names)
