"""The kill proof of a search: workers may be killed at any moment; every point is done once, and nothing is lost."""

from __future__ import annotations

import multiprocessing
import os
import random
import sqlite3
import time
from collections import Counter
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from studies.searches import begun, formula, setting, waited, work

from lamelle.studies.search import points as queue
from lamelle.studies.search.points import POINT
from lamelle.studies.search.search import Search

pytestmark = pytest.mark.slow
pytest.importorskip("optuna")

KILLS, WORKERS = 20, 2
ASKED = setting("lr=0.1,0.2,0.3,0.4,0.5,0.6", "batch=1,2,3,4,5,6,7,8")
Outcome = tuple[dict[int, float], list[str]]


def score(params: dict[str, Any], _: Any) -> float:
    """Takes as long as a few steps of a small network."""
    time.sleep(random.uniform(0.02, 0.3))
    return float(params["train.lr"]) * float(params["train.batch"])


def worker(folder: Path, acknowledged: Path, broken: bool) -> None:
    """Works as one does, and notes on disk what the storage has acknowledged."""
    with pytest.MonkeyPatch.context() as patch:
        formula(patch, score)
        if broken:
            patch.setattr(queue, "_bury", lambda *_: None)
        search = begun(folder, ASKED)
        fill = search.fill

        def noted(me: str | None = None) -> int:
            lines = "".join(f"{n} {v!r}\n" for n, v in done(search).items())
            with acknowledged.open("a") as log:
                log.write(lines)
                log.flush()
                os.fsync(log.fileno())
            return fill(me)

        patch.setattr(search, "fill", noted)
        work(search)


def done(search: Search) -> dict[int, float]:
    """Number and score of every trial that is done."""
    found = search.study.get_trials(deepcopy=False)
    return {t.number: t.value for t in found if t.state.name == "COMPLETE" and t.value is not None}


def prove(folder: Path, *, kills: int, seed: int, broken: bool = False) -> tuple[Search, list[str]]:
    """Kill workers again and again, then let one end the search; every promise that was broken."""
    draw, context, acknowledged = random.Random(seed), multiprocessing.get_context("fork"), folder / "acknowledged"
    search = begun(folder / "s", ASKED)
    search.fill()

    def start() -> BaseProcess:
        process = context.Process(target=worker, args=(folder / "s", acknowledged, broken))
        process.start()
        return process

    alive = [start() for _ in range(WORKERS)]
    base, seen = folder / "s" / "trials.db", 0
    for _ in range(kills):
        victim = alive.pop(draw.randrange(len(alive)))
        # by what the workers have done, not by the clock, since a busy machine is slow
        target = seen + draw.randint(0, 3)
        waited(lambda least=target: rows(base) >= least, most=60)
        time.sleep(draw.uniform(0, 0.4))
        seen = rows(base)
        victim.kill()
        victim.join()
        alive.append(start())
    for process in alive:
        process.join()
    last = start()  # as the same command does it, asked again
    last.join()
    return search, _broken_promises(search, acknowledged)


def rows(base: Path) -> int:
    """Trials that the storage knows."""
    with sqlite3.connect(f"file:{base}?mode=ro", uri=True, timeout=60) as connection:
        return connection.execute("select count(*) from trials").fetchone()[0]


def _broken_promises(search: Search, acknowledged: Path) -> list[str]:
    wrong, kept = [], done(search)
    noted = dict(line.split() for line in acknowledged.read_text().splitlines())
    if lost := [n for n, value in noted.items() if kept.get(int(n)) != float(value)]:
        wrong.append(f"acknowledged and lost: {lost}")
    trials = [t for t in search.study.get_trials(deepcopy=False) if POINT in t.user_attrs]
    if stuck := [t.number for t in trials if t.state.name in ("RUNNING", "WAITING")]:
        wrong.append(f"stuck: {stuck}")
    times = Counter(t.user_attrs[POINT] for t in trials if t.state.name == "COMPLETE")
    if odd := {p: times[p] for p in range(len(search.points)) if times[p] != 1}:
        wrong.append(f"points that were not done once: {odd}")
    with sqlite3.connect(search.folder.path / "trials.db") as base:
        if (said := base.execute("pragma integrity_check").fetchone()[0]) != "ok":
            wrong.append(f"SQLite: {said}")
    return wrong


def test_killed_workers_lose_nothing_and_leave_nothing_stuck(tmp_path: Path) -> None:
    began = time.monotonic()
    search, wrong = prove(tmp_path, kills=KILLS, seed=5)
    states = Counter(t.state.name for t in search.study.get_trials(deepcopy=False))
    noted = len({line.split()[0] for line in (tmp_path / "acknowledged").read_text().splitlines()})
    print(
        f"\n{KILLS} kills in {time.monotonic() - began:.0f} s, {len(search.points)} points: {dict(states)}; "
        f"{noted} acknowledged while workers were being killed; broken: {wrong}"
    )
    assert wrong == []
    assert states["FAIL"] >= 3  # kills that hit a trial


def test_the_proof_sees_trials_that_nobody_takes_up(tmp_path: Path) -> None:
    """Control: without the burial of dead workers' trials, some are stuck."""
    _, wrong = prove(tmp_path, kills=6, seed=6, broken=True)
    assert any(w.startswith("stuck") for w in wrong)
