"""What ``train.budget`` counts: the wall-clock time of a training, all of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from lamelle.durations import enough, spelled
from lamelle.messages import text
from lamelle.training.checkpoint import State
from lamelle.training.options import Train

_BUSY = 0.7
"""A processor that computes gives its steps at least this share of their time; less, and others use it too."""
_MIN_EPOCHS = 10
"""Epochs that are advised where a budget did not allow one."""


class Clock:
    """Seconds since a training began, with the features of a frozen part; those of earlier sittings are added.

    Example:
        >>> clock = Clock()
        >>> clock.go_on(3600.0)
        >>> int(clock.seconds)
        3600
    """

    def __init__(self) -> None:
        self._since, self._before = time.monotonic(), 0.0
        self._wall = self._processor = 0.0
        self.prepared = 0.0
        """Seconds of this sitting before its first step."""

    @property
    def seconds(self) -> float:
        """Wall-clock time so far."""
        return self._before + time.monotonic() - self._since

    def go_on(self, before: float) -> None:
        """Add the seconds of earlier sittings."""
        self._before += before

    @contextmanager
    def step(self) -> Iterator[None]:
        """Around one step: how much of its time this thread had a processor."""
        wall, processor = time.monotonic(), time.thread_time()
        yield
        self._wall += time.monotonic() - wall
        self._processor += time.thread_time() - processor

    @property
    def share(self) -> float:
        """Share of the time of the steps in which this thread had a processor; near 1 where the machine is free."""
        return self._processor / self._wall if self._wall else 1.0


def remarks(keys: Train, state: State, clock: Clock, *, on_processor: bool) -> list[str]:
    """What is to be said of a budget once the training has ended: what it allowed, and where the machine was busy.

    Args:
        on_processor: Whether the steps were computed by the processor, not by an accelerator.
    """
    if keys.budget is None or keys.schedule_points:
        return []
    lines = []
    stalled = keys.patience and state.stale >= keys.patience
    if not stalled:
        lines.append(text("train.budget_ended", budget=spelled(keys.budget), epochs=state.epoch, steps=state.step))
    if other := busy(keys, clock, on_processor=on_processor):
        lines.append(text("train.budget_busy", **other))
    return lines


def busy(keys: Train, clock: Clock, *, on_processor: bool) -> dict[str, object] | None:
    """What to say of a budget where other work had the processor too; None where it had not, or no budget counted."""
    if keys.budget is None or keys.schedule_points or not on_processor or clock.share >= _BUSY:
        return None
    more = enough(keys.budget / max(clock.share, 0.05))
    return {"budget": spelled(keys.budget), "share": round(100 * clock.share), "more": more}


def too_short(keys: Train, state: State, clock: Clock, *, steps: int, on_processor: bool) -> dict[str, object] | None:
    """What to say beside the scores where the budget ended the training within its first epoch; None where it did not.

    Args:
        steps: Steps of an epoch.
        on_processor: Whether the steps were computed by the processor; where others used it too, that is said as well.
    """
    if keys.budget is None or state.step >= steps:
        return None
    epoch = (state.elapsed - clock.prepared) * steps / max(state.step, 1)
    more = enough(clock.prepared + _MIN_EPOCHS * epoch)
    values: dict[str, object] = {
        "budget": spelled(keys.budget),
        "done": state.step,
        "steps": steps,
        "more": more,
        "epochs": _MIN_EPOCHS,
    }
    return values | ({"share": round(100 * clock.share)} if on_processor and clock.share < _BUSY else {})
