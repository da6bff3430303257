"""NPZ (MedMNIST): several arrays of numpy in a zip, never with pickled objects."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from lamelle.errors import FileError
from lamelle.io.common import Header, ReadOptions, affordable, listed
from lamelle.io.format import Format, not_read, starts
from lamelle.io.formats.npy import StoredArray, array_head
from lamelle.io.pixels import native, real_dtype
from lamelle.types import Image


def header(path: Path, wanted: ReadOptions) -> Header:
    """Header of one array of an NPZ file, and the names of all; a name may stay open."""
    names = _names(path)
    if wanted.key is None and len(names) > 1:
        return Header("npz", keys=names)
    with _member(path, wanted) as (_, stored):
        shape = stored.arrangement.shape(stored.shape)
    return Header("npz", shape, real_dtype(path, stored.dtype), keys=names)


def read(path: Path, wanted: ReadOptions) -> Image:
    """Pixels of one array of an NPZ file."""
    with _member(path, wanted) as (file, stored):
        buffer = bytearray(stored.nbytes)
        _fill(path, file, buffer)
        if file.read(1):  # also makes zipfile compare the checksum
            raise FileError("files.cannot_decode", path, reason="NPY")
    return Image(native(path, stored.arrangement.apply(stored.formed(buffer))))


def planes(path: Path, wanted: ReadOptions) -> Iterator[np.ndarray]:
    """Planes of one array of an NPZ file, unpacked one at a time where Z is its first axis."""
    with _member(path, wanted, whole=False) as (file, stored):
        if stored.fortran or stored.arrangement.stack != 0:
            array = read(path, wanted).array
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
        raise not_read(path, "ZIP", "archive")
    return names


@contextmanager
def _member(path: Path, wanted: ReadOptions, *, whole: bool = True) -> Iterator[tuple[IO[bytes], StoredArray]]:
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
            stored = array_head(path, file, wanted)
            if stored.offset + stored.nbytes != info.file_size:
                raise FileError("files.truncated", path)
            if whole:
                affordable(path, stored.nbytes, stored=info.compress_size)
            yield file, stored


FORMAT = Format(
    "npz",
    "NPZ",
    (".npz",),
    recognise=starts(b"PK\x03\x04", b"PK\x05\x06"),
    header=header,
    read=read,
    planes=planes,
    labels="floats",
)
