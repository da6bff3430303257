"""Arrays → files of any format that is written: without loss, in the smallest type that holds them, in their place."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lamelle.errors import FileError
from lamelle.io.atomic import writing, writing_folder
from lamelle.io.axes import sizes
from lamelle.io.format import Writer
from lamelle.io.formats.table import FORMATS
from lamelle.io.images import format_called
from lamelle.io.output_form import Form
from lamelle.io.pixels import smallest
from lamelle.types import Grid, Spacing

_TIFF = (".tif", ".tiff")
_ANY = ".tif"
"""What holds any plane or planes of labels."""


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
    suffix = format_called(grid.format).answers[dims - 2]
    wanted = FORMATS.of_suffix(suffix)
    if wanted and wanted.write and wanted.write.as_stored and wanted.name != grid.format and grid.geometry is None:
        return _ANY
    return suffix if whole else _ANY


def double_suffix(name: str) -> str | None:
    """The suffix of two parts that a prediction does not keep beside its own.

    Example:
        >>> double_suffix("a.nii.gz"), double_suffix("a.ome.tif")
        ('.nii.gz', None)
    """
    ends = {suffix for row in FORMATS.readable() for suffix in row.answers if suffix.count(".") > 1}
    return next((end for end in ends if name.lower().endswith(end)), None)


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
        >>> from lamelle.io.images import read
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
        >>> from lamelle.io.images import read_labels
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_labels(Path(folder, "a.png"), np.array([[0, 300]]), spacing=None)
        ...     read_labels(Path(folder, "a.png")).array.dtype.name
        'uint16'
    """
    if labels.dtype.kind not in "biu" or labels.ndim not in (2, 3):
        raise ValueError(f"labels are integers [(Z,) Y, X], not {labels.dtype} {labels.shape}")
    path = Path(path)
    _write(path, smallest(path, labels)[None], spacing, grid, labels=True)


def _write(path: Path, array: np.ndarray, spacing: Spacing | None, grid: Grid | None, *, labels: bool) -> None:
    if spacing is not None and len(spacing) != array.ndim - 1:
        raise ValueError(f"spacing {spacing} for {array.ndim - 1} axes")
    writer = writer_for(path)
    if writer.array is not None:
        writer.array(path, array, spacing, grid, labels)
        return
    form = Form(array.shape, array.dtype, spacing, labels=array if labels else None, name=path.name)
    if (writer.flat and array.ndim == 4) or not writer.holds(form):
        what = f"{array.dtype} [{sizes(array.shape)}]"
        raise FileError("files.cannot_store", path, what=what, rule=writer.to.upper())
    with (writing_folder if writer.folder else writing)(path) as temporary:
        writer.planes(temporary, form, array.swapaxes(0, 1) if array.ndim == 4 else array[None], path)


def writer_for(path: Path) -> Writer:
    """What writes a file of this name.

    Raises:
        FileError: If no format that is written has this suffix.

    Example:
        >>> writer_for(Path("a.ome.tif")).to
        'tif'
    """
    name = path.name.lower()
    writers = FORMATS.writers().values()
    if (writer := next((one for one in writers if name.endswith(one.suffixes)), None)) is None:
        raise FileError("files.no_writer", path, suffix=path.suffix)
    return writer


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
