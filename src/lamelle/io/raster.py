"""PNG, JPEG and BMP, by Pillow; 16-bit PNG by imagecodecs, since Pillow halves the depth of colour."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lamelle.errors import FileError
from lamelle.io.axes import checked_spacing, not_print, oriented, turned
from lamelle.io.common import Header, ReadOptions, affordable, quiet, size_of, warning
from lamelle.io.pixels import looked_up, shown_indices, without_alpha
from lamelle.types import Image, Spacing

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

_ORIENTATION = 274
_GREY, _COLOUR = ("1", "L", "LA", "I;16", "I;16B", "I"), ("P", "PA", "RGB", "RGBA", "RGBX")


@dataclass(frozen=True, slots=True)
class _Png:
    """What the chunks of a PNG say that Pillow does not keep."""

    depth: int
    colour: int
    significant: int | None = None
    spacing: Spacing | None = None
    orientation: int = 1
    animated: bool = False


def header(path: Path, wanted: ReadOptions) -> Header:
    """Header of a PNG, JPEG or BMP; the chunks' lengths are followed, the pixels are not read."""
    quiet("PIL")
    png = _png(path) if _is_png(path) else None
    with _opened(path) as image:
        return _header(path, image, png, wanted.labels)


def read(path: Path, wanted: ReadOptions) -> Image:
    """Pixels of a PNG, JPEG or BMP, upright after its EXIF orientation.

    Raises:
        FileError: If the file is truncated, has transparent pixels or another colour space than grey and RGB.
    """
    quiet("PIL")
    png = _png(path) if _is_png(path) else None
    if png is None:
        _check_jpeg_end(path)
    with _opened(path) as image:
        head = _header(path, image, png, wanted.labels)
        affordable(path, head.nbytes)
        orientation = _orientation(image, png)
        array = _deep(path) if png and png.depth == 16 else _pixels(image, png, wanted.labels)
    array = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)
    if len(array) in (2, 4):
        array = without_alpha(path, array, alpha=len(array) - 1)
    array = np.ascontiguousarray(oriented(array, orientation))
    return Image(array, head.spacing, head.bits, head.problems)


def _opened(path: Path) -> PillowImage:
    from PIL import Image as Pillow

    try:
        return Pillow.open(path, formats=("PNG", "JPEG", "BMP", "DIB"))
    except Pillow.DecompressionBombError as error:  # 179 million pixels, 537 MB of colour
        raise FileError("files.too_large", path, size="> 512", limit=512) from error


def _header(path: Path, image: PillowImage, png: _Png | None, labels: bool) -> Header:
    if image.mode not in _GREY + _COLOUR:
        raise FileError("files.colour_space", path, space=image.mode)
    orientation = _orientation(image, png)
    if png:
        colour = bool(png.colour & 2) and not (png.colour == 3 and labels)
        bits = png.significant or (png.depth if png.depth < 8 and png.colour != 3 else None)
    else:
        colour = image.mode in _COLOUR and not (image.mode == "P" and labels)
        bits = 1 if image.mode == "1" else None
    problems = (warning("files.animated", path),) if png and png.animated else ()
    return Header(
        format={"MPO": "jpeg", "DIB": "bmp"}.get(image.format or "", (image.format or "").lower()),
        shape=(3 if colour else 1, *turned((image.height, image.width), orientation)),
        dtype=np.dtype(np.uint16 if png and png.depth == 16 else np.uint8),
        spacing=turned(png.spacing, orientation) if png and png.spacing else None,
        bits=bits,
        problems=problems,
    )


def _orientation(image: PillowImage, png: _Png | None) -> int:
    """EXIF orientation; Pillow would decode a whole PNG to look for it."""
    return png.orientation if png else image.getexif().get(_ORIENTATION, 1)


def _pixels(image: PillowImage, png: _Png | None, labels: bool) -> np.ndarray:
    """uint8 [Y, X] or [Y, X, C], alpha last if there is any."""
    if image.mode == "1":
        return np.asarray(image).astype(np.uint8)
    palette = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3).T if image.mode == "P" else None
    if palette is not None and labels:
        return shown_indices(np.asarray(image), palette)
    if "transparency" in image.info:
        return np.asarray(image.convert("RGBA" if image.mode in _COLOUR else "LA"))
    if palette is not None:
        whole = np.pad(palette, ((0, 0), (0, 256 - palette.shape[1])))
        return np.moveaxis(looked_up(np.asarray(image), whole), 0, -1)
    if image.mode in ("PA", "RGBX"):
        image = image.convert("RGBA" if image.mode == "PA" else "RGB")
    array = np.asarray(image)
    if png and png.colour == 0 and png.depth in (2, 4):  # Pillow stretches them to 0..255
        array = array // (255 // ((1 << png.depth) - 1))
    return array


def _deep(path: Path) -> np.ndarray:
    from imagecodecs import png_decode

    return png_decode(path.read_bytes())


def _is_png(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x89PNG"


def _png(path: Path) -> _Png:
    """Follow the chunks to the end, without their pixels; Pillow accepts a file without its last chunk.

    Raises:
        FileError: If the file ends before its last chunk, or the checksum of its header is wrong.
    """
    size, facts = size_of(path), {}
    with path.open("rb") as file:
        at = 8
        while at + 12 <= size:
            file.seek(at)
            length, kind = struct.unpack(">I4s", file.read(8))
            if at + 12 + length > size:
                break
            if kind in (b"IHDR", b"sBIT", b"pHYs", b"eXIf"):
                data = file.read(length)
                if zlib.crc32(data, zlib.crc32(kind)) != struct.unpack(">I", file.read(4))[0]:
                    raise FileError("files.cannot_decode", path, reason=f"{kind.decode()}: CRC")
                facts |= _chunk(kind, data)
            elif kind == b"acTL":
                facts["animated"] = True
            elif kind == b"IEND":
                return _Png(**facts)
            at += 12 + length
    raise FileError("files.truncated", path)


def _chunk(kind: bytes, data: bytes) -> dict:
    if kind == b"IHDR":
        return {"depth": data[8], "colour": data[9]}
    if kind == b"sBIT" and len(data) == 1:
        return {"significant": data[0]}
    if kind == b"pHYs" and len(data) == 9:
        x, y, unit = struct.unpack(">IIB", data)
        if unit == 1 and x and y:
            return {"spacing": not_print(checked_spacing((1e6 / y, 1e6 / x)))}
    if kind == b"eXIf":
        from PIL.Image import Exif

        exif = Exif()
        exif.load(data)
        return {"orientation": exif.get(_ORIENTATION, 1)}
    return {}


def _check_jpeg_end(path: Path) -> None:
    """A JPEG whose last bytes are missing can still decode, to grey: its end marker must be there."""
    data = path.read_bytes()
    if data[:2] == b"\xff\xd8" and data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\xda"):
        raise FileError("files.truncated", path)
