"""Distances between the outlines of two masks, boolean [(Z,) Y, X].

The outline is the mask's own outermost pixels (face neighbours; a mask that touches the border of the image ends
there, but it goes on beyond the first and the last slice: a volume, or a block of it, is cut from a larger one, and a
cut is no outline). Distances are between centres of outline pixels, in the unit of the spacing.

The rule for empty masks: both empty = every score is NaN; one empty = ``boundary_f`` and ``nsd`` are 0, and ``hd95``
and ``assd`` are NaN, for there is no distance. A mean of distances hides these cases, hence :func:`boundary_scores`
counts them as ``one_empty``, to be reported beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

NAMES = ("boundary_f", "nsd", "hd95", "assd", "one_empty")


@dataclass(frozen=True, slots=True)
class Gaps:
    """Distances between two outlines."""

    target: np.ndarray
    """From each outline pixel of the target to the nearest one of the prediction, float64 [N]."""
    prediction: np.ndarray
    """From each outline pixel of the prediction to the nearest one of the target, float64 [M]."""
    empty: int
    """How many of the two masks are empty; unless 0, both arrays are empty."""


def gaps(target: np.ndarray, prediction: np.ndarray, *, spacing: Sequence[float]) -> Gaps:
    """Distances from which every score of this module follows.

    Raises:
        ValueError: If the shapes differ, or the spacing has another number of axes.

    Example:
        >>> a, b = np.zeros((2, 1, 9), bool)
        >>> a[0, 2], b[0, 5] = True, True
        >>> gaps(a, b, spacing=(1.0, 0.5)).target
        array([1.5])
    """
    target, prediction = np.asarray(target, bool), np.asarray(prediction, bool)
    if target.shape != prediction.shape:
        raise ValueError(f"the shapes differ: target {target.shape}, prediction {prediction.shape}")
    if len(spacing) != target.ndim:
        raise ValueError(f"spacing {tuple(spacing)} has {len(spacing)} axes, but the masks have {target.ndim}")
    none = np.empty(0)
    empty = int(not target.any()) + int(not prediction.any())
    if empty:
        return Gaps(none, none, empty)
    if target.ndim == 3:
        target, prediction = (np.pad(mask, ((1, 1), (0, 0), (0, 0)), mode="edge") for mask in (target, prediction))
    box = _box(target | prediction)
    ends = (box[0].start == 0, box[0].stop == len(target)) if target.ndim == 3 else (False, False)
    one, other = (_outline(mask[box], ends) for mask in (target, prediction))
    return Gaps(_distances(one, other, spacing), _distances(other, one, spacing), 0)


def _box(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box around a mask that is not empty."""
    sides = []
    for axis in range(mask.ndim):
        others = tuple(a for a in range(mask.ndim) if a != axis)
        places = np.flatnonzero(mask.any(axis=others))
        sides.append(slice(int(places[0]), int(places[-1]) + 1))
    return tuple(sides)


def _outline(mask: np.ndarray, ends: tuple[bool, bool]) -> np.ndarray:
    """The outermost pixels; of the first and the last slice none, where they only repeat what goes on (``ends``)."""
    from scipy.ndimage import binary_erosion

    outline = mask & ~binary_erosion(mask)
    outline[: int(ends[0])] = False
    outline[len(outline) - int(ends[1]) :] = False
    return outline


