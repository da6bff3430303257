"""What several test modules share: a training small enough to be run many times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamelle.results.history import Epoch
from lamelle.results.scores import Scores

TINY = (
    *("filters=[4,8]", "patch=32", "samples=12", "batch=4", "epochs=3", "precision=32", "threads=1", "workers=0"),
    *("elastic=0", "rotate=20", "train.patience=0", "model.dropout=0.2"),
)


def look(data: Any, **options: Any) -> tuple[Any, Any, Any]:
    """What `lamelle.check` finds: Index, Audit and the planned split."""
    import lamelle

    found = lamelle.check(data, **options)
    return found.index, found.audit, found.outlook


class Quiet:
    """Hears a training; ``at`` is called after each step."""

    def __init__(self, at: Callable[[int], None] | None = None) -> None:
        self.steps, self.lines, self.rows = 0, list[str](), list[dict[str, Any]]()
        self.epochs = list[Epoch]()
        self._at = at

    def say(self, line: str) -> None:
        self.lines.append(line)

    def step(self, *, epoch: int, done: float, loss: float) -> None:
        self.steps += 1
        if self._at is not None:
            self._at(self.steps)

    def epoch(self, row: Epoch, *, monitor: str) -> None:
        self.epochs.append(row)
        self.rows.append({**row.columns(), "best": row.best, "score": row.score(monitor)})

    def close(self) -> None:
        self.lines.append("closed")


Trainer = Callable[..., tuple[Any, Any]]
"""Overrides, ``quiet`` and ``resume`` → the RunFolder and the Package."""


def made_scores(**changes: Any) -> Scores:
    """The content of a ``scores.json``; what is not said is as good as empty."""
    about: dict[str, Any] = {"task": "classify", "classes": ("a", "b"), "split": "test", "n": 40, "monitor": "macro_f1"}
    return Scores(**about | {"headline": (), "scores": {}} | changes)
