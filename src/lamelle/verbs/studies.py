"""Verbs about several Runs that belong together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamelle.errors import RequestError
from lamelle.platform import tune_allocator
from lamelle.verbs.common import AnyPath, open_store

if TYPE_CHECKING:
    from lamelle.training.progress import Progress


def compare(
    data: AnyPath,
    *,
    recipe: AnyPath | Mapping[str, Any] | None = None,
    pairs: Iterable[str] = (),
    variants: AnyPath | Mapping[str, Any] | None = None,
    seeds: int = 3,
    jobs: int = 1,
    weights: AnyPath | None = None,
    allow_leakage: bool = False,
    name: str | None = None,
    runs: AnyPath = "runs",
    command: Sequence[str] = (),
    progress: Progress | None = None,
) -> Path:
    """Train variants on the same split with several seeds, and say what differs by more than noise.

    Asked again with the same request, it skips the runs that are done and goes on with one that was stopped.

    Args:
        pairs: ``key=value`` pairs; ``key=a,b,c`` lists variants, ``default`` stands for what the recipe has.
        variants: Named variants instead: a YAML file or its content, name → pairs.
        seeds: Runs of each variant.
        jobs: Processes at once.
        command: Words of the command line, for the page.

    Returns:
        Folder of the study, with ``table.csv``, ``scores.json``, ``report.html`` and all runs.

    Raises:
        RequestError: If there is nothing to compare, or a study of this name was asked for something else.
        WorkError: If runs failed; the others are done.
    """
    tune_allocator()
    from lamelle.studies import study as studies
    from lamelle.studies.variants import named, parse
    from lamelle.training.progress import Plain
    from lamelle.training.request import asked_of, name_of

    if seeds < 1:
        raise RequestError("study.seeds", seeds=seeds)
    shared, listed = parse(pairs)
    if variants is not None:
        listed += named(studies.read_variants(variants))
    if len(listed) < 2:
        raise RequestError("study.none")
    common = asked_of(recipe, shared, weights, None, allow_leakage)
    request = studies.Request(Path(data).resolve(), common, tuple(listed), seeds, tuple(command))
    return studies.carry_out(
        request, Path(runs), name or f"compare-{name_of(recipe, data)}", open_store(), progress or Plain(), jobs=jobs
    )
