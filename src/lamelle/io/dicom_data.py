"""The data set of a DICOM file, open_dicom by pydicom without a word that quotes it: that could name a patient."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamelle.errors import FileError
from lamelle.io.common import decoding, quiet, require

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

PACKAGE, EXTRA = "pydicom", "medical"
"""What reads DICOM, and what installs it."""
_DIRECTORY = "1.2.840.10008.1.3.10"
_IMPLICIT_LITTLE = "1.2.840.10008.1.2"


def private(path: Path) -> Any:
    """Turn the exceptions of pydicom into a sentence that quotes no value of the file.

    Raises:
        FileError: If pydicom is not installed, or the body raised.
    """
    require(path, PACKAGE, EXTRA)
    quiet("pydicom")
    from pydicom.errors import BytesLengthException, InvalidDicomError

    return decoding(path, InvalidDicomError, BytesLengthException, private=True)


def open_dicom(path: Path, *, pixels: bool = False) -> Dataset:
    """The data set of a file; to be called inside `private`.

    Raises:
        FileError: If it is a DICOMDIR, or unfolds to more than fits.
    """
    from pydicom import dcmread
    from pydicom.config import IGNORE, settings
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID

    from lamelle.io.dicom_codecs import check_inflated

    settings.reading_validation_mode = IGNORE  # its remarks quote values
    check_inflated(path)
    data = dcmread(path, force=True, stop_before_pixels=not pixels)
    meta = getattr(data, "file_meta", None) or FileMetaDataset()
    data.file_meta = meta
    if "TransferSyntaxUID" not in meta:
        meta.TransferSyntaxUID = UID(_IMPLICIT_LITTLE)
    if str(meta.get("MediaStorageSOPClassUID", "")) == _DIRECTORY or "DirectoryRecordSequence" in data:
        raise FileError("files.dicomdir", path)
    return data
