"""Cell nuclei as three kinds of microscope show them: fluorescence, stained sections, transmitted light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamelle.specimens.specimen import Specimen, smooth_noise, soft, to_uint8
from lamelle.specimens.stain import eosin_tissue, stained

CLASSES = ("background", "nucleus")
KINDS = ("fluorescence", "stained section", "transmitted light")
_SHARES = (0.7, 0.2, 0.1)


@dataclass(frozen=True, slots=True)
class Blob:
    """One object in a window of the picture."""

    window: tuple[slice, slice]
    distance: np.ndarray
    """Signed distance to its border [rows, columns], pixels, negative inside."""
    radius: float


def make_nuclei(*, seed: int, size: int) -> Specimen:
    """Nuclei: image [3, size, size] and objects numbered from 1, uint32 [size, size].

    The seed also draws the kind: dark fields with nuclei of uneven brightness, clustered, out of focus and
    unevenly lit, with debris; or purple on pink and white; or dark in grey cells on white: no threshold serves all.

    Example:
        >>> cells = make_nuclei(seed=3, size=64)
        >>> cells.image.shape, cells.labels.dtype
        ((3, 64, 64), dtype('uint32'))
    """
    rng = np.random.default_rng([seed, 2])
    kind = rng.choice(KINDS, p=_SHARES)
    draw = {KINDS[0]: _fluorescence, KINDS[1]: _stained_section, KINDS[2]: _transmitted}[kind]
    image, labels = draw(rng, size)
    return Specimen(image, _renumbered(labels), CLASSES, None)


def _renumbered(labels: np.ndarray) -> np.ndarray:
    """Objects 1 ... n without gaps, uint32 [Y, X]."""
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.uint32)


def blob(
    rng: np.random.Generator, size: int, centre: np.ndarray, radius: float, *, longer: float, bumps: float
) -> Blob:
    """An ellipse ``longer`` than wide whose outline has waves of relative height ``bumps``."""
    reach = radius * longer * (1 + 2.5 * bumps) + 6
    low = np.maximum(np.floor(centre - reach), 0).astype(int)
    high = np.minimum(np.ceil(centre + reach) + 1, size).astype(int)
    window = (slice(low[0], high[0]), slice(low[1], high[1]))
    y, x = np.ogrid[window]
    dy, dx = y - centre[0], x - centre[1]
    turn = rng.uniform(0, np.pi)
    u, v = np.cos(turn) * dx + np.sin(turn) * dy, np.cos(turn) * dy - np.sin(turn) * dx
    angle = np.arctan2(v, u)
    outline = 1 + sum(
        rng.normal(0, bumps / wave) * np.cos(wave * angle + rng.uniform(0, 2 * np.pi)) for wave in (2, 3, 4, 5)
    )
    root = np.sqrt(longer)
    return Blob(window, (np.hypot(u / root, v * root) / (radius * outline) - 1) * radius, radius)


def place(
    rng: np.random.Generator, size: int, wanted: int, radius: float, *, spread: float, bumps: float, overlap: float
) -> tuple[np.ndarray, list[Blob]]:
    """Scatter nuclei, half of them in clusters; labels [size, size] and the blobs in the order of their numbers.

    Args:
        rng: Source of chance.
        size: Rows and columns.
        wanted: Number tried; crowded places take fewer.
        radius: Median, pixels.
        spread: Standard deviation of the logarithm of the radius.
        bumps: Height of the waves of the outlines.
        overlap: Part of a new nucleus that may fall on others; the overlap stays with the older one.
    """
    labels = np.zeros((size, size), np.int64)
    blobs: list[Blob] = []
    hubs = rng.uniform(0, size, (max(1, wanted // 7), 2))
    for attempt in range(wanted + 50):
        if attempt >= wanted and blobs:  # tries beyond those wanted are there so that no image stays empty
            break
        if rng.random() < 0.5:
            centre = hubs[rng.integers(len(hubs))] + rng.normal(0, 2.4 * radius, 2)
        else:
            centre = rng.uniform(-2, size + 2, 2)
        if (centre < -2).any() or (centre > size + 2).any():
            continue
        new = blob(rng, size, centre, radius * np.exp(rng.normal(0, spread)), longer=rng.uniform(1, 1.7), bumps=bumps)
        inside = new.distance < 0
        free = inside & (labels[new.window] == 0)
        if free.sum() < 12 or free.sum() < (1 - overlap) * inside.sum():
            continue
        blobs.append(new)
        labels[new.window][free] = len(blobs)
    return labels, blobs


def _fluorescence(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Bright on dark: from sparse and sharp to dense, dim and blurred."""
    from scipy.ndimage import gaussian_filter

    radius = rng.uniform(5, 12) * size / 256
    wanted = int(rng.uniform(0.03, 0.3) * size**2 / (np.pi * radius**2)) + 3
    labels, blobs = place(rng, size, wanted, radius, spread=0.22, bumps=0.11, overlap=0.18)
    exposure = np.exp(rng.uniform(np.log(28), np.log(190)))
    light = np.zeros((size, size), np.float32)
    for number, item in enumerate(blobs, 1):
        texture = 1 + 0.22 * smooth_noise(rng, item.distance.shape, max(1.5, item.radius / 2.5))
        dome = 0.72 + 0.28 * np.clip(-item.distance / item.radius * 2, 0, 1)
        body = soft(item.distance, 1.5) * np.where(labels[item.window] == 0, 1.0, labels[item.window] == number)
        body = gaussian_filter(body * texture * dome, rng.choice([0.6, 1.0, 2.2], p=[0.55, 0.3, 0.15]))
        light[item.window] += np.float32(exposure * np.exp(rng.normal(0, 0.42))) * body
    glow = gaussian_filter(light, 0.05 * size) * rng.uniform(0.2, 0.7)
    uneven = np.clip(1 + rng.uniform(0.1, 0.3) * smooth_noise(rng, (size, size), size / 1.5), 0.35, 2)
    haze = rng.uniform(3, 20) * uneven + 0.06 * exposure * np.abs(smooth_noise(rng, (size, size), size / 9))
    light = light * uneven + glow + haze
    _add_debris(rng, light, exposure, labels)
    light = gaussian_filter(light, rng.uniform(0.5, 1.1))
    noisy = rng.poisson(np.maximum(light, 0) * 1.5) / 1.5 + rng.normal(0, rng.uniform(0.8, 3), light.shape)
    return np.repeat(to_uint8(noisy)[None], 3, axis=0), labels


