"""What a training tells while it runs."""

from __future__ import annotations

import sys
from typing import Any, Protocol, TextIO

from lamelle.messages import text
from lamelle.metrics.names import name_of


class Progress(Protocol):
    """Listens to a training."""

    def say(self, line: str) -> None:
        """A line for people."""
        ...

    def step(self, *, epoch: int, done: float, loss: float) -> None:
        """One step is done; ``done`` is the share of the whole training."""
        ...

    def epoch(self, row: dict[str, Any]) -> None:
        """One epoch is done; the row of ``history.csv``."""
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

    def epoch(self, row: dict[str, Any]) -> None:
        self.say(epoch_line(row))

    def close(self) -> None:
        """Nothing is held open."""


def epoch_line(row: dict[str, Any]) -> str:
    """One epoch in one line: loss and the score that tells the best epoch, by its name, on both sets.

    Example:
        >>> row = {"epoch": 3, "best": True, "train_loss": 0.5, "loss": 0.25, "score": 0.75, "monitor": "dice"}
        >>> print(epoch_line(row | {"seconds": 8.0}))
        epoch    3* training: loss 0.5000, Dice – | validation: loss 0.2500, Dice 0.7500 | 8 s
    """
    name = name_of(row["monitor"])
    shown = {k: "–" if row.get(k) is None else f"{row[k]:.4f}" for k in ("train_loss", "train_score", "loss", "score")}
    return text(
        "train.epoch",
        epoch=row["epoch"],
        seconds=f"{row['seconds']:.0f}",
        best="*" if row["best"] else " ",
        name=name,
        **shown,
    )
