"""Pictures for the eye, uint8 [3, Y, X], made small and written as JPEG or PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamelle.pictures.overlay import draw_contours, label_picture, shown_plane, to_rgb

SMALL, LARGE = 240, 512
"""Pixels along the longer edge, of a preview and of a case that is looked at closely."""
COARSE = 96
"""Images smaller than this are shown with their pixels as squares."""
CONTOURS = {"truth": (255, 176, 0), "prediction": (0, 200, 255), "both": (255, 255, 255)}
"""Lines of truth and prediction, and where they run together; told apart with colour-vision deficiencies."""
_JPEG, _COLOURS = 82, 64
_FINE = 320
"""Edge of the smallest picture with contours, in pixels."""


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """A picture as the content of a file, for a page that is made at once."""

    content: bytes
    lossy: bool
    """JPEG; else PNG."""
    coarse: bool = False
    """Of an image so small that its pixels are shown as squares."""


def encode(picture: np.ndarray, *, lossy: bool) -> bytes:
    """A picture as JPEG (``lossy``), or as PNG with few colours.

    Example:
        >>> encode(np.zeros((3, 2, 2), np.uint8), lossy=False)[1:4]
        b'PNG'
    """
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(np.moveaxis(picture, 0, -1)))
    out = io.BytesIO()
    if lossy:
        grey = all(np.array_equal(picture[0], c) for c in picture[1:])
        # colours at full resolution: contours are one pixel wide
        (image.convert("L") if grey else image).save(out, "JPEG", quality=_JPEG, subsampling=0)
    else:
        image.quantize(_COLOURS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def shrunk(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture, made smaller if an edge is longer than ``side``.

    Example:
        >>> shrunk(np.zeros((3, 10, 20), np.uint8), 10).shape
        (3, 5, 10)
    """
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(np.moveaxis(picture, 0, -1)))
    image.thumbnail((side, side), Image.Resampling.BOX)
    return np.moveaxis(np.array(image), -1, 0)


def small_plane(image: np.ndarray, side: int) -> np.ndarray:
    """A plane [C, Y, X] of an image of any type as a picture with edges of at most ``side``."""
    step = max(1, min(image.shape[1:]) // (2 * side))
    return shrunk(to_rgb(np.asarray(image[:, ::step, ::step])), side)


def preview(image: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """A small picture of an image [C, (Z,) Y, X], with the contours of labels [(Z,) Y, X] if there are any."""
    index = shown_plane(labels) if labels is not None and labels.ndim == 3 else image.shape[1] // 2
    shown = small_plane(image if image.ndim == 3 else image[:, index], SMALL)
    if labels is None:
        return shown
    # after shrinking, so that the lines stay visible
    drawn = np.asarray(labels if labels.ndim == 2 else labels[index])
    rows, columns = (np.arange(n) * full // n for n, full in zip(shown.shape[1:], drawn.shape, strict=True))
    return draw_contours(shown, drawn[rows][:, columns])


def encoded_preview(image: np.ndarray, labels: np.ndarray | None) -> EncodedPicture:
    """The `preview` of an image as JPEG."""
    return EncodedPicture(encode(preview(image, labels), lossy=True), lossy=True, coarse=max(image.shape[-2:]) < COARSE)


def sampled(labels: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Labels [Y, X] at the size of their picture: the nearest pixel of each.

    Example:
        >>> sampled(np.array([[1, 1, 2, 2]]), (1, 2))
        array([[1, 2]])
    """
    rows, columns = ((np.arange(n) * full + full // 2) // n for n, full in zip(shape, labels.shape, strict=True))
    return labels[rows][:, columns]


def coloured(labels: np.ndarray, *, classes: int) -> np.ndarray:
    """Classes [Y, X] in their colours; objects that are numbered in a colour each."""
    return label_picture(labels.astype(np.int64), classes=classes if labels.max(initial=0) < classes else classes + 1)


def contours(picture: np.ndarray, target: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """A picture with the outlines of truth and prediction [Y, X] in the colours of ``CONTOURS``.

    Small pictures are enlarged by a whole number, so that the lines hide little of them.
    """
    times = max(1, _FINE // max(target.shape))
    shown, truth, predicted = (a.repeat(times, -1).repeat(times, -2) for a in (picture, target, labels))
    lines = [_outline(np.maximum(a, 0)) for a in (truth, predicted)]
    for name, where in (("truth", lines[0]), ("prediction", lines[1]), ("both", lines[0] & lines[1])):
        shown[:, where] = np.array(CONTOURS[name], np.uint8)[:, None]
    return shown


def _outline(labels: np.ndarray) -> np.ndarray:
    """Labelled pixels [Y, X] beside one of another label."""
    from scipy.ndimage import maximum_filter, minimum_filter

    differs = maximum_filter(labels, size=3, mode="nearest") != minimum_filter(labels, size=3, mode="nearest")
    return differs & (labels > 0)
