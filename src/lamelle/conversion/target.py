"""Where a conversion goes: the format that was asked for, and whether it can hold the pixels."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from lamelle.errors import RequestError
from lamelle.io import nifti_stream, sidecar
from lamelle.io.axes import sizes
from lamelle.io.streams import IMAGEJ_TYPES, OME_TYPES, Form, npy_axes

SUFFIXES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"tif": (".tif", ".tiff"), "png": (".png",), "npy": (".npy",), "zarr": (".zarr",), "nii": (".nii.gz", ".nii")}
)
"""Name of a format, as ``--to`` takes it → suffixes that mean one file of it."""
_FOLDERS = ("tif", "png")
"""Formats of which a folder of slices is written."""
_PNG_TYPES = (np.uint8, np.uint16)


@dataclass(frozen=True, slots=True)
class Target:
    """The format, and whether it is a folder of slices."""

    format: str
    series: bool

    @property
    def folder(self) -> bool:
        """Whether a folder is made."""
        return self.series or self.format == "zarr"


def target_of(out: Path, to: str | None) -> Target:
    """What OUT and ``--to`` ask for together.

    Raises:
        RequestError: If they ask for nothing known, or contradict each other.

    Example:
        >>> target_of(Path("a.ome.zarr"), None), target_of(Path("slices"), "png").series
        (Target(format='zarr', series=False), True)
    """
    named = next((name for name, known in SUFFIXES.items() if out.name.lower().endswith(known)), None)
    if to is not None and to not in SUFFIXES:
        raise RequestError("convert.unknown_format", given=to, known=", ".join(SUFFIXES))
    if named is None and to is None:
        raise RequestError("convert.which_format", out=out, known=", ".join(SUFFIXES))
    if named is not None and to not in (None, named):
        raise RequestError("convert.contradiction", out=out, to=to)
    if named is None and to not in _FOLDERS:
        suffix = {"zarr": ".ome.zarr", "nii": ".nii.gz"}.get(str(to), f".{to}")
        raise RequestError("convert.needs_suffix", out=out, suffix=suffix)
    return Target(named or str(to), series=named is None)


def check_free(out: Path, target: Target) -> None:
    """Check that nothing would be overwritten; an empty folder may become the folder that is made.

    Raises:
        RequestError: If there is something already.
    """
    places = [out] + ([sidecar.beside(out)] if target.format == "npy" else [])
    for place in places:
        if os.path.lexists(place) and not (target.folder and place.is_dir() and not any(place.iterdir())):
            raise RequestError("convert.taken", path=place)


def check_holds(out: Path, target: Target, form: Form) -> None:
    """Check that the format holds these pixels as they are.

    Raises:
        RequestError: If it cannot; the sentence names the formats that can.
    """
    if target.format == "png" and not target.series and len(form.shape) == 4:
        raise RequestError("convert.png_is_flat", out=out, depth=form.depth, folder=out.with_suffix(""))
    if _holds(target.format, form):
        if target.format == "nii" and form.spacing is None:
            raise RequestError("convert.nifti_spacing", out=out, axes=",".join("ZYX"[-(len(form.shape) - 1) :]))
        return
    able = ", ".join(name for name in SUFFIXES if _holds(name, form))
    what = f"{form.dtype} [{sizes(form.shape)}]"
    if target.format == "npy":  # which holds every type
        better = out.with_suffix(".tif" if _holds("tif", form) else ".ome.zarr")
        raise RequestError("convert.npy_axes", out=out, what=what, formats=able, better=better)
    raise RequestError("convert.cannot_hold", out=out, format=target.format, what=what, formats=able)


def _holds(format: str, form: Form) -> bool:
    if format == "tif":
        return form.dtype.name in IMAGEJ_TYPES + OME_TYPES
    if format == "nii":
        return form.dtype.name in nifti_stream.TYPES
    if format == "png":
        return form.dtype in _PNG_TYPES and form.shape[0] in (1, 3)
    if format == "npy":
        return npy_axes(Path("a.npy"), form.shape) is not None
    return True
