"""Which patient, study and series a DICOM file is of: hashes of what its header says, never the values."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from lamelle.errors import FileError
from lamelle.io.dicom_data import private
from lamelle.io.dicom_names import marked_dicom
from lamelle.io.dicom_slices import slice_files

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

LEVELS = {"patient": "PatientID", "study": "StudyInstanceUID", "series": "SeriesInstanceUID"}
"""What a file may belong to, and the tag that says it; what holds more comes first."""


def belongs_to(path: Path) -> dict[str, str]:
    """Which patient, study and series a file is of: short hashes of what its header says, never the values.

    The same value has the same hash in every folder. A file that is no DICOM, or cannot be read, says nothing here.

    Args:
        path: A file, or the folder of a stack of slices.

    Returns:
        Hash of each of ``LEVELS`` that the header says.
    """
    data = _identity(path)
    values = {level: str(data.get(tag) or "").strip() for level, tag in LEVELS.items()} if data is not None else {}
    return {k: f"{k}-{hashlib.sha256(v.encode()).hexdigest()[:10]}" for k, v in values.items() if v}


def _identity(path: Path) -> Dataset | None:
    """The tags of ``LEVELS`` alone; None where the file is no DICOM or cannot be read: who reads its pixels says so."""
    try:
        file = next(iter(slice_files(path)), path) if path.is_dir() else path
        if not marked_dicom(file):
            return None
        with private(file):
            from pydicom import dcmread

            from lamelle.io.dicom_codecs import check_inflated

            check_inflated(file)
            return dcmread(file, stop_before_pixels=True, specific_tags=list(LEVELS.values()))
    except (OSError, FileError):
        return None
