"""The functions that read any image: a file, a folder that is one image, or a series of files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lamelle.io import files, series
from lamelle.io.common import Header, ReadOptions
from lamelle.io.format import Format
from lamelle.io.formats.table import FORMATS
from lamelle.io.labels import labelled
from lamelle.io.paths import regular
from lamelle.types import Image


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
    return stored(Path(path), ReadOptions(key, axes=axes))


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
    return stored_header(Path(path), ReadOptions(key, axes=axes))


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
    path = Path(path)
    yield from files.stored_planes(path, ReadOptions(key, labels, axes), format_of(path))


def window(
    path: Path,
    start: Sequence[int],
    size: Sequence[int],
    *,
    key: str | None = None,
    axes: str | None = None,
    labels: bool = False,
) -> np.ndarray:
    """A part [C, (Z,) Y, X] of what `read` would return; what lies outside is decoded only where it has to be.

    Args:
        start: Its first pixel, (Z,) Y, X.
        size: Its pixels along (Z,) Y, X.
        key: Array inside an .npz file or a Zarr group.

    Raises:
        FileError: As `read`.
        ValueError: If the part does not lie inside the image.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(Path(folder, "stack.npy"), np.zeros((30, 64, 48), np.uint16))
        ...     window(Path(folder, "stack.npy"), (2, 0, 8), (4, 32, 32)).shape
        (1, 4, 32, 32)
    """
    path = Path(path)
    return files.stored_window(path, ReadOptions(key, labels, axes), start, size, format_of(path))


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
    path = Path(path)
    row = format_of(path)
    image = files.stored(path, ReadOptions(key, colours is None), row)
    return replace(image, array=labelled(path, image.array, row.label, kind=row.labels, colours=colours))


def stored(path: Path, wanted: ReadOptions) -> Image:
    """One image as `read` gives it, or as labels: the indices of a palette."""
    return files.stored(path, wanted, format_of(path))


def stored_header(path: Path, wanted: ReadOptions) -> Header:
    """The header of what `stored` returns."""
    return files.stored_header(path, wanted, format_of(path))


def format_of(path: Path) -> Format:
    """The row of the format that an image is in, a series of files among them.

    Raises:
        FileError: If it cannot be opened, is empty, or is in no format that can be read.
    """
    if not regular(path) and files.folder_format(path) is None and series.is_series(path):
        return series.FORMAT
    return files.format_of(path)


def format_called(name: str) -> Format:
    """The row of a format by its name, as a header says it.

    Example:
        >>> format_called("nifti").label
        'NIfTI'
    """
    return series.FORMAT if name == series.FORMAT.name else FORMATS[name]
