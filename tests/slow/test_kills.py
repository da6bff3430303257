"""The kill proof: a training may be killed at any moment, goes on, and ends with the same weights, bit for bit.

Every kill is written down with where it landed; controls show that the proof sees what it is for.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from slow.trainings import INTERRUPTED, NO_NAMESPACE, PRELOADED, UNWRITABLE, Event, Log, Order, train
from support import TINY

from lamelle import verbs
from lamelle.io import atomic
from lamelle.runs import layers
from lamelle.runs import plan as plans
from lamelle.runs.folder import RunFolder
from lamelle.runs.saved_plan import save_plan
from lamelle.specimens.write import write_demo
from lamelle.training import checkpoint

pytestmark = pytest.mark.slow

RUNS, KILLS = 5, 10
STEPS = 80
PLACES = {"save": "save: tensors", "best": "save: tensors", "tensors": "save: state", "validate": "validation"}
"""What is being done after an event; everything else is a step or what lies between two."""
KEYS = (*TINY, "train.samples=40", "epochs=8", "checkpoint_every=0.05")


@dataclass(frozen=True, slots=True)
class Kill:
    """Where a SIGKILL landed."""

    step: int
    """Steps that were done."""
    place: str
    """One of ``PLACES``, or ``step``."""
    saved: int
    """Step of the last checkpoint that was written to its end."""
    begun: int
    """Step of the last checkpoint that was begun."""


@dataclass(slots=True)
class Outcome:
    """What became of one training that was killed again and again."""

    kills: list[Kill] = field(default_factory=list)
    resumed: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Every promise that was broken."""


