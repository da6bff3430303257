"""Train variants on one split with several seeds; what is done is skipped, what was stopped goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path

from lamelle.data.store import Store
from lamelle.errors import WorkError
from lamelle.messages import text
from lamelle.reports.finish import finish
from lamelle.runs import train as training
from lamelle.runs.baseline import renew_baseline
from lamelle.runs.recipe import Section
from lamelle.runs.saved_plan import open_plan
from lamelle.studies.folder import StudyFolder
from lamelle.studies.variants import Variant, together
from lamelle.training.progress import Progress


class RunFailed(WorkError):
    """A run of a study ended with an error; the others are done."""


def run_all(
    study: StudyFolder,
    data: Path,
    common: Section,
    variants: Sequence[Variant],
    seeds: int,
    store: Store,
    progress: Progress,
    *,
    jobs: int,
) -> None:
    """Every run of a study that is not done yet.

    Args:
        jobs: Processes at once; 1 = in this one.

    Raises:
        RunFailed: At the end, if runs of other processes failed; they are named.
    """
    todo = [(variant, seed) for seed in range(seeds) for variant in variants]
    waiting = [one for one in todo if study.state(*one) != "done"]
    progress.say(text("study.begins", n=len(todo), done=len(todo) - len(waiting)))
    if jobs > 1:
        _in_processes(study, waiting, jobs, progress)
    else:
        for variant, seed in waiting:
            progress.say(text("study.run", variant=variant.name, seed=seed))
            run_one(study, data, common, variant, seed, store, progress)
    for run in (study.run(*one) for one in todo):
        renew_baseline(run, open_plan(run))  # its like with a frozen encoder may have been trained after it


def run_one(
    study: StudyFolder, data: Path, common: Section, variant: Variant, seed: int, store: Store, progress: Progress
) -> None:
    """One run from where it stands to its scores."""
    if study.state(variant, seed) == "begun":
        training.resume(study.run(variant, seed), store, progress, finish)
        return
    recipe = together(common, variant, seed=seed)
    training.start(data, deepcopy(recipe), study.path / variant.folder, f"seed{seed}", store, progress, finish)


def _in_processes(study: StudyFolder, waiting: Sequence[tuple[Variant, int]], jobs: int, progress: Progress) -> None:
    """Each run in a process of its own, whose words go into a log beside the run."""

    def work(one: tuple[Variant, int]) -> tuple[str, int]:
        variant, seed = one
        log = study.path / f"{variant.folder}-seed{seed}.log"
        code = in_process(log, study.path, variant.name, seed)
        progress.say(text("study.ended" if code == 0 else "study.failed", variant=variant.name, seed=seed, log=log))
        return f"{variant.name} seed {seed}", code

    with ThreadPoolExecutor(jobs) as pool:
        failed = [name for name, code in pool.map(work, waiting) if code]
    if failed:
        raise RunFailed("study.some_failed", n=len(failed), names=", ".join(failed), study=study.path)


def in_process(log: Path, *arguments: object, variables: Mapping[str, str] | None = None) -> int:
    """Run a worker in a process of its own, whose words go into a log.

    Args:
        variables: Added to its environment, for what must not stand in a list of processes.

    Returns:
        Its exit code.
    """
    command = [sys.executable, "-m", "lamelle.cli.worker", *map(str, arguments)]
    around = {**os.environ, **(variables or {})}
    with log.open("ab") as out:
        return subprocess.run(command, stdout=out, stderr=out, check=False, env=around).returncode
