"""A folder of slices whose ``series.json`` says that they are one stack, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lamelle.errors import FileError
from lamelle.io import files, sidecar
from lamelle.io.axes import sizes
from lamelle.io.common import Header, ReadOptions, affordable, listed
from lamelle.io.format import Format
from lamelle.io.sidecar import Sidecar, is_series
from lamelle.types import Image

_SHOWN = 6


def header(path: Path, wanted: ReadOptions) -> Header:
    """Header of the stack: as the sidecar says, if the first slice agrees."""
    about = _sidecar(path)
    first = files.stored_header(path / about.files[0], ReadOptions(labels=wanted.labels))
    plane = (about.shape[0], *about.shape[-2:])
    if (first.shape, first.dtype) != (plane, np.dtype(about.dtype)):
        measured, claimed = f"{first.dtype} {sizes(first.shape)}", f"{about.dtype} {sizes(plane)}"
        raise FileError("convert.sidecar_other", sidecar.beside(path), claimed=claimed, found=measured)
    return Header("series", about.shape, first.dtype, about.spacing, first.bits, problems=first.problems)


def read(path: Path, wanted: ReadOptions) -> Image:
    """Pixels of all slices, decoded into memory."""
    about = header(path, wanted)
    affordable(path, about.nbytes)
    depth = about.shape[1] if len(about.shape) == 4 else 1
    array = np.empty((about.shape[0], depth, *about.shape[-2:]), about.dtype)
    for z, plane in enumerate(_planes(path, wanted.labels)):
        array[:, z] = plane
    return Image(array.reshape(about.shape), about.spacing, about.bits, about.problems)


def planes(path: Path, wanted: ReadOptions) -> Iterator[np.ndarray]:
    """Slices [C, Y, X] one after the other."""
    return _planes(path, wanted.labels)


def _planes(path: Path, labels: bool) -> Iterator[np.ndarray]:
    about = _sidecar(path)
    plane = (about.shape[0], *about.shape[-2:])
    for name in about.files:
        image = files.stored(path / name, ReadOptions(labels=labels))
        if (image.array.shape, image.array.dtype) != (plane, np.dtype(about.dtype)):
            measured = f"{image.array.dtype} {sizes(image.array.shape)}"
            values = {"found": measured, "wanted": f"{about.dtype} {sizes(plane)}"}
            raise FileError("convert.mixed", path / name, **values)
        yield image.array


def _sidecar(path: Path) -> Sidecar:
    """The sidecar, if the slices that it lists are there and no others."""
    about = sidecar.read(sidecar.beside(path))
    if about is None or not about.files:
        raise FileError("files.folder", path)
    names = {p.name for p in path.iterdir() if files.is_image_name(p.name)}
    missing, extra = [n for n in about.files if n not in names], sorted(names - set(about.files))
    if missing or extra:
        values = {"missing": listed(missing[:_SHOWN]) or "–", "extra": listed(extra[:_SHOWN]) or "–"}
        raise FileError("convert.series_changed", sidecar.beside(path), **values)
    depth = about.shape[1] if len(about.shape) == 4 else 1
    if depth != len(about.files):
        raise FileError(
            "convert.sidecar", sidecar.beside(path), reason=f"{len(about.files)} files, shape {about.shape}"
        )
    return about


FORMAT = Format(
    "series",
    "folder of slices",
    is_folder=lambda path, promised: is_series(path),
    unnamed=True,
    header=header,
    read=read,
    planes=planes,
    volumes=True,
)
"""Read by way of the formats of its files, so that it stands above their table."""
