"""What is to be written, before the first pixel comes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamelle.types import Geometry, Spacing


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a TIFF states the size of its pixels."""

    unit: str | None = None
    """That of ImageJ."""
    resolution: tuple[tuple[int, int], tuple[int, int]] | None = None
    """Of a TIFF of no microscopy program: pixels per unit along X and Y, as fractions."""
    per: int = 1
    """Its unit: 1 = none, 2 = inch, 3 = centimetre."""


@dataclass(frozen=True, slots=True)
class Form:
    """What the planes are, before the first one comes."""

    shape: tuple[int, ...]
    """``[C, (Z,) Y, X]``"""
    dtype: np.dtype
    spacing: Spacing | None
    """µm, (Z,) Y, X."""
    colours: bool = False
    """The three channels are red, green and blue, to be shown together."""
    labels: np.ndarray | None = None
    """Of labels, all of them: they get colours or a display range, so that a viewer does not show black on black."""
    stated: Calibration | None = None
    """How another TIFF states its pixel size, to be stated likewise."""
    name: str = ""
    """Of the image, for formats that say it."""
    geometry: Geometry | None = None
    """Where the voxels of the file lie that the planes were read from, as it stores them."""

    @property
    def depth(self) -> int:
        """Number of planes."""
        return self.shape[1] if len(self.shape) == 4 else 1

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize
