"""TIFF by tifffile: pages, BigTIFF, ImageJ hyperstacks, OME-TIFF; uncompressed pixels stay in the file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lamelle.errors import FileError
from lamelle.io.axes import Arrangement, arrange, oriented, turned
from lamelle.io.common import Header, affordable, decoding, quiet, size_of, warning
from lamelle.io.pixels import looked_up, native, real_dtype, without_alpha
from lamelle.io.streams import Calibration
from lamelle.io.tiff_meta import calibration_of, check_chain, check_claims, spacing_of
from lamelle.types import Image, Problem

if TYPE_CHECKING:
    from tifffile import TiffFile

_MINISWHITE, _RGB, _PALETTE, _YCBCR = 0, 2, 3, 6
_SPACES = {5: "CMYK", 8: "CIELAB", 9: "ICCLAB", 10: "ITULAB"}
_JPEG = (6, 7, 33007, 34892)
_BITS_OF_MAXIMUM = {1023: 10, 4095: 12, 16383: 14}


@dataclass(frozen=True, slots=True)
class _Stack:
    """The pixels that are meant: one series, or single pages of one size written one by one."""

    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype
    pages: list[Any]
    keyframe: Any
    dataoffset: int | None
    arrangement: Arrangement
    series: Any = None
    problems: tuple[Problem, ...] = ()

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def photometric(self) -> int:
        return int(self.keyframe.photometric)

    @property
    def orientation(self) -> int:
        return int(self.keyframe.tags.valueof(274, 1))

    @property
    def alpha(self) -> bool:
        colours = 3 if self.photometric == _RGB else 1
        return bool(self.keyframe.extrasamples) and self.keyframe.samplesperpixel == colours + 1 and "S" in self.axes


def header(path: Path, key: str | None, labels: bool) -> Header:
    """Header of a TIFF from its directories."""
    with _opened(path) as (tif, stack):
        return _header(path, tif, stack, labels)


def read(path: Path, key: str | None, labels: bool) -> Image:
    """Pixels of a TIFF; mapped from the file where they are uncompressed and of the machine's byte order.

    Raises:
        FileError: If the file is truncated, contradicts its own metadata, or has an axis or colour space not known.
    """
    with _opened(path) as (tif, stack):
        head = _header(path, tif, stack, labels)
        if labels and int(stack.keyframe.compression) in _JPEG:
            raise FileError("files.lossy_labels", path, format="JPEG")
        _check_segments(path, stack)
        if stack.dataoffset is not None:
            array = np.memmap(path, stack.dtype, "r", stack.dataoffset, stack.shape)
        else:
            affordable(path, stack.nbytes)
            array = stack.series.asarray() if stack.series else np.stack([p.asarray() for p in stack.pages])
        array = _finished(path, tif, stack, stack.arrangement.apply(array.reshape(stack.shape)), labels)
    return Image(array, head.spacing, head.bits, head.problems)


def planes(path: Path, key: str | None) -> Iterator[np.ndarray]:
    """Planes [C, Y, X] of a TIFF, decoded page by page."""
    with _opened(path) as (tif, stack):
        lead = len(stack.shape) - len(stack.keyframe.shape)
        depth = stack.arrangement.stack
        paged = len(stack.pages) == math.prod(stack.shape[:lead]) and (depth is None or depth < lead)
        if stack.dataoffset is not None or not paged:
            array = read(path, key, False).array
            yield from (array[:, z] for z in range(array.shape[1])) if array.ndim == 4 else [array]
            return
        _check_segments(path, stack)
        numbers = np.arange(len(stack.pages)).reshape(stack.shape[:lead])
        size = stack.nbytes // (1 if depth is None else stack.shape[depth])
        for z in range(1 if depth is None else stack.shape[depth]):
            chosen = numbers if depth is None else numbers.take([z], axis=depth)
            affordable(path, size, stored=sum(sum(stack.pages[i].databytecounts) for i in chosen.ravel()))
            pages = np.stack([stack.pages[i].asarray() for i in chosen.ravel()])
            array = stack.arrangement.apply(pages.reshape(*chosen.shape, *stack.keyframe.shape))
            yield _finished(path, tif, stack, array if depth is None else array[:, 0], False)


def calibration(path: Path) -> Calibration:
    """How a TIFF states its pixel size, along X and Y as it is read.

    Raises:
        FileError: If it cannot be read.
    """
    with _opened(path) as (tif, stack):
        found = calibration_of(tif, stack.keyframe)
        if found.resolution is None:
            return found
        x, y = turned(found.resolution, stack.orientation)
        return replace(found, resolution=(x, y))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[TiffFile, _Stack]]:
    quiet("tifffile")
    from tifffile import TiffFile

    check_chain(path)
    with decoding(path):
        tif = TiffFile(path)
    with tif:
        yield tif, _stack(path, tif)


def _stack(path: Path, tif: TiffFile) -> _Stack:
    """The series that is meant; pages of one size and type written one by one are one stack."""
    series = tif.series
    if not series:
        raise FileError("files.truncated", path)
    first, problems = series[0], ()
    check_claims(path, tif, first)
    axes, shape, dtype = first.axes, first.shape, np.dtype(tif.byteorder + (first.dtype or np.dtype("V")).char)
    keyframe, whole = first.keyframe, first
    if len(series) > 1:
        alike = len({(s.axes, s.shape, s.dtype, len(s.pages)) for s in series}) == 1 and len(first.pages) == 1
        if alike and axes in ("YX", "YXS") and first.kind != "ome":
            arrangement = arrange(path, "Z" + axes, (len(series), *shape))
            pages = [s.pages[0] for s in series]
            return _Stack("Z" + axes, (len(series), *shape), dtype, pages, keyframe, None, arrangement)
        problems = (warning("files.several_images", path, count=len(series)),)
    if axes == "SYX" and first.kind not in ("ome", "imagej") and int(keyframe.photometric) == _RGB:
        problems = (*problems, warning("files.maybe_stack", path, count=shape[0]))
    arrangement = arrange(path, axes, shape)
    pages = list(first.pages)
    return _Stack(axes, shape, dtype, pages, keyframe, first.dataoffset, arrangement, whole, problems)


def _header(path: Path, tif: TiffFile, stack: _Stack, labels: bool) -> Header:
    page = stack.keyframe
    space = _SPACES.get(stack.photometric)
    if stack.photometric == _YCBCR and int(page.compression) not in _JPEG:
        space = "YCbCr"
    if space:
        raise FileError("files.colour_space", path, space=space)
    dtype = real_dtype(path, stack.dtype)
    channels, *rest = stack.arrangement.shape(stack.shape)
    channels -= stack.alpha
    if _coloured(tif, stack, labels):
        channels, dtype = 3, np.dtype(np.uint8)
    spacing = spacing_of(tif, stack.series, page, depth=len(rest) == 3)
    return Header(
        format="tiff",
        shape=(channels, *turned(tuple(rest), stack.orientation)),
        dtype=dtype,
        spacing=turned(spacing, stack.orientation) if spacing else None,
        bits=_bits(stack, dtype),
        problems=stack.problems,
    )


def _bits(stack: _Stack, dtype: np.dtype) -> int | None:
    if stack.photometric == _PALETTE or dtype.kind not in "iu":
        return None
    stored = stack.keyframe.bitspersample
    if isinstance(stored, int) and stored < 8 * dtype.itemsize:
        return stored
    declared = stack.keyframe.tags.valueof(281)  # MaxSampleValue
    return _BITS_OF_MAXIMUM.get(declared) if dtype == np.uint16 and isinstance(declared, int) else None


def _coloured(tif: TiffFile, stack: _Stack, labels: bool) -> bool:
    """Whether palette indices are to become colours: not for labels, not ImageJ's display tables, not plain greys."""
    if stack.photometric != _PALETTE or labels or tif.is_imagej or stack.dtype.kind != "u":
        return False
    palette = stack.keyframe.colormap
    ramp = np.linspace(0, 255, palette.shape[1]).round()
    return not all((np.asarray(channel) // 257 == ramp).all() for channel in palette)


def _finished(path: Path, tif: TiffFile, stack: _Stack, array: np.ndarray, labels: bool) -> np.ndarray:
    """Colours looked up, white made the largest value (1-bit stays as stored), alpha dropped, upright, native."""
    if _coloured(tif, stack, labels):
        palette = np.asarray(stack.keyframe.colormap)
        affordable(path, 3 * array.size)
        array = looked_up(np.asarray(array[0]), palette >> 8 if palette.max() > 255 else palette)
    elif stack.photometric == _MINISWHITE and stack.dtype.kind == "u" and not labels:
        bits = _bits(stack, stack.dtype) or 8 * stack.dtype.itemsize
        array = ((1 << bits) - 1) - native(path, array)
    if stack.alpha:
        array = without_alpha(path, array, channels=len(array) - 1)
    return native(path, oriented(array, stack.orientation))


def _check_segments(path: Path, stack: _Stack) -> None:
    """Every strip and tile must lie inside the file; tifffile gives zeros for one that is missing."""
    if stack.dataoffset is not None:
        if stack.dataoffset + stack.nbytes > size_of(path):
            raise FileError("files.truncated", path)
        return
    for page in stack.pages:
        if page is None:
            raise FileError("files.truncated", path)
        size = page.parent.filehandle.size  # an OME set has several files
        ends = [o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=True) if o > 0 and n > 0]
        if len(ends) != len(page.dataoffsets) or not ends or max(ends) > size:
            raise FileError("files.truncated", path)
