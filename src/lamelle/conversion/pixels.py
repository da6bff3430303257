"""Pixels as one number: what is compared before and after."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from lamelle.errors import FileError
from lamelle.io.axes import sizes


class Digest:
    """SHA-256 of the pixels [Z, C, Y, X] in C order, little-endian, taken plane by plane.

    For one channel that is the hash of the array [Z, Y, X] as numpy holds it.

    Example:
        >>> digest = Digest()
        >>> stack = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)
        >>> _ = [digest.add(plane[None]) for plane in stack]
        >>> digest.hex == hashlib.sha256(stack.tobytes()).hexdigest()
        True
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.count = 0
        """Planes so far."""

    def add(self, plane: np.ndarray) -> None:
        """Take one plane [C, Y, X]."""
        little = plane.astype(plane.dtype.newbyteorder("<"), order="C", copy=False)
        self._hash.update(np.ascontiguousarray(little).data)
        self.count += 1

    @property
    def hex(self) -> str:
        return self._hash.hexdigest()


def counted(
    path: Path, planes: Iterable[np.ndarray], digest: Digest, *, shape: tuple[int, ...], dtype: np.dtype
) -> Iterator[np.ndarray]:
    """The planes [C, Y, X] as they come, each checked against what the header promised and added to the digest.

    Raises:
        FileError: If a plane has another shape or type, or there are too few or too many.
    """
    depth = shape[1] if len(shape) == 4 else 1
    wanted = (shape[0], *shape[-2:])
    for plane in planes:
        if plane.shape != wanted or plane.dtype != dtype or digest.count >= depth:
            measured = f"{plane.dtype} {sizes(plane.shape)} (#{digest.count})"
            raise FileError("convert.unlike", path, found=measured, wanted=f"{dtype} {sizes(shape)}")
        digest.add(plane)
        yield plane
    if digest.count != depth:
        raise FileError(
            "convert.unlike", path, found=f"{digest.count} × {sizes(wanted)}", wanted=f"{dtype} {sizes(shape)}"
        )
