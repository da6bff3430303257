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
    known = _known(path)
    first = files.stored_header(path / known.files[0], ReadOptions(labels=wanted.labels))
    plane = (known.shape[0], *known.shape[-2:])
    if (first.shape, first.dtype) != (plane, np.dtype(known.dtype)):
        found, claimed = f"{first.dtype} {sizes(first.shape)}", f"{known.dtype} {sizes(plane)}"
        raise FileError("convert.sidecar_other", sidecar.beside(path), claimed=claimed, found=found)
    return Header("series", known.shape, first.dtype, known.spacing, first.bits, problems=first.problems)


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
    known = _known(path)
    plane = (known.shape[0], *known.shape[-2:])
    for name in known.files:
        image = files.stored(path / name, ReadOptions(labels=labels))
        if (image.array.shape, image.array.dtype) != (plane, np.dtype(known.dtype)):
            found = f"{image.array.dtype} {sizes(image.array.shape)}"
            values = {"found": found, "wanted": f"{known.dtype} {sizes(plane)}"}
            raise FileError("convert.mixed", path / name, **values)
        yield image.array


def _known(path: Path) -> Sidecar:
    """The sidecar, if the slices that it lists are there and no others."""
    known = sidecar.read(sidecar.beside(path))
    if known is None or not known.files:
        raise FileError("files.folder", path)
    found = {p.name for p in path.iterdir() if files.is_image_name(p.name)}
    missing, extra = [n for n in known.files if n not in found], sorted(found - set(known.files))
    if missing or extra:
        values = {"missing": listed(missing[:_SHOWN]) or "–", "extra": listed(extra[:_SHOWN]) or "–"}
        raise FileError("convert.series_changed", sidecar.beside(path), **values)
    depth = known.shape[1] if len(known.shape) == 4 else 1
    if depth != len(known.files):
        raise FileError(
            "convert.sidecar", sidecar.beside(path), reason=f"{len(known.files)} files, shape {known.shape}"
        )
    return known


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
