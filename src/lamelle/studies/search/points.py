"""The points of a search, each of which is tried once, whatever becomes of the processes that try them.

Each point waits in the storage as a trial that was enqueued; a worker takes one with Optuna's own exchange of its
state, which two can never win. A worker holds a lock on a file of its own as long as it lives. Whoever fills the
queue, alone, fails the trials whose worker is dead and enqueues their points again; points that have a trial that
waits, runs or is done are left alone. Doing it twice changes nothing.
"""

from __future__ import annotations

import shutil
import socket
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from lamelle.platform import FileLock
from lamelle.studies.search.storage import GRACE, Storage

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

ATTEMPTS = 3
"""Workers that may die at a point before all others come first; it may be the point that kills them."""
POINT, WORKER, ERROR, FOLDER = "point", "worker", "error", "folder"
"""Attributes of a trial: its point, who tries it, why it cannot be, the folder of its run."""


class Worker:
    """A process that tries points; alive as long as its file is locked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "workers"
        self._folder.mkdir(parents=True, exist_ok=True)
        self.name = uuid.uuid4().hex
        self._lock = FileLock(self._folder / self.name)

    @property
    def about(self) -> dict[str, str]:
        return {"host": socket.gethostname(), "name": self.name}

    def __enter__(self) -> Worker:
        self._lock.take(wait=True)
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.release()
        (self._folder / self.name).unlink(missing_ok=True)


def fill(study: Study, storage: Storage, points: Sequence[Mapping[str, str]], *, me: str | None) -> int:
    """Have a trial wait for each living worker, as long as there are points that no trial stands for.

    Those of dead workers are among them. The first points come first, so that a search that was stopped tries the
    same points in the same order as one that was not.

    Args:
        points: What each point says about its keys; the sampler chooses the rest.
        me: Name of the worker that asks.

    Returns:
        Number of the points that nobody has begun.
    """
    from optuna.trial import TrialState

    with storage.alone():
        living = alive(storage.folder)
        _bury(study, storage, living, me)
        trials: dict[int, list[FrozenTrial]] = {}
        for trial in study.get_trials(deepcopy=False):
            if (point := trial.user_attrs.get(POINT)) is not None:
                trials.setdefault(point, []).append(trial)
        waiting = sum(t.state == TrialState.WAITING for each in trials.values() for t in each)
        free = [p for p in range(len(points)) if all(died(t) for t in trials.get(p, ()))]
        free.sort(key=lambda p: len(trials.get(p, ())) >= ATTEMPTS)
        for point in free[: max(0, max(1, len(living)) - waiting)]:
            tried = trials.get(point)
            chosen = tried[-1].params if tried else {}
            study.enqueue_trial({**chosen, **points[point]}, user_attrs={POINT: point})
        return len(free) + waiting


def died(trial: FrozenTrial) -> bool:
    """Whether a trial ended with its worker, so that nothing is known about its point."""
    from optuna.trial import TrialState

    return trial.state == TrialState.FAIL and ERROR not in trial.user_attrs


def _bury(study: Study, storage: Storage, alive: set[str | None], me: str | None) -> None:
    """Fail the trials whose worker is dead."""
    import optuna
    from optuna.trial import TrialState

    optuna.storages.fail_stale_trials(study)  # those of other machines, by their heartbeat
    workers = storage.folder / "workers"
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        worker = trial.user_attrs.get(WORKER)
        if worker is not None:
            dead = worker["host"] == socket.gethostname() and worker["name"] not in alive
            dead = dead and (not storage.shared or (workers / worker["name"]).exists())
        else:  # taken a moment ago, or by a worker that died at this very moment
            since = datetime.now() - (trial.datetime_start or datetime.now())
            dead = (not storage.shared and alive <= {me}) or since > timedelta(seconds=GRACE)
        if dead:
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            if name := trial.user_attrs.get(FOLDER):
                shutil.rmtree(storage.folder / "trials" / name, ignore_errors=True)


def alive(folder: Path) -> set[str | None]:
    """Names of the workers of this machine that are at work on the study in a folder: they hold their locks."""
    names: set[str | None] = set()
    workers = folder / "workers"
    for file in workers.iterdir() if workers.is_dir() else ():
        lock = FileLock(file)
        if lock.take(wait=False):
            lock.release()
        else:
            names.add(file.name)
    return names
