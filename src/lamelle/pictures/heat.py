"""Maps as pictures: colours over a grey image, several of them side by side with captions, sheets of many."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lamelle.pictures.overlay import draw_contours, to_rgb

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

COLOURS = "magma"
"""Of matplotlib: brightness rises along it, so that it is read with every colour-vision deficiency, and in grey."""
TOP = 99.5
"""Percentile of the map's positive values that has the last colour."""
_OPAQUE = 0.75
_DARKEST = 0.3
"""Where the colours begin: what comes before can hardly be told from the image."""
MIN_EDGE = 224
"""Pixels along the shorter edge below which pictures are enlarged, so that captions have room."""
_FONT, _LINE, _MARGIN = 13, 18, 6
_INK, _MUTED, _PAPER = (20, 24, 32), (90, 100, 116), 255


def shown_plane(values: np.ndarray) -> int | None:
    """The plane of a map [Z, Y, X] with the most positive evidence; None for a map [Y, X].

    Example:
        >>> shown_plane(np.array([[[0.0]], [[2.0]], [[-9.0]]])), shown_plane(np.zeros((2, 2)))
        (1, None)
    """
    return None if values.ndim == 2 else int(np.clip(values, 0, None).sum((1, 2)).argmax())


def grey(image: np.ndarray, index: int | None) -> np.ndarray:
    """An image [C, (Z,) Y, X] in grey, uint8 [3, Y, X]."""
    colours = to_rgb(image, index=index)
    return np.repeat(colours.mean(0, keepdims=True).round().astype(np.uint8), 3, axis=0)


def heat(image: np.ndarray, values: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """A map [(Z,) Y, X] over its image [C, (Z,) Y, X], with the contour of a mask: uint8 [3, Y, X].

    Each map has its own scale, from nothing to its ``TOP`` percentile; what speaks against the class is not drawn.

    Example:
        >>> image, values = np.full((1, 4, 4), 100, np.uint8), np.eye(4)
        >>> picture = heat(image, values, None)
        >>> int(picture[0, 0, 0]) > int(picture[0, 0, 1])
        True
    """
    index = shown_plane(values)
    flat = np.clip(values if index is None else values[index], 0, None)
    positive = flat[flat > 0]
    strength = np.clip(flat / np.percentile(positive, TOP), 0, 1) if positive.size else np.zeros_like(flat)
    alpha = _OPAQUE * strength**0.75
    picture = grey(image, index) * (1 - alpha) + _colours(strength) * alpha
    drawn = np.clip(picture.round(), 0, 255).astype(np.uint8)
    if mask is not None:
        flat_mask = mask if index is None else mask[index]
        drawn = draw_contours(drawn, flat_mask.astype(np.int64) * _OUTLINE)
    return drawn


_OUTLINE = 2
"""Number of the class in whose colour a mask is outlined: a blue that the map does not have."""


def _colours(strength: np.ndarray) -> np.ndarray:
    from matplotlib import colormaps

    return np.moveaxis(colormaps[COLOURS](_DARKEST + (1 - _DARKEST) * strength)[..., :3], -1, 0) * 255


def enlarged(picture: np.ndarray) -> np.ndarray:
    """A picture uint8 [3, Y, X] with its pixels repeated until there is room for a caption."""
    times = max(1, -(-MIN_EDGE // min(picture.shape[1:])))
    return picture.repeat(times, 1).repeat(times, 2)


def strip(pictures: Sequence[np.ndarray], captions: Sequence[Sequence[str]]) -> np.ndarray:
    """Pictures uint8 [3, Y, X] of one size side by side, under each the lines of its caption, the first one dark."""
    from PIL import Image, ImageDraw

    height, width = pictures[0].shape[1:]
    lines = max(len(caption) for caption in captions)
    whole = np.full((height + lines * _LINE + 2 * _MARGIN, len(pictures) * (width + _MARGIN) - _MARGIN, 3), _PAPER)
    canvas = Image.fromarray(whole.astype(np.uint8))
    draw = ImageDraw.Draw(canvas)
    for i, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left = i * (width + _MARGIN)
        canvas.paste(Image.fromarray(np.ascontiguousarray(np.moveaxis(picture, 0, -1))), (left, 0))
        for n, line in enumerate(caption):
            place = (left + 2, height + _MARGIN + n * _LINE)
            draw.text(place, _short(line, width - 4), fill=_MUTED if n else _INK, font=_font())
    return np.moveaxis(np.asarray(canvas), -1, 0)


def sheet(strips: Sequence[np.ndarray], *, columns: int) -> np.ndarray:
    """Strips uint8 [3, Y, X] in rows and columns on white."""
    height = max(s.shape[1] for s in strips) + 2 * _MARGIN
    width = max(s.shape[2] for s in strips) + 2 * _MARGIN
    columns = min(columns, len(strips))
    whole = np.full((3, -(-len(strips) // columns) * height, columns * width), _PAPER, np.uint8)
    for i, one in enumerate(strips):
        y, x = i // columns * height + _MARGIN, i % columns * width + _MARGIN
        whole[:, y : y + one.shape[1], x : x + one.shape[2]] = one
    return whole


@cache
def _font() -> FreeTypeFont:
    """A font with the letters of most languages, which comes with matplotlib."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), _FONT)


def _short(line: str, width: int) -> str:
    """A line that fits, shortened in its middle; every character is drawn."""
    line = "".join(c if c.isprintable() else "?" for c in line)
    shown = line
    for kept in range(len(line), 2, -1):
        if _font().getlength(shown) <= width:
            break
        shown = f"{line[: kept // 2]}…{line[-(kept - kept // 2 - 1) :]}"
    return shown
