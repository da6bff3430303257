"""What ``history.csv`` holds: one line for each epoch, with every score of both sets."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from pydantic import Field

from lamelle.results.base import Result

FIELDS = ("epoch", "step", "lr", "train_loss", "loss", "best", "seconds")
"""Columns that every history has; ``train_dice`` and ``dice`` are scores of the training and the validation set."""
TRAIN = "train_"


class Epoch(Result):
    """One epoch.

    Example:
        >>> one = Epoch(epoch=1, step=9, lr=0.1, seconds=2.0, train_loss=0.7, loss=0.6, validation={"dice": 0.5})
        >>> one.validated, one.column("dice"), one.column("train_dice"), one.column("loss")
        (True, 0.5, None, 0.6)
    """

    epoch: int
    step: int
    lr: float
    seconds: float | None = None
    """Of this epoch, with its validation."""
    best: bool = False
    """Whether its weights were the best so far."""
    train_loss: float | None
    loss: float | None = None
    """Of the validation set; None where it was not looked at."""
    train: dict[str, float | None] = Field(default_factory=dict)
    """Scores of the training samples, as they were when the network learnt from them."""
    validation: dict[str, float | None] = Field(default_factory=dict)
    """Scores of the validation set; a score of one class is ``name/class``."""

    @property
    def validated(self) -> bool:
        """Whether the validation set was looked at."""
        return self.loss is not None

    def score(self, monitor: str) -> float | None:
        """The score that tells the best epoch; where validation could not give it, 0."""
        return (self.validation.get(monitor) or 0.0) if self.validated else None

    def column(self, name: str) -> float | None:
        """A number by the name of its column."""
        if name in FIELDS:
            value = getattr(self, name)
            return None if value is None else float(value)
        if name.startswith(TRAIN):
            return self.train.get(name.removeprefix(TRAIN))
        return self.validation.get(name)

    def columns(self) -> dict[str, float | None]:
        """All that is measured, by the names of the columns."""
        values = {name: self.column(name) for name in FIELDS}
        return values | {f"{TRAIN}{name}": value for name, value in self.train.items()} | self.validation


History = tuple[Epoch, ...]


def columns(history: Sequence[Epoch]) -> list[str]:
    """The columns of these epochs: those that every history has, then the scores in the order of their task.

    Example:
        >>> one = Epoch(epoch=1, step=1, lr=0.1, train_loss=1.0, train={"dice": 0.5}, validation={"dice/cell": 0.6})
        >>> columns([one])[-2:]
        ['train_dice', 'dice/cell']
    """
    return list(dict.fromkeys([*FIELDS, *(name for epoch in history for name in epoch.columns())]))


def to_csv(history: Sequence[Epoch]) -> str:
    """All epochs; what was not measured stays empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names := columns(history))
    for epoch in history:
        values = epoch.columns() | {"epoch": epoch.epoch, "step": epoch.step, "best": int(epoch.best)}
        writer.writerow(["" if values.get(name) is None else values[name] for name in names])
    return out.getvalue()


def from_csv(rows: Sequence[Mapping[str, str]]) -> History:
    """The epochs of the rows of a ``history.csv``."""
    return tuple(_epoch(row) for row in rows)


def _epoch(row: Mapping[str, str]) -> Epoch:
    numbers = {name: float(value) if value else None for name, value in row.items()}
    values = {name: numbers[name] for name in FIELDS if name in numbers}
    others = {name: value for name, value in numbers.items() if name not in FIELDS}
    train = {name.removeprefix(TRAIN): value for name, value in others.items() if name.startswith(TRAIN)}
    validation = {name: value for name, value in others.items() if not name.startswith(TRAIN)}
    about = {"epoch": int(values["epoch"] or 0), "step": int(values["step"] or 0), "best": bool(values.get("best"))}
    return Epoch.model_validate(values | about | {"train": train, "validation": validation})


def kept(history: Sequence[Epoch], epoch: int) -> Epoch:
    """The epoch of this number; the last one if there is none."""
    return next((one for one in history if one.epoch == epoch), history[-1])
