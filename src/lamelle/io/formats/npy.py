"""NPY: numpy's own format of one array, never with pickled objects."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np

from lamelle.errors import FileError
from lamelle.io.axes import Arrangement, arrange, declared, doubts, plain
from lamelle.io.common import Header, ReadOptions, size_of
from lamelle.io.format import Format, Writer, starts
from lamelle.io.output_form import Form
from lamelle.io.pixels import native, real_dtype
from lamelle.io.streams import npy_axes, write_npy
from lamelle.types import Image, Problem


@dataclass(frozen=True, slots=True)
class StoredArray:
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

    def plane(self) -> StoredArray:
        """One entry along the first axis."""
        return replace(self, shape=(1, *self.shape[1:]))

    def formed(self, buffer: bytearray | bytes) -> np.ndarray:
        return np.frombuffer(buffer, self.dtype).reshape(self.shape, order="F" if self.fortran else "C")


def array_head(path: Path, file: IO[bytes], wanted: ReadOptions) -> StoredArray:
    """The head of the array that a file begins with.

    Raises:
        FileError: If it is of a newer version, holds no numbers, or its axes cannot be told.
    """
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
    return StoredArray(shape, fortran, dtype, file.tell(), arrange(path, axes, shape), problems)


def header(path: Path, wanted: ReadOptions) -> Header:
    """Header of an NPY file."""
    with path.open("rb") as file:
        stored = array_head(path, file, wanted)
    shape, dtype = stored.arrangement.shape(stored.shape), real_dtype(path, stored.dtype)
    return Header("npy", shape, dtype, problems=stored.problems)


def read(path: Path, wanted: ReadOptions) -> Image:
    """Pixels of an NPY file, mapped from the file (copied only where its byte order is foreign)."""
    stored, array = _mapped(path, wanted)
    return Image(native(path, array), problems=stored.problems)


def _mapped(path: Path, wanted: ReadOptions) -> tuple[StoredArray, np.ndarray]:
    with path.open("rb") as file:
        stored = array_head(path, file, wanted)
    if stored.offset + stored.nbytes > size_of(path):
        raise FileError("files.truncated", path)
    order = "F" if stored.fortran else "C"
    array = np.memmap(path, stored.dtype, "r", stored.offset, stored.shape, order)
    return stored, stored.arrangement.apply(array)


def planes(path: Path, wanted: ReadOptions) -> Iterator[np.ndarray]:
    """Planes of an NPY file, each copied from the mapped file."""
    _, array = _mapped(path, wanted)
    yield from (native(path, array[:, z]) for z in range(array.shape[1])) if array.ndim == 4 else [native(path, array)]


def _holds(form: Form) -> bool:
    return npy_axes(Path("a.npy"), form.shape) is not None


def _write(path: Path, form: Form, planes: Iterable[np.ndarray], out: Path) -> None:
    axes = npy_axes(out, form.shape)
    if axes is None:
        raise ValueError(f"no NPY of {form.shape}")
    write_npy(path, form, planes, axes=axes)


FORMAT = Format(
    "npy",
    "NPY",
    (".npy",),
    recognise=starts(b"\x93NUMPY"),
    header=header,
    read=read,
    planes=planes,
    in_place=True,
    labels="floats",
    write=Writer("npy", (".npy",), _write, holds=_holds, sizes="beside"),
)
