"""Matrices of the geometry: how rotation, shear, zoom and shift are put together, and how far they reach."""

from __future__ import annotations

import math

import numpy as np

from lamelle.types import Spacing

THICK = 3.0
"""Slices more than this many times as thick as pixels are wide are never blended by zoom or shift along Z."""


def pixel_ratio(size: tuple[int, ...], spacing: Spacing | None) -> np.ndarray:
    """Pixels of each axis in the length of one along X [d]: 1 where isotropic, below 1 for thick slices.

    Raises:
        ValueError: If the size has not two or three axes, or the spacing not as many.
    """
    if len(size) not in (2, 3):
        raise ValueError(f"size {size} has {len(size)} axes, but images have 2 or 3")
    if spacing is None:
        return np.ones(len(size))
    if len(spacing) != len(size):
        raise ValueError(f"spacing {spacing} and size {size} differ in their number of axes")
    return spacing[-1] / np.array(spacing, np.float64)


def is_thick(ratio: np.ndarray) -> bool:
    """Whether slices are too thick to be blended with their neighbours."""
    return len(ratio) == 3 and ratio[0] * THICK < 1


def linear(rotate: np.ndarray, shear: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Shear · rotation in the plane [N, d, d], from radians [N]; angles hold in pixels that are not square."""
    n, d, angle, slope = len(rotate), len(ratio), rotate, np.tan(shear)
    plane = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
    plane[:, 1] += slope[:, None] * plane[:, 0]
    plane *= (ratio[-2:, None] / ratio[None, -2:])[None]
    matrices = np.zeros((n, d, d))
    matrices[:, range(d), range(d)] = 1.0
    matrices[:, -2:, -2:] = plane
    return matrices


def magnification(zoom: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Magnification of each axis [N, d]; thick slices are not zoomed along Z."""
    scale = np.repeat(zoom[:, None], len(ratio), axis=1)
    if is_thick(ratio):
        scale[:, 0] = 1.0
    return scale


def composed(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Matrices [N, d, d+1] of doing what ``inner`` says to what ``outer`` has made: outer(inner(output offset))."""
    d = outer.shape[1]
    turned = outer[:, :, :d] @ inner
    turned[:, :, d] += outer[:, :, d]
    return turned


def reach(box: np.ndarray, *, rotate: float, shear: float, zoom: float, ratio: np.ndarray) -> np.ndarray:
    """Half extents [d] of what lies under a box of half extents [d], in widths of a pixel along X.

    For any rotation up to ``rotate`` and shear up to ``shear`` degrees, at the smallest magnification ``zoom``.
    """
    *depth, y, x = box
    turned = _turned(y, x, rotate), _turned(x, y, rotate)
    sheared = turned[0], turned[1] + math.tan(math.radians(shear)) * turned[0]
    return np.array([*depth, *sheared]) / magnification(np.array([zoom]), ratio)[0]


def _turned(along: float, across: float, degrees: float) -> float:
    """Largest offset along an axis of a rectangle's corners, over all rotations up to ``degrees``."""
    angle = min(math.radians(degrees), math.atan2(across, along))
    return along * math.cos(angle) + across * math.sin(angle)
