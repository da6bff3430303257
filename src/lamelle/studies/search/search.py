"""A search from the request to its table and its page: begun, worked on by one process or by many, summed up."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from lamelle.data import split
from lamelle.data.store import Store
from lamelle.errors import LamelleError, RequestError
from lamelle.messages import text, translated
from lamelle.metrics.names import less_is_better
from lamelle.reports.search import page
from lamelle.results.studies import Dimension, SearchResult, Trial
from lamelle.runs import layers
from lamelle.runs import recipe as recipes
from lamelle.runs.folder import RunFolder
from lamelle.runs.plan import Plan
from lamelle.runs.recipe import Section
from lamelle.studies.compare import RunFailed, in_process, run_one
from lamelle.studies.folder import StudyFolder
from lamelle.studies.scores import require_score
from lamelle.studies.search import points as queue
from lamelle.studies.search import results
from lamelle.studies.search.algorithms import PRUNERS, SAMPLERS
from lamelle.studies.search.dimensions import ends, grid, parse, variant
from lamelle.studies.search.objective import Objective, Refused, SearchSetting, plan_of
from lamelle.studies.search.storage import Storage, hidden, library, open_storage
from lamelle.studies.study import compared
from lamelle.studies.variants import DEFAULT, Variant
from lamelle.training.progress import Progress

__all__ = ["Search", "SearchOptions", "SearchRequest", "parse", "resume", "run_search", "start"]
TRIALS = 30
"""Trials of a search that is no grid, where nobody says how many."""
STORAGE = "LAMELLE_TUNE_STORAGE"
"""Variable by which workers learn the address of the storage, whose password no list of processes must show."""


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How a search goes about it."""

    sampler: str | None
    """None = the grid if all dimensions have lists, else TPE."""
    pruner: str
    objective: str | None
    """None = the score that tells the best epoch."""
    trials: int | None
    storage: str | None
    seed: int


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What a search is about."""

    data: Path
    common: Section
    dimensions: tuple[Dimension, ...]
    options: SearchOptions
    command: tuple[str, ...]


class Search:
    """A search that was begun; any number of processes may work on it."""

    def __init__(
        self, folder: StudyFolder, setting: SearchSetting, points: list[dict[str, str]], storage: Storage
    ) -> None:
        self.folder, self.setting, self.points, self.storage = folder, setting, points, storage
        shared = json.dumps(setting.model_dump(mode="json", exclude={"data", "split"}), sort_keys=True)
        facts = {"request": zlib.crc32(shared.encode()), "split": setting.split}
        self.study = storage.study(direction=setting.direction, facts=facts)
        self.study.pruner = PRUNERS[setting.pruner].make(setting.epochs)
        self.study.sampler = SAMPLERS[setting.sampler].make(setting.seed)

    def fill(self, me: str | None = None) -> int:
        """Have every point that nobody stands for wait; their number."""
        self.folder.forget(self.folder.trials)
        return queue.fill(self.study, self.storage, self.points, me=me)

    def work(self, store: Store, progress: Progress) -> None:
        """Try points until none waits."""
        objective = Objective(self.setting, self.study, self.folder.path, store, progress)
        with queue.Worker(self.folder.path) as objective.worker:
            while self.fill(objective.worker.name):
                self.study.optimize(objective, n_trials=1, catch=(Refused,))


def start(request: SearchRequest, study: Path, store: Store) -> Search:
    """The search in a folder, new or gone on with.

    Raises:
        RequestError: If the request cannot be met, or the study that is there has another one.
    """
    setting = _setting(request, store)
    points = _points(setting, request.options.trials)
    folder = StudyFolder.start(study, setting)
    folder.open(*_trial_files(folder))
    return Search(folder, setting, points, open_storage(request.options.storage, folder.path))


def resume(folder: Path, trials: int, storage: str | None) -> Search:
    """A search that another process has begun."""
    study = StudyFolder(folder)
    setting = SearchSetting.model_validate(study.read_json(study.request))
    return Search(study, setting, _points(setting, trials), open_storage(storage, folder))


def run_search(request: SearchRequest, study: Path, store: Store, progress: Progress, *, jobs: int, seeds: int) -> Path:
    """Try every point, train the best again where that is wanted, and write the table and the page.

    Args:
        study: Its folder.
        jobs: Processes at once; 1 = in this one.
        seeds: Runs of the best point; 0 = none.

    Returns:
        Folder of the study.

    Raises:
        RunFailed: If no process could go on.
    """
    search = start(request, study, store)
    waiting = search.fill()
    progress.say(text("tune.begins", n=len(search.points), waiting=waiting))
    try:
        if jobs > 1:
            _in_processes(search, request.options.storage, jobs, progress)
        elif waiting:
            search.work(store, progress)
    except LamelleError:
        _write(search, results.collect(search.study, search.setting, search.points), request)
        raise
    result = results.collect(search.study, search.setting, search.points)
    _write(search, result, request)
    if seeds and (best := result.best_trial) is not None:
        chosen, runs = _retrain(search, best, seeds, store, progress)
        test = compared({chosen.name: runs}, objective=search.setting.objective, seen_from=search.folder.path)
        _write(search, result.model_copy(update={"test": test}), request)
    _seal(search)
    return search.folder.path


def _seal(search: Search) -> None:
    """Write down what the trials and the logs are, unless others are still at work on them."""
    with search.storage.alone():
        if not queue.alive(search.folder.path):
            search.folder.seal(*(path for path in _trial_files(search.folder) if path.is_file()))
    search.folder.seal(*search.folder.path.glob("*.log"))


def _trial_files(study: StudyFolder) -> tuple[Path, ...]:
    """Where the trials stand, if that is in the study's folder."""
    return study.trials, study.trials.with_name(f"{study.trials.name}.host")


