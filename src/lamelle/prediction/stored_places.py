"""Objects and boxes in the voxels of the file that is written, where that is stored otherwise than it was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from lamelle.io import writers
from lamelle.io.geometry import AS_STORED, Turn, own_turn
from lamelle.types import Grid, ObjectRow


@dataclass(frozen=True, slots=True)
class StoredGrid:
    """How voxels as they were read, Z, Y, X, become those that are stored.

    Example:
        >>> grid = StoredGrid(Turn((0, 1, 2), (False, False, True)), size=(1, 9, 10))
        >>> grid.box((0, 1, 0), (1, 4, 2))
        ((0, 1, 8), (1, 4, 10))
    """

    turn: Turn
    """How what is stored was turned when it was read."""
    size: tuple[int, int, int]
    """Of what is written, Z, Y, X as read."""
    first: int = 0
    """The plane in it with which what was predicted begins; of one plane, that plane."""

    @classmethod
    def of(cls, suffix: str, grid: Grid, shape: Sequence[int], *, depth: int | None = None, first: int = 0) -> Self:
        """That of a file of labels; only NIfTI is written in another order than it was read.

        Args:
            suffix: Of the file.
            shape: Of one prediction [(Z,) Y, X].
            depth: Planes of the file, where they are not those of the prediction.
            first: The plane in the file with which the prediction begins.
        """
        turn = own_turn(grid.geometry) if writers.writer_for(Path(f"labels{suffix}")).as_stored else AS_STORED
        planes, height, width = (1, *shape) if len(shape) == 2 else shape
        return cls(turn, (depth or planes, height, width), first)

    @classmethod
    def of_whole(cls, suffix: str, grid: Grid, shape: Sequence[int], *, first: int) -> Self:
        """The same of the file that was predicted, of which the prediction may be a part."""
        part = cls.of(suffix, grid, shape, first=first)
        if grid.geometry is None:
            return part
        x, y, z = grid.geometry.size
        return replace(part, size=part.turn.sizes((z, y, x)))

    @property
    def plain(self) -> bool:
        """Whether places stay what they are."""
        return self.turn.plain

    def box(self, start: Sequence[float], stop: Sequence[float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Where a box (Z,) Y, X begins and ends in what is stored, z, y, x; voxel i reaches from i to i + 1."""
        low, high = self._placed(start, 0), self._placed(stop, 1)
        pairs = [
            (n - b, n - a) if flip else (a, b)
            for a, b, flip, n in zip(low, high, self.turn.flipped, self.size, strict=True)
        ]
        return self._ordered([a for a, _ in pairs]), self._ordered([b for _, b in pairs])

    def point(self, middle: Sequence[float]) -> tuple[float, ...]:
        """Where a point (Z,) Y, X, in numbers of voxels, lies in what is stored, z, y, x."""
        placed = zip(self._placed(middle, 0), self.turn.flipped, self.size, strict=True)
        return self._ordered([round(n - 1 - c, 3) if flip else float(c) for c, flip, n in placed])

    def row(self, row: ObjectRow) -> ObjectRow:
        """An object with its centre and box in stored voxels.

        Example:
            >>> row = ObjectRow(1, 6, centroid=(2.0, 0.5), start=(1, 0), stop=(4, 2), probability=1.0)
            >>> grid = StoredGrid(Turn((0, 1, 2), (False, False, True)), size=(1, 9, 10))
            >>> grid.row(row).start, grid.row(row).centroid
            ((0, 1, 8), (0.0, 2.0, 8.5))
        """
        if self.plain:
            return row
        start, stop = self.box(row.start, row.stop)
        whole = (tuple(map(int, start)), tuple(map(int, stop)))
        return replace(row, centroid=self.point(row.centroid), start=whole[0], stop=whole[1])

    def _placed(self, values: Sequence[float], more: int) -> tuple[float, ...]:
        """Values along Z, Y, X of the file, of what was found in a plane too."""
        z, *plane = values if len(values) == 3 else (more, *values)
        return (z + self.first, *plane)

    def _ordered(self, values: Sequence[float]) -> tuple[float, ...]:
        """Values along Z, Y, X as read, in the order of what is stored."""
        stored = dict(zip(self.turn.order, values, strict=True))
        return tuple(stored[axis] for axis in range(3))
