"""Verbs about several Runs that belong together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamelle.errors import RequestError
from lamelle.platform import tune_allocator
from lamelle.recipe import validate
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
    objective: str | None = None,
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
        seeds: Runs of each variant; with ``split.folds=K``, cross-validations of K runs, whose scores are pooled.
        jobs: Processes at once.
        objective: The score that decides which is better; None = the one that tells the best epoch.
        command: Words of the command line, for the page.

    Returns:
        Folder of the study, with ``table.csv``, ``scores.json``, ``report.html`` and all runs.

    Raises:
        RequestError: If there is nothing to compare, or a study of this name was asked for something else.
        WorkError: If runs failed; the others are done.
    """
    tune_allocator()
    from lamelle.runs.request import asked_of, name_of
    from lamelle.studies import study as studies
    from lamelle.studies.variants import named, parse
    from lamelle.training.progress import Plain

    if seeds < 1:
        raise RequestError("study.seeds", seeds=seeds)
    shared, listed = parse(pairs)
    if variants is not None:
        listed += named(studies.read_variants(variants))
    if len(listed) < 2:
        raise RequestError("study.none")
    if splitting := sorted({f"split.{key}" for v in listed for key in v.asked.get("split", {})}):
        raise RequestError("study.split_differs", keys=", ".join(splitting))
    listener = progress or Plain()
    common = asked_of(recipe, shared, weights, None, allow_leakage, listener.say)
    _needs_test(common, "lamelle compare")
    request = studies.Request(Path(data).resolve(), common, tuple(listed), seeds, tuple(command), objective)
    return studies.carry_out(
        request, Path(runs), name or f"compare-{name_of(recipe, data)}", open_store(), listener, jobs=jobs
    )


def tune(
    data: AnyPath,
    *,
    recipe: AnyPath | Mapping[str, Any] | None = None,
    pairs: Iterable[str] = (),
    sampler: str | None = None,
    pruner: str = "none",
    trials: int | None = None,
    jobs: int = 1,
    storage: str | None = None,
    objective: str | None = None,
    retrain: int = 0,
    seed: int = 0,
    weights: AnyPath | None = None,
    allow_leakage: bool = False,
    name: str | None = None,
    runs: AnyPath = "runs",
    command: Sequence[str] = (),
    progress: Progress | None = None,
) -> Path:
    """Search the values of recipe keys for the best score on the validation set.

    Asked again with the same request, it goes on where it was stopped. The test set is not touched, unless the best
    trial is trained again.

    Args:
        pairs: ``key=value`` pairs; ``key=a,b,c`` lists values, ``key=low..high`` gives a range.
        sampler: ``grid``, ``tpe`` or ``random``; None = the grid if all keys have lists, else TPE.
        pruner: ``none``, ``asha`` or ``hyperband``: stops trials early that do worse than others.
        trials: None = all points of a grid, else 30. Asked again with more, it adds them.
        storage: Address of a PostgreSQL database for many machines; None = SQLite in the study's folder.
        objective: A score of the validation set; None = the one that tells the best epoch.
        retrain: Seeds with which the best trial is trained again and scored on the test set.
        seed: That of the sampler.

    Returns:
        Folder of the study, with ``table.csv``, ``scores.json``, ``report.html`` and all trials.

    Raises:
        RequestError: If there is nothing to search, or a study of this name was asked for something else.
        WorkError: If all workers failed; what is done is kept.
    """
    tune_allocator()
    from lamelle.runs.request import asked_of, name_of
    from lamelle.runs.train import folds_of
    from lamelle.studies.search import search as searches
    from lamelle.training.progress import Plain

    _at_least(("jobs", jobs, 1), ("trials", trials, 1), ("retrain", retrain, 0))
    shared, dimensions = searches.parse(pairs)
    listener = progress or Plain()
    common = asked_of(recipe, shared, weights, None, allow_leakage, listener.say)
    if retrain:
        _needs_test(common, "lamelle tune --retrain")
    how = searches.How(sampler, pruner, objective, trials, storage, seed)
    request = searches.Request(Path(data).resolve(), common, tuple(dimensions), how, tuple(command))
    if folds := folds_of(common):
        raise RequestError("tune.folds", folds=folds)
    folder = name or f"tune-{name_of(recipe, data)}"
    return searches.carry_out(request, Path(runs), folder, open_store(), listener, jobs=jobs, seeds=retrain)


def _needs_test(asked: Mapping[str, Any], command: str) -> None:
    """Refuse a request without a test set where runs are judged on it."""
    keys = validate({"split": asked.get("split", {})}).split
    if not keys.test and not keys.folds:
        raise RequestError("study.no_test", command=command)


def _at_least(*numbers: tuple[str, int | None, int]) -> None:
    """Refuse options (name, what was given, least) that are too small."""
    for name, given, least in numbers:
        if given is not None and given < least:
            raise RequestError("tune.numbers", name=name, given=given, least=least)