def _distances(places: np.ndarray, outline: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """From each pixel of ``places`` to the nearest of ``outline``, float64 [N], in units of the spacing.

    Only these are computed: a distance for every pixel of a large image would take six times its memory.
    """
    from scipy.ndimage import distance_transform_edt

    nearest = np.asarray(distance_transform_edt(~outline, spacing, return_distances=False, return_indices=True))
    squares = np.zeros(np.count_nonzero(places))
    for axis, (here, step) in enumerate(zip(np.nonzero(places), spacing, strict=True)):
        squares += np.square((nearest[axis][places] - here) * float(step))
    return np.sqrt(squares)


def boundary_f(target: np.ndarray, prediction: np.ndarray, *, tolerance: float, spacing: Sequence[float]) -> float:
    """Boundary F: harmonic mean of the shares of either outline that have the other one within the tolerance.

    Example:
        >>> a, b = np.zeros((2, 8, 8), bool)
        >>> a[2:6, 2:6], b[2:6, 3:7] = True, True
        >>> boundary_f(a, b, tolerance=1.0, spacing=(1.0, 1.0))
        1.0
        >>> round(boundary_f(a, b, tolerance=0.5, spacing=(1.0, 1.0)), 3)
        0.5

    Reference: Csurka et al. (2013), doi:10.5244/C.27.32
    """
    return _boundary_f(gaps(target, prediction, spacing=spacing), tolerance)


def nsd(target: np.ndarray, prediction: np.ndarray, *, tolerance: float, spacing: Sequence[float]) -> float:
    """Normalised surface Dice: share of the pixels of both outlines that have the other one within the tolerance.

    Outline pixels are counted, not areas of a fitted surface.

    Example:
        >>> a, b = np.zeros((2, 8, 8), bool)
        >>> a[2:6, 2:6] = True
        >>> nsd(a, a, tolerance=1.0, spacing=(1.0, 1.0)), nsd(a, b, tolerance=1.0, spacing=(1.0, 1.0))
        (1.0, 0.0)

    Reference: Nikolov et al. (2021), doi:10.2196/26151
    """
    return _nsd(gaps(target, prediction, spacing=spacing), tolerance)


def hd95(target: np.ndarray, prediction: np.ndarray, *, spacing: Sequence[float]) -> float:
    """Hausdorff distance at the 95th percentile of each direction, the larger of the two.

    Example:
        >>> a, b = np.zeros((2, 8, 8), bool)
        >>> a[2:6, 2:6], b[2:6, 3:7] = True, True
        >>> hd95(a, b, spacing=(1.0, 1.0))
        1.0

    Reference: Huttenlocher, Klanderman and Rucklidge (1993), doi:10.1109/34.232073
    """
    return _hd95(gaps(target, prediction, spacing=spacing))


def assd(target: np.ndarray, prediction: np.ndarray, *, spacing: Sequence[float]) -> float:
    """Average symmetric surface distance: mean over the pixels of both outlines.

    Example:
        >>> a, b = np.zeros((2, 8, 8), bool)
        >>> a[2:6, 2:6], b[2:6, 3:7] = True, True
        >>> assd(a, b, spacing=(1.0, 1.0))
        0.5

    Reference: Heimann et al. (2009), doi:10.1109/TMI.2009.2013851
    """
    return _assd(gaps(target, prediction, spacing=spacing))


def boundary_scores(
    target: np.ndarray, prediction: np.ndarray, *, tolerance: float, spacing: Sequence[float]
) -> dict[str, float]:
    """All of ``NAMES`` from one pass; ``one_empty`` is 1 if exactly one mask is empty, else 0.

    Example:
        >>> a, b = np.zeros((2, 8, 8), bool)
        >>> a[2:6, 2:6] = True
        >>> boundary_scores(a, b, tolerance=1.0, spacing=(1.0, 1.0))
        {'boundary_f': 0.0, 'nsd': 0.0, 'hd95': nan, 'assd': nan, 'one_empty': 1.0}
    """
    distances = gaps(target, prediction, spacing=spacing)
    scores = (
        _boundary_f(distances, tolerance),
        _nsd(distances, tolerance),
        _hd95(distances),
        _assd(distances),
        float(distances.empty == 1),
    )
    return dict(zip(NAMES, scores, strict=True))


def _without(distances: Gaps) -> float:
    """The score of agreement where a mask is empty."""
    return math.nan if distances.empty == 2 else 0.0


def _boundary_f(distances: Gaps, tolerance: float) -> float:
    if distances.empty:
        return _without(distances)
    recall, precision = (float((side <= tolerance).mean()) for side in (distances.target, distances.prediction))
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _nsd(distances: Gaps, tolerance: float) -> float:
    if distances.empty:
        return _without(distances)
    return float((np.concatenate([distances.target, distances.prediction]) <= tolerance).mean())


def _hd95(distances: Gaps) -> float:
    if distances.empty:
        return math.nan
    return float(max(np.percentile(distances.target, 95), np.percentile(distances.prediction, 95)))


def _assd(distances: Gaps) -> float:
    if distances.empty:
        return math.nan
    return float(np.concatenate([distances.target, distances.prediction]).mean())
