"""Arrays → TIFF, PNG, NIfTI and OME-Zarr, without loss, in the smallest type that holds the values, in their place."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from lamelle.errors import FileError
from lamelle.io import nifti, tiff, zarr_files
from lamelle.io.atomic import writing, writing_folder
from lamelle.io.axes import sizes
from lamelle.io.palette import table_for
from lamelle.io.readers import FORMATS
from lamelle.io.streams import IMAGEJ_TYPES, OME_TYPES, Form, named_ome, write_tiff, write_zarr
from lamelle.types import Grid, Spacing

_TIFF = (".tif", ".tiff")
_INTEGERS = (np.uint8, np.uint16, np.int8, np.int16, np.uint32, np.int32)


def suffix_for(grid: Grid, *, dims: int, whole: bool) -> str:
    """Suffix of the file for what is predicted for a grid: its own format where that holds labels and their place.

    Args:
        dims: Of the labels, 2 or 3.
        whole: All planes, or some that follow each other; others have a place in no file but a TIFF.

    Example:
        >>> suffix_for(Grid(Path("a.nii"), "nifti"), dims=3, whole=True)
        '.nii.gz'
        >>> suffix_for(Grid(Path("a.jpg"), "jpeg"), dims=2, whole=True)
        '.png'
    """
    suffix = FORMATS[grid.format].answers[dims - 2]
    if suffix == ".nii.gz" and grid.format != "nifti" and grid.geometry is None:
        return ".tif"
    return suffix if whole else ".tif"


def write_image(path: Path, array: np.ndarray, *, spacing: Spacing | None, grid: Grid | None = None) -> None:
    """Write an image or volume [C, (Z,) Y, X] as TIFF (zlib; read by ImageJ and Fiji), PNG, NIfTI or OME-Zarr.

    Values are kept exactly. A TIFF over 4 GB is a BigTIFF; types that ImageJ lacks are written as OME-TIFF, and so is
    what is named ``.ome.tif``. A volume of one slice reads back as an image.

    Args:
        spacing: µm, (Z,) Y, X.
        grid: The file to whose pixels this belongs: its place is written, its way of stating sizes kept.

    Raises:
        FileError: If the format cannot hold the array, or the system cannot write.
        ValueError: If the array is not [C, (Z,) Y, X] or the spacing has another number of axes.

    Example:
        >>> import tempfile
        >>> from lamelle.io.readers import read
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_image(Path(folder, "a.tif"), np.zeros((2, 5, 8, 9), np.uint16), spacing=(0.05, 0.004, 0.004))
        ...     read(Path(folder, "a.tif")).array.shape
        (2, 5, 8, 9)
    """
    if array.ndim not in (3, 4) or 0 in array.shape:
        raise ValueError(f"an image is [C, (Z,) Y, X], not {array.shape}")
    _write(Path(path), array, spacing, grid, labels=False)


def write_labels(path: Path, labels: np.ndarray, *, spacing: Spacing | None, grid: Grid | None = None) -> None:
    """Write label values [(Z,) Y, X] in the smallest integer type that holds them, so that a viewer shows them.

    Small values get a colour table in PNG and in TIFF of no microscopy program, a display range in ImageJ and NIfTI;
    the values stay.

    Args:
        spacing: µm, (Z,) Y, X.
        grid: The file to whose pixels they belong.

    Raises:
        FileError: If the format cannot hold the values (a PNG: 0 to 65535 in one plane), or the system cannot write.
        ValueError: If the labels are no integers or have another number of axes.

    Example:
        >>> import tempfile
        >>> from lamelle.io.readers import read_labels
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_labels(Path(folder, "a.png"), np.array([[0, 300]]), spacing=None)
        ...     read_labels(Path(folder, "a.png")).array.dtype.name
        'uint16'
    """
    if labels.dtype.kind not in "biu" or labels.ndim not in (2, 3):
        raise ValueError(f"labels are integers [(Z,) Y, X], not {labels.dtype} {labels.shape}")
    path = Path(path)
    _write(path, _smallest(path, labels)[None], spacing, grid, labels=True)


def _write(path: Path, array: np.ndarray, spacing: Spacing | None, grid: Grid | None, *, labels: bool) -> None:
    if spacing is not None and len(spacing) != array.ndim - 1:
        raise ValueError(f"spacing {spacing} for {array.ndim - 1} axes")
    writer = next((write for suffix, write in WRITERS.items() if path.name.lower().endswith(suffix)), None)
    if writer is None:
        raise FileError("files.no_writer", path, suffix=path.suffix)
    writer(path, array, spacing, grid, labels)


def write_rgb(path: Path, array: np.ndarray) -> None:
    """Write colours uint8 [3, Y, X] as PNG or TIFF, for looking at.

    Raises:
        FileError: If the suffix is of another format, or the system cannot write.
        ValueError: If the array is not uint8 [3, Y, X].

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_rgb(Path(folder, "a.png"), np.zeros((3, 8, 9), np.uint8))
    """
    if array.dtype != np.uint8 or array.ndim != 3 or len(array) != 3:
        raise ValueError(f"colours are uint8 [3, Y, X], not {array.dtype} {array.shape}")
    path = Path(path)
    if path.suffix.lower() in _TIFF:
        from tifffile import imwrite

        with writing(path) as temporary:
            imwrite(temporary, np.moveaxis(array, 0, -1), photometric="rgb", compression="zlib", metadata=None)
    else:
        write_image(path, array, spacing=None)


def _smallest(path: Path, values: np.ndarray) -> np.ndarray:
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    for dtype in _INTEGERS:
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return values.astype(dtype, copy=False)
    raise FileError("files.cannot_store", path, what=f"{low} … {high}", rule="TIFF: -2147483648 … 4294967295")


def _storable(path: Path, array: np.ndarray) -> np.ndarray:
    """The array in a type that TIFF readers know, each value kept."""
    if array.dtype.name in IMAGEJ_TYPES + OME_TYPES:
        return array
    if array.dtype == np.float16:
        return array.astype(np.float32)
    if array.dtype.kind in "biu":
        return _smallest(path, array)
    raise FileError("files.cannot_store", path, what=str(array.dtype), rule="TIFF: int8 … uint32, float32, float64")


def _write_tiff(path: Path, array: np.ndarray, spacing: Spacing | None, grid: Grid | None, labels: bool) -> None:
    array = _storable(path, array)
    planes = array.swapaxes(0, 1) if array.ndim == 4 else array[None]
    stated = tiff.calibration(grid.path, axes=grid.axes) if grid is not None and grid.format == "tiff" else None
    form = Form(array.shape, array.dtype, spacing, labels=array if labels else None, stated=stated)
    with writing(path) as temporary:
        write_tiff(temporary, form, planes, ome=named_ome(path))


def _write_png(path: Path, array: np.ndarray, spacing: Spacing | None, grid: Grid | None, labels: bool) -> None:
    from imagecodecs import png_encode

    array = array.astype(np.uint8) if array.dtype.kind == "b" else array
    if array.ndim != 3 or len(array) not in (1, 3) or array.dtype not in (np.uint8, np.uint16):
        rule = "PNG: uint8, uint16; [1, Y, X], [3, Y, X]"
        raise FileError("files.cannot_store", path, what=f"{array.dtype} [{sizes(array.shape)}]", rule=rule)
    pixels = array[0] if len(array) == 1 else np.moveaxis(array, 0, -1)
    table = table_for(array) if labels else None
    data = bytes(png_encode(pixels.copy(order="C"))) if table is None else _coloured(pixels, table)
    with writing(path) as temporary:
        temporary.write_bytes(_with_spacing(data, spacing))


def _coloured(labels: np.ndarray, table: np.ndarray) -> bytes:
    """A PNG of 8 bits with a colour for each value; programs that read values still find them."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(labels))
    image.putpalette(table.tobytes())
    stream = io.BytesIO()
    image.save(stream, "PNG", bits=8)
    return stream.getvalue()


