"""NIfTI-1 and -2, plain or gzip; nibabel reads the header, the voxels are mapped or streamed."""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from lamelle.errors import FileError
from lamelle.io.axes import checked_spacing, sizes
from lamelle.io.common import Header, affordable, decoding, quiet, require, size_of
from lamelle.io.pixels import native, real_dtype
from lamelle.types import Image, Spacing

_RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])


@dataclass(frozen=True, slots=True)
class _Volume:
    """The header: sizes in the file's order, fastest first."""

    zipped: bool
    size: tuple[int, ...]
    """X, Y, (Z,) channels."""
    dtype: np.dtype
    offset: int
    slope: float
    intercept: float
    spacing: Spacing | None

    @property
    def shape(self) -> tuple[int, ...]:
        """``[C, (Z,) Y, X]``"""
        return self.size[::-1]

    @property
    def nbytes(self) -> int:
        return math.prod(self.size) * self.dtype.itemsize

    @property
    def scaled(self) -> bool:
        return (self.slope, self.intercept) != (1.0, 0.0)

    def values(self, path: Path, stored: np.ndarray) -> np.ndarray:
        if not self.scaled:
            return native(path, stored)
        affordable(path, 4 * stored.size)
        return (stored.astype(np.float64) * self.slope + self.intercept).astype(np.float32)


def header(path: Path, key: str | None, labels: bool) -> Header:
    """Header of a NIfTI file; axes become Z, Y, X, the voxels' order stays as stored."""
    volume = _volume(path)
    dtype = np.dtype(np.float32) if volume.scaled else real_dtype(path, volume.dtype)
    return Header("nifti", volume.shape, dtype, volume.spacing)


def read(path: Path, key: str | None, labels: bool) -> Image:
    """Voxels of a NIfTI file, mapped where it is not zipped; a slope or intercept makes them float32."""
    volume = _volume(path)
    if volume.zipped:
        affordable(path, volume.nbytes)
        with _voxels(path, volume) as file:
            stored = np.frombuffer(_exactly(path, file, volume.nbytes), volume.dtype)
        stored = stored.reshape(volume.shape)
    else:
        if volume.offset + volume.nbytes > size_of(path):
            raise FileError("files.truncated", path)
        stored = np.memmap(path, volume.dtype, "r", volume.offset, volume.shape)
    return Image(volume.values(path, stored), volume.spacing)


def planes(path: Path, key: str | None) -> Iterator[np.ndarray]:
    """Planes [C, Y, X] along Z, unzipped one at a time."""
    volume = _volume(path)
    if not volume.zipped or len(volume.shape) == 3 or volume.shape[0] > 1:
        array = read(path, key, False).array
        yield from (array[:, z] for z in range(array.shape[1])) if array.ndim == 4 else [array]
        return
    _, depth, height, width = volume.shape
    size = height * width * volume.dtype.itemsize
    affordable(path, size)
    with _voxels(path, volume) as file:
        for _ in range(depth):
            stored = np.frombuffer(_exactly(path, file, size), volume.dtype).reshape(1, height, width)
            yield volume.values(path, stored)


def _volume(path: Path) -> _Volume:
    require(path, "nibabel", "medical")
    quiet("nibabel")
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    with decoding(path, HeaderDataError, ImageFileError):
        return _parsed(path)


def _parsed(path: Path) -> _Volume:
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if zipped else path.open("rb") as file:
        start = file.read(8)
    kind = Nifti2Header if start[4:7] in (b"n+2", b"ni2") else Nifti1Header
    with gzip.open(path) if zipped else path.open("rb") as file:
        block = file.read(kind.template_dtype.itemsize)
    if len(block) < kind.template_dtype.itemsize:
        raise FileError("files.truncated", path)
    head = kind(block, check=False)
    if bytes(head["magic"].tobytes()[:2]) == b"ni":
        raise FileError("files.unsupported", path, format="NIfTI .hdr/.img")
    slope, intercept = head.get_slope_inter()
    dtype = head.get_data_dtype()
    size = _sizes(path, tuple(int(n) for n in head.get_data_shape()), rgb=dtype == _RGB)
    if dtype == _RGB:
        raise FileError("files.dtype", path, dtype="RGB24")
    real_dtype(path, dtype)
    unit = {"meter": 1e6, "micron": 1.0}.get(str(head.get_xyzt_units()[0]), 1e3)
    zooms = [float(z) * unit for z in head.get_zooms()[: len(size) - 1]]
    spacing = checked_spacing(tuple(reversed(zooms))) if len(zooms) == len(size) - 1 else None
    offset = int(head.get_data_offset())
    return _Volume(zipped, size, dtype, offset, slope or 1.0, intercept or 0.0, spacing)


def _sizes(path: Path, shape: tuple[int, ...], *, rgb: bool) -> tuple[int, ...]:
    """X, Y, (Z,) C of X, Y, Z, time, vector ...

    Raises:
        FileError: If it is a time series, or has fewer than two axes.
    """
    if len(shape) < 2 or min(shape) < 1:
        raise FileError("files.axes", path, shape=sizes(shape), axes="XYZT"[: len(shape)])
    if len(shape) > 3 and shape[3] > 1:
        raise FileError("files.time_axis", path, axis="T", length=shape[3])
    if any(n > 1 for n in shape[5:]):
        raise FileError("files.axes", path, shape=sizes(shape), axes="XYZTV?"[: len(shape)])
    return (*shape[:3], shape[4] if len(shape) > 4 else 1)


@contextmanager
def _voxels(path: Path, volume: _Volume) -> Iterator[IO[bytes]]:
    with gzip.open(path) as file:
        file.seek(volume.offset)
        yield file  # type: ignore[misc]


def _exactly(path: Path, file: IO[bytes], size: int) -> bytearray:
    buffer = bytearray()
    while len(buffer) < size:
        chunk = file.read(min(size - len(buffer), 1 << 20))
        if not chunk:
            raise FileError("files.truncated", path)
        buffer += chunk
    return buffer
