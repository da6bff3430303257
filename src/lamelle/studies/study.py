"""A comparison from the request to its table and its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from lamelle.data.store import Store
from lamelle.errors import RequestError
from lamelle.reports.study import page
from lamelle.runs import plan as plans
from lamelle.runs import train as course
from lamelle.runs.evaluate import interval_options
from lamelle.runs.folder import RunFolder
from lamelle.runs.recipe import Section
from lamelle.runs.saved_plan import open_plan
from lamelle.runs.sizing import fitted
from lamelle.studies import compare, table
from lamelle.studies.folder import StudyFolder
from lamelle.studies.scores import known_scores
from lamelle.studies.variants import Variant, together
from lamelle.training import resources
from lamelle.training.progress import Progress


@dataclass(frozen=True, slots=True)
class CompareRequest:
    """What a comparison is about."""

    data: Path
    common: Section
    variants: tuple[Variant, ...]
    seeds: int
    command: tuple[str, ...]
    objective: str | None = None
    """The score that decides; None = the one that tells the best epoch."""


def read_variants(given: str | Path | Any) -> Mapping[str, Any]:
    """Named variants from a YAML file, or as they are.

    Raises:
        RequestError: If the file cannot be read, or holds something else.
    """
    if isinstance(given, Mapping):
        return given
    path = Path(given)
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise RequestError("study.no_file", path=path) from error
    if not isinstance(found, Mapping):
        raise RequestError("study.no_file", path=path)
    return found


def carry_out(request: CompareRequest, root: Path, name: str, store: Store, progress: Progress, *, jobs: int) -> Path:
    """Train what is not done, compare, and write the table and the page.

    Returns:
        Folder of the study.
    """
    asked = {
        "data": str(request.data),
        "common": request.common,
        "variants": {v.name: v.asked for v in request.variants},
        "seeds": request.seeds,
    }
    _check(request, StudyFolder(root / name), store)
    study = StudyFolder.begin(root, name, asked)
    compare.run_all(study, request.data, request.common, request.variants, request.seeds, store, progress, jobs=jobs)
    runs = {v.name: [study.run(v, seed) for seed in range(request.seeds)] for v in request.variants}
    found = compared(runs, objective=request.objective, seen_from=study.path)
    study.write_json(study.scores, asdict(found))
    study.write_text(study.table, table.to_csv(found))
    content = study.read_json(study.scores)
    study.write_text(study.report, page(name, content, asked | {"command": list(request.command)}))
    study.seal(*study.path.glob("*.log"))
    return study.path


def _check(request: CompareRequest, study: StudyFolder, store: Store) -> None:
    """Refuse a variant that cannot be trained, and a score that the runs will not have, before any is trained."""
    waiting = [v for v in request.variants if not all(study.run(v, seed).done for seed in range(request.seeds))]
    each = [(variant, together(request.common, variant, seed=0)) for variant in waiting]
    for _, asked in each:
        resources.device_of(course.training_keys(asked))
    for variant, asked in each:
        try:
            plan = fitted(
                plans.make_plan(request.data, deepcopy(asked), store, accelerator=resources.has_accelerator())
            )
        except RequestError as error:
            raise RequestError("study.impossible", variant=variant.name, reason=error) from error
        if request.objective is not None and request.objective not in (known := known_scores(plan, store)):
            raise RequestError("tune.objective", objective=request.objective, known=", ".join(known))


def compared(
    runs: Mapping[str, Sequence[RunFolder]], *, objective: str | None = None, seen_from: Path = Path()
) -> table.Comparison:
    """The scores of finished runs side by side: those that the task tables, its headline, and the one that decides.

    Args:
        objective: The score that decides; None = the one that tells the best epoch.
        seen_from: The folder of the table, from which the runs are named.
    """
    first = next(iter(runs.values()))[0]
    plan = open_plan(first)
    known = first.read_scores()
    decides = objective or plan.task.monitor
    named = [*plan.task.tabled, *known.headline, decides]
    scores = sorted(dict.fromkeys(named), key=lambda s: "/" in s)  # those of single classes last
    return table.compare(
        plan.task,
        runs,
        scores=[s for s in scores if s in known.scores],
        decides=decides,
        options=interval_options(plan.recipe),
        seen_from=seen_from,
    )
