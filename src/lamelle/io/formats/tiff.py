"""TIFF by tifffile: pages, BigTIFF, ImageJ hyperstacks, OME-TIFF; uncompressed pixels stay in the file."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lamelle.errors import FileError
from lamelle.io.atomic import writing
from lamelle.io.axes import (
    UNNAMED,
    Arrangement,
    arrange,
    declared,
    doubts,
    no_strips,
    oriented,
    plain,
    samples_as_channels,
    sizes,
    turned,
)
from lamelle.io.common import Header, ReadOptions, affordable, decoding, quiet, size_of, warning
from lamelle.io.format import Format, Writer, starts
from lamelle.io.output_form import Calibration, Form
from lamelle.io.pixels import looked_up, native, real_dtype, shown_indices, smallest, without_alpha
from lamelle.io.streams import IMAGEJ_TYPES, OME_TYPES, named_ome, write_tiff
from lamelle.io.tiff_meta import calibration_of, check_chain, check_claims, spacing_of
from lamelle.types import Grid, Image, Problem, Spacing

if TYPE_CHECKING:
    from tifffile import TiffFile

_MINISWHITE, _RGB, _PALETTE, _YCBCR = 0, 2, 3, 6
_ALPHA = (1, 2)
"""Kinds of an extra sample that are transparency, associated or not; 0 says nothing: a channel like the others."""
_SPACES = {5: "CMYK", 8: "CIELAB", 9: "ICCLAB", 10: "ITULAB"}
_JPEG = (6, 7, 33007, 34892)
_BITS_OF_MAXIMUM = {1023: 10, 4095: 12, 16383: 14}


@dataclass(frozen=True, slots=True)
class _PageStack:
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
    def alpha(self) -> tuple[int, ...]:
        """Channels that the tags call transparency, unless the user declares that they are channels."""
        if "S" not in self.axes:
            return ()
        kinds = self.keyframe.tags.valueof(338, ())
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        first = 3 if self.photometric in (_RGB, _YCBCR) else 1
        return tuple(first + i for i, kind in enumerate(kinds) if kind in _ALPHA and first + i < self.samples)

    @property
    def white_is_zero(self) -> bool:
        """Whether the smallest value is shown white; tifffile calls every bool array so, and does not turn it over."""
        by_default = self.keyframe.bitspersample == 1 and str(self.keyframe.tags.valueof(305, "")) == "tifffile.py"
        return self.photometric == _MINISWHITE and not by_default

    @property
    def samples(self) -> int:
        return int(self.keyframe.samplesperpixel)


def header(path: Path, wanted: ReadOptions) -> Header:
    """Header of a TIFF from its directories."""
    with _opened(path, wanted) as (tif, stack):
        return _header(path, tif, stack, wanted.labels)


def read(path: Path, wanted: ReadOptions) -> Image:
    """Pixels of a TIFF; mapped from the file where they are uncompressed and of the machine's byte order.

    Raises:
        FileError: If the file is truncated, contradicts its own metadata, or has an axis or colour space not known.
    """
    with _opened(path, wanted) as (tif, stack):
        head = _header(path, tif, stack, wanted.labels)
        if wanted.labels and int(stack.keyframe.compression) in _JPEG:
            raise FileError("files.lossy_labels", path, format="JPEG")
        _check_segments(path, stack)
        if stack.dataoffset is not None:
            array = np.memmap(path, stack.dtype, "r", stack.dataoffset, stack.shape)
        else:
            affordable(path, stack.nbytes)
            array = stack.series.asarray() if stack.series else np.stack([p.asarray() for p in stack.pages])
        array = _finished(path, tif, stack, stack.arrangement.apply(array.reshape(stack.shape)), wanted.labels)
    return Image(array, head.spacing, head.bits, head.problems)


def planes(path: Path, wanted: ReadOptions) -> Iterator[np.ndarray]:
    """Planes [C, Y, X] of a TIFF, mapped or decoded page by page."""
    return _planes(path, wanted, slice(None))


def window(path: Path, wanted: ReadOptions, start: Sequence[int], size: Sequence[int]) -> np.ndarray:
    """A part [C, (Z,) Y, X] of a TIFF, of which only the pages are decoded that it lies in."""
    plane = tuple(slice(s, s + n) for s, n in zip(start[-2:], size[-2:], strict=True))
    if len(size) == 2:
        return read(path, wanted).array[(..., *plane)]
    planes = [one[(..., *plane)] for one in _planes(path, wanted, slice(start[0], start[0] + size[0]))]
    return np.stack(planes, axis=1) if planes else np.empty((0, 0, 0, 0))


def _planes(path: Path, wanted: ReadOptions, span: slice) -> Iterator[np.ndarray]:
    with _opened(path, wanted) as (tif, stack):
        lead = len(stack.shape) - len(stack.keyframe.shape)
        depth = stack.arrangement.stack
        paged = len(stack.pages) == math.prod(stack.shape[:lead]) and (depth is None or depth < lead)
        _check_segments(path, stack)
        chosen_z = range(1 if depth is None else stack.shape[depth])[span]
        if stack.dataoffset is not None:
            mapped = np.memmap(path, stack.dtype, "r", stack.dataoffset, stack.shape)
            array = stack.arrangement.apply(mapped)
            each = (array if depth is None else array[:, z] for z in chosen_z)
            yield from (_finished(path, tif, stack, plane, wanted.labels) for plane in each)
            return
        if not paged:
            array = read(path, wanted).array
            yield from (array if depth is None else array[:, z] for z in chosen_z)
            return
        numbers = np.arange(len(stack.pages)).reshape(stack.shape[:lead])
        size = stack.nbytes // (1 if depth is None else stack.shape[depth])
        for z in chosen_z:
            chosen = numbers if depth is None else numbers.take([z], axis=depth)
            affordable(path, size, stored=sum(sum(stack.pages[i].databytecounts) for i in chosen.ravel()))
            pages = np.stack([stack.pages[i].asarray() for i in chosen.ravel()])
            array = stack.arrangement.apply(pages.reshape(*chosen.shape, *stack.keyframe.shape))
            yield _finished(path, tif, stack, array if depth is None else array[:, 0], wanted.labels)


def calibration(path: Path, *, axes: str | None = None) -> Calibration:
    """How a TIFF states its pixel size, along X and Y as it is read.

    Raises:
        FileError: If it cannot be read.
    """
    with _opened(path, ReadOptions(axes=axes)) as (tif, stack):
        spacing = calibration_of(tif, stack.keyframe)
        if spacing.resolution is None:
            return spacing
        x, y = turned(spacing.resolution, stack.orientation)
        return replace(spacing, resolution=(x, y))


@contextmanager
def _opened(path: Path, wanted: ReadOptions) -> Iterator[tuple[TiffFile, _PageStack]]:
    quiet("tifffile")
    warnings.filterwarnings("ignore", message="<tifffile")  # said in the name of whoever calls it
    from tifffile import TiffFile

    check_chain(path)
    with decoding(path):
        tif = TiffFile(path)
    with tif:
        yield tif, _stack(path, tif, wanted)


def _stack(path: Path, tif: TiffFile, wanted: ReadOptions) -> _PageStack:
    """The series that is meant; pages of one size and type written one by one are one stack."""
    series = tif.series
    if not series:
        raise FileError("files.truncated", path)
    first, problems = series[0], ()
    check_claims(path, tif, first)
    axes, shape, pages, offset, whole = first.axes, first.shape, list(first.pages), first.dataoffset, first
    alike = len({(s.axes, s.shape, s.dtype, len(s.pages)) for s in series}) == 1 and len(first.pages) == 1
    if len(series) > 1 and alike and axes in ("YX", "YXS") and first.kind != "ome":
        axes, shape, offset, whole = "I" + axes, (len(series), *shape), None, None
        pages = [s.pages[0] for s in series]
    elif len(series) > 1:
        problems = (warning("files.several_images", path, count=len(series)),)
    others = {p.parent.filehandle.name for p in pages if p is not None} - {path.name}
    if others:
        problems = (*problems, warning("files.ome_set", path, count=len(others) + 1, shape=sizes(shape)))
    axes, unsure = _axes(path, axes, shape, wanted)
    if axes == "SYX" and first.kind not in ("ome", "imagej") and int(first.keyframe.photometric) == _RGB:
        problems = (*problems, warning("files.maybe_stack", path, count=shape[0]))
    arrangement = arrange(path, axes, shape)
    if wanted.axes is None:
        no_strips(path, arrangement, shape)
    dtype = np.dtype(tif.byteorder + (first.dtype or np.dtype("V")).char)
    return _PageStack(axes, shape, dtype, pages, first.keyframe, offset, arrangement, whole, (*problems, *unsure))


def _axes(path: Path, letters: str, shape: tuple[int, ...], wanted: ReadOptions) -> tuple[str, tuple[Problem, ...]]:
    """What the axes are: as declared, as the file says, or as its shape tells where it says nothing; and the doubts.

    Raises:
        FileError: If the samples of a page are declared to be no channels.
    """
    if (named := declared(path, wanted.axes, shape)) is not None:
        if "S" in letters and named[letters.index("S")] != "C":
            raise FileError("files.declared_samples", path, axes=named, right=samples_as_channels(letters))
        return named, ()
    if "S" in letters or not set(letters) - set("XY") <= set(UNNAMED):
        return letters, ()
    axes = plain(path, shape, labels=wanted.labels, pages=True)
    return axes, () if wanted.labels else doubts(path, axes, shape)


def _header(path: Path, tif: TiffFile, stack: _PageStack, labels: bool) -> Header:
    page = stack.keyframe
    space = _SPACES.get(stack.photometric)
    if stack.photometric == _YCBCR and int(page.compression) not in _JPEG:
        space = "YCbCr"
    if space:
        raise FileError("files.colour_space", path, space=space)
    dtype = real_dtype(path, stack.dtype)
    channels, *rest = stack.arrangement.shape(stack.shape)
    channels -= len(stack.alpha)
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


def _bits(stack: _PageStack, dtype: np.dtype) -> int | None:
    if stack.photometric == _PALETTE or dtype.kind not in "iu":
        return None
    stored = stack.keyframe.bitspersample
    if isinstance(stored, int) and stored < 8 * dtype.itemsize:
        return stored
    declared = stack.keyframe.tags.valueof(281)  # MaxSampleValue
    return _BITS_OF_MAXIMUM.get(declared) if dtype == np.uint16 and isinstance(declared, int) else None


def _coloured(tif: TiffFile, stack: _PageStack, labels: bool) -> bool:
    """Whether palette indices are to become colours: not for labels, not ImageJ's display tables, not plain greys."""
    if stack.photometric != _PALETTE or labels or tif.is_imagej or stack.dtype.kind not in "ub":
        return False
    palette = stack.keyframe.colormap
    ramp = np.linspace(0, 255, palette.shape[1]).round()
    return not all((np.asarray(channel) // 257 == ramp).all() for channel in palette)


def _finished(path: Path, tif: TiffFile, stack: _PageStack, array: np.ndarray, labels: bool) -> np.ndarray:
    """Colours looked up, white made the largest value, in labels too, alpha dropped, upright, native."""
    if _coloured(tif, stack, labels):
        palette = np.asarray(stack.keyframe.colormap)
        affordable(path, 3 * array.size)
        array = looked_up(native(path, np.asarray(array[0])), palette >> 8 if palette.max() > 255 else palette)
    elif stack.photometric == _PALETTE and labels:
        array = shown_indices(native(path, array), np.asarray(stack.keyframe.colormap))
    elif stack.white_is_zero:
        array = _turned_over(path, stack, native(path, array))
    for alpha in reversed(stack.alpha):
        array = without_alpha(path, array, alpha=alpha, declare=samples_as_channels(stack.axes))
    return native(path, oriented(array, stack.orientation))


def _turned_over(path: Path, stack: _PageStack, array: np.ndarray) -> np.ndarray:
    """Values whose smallest means white, turned over, so that white is the largest as in every other image."""
    affordable(path, array.nbytes)
    if array.dtype.kind == "f":
        return -array
    bits = _bits(stack, array.dtype) or 8 * array.dtype.itemsize
    return ~array if array.dtype.kind == "i" else (((1 << bits) - 1) - array).astype(array.dtype)


def _check_segments(path: Path, stack: _PageStack) -> None:
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


def _holds(form: Form) -> bool:
    return form.dtype.name in IMAGEJ_TYPES + OME_TYPES


def _storable(path: Path, array: np.ndarray) -> np.ndarray:
    """The array in a type that TIFF readers know, each value kept."""
    if array.dtype.name in IMAGEJ_TYPES + OME_TYPES:
        return array
    if array.dtype == np.float16:
        return array.astype(np.float32)
    if array.dtype.kind in "biu":
        return smallest(path, array)
    raise FileError("files.cannot_store", path, what=str(array.dtype), rule="TIFF: int8 … uint32, float32, float64")


def _write(path: Path, form: Form, planes: Iterable[np.ndarray], out: Path) -> None:
    write_tiff(path, form, planes, ome=named_ome(out))


def _write_array(path: Path, array: np.ndarray, spacing: Spacing | None, grid: Grid | None, labels: bool) -> None:
    array = _storable(path, array)
    planes = array.swapaxes(0, 1) if array.ndim == 4 else array[None]
    stated = calibration(grid.path, axes=grid.axes) if grid is not None and grid.format == "tiff" else None
    form = Form(array.shape, array.dtype, spacing, labels=array if labels else None, stated=stated)
    with writing(path) as temporary:
        _write(temporary, form, planes, path)


FORMAT = Format(
    "tiff",
    "TIFF",
    (".tif", ".tiff", ".ome.tif", ".ome.tiff", ".btf", ".tf8", ".lsm"),
    recognise=starts(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    header=header,
    read=read,
    planes=planes,
    window=window,
    in_place=True,
    palette=True,
    write=Writer("tif", (".tif", ".tiff"), _write, _holds, _write_array, slices=True),
)
