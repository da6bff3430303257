"""What a TIFF's metadata claims: its chain of pages, its axes, its pixel size."""

from __future__ import annotations

import struct
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from lamelle.errors import FileError, printable
from lamelle.io.axes import checked_spacing, microns, not_print, sizes
from lamelle.io.common import size_of
from lamelle.io.output_form import Calibration
from lamelle.types import Spacing

if TYPE_CHECKING:
    from tifffile import TiffFile

_CENTIMETRE, _INCH = 3, 2
_MAX_PAGES = 1_000_000


def check_chain(path: Path) -> int:
    """Follow the chain of page directories; tifffile stops silently where it breaks, and slices would be missing.

    Returns:
        The number of pages.

    Raises:
        FileError: If a directory lies outside the file, or the chain runs in a circle.
    """
    size, seen = size_of(path), set()
    with path.open("rb") as file:
        start = file.read(16)
        order = "<" if start[:2] == b"II" else ">"
        big = start[2:4] in (b"+\0", b"\0+")
        if len(start) < (16 if big else 8):
            raise FileError("files.truncated", path)
        offset_format, count_format, entry = (order + "Q", order + "Q", 20) if big else (order + "I", order + "H", 12)
        width, counted = struct.calcsize(offset_format), struct.calcsize(count_format)
        (at,) = struct.unpack(offset_format, start[8:16] if big else start[4:8])
        while at:
            if at in seen or len(seen) > _MAX_PAGES:
                raise FileError("files.cannot_decode", path, reason="circular IFD")
            seen.add(at)
            if at + counted > size:
                raise FileError("files.truncated", path)
            file.seek(at)
            (count,) = struct.unpack(count_format, file.read(counted))
            end = at + counted + count * entry
            if end + width > size:
                raise FileError("files.truncated", path)
            file.seek(end)
            (at,) = struct.unpack(offset_format, file.read(width))
    if not seen:
        raise FileError("files.truncated", path)
    return len(seen)


def check_claims(path: Path, tif: TiffFile, series: Any) -> None:
    """Refuse a file whose metadata contradict its pages; tifffile would fall back to another reading of it.

    Raises:
        FileError: If OME, ImageJ or shape metadata do not fit the pages, or a file of an OME set is missing.
    """
    if tif.is_ome and tif.ome_metadata:
        _check_ome(path, tif, series)
        return
    claims = [kind for kind, claimed in (("imagej", tif.is_imagej), ("shaped", tif.is_shaped)) if claimed]
    if claims and series.kind not in claims:
        raise FileError("files.contradiction", path, metadata=claims[0], claimed="?", found=_summary(tif))


def _summary(tif: TiffFile) -> str:
    page = tif.pages.first
    return f"{sizes(page.shape)} (× {len(tif.pages)})"


def _check_ome(path: Path, tif: TiffFile, series: Any) -> None:
    root = ElementTree.fromstring(tif.ome_metadata or "")
    for element in root:
        if element.tag.rpartition("}")[2] == "BinaryOnly":
            raise FileError("files.ome_companion", path, name=printable(element.get("MetadataFile", "?")))
    pixels = [element for element in root.iter() if element.tag.rpartition("}")[2] == "Pixels"]
    if not pixels:
        raise FileError("files.contradiction", path, metadata="OME", claimed="0", found=_summary(tif))
    others = {e.get("FileName") for p in pixels for e in p.iter() if e.tag.rpartition("}")[2] == "UUID"} - {None}
    for name in sorted(str(other) for other in others):
        if PurePosixPath(name).name != name or "\\" in name:
            raise FileError("files.ome_outside", path, name=printable(name))
        if name != path.name and len(others) > 1 and not (path.parent / name).is_file():
            raise FileError("files.ome_missing", path, name=printable(name))
    stated = {axis: int(pixels[0].get(f"Size{axis}", "1")) for axis in "XYZCT"}
    claimed = " ".join(f"{axis}={n}" for axis, n in stated.items())
    page = tif.pages.first
    samples = page.samplesperpixel
    planes = stated["Z"] * stated["T"] * max(1, stated["C"] // samples)
    wrong_size = (stated["X"], stated["Y"]) != (page.imagewidth, page.imagelength)
    wrong_count = len(pixels) == 1 and len(others) <= 1 and planes != len(tif.pages)
    if wrong_size or wrong_count or series.kind != "ome":
        raise FileError("files.contradiction", path, metadata="OME", claimed=claimed, found=_summary(tif))


def spacing_of(tif: TiffFile, series: Any, page: Any, *, depth: bool) -> Spacing | None:
    """Pixel size in µm, (Z,) Y, X, from OME, ImageJ or the resolution tags; None where some axis has none."""
    if tif.is_ome and tif.ome_metadata:
        return _ome_spacing(tif.ome_metadata, depth)
    if tif.is_imagej:
        meta = tif.imagej_metadata or {}
        factor = microns(str(meta.get("unit", "")))
        plane = _resolution(page)
        if factor is None or plane is None:
            return None
        z = (float(meta.get("spacing", 1.0)),) if depth else ()  # ImageJ leaves out a spacing of 1
        return checked_spacing(tuple(abs(v) * factor for v in (*z, *plane)))
    plane = _resolution(page)
    factor = {_CENTIMETRE: 1e4, _INCH: 25400.0}.get(int(page.tags.valueof(296, 1)))
    if plane is None or factor is None or depth:
        return None
    return not_print(checked_spacing(tuple(v * factor for v in plane)))


def calibration_of(tif: TiffFile, page: Any) -> Calibration:
    """How the pixel size is stated, as far as another TIFF can state it likewise."""
    if tif.is_ome:
        return Calibration()
    if tif.is_imagej:
        unit = str((tif.imagej_metadata or {}).get("unit", ""))
        return Calibration(unit=unit if unit.isascii() and unit.isalpha() and microns(unit) else None)
    x, y = (page.tags.valueof(tag) for tag in (282, 283))
    given = _resolution(page) is not None
    return Calibration(resolution=(x, y) if given else None, per=int(page.tags.valueof(296, 1)))


def _resolution(page: Any) -> tuple[float, float] | None:
    """Units per pixel along Y and X."""
    steps = []
    for tag in (283, 282):
        value = page.tags.valueof(tag)
        if not (isinstance(value, tuple) and len(value) == 2 and all(value)):
            return None
        steps.append(value[1] / value[0])
    return steps[0], steps[1]


def _ome_spacing(xml: str, depth: bool) -> Spacing | None:
    root = ElementTree.fromstring(xml)
    pixels = next(element for element in root.iter() if element.tag.rpartition("}")[2] == "Pixels")
    values = []
    for axis in "ZYX" if depth else "YX":
        size, factor = pixels.get(f"PhysicalSize{axis}"), microns(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        if size is None or factor is None:
            return None
        values.append(float(size) * factor)
    return checked_spacing(tuple(values))
