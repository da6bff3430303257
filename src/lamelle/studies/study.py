"""A comparison from the request to its table and its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from lamelle.data.store import Store
from lamelle.errors import RequestError
from lamelle.reports.study import page
from lamelle.results.base import Result
from lamelle.results.studies import Comparison
from lamelle.runs import plan as plans
from lamelle.runs import train as training
from lamelle.runs.evaluate import interval_options
from lamelle.runs.folder import RunFolder
from lamelle.runs.input_size import fitted
from lamelle.runs.recipe import Layer, Section
from lamelle.runs.saved_plan import open_plan
from lamelle.studies import compare, table
from lamelle.studies.folder import StudyFolder
from lamelle.studies.scores import require_score
from lamelle.studies.variants import Variant, together
from lamelle.training import resources
from lamelle.training.progress import Progress


class CompareRequest(Result):
    """What a comparison is about: the content of its ``study.json``."""

    data: Path
    common: Section
    """Keys of the recipe that all variants share."""
    variants: dict[str, Section]
    """Name → keys of its own."""
    seeds: int

    def variant(self, name: str) -> Variant:
        """The variant of that name."""
        return Variant(name, self.variants[name])

    @property
    def all_variants(self) -> list[Variant]:
        """Every variant."""
        return [self.variant(name) for name in self.variants]


def read_variants(given: str | Path | Any) -> Layer:
    """Named variants from a YAML file, or as they are.

    Raises:
        RequestError: If the file cannot be read, or holds something else.
    """
    if isinstance(given, Mapping):
        return given
    path = Path(given)
    try:
        variants = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise RequestError("study.no_file", path=path) from error
    if not isinstance(variants, Mapping):
        raise RequestError("study.no_file", path=path)
    return variants


def run_comparison(
    request: CompareRequest,
    study: Path,
    store: Store,
    progress: Progress,
    *,
    objective: str | None,
    jobs: int,
    command: Sequence[str],
) -> Path:
    """Train what is not done, compare, and write the table and the page.

    Args:
        study: Its folder.
        objective: The score that decides; None = the one that tells the best epoch.
        jobs: Processes at once; 1 = in this one.
        command: What repeats it, for the page.

    Returns:
        Folder of the study.
    """
    _check(request, StudyFolder(study), objective, store)
    folder = StudyFolder.start(study, request)
    variants = request.all_variants
    compare.run_all(folder, request.data, request.common, variants, request.seeds, store, progress, jobs=jobs)
    runs = {v.name: [folder.run(v, seed) for seed in range(request.seeds)] for v in variants}
    result = compared(runs, objective=objective, seen_from=folder.path)
    folder.write_result(result, table=table.to_csv(result), page=page(study.name, result, command))
    folder.seal(*folder.path.glob("*.log"))
    return folder.path


def _check(request: CompareRequest, study: StudyFolder, objective: str | None, store: Store) -> None:
    """Refuse a variant that cannot be trained, and a score that the runs will not have, before any is trained."""
    waiting = [v for v in request.all_variants if not all(study.run(v, seed).done for seed in range(request.seeds))]
    recipes = [(variant, together(request.common, variant, seed=0)) for variant in waiting]
    for _, recipe in recipes:
        resources.device_of(training.training_keys(recipe))
    for variant, recipe in recipes:
        try:
            plan = fitted(
                plans.make_plan(request.data, deepcopy(recipe), store, accelerator=resources.has_accelerator())
            )
        except RequestError as error:
            raise RequestError("study.impossible", variant=variant.name, reason=error) from error
        if objective is not None:
            require_score(objective, plan, store)


def compared(
    runs: Mapping[str, Sequence[RunFolder]], *, objective: str | None = None, seen_from: Path = Path()
) -> Comparison:
    """The scores of finished runs side by side: those that the task tables, its headline, and the one that decides.

    Args:
        objective: The score that decides; None = the one that tells the best epoch.
        seen_from: The folder of the table, from which the runs are named.
    """
    first = next(iter(runs.values()))[0]
    plan = open_plan(first)
    scored = first.read_scores()
    decides = objective or plan.task.monitor
    names = [*plan.task.tabled, *scored.headline, decides]
    scores = sorted(dict.fromkeys(names), key=lambda s: "/" in s)  # those of single classes last
    return table.compare(
        plan.task,
        runs,
        scores=[s for s in scores if s in scored.scores],
        decides=decides,
        options=interval_options(plan.recipe),
        seen_from=seen_from,
    )
