"""``history.csv``: one row an epoch; TensorBoard as an option."""

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


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """All epochs; what was not measured stays empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FIELDS)
    for row in rows:
        values = [row.get(name) for name in FIELDS]
        writer.writerow(["" if v is None else int(v) if isinstance(v, bool) else v for v in values])
    return out.getvalue()


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
    for name in ("lr", "train_loss", "train_score", "loss", "score"):
        if row[name] is not None:
            writer.add_scalar(name, row[name], row["epoch"])
    writer.flush()
