"""Live progress on a terminal; plain lines everywhere else."""

from __future__ import annotations

import sys
from typing import Any

from lamelle.results.history import Epoch
from lamelle.training.progress import Plain, Progress, epoch_line


def listener() -> Progress:
    """What fits standard error: a live line on a terminal, plain lines in a log."""
    return Live() if sys.stderr.isatty() else Plain()


class Live:
    """One line that moves, above it the epochs that are done."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task: Any = None

    def say(self, line: str) -> None:
        self._bar.console.print(line, markup=False, highlight=False)

    def step(self, *, epoch: int, done: float, loss: float) -> None:
        if self._task is None:
            self._bar.start()
            self._task = self._bar.add_task("", total=1.0)
        self._bar.update(self._task, completed=done, description=f"{epoch + 1} · {loss:.4f}")

    def epoch(self, row: Epoch, *, monitor: str) -> None:
        self.say(epoch_line(row, monitor=monitor))

    def close(self) -> None:
        self._bar.stop()
