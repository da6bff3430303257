"""Trainings in processes of their own, that write down what they do, so that a test knows where it hit them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

INTERRUPTED, UNWRITABLE, NO_NAMESPACE = 40, 41, 42
"""Exit codes of a training that a signal ended after a checkpoint, of one that could not write, and of one that may
not mount a small disk here."""

_NEW_MOUNTS, _NEW_USER, _REMOUNT = 0x00020000, 0x10000000, 32

PRELOADED = (
    *("torch", "lightning_fabric", "safetensors.torch", "skimage.io", "skimage.measure", "scipy.ndimage", "tifffile"),
    *("lamelle.runs.plan", "lamelle.verbs", "lamelle.runs.fit", "lamelle.models.build", "lamelle.losses"),
)
"""What the server that trainings are forked from has imported, so that a training begins at once."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a training's log."""

    at: float
    """Seconds of the clock that all processes of a machine share."""
    what: str
    number: int


@dataclass(frozen=True, slots=True)
class Order:
    """What a process is to do; everything in it can be sent to another process."""

    run: Path
    log: Path
    home: Path
    change: str = ""
    """Name of the control in ``CHANGES`` that breaks the training; none = as it is."""
    limit: int | None = None
    """Bytes that a file may have from the third checkpoint on."""
    disk: int | None = None
    """Bytes of the disk that the checkpoints lie on; when it is full it is made larger, and the training goes on."""


class Log:
    """Reads what a training wrote."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def events(self) -> list[Event]:
        """All whole lines."""
        if not self.path.is_file():
            return []
        lines = self.path.read_text(encoding="utf-8").split("\n")[:-1]
        split = (line.split(" ") for line in lines)
        return [Event(float(at), what, int(number)) for at, what, number in split]

    def last(self, what: str) -> int:
        """The number of the last event of a kind; 0 if there was none."""
        return next((e.number for e in reversed(self.events()) if e.what == what), 0)

    def wait(self, process: BaseProcess, enough: Callable[[list[Event]], bool], *, limit: float = 120.0) -> bool:
        """Wait until the events are enough; False if the process ended first."""
        ends = time.monotonic() + limit
        while time.monotonic() < ends:
            if enough(self.events()):
                return True
            if not process.is_alive():
                return enough(self.events())
            time.sleep(0.0005)
        raise TimeoutError(f"{process.name}: nothing in its log after {limit:.0f} s")


def train(order: Order) -> None:
    """Begin or go on with the training of a Run, and log every step, save and validation; runs in a child."""
    os.environ |= {"LAMELLE_HOME": str(order.home), "LAMELLE_LANG": "en"}
    from support import Quiet

    from lamelle import verbs
    from lamelle.errors import FileError
    from lamelle.runs import fit as session
    from lamelle.runs.folder import RunFolder
    from lamelle.runs.initial_model import build
    from lamelle.runs.saved_plan import open_plan
    from lamelle.training.loop import Interrupted

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    say = _writer(order.log)
    run = RunFolder.open(order.run)
    if order.change:
        from slow.controls import CHANGES

        CHANGES[order.change]()
    _listen(say, order.limit)
    if order.disk is not None:
        _mount(run.checkpoints, order.disk, first=True)
    say("start", os.getpid())
    try:
        again = open_plan(run)
        session.train(again, build(again), run, verbs.open_store(), Quiet(), resume=True)
    except Interrupted:
        say("interrupted", 0)
        os._exit(INTERRUPTED)
    except FileError as error:
        order.log.with_suffix(".error").write_text(f"{error.problem.where}\n{error}")
        say("unwritable", sum(1 for _ in run.checkpoints.glob(".tmp-*")))
        if order.disk is None:
            os._exit(UNWRITABLE)
        _mount(run.checkpoints, 16 << 20, first=False)
        again = open_plan(run)
        session.train(again, build(again), run, verbs.open_store(), Quiet(), resume=True)
    say("finished", 0)


def _mount(folder: Path, size: int, *, first: bool) -> None:
    """A disk in memory that only this process sees; ends it where that is not allowed."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    folder.mkdir(exist_ok=True)
    if first:
        user, group = os.getuid(), os.getgid()
        if libc.unshare(_NEW_USER | _NEW_MOUNTS):
            os._exit(NO_NAMESPACE)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    flags = 0 if first else _REMOUNT
    if libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", flags, f"size={size}".encode()):
        os._exit(NO_NAMESPACE)


def _writer(path: Path) -> Callable[[str, int], None]:
    """A log whose lines are in the file when the call returns, whatever happens to the process then."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def say(what: str, number: int) -> None:
        os.write(descriptor, f"{time.monotonic():.6f} {what} {number}\n".encode())

    return say


def _listen(say: Callable[[str, int], None], limit: int | None) -> None:
    """Have the training loop tell what it does, changing nothing of it."""
    import resource

    from lamelle.training import checkpoint
    from lamelle.training.loop import Training

    step, validate, save, newest = Training._step, Training._validate, checkpoint.save, checkpoint.newest
    write, saves = checkpoint._write, 0

    def told_step(self: Training, batch: Any) -> float:
        loss = step(self, batch)
        say("step", self.state.step + 1)
        return loss

    def told_validate(self: Training, *rest: Any) -> Any:
        say("validate", self.state.step)
        found = validate(self, *rest)
        say("validated", self.state.step)
        return found

    def told_save(folder: Path, state: Any, *rest: Any) -> None:
        nonlocal saves
        saves += 1
        if limit is not None and saves == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        say("save", state.step)
        save(folder, state, *rest)
        say("saved", state.step)

    def told_write(path: Path, blob: bytes) -> str:
        found = write(path, blob)
        say("tensors" if path.name.startswith("step") else "best", int(path.stem.split("-")[1]))
        return found

    def told_newest(folder: Path, *rest: Any) -> Any:
        found = newest(folder, *rest)
        say("resume", found[0].step if found else 0)
        return found

    Training._step, Training._validate = told_step, told_validate
    checkpoint.save, checkpoint._write, checkpoint.newest = told_save, told_write, told_newest
