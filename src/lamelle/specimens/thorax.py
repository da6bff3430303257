"""Chest X-rays: a thorax of one patient in front view, healthy or with one of three patterns of shadow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamelle.specimens.specimen import Specimen, smooth_noise, to_uint8

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
    absorbed = _soft_tissue(rng, chest)
    absorbed += _skeleton(rng, chest)
    absorbed += _vessels(rng, chest)
    absorbed += _shadows(rng, chest, class_)
    return Specimen(_film(rng, chest, absorbed)[None], (chest.inside > 0).astype(np.int64), CLASSES, None)


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


def _inside(distance: np.ndarray, width: float) -> np.ndarray:
    """1 where a signed distance is well positive, 0 where well negative; any shape."""
    return 1 / (1 + np.exp(-np.clip(distance * 4 / width, -30, 30)))


def _band(distance: np.ndarray, width: float) -> np.ndarray:
    """A soft line where a distance is 0; any shape."""
    return np.exp(-((distance / width) ** 2))


def _soft_tissue(rng: np.random.Generator, chest: Chest) -> np.ndarray:
    """Body, mediastinum, heart, liver and stomach, less the air in lungs and windpipe; [Y, X]."""
    x, y = chest.x, chest.y
    half = 0.24 + rng.uniform(0.68, 0.85) * _inside(y + rng.uniform(0.70, 0.82), 0.28)
    body = _inside(half - np.abs(x), 0.06) * np.sqrt(np.clip(1 - 0.55 * (x / half) ** 2, 0.15, 1))
    air = _inside(chest.inside, 0.035) * (0.72 + 0.28 * np.clip(chest.inside / 0.16, 0, 1))
    total = 0.66 * body - rng.uniform(0.40, 0.50) * air
    total += 0.17 * _band(x, 0.19) * body + 0.11 * _inside(chest.heart, 0.11)
    below = (chest.inside < 0) & (np.abs(x) < chest.lateral + 0.05)
    total += 0.14 * _inside(y - 0.40, 0.3) * below * body
    total -= 0.12 * _band(x + 0.01, 0.035) * _inside(-0.22 - y, 0.15) * _inside(y + 1.1, 0.2)
    if rng.random() < 0.4:  # air in the stomach
        bubble = 1 - np.hypot((x - rng.uniform(0.3, 0.45)) / 0.16, (y - rng.uniform(0.68, 0.8)) / 0.09)
        total -= rng.uniform(0.08, 0.2) * _inside(bubble, 0.3)
    breast = rng.random() < 0.4
    for side in (-1, 1) if breast else ():
        disc = 1 - np.hypot((x - side * 0.48) / 0.36, (y - 0.22) / 0.36)
        total += rng.uniform(0.03, 0.08) * _inside(disc, 0.15)
    return total + 0.02 * smooth_noise(rng, x.shape, x.shape[0] / 6) * body


def _skeleton(rng: np.random.Generator, chest: Chest) -> np.ndarray:
    """Spine, ribs behind and before, collar bones, shoulder blades; [Y, X]."""
    x, y = chest.x, chest.y
    apart = np.abs(x)
    strength = rng.uniform(0.6, 1.3)
    pitch = rng.uniform(0.125, 0.15)
    column = _band(x, 0.075) * (0.10 + 0.035 * np.cos(2 * np.pi * y / (0.8 * pitch)))
    total = column * _inside(0.9 - np.abs(y), 0.5)
    chest_wall = _inside(chest.lateral + 0.05 - apart, 0.05) * _inside(apart - 0.06, 0.06)
    start, slope = rng.uniform(-0.76, -0.70), rng.uniform(0.75, 1.1)
    for k in range(10):
        span = 0.25 + 0.55 * min(1.0, (k + 1) / 4)
        arc = start + pitch * k - 0.10 + slope * np.clip(apart - 0.18 * span, 0, None) ** 2 / span
        offset = y - arc
        bone = _band(offset, 0.032) + 0.5 * _band(np.abs(offset) - 0.026, 0.008)
        total += 0.075 * strength * bone * chest_wall
        front = start + 0.22 + pitch * k + 0.55 * (chest.lateral - apart)
        total += 0.05 * strength * _band(y - front, 0.036) * chest_wall * _inside(apart - 0.32, 0.1)
    lift = rng.uniform(-0.15, 0.05)
    collar = y - (-0.66 + lift * (apart - 0.1) - 0.10 * np.sin(4.5 * apart))
    total += (
        0.15
        * strength
        * (_band(collar, 0.030) + 0.3 * _band(np.abs(collar) - 0.03, 0.01))
        * _inside(apart - 0.07, 0.04)
        * _inside(0.82 - apart, 0.1)
    )
    blade = apart - (rng.uniform(0.70, 0.84) - 0.25 * (y + 0.3) ** 2)
    total += 0.09 * strength * _band(blade, 0.025) * _inside(0.35 - np.abs(y + 0.35), 0.1)
    return total


def _vessels(rng: np.random.Generator, chest: Chest) -> np.ndarray:
    """Vessels that fan out from both hila and thin out towards the ribs; [Y, X]."""
    from scipy.ndimage import map_coordinates

    x, y = chest.x, chest.y
    hilum_y = rng.uniform(-0.08, 0.04)
    strength = rng.uniform(0.5, 1.1)
    total = np.zeros_like(x)
    for side in (-1, 1):
        across, down = side * x - 0.16, y - hilum_y
        far = np.hypot(across, down)
        angle = np.arctan2(down, across)
        fan = smooth_noise(rng, (160, 64), (4.0, 9.0))
        where = [(angle + np.pi) / (2 * np.pi) * 159, np.clip(far / 1.2, 0, 1) * 63]
        ridge = _band(map_coordinates(fan, where, order=1), 0.22)
        total += (side * x > 0) * (0.17 * ridge * np.exp(-far / 0.28) + 0.12 * np.exp(-((far / 0.11) ** 2)))
    return strength * total * _inside(chest.inside + 0.02, 0.05)


def _shadows(rng: np.random.Generator, chest: Chest, class_: str) -> np.ndarray:
    """What the class adds to the lungs; [Y, X], nothing for Normal."""
    pattern = {"COVID": _patches, "Lung_Opacity": _field, "Viral Pneumonia": _net}.get(class_)
    if pattern is None:
        return np.zeros_like(chest.x)
    return pattern(rng, chest) * _inside(chest.inside, 0.06)


def _spots(rng: np.random.Generator, chest: Chest, weight: np.ndarray, number: int) -> list[tuple[float, float]]:
    """Places drawn with probability ``weight`` [Y, X]."""
    flat = np.clip(weight, 0, None).astype(np.float64).ravel()
    chosen = rng.choice(flat.size, number, p=flat / flat.sum())
    return [(float(chest.x.flat[c]), float(chest.y.flat[c])) for c in chosen]


def _patches(rng: np.random.Generator, chest: Chest) -> np.ndarray:
    """Hazy patches in both lungs, low and near the ribs."""
    size = len(chest.x)
    edge = np.exp(-np.clip(chest.inside, 0, None) / 0.09) * (chest.inside > 0.015) * _inside(chest.y + 0.12, 0.5)
    edge = edge * (np.abs(chest.x) > 0.36)
    cloud = np.clip(0.75 + 0.45 * smooth_noise(rng, chest.x.shape, size / 22), 0, 2)
    haze = np.zeros_like(chest.x)
    for side in (-1, 1):
        for x, y in _spots(rng, chest, edge * (side * chest.x > 0), int(rng.integers(2, 5))):
            wide, tall = rng.uniform(0.08, 0.15), rng.uniform(0.09, 0.20)
            spot = np.exp(-(((chest.x - x) / wide) ** 2) - ((chest.y - y) / tall) ** 2)
            haze = np.maximum(haze, rng.uniform(0.6, 1.0) * spot)
    return rng.uniform(0.24, 0.42) * haze * cloud


def _field(rng: np.random.Generator, chest: Chest) -> np.ndarray:
    """One denser field with a fairly sharp border in one lung, anywhere."""
    size = len(chest.x)
    side = rng.choice((-1, 1))
    [(x, y)] = _spots(rng, chest, (chest.inside > 0.06) * (side * chest.x > 0), 1)
    wide, tall = rng.uniform(0.16, 0.27), rng.uniform(0.16, 0.30)
    ragged = 0.2 * smooth_noise(rng, chest.x.shape, size / 12)
    disc = 1 - np.hypot((chest.x - x) / wide, (chest.y - y) / tall) + ragged
    texture = np.clip(0.9 + 0.18 * smooth_noise(rng, chest.x.shape, size / 30), 0, 2)
    return rng.uniform(0.34, 0.50) * _inside(disc, rng.uniform(0.8, 1.6)) * texture * (side * chest.x > 0)


def _net(rng: np.random.Generator, chest: Chest) -> np.ndarray:
    """A fine net and light haze over both lungs, densest around the hila."""
    size = len(chest.x)
    near = np.exp(-np.hypot(np.abs(chest.x) - 0.25, chest.y - 0.05) / rng.uniform(0.35, 0.8))
    mesh = 0.7 * _band(smooth_noise(rng, chest.x.shape, max(size / 24, 1.6)), 0.35)
    mesh = mesh + 0.45 * np.clip(smooth_noise(rng, chest.x.shape, max(size / 45, 1.2)), -0.5, 2)
    uneven = np.clip(0.9 + 0.4 * smooth_noise(rng, chest.x.shape, size / 5), 0.2, 2)
    return rng.uniform(0.17, 0.25) * (mesh + 0.6) * near * uneven


def _film(rng: np.random.Generator, chest: Chest, absorbed: np.ndarray) -> np.ndarray:
    """Grey image uint8 [Y, X]: exposure, curve, shading, grain, and what lies on or beside the patient."""
    from scipy.ndimage import gaussian_filter

    size = len(absorbed)
    total = gaussian_filter(absorbed, rng.uniform(0.3, 0.7) * size / 128)
    if rng.random() < 0.3:  # a cable or a tube
        bend = smooth_noise(rng, (size,), size / 3)[:, None] * 0.12 + rng.uniform(-0.5, 0.5)
        total = total + 0.12 * _band(chest.x - bend, 0.012) * (chest.y < rng.uniform(-0.2, 0.9))
    total += rng.normal(0, 0.05) * chest.x + rng.normal(0, 0.05) * chest.y
    low, high = np.quantile(total, [rng.uniform(0.005, 0.05), rng.uniform(0.96, 0.999)])
    value = np.clip((total - low) / (high - low), 0, 1) ** rng.uniform(0.75, 1.35)
    value = rng.uniform(0, 0.10) + value * rng.uniform(0.78, 0.97)
    _mark(rng, value)
    if rng.random() < 0.25:  # the edge of the exposed field
        edge = int(rng.integers(1, max(2, size // 12)))
        side = int(rng.integers(4))
        np.rot90(value, side)[:edge] = 0.02
    grain = gaussian_filter(rng.standard_normal(value.shape), 0.5) * rng.uniform(1.5, 5)
    return to_uint8(255 * value + grain)


_LETTERS = {"R": ("110", "101", "110", "101", "101"), "L": ("100", "100", "100", "100", "111")}


def _mark(rng: np.random.Generator, value: np.ndarray) -> None:
    """A lead letter R or L in an upper corner, in place, on most films."""
    size = len(value)
    letter = rng.choice(("R", "L", ""))
    if not letter or size < 64:
        return
    shape = np.array([[float(c) for c in row] for row in _LETTERS[letter]])
    stamp = np.kron(shape, np.ones((int(rng.integers(1, 2 + size // 128)),) * 2))
    rows, columns = stamp.shape
    top, gap = (int(v) for v in rng.integers(2, size // 8, 2))
    left = gap if letter == "R" else size - gap - columns
    view = value[top : top + rows, left : left + columns]
    np.maximum(view, 0.98 * stamp, out=view)
