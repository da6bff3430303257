"""A search from the request to its table and its page: begun, worked on by one process or by many, summed up."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lamelle.data import split
from lamelle.data.store import Store
from lamelle.errors import LamelleError, RequestError
from lamelle.messages import text
from lamelle.metrics.names import less_is_better
from lamelle.reports.searching import page
from lamelle.runs import layers
from lamelle.runs import recipe as recipes
from lamelle.runs.folder import RunFolder
from lamelle.runs.plan import Plan
from lamelle.runs.recipe import Section
from lamelle.studies.compare import RunFailed, in_process, run_one
from lamelle.studies.folder import StudyFolder
from lamelle.studies.scores import known_scores
from lamelle.studies.search import points as queue
from lamelle.studies.search import results
from lamelle.studies.search.dimensions import Dimension, grid, parse, restored, variant
from lamelle.studies.search.storage import Storage, hidden, library, open_storage
from lamelle.studies.search.trying import (
    PRUNERS,
    SAMPLERS,
    Objective,
    Refused,
    Setting,
    plan_of,
    pruner,
    sampler,
)
from lamelle.studies.study import compared
from lamelle.studies.variants import DEFAULT, Variant
from lamelle.training.progress import Progress

__all__ = ["Search", "SearchOptions", "SearchRequest", "begin", "carry_out", "parse", "reopen"]
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
    how: SearchOptions
    command: tuple[str, ...]


class Search:
    """A search that was begun; any number of processes may work on it."""

    def __init__(self, folder: StudyFolder, setting: Setting, points: list[dict[str, str]], storage: Storage) -> None:
        self.folder, self.setting, self.points, self.storage = folder, setting, points, storage
        described = json.dumps(_described(setting) | {"data": ""}, sort_keys=True)
        about = folder.read_json(folder.request)
        facts = {"request": zlib.crc32(described.encode()), "split": about["split"]}
        self.study = storage.study(less=setting.less, facts=facts)
        self.study.pruner = pruner(setting.pruner, epochs=setting.epochs)
        self.study.sampler = sampler(setting.sampler, seed=setting.seed)

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


def begin(request: SearchRequest, root: Path, name: str, store: Store) -> Search:
    """A search of this name, new or gone on with.

    Raises:
        RequestError: If the request cannot be met, or a study of this name was asked for something else.
    """
    setting, plan = _setting(request, store)
    points = _points(setting, request.how.trials)
    placed = split.to_csv(plan.records)
    study = StudyFolder.begin(root, name, _described(setting) | {"split": zlib.crc32(placed.encode())})
    study.open(*_kept(study))
    return Search(study, setting, points, open_storage(request.how.storage, study.path))


def reopen(folder: Path, trials: int, storage: str | None) -> Search:
    """A search that another process has begun."""
    study = StudyFolder(folder)
    about = study.read_json(study.request)
    del about["split"]
    dimensions = tuple(restored(d) for d in about["dimensions"])
    setting = Setting(**about | {"data": Path(about["data"]), "dimensions": dimensions})
    return Search(study, setting, _points(setting, trials), open_storage(storage, folder))


def carry_out(
    request: SearchRequest, root: Path, name: str, store: Store, progress: Progress, *, jobs: int, seeds: int
) -> Path:
    """Try every point, train the best again where that is wanted, and write the table and the page.

    Args:
        jobs: Processes at once; 1 = in this one.
        seeds: Runs of the best point; 0 = none.

    Returns:
        Folder of the study.

    Raises:
        RunFailed: If no process could go on.
    """
    search = begin(request, root, name, store)
    waiting = search.fill()
    progress.say(text("tune.begins", n=len(search.points), waiting=waiting))
    try:
        if jobs > 1:
            _in_processes(search, request.how.storage, jobs, progress)
        elif waiting:
            search.work(store, progress)
    except LamelleError:
        _write(search, results.collect(search.study, search.setting, search.points), request)
        raise
    content = results.collect(search.study, search.setting, search.points)
    _write(search, content, request)
    if seeds and content["best"] is not None:
        best, runs = _retrain(search, content, seeds, store, progress)
        found = compared({best.name: runs}, objective=search.setting.objective, seen_from=search.folder.path)
        content |= {"test": asdict(found), "seeds": seeds, "runs": list(found.lines[0].runs)}
        _write(search, content, request)
    _seal(search)
    return search.folder.path


def _seal(search: Search) -> None:
    """Write down what the trials and the logs are, unless others are still at work on them."""
    with search.storage.alone():
        if not queue.alive(search.folder.path):
            search.folder.seal(*(path for path in _kept(search.folder) if path.is_file()))
    search.folder.seal(*search.folder.path.glob("*.log"))


def _kept(study: StudyFolder) -> tuple[Path, ...]:
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
    search: Search, content: Mapping[str, Any], seeds: int, store: Store, progress: Progress
) -> tuple[Variant, list[RunFolder]]:
    """The best point as ordinary Runs, trained afresh on the same split and scored on the test set."""
    best = next(row for row in content["trials"] if row["trial"] == content["best"])
    chosen = Variant(f"best-trial-{best['trial']:04d}", variant(best["params"]).asked)
    runs = []
    for seed in range(seeds):
        if search.folder.state(chosen, seed) != "done":
            progress.say(text("study.run", variant=chosen.name, seed=seed))
            run_one(search.folder, search.setting.data, search.setting.common, chosen, seed, store, progress)
        runs.append(search.folder.run(chosen, seed))
    return chosen, runs


def _write(search: Search, content: Mapping[str, Any], request: SearchRequest) -> None:
    folder = search.folder
    folder.write_json(folder.scores, content)
    folder.write_text(folder.table, results.to_csv(content))
    shown = folder.read_json(folder.scores)
    folder.write_text(folder.report, page(folder.path.name, shown, [*map(hidden, request.command)]))


def _described(setting: Setting) -> dict[str, Any]:
    """The setting, JSON-able."""
    return asdict(setting) | {"data": str(setting.data), "dimensions": [d.describe() for d in setting.dimensions]}


def _points(setting: Setting, trials: int | None) -> list[dict[str, str]]:
    """What each point says about its keys: everything in a grid, nothing elsewhere."""
    if setting.sampler == "grid":
        return grid(setting.dimensions)
    return [{} for _ in range(trials or TRIALS)]


def _setting(request: SearchRequest, store: Store) -> tuple[Setting, Plan]:
    """The request, checked as far as that can be done before a training."""
    library()
    if not request.dimensions:
        raise RequestError("tune.none")
    chosen = request.how.sampler or ("grid" if all(d.values for d in request.dimensions) else "tpe")
    if chosen not in SAMPLERS or request.how.pruner not in PRUNERS:
        raise RequestError("tune.choice", samplers=", ".join(SAMPLERS), pruners=", ".join(PRUNERS))
    if chosen == "grid" and request.how.trials is not None:
        raise RequestError("tune.grid_trials", trials=request.how.trials)
    setting = Setting(
        data=request.data,
        common=request.common,
        dimensions=request.dimensions,
        sampler=chosen,
        pruner=request.how.pruner,
        objective=request.how.objective or "",
        less=False,
        epochs=1,
        seed=request.how.seed,
    )
    plan = plan_of(
        setting, {d.key: d.number(d.low) if not d.values else d.values[0] for d in request.dimensions}, store
    )
    _check_values(request.dimensions, plan)
    objective = request.how.objective or plan.task.monitor
    if objective not in (known := known_scores(plan, store)):
        raise RequestError("tune.objective", objective=objective, known=", ".join(known))
    settled = {"objective": objective, "less": less_is_better(objective), "epochs": plan.recipe.train.epochs}
    return replace(setting, **settled), plan


def _check_values(dimensions: Sequence[Dimension], plan: Plan) -> None:
    """Refuse values that no recipe may have; which keys a network has depends on its name, and is seen in its trial."""
    whole = plan.recipe.model_dump(mode="json")
    for dimension in dimensions:
        if dimension.key.partition(".")[0] != "model":
            for value in dimension.ends():
                if value != DEFAULT:
                    asked = layers.parse_overrides([f"{dimension.key}={value}"])
                    recipes.validate(layers.merge(deepcopy(whole), asked))
