"""Chest X-rays: a thorax of one patient in front view, healthy or with one of three patterns of shadow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamelle.specimens.specimen import Specimen, smooth_noise
from lamelle.specimens.thorax_look import film, shadows, skeleton, soft_tissue, vessels

CLASSES = ("background", "lung")
CLASS_NAMES = ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")


@dataclass(frozen=True, slots=True)
class Chest:
    """Geometry of one patient; lengths in half pictures, from −1 (left, top) to 1 (right, bottom)."""

    x: np.ndarray
    """Across the bent and turned chest [Y, X]."""
    y: np.ndarray
    lateral: np.ndarray
    """Where the lung ends towards the ribs, at each height [Y, X]."""
    inside: np.ndarray
    """Signed distance to the border of the nearer lung [Y, X], positive inside."""
    heart: np.ndarray
    """Signed distance to the border of the heart [Y, X], positive inside."""


def make_thorax(*, seed: int, size: int, class_: str) -> Specimen:
    """A chest X-ray: image [1, size, size] and its lungs [size, size] (1 = lung).

    The shadows of the classes are invented after what radiology calls typical: COVID hazy patches in both lungs, low
    and near the ribs; Lung_Opacity one denser field in one lung; Viral Pneumonia a fine net over both lungs; Normal
    none. Build, posture, exposure, markers and cables vary from patient to patient and say nothing about the class.
    Good for learning and testing software, never medicine.

    Args:
        seed: Equal arguments give equal pixels.
        size: Rows and columns.
        class_: One of ``CLASS_NAMES``.

    Raises:
        ValueError: If the class is none of them; the message lists them.

    Example:
        >>> chest = make_thorax(seed=1, size=64, class_="Normal")
        >>> chest.image.shape, int(chest.labels.max())
        ((1, 64, 64), 1)
    """
    if class_ not in CLASS_NAMES:
        raise ValueError(f"class_ {class_!r}: one of {', '.join(CLASS_NAMES)}")
    rng = np.random.default_rng([seed, 4])
    chest = _posture(rng, size)
    absorbed = soft_tissue(rng, chest)
    absorbed += skeleton(rng, chest)
    absorbed += vessels(rng, chest)
    absorbed += shadows(rng, chest, class_)
    return Specimen(film(rng, chest, absorbed)[None], (chest.inside > 0).astype(np.int64), CLASSES, None)


def _posture(rng: np.random.Generator, size: int) -> Chest:
    """Draw build and posture: turn, shift, zoom, breath, size of the heart."""
    steps = (np.arange(size, dtype=np.float32) + 0.5) * 2 / size - 1
    row, column = np.meshgrid(steps, steps, indexing="ij")
    turn, zoom = rng.normal(0, 0.04), rng.uniform(0.92, 1.12)
    x = (column * np.cos(turn) + row * np.sin(turn)) * zoom - rng.normal(0, 0.05)
    y = (row * np.cos(turn) - column * np.sin(turn)) * zoom - rng.normal(-0.02, 0.05)
    x = x + 0.012 * smooth_noise(rng, (size, size), size / 5)
    y = y + 0.014 * smooth_noise(rng, (size, size), size / 5)
    side = np.where(x < 0, -1.0, 1.0)  # the patient's right lung is on the left of the picture
    apart = np.abs(x)
    base = rng.uniform(0.38, 0.58)
    top = rng.uniform(-0.78, -0.70)
    width = rng.uniform(0.70, 0.80)
    height = np.clip((y - top) / (base - top), 0, 1.3)
    lateral = 0.30 + (width - 0.30) * np.sin(np.pi / 2 * np.minimum(height * 1.2, 1)) ** 0.6
    heart_size = rng.uniform(0.85, 1.2)
    bulge = np.exp(-(((height - 0.82) / 0.30) ** 2))
    medial = 0.13 + np.where(side > 0, 0.24 * heart_size, 0.07) * bulge + 0.03 * np.cos(7 * height)
    dome = base - np.where(side < 0, 0.05, 0.0) + 1.1 * np.clip(apart - rng.uniform(0.28, 0.36), -0.2, None) ** 2
    apex = top + 1.3 * (apart - 0.33) ** 2
    inside = _softly_least([apart - medial, lateral - apart, dome - y, y - apex], sharpness=38.0)
    middle, tall = 0.11 * heart_size, rng.uniform(0.30, 0.38) * heart_size
    heart = 0.3 * (1 - np.hypot((x - middle - 0.15 * (y - 0.25)) / (0.30 * heart_size), (y - base + 0.26) / tall))
    return Chest(x, y, lateral, inside.astype(np.float32), heart)


def _softly_least(distances: list[np.ndarray], *, sharpness: float) -> np.ndarray:
    """The least of some signed distances [Y, X], with rounded corners."""
    return -np.log(np.sum([np.exp(-sharpness * np.clip(d, -2, 2)) for d in distances], axis=0)) / sharpness
