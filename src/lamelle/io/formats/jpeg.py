"""JPEG, by Pillow; it changes values near edges, so that no labels are in it."""

from __future__ import annotations

from lamelle.io.format import Format, starts
from lamelle.io.raster import header, read

FORMAT = Format(
    "jpeg",
    "JPEG",
    (".jpg", ".jpeg", ".jpe", ".jfif"),
    recognise=starts(b"\xff\xd8\xff"),
    header=header,
    read=read,
    labels="lossy",
    colours=True,
    answers=(".png", ".tif"),
)
