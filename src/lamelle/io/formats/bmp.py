"""BMP, by Pillow."""

from __future__ import annotations

from lamelle.io.format import Format
from lamelle.io.raster import header, read

_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
"""Lengths of the headers that there are."""

FORMAT = Format(
    "bmp",
    "BMP",
    (".bmp", ".dib"),
    recognise=lambda head: head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _HEADERS,
    header=header,
    read=read,
    palette=True,
    colours=True,
    answers=(".png", ".tif"),
)
