"""One stored array on disk: a raw ``.npy`` that can be mapped, and a sealed ``.json`` that makes it valid.

The ``.json`` holds the SHA-256 of the array's file and its stamp. A file with another stamp is hashed before it is
mapped; one with another hash was damaged, and is no entry.
"""

from __future__ import annotations

import errno
import io
import json
import math
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lamelle.errors import FileError
from lamelle.io import atomic
from lamelle.io.checksums import Stamp, intact, stamp, with_checksum
from lamelle.types import Geometry, Image, JsonObject, Problem, Spacing

LAYOUT = 3
"""Version of the files written here."""
TEMPORARY = ".tmp"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class StoreEntry:
    """Where an array lies on disk and what is known about it."""

    path: Path
    """The file that holds the raw pixels."""
    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int
    """First byte of the pixels in the file."""
    strides: tuple[int, ...] | None = None
    """Bytes from one pixel to the next along each axis; None = C order."""
    spacing: Spacing | None = None
    geometry: Geometry | None = None
    bits: int | None = None
    format: str = ""
    """Format of the user's file, by content."""
    problems: tuple[Problem, ...] = ()
    bytes: int = 0
    """Size of the stored file; 0 where the user's own file is mapped."""
    stamp: Stamp | None = None
    """Of the stored file as it was when it was last known to be whole."""

    def map(self) -> np.ndarray:
        """The array as a read-only memory map.

        Raises:
            OSError: If the file is gone.
            ValueError: If the file is too short, or somebody wrote to it since it was known to be whole.
        """
        if self.stamp is not None and stamp(self.path) != self.stamp:
            raise ValueError(f"{self.path}: written to")
        if self.strides is None:
            return np.memmap(self.path, self.dtype, "r", self.offset, self.shape)
        raw = np.memmap(self.path, np.uint8, "r")
        return np.ndarray(self.shape, self.dtype, raw.data, self.offset, self.strides)


@dataclass(frozen=True, slots=True)
class Pixels:
    """An array to be stored, whole or in pieces."""

    shape: tuple[int, ...]
    dtype: np.dtype
    pieces: Iterable[tuple[int, np.ndarray]]
    """(index of the first element in C order, consecutive elements)."""
    spacing: Spacing | None = None
    geometry: Geometry | None = None
    bits: int | None = None
    format: str = ""
    problems: tuple[Problem, ...] = ()

    @staticmethod
    def whole(array: np.ndarray, *, problems: tuple[Problem, ...] = ()) -> Pixels:
        """All of an array at once, which no single file holds."""
        return Pixels(array.shape, array.dtype.newbyteorder("="), [(0, array)], problems=problems)

    @staticmethod
    def of(image: Image, *, format: str = "") -> Pixels:
        """All pixels of a file at once, with what is known about them."""
        facts = (image.spacing, image.geometry, image.bits, format, image.problems)
        return Pixels(image.array.shape, image.array.dtype.newbyteorder("="), [(0, image.array)], *facts)


def mapped_entry(image: Image, array: np.ndarray, format: str) -> StoreEntry | None:
    """The entry of an array that is a view of a memory-mapped file in native byte order, else None."""
    root = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    if not isinstance(root, np.memmap) or root.filename is None or not array.dtype.isnative or array.size == 0:
        return None
    offset = root.offset + array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    strides = None if array.flags.c_contiguous else array.strides
    path = Path(os.fsdecode(root.filename))
    facts = (image.spacing, image.geometry, image.bits, format, image.problems)
    return StoreEntry(path, array.shape, array.dtype, offset, strides, *facts)


def save_entry(path: Path, pixels: Pixels) -> None:
    """Write ``path`` (``.npy``) and the ``.json`` beside it, each by rename, the ``.json`` last.

    Raises:
        FileError: If the disk is full or cannot be written.
    """
    head = _npy_header(pixels)
    size = len(head) + math.prod(pixels.shape) * pixels.dtype.itemsize
    facts: JsonObject = {
        "layout": LAYOUT,
        "offset": len(head),
        "bytes": size,
        "shape": pixels.shape,
        "dtype": pixels.dtype.str,
        "spacing": pixels.spacing,
        "geometry": None if pixels.geometry is None else asdict(pixels.geometry),
        "bits": pixels.bits,
        "format": pixels.format,
        "problems": [{"code": p.code, "severity": p.severity, "values": dict(p.values)} for p in pixels.problems],
    }
    with _writing(path, size) as file:
        file.put(0, head)
        for first, piece in pixels.pieces:
            data = np.ascontiguousarray(piece, dtype=pixels.dtype)
            file.put(len(head) + first * pixels.dtype.itemsize, data.reshape(-1).view(np.uint8).data)
        facts["content"] = file.sha256()
    _write_note(path, facts)


