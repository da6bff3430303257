"""Which format a file is in: its first bytes decide, never its name."""

from __future__ import annotations

import errno
import gzip
import stat
import zlib
from pathlib import Path

from lamelle.errors import FileError
from lamelle.io.sidecar import is_series

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\x93NUMPY", "npy"),
    (b"PK\x03\x04", "npz"),
    (b"PK\x05\x06", "npz"),
)
_UNSUPPORTED = (
    (b"GIF8", "GIF"),
    (b"%PDF", "PDF"),
    (b"%!PS", "PostScript"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"\0\0\0\x0cjP", "JPEG 2000"),
    (b"8BPS", "Photoshop"),
    (b"ZISRAWFILE", "Zeiss CZI"),
    (b"\xda\xce\xbe\x0a", "Nikon ND2"),
    (b"\x70\0\0\0", "Leica LIF"),
    (b"NRRD", "NRRD"),
    (b"ObjectType", "MetaImage"),
    (b"\x1a\x45\xdf\xa3", "Matroska"),
    (b"Rar!", "RAR"),
    (b"7z\xbc\xaf", "7z"),
    (b"\x80\x04", "pickle"),
    (b"\x80\x02", "pickle"),
)
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
_ZARR_MARKS = ("zarr.json", ".zarray", ".zgroup", ".zattrs")
_HEAD = 1024
_MARK, _MARK_END = b"DICM", 132
"""The mark of a DICOM file, and where it ends."""


def regular(path: Path) -> bool:
    """Whether the path is a file that may be opened (True) or a folder (False); a pipe or device is never opened.

    Raises:
        FileError: If it is missing, a dangling link, a loop of links, or neither file nor folder.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise FileError("files.dangling_link" if path.is_symlink() else "files.missing", path) from error
    except PermissionError as error:
        raise FileError("files.unreadable", path, reason=error.strerror) from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        if getattr(error, "errno", None) == errno.ELOOP:
            raise FileError("files.link_loop", path) from error
        raise FileError("files.missing", path) from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise FileError("files.not_regular", path)
    return stat.S_ISREG(mode)


def format_of(path: Path) -> str:
    """Name of the format, a key of ``readers.FORMATS``.

    Raises:
        FileError: If the file cannot be opened, is empty, or is in no format that can be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "scan.png")
        ...     _ = file.write_bytes(bytes([0xFF, 0xD8, 0xFF, 0xE0]))
        ...     format_of(file)
        'jpeg'
    """
    if not regular(path):
        from lamelle.io.dicom_series import is_dicom_series

        if any((path / mark).is_file() for mark in _ZARR_MARKS):
            return "zarr"
        if is_series(path):
            return "series"
        if is_dicom_series(path):
            return "dicom series"
        raise FileError("files.folder", path)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise FileError("files.unreadable", path, reason=error.strerror or type(error).__name__) from error
    if not head:
        raise FileError("files.empty", path)
    return _named(path, head)


def marked_dicom(path: Path) -> bool:
    """Whether a file has the mark of DICOM; one that cannot be read has none."""
    try:
        with path.open("rb") as file:
            return _marked(file.read(_MARK_END))
    except OSError:
        return False


def _marked(head: bytes) -> bool:
    return head[_MARK_END - len(_MARK) : _MARK_END] == _MARK


def _named(path: Path, head: bytes) -> str:
    if _marked(head):  # before all others: the preamble may look like a TIFF, so that two kinds of viewers open it
        return "dicom"
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "bmp"
    if _bare_dicom(head):
        return "dicom"
    if head[:2] == b"\x1f\x8b":
        head = _unzipped(path)
        if not _nifti(head):
            raise FileError("files.unsupported", path, format="gzip")
    if _nifti(head):
        return "nifti"
    for magic, name in _UNSUPPORTED:
        if head.startswith(magic):
            raise FileError("files.unsupported", path, format=name)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        raise FileError("files.unsupported", path, format="WebP")
    raise FileError(_text(head), path)


def _bare_dicom(head: bytes) -> bool:
    """A data set without preamble: group 0002 or 0008, a plausible element, a known kind of value."""
    known = (b"UL", b"UI", b"CS", b"SH", b"DA", b"OB")
    return head[:2] in (b"\x02\0", b"\x08\0") and head[2] < 0x20 and head[3] == 0 and head[4:6] in known


def _nifti(head: bytes) -> bool:
    first = (head[344:348], head[:4]) if len(head) >= 348 else (b"", b"")
    one = first[0] in (b"n+1\0", b"ni1\0") and first[1] in (b"\x5c\x01\0\0", b"\0\0\x01\x5c")
    return one or head[4:8] in (b"n+2\0", b"ni2\0")


def _unzipped(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read(_HEAD)
    except (OSError, EOFError, zlib.error) as error:
        raise FileError("files.truncated", path) from error


def _text(head: bytes) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<!--")):
        return "files.is_html"
    if start.startswith((b"<?xml", b"<svg")) or all(byte >= 32 or byte in b"\t\r\n" for byte in head):
        return "files.is_text"
    return "files.unknown_format"
