"""DICOM by pydicom. A message never quotes a value of the file: it could name a patient."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lamelle.errors import FileError
from lamelle.io.axes import checked_spacing
from lamelle.io.common import Header, ReadOptions, affordable
from lamelle.io.dicom_data import EXTRA, PACKAGE, open_dicom, private
from lamelle.io.dicom_frames import Frames, placed
from lamelle.io.dicom_names import SUFFIXES, is_dicom
from lamelle.io.format import Format
from lamelle.io.geometry import own_turn, spacing_of
from lamelle.io.pixels import native
from lamelle.types import Image, Problem, Spacing

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")


@dataclass(frozen=True, slots=True)
class _PixelFacts:
    """What decides how pixels are read."""

    shape: tuple[int, ...]
    """``[C, (Z,) Y, X]`` as stored."""
    stored: np.dtype
    bits: int
    photometric: str
    slope: float
    intercept: float
    spacing: Spacing | None
    """As stored, the frames in their order."""
    frames: Frames | None
    """Where the frames lie, if they say so and make a volume."""

    @property
    def dtype(self) -> np.dtype:
        """The smallest type that holds the rescaled values."""
        if (self.slope, self.intercept) == (1.0, 0.0) or self.photometric in _COLOURS:
            return self.stored
        if self.stored.kind == "f" or not (self.slope.is_integer() and self.intercept.is_integer()):
            return np.dtype(np.float32)
        low, high = (-(1 << (self.bits - 1)), 1 << (self.bits - 1)) if self.stored.kind == "i" else (0, 1 << self.bits)
        ends = [int(v * self.slope + self.intercept) for v in (low, high - 1)]
        for dtype in (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32):
            if np.iinfo(dtype).min <= min(ends) and max(ends) <= np.iinfo(dtype).max:
                return np.dtype(dtype)
        return np.dtype(np.float32)


def header(path: Path, wanted: ReadOptions) -> Header:
    """Header of a DICOM file; its pixels are not read."""
    with private(path):
        return header_of(path, open_dicom(path), labels=wanted.labels)


def read(path: Path, wanted: ReadOptions) -> Image:
    """Pixels of a DICOM file: MONOCHROME1 inverted, modality rescaled, frames along Z; no window is applied.

    Raises:
        FileError: If the file has no pixels, is a DICOMDIR, or its transfer syntax has no decoder here.
    """
    with private(path):
        from pydicom.pixels.utils import pixel_array

        data = _with_pixels(path)
        facts = _facts(path, data, wanted.labels)
        head = _header(path, data, facts)
        affordable(path, head.nbytes)
        pixels = pixel_array(data, decoding_plugin=_plugin(path, data))
        array = _values(path, data, facts, pixels, wanted.labels).reshape(facts.shape)
        if facts.frames is not None:
            array = own_turn(facts.frames.geometry).apply(array[:, list(facts.frames.order)], dims=3)
    return Image(array, head.spacing, head.bits, head.problems, geometry=head.geometry)


def planes(path: Path, wanted: ReadOptions) -> Iterator[np.ndarray]:
    """Frames [C, Y, X] of a DICOM file, decoded one at a time."""
    with private(path):
        from pydicom.pixels.utils import iter_pixels

        data = _with_pixels(path)
        facts = _facts(path, data, wanted.labels)
        frame = (facts.shape[0], *facts.shape[-2:])
        affordable(path, math.prod(frame) * facts.dtype.itemsize)
        plugin = _plugin(path, data)
        turn = own_turn(facts.frames.geometry if facts.frames else None)
        if turn.order[0] != 0:
            array = read(path, wanted).array
            yield from (array[:, z] for z in range(array.shape[1]))
            return
        order = facts.frames.order if facts.frames else None
        chosen = None if order is None else list(order[::-1] if turn.flipped[0] else order)
        for pixels in iter_pixels(data, indices=chosen, decoding_plugin=plugin):
            yield turn.apply(_values(path, data, facts, pixels, wanted.labels).reshape(frame), dims=2)


def _with_pixels(path: Path) -> Dataset:
    data = open_dicom(path, pixels=True)
    if not any(name in data for name in _PIXELS):
        raise FileError("files.no_pixels", path)
    return data


def _facts(path: Path, data: Dataset, labels: bool) -> _PixelFacts:
    if "Rows" not in data or "Columns" not in data:
        raise FileError("files.no_pixels", path)
    frames, rows, columns = int(data.get("NumberOfFrames") or 1), int(data.Rows), int(data.Columns)
    photometric = str(data.PhotometricInterpretation)
    colour = photometric in _COLOURS and not (photometric == "PALETTE COLOR" and labels)
    allocated = int(data.BitsAllocated)
    kind = "f" if "FloatPixelData" in data or "DoubleFloatPixelData" in data else "ui"[int(data.PixelRepresentation)]
    stored = np.dtype(f"{kind}{max(1, allocated // 8)}")
    if photometric == "PALETTE COLOR" and colour:
        stored = np.dtype(np.uint8)
    slope, intercept = _rescale(path, data)
    depth = (frames,) if frames > 1 else ()
    return _PixelFacts(
        shape=(3 if colour else 1, *depth, rows, columns),
        stored=stored,
        bits=int(data.get("BitsStored") or allocated),
        photometric=photometric,
        slope=1.0 if labels else slope,
        intercept=0.0 if labels else intercept,
        spacing=_spacing(data, bool(depth)),
        frames=placed(data, (columns, rows)) if frames > 1 else None,
    )


def header_of(path: Path, data: Dataset, *, labels: bool) -> Header:
    """The header of an open_dicom file; to be called inside `private`."""
    return _header(path, data, _facts(path, data, labels))


def _header(path: Path, data: Dataset, facts: _PixelFacts) -> Header:
    problems: tuple[Problem, ...] = ()
    if "WindowCenter" in data or "VOILUTSequence" in data:
        problems = (Problem("files.window_not_applied", str(path), "note", {}),)
    narrow = facts.bits < 8 * facts.stored.itemsize and facts.dtype == facts.stored and facts.stored.kind != "f"
    geometry = facts.frames.geometry if facts.frames else None
    turn, spacing = own_turn(geometry), facts.spacing if geometry is None else spacing_of(geometry)
    return Header(
        "dicom",
        (facts.shape[0], *turn.sizes(facts.shape[1:])),
        facts.dtype,
        spacing and turn.sizes(spacing),
        facts.bits if narrow else None,
        problems=problems,
        geometry=geometry,
    )


def _groups(data: Dataset, name: str) -> list[Any]:
    """Items of a sequence of an enhanced multi-frame file: the shared one, or one per frame."""
    shared = [g[name].value[0] for g in data.get("SharedFunctionalGroupsSequence") or [] if name in g]
    return shared or [g[name].value[0] for g in data.get("PerFrameFunctionalGroupsSequence") or [] if name in g]


def _rescale(path: Path, data: Dataset) -> tuple[float, float]:
    sources = [data, *_groups(data, "PixelValueTransformationSequence")]
    pairs = {(float(s.RescaleSlope), float(s.RescaleIntercept)) for s in sources if "RescaleSlope" in s}
    if len(pairs) > 1:
        raise FileError("files.rescale_differs", path, count=len(pairs))
    slope, intercept = next(iter(pairs), (1.0, 0.0))
    return slope or 1.0, intercept


def _spacing(data: Dataset, depth: bool) -> Spacing | None:
    sources = [data, *_groups(data, "PixelMeasuresSequence")[:1]]
    for source in sources:
        pixel = source.get("PixelSpacing")
        if not pixel or len(pixel) != 2:
            continue
        between = source.get("SpacingBetweenSlices") or source.get("SliceThickness")
        if depth and not between:
            continue
        return checked_spacing(tuple(float(v) * 1e3 for v in ((abs(float(between)),) if depth else ()) + tuple(pixel)))
    return None


def _plugin(path: Path, data: Dataset) -> str:
    """What decodes the pixels: one of pydicom's plugins, empty where they are not compressed."""
    from lamelle.io.dicom_codecs import plugin_of

    syntax = data.file_meta.TransferSyntaxUID
    try:
        return plugin_of(syntax)
    except NotImplementedError:
        syntax_name = syntax.name if syntax.is_transfer_syntax else "?"
        raise FileError("files.missing_codec", path, syntax=syntax_name) from None


