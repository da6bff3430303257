"""A folder that holds a DICOM series, one file a slice, as one volume; of several series each has a key."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from lamelle.errors import FileError
from lamelle.io.axes import sizes
from lamelle.io.common import Header, ReadOptions, affordable, listed
from lamelle.io.dicom_data import EXTRA, PACKAGE
from lamelle.io.dicom_slices import slice_files
from lamelle.io.dicom_stacks import SliceStack, stacks
from lamelle.io.format import Format, Promise
from lamelle.io.formats import dicom
from lamelle.io.geometry import own_turn, spacing_of
from lamelle.io.paths import junk
from lamelle.types import Image, Problem


def header(path: Path, wanted: ReadOptions) -> Header:
    """Header of a series; of several, where none is named, only their keys."""
    series = stacks(path)
    if wanted.key is None and len(series) > 1:
        return Header("dicom series", keys=tuple(series))
    return _header(_chosen(path, wanted), wanted.labels)


def read(path: Path, wanted: ReadOptions) -> Image:
    """Pixels of all slices, rescaled one by one, Z along the patient.

    Raises:
        FileError: If the slices make no volume, or the folder holds several series.
    """
    stack = _chosen(path, wanted)
    head = _header(stack, wanted.labels)
    affordable(path, head.nbytes)
    stored = stack.labels if wanted.labels else stack.image
    array = np.empty(stored.shape, stored.dtype)
    for z, plane in enumerate(_slices(stack, range(len(stack.files)), wanted)):
        array[:, z] = plane
    array = own_turn(stack.geometry).apply(array, dims=3)
    return Image(array, head.spacing, head.bits, head.problems, geometry=stack.geometry)


def planes(path: Path, wanted: ReadOptions) -> Iterator[np.ndarray]:
    """Planes [C, Y, X] along Z: file by file; where slices were cut another way, by way of the disk."""
    stack = _chosen(path, wanted)
    turn, count = own_turn(stack.geometry), len(stack.files)
    if turn.order[0] == 0:
        order = range(count)[::-1] if turn.flipped[0] else range(count)
        for plane in _slices(stack, order, wanted):
            yield turn.apply(plane, dims=2)
        return
    with tempfile.TemporaryFile() as file:
        shape, dtype = (0, 0, 0), np.dtype(np.uint8)
        for plane in _slices(stack, range(count), wanted):
            shape, dtype = plane.shape, plane.dtype
            file.write(np.ascontiguousarray(plane).data)
        file.flush()
        mapped = np.memmap(file, dtype, "r", shape=(count, *shape)).swapaxes(0, 1)
        turned = turn.apply(mapped, dims=3)
        yield from (np.array(turned[:, z]) for z in range(turned.shape[1]))


def _chosen(path: Path, wanted: ReadOptions) -> SliceStack:
    """The series that is meant.

    Raises:
        FileError: If there are several, or none of this key, or its slices make no volume.
    """
    series = stacks(path)
    if not series:
        raise FileError("files.no_pixels", path)
    if wanted.key is not None and wanted.key not in series:
        raise FileError("files.no_such_array", path, key=wanted.key, keys=listed(series))
    if wanted.key is None and len(series) > 1:
        raise several(path)
    stack = series[wanted.key or next(iter(series))]
    if isinstance(stack, Problem):
        raise FileError(stack.code, Path(stack.where), **stack.values)
    return stack


def several(path: Path) -> FileError:
    """What is wrong with a folder of several series where one is meant."""
    return FileError("files.several_series", path, count=len(stacks(path)), series=series_shown(path))


def series_shown(path: Path) -> str:
    """The series of a folder by their keys, with the size of each that is a volume.

    Raises:
        FileError: If a file cannot be read.
    """
    sized = {k: None if isinstance(s, Problem) else sizes(s.image.shape[1:]) for k, s in stacks(path).items()}
    return ", ".join(f"{key} ({size})" if size else key for key, size in sized.items())


def _header(stack: SliceStack, labels: bool) -> Header:
    stored = stack.labels if labels else stack.image
    turn = own_turn(stack.geometry)
    shape = (stored.shape[0], *turn.sizes(stored.shape[1:]))
    return replace(stored, shape=shape, spacing=turn.sizes(spacing_of(stack.geometry)), geometry=stack.geometry)


def _slices(stack: SliceStack, order: range, wanted: ReadOptions) -> Iterator[np.ndarray]:
    """Slices [C, Y, X] as they are stored, in the type of all.

    Raises:
        FileError: If a file is no longer what its header was.
    """
    stored = stack.labels if wanted.labels else stack.image
    size = (stored.shape[0], *stored.shape[2:])
    for z in order:
        plane = dicom.read(stack.files[z], ReadOptions(labels=wanted.labels)).array
        if plane.shape != size:
            raise FileError("convert.mixed", stack.files[z], found=sizes(plane.shape), wanted=sizes(size))
        yield plane.astype(stored.dtype, copy=False)


def _is_series(folder: Path, promised: Promise) -> bool:
    """Whether all images of a folder are DICOM files; whether they make a volume, who reads them says."""
    files = slice_files(folder)
    if not files:
        return False
    levels = [level for level in (files[0].parent, *files[0].parents) if level.is_relative_to(folder)]
    there = [p for level in levels for p in level.iterdir() if not p.name.startswith(".") and junk(p.name) is None]
    return all(promised(p.name) in (None, dicom.FORMAT.name) or not p.is_file() for p in there)


FORMAT = Format(
    "dicom series",
    "DICOM series",
    is_folder=_is_series,
    unnamed=True,
    needs=PACKAGE,
    extra=EXTRA,
    header=header,
    read=read,
    planes=planes,
    volumes=True,
    places=True,
    answers=(".tif", ".nii.gz"),
)