def _add_debris(rng: np.random.Generator, light: np.ndarray, exposure: float, labels: np.ndarray) -> None:
    """Bright specks, threads and out-of-focus ghosts beside the nuclei, in place; none is in the truth."""
    size = len(light)
    free = np.argwhere(labels == 0)
    for _ in range(rng.poisson(7) if len(free) else 0):
        kind = rng.choice(3, p=[0.5, 0.25, 0.25])
        radius = (rng.uniform(0.9, 2.2), rng.uniform(1.0, 1.8), rng.uniform(6, 15) * size / 256)[kind]
        longer = (1.2, rng.uniform(6, 14), 1.3)[kind]
        item = blob(rng, size, free[rng.integers(len(free))].astype(float), radius, longer=longer, bumps=0.15)
        strength = (rng.uniform(0.8, 2.5), rng.uniform(0.3, 0.9), rng.uniform(0.25, 0.6))[kind]
        light[item.window] += exposure * strength * soft(item.distance, (1.5, 1.5, 1.6 * radius)[kind])


def _stained_section(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Haematoxylin and eosin: purple nuclei in pink tissue with white gaps."""
    radius = rng.uniform(7, 16) * size / 256
    wanted = int(rng.uniform(0.15, 0.4) * size**2 / (np.pi * radius**2)) + 3
    labels, blobs = place(rng, size, wanted, radius, spread=0.25, bumps=0.16, overlap=0.1)
    eosin, gaps = eosin_tissue(rng, size, size / 256)
    gaps[labels > 0] = 0
    haematoxylin = 0.12 + 0.06 * smooth_noise(rng, (size, size), 14 * size / 256)
    ghosts = smooth_noise(rng, (size, size), 11 * size / 256)
    haematoxylin += 0.35 * np.clip(ghosts - 1.0, 0, 1.2)  # purple smears without a nucleus
    paint_nuclei(rng, haematoxylin, labels, blobs, strength=rng.uniform(0.65, 1.0))
    return stained(rng, haematoxylin, eosin, gaps), labels


def paint_nuclei(
    rng: np.random.Generator, haematoxylin: np.ndarray, labels: np.ndarray, blobs: list[Blob], *, strength: float
) -> None:
    """Add chromatin to the dye [Y, X] in place: darker rims, clumps, nucleoli; some nuclei are pale, some dense."""
    radius = float(np.median([item.radius for item in blobs])) if blobs else 4.0
    clumps = 0.25 * smooth_noise(rng, labels.shape, max(1.2, radius / 3))
    clumps += 0.5 * (smooth_noise(rng, labels.shape, max(1.5, radius / 2.5)) > 1.7)
    for number, item in enumerate(blobs, 1):
        depth = strength * np.exp(rng.normal(0, 0.28))
        rim = 0.3 * np.exp(-((item.distance + 1) ** 2) / 2.5)
        body = soft(item.distance, 1.8) * np.maximum(labels[item.window] == number, 0.3)
        haematoxylin[item.window] += body * depth * np.clip(0.85 + clumps[item.window] + rim, 0.2, 2)


def _transmitted(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Grey cells on a white field, each with a darker nucleus; folds and dirt are as dark."""
    from scipy.ndimage import gaussian_filter

    scale = size / 256
    labels = np.zeros((size, size), np.int64)
    dye = 0.03 + 0.015 * smooth_noise(rng, (size, size), size / 3)
    hubs = rng.uniform(0.05, 0.95, (6, 2)) * size
    for number in range(1, rng.integers(14, 34)):
        centre = np.clip(hubs[number % 6] + rng.normal(0, 0.1 * size, 2), 4, size - 5)
        body = blob(rng, size, centre, rng.uniform(13, 22) * scale, longer=rng.uniform(1, 1.6), bumps=0.25)
        wrinkles = 1 + 0.3 * smooth_noise(rng, body.distance.shape, max(1.5, 5 * scale))
        dye[body.window] += rng.uniform(0.08, 0.28) * soft(body.distance, 2.0) * wrinkles
        at = centre + rng.normal(0, 2 * scale, 2)
        item = blob(rng, size, at, rng.uniform(3.4, 5.5) * scale, longer=rng.uniform(1, 1.4), bumps=0.1)
        inside = (item.distance < 0) & (labels[item.window] == 0)
        if inside.sum() < 8:
            continue
        labels[item.window][inside] = number
        dye[item.window] += rng.uniform(0.35, 0.8) * soft(item.distance, 1.8)
    folds = np.abs(smooth_noise(rng, (size, size), 16 * scale)) < 0.05
    dye += 0.5 * gaussian_filter((folds & (dye > 0.2) & (labels == 0)).astype(np.float32), 0.7)
    for _ in range(rng.poisson(6)):
        speck = blob(rng, size, rng.uniform(2, size - 3, 2), rng.uniform(1, 3.4) * scale, longer=1.3, bumps=0.3)
        dye[speck.window] += 0.9 * soft(speck.distance, 1.2) * (labels[speck.window] == 0)
    uneven = 238 + 9 * smooth_noise(rng, (size, size), size / 1.5)
    grey = gaussian_filter(uneven * np.exp(-dye), 0.7) + rng.normal(0, 2.2, dye.shape)
    return np.repeat(to_uint8(grey)[None], 3, axis=0), labels
