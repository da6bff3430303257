"""PNG: read by Pillow, of 16 bits by imagecodecs; written with a table of colours for labels too small to be seen."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from lamelle.errors import FileError
from lamelle.io.atomic import writing
from lamelle.io.axes import sizes
from lamelle.io.format import Format, Writer, starts
from lamelle.io.output_form import Form
from lamelle.io.palette import table_for
from lamelle.io.raster import header, read
from lamelle.types import Grid, Spacing

_TYPES = (np.uint8, np.uint16)


def _holds(form: Form) -> bool:
    return form.dtype in _TYPES and form.shape[0] in (1, 3)


def _write(path: Path, form: Form, planes: Iterable[np.ndarray], out: Path) -> None:
    for plane in planes:
        path.write_bytes(_encoded(out, plane, form.spacing, labels=False))


def _write_array(path: Path, array: np.ndarray, spacing: Spacing | None, grid: Grid | None, labels: bool) -> None:
    data = _encoded(path, array.astype(np.uint8) if array.dtype.kind == "b" else array, spacing, labels=labels)
    with writing(path) as temporary:
        temporary.write_bytes(data)


def _encoded(path: Path, array: np.ndarray, spacing: Spacing | None, *, labels: bool) -> bytes:
    from imagecodecs import png_encode

    if array.ndim != 3 or len(array) not in (1, 3) or array.dtype not in _TYPES:
        rule = "PNG: uint8, uint16; [1, Y, X], [3, Y, X]"
        raise FileError("files.cannot_store", path, what=f"{array.dtype} [{sizes(array.shape)}]", rule=rule)
    pixels = array[0] if len(array) == 1 else np.moveaxis(array, 0, -1)
    table = table_for(array) if labels else None
    data = bytes(png_encode(pixels.copy(order="C"))) if table is None else _coloured(pixels, table)
    return _with_spacing(data, spacing)


def _coloured(labels: np.ndarray, table: np.ndarray) -> bytes:
    """A PNG of 8 bits with a colour for each value; programs that read values still find them."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(labels))
    image.putpalette(table.tobytes())
    stream = io.BytesIO()
    image.save(stream, "PNG", bits=8)
    return stream.getvalue()


def _with_spacing(data: bytes, spacing: Spacing | None) -> bytes:
    """The PNG with its pixels per metre, if these are whole numbers that the chunk can hold."""
    if spacing is None:
        return data
    per_metre = [round(1e6 / v) for v in (spacing[-1], spacing[-2])]
    if not all(0 < n < 2**31 for n in per_metre):
        return data
    body = b"pHYs" + struct.pack(">IIB", *per_metre, 1)
    chunk = struct.pack(">I", 9) + body + struct.pack(">I", zlib.crc32(body))
    end = 8 + 25  # signature, IHDR
    return data[:end] + chunk + data[end:]


FORMAT = Format(
    "png",
    "PNG",
    (".png",),
    recognise=starts(b"\x89PNG\r\n\x1a\n"),
    header=header,
    read=read,
    palette=True,
    colours=True,
    answers=(".png", ".tif"),
    write=Writer("png", (".png",), _write, _holds, _write_array, slices=True, flat=True, sizes="rounded"),
)
