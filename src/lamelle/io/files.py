"""Which format a file is in, and how it is read: its first bytes decide, never its name."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np

from lamelle.errors import FileError
from lamelle.io.common import Header, ReadOptions, decoding, require, warning
from lamelle.io.dicom_names import is_unnamed_dicom
from lamelle.io.format import HEAD, Format, not_read
from lamelle.io.formats import dicom
from lamelle.io.formats.table import FORMATS
from lamelle.io.paths import junk, regular
from lamelle.io.pixels import finite
from lamelle.types import Image, Problem

_GZIP = b"\x1f\x8b"


def format_of(path: Path) -> Format:
    """The row of the format that a file is in; of a folder, that of a Zarr or of a DICOM series.

    Raises:
        FileError: If the file cannot be opened, is empty, or is in no format that can be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "scan.png")
        ...     _ = file.write_bytes(bytes([0xFF, 0xD8, 0xFF, 0xE0]))
        ...     format_of(file).name
        'jpeg'
    """
    if not regular(path):
        if (row := folder_format(path)) is None:
            raise FileError("files.folder", path)
        return row
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise FileError("files.unreadable", path, reason=error.strerror or type(error).__name__) from error
    if not head:
        raise FileError("files.empty", path)
    if (row := _recognised(head, FORMATS.readable())) is not None:
        return row
    if head.startswith(_GZIP):
        inside = _unzipped(path)
        if row := _recognised(inside, [row for row in FORMATS.readable() if row.zipped]):
            return row
    if (row := _recognised(head, FORMATS.unread())) is not None:
        raise not_read(path, row.label, row.cure)
    raise FileError(_text(head), path)


def folder_format(path: Path) -> Format | None:
    """The format of which a folder is one image, if there is one."""
    return next((row for row in FORMATS.readable() if row.is_folder and row.is_folder(path, promised)), None)


def _recognised(head: bytes, rows: Sequence[Format]) -> Format | None:
    return next((row for row in rows if row.recognise and row.recognise(head)), None)


def _unzipped(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read(HEAD)
    except (OSError, EOFError, zlib.error) as error:
        raise FileError("files.truncated", path) from error


def _text(head: bytes) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<!--")):
        return "files.is_html"
    if start.startswith((b"<?xml", b"<svg")) or all(byte >= 32 or byte in b"\t\r\n" for byte in head):
        return "files.is_text"
    return "files.unknown_format"


# ---- by the row of its format


def stored(path: Path, wanted: ReadOptions, row: Format | None = None) -> Image:
    """One file as it is meant: its pixels, or as labels the indices of a palette."""
    row = row or format_of(path)
    with _decoding(path, row):
        assert row.read
        image = row.read(path, wanted)
        finite(path, image.array)
    return replace(image, problems=(*misnamed(path, row), *image.problems))


def stored_header(path: Path, wanted: ReadOptions, row: Format | None = None) -> Header:
    """The header of what `stored` returns."""
    row = row or format_of(path)
    with _decoding(path, row):
        assert row.header
        head = row.header(path, wanted)
    return replace(head, problems=(*misnamed(path, row), *head.problems))


def stored_planes(path: Path, wanted: ReadOptions, row: Format | None = None) -> Iterator[np.ndarray]:
    """Planes [C, Y, X] of what `stored` returns."""
    row = row or format_of(path)
    with _decoding(path, row):
        assert row.read
        for plane in row.planes(path, wanted) if row.planes else [row.read(path, wanted).array]:
            finite(path, plane)
            yield plane


def stored_window(
    path: Path, wanted: ReadOptions, start: Sequence[int], size: Sequence[int], row: Format | None = None
) -> np.ndarray:
    """A part [C, (Z,) Y, X] of what `stored` returns.

    Raises:
        ValueError: If it does not lie inside the image.
    """
    row = row or format_of(path)
    with _decoding(path, row):
        part = row.window(path, wanted, start, size) if row.window else _cut(path, wanted, row, start, size)
    if part.shape[1:] != tuple(size):
        raise ValueError(f"a window of {tuple(size)} at {tuple(start)} does not lie inside the image")
    finite(path, part)
    return part


def _cut(path: Path, wanted: ReadOptions, row: Format, start: Sequence[int], size: Sequence[int]) -> np.ndarray:
    """A part cut from the planes that hold it; those before are passed over, those after are not decoded."""
    assert row.read
    plane = tuple(slice(s, s + n) for s, n in zip(start[-2:], size[-2:], strict=True))
    if len(size) == 2 or row.planes is None:
        return row.read(path, wanted).array[(..., *plane)]
    parts = []
    for z, one in enumerate(row.planes(path, wanted)):
        if z >= start[0]:
            parts.append(np.array(one[(..., *plane)]))
        if len(parts) == size[0]:
            break
    return np.stack(parts, axis=1) if parts else np.empty((0, 0, 0, 0))


def _decoding(path: Path, row: Format) -> AbstractContextManager[None]:
    """The context in which a decoder of this format runs."""
    if row.needs:
        require(path, row.needs, row.extra)
    return decoding(path)


def misnamed(path: Path, row: Format) -> tuple[Problem, ...]:
    """A warning where the name of a file promises another format than it is in."""
    suffix = suffix_of(path.name)
    promise = promised(path.name)
    if promise == row.name or not suffix or (promise is None and row.unnamed):
        return ()
    return (warning("files.wrong_suffix", path, suffix=suffix, format=row.label),)


# ---- by names alone


def suffix_of(name: str) -> str:
    """The ending of a name, in lower case.

    Example:
        >>> suffix_of("a.nii.GZ"), suffix_of("1.2.tif")
        ('.nii.gz', '.tif')
    """
    return FORMATS.suffix_of(name)


def promised(name: str) -> str | None:
    """The name of the format, one that is read, that the name of a file promises.

    Example:
        >>> promised("a.ome.tif"), promised("a.txt")
        ('tiff', None)
    """
    row = FORMATS.of_suffix(suffix_of(name))
    return row.name if row is not None and row.read is not None else None


def is_image_name(name: str) -> bool:
    """Whether a file of this name is to be read as an image.

    Example:
        >>> is_image_name("scan.nii.GZ"), is_image_name("._scan.png"), is_image_name("notes.txt")
        (True, False, False)
    """
    return junk(name) is None and promised(name) is not None


def says_places(path: Path) -> bool:
    """Whether a file of this name may say where it lies in space.

    Example:
        >>> says_places(Path("a.nii.gz")), says_places(Path("a.png"))
        (True, False)
    """
    name = promised(path.name) or (dicom.FORMAT.name if is_unnamed_dicom(path) else None)
    if name is not None:
        return FORMATS[name].places
    row = folder_format(path) if path.is_dir() else None
    return row is not None and row.places


def may_be_dicom(path: Path) -> bool:
    """Whether a name says DICOM, or no format at all, as scanners export it; nothing is opened.

    Example:
        >>> may_be_dicom(Path("IM0001")), may_be_dicom(Path("1.2.840.dcm")), may_be_dicom(Path("a.png"))
        (True, True, False)
    """
    return promised(path.name) in (None, dicom.FORMAT.name)
