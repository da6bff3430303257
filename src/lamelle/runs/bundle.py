"""Everything that a Run holds, read once and checked: what pages are made of."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lamelle.data.audit.leaks import leaks
from lamelle.data.groups.decide import problems_of_split
from lamelle.prediction.package import DESCRIPTION, WEIGHTS
from lamelle.results.audit import Audit
from lamelle.results.baseline import Baseline
from lamelle.results.history import History
from lamelle.results.items import Failure
from lamelle.results.made import Environment, Provenance
from lamelle.results.pictures import Pictures
from lamelle.results.scores import Elsewhere, Scores
from lamelle.runs import recipe as recipes
from lamelle.runs.folder import RunFolder
from lamelle.runs.pictures import read_pictures
from lamelle.runs.plan import Plan
from lamelle.runs.recipe import Recipe
from lamelle.runs.saved_plan import open_plan
from lamelle.types import SPLITS, JsonObject, Problem, Record

_SELF_TEST = "selftest."
_STATISTICS, _COUNTER = ("running_mean", "running_var"), "num_batches_tracked"
"""Ends of the names of tensors that batch norms measure, and of one that only counts."""


@dataclass(frozen=True, slots=True)
class RunBundle:
    """The artefacts of a Run, or of an evaluation on another folder; everything but the recipe may be missing."""

    run: RunFolder
    recipe: Recipe
    environment: Environment
    plan: Plan | None
    """None where it was not saved (yet)."""
    history: History
    scores: Scores | None
    provenance: Provenance | None
    """What the package says of its training; None where there is no package (yet)."""
    label_classes: Mapping[int, int] | None
    """Label value → number of its class, of those that mean one to the package; None where values mean none."""
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

    @property
    def audit(self) -> Audit | None:
        return self.plan.audit if self.plan else None

    @property
    def elsewhere(self) -> Elsewhere | None:
        """The other folder, where a model was scored on one."""
        return self.scores.elsewhere if self.scores else None

    @property
    def split_by(self) -> str:
        """How its records were split; empty where that is not known, or they are those of another folder."""
        return self.plan.split_by if self.plan else ""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in the order of their numbers."""
        if self.plan is not None:
            return tuple(self.plan.task.classes)
        return self.scores.classes if self.scores and self.scores.classes else tuple(self.recipe.data.classes or ())

    @property
    def monitor(self) -> str:
        """The score that tells the best epoch; empty where neither plan nor scores were saved (yet)."""
        return self.plan.task.monitor if self.plan else self.scores.monitor if self.scores else ""

    def split_notes(self) -> list[Problem]:
        """What the audit says of the split: what belongs together, and which parts the data give."""
        return problems_of_split(self.audit.problems) if self.audit else []

    def leaks(self) -> tuple[Problem, ...]:
        """What the splits share although they should not: near copies, overlapping patches, and what was allowed."""
        if self.audit is None or self.plan is None:
            return ()
        return leaks([r for r in self.plan.records if r.split in SPLITS], self.audit)

    @property
    def advised_budget(self) -> str | None:
        """The budget that the training itself asked for, where its own was too short or the machine was busy."""
        advice = self.provenance and (self.provenance.too_short or self.provenance.busy)
        return str(advice["more"]) if advice and "more" in advice else None

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
    environment = run.read_json(run.environment) if run.environment.is_file() else {}
    description = run.model / DESCRIPTION
    about = run.read_json(description) if description.is_file() else None
    return RunBundle(
        run,
        recipe or recipes.validate(run.read_recipe()),
        Environment.model_validate(environment),
        plan,
        run.read_history(),
        run.known_scores(),
        None if about is None else Provenance.model_validate(about.get("provenance", {})),
        None if about is None else _label_classes(about["task"].get("settled", {}).get("values")),
        read_pictures(run),
        run.read_baseline(),
        run.read_failure(),
        tuple(open_bundle(part) for part in run.parts() if part.path != run.path),
    )


def _label_classes(values: JsonObject | None) -> dict[int, int] | None:
    """Label value → number of its class, from how a package describes them."""
    if values is None:
        return None
    return {int(value): int(k) for value, k in values["mapping"] if 0 <= k < len(values["classes"])}


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
