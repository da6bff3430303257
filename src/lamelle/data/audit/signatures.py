"""What is kept of an image so that its copies are known later, when the image itself is not there any more."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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

    def to_json(self) -> dict[str, Any]:
        """Plain text and numbers; the small picture as base64.

        Example:
            >>> one = sign("a", np.eye(80, dtype=np.uint8)[None])
            >>> again = Signature.from_json(one.to_json())
            >>> again.pixels == one.pixels, bool((again.small == one.small).all())
            (True, True)
        """
        small = base64.b64encode(self.small.tobytes()).decode("ascii")
        return {"id": self.id, "pixels": self.pixels, "size": list(self.size), "small": small}

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> Signature:
        """The signature that ``to_json`` wrote.

        Raises:
            KeyError: If something is missing.
            ValueError: If the small picture is not one of 64 × 64.
        """
        small = np.frombuffer(base64.b64decode(plain["small"], validate=True), np.uint8).reshape(SIDE, SIDE)
        rows, columns = plain["size"]
        return Signature(str(plain["id"]), str(plain["pixels"]), (int(rows), int(columns)), small)


def sign(name: str, image: np.ndarray) -> Signature:
    """The signature of an image.

    Args:
        name: The id under which pairs name it.
        image: ``[C, (Z,) Y, X]``, native values.

    Example:
        >>> sign("a", np.zeros((3, 10, 20), np.uint16)).size
        (10, 20)
    """
    found = measure(image)
    return Signature(name, found.pixels, (image.shape[-2], image.shape[-1]), shrunk(found.thumbnail))


def shrunk(square: np.ndarray) -> np.ndarray:
    """A square of any values as uint8 from its darkest to its brightest; a flat one as zeros.

    Example:
        >>> shrunk(np.array([[2.0, 3.0], [4.0, 7.0]])).tolist()
        [[0, 51], [102, 255]]
    """
    low, high = float(square.min()), float(square.max())
    return np.rint((square - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)
