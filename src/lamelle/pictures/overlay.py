"""Pictures for the eye, uint8 [3, Y, X]: an image, its labels as contours or in colours, right and wrong pixels.

Of a volume one plane is shown; `shown_plane` says which, so that image and labels show the same one.
"""

from __future__ import annotations

import numpy as np

from lamelle.io.palette import colours_of

CONFUSION = {
    "tp": (255, 255, 255),
    "fp": (220, 38, 127),
    "fn": (100, 143, 255),
    "tn": (0, 0, 0),
    "other": (255, 176, 0),
}
"""Right and wrong pixels; ``other`` = an object, but of another class."""
IGNORED = (128, 128, 128)
_LINE = 400
"""Pixels of the shorter edge for each pixel of a contour's width."""


def colour(index: int) -> tuple[int, int, int]:
    """Colour of a class; classes beyond the palette start again after the background.

    Example:
        >>> colour(8) == colour(1)
        True
    """
    r, g, b = _colours(np.array([index]))[:, 0]
    return int(r), int(g), int(b)


def shown_plane(labels: np.ndarray) -> int:
    """The plane of a label volume [Z, Y, X] that shows most: where the most pixels are labelled, else the middle.

    Example:
        >>> shown_plane(np.array([[[0, 0]], [[0, 0]], [[0, 4]]]))
        2
    """
    n = np.count_nonzero(labels > 0, axis=(1, 2))
    middle = len(n) // 2
    return middle if n[middle] == n.max() else int(n.argmax())


def plane(array: np.ndarray, index: int | None) -> np.ndarray:
    """One plane of an image [C, Z, Y, X]; an image without Z as it is; None = the middle."""
    return array if array.ndim == 3 else array[:, array.shape[1] // 2 if index is None else index]


def to_rgb(image: np.ndarray, *, index: int | None = None) -> np.ndarray:
    """An image [C, (Z,) Y, X] of any type as colours.

    Colours of 8 bits stay as they are; all else, also grey stored as colour, is stretched from the 1st to the 99.8th
    percentile. Of two channels the first is magenta and the second green; of four and more the first three are shown.

    Args:
        index: Plane of a volume; None = the middle.
    """
    pixels = plane(image, index)
    if len(pixels) == 3 and all(np.array_equal(pixels[0], c) for c in pixels[1:]):
        pixels = pixels[:1]
    if pixels.dtype == np.uint8 and len(pixels) == 3:
        return np.array(pixels)
    each = len(pixels) != 3
    return colours_of_channels(np.stack([_stretch(c) for c in pixels[:3]]) if each else _stretch(pixels))


def colours_of_channels(channels: np.ndarray) -> np.ndarray:
    """Red, green and blue [3, Y, X] of the channels [C, Y, X] of an image.

    One channel is grey; of two the first is magenta and the second green; of four and more the first three are shown.
    """
    if len(channels) == 1:
        return np.repeat(channels, 3, axis=0)
    return channels[[0, 1, 0]] if len(channels) == 2 else channels[:3]


def _stretch(values: np.ndarray) -> np.ndarray:
    numbers = np.asarray(values, np.float32)
    finite = numbers[np.isfinite(numbers)]
    low, high = np.percentile(finite, [1, 99.8]) if finite.size else (0.0, 1.0)
    if high <= low and finite.size:  # a few bright pixels on nothing
        low, high = finite.min(), finite.max()
    scaled = (np.nan_to_num(numbers, nan=float(low)) - low) / max(float(high - low), 1e-12)
    return (np.clip(scaled, 0, 1) * 255).astype(np.uint8)


def overlay(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """An image [C, (Z,) Y, X] with the contours of its labels [(Z,) Y, X]; touching classes or objects are told apart.

    The lines lie inside of what they surround and grow with the image, so that they stay visible when it is shrunk.

    Example:
        >>> image, labels = np.zeros((1, 5, 5), np.uint8), np.pad(np.ones((3, 3), np.int64), 1)
        >>> overlay(image, labels)[:, 1, 1].tolist(), overlay(image, labels)[:, 2, 2].tolist()
        ([255, 176, 0], [0, 0, 0])
    """
    index = shown_plane(labels) if labels.ndim == 3 else None
    flat = labels if index is None else labels[index]
    return draw_contours(to_rgb(image, index=index), flat)


def draw_contours(picture: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The same picture uint8 [3, Y, X], on which the contours of labels [Y, X] were drawn."""
    edge = _contours(labels, width=max(1, round(min(labels.shape) / _LINE)))
    picture[:, edge] = _colours(labels[edge])
    return picture


def _contours(labels: np.ndarray, *, width: int) -> np.ndarray:
    """Labelled pixels [Y, X] that lie at most ``width`` from another label."""
    from scipy.ndimage import grey_dilation, grey_erosion

    side = 2 * width + 1
    # the edge of the image is no contour: reflection adds no other label
    differs = grey_dilation(labels, size=side, mode="nearest") != grey_erosion(labels, size=side, mode="nearest")
    return differs & (labels > 0)


def confusion_picture(target: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """True and false positives and negatives of labels [Y, X] in the colours of ``CONFUSION``; ignored pixels are grey.

    Example:
        >>> picture = confusion_picture(np.array([[1, 0, 2]]), np.array([[1, 1, 1]]))
        >>> [tuple(picture[:, 0, x].tolist()) == CONFUSION[n] for x, n in enumerate(("tp", "fp", "other"))]
        [True, True, True]
    """
    true, predicted = target > 0, labels > 0
    right = target == labels
    picture = np.zeros((3, *target.shape), np.uint8)
    for name, where in (
        ("tp", true & right),
        ("fp", ~true & predicted),
        ("fn", true & ~predicted),
        ("tn", ~true & ~predicted),
        ("other", true & predicted & ~right),
    ):
        picture[:, where] = np.array(CONFUSION[name], np.uint8)[:, None]
    picture[:, target < 0] = np.array(IGNORED, np.uint8)[:, None]
    return picture


def label_picture(labels: np.ndarray, *, classes: int) -> np.ndarray:
    """Each class of labels [Y, X] in its colour, of two classes black and white; ignored pixels are grey."""
    picture = _colours(labels)
    if classes == 2:
        picture[:, labels == 1] = 255
    return picture


def _colours(labels: np.ndarray) -> np.ndarray:
    """Colours [3, ...] of labels [...]."""
    colours = colours_of(labels)
    colours[labels < 0] = IGNORED
    return np.moveaxis(colours, -1, 0)
