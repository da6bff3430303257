"""What is kept of an image so that its copies are known later, when the image itself is not there any more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamelle.data.audit.measure import THUMBNAIL, measure

SIDE = THUMBNAIL
"""Rows and columns of the small picture in a signature."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One image as its copies are recognised by: 4 KB, from which nobody reads a name."""

    id: str
    pixels: str
    """Hash of the decoded pixels, as ``Row.pixels``."""
    size: tuple[int, int]
    """Rows and columns of the image."""
    small: np.ndarray
    """uint8 ``[64, 64]``: grey, averaged along Z, stretched to a square and to 0 … 255."""


def sign(name: str, image: np.ndarray) -> Signature:
    """The signature of an image.

    Args:
        name: The id under which pairs name it.
        image: ``[C, (Z,) Y, X]``, native values.

    Example:
        >>> sign("a", np.zeros((3, 10, 20), np.uint16)).size
        (10, 20)
    """
    measured = measure(image)
    return Signature(name, measured.pixels, (image.shape[-2], image.shape[-1]), shrunk(measured.thumbnail))


def shrunk(square: np.ndarray) -> np.ndarray:
    """A square of any values as uint8 from its darkest to its brightest; a flat one as zeros.

    Example:
        >>> shrunk(np.array([[2.0, 3.0], [4.0, 7.0]])).tolist()
        [[0, 51], [102, 255]]
    """
    low, high = float(square.min()), float(square.max())
    return np.rint((square - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)