def _write_nifti(path: Path, array: np.ndarray, spacing: Spacing | None, grid: Grid | None, labels: bool) -> None:
    top = max(1.0, float(array.max(initial=0)))
    array = array.astype(np.float32) if array.dtype == np.float16 else array
    with writing(path) as temporary:
        nifti.write(temporary, array, grid or Grid(path, "", spacing), top=top)


def _write_zarr(path: Path, array: np.ndarray, spacing: Spacing | None, grid: Grid | None, labels: bool) -> None:
    offset = zarr_files.offset(grid.path) if grid is not None and grid.format == "zarr" else None
    if grid is not None and offset is not None and spacing is not None and len(offset) == len(spacing) == 3:
        offset = (offset[0] + grid.start * spacing[0], *offset[1:])
    planes = array.swapaxes(0, 1) if array.ndim == 4 else array[None]
    with writing_folder(path) as temporary:
        write_zarr(temporary, Form(array.shape, array.dtype, spacing), planes, name=path.name, offset=offset)


WRITERS: Mapping[str, Callable[[Path, np.ndarray, Spacing | None, Grid | None, bool], None]] = MappingProxyType(
    {
        ".tif": _write_tiff,
        ".tiff": _write_tiff,
        ".png": _write_png,
        ".nii.gz": _write_nifti,
        ".nii": _write_nifti,
        ".zarr": _write_zarr,
    }
)
"""End of a file's name → what writes [C, (Z,) Y, X] there: spacing, the grid it belongs to, whether it is labels."""


def _with_spacing(data: bytes, spacing: Spacing | None) -> bytes:
    """The PNG with its pixels per metre, if these are whole numbers that the chunk can hold."""
    if spacing is None:
        return data
    per_metre = [round(1e6 / v) for v in (spacing[-1], spacing[-2])]
    if not all(0 < n < 2**31 for n in per_metre):
        return data
    body = b"pHYs" + struct.pack(">IIB", *per_metre, 1)
    chunk = struct.pack(">I", 9) + body + struct.pack(">I", zlib.crc32(body))
    end = 8 + 25  # signature, IHDR
    return data[:end] + chunk + data[end:]
