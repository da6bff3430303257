"""``history.csv``: one row an epoch, with every score; TensorBoard as an option."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamelle.errors import RequestError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FIELDS = (
    *("epoch", "step", "lr", "train_loss", "train_score", "train_accuracy"),
    *("loss", "score", "accuracy", "best", "seconds"),
)
"""Columns that every history has; ``score`` is the one that tells the best epoch (``Task.monitor``).

Behind them stand all scores of the task: ``train_iou`` of the training samples as they were when the network learnt
from them, ``iou`` and ``iou/cell`` of the validation set after the epoch.
"""
_WORDS = ("monitor",)
"""What a row says beside its numbers: the name of the score that ``score`` is."""


def columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns of these epochs: those that every history has, then the scores in the order of their task.

    Example:
        >>> columns([{"epoch": 1, "train_dice": 0.5, "monitor": "dice"}, {"epoch": 2, "dice/cell": 0.6}])[-2:]
        ['train_dice', 'dice/cell']
    """
    return [name for name in dict.fromkeys([*FIELDS, *(key for row in rows for key in row)]) if name not in _WORDS]


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """All epochs; what was not measured stays empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names := columns(rows))
    for row in rows:
        values = [row.get(name) for name in names]
        writer.writerow(["" if v is None else int(v) if isinstance(v, bool) else v for v in values])
    return out.getvalue()


def kept(rows: Sequence[Mapping[str, str]], epoch: int) -> Mapping[str, str]:
    """The row of a ``history.csv`` that is about this epoch; the last one if there is none."""
    return next((row for row in rows if row["epoch"] == str(epoch)), rows[-1])


def tensorboard(folder: Path) -> SummaryWriter:
    """A TensorBoard writer.

    Raises:
        RequestError: If TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise RequestError("train.no_tensorboard") from error
    return SummaryWriter(str(folder))


def log(writer: SummaryWriter, row: Mapping[str, Any]) -> None:
    """One epoch's numbers."""
    for name in columns([row]):
        if row.get(name) is not None and name not in ("epoch", "step", "best"):
            writer.add_scalar(name, row[name], row["epoch"])
    writer.flush()
