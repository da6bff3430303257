"""Truth and prediction of one item, as statistics take them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lamelle.metrics import boundary
from lamelle.types import IGNORE, Spacing

DENSE = 0.5
"""Share of an image's pixels that must be labelled for scores of shape."""
OUTLINES = ("boundary_f", "nsd", "hd95", "one_empty")
"""What is measured of the outlines of each class, in one pass."""


@dataclass(frozen=True, slots=True)
class ClassPair:
    """An item that has a class, or several."""

    truth: np.ndarray
    """Number of the class, or 0 and 1 [K] where several may hold at once."""
    chosen: np.ndarray
    """What is said, as ``truth``."""
    probabilities: np.ndarray
    """[K], calibrated."""
    temperature: float | None = None
    """At which they were calibrated; None = they are as the network gave them."""


@dataclass(frozen=True)
class PixelPair:
    """An image or volume [(Z,) Y, X] whose pixels have a class; what the truth ignores is counted nowhere.

    Scores of shape need to see the shapes: where less than half of an image is labelled, it has none.
    """

    truth: np.ndarray
    """Classes; ``IGNORE`` = not known."""
    labels: np.ndarray
    """Predicted classes."""
    classes: int
    probabilities: np.ndarray | None = None
    """Of each class [K, ...]; where these do not exclude each other, of the classes 1, 2 … [K − 1, ...]."""
    uncalibrated: np.ndarray | None = None
    """The same before calibration, if they were calibrated."""
    exclusive: bool = True
    tolerance: float = 2.0
    """Pixels of the finest axis that outlines may be apart."""
    spacing: Spacing | None = None
    """Pixel size in µm, where it is known."""
    numbers: np.ndarray | None = None
    """Numbered objects of the truth, 0 where it is not known."""
    predicted_numbers: np.ndarray | None = None
    cells: np.ndarray | None = None
    """Where the prediction says class 0, which membranes part into cells."""

    @cached_property
    def known(self) -> np.ndarray:
        """Where the truth is known."""
        return self.truth != IGNORE

    @cached_property
    def dense(self) -> bool:
        """Whether enough is labelled for scores of shape."""
        return bool(self.known.mean() >= DENSE) if self.known.size else False

    @cached_property
    def edges(self) -> tuple[float, ...] | None:
        """Length of a pixel along each axis in µm; None if it is not known."""
        axes = self.truth.ndim
        return self.spacing[-axes:] if self.spacing is not None and len(self.spacing) >= axes else None

    @cached_property
    def outlines(self) -> np.ndarray:
        """`OUTLINES` of each class [4, K], in pixels of the finest axis; NaN where there is none."""
        if not self.dense:
            return np.full((len(OUTLINES), self.classes), np.nan)
        edges = self.edges or (1.0,) * self.truth.ndim
        steps = tuple(edge / min(edges) for edge in edges)
        each = [
            boundary.boundary_scores(
                (self.truth == c) & self.known, (self.labels == c) & self.known, tolerance=self.tolerance, spacing=steps
            )
            for c in range(self.classes)
        ]
        return np.array([[one[name] for one in each] for name in OUTLINES])
