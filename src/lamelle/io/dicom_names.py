"""How DICOM files are told, by their names and first bytes: scanners and archives export them under any name."""

from __future__ import annotations

import os
from pathlib import Path

from lamelle.io.paths import junk

SUFFIXES = (".dcm", ".dicom", ".ima")
_MARK, _MARK_END = b"DICM", 132
"""The mark of a DICOM file, and where it ends."""
_KINDS = (b"UL", b"UI", b"CS", b"SH", b"DA", b"OB")


def is_dicom(head: bytes) -> bool:
    """Whether these are the first bytes of a DICOM file: its mark, or a data set without preamble.

    Example:
        >>> is_dicom(bytes(128) + b"DICM"), is_dicom(b"P5 48 40 255")
        (True, False)
    """
    bare = head[:2] in (b"\x02\0", b"\x08\0") and head[2:3] < b"\x20" and head[3:4] == b"\0" and head[4:6] in _KINDS
    return head[_MARK_END - len(_MARK) : _MARK_END] == _MARK or bare


def marked_dicom(path: Path) -> bool:
    """Whether a file has the mark of DICOM; one that cannot be read has none."""
    try:
        with path.open("rb") as file:
            return file.read(_MARK_END)[_MARK_END - len(_MARK) :] == _MARK
    except OSError:
        return False


def is_unnamed_dicom(path: Path) -> bool:
    """Whether a file is DICOM by its mark, under a name that says no format: ``IM00001``, ``1.2.840.10008.7``.

    That is how scanners and archives export. A ``DICOMDIR``, which lists them, holds no image.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     files = [Path(folder, name) for name in ("IM1", "1.2.840.1", "DICOMDIR", "a.txt")]
        ...     for file in files:
        ...         _ = file.write_bytes(bytes(128) + b"DICM")
        ...     [is_unnamed_dicom(file) for file in files]
        [True, True, False, False]
    """
    suffix = os.path.splitext(path.name)[1]
    unnamed = not suffix or suffix[1:].isdecimal()
    return unnamed and junk(path.name) is None and path.stem.upper() != "DICOMDIR" and marked_dicom(path)
