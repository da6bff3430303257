"""Where a training keeps what it has to keep; it knows no folder of a Run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Recorder:
    """Places for what a training writes while it goes on."""

    folder: Path
    """What messages name: where a user finds all of it."""
    checkpoints: Path
    """Folder of the checkpoints."""
    tensorboard: Path
    """Folder of the curves for TensorBoard."""
    write_history: Callable[[str], None]
    """Takes the table of all epochs so far, as CSV."""