def _values(path: Path, data: Dataset, facts: _PixelFacts, array: np.ndarray, labels: bool) -> np.ndarray:
    """Stored values [(F,) Y, X] or [(F,) Y, X, C] → what they mean, [C, (F,) Y, X]."""
    if array.dtype.kind == facts.stored.kind and array.dtype.itemsize < facts.stored.itemsize:
        array = array.astype(facts.stored)  # a compressed frame says itself how many bits it has
    if facts.photometric == "PALETTE COLOR" and not labels:
        from pydicom.pixels.processing import apply_color_lut

        colours = apply_color_lut(array, data)
        array = (colours >> 8 if colours.dtype == np.uint16 else colours).astype(np.uint8)
    if facts.photometric in _COLOURS and not (facts.photometric == "PALETTE COLOR" and labels):
        return native(path, np.ascontiguousarray(np.moveaxis(array, -1, 0)))
    if facts.photometric == "MONOCHROME1" and array.dtype.kind in "iu":  # labels too: as they are shown
        array = ~array if array.dtype.kind == "i" else (((1 << facts.bits) - 1) - array).astype(array.dtype)
    if facts.dtype != facts.stored or (facts.slope, facts.intercept) != (1.0, 0.0):
        array = (array.astype(np.float64) * facts.slope + facts.intercept).astype(facts.dtype)
    return native(path, array)[None]


FORMAT = Format(
    "dicom",
    "DICOM",
    SUFFIXES,
    recognise=is_dicom,
    unnamed=True,
    needs=PACKAGE,
    extra=EXTRA,
    header=header,
    read=read,
    planes=planes,
    places=True,
    answers=(".tif", ".nii.gz"),
)
