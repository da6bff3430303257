"""Where predictions are written: files named after their images, below one folder, of which no two share one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from lamelle.io import writers
from lamelle.types import Grid, Record, Source


def planes_of(records: Iterable[Record]) -> dict[Source, tuple[int, ...]]:
    """Which planes of each stack are among the records, in order."""
    planes: dict[Source, set[int]] = {}
    for record in records:
        if record.image.index is not None:
            planes.setdefault(stack_of(record), set()).add(record.image.index)
    return {stack: tuple(sorted(indices)) for stack, indices in planes.items()}


def stack_of(record: Record) -> Source:
    """The whole that a record is one plane of."""
    return replace(record.image, index=None)


def grid_of_part(record: Record, grid: Grid) -> Grid:
    """The grid of a record that is some planes of a file."""
    return grid if record.image.span is None else replace(grid, start=record.image.span[0])


class OutputPlaces:
    """Hands out the places of files below a folder.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     place = OutputPlaces(Path(folder)).place("labels", Record("x/a.jpg", Source(Path("a.jpg"))), ".png")
        ...     place.relative_to(folder).as_posix()
        'labels/x/a.png'
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._owners: dict[Path, Path] = {}

    def place(self, kind: str, record: Record, suffix: str, *, whole: bool = False) -> Path:
        """A file below the folder ``kind``, named after the record; never above it, never another's.

        Args:
            whole: Named after the stack that the record is a plane of.
        """
        source, part = record.image, record.image.part
        name = PurePosixPath(record.id.rpartition("#")[0] or record.id if part else record.id)
        parts = [p for p in name.parts if p not in {"/", "..", "."}] or ["image"]
        number = "" if whole or not part else f"_{record.id.rpartition('#')[2] if '#' in record.id else part[1:]}"
        owner = source.path / number
        for stem in (_stem(parts[-1]), parts[-1].replace(".", "_")):
            place = self.folder.joinpath(kind, *parts[:-1], f"{stem}{number}{suffix}")
            if self._owners.setdefault(place, owner) == owner:
                break
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


def _stem(name: str) -> str:
    if double := writers.double_suffix(name):
        return name[: -len(double)]
    suffix = PurePosixPath(name).suffix
    return name if suffix[1:].isdecimal() else PurePosixPath(name).stem  # ``1.2.840.7``: DICOM, or a folder of it
