"""The one table of file formats; a new one is a file beside this and its row here."""

from __future__ import annotations

from lamelle.io.format import Formats
from lamelle.io.formats import bmp, dicom, dicom_series, jpeg, nifti, npy, npz, png, tiff, zarr
from lamelle.io.formats.unread import UNREAD

FORMATS = Formats(
    "format",
    dicom.FORMAT,  # before all others: its preamble may look like a TIFF, so that two kinds of viewers open it
    tiff.FORMAT,
    png.FORMAT,
    npy.FORMAT,
    zarr.FORMAT,
    nifti.FORMAT,
    jpeg.FORMAT,
    bmp.FORMAT,
    npz.FORMAT,
    dicom_series.FORMAT,
    *UNREAD,
)
"""Tried in this order; what is not read comes last."""
