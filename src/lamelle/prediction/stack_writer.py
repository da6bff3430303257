"""Planes that come one by one and make one stack, kept on disk until the last has come."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np

from lamelle.errors import FileError


class StackWriter:
    """A stack [K, Z, Y, X] that grows plane by plane in an unnamed file, so that memory never holds it.

    Args:
        folder: Where the file lies; the disk that the stack will be written to.
        depth: Number of planes that will come.
        dtype: Type that holds every value.

    Example:
        >>> with StackWriter(Path(tempfile.gettempdir()), depth=2, dtype=np.dtype(np.uint8)) as pile:
        ...     pile.add(7, np.ones((1, 2, 3)))
        ...     pile.add(4, np.zeros((1, 2, 3)))
        ...     pile.full, pile.whole()[:, :, 0, 0].tolist()
        (True, [[0, 1]])
    """

    def __init__(self, folder: Path, *, depth: int, dtype: np.dtype) -> None:
        self._folder, self._depth, self._dtype = folder, depth, dtype
        self._indices: list[int] = []
        self._size: tuple[int, ...] = ()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        except OSError as error:
            raise self._unwritable(error) from error

    @property
    def full(self) -> bool:
        """Whether every plane has come."""
        return len(self._indices) == self._depth

    def add(self, index: int, plane: np.ndarray) -> None:
        """Take the plane [K, Y, X] at ``index`` along Z.

        Raises:
            FileError: If the disk is full.
        """
        self._size = plane.shape
        slot, each = len(self._indices), plane[0].size * self._dtype.itemsize
        try:
            for k, channel in enumerate(plane):
                self._file.seek((k * self._depth + slot) * each)
                self._file.write(np.ascontiguousarray(channel, self._dtype).data)
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from error
        self._indices.append(index)

    def whole(self) -> np.ndarray:
        """The stack [K, Z, Y, X], in order of the indices, mapped from the file if they came in order."""
        shape = (self._size[0], self._depth, *self._size[1:])
        stack = np.memmap(self._file, self._dtype, "r", shape=shape)
        order = np.argsort(self._indices)
        return stack if (order == np.arange(len(order))).all() else stack[:, order]

    def _unwritable(self, error: OSError) -> FileError:
        written = len(self._indices) * math.prod(self._size) * self._dtype.itemsize
        reason = error.strerror or type(error).__name__
        return FileError("files.cannot_write", self._folder, reason=reason, written=written)

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def __enter__(self) -> StackWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
