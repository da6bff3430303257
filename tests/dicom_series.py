"""A volume written as a DICOM series, one file a slice, and as the NIfTI of the same scan."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

AXIAL, CORONAL, SAGITTAL = (1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)
OBLIQUE = (0.98, 0.19899749, 0, -0.19899749, 0.98, 0)
ORIGIN, PIXEL, STEP = (-20.0, -30.0, 40.0), (0.75, 0.5), 2.0
PATIENT = "SECRET^PATIENT"


def write_series(
    folder: Path,
    slices: np.ndarray,
    *,
    directions: Sequence[float] = AXIAL,
    step: float = STEP,
    origin: Sequence[float] = ORIGIN,
    names: Callable[[int], str] = "IM{:04d}.dcm".format,
    uid: str = "1.2.826.0.1.3680043.8.498.7",
    number: int | None = 3,
    patient: str = PATIENT,
    change: Callable[[int, Any], None] | None = None,
) -> Path:
    """Write slices [Z, Y, X] of 0.75 × 0.5 mm along their normal, one file each.

    Args:
        names: Name of the file of a slice.
        change: Called with the number and the data set of each before it is written; one without pixels is left out.
    """
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    folder.mkdir(parents=True, exist_ok=True)
    normal = np.cross(directions[:3], directions[3:])
    for z, plane in enumerate(slices):
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = CTImageStorage
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
        data.PatientName, data.PatientID, data.SeriesInstanceUID = patient, patient, uid
        data.SeriesDescription, data.InstanceNumber = patient, 1
        if number is not None:
            data.SeriesNumber = number
        data.Rows, data.Columns = plane.shape[:2]
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.PixelRepresentation = int(plane.dtype.kind == "i")
        data.BitsAllocated = data.BitsStored = 8 * plane.itemsize
        data.HighBit = data.BitsStored - 1
        data.PixelSpacing, data.SliceThickness = list(PIXEL), 9.0
        data.ImageOrientationPatient = [float(v) for v in directions]
        data.ImagePositionPatient = [float(v) for v in np.array(origin) + step * z * normal]
        data.PixelData = np.ascontiguousarray(plane).tobytes()
        if change is not None:
            change(z, data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pydicom.dcmwrite(folder / names(z), data, enforce_file_format=True)
    return folder


def affine_of(
    directions: Sequence[float] = AXIAL, *, step: float = STEP, origin: Sequence[float] = ORIGIN
) -> np.ndarray:
    """Affine [4, 4] of the voxels (column, row, slice) in the space of NIfTI."""
    affine = np.eye(4)
    across, down = np.array(directions[:3], float), np.array(directions[3:], float)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = across * PIXEL[1], down * PIXEL[0], step * np.cross(across, down)
    affine[:3, 3] = origin
    affine[:2] *= -1
    return affine


def write_nifti(path: Path, slices: np.ndarray, affine: np.ndarray | None = None) -> Path:
    """The same slices [Z, Y, X] as NIfTI."""
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(slices.T), affine_of() if affine is None else affine), path)
    return path