def _write_note(path: Path, facts: JsonObject) -> None:
    """Write the ``.json`` of an array's file as that lies there now."""
    try:
        facts["stamp"] = stamp(path)
    except OSError as error:  # another process has made room meanwhile
        raise unwritable(path, facts["bytes"], error) from error
    with _writing(path.with_suffix(".json"), 0) as file:
        file.put(0, with_checksum(json.loads(json.dumps(facts, default=str))))


def load_entry(path: Path, damaged: Callable[[Path], None] | None = None) -> StoreEntry | None:
    """The entry at ``path`` if it is whole, marked as just used; None if there is none or it is damaged.

    Args:
        damaged: Hears of a file of the entry that is not what was written.
    """
    record, tell = path.with_suffix(".json"), damaged or (lambda _: None)
    try:
        data = record.read_bytes()
        whole, now = intact(data), stamp(path)
        if not whole:
            if whole is False or b'"stamp"' in data:
                tell(record)
            return None  # damaged, or of an older version
        facts: JsonObject = json.loads(data)
        if facts["layout"] != LAYOUT:
            return None
        touched = list(now) != facts["stamp"]
        if now[0] != facts["bytes"] or (touched and atomic.sha256(path) != facts["content"]):
            tell(path)
            return None
        if touched:  # a copy, say: the next one need not hash it again
            with suppress(FileError):
                _write_note(path, {k: v for k, v in facts.items() if k not in ("stamp", "sha256")})
        os.utime(record)
        return StoreEntry(
            path,
            tuple(facts["shape"]),
            np.dtype(facts["dtype"]),
            facts["offset"],
            spacing=None if facts["spacing"] is None else tuple(facts["spacing"]),
            geometry=None if facts["geometry"] is None else _geometry(facts["geometry"]),
            bits=facts["bits"],
            format=facts["format"],
            problems=tuple(Problem(p["code"], "", p["severity"], p["values"]) for p in facts["problems"]),
            bytes=now[0],
            stamp=now,
        )
    except (OSError, FileError):
        return None  # another process has removed it meanwhile


def _geometry(facts: JsonObject) -> Geometry:
    x, y, z = facts["size"]
    return Geometry(tuple(tuple(row) for row in facts["affine"]), (x, y, z))


def _npy_header(pixels: Pixels) -> bytes:
    head = io.BytesIO()
    described = {"descr": pixels.dtype.str, "fortran_order": False, "shape": tuple(int(n) for n in pixels.shape)}
    np.lib.format.write_array_header_1_0(head, described)
    return head.getvalue()


class _File:
    """A file being written, whose failures are sentences."""

    def __init__(self, file: BinaryIO, path: Path, size: int) -> None:
        self._file, self._path, self._size = file, path, size

    def put(self, offset: int, data: bytes | memoryview) -> None:
        try:
            self._file.seek(offset)
            self._file.write(data)
        except OSError as error:
            raise unwritable(self._path, self._size, error) from error

    def sha256(self) -> str:
        """Of all that was put."""
        try:
            self._file.flush()
        except OSError as error:
            raise unwritable(self._path, self._size, error) from error
        return atomic.sha256(Path(self._file.name))


class _writing:
    """A temporary file that takes the place of ``path`` if the body succeeds and vanishes if it does not."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path, size
        self._temporary = path.with_name(f"{path.name}.{secrets.token_hex(6)}{TEMPORARY}")

    def __enter__(self) -> _File:
        try:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            self._file = self._temporary.open("wb")
        except OSError as error:
            raise unwritable(self._path, self._size, error) from error
        return _File(self._file, self._path, self._size)

    def __exit__(self, failed: object, *_: object) -> None:
        try:
            self._file.close()
            if failed is None:
                os.replace(self._temporary, self._path)
        except OSError as error:
            raise unwritable(self._path, self._size, error) from error
        finally:
            self._temporary.unlink(missing_ok=True)


def unwritable(path: Path, size: int, error: OSError) -> FileError:
    """What to tell when the store cannot be written."""
    reason = error.strerror or type(error).__name__
    if error.errno in _FULL:
        return FileError("audit.store_full", path, megabytes=round(size / 1e6, 1), reason=reason)
    return FileError("audit.store_unwritable", path, reason=reason)


def entries_in(folder: Path) -> Iterator[tuple[Path, int, float]]:
    """(path of the ``.npy``, bytes of both files, last use) of every valid-looking entry."""
    for record in folder.glob("??/*.json"):
        path = record.with_suffix(".npy")
        try:
            status = record.stat()
            yield path, status.st_size + path.stat().st_size, status.st_mtime
        except OSError:  # removed by another process meanwhile
            continue


def remove_entry(path: Path) -> bool:
    """Remove an entry, its ``.json`` first; False where the system does not let go of a mapped file."""
    try:
        path.with_suffix(".json").unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
