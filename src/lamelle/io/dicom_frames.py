"""Where the frames of a DICOM file lie: their order along the patient, and the affine of the volume that they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lamelle.io.geometry import located
from lamelle.types import Geometry

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_EVEN = 0.05
"""Part of their distance by which frames may lie off an even row."""
_SAME_WAY = 1e-3
"""Difference of two direction cosines that are the same, written with few digits."""


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames that make a volume."""

    order: tuple[int, ...]
    """Stored frames along their normal."""
    geometry: Geometry
    """Of the frames in this order."""


def placed(data: Dataset, size: tuple[int, int]) -> Frames | None:
    """Sort frames by their position in the patient.

    Args:
        size: Columns and rows.

    Returns:
        None where the frames do not say where they lie (ultrasound), lie on each other (times, echoes), in several
        directions, or at uneven distances.
    """
    planes = _planes(data)
    pixel = _pixel(data)
    if planes is None or pixel is None:
        return None
    directions, positions = planes
    across, down = directions[0, :3], directions[0, 3:]
    normal = np.cross(across, down)
    if np.abs(directions - directions[0]).max() > _SAME_WAY or not np.isfinite(positions).all() or not normal.any():
        return None
    along = positions @ (normal / np.linalg.norm(normal))
    order = np.argsort(along, kind="stable")
    steps = np.diff(positions[order], axis=0)
    step = steps.mean(axis=0)
    if not np.linalg.norm(step) or np.abs(steps - step).max() > _EVEN * np.linalg.norm(step):
        return None
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = across * pixel[1], down * pixel[0], step
    affine[:3, 3] = positions[order[0]]
    affine[:2] *= -1  # DICOM counts to the left and the back
    geometry = located(affine, (*size, len(order)))
    return None if geometry is None else Frames(tuple(int(i) for i in order), geometry)


def _planes(data: Dataset) -> tuple[np.ndarray, np.ndarray] | None:
    """Direction cosines [F, 6] and positions [F, 3] of the frames of an enhanced file."""
    shared = (data.get("SharedFunctionalGroupsSequence") or [None])[0]
    frames = data.get("PerFrameFunctionalGroupsSequence") or []
    if len(frames) != int(data.get("NumberOfFrames") or 1):
        return None
    directions, positions = [], []
    for frame in frames:
        direction = _of(frame, shared, "PlaneOrientationSequence", "ImageOrientationPatient")
        position = _of(frame, shared, "PlanePositionSequence", "ImagePositionPatient")
        if direction is None or position is None or len(direction) != 6 or len(position) != 3:
            return None
        directions.append([float(v) for v in direction])
        positions.append([float(v) for v in position])
    return np.array(directions), np.array(positions)


def _pixel(data: Dataset) -> tuple[float, float] | None:
    """Distance of rows and of columns in millimetres."""
    shared = (data.get("SharedFunctionalGroupsSequence") or [None])[0]
    frames = data.get("PerFrameFunctionalGroupsSequence") or [None]
    spacing = _of(frames[0], shared, "PixelMeasuresSequence", "PixelSpacing") or data.get("PixelSpacing")
    if not spacing or len(spacing) != 2:
        return None
    return float(spacing[0]), float(spacing[1])


def _of(frame: Any, shared: Any, group: str, name: str) -> Any:
    """A value of a frame, or of all of them."""
    for source in (frame, shared):
        items = source.get(group) if source is not None else None
        if items and name in items[0]:
            return items[0].get(name)
    return None
