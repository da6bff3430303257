"""NPY and NPZ (MedMNIST): numpy's own formats, never with pickled objects."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np

from lamelle.errors import FileError
from lamelle.io.axes import Arrangement, arrange, declared, doubts, plain
from lamelle.io.common import Header, Wanted, affordable, listed, size_of
from lamelle.io.pixels import native, real_dtype
from lamelle.types import Image, Problem


@dataclass(frozen=True, slots=True)
class _Array:
    """The head of a stored array."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype
    offset: int
    arrangement: Arrangement
    problems: tuple[Problem, ...] = ()

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def plane(self) -> _Array:
        """One entry along the first axis."""
        return replace(self, shape=(1, *self.shape[1:]))

    def formed(self, buffer: bytearray | bytes) -> np.ndarray:
        return np.frombuffer(buffer, self.dtype).reshape(self.shape, order="F" if self.fortran else "C")


def _head(path: Path, file: IO[bytes], wanted: Wanted) -> _Array:
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):  # 3.0 is for records with names beyond Latin
        raise FileError("files.dtype", path, dtype="?")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(file)
    real_dtype(path, dtype)
    axes, problems = declared(path, wanted.axes, shape), ()
    if axes is None:
        axes = plain(path, shape, labels=wanted.labels)
        problems = () if wanted.labels else doubts(path, axes, shape)
    return _Array(shape, fortran, dtype, file.tell(), arrange(path, axes, shape), problems)


def npy_header(path: Path, wanted: Wanted) -> Header:
    """Header of an NPY file."""
    with path.open("rb") as file:
        stored = _head(path, file, wanted)
    shape, dtype = stored.arrangement.shape(stored.shape), real_dtype(path, stored.dtype)
    return Header("npy", shape, dtype, problems=stored.problems)


def npy_read(path: Path, wanted: Wanted) -> Image:
    """Pixels of an NPY file, mapped from the file (copied only where its byte order is foreign)."""
    stored, array = _mapped(path, wanted)
    return Image(native(path, array), problems=stored.problems)


def _mapped(path: Path, wanted: Wanted) -> tuple[_Array, np.ndarray]:
    with path.open("rb") as file:
        stored = _head(path, file, wanted)
    if stored.offset + stored.nbytes > size_of(path):
        raise FileError("files.truncated", path)
    order = "F" if stored.fortran else "C"
    array = np.memmap(path, stored.dtype, "r", stored.offset, stored.shape, order)
    return stored, stored.arrangement.apply(array)


def npy_planes(path: Path, wanted: Wanted) -> Iterator[np.ndarray]:
    """Planes of an NPY file, each copied from the mapped file."""
    _, array = _mapped(path, wanted)
    yield from (native(path, array[:, z]) for z in range(array.shape[1])) if array.ndim == 4 else [native(path, array)]


def npz_header(path: Path, wanted: Wanted) -> Header:
    """Header of one array of an NPZ file, and the names of all; a name may stay open."""
    names = _names(path)
    if wanted.key is None and len(names) > 1:
        return Header("npz", keys=names)
    with _member(path, wanted) as (_, stored):
        shape = stored.arrangement.shape(stored.shape)
    return Header("npz", shape, real_dtype(path, stored.dtype), keys=names)


def npz_read(path: Path, wanted: Wanted) -> Image:
    """Pixels of one array of an NPZ file."""
    with _member(path, wanted) as (file, stored):
        buffer = bytearray(stored.nbytes)
        _fill(path, file, buffer)
        if file.read(1):  # also makes zipfile compare the checksum
            raise FileError("files.cannot_decode", path, reason="NPY")
    return Image(native(path, stored.arrangement.apply(stored.formed(buffer))))


def npz_planes(path: Path, wanted: Wanted) -> Iterator[np.ndarray]:
    """Planes of one array of an NPZ file, unpacked one at a time where Z is its first axis."""
    with _member(path, wanted, whole=False) as (file, stored):
        if stored.fortran or stored.arrangement.stack != 0:
            array = npz_read(path, wanted).array
            yield from (array[:, z] for z in range(array.shape[1])) if array.ndim == 4 else [array]
            return
        one = stored.plane()
        affordable(path, one.nbytes)
        for _ in range(math.prod(stored.shape[:1])):
            buffer = bytearray(one.nbytes)
            _fill(path, file, buffer)
            yield native(path, one.arrangement.apply(one.formed(buffer))[:, 0])


def _fill(path: Path, file: IO[bytes], buffer: bytearray) -> None:
    view = memoryview(buffer)
    while view:
        chunk = file.read(min(len(view), 1 << 20))
        if not chunk:
            raise FileError("files.truncated", path)
        view[: len(chunk)] = chunk
        view = view[len(chunk) :]


def _names(path: Path) -> tuple[str, ...]:
    with zipfile.ZipFile(path) as archive:
        names = tuple(n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy"))
    if not names:
        raise FileError("files.unsupported", path, format="ZIP")
    return names


@contextmanager
def _member(path: Path, wanted: Wanted, *, whole: bool = True) -> Iterator[tuple[IO[bytes], _Array]]:
    """The opened array behind its head; ``whole`` refuses what does not fit in memory."""
    names, key = _names(path), wanted.key
    if key is None and len(names) > 1:
        raise FileError("files.which_array", path, keys=listed(names))
    chosen = next(iter(names)) if key is None else key
    if chosen not in names:
        raise FileError("files.no_such_array", path, key=chosen, keys=listed(names))
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(f"{chosen}.npy")
        with archive.open(info) as file:
            stored = _head(path, file, wanted)
            if stored.offset + stored.nbytes != info.file_size:
                raise FileError("files.truncated", path)
            if whole:
                affordable(path, stored.nbytes, stored=info.compress_size)
            yield file, stored
