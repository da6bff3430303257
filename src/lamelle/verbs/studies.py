"""Verbs about several Runs that belong together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from lamelle.errors import RequestError
from lamelle.platform import tune_allocator
from lamelle.verbs.common import open_store
from lamelle.verbs.signature import AnyPath, Cli, Overrides, RecipeLike, settings

if TYPE_CHECKING:
    from lamelle.results.studies import Comparison, SearchResult
    from lamelle.runs.recipe import Section
    from lamelle.training.progress import Progress
    from lamelle.verbs.study_outcomes import Study


def compare(
    data: AnyPath,
    *,
    recipe: Annotated[RecipeLike, Cli("-r", "--recipe")] = None,
    overrides: Overrides = (),
    variants: RecipeLike = None,
    objective: Annotated[str | None, Cli(metavar="SCORE")] = None,
    seeds: int = 3,
    jobs: int = 1,
    weights: AnyPath | None = None,
    allow_leakage: bool = False,
    name: str | None = None,
    runs: AnyPath = "runs",
    command: Annotated[Sequence[str], Cli(hidden=True)] = (),
    progress: Annotated[Progress | None, Cli(hidden=True)] = None,
    **keys: Any,
) -> Study[Comparison]:
    """Train variants with several seeds; one table, and what is noise.

    Compare variants on DATA: KEY=A,B,C lists values (default = as the recipe has it). Asked again, it skips what is
    done and goes on with what was stopped.

    Args:
        overrides: ``key=value`` pairs; ``key=a,b,c`` lists variants, ``default`` stands for what the recipe has.
        variants: YAML file with named variants (name: [key=value, …]).
        objective: The score that decides which is better (default: the one that tells the best epoch).
        seeds: Runs of each variant, with seeds 0, 1, …; with ``split.folds=K``, cross-validations of K runs.
        jobs: Processes at once.

    Raises:
        RequestError: If there is nothing to compare, or a study of this name was asked for something else.
        WorkError: If runs failed; the others are done.
    """
    tune_allocator()
    from lamelle.runs.request import build_request, name_of
    from lamelle.studies import study as studies
    from lamelle.studies.variants import distinct, named, parse
    from lamelle.training.progress import Plain
    from lamelle.verbs.study_outcomes import Study

    if seeds < 1:
        raise RequestError("study.seeds", seeds=seeds)
    shared, ways = parse(settings(compare, overrides, keys))
    if variants is not None:
        ways = distinct([*ways, *named(studies.read_variants(variants))])
    if len(ways) < 2:
        raise RequestError("study.none")
    if splitting := sorted({f"split.{key}" for v in ways for key in v.settings.get("split", {})}):
        raise RequestError("study.split_differs", keys=", ".join(splitting))
    listener = progress or Plain()
    common = build_request(recipe, shared, weights, None, allow_leakage, listener.say)
    _needs_test(common, "lamelle compare")
    request = studies.CompareRequest(
        data=Path(data).resolve(), common=common, variants={v.name: v.settings for v in ways}, seeds=seeds
    )
    study = Path(runs) / (name or f"compare-{name_of(recipe, data)}")
    options = {"objective": objective, "jobs": jobs, "command": command}
    return Study(studies.run_comparison(request, study, open_store(), listener, **options))


def _samplers() -> Iterable[str]:
    from lamelle.studies.search.algorithms import SAMPLERS

    return SAMPLERS


def _pruners() -> Iterable[str]:
    from lamelle.studies.search.algorithms import PRUNERS

    return PRUNERS


def tune(
    data: AnyPath,
    *,
    recipe: Annotated[RecipeLike, Cli("-r", "--recipe")] = None,
    overrides: Overrides = (),
    objective: Annotated[str | None, Cli(metavar="SCORE")] = None,
    sampler: Annotated[str | None, Cli(choices=_samplers)] = None,
    pruner: Annotated[str, Cli(choices=_pruners)] = "none",
    trials: int | None = None,
    jobs: int = 1,
    storage: Annotated[str | None, Cli(metavar="URL")] = None,
    retrain: Annotated[int, Cli(metavar="SEEDS")] = 0,
    seed: int = 0,
    weights: AnyPath | None = None,
    allow_leakage: bool = False,
    name: str | None = None,
    runs: AnyPath = "runs",
    command: Annotated[Sequence[str], Cli(hidden=True)] = (),
    progress: Annotated[Progress | None, Cli(hidden=True)] = None,
    **keys: Any,
) -> Study[SearchResult]:
    """Search recipe keys for the best validation score.

    Search the recipe of DATA for the best score on its validation set. KEY=A,B,C lists values; KEY=LOW..HIGH is a
    range, searched on a logarithmic scale if HIGH is at least 10 times LOW, in whole numbers if both are whole; all
    else is shared. Asked again, it goes on where it was stopped. The test set is not touched, unless by --retrain.

    Args:
        overrides: ``key=value`` pairs; ``key=a,b,c`` lists values, ``key=low..high`` gives a range.
        objective: Score of the validation set, such as recall/CLASS (default: the one that tells the best epoch).
        sampler: Default: grid if all keys have lists, else tpe.
        pruner: Stop trials early that do worse than others.
        trials: Number of trials (default: all points of a grid, else 30); asked again with more, it adds them.
        storage: postgresql://USER@HOST/DATABASE for many machines (default: SQLite in the study's folder).
        retrain: Train the best trial afresh with so many seeds, and score it on the test set.
        seed: Seed of the sampler.

    Raises:
        RequestError: If there is nothing to search, or a study of this name was asked for something else.
        WorkError: If all workers failed; what is done is kept.
    """
    tune_allocator()
    from lamelle.runs.request import build_request, name_of
    from lamelle.runs.train import folds_of
    from lamelle.studies.search import search as searches
    from lamelle.training.progress import Plain
    from lamelle.verbs.study_outcomes import Study

    _at_least(("jobs", jobs, 1), ("trials", trials, 1), ("retrain", retrain, 0))
    shared, dimensions = searches.parse(settings(tune, overrides, keys))
    listener = progress or Plain()
    common = build_request(recipe, shared, weights, None, allow_leakage, listener.say)
    if retrain:
        _needs_test(common, "lamelle tune --retrain")
    if folds := folds_of(common):
        raise RequestError("tune.folds", folds=folds)
    options = searches.SearchOptions(sampler, pruner, objective, trials, storage, seed)
    request = searches.SearchRequest(Path(data).resolve(), common, tuple(dimensions), options, tuple(command))
    study = Path(runs) / (name or f"tune-{name_of(recipe, data)}")
    return Study(searches.run_search(request, study, open_store(), listener, jobs=jobs, seeds=retrain))


def _needs_test(recipe: Section, command: str) -> None:
    """Refuse a request without a test set where runs are judged on it."""
    from lamelle.runs.recipe import validate

    keys = validate({"split": recipe.get("split", {})}).split
    if not keys.test and not keys.folds:
        raise RequestError("study.no_test", command=command)


def _at_least(*numbers: tuple[str, int | None, int]) -> None:
    """Refuse options (name, what was given, least) that are too small."""
    for name, given, least in numbers:
        if given is not None and given < least:
            raise RequestError("tune.numbers", name=name, given=given, least=least)