class Workshop:
    """Makes Runs of one small training and has them trained in processes forked from a warm server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.data = write_demo("nuclei", folder / "nuclei", seed=1, count=12, size=96)
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(list(PRELOADED))
        self._whole: dict[int, tuple[str, list[list[str]], Log]] = {}

    def begin(self, seed: int) -> RunFolder:
        """A Run that is written down and not begun."""
        asked = layers.parse_overrides((*KEYS, f"train.seed={seed}"))
        plan = plans.make_plan(self.data, asked, verbs.open_store(), accelerator=False)
        run = RunFolder.create(self.folder, "run")
        save_plan(run, plan)
        return run

    def start(self, run: RunFolder, log: Log, **given: Any) -> BaseProcess:
        process = self.context.Process(target=train, args=(Order(run.path, log.path, self.home, **given),))
        process.start()
        return process

    def whole(self, seed: int) -> tuple[str, list[list[str]], Log]:
        """Digest, history and log of the training that nobody disturbs."""
        if seed not in self._whole:
            run = self.begin(seed)
            log = Log(run.path / "events.log")
            process = self.start(run, log)
            process.join()
            assert process.exitcode == 0
            assert log.last("step") == STEPS
            self._whole[seed] = (digest(run), history(run), log)
        return self._whole[seed]


def digest(run: RunFolder) -> str:
    """SHA-256 of the final weights."""
    return atomic.sha256(run.model / "model.safetensors")


def history(run: RunFolder) -> list[list[str]]:
    """The history without its times."""
    rows = [line.split(",") for line in run.history.read_text().splitlines()]
    times = rows[0].index("seconds")
    return [row[:times] + row[times + 1 :] for row in rows]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    folder = tmp_path_factory.mktemp("kills")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAMELLE_HOME", str(folder / "home"))
        yield Workshop(folder)


def durations(log: Log, begin: str, end: str) -> list[float]:
    """Seconds between events that belong together."""
    found, since = [], None
    for event in log.events():
        if event.what == end and since is not None:
            found.append(event.at - since)
            since = None
        if event.what == begin:
            since = event.at
    return found


def landed(events: list[Event]) -> Kill:
    """Where the last event leaves a training."""
    last = {e.what: e.number for e in events}
    place = PLACES.get(events[-1].what, "step")
    done = max(last.get("step", 0), 0) if any(e.what == "step" for e in events) else last.get("resume", 0)
    return Kill(done, place, last.get("saved", 0), last.get("save", 0))


def prove(
    workshop: Workshop, seed: int, *, kills: int, draw: random.Random, change: str = "", where: str = "mixed"
) -> Outcome:
    """Kill a training so many times, let it go on each time and then to its end; note every promise that breaks.

    Args:
        where: ``mixed`` = half of the kills are aimed into a save; ``save`` = all are.
    """
    weights, rows, calm = workshop.whole(seed)
    run, found = workshop.begin(seed), Outcome()
    log = Log(run.path / "events.log")
    seen = 0
    for number in range(kills):
        process = workshop.start(run, log, change=change)
        # between the step that was reached and this kill's share of the whole, so that no training ends before it
        reached = max((e.number for e in log.events() if e.what == "saved"), default=0)
        target = draw.randint(reached + 1, max(reached + 1, STEPS * (number + 1) // kills - 3))
        aim = "save" if where == "save" or number % 2 else "step"
        alive = log.wait(process, lambda e, s=seen, t=target, a=aim: any(x.what == a and x.number >= t for x in e[s:]))
        usual = median(durations(calm, "save", "saved") if aim == "save" else durations(calm, "step", "step"))
        pause = draw.uniform(0, usual)
        if alive:
            time.sleep(pause)
            process.kill()
        process.join()
        events = log.events()
        if process.exitcode == -signal.SIGKILL:
            found.kills.append(landed(events))
        _look_at_resume(events[seen:], events[:seen], found)
        if process.exitcode not in (0, -signal.SIGKILL):
            found.wrong.append(f"cannot go on: exit code {process.exitcode}")
            return found
        seen = len(events)
    process = workshop.start(run, log, change=change)
    process.join()
    _look_at_resume(log.events()[seen:], log.events()[:seen], found)
    if process.exitcode != 0:
        found.wrong.append(f"cannot finish: exit code {process.exitcode}")
        return found
    if digest(run) != weights:
        found.wrong.append("other weights")
    if history(run) != rows:
        found.wrong.append("another history")
    if altered := run.altered():
        found.wrong.append(f"not what the manifest says: {altered}")
    return found


def _look_at_resume(events: list[Event], before: list[Event], found: Outcome) -> None:
    """A training goes on where a checkpoint was: at the last whole one, or at one that was just complete."""
    resumed = next((e.number for e in events if e.what == "resume"), None)
    if resumed is None:
        return
    found.resumed.append(resumed)
    saved = max((e.number for e in before if e.what == "saved"), default=0)
    begun = max((e.number for e in before if e.what == "save"), default=0)
    if not saved <= resumed <= begun:
        found.wrong.append(f"went on at step {resumed}, but step {saved} had been saved (begun: {begun})")


def table(outcomes: list[Outcome]) -> str:
    lines = ["run kill  done  place           saved  begun  went on at"]
    for run, outcome in enumerate(outcomes):
        resumed = outcome.resumed[1:] + [-1] * len(outcome.kills)
        for n, (kill, after) in enumerate(zip(outcome.kills, resumed, strict=False)):
            lines.append(
                f"{run:3d} {n:4d} {kill.step:5d}  {kill.place:14s} {kill.saved:6d} {kill.begun:6d} {after:11d}"
            )
    return "\n".join(lines)


def test_kills_lose_nothing_and_change_nothing(workshop: Workshop, tmp_path: Path) -> None:
    began = time.monotonic()
    draw = random.Random(20260)
    outcomes = [prove(workshop, seed, kills=KILLS, draw=draw) for seed in range(RUNS)]
    kills = [kill for outcome in outcomes for kill in outcome.kills]
    steps, inside = {k.step for k in kills}, [k for k in kills if k.place.startswith("save")]
    said = (
        f"{len(kills)} kills in {RUNS} runs and {time.monotonic() - began:.0f} s: "
        f"{len(inside)} inside a save, {sum(k.place == 'validation' for k in kills)} inside a validation, "
        f"at {len(steps)} distinct steps; final weights {', '.join(workshop.whole(s)[0][:12] for s in range(RUNS))}"
    )
    report = f"{table(outcomes)}\n{said}\n"
    (tmp_path / "kills.txt").write_text(report)
    print(f"\n{report}{tmp_path / 'kills.txt'}")
    assert [o.wrong for o in outcomes] == [[]] * RUNS
    assert len(kills) == RUNS * KILLS
    assert len(steps) >= 10
    assert len(inside) >= 3


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ("position", {"other weights"}),
        ("optimizer", {"other weights"}),
        ("in place, verified", {"went on at step"}),
        ("in place, trusted", {"cannot", "went on at step", "other weights"}),
    ],
)
def test_the_proof_sees_a_broken_checkpoint(workshop: Workshop, change: str, seen: set[str]) -> None:
    """Controls: each must fail."""
    in_place = change.startswith("in place")
    found = prove(
        workshop,
        0,
        kills=8 if in_place else 4,
        draw=random.Random(7),
        change=change,
        where="save" if in_place else "mixed",
    )
    print(f"\n{change}: {found.wrong}\n{table([found])}")
    assert found.kills
    assert any(wrong.startswith(start) for wrong in found.wrong for start in seen)


def test_a_signal_ends_a_training_within_a_step_and_a_save(workshop: Workshop) -> None:
    """SIGTERM, SIGINT or SIGUSR1 at ten random moments, three of them inside a validation."""
    weights, rows, calm = workshop.whole(0)
    run, draw, lines, seen = workshop.begin(0), random.Random(11), list[str](), 0
    log = Log(run.path / "events.log")
    step = max(b.at - a.at for a, b in zip(calm.events(), calm.events()[1:], strict=False))
    bound = step + max(durations(calm, "save", "saved")) + 2.0  # the machine may be busy
    longest = min(0.4, (calm.events()[-1].at - calm.events()[0].at) / 20)  # ten of them, and it is not yet done
    for number in range(10):
        process = workshop.start(run, log)
        awaited = "validate" if number % 4 == 1 else "step"
        assert log.wait(process, lambda e, w=awaited, s=seen: any(x.what == w for x in e[s:]))
        time.sleep(draw.uniform(0, 0.005 if awaited == "validate" else longest))
        name = draw.choice(["SIGTERM", "SIGINT", "SIGUSR1"])
        sent = time.monotonic()
        place = landed(log.events()).place
        os.kill(process.pid, getattr(signal, name))
        process.join()
        took = time.monotonic() - sent
        events = log.events()
        lines.append(f"{name:8s} {log.last('step'):4d} {place:14s} {took:.3f} s")
        assert process.exitcode == INTERRUPTED
        assert took < bound
        last = events[-1]
        assert (last.what, log.last("saved")) == ("interrupted", log.last("step"))
        found = checkpoint.newest(run.checkpoints)
        assert found is not None
        assert found[0].step == log.last("step")
        seen = len(events)
    print("\n" + "\n".join(lines) + f"\nbound: {bound:.3f} s")
    process = workshop.start(run, log)
    process.join()
    assert process.exitcode == 0
    assert [e.number for e in log.events() if e.what == "step"] == list(range(1, STEPS + 1))
    assert (digest(run), history(run)) == (weights, rows)


def test_a_file_that_may_not_grow_leaves_the_old_checkpoint(workshop: Workshop) -> None:
    """The third checkpoint cannot be written to its end: the path is named, and the second one is gone on from."""
    weights, rows, _ = workshop.whole(0)
    run = workshop.begin(0)
    log = Log(run.path / "events.log")
    process = workshop.start(run, log, limit=8192)
    process.join()
    assert process.exitcode == UNWRITABLE
    where, sentence = log.path.with_suffix(".error").read_text().split("\n", 1)
    assert Path(where).parent == run.checkpoints
    assert where in sentence
    assert not list(run.checkpoints.glob(".tmp-*"))
    found = checkpoint.newest(run.checkpoints)
    assert found is not None
    assert found[0].step == log.last("saved") > 0
    process = workshop.start(run, log)
    process.join()
    assert process.exitcode == 0
    assert (digest(run), history(run)) == (weights, rows)


def test_a_full_disk_leaves_the_old_checkpoint(workshop: Workshop) -> None:
    """The same on a disk with room for two checkpoints; when room has been made, the training goes on."""
    weights, rows, _ = workshop.whole(0)
    run = workshop.begin(0)
    log = Log(run.path / "events.log")
    process = workshop.start(run, log, disk=92 << 10)
    process.join()
    if process.exitcode == NO_NAMESPACE:
        pytest.skip("a disk in memory cannot be mounted here")
    assert process.exitcode == 0
    where, sentence = log.path.with_suffix(".error").read_text().split("\n", 1)
    assert Path(where).parent == run.checkpoints
    assert where in sentence
    assert "No space left" in sentence
    events = log.events()
    full = next(i for i, e in enumerate(events) if e.what == "unwritable")
    assert events[full].number == 0  # half-written files
    saved = max(e.number for e in events[:full] if e.what == "saved")
    assert [e.number for e in events[full:] if e.what == "resume"] == [saved]
    assert saved > 0
    assert (digest(run), history(run)) == (weights, rows)
