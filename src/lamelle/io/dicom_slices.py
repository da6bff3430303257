"""The slices of a DICOM series, one file each: what the header of each says."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lamelle.errors import FileError
from lamelle.io.common import Header
from lamelle.io.dicom_data import open_dicom, private
from lamelle.io.dicom_names import SUFFIXES, is_unnamed_dicom
from lamelle.io.formats.dicom import header_of
from lamelle.io.paths import junk

_HASH = 8


@dataclass(frozen=True, slots=True)
class Slice:
    """One file of a series."""

    path: Path
    number: str
    """That of its series in the study; empty where the header says none."""
    uid: str
    """A short hash of that of its series."""
    image: Header
    labels: Header
    """What it is as labels: stored values, palette indices."""
    direction: tuple[float, ...]
    """Cosines of rows and of columns, [6]; empty where the header says none."""
    position: tuple[float, ...]
    """Millimetres to the left, the back and the head; empty where the header says none."""
    pixel: tuple[float, ...]
    """Distance of rows and of columns in millimetres."""
    thickness: float | None

    @property
    def placed(self) -> bool:
        """Whether it is one plane that says where it lies in the patient."""
        return bool(self.position and self.direction) and len(self.image.shape) == 3


def slice_files(folder: Path) -> list[Path]:
    """The DICOM files of a folder, or of the only folder inside it."""
    try:
        paths = sorted(p for p in folder.iterdir() if not p.name.startswith(".") and junk(p.name) is None)
    except OSError:
        return []
    files = [p for p in paths if p.is_file() and (p.suffix.lower() in SUFFIXES or is_unnamed_dicom(p))]
    inside = [p for p in paths if p.is_dir()]
    return slice_files(inside[0]) if not files and len(inside) == 1 else files


def placed_slice(path: Path) -> Slice | None:
    """A slice that says where it lies in the patient; None where a file is none, or cannot be read."""
    try:
        one = slice_of(path)
    except FileError:
        return None
    return one if one and one.placed else None


def slice_of(path: Path) -> Slice | None:
    """The header of a file; None where it holds no pixels (a report, a plan)."""
    with private(path):
        data = open_dicom(path)
        if "Rows" not in data:
            return None
        return Slice(
            path,
            str(int(data.SeriesNumber)) if data.get("SeriesNumber") is not None else "",
            hashlib.sha256(str(data.get("SeriesInstanceUID") or "").encode()).hexdigest()[:_HASH],
            header_of(path, data, labels=False),
            header_of(path, data, labels=True),
            _numbers(data.get("ImageOrientationPatient"), 6),
            _numbers(data.get("ImagePositionPatient"), 3),
            _numbers(data.get("PixelSpacing"), 2),
            _thickness(data),
        )


def _numbers(value: Any, count: int) -> tuple[float, ...]:
    numbers = tuple(float(v) for v in value) if value and len(value) == count else ()
    return numbers if np.isfinite(numbers).all() else ()


def _thickness(data: Any) -> float | None:
    between = data.get("SpacingBetweenSlices") or data.get("SliceThickness")
    return abs(float(between)) if between else None