def _in_processes(search: Search, storage: str | None, jobs: int, progress: Progress) -> None:
    """Workers side by side; the points of one that died are for those that live, and for the next round."""
    folder = search.folder.path

    def work(number: int) -> int:
        log = folder / f"worker{number}.log"
        code = in_process(log, folder, len(search.points), variables={STORAGE: storage or ""})
        if code:
            progress.say(text("tune.worker_failed", log=log, code=code))
        return code

    while waiting := search.fill():
        n = min(jobs, waiting)
        with ThreadPoolExecutor(n) as pool:
            codes = list(pool.map(work, range(1, n + 1)))
        if all(codes):
            raise RunFailed("tune.all_failed", n=n, study=folder)


def _retrain(
    search: Search, best: Trial, seeds: int, store: Store, progress: Progress
) -> tuple[Variant, list[RunFolder]]:
    """The best point as ordinary Runs, trained afresh on the same split and scored on the test set."""
    chosen = Variant(f"best-trial-{best.trial:04d}", variant(best.params).settings)
    runs = []
    for seed in range(seeds):
        if search.folder.state(chosen, seed) != "done":
            progress.say(text("study.run", variant=chosen.name, seed=seed))
            run_one(search.folder, search.setting.data, search.setting.common, chosen, seed, store, progress)
        runs.append(search.folder.run(chosen, seed))
    return chosen, runs


def _write(search: Search, result: SearchResult, request: SearchRequest) -> None:
    command = [*map(hidden, request.command)]
    name, chosen = search.folder.path.name, SAMPLERS[result.sampler]
    sampler = translated("search", f"sampler_{chosen.name}", chosen.label)
    search.folder.write_result(result, table=results.to_csv(result), page=page(name, result, command, sampler=sampler))


def _points(setting: SearchSetting, trials: int | None) -> list[dict[str, str]]:
    """What each point says about its keys: everything in a grid, nothing elsewhere."""
    if SAMPLERS[setting.sampler].grid:
        return grid(setting.dimensions)
    return [{} for _ in range(trials or TRIALS)]


def _setting(request: SearchRequest, store: Store) -> SearchSetting:
    """The request, checked as far as that can be done before a training."""
    library()
    options, dimensions = request.options, request.dimensions
    if not dimensions:
        raise RequestError("tune.none")
    sampler = SAMPLERS.find(options.sampler or ("grid" if all(d.values for d in dimensions) else "tpe"))
    if sampler.grid and options.trials is not None:
        raise RequestError("tune.grid_trials", trials=options.trials)
    setting = SearchSetting(
        data=request.data,
        common=request.common,
        dimensions=dimensions,
        sampler=sampler.name,
        pruner=PRUNERS.find(options.pruner).name,
        objective=options.objective or "",
        direction="maximize",
        epochs=1,
        seed=options.seed,
    )
    first = {d.key: d.values[0] if d.values else d.number(d.low) for d in dimensions}
    plan = plan_of(setting, first, store)
    _check_values(dimensions, plan)
    objective = options.objective or plan.task.monitor
    require_score(objective, plan, store)
    settled = {
        "objective": objective,
        "direction": "minimize" if less_is_better(objective) else "maximize",
        "epochs": plan.recipe.train.epochs,
        "split": zlib.crc32(split.to_csv(plan.records).encode()),
    }
    return setting.model_copy(update=settled)


def _check_values(dimensions: Sequence[Dimension], plan: Plan) -> None:
    """Refuse values that no recipe may have; which keys a network has depends on its name, and is seen in its trial."""
    whole = plan.recipe.model_dump(mode="json")
    for dimension in dimensions:
        if dimension.key.partition(".")[0] != "model":
            for value in ends(dimension):
                if value != DEFAULT:
                    keys = layers.parse_overrides([f"{dimension.key}={value}"])
                    recipes.validate(layers.merge(deepcopy(whole), keys))
