"""What a synthetic specimen is, and the noise that all of them are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from lamelle.types import Spacing

_SPLINE_VARIANCE = 151 / 315  # of a cubic B-spline of unit white noise, per axis, averaged over positions


@dataclass(frozen=True, slots=True, eq=False)
class Specimen:
    """A synthetic image and its truth, known because the image was drawn from it."""

    image: np.ndarray
    """uint8 ``[C, (Z,) Y, X]``."""
    labels: np.ndarray
    """int64 (classes) or uint32 (objects) ``[(Z,) Y, X]``."""
    classes: tuple[str, ...]
    """Names of the label values 0, 1, ...; for objects, of 0 and of everything else."""
    spacing: Spacing | None
    """Micrometres, (Z,) Y, X; none where a picture has no scale."""


def smooth_noise(rng: np.random.Generator, shape: Sequence[int], scale: Sequence[float] | float) -> np.ndarray:
    """Smooth random field [shape], float32, mean 0 and variance about 1, with features of ``scale`` pixels per axis.

    Cubic B-splines of white noise, evaluated axis by axis: its cost does not grow with the scale.

    Example:
        >>> smooth_noise(np.random.default_rng(0), (20, 30), 5.0).shape
        (20, 30)
    """
    scales = [float(scale)] * len(shape) if isinstance(scale, (int, float)) else [float(s) for s in scale]
    knots = [ceil((n - 1) / s) + 4 for n, s in zip(shape, scales, strict=True)]
    field = rng.standard_normal(knots, dtype=np.float32)
    for axis, (n, s, k) in enumerate(zip(shape, scales, knots, strict=True)):
        basis = _spline_basis(n, s, k, float(rng.uniform(0, 1)))
        field = np.moveaxis(np.tensordot(basis, field, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(field) / np.float32(_SPLINE_VARIANCE ** (len(shape) / 2))


def _spline_basis(n: int, scale: float, knots: int, offset: float) -> np.ndarray:
    """Weights [n, knots] of the cubic B-spline at positions 0 ... n − 1."""
    position = np.minimum(np.arange(n) / scale + offset, knots - 3 - 1e-6)
    first = position.astype(int)
    t = position - first
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    basis = np.zeros((n, knots), np.float32)
    for step, weight in enumerate(weights):
        basis[np.arange(n), first + step] = weight / 6
    return basis


def soft(signed_distance: np.ndarray, width: float) -> np.ndarray:
    """1 inside (negative distance), 0 outside, a ramp of ``width`` pixels between; float32, any shape."""
    return np.clip(0.5 - signed_distance / width, 0, 1).astype(np.float32)


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Grey values rounded and clipped to 0 ... 255; any shape."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
