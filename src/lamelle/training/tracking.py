"""TensorBoard, as an option."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lamelle.errors import RequestError
from lamelle.results.history import Epoch

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


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


def log(writer: SummaryWriter, row: Epoch) -> None:
    """One epoch's numbers."""
    for name, value in row.columns().items():
        if value is not None and name not in ("epoch", "step", "best"):
            writer.add_scalar(name, value, row.epoch)
    writer.flush()
