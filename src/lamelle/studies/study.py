"""A comparison from the request to its table and its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from lamelle import plan as plans
from lamelle.data.store import Store
from lamelle.errors import RequestError
from lamelle.evaluation import interval_options
from lamelle.io import atomic
from lamelle.recipe import Section
from lamelle.reports.study import write_study
from lamelle.run import RunFolder
from lamelle.studies import compare, table
from lamelle.studies.folder import StudyFolder
from lamelle.studies.variants import Variant
from lamelle.training.progress import Progress

_AMONG = {"classify": ("accuracy", "macro_f1", "balanced_accuracy")}
"""Scores that a task's table shows besides those of its headline."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a comparison is about."""

    data: Path
    common: Section
    variants: tuple[Variant, ...]
    seeds: int
    command: tuple[str, ...]


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


def carry_out(request: Request, root: Path, name: str, store: Store, progress: Progress, *, jobs: int) -> Path:
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
    study = StudyFolder.begin(root, name, asked)
    compare.run_all(study, request.data, request.common, request.variants, request.seeds, store, progress, jobs=jobs)
    runs = {v.name: [study.run(v, seed) for seed in range(request.seeds)] for v in request.variants}
    found = compared(runs)
    atomic.write_json(study.scores, asdict(found))
    atomic.write_text(study.table, table.to_csv(found))
    content = study.read_scores()
    write_study(study.report, name=name, scores=content, request=asked | {"command": list(request.command)})
    return study.path


def compared(runs: Mapping[str, Sequence[RunFolder]], *, also: Sequence[str] = ()) -> table.Comparison:
    """The scores of finished runs side by side: those of the task's headline, and others that are asked for."""
    first = next(iter(runs.values()))[0]
    plan = plans.reopen(first)
    known = first.read_json(first.scores)
    scores = dict.fromkeys((*_AMONG.get(plan.task.name, ()), *known["headline"], *also))
    return table.compare(
        plan.task,
        runs,
        scores=[s for s in scores if s in known["scores"]],
        decides=plan.task.monitor,
        options=interval_options(plan.recipe),
    )
