"""The table of formats, and the functions that read any of them: the content decides, never the name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from lamelle.io import dicom, dicom_series, nifti, numpy_files, raster, series, tiff, zarr_files
from lamelle.io.atomic import TEMPORARY
from lamelle.io.common import Format, Header, Wanted, decoding, warning
from lamelle.io.labels import labelled
from lamelle.io.pixels import finite
from lamelle.io.signature import format_of, marked_dicom
from lamelle.types import Image, Problem

_FLAT = (".png", ".tif")
FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "png": Format((".png",), raster.header, raster.read, answers=_FLAT),
        "jpeg": Format((".jpg", ".jpeg", ".jpe", ".jfif"), raster.header, raster.read, lossy=True, answers=_FLAT),
        "bmp": Format((".bmp", ".dib"), raster.header, raster.read, answers=_FLAT),
        "tiff": Format((".tif", ".tiff", ".btf", ".tf8", ".lsm"), tiff.header, tiff.read, tiff.planes),
        "npy": Format(
            (".npy",), numpy_files.npy_header, numpy_files.npy_read, numpy_files.npy_planes, float_labels=True
        ),
        "npz": Format(
            (".npz",), numpy_files.npz_header, numpy_files.npz_read, numpy_files.npz_planes, float_labels=True
        ),
        "dicom": Format(
            (".dcm", ".dicom", ".ima"), dicom.header, dicom.read, dicom.planes, places=True, answers=(".tif", ".nii.gz")
        ),
        "nifti": Format(
            (".nii", ".nii.gz"),
            nifti.header,
            nifti.read,
            nifti.planes,
            float_labels=True,
            places=True,
            answers=(".nii.gz", ".nii.gz"),
        ),
        "zarr": Format(
            (".zarr",),
            zarr_files.header,
            zarr_files.read,
            zarr_files.planes,
            float_labels=True,
            places=True,
            answers=(".ome.zarr", ".ome.zarr"),
        ),
        "dicom series": Format(
            (), dicom_series.header, dicom_series.read, dicom_series.planes, places=True, answers=(".tif", ".nii.gz")
        ),
        "series": Format((), series.header, series.read, series.planes),
    }
)
"""Name of a format (see `signature.format_of`) → how it is read."""

SUFFIXES: Mapping[str, str] = MappingProxyType({s: name for name, row in FORMATS.items() for s in row.suffixes})
"""Suffix in lower case → name of the format it promises."""

_JUNK_NAMES = frozenset({".ds_store", "thumbs.db", "desktop.ini", ".ipynb_checkpoints", "__macosx", "@eadir"})


def read(path: Path, *, key: str | None = None, axes: str | None = None) -> Image:
    """Pixels [C, (Z,) Y, X] of an image or volume in their own dtype, upright, channels first.

    Grey is one channel; a sequence of pages, slices or frames is Z; an opaque alpha channel is dropped; a palette
    becomes colours; 1-bit becomes 0 and 1 in uint8. An uncompressed TIFF, NPY or NIfTI is mapped from the file and
    read-only, unless its byte order is foreign to the machine, which costs a copy. What would not fit in memory is
    refused before decoding: `planes` streams it.

    Args:
        key: Array inside an .npz file or a Zarr group; needed where there are several.

    Raises:
        FileError: If the file cannot be opened, recognised, decoded whole, or read without guessing.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(Path(folder, "stack.npy"), np.zeros((30, 64, 48), np.uint16))
        ...     image = read(Path(folder, "stack.npy"))
        >>> image.array.shape, image.array.dtype.name
        ((1, 30, 64, 48), 'uint16')
    """
    return stored(path, Wanted(key, axes=axes))


def header(path: Path, *, key: str | None = None, axes: str | None = None) -> Header:
    """What `read` would return, from the file's header: no pixel is decoded, so it is quick on any size.

    Args:
        key: Array inside an .npz file or a Zarr group; without it a file with several lists them in ``keys``.

    Raises:
        FileError: If the file cannot be opened or recognised, or its header is broken.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(Path(folder, "stack.npy"), np.zeros((30, 64, 48), np.uint16))
        ...     header(Path(folder, "stack.npy")).shape
        (1, 30, 64, 48)
    """
    return stored_header(path, Wanted(key, axes=axes))


def planes(
    path: Path, *, key: str | None = None, axes: str | None = None, labels: bool = False
) -> Iterator[np.ndarray]:
    """Planes [C, Y, X] of a stack along Z, one after the other, in bounded memory; one plane for a 2-D image.

    Args:
        key: Array inside an .npz file or a Zarr group.

    Raises:
        FileError: As `read`, when the plane concerned is reached.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(Path(folder, "stack.npy"), np.zeros((30, 64, 48), np.uint16))
        ...     len(list(planes(Path(folder, "stack.npy"))))
        30
    """
    path, row, _ = _recognised(path)
    with decoding(path):
        wanted = Wanted(key, labels, axes)
        stream = row.planes(path, wanted) if row.planes else iter([row.read(path, wanted).array])
        for plane in stream:
            finite(path, plane)
            yield plane


def read_labels(
    path: Path, *, key: str | None = None, colours: Mapping[tuple[int, int, int], int] | None = None
) -> Image:
    """Label values of a mask or label volume; ``Image.array`` is [(Z,) Y, X] here, of an integer dtype.

    A palette gives its indices; 1-bit gives 0 and 1; floats are accepted where every one is a whole number and the
    format is NIfTI, NPY, NPZ or Zarr; colours are accepted where R = G = B everywhere, or by a table.

    Args:
        key: Array inside an .npz file or a Zarr group.
        colours: Label of each (R, G, B) of a coloured mask.

    Raises:
        FileError: If the format changes values (JPEG), values are not whole, or a colour has no label; the sentence
            names what was found.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(Path(folder, "mask.npy"), np.array([[0.0, 1.0], [2.0, 0.0]]))
        ...     read_labels(Path(folder, "mask.npy")).array.tolist()
        [[0, 1], [2, 0]]
    """
    path, row, problems = _recognised(path)
    with decoding(path):
        image = row.read(path, Wanted(key, colours is None))
        finite(path, image.array)
        name = next(name for name, known in FORMATS.items() if known is row)
        array = labelled(path, image.array, name, lossy=row.lossy, float_labels=row.float_labels, colours=colours)
    return replace(image, array=array, problems=(*problems, *image.problems))


def stored(path: Path, wanted: Wanted) -> Image:
    """One file as `read` gives it, or as labels: the indices of a palette."""
    path, row, problems = _recognised(path)
    with decoding(path):
        image = row.read(path, wanted)
        finite(path, image.array)
    return replace(image, problems=(*problems, *image.problems))


def stored_header(path: Path, wanted: Wanted) -> Header:
    """The header of what `stored` returns."""
    path, row, problems = _recognised(path)
    with decoding(path):
        found = row.header(path, wanted)
    return replace(found, problems=(*problems, *found.problems))


def is_image_name(name: str) -> bool:
    """Whether a file of this name is to be read as an image.

    Example:
        >>> is_image_name("scan.nii.GZ"), is_image_name("._scan.png"), is_image_name("notes.txt")
        (True, False, False)
    """
    return junk(name) is None and suffix_of(name) in SUFFIXES


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
    suffix = suffix_of(path.name)
    unnamed = not suffix or suffix[1:].isdecimal()
    return unnamed and junk(path.name) is None and path.stem.upper() != "DICOMDIR" and marked_dicom(path)


def says_places(path: Path) -> bool:
    """Whether a file of this name may say where it lies in space.

    Example:
        >>> says_places(Path("a.nii.gz")), says_places(Path("a.png"))
        (True, False)
    """
    format = SUFFIXES.get(suffix_of(path.name)) or ("dicom" if is_unnamed_dicom(path) else None)
    if format is None and path.is_dir():
        return dicom_series.is_dicom_series(path)
    return format is not None and FORMATS[format].places


def may_be_dicom(path: Path) -> bool:
    """Whether a name says DICOM, or no format at all, as scanners export it; nothing is opened.

    Example:
        >>> may_be_dicom(Path("IM0001")), may_be_dicom(Path("1.2.840.dcm")), may_be_dicom(Path("a.png"))
        (True, True, False)
    """
    return SUFFIXES.get(suffix_of(path.name)) in (None, "dicom")


def junk(name: str) -> str | None:
    """The pattern for which a file is passed over (a system's droppings, a write that was cut off), or None.

    Args:
        name: A name, or a path below the folder that is read; each of its parts counts.

    Example:
        >>> junk("._x.png"), junk("a/.ipynb_checkpoints/x.png"), junk("x.png")
        ('._*', '.ipynb_checkpoints', None)
    """
    for part in name.replace("\\", "/").split("/"):
        if part.lower() in _JUNK_NAMES:
            return part
        for start in ("._", TEMPORARY):
            if part.startswith(start):
                return f"{start}*"
    return None


def suffix_of(name: str) -> str:
    """The ending of a name that `SUFFIXES` may know, in lower case."""
    lower = name.lower()
    return ".nii.gz" if lower.endswith(".nii.gz") else os.path.splitext(lower)[1]


def _recognised(path: Path) -> tuple[Path, Format, tuple[Problem, ...]]:
    path = Path(path)
    name = format_of(path)
    suffix = suffix_of(path.name)
    promised = SUFFIXES.get(suffix)
    if promised == name or not suffix or (promised is None and name in ("dicom", "zarr", "series", "dicom series")):
        return path, FORMATS[name], ()
    return path, FORMATS[name], (warning("files.wrong_suffix", path, suffix=suffix, format=name.upper()),)
