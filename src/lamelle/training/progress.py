"""What a training tells while it runs."""

from __future__ import annotations

import sys
from typing import Protocol, TextIO

from lamelle.messages import text
from lamelle.metrics.names import name_of
from lamelle.results.history import Epoch


class Progress(Protocol):
    """Listens to a training."""

    def say(self, line: str) -> None:
        """A line for people."""
        ...

    def step(self, *, epoch: int, done: float, loss: float) -> None:
        """One step is done; ``done`` is the share of the whole training."""
        ...

    def epoch(self, row: Epoch, *, monitor: str) -> None:
        """One epoch is done.

        Args:
            monitor: The score that tells the best epoch.
        """
        ...

    def close(self) -> None:
        """Training ended."""
        ...


class Plain:
    """Plain lines, one an epoch: for logs and notebooks."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def say(self, line: str) -> None:
        print(line, file=self._stream or sys.stderr, flush=True)

    def step(self, *, epoch: int, done: float, loss: float) -> None:
        """A step is too short for a line."""

    def epoch(self, row: Epoch, *, monitor: str) -> None:
        self.say(epoch_line(row, monitor=monitor))

    def close(self) -> None:
        """Nothing is held open."""


def epoch_line(row: Epoch, *, monitor: str) -> str:
    """One epoch in one line: loss and the score that tells the best epoch, by its name, on both sets.

    Example:
        >>> about = {"epoch": 3, "step": 9, "lr": 0.1, "best": True, "train_loss": 0.5, "loss": 0.25, "seconds": 8.0}
        >>> print(epoch_line(Epoch(**about, validation={"dice": 0.75}), monitor="dice"))
        epoch    3* training: loss 0.5000, Dice – | validation: loss 0.2500, Dice 0.7500 | 8 s
    """
    values = {"train_loss": row.train_loss, "train_score": row.train.get(monitor)}
    values |= {"loss": row.loss, "score": row.score(monitor)}
    return text(
        "train.epoch",
        epoch=row.epoch,
        seconds=f"{row.seconds or 0:.0f}",
        best="*" if row.best else " ",
        name=name_of(monitor),
        **{name: "–" if value is None else f"{value:.4f}" for name, value in values.items()},
    )
