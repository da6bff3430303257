"""Patches of stained tissue with and without carcinoma."""

from __future__ import annotations

import numpy as np

from lamelle.specimens.nuclei import CLASSES, Blob, blob, paint_nuclei, place
from lamelle.specimens.specimen import Specimen, smooth_noise, soft
from lamelle.specimens.stain import eosin_tissue, stained


def make_tissue(*, seed: int, size: int, carcinoma: bool, patient: int) -> Specimen:
    """A patch: image [3, size, size] and its nuclei numbered from 1, uint32 [size, size].

    Carcinoma: large, crowded, uneven, ragged nuclei. Without: loose connective tissue, fat, ducts, or lymphocytes,
    which are as dark and as crowded but small and round. The dyes vary with the patient more than with the class, so
    that mean colour says little.

    Args:
        seed: Equal arguments give equal pixels.
        size: Rows and columns.
        carcinoma: The class of the patch.
        patient: Number of the patient, whose slide sets hue and strength of the dyes.

    Example:
        >>> make_tissue(seed=1, size=48, carcinoma=True, patient=7).image.shape
        (3, 48, 48)
    """
    rng = np.random.default_rng([seed, 3])
    scale = size / 96
    eosin, gaps = eosin_tissue(rng, size, scale)
    haematoxylin = (0.14 + 0.05 * smooth_noise(rng, (size, size), 10 * scale)).astype(np.float32)
    if carcinoma:
        labels, blobs = _carcinoma(rng, size, scale)
        haematoxylin += np.float32(rng.uniform(0.0, 0.06))
        gaps *= rng.random() < 0.8
    else:
        pattern = rng.choice(4, p=[0.4, 0.15, 0.2, 0.25])
        labels, blobs = (_stroma, _fat, _lymphocytes, _duct)[pattern](rng, size, scale, eosin, gaps)
    gaps[labels > 0] = 0
    paint_nuclei(rng, haematoxylin, labels, blobs, strength=rng.uniform(0.55, 0.95))
    slide = np.random.default_rng([patient, 33])
    image = stained(rng, haematoxylin, eosin, gaps, batch=slide)
    return Specimen(image, labels.astype(np.uint32), CLASSES, None)


def _count(size: int, radius: float, cover: float) -> int:
    return max(2, int(cover * size**2 / (np.pi * radius**2)))


def _carcinoma(rng: np.random.Generator, size: int, scale: float) -> tuple[np.ndarray, list[Blob]]:
    radius = rng.uniform(2.9, 5.0) * scale
    wanted = _count(size, radius, rng.uniform(0.15, 0.9))
    return place(rng, size, wanted, radius, spread=0.26, bumps=0.15, overlap=0.15)


def _stroma(
    rng: np.random.Generator, size: int, scale: float, eosin: np.ndarray, gaps: np.ndarray
) -> tuple[np.ndarray, list[Blob]]:
    radius = rng.uniform(2.4, 5.0) * scale
    wanted = _count(size, radius, rng.uniform(0.03, 0.45))
    return place(rng, size, wanted, radius, spread=0.22, bumps=0.12, overlap=0.05)


def _lymphocytes(
    rng: np.random.Generator, size: int, scale: float, eosin: np.ndarray, gaps: np.ndarray
) -> tuple[np.ndarray, list[Blob]]:
    radius = rng.uniform(2.6, 4.3) * scale
    wanted = _count(size, radius, rng.uniform(0.3, 0.9))
    return place(rng, size, wanted, radius, spread=0.15, bumps=0.09, overlap=0.1)


def _fat(
    rng: np.random.Generator, size: int, scale: float, eosin: np.ndarray, gaps: np.ndarray
) -> tuple[np.ndarray, list[Blob]]:
    """Round white drops that leave thin pink walls."""
    drops = np.zeros((size, size), np.int64)
    for number in range(1, 40):
        centre, radius = rng.uniform(0, size, 2), rng.uniform(9, 20) * scale
        item = blob(rng, size, centre, radius, longer=rng.uniform(1, 1.3), bumps=0.05)
        taken = (drops[item.window] > 0) & (item.distance < 1.5)
        if taken.any():
            continue
        drops[item.window][item.distance < 0] = number
        gaps[item.window] = np.maximum(gaps[item.window], soft(item.distance, 1.5))
    labels, blobs = _stroma(rng, size, scale, eosin, gaps)
    labels[drops > 0] = 0
    return labels, blobs


def _duct(
    rng: np.random.Generator, size: int, scale: float, eosin: np.ndarray, gaps: np.ndarray
) -> tuple[np.ndarray, list[Blob]]:
    """One or two rings of regular nuclei around a hole, in loose tissue."""
    labels, blobs = _stroma(rng, size, scale, eosin, gaps)
    for _ in range(rng.integers(1, 3)):
        centre, radius = rng.uniform(0.15, 0.85, 2) * size, rng.uniform(11, 22) * scale
        lumen = blob(rng, size, centre, radius, longer=rng.uniform(1, 1.5), bumps=0.08)
        gaps[lumen.window] = np.maximum(gaps[lumen.window], soft(lumen.distance, 2.0))
        labels[lumen.window][lumen.distance < 1] = 0
        small = rng.uniform(3.0, 4.4) * scale
        ring = np.argwhere(np.abs(lumen.distance - 1.6 * small) < 1) + [w.start for w in lumen.window]
        for place_ in rng.permutation(ring)[: int(len(ring) / small)]:
            item = blob(rng, size, place_.astype(float), small, longer=1.3, bumps=0.05)
            free = (item.distance < 0) & (labels[item.window] == 0)
            if free.sum() < 0.8 * (item.distance < 0).sum():
                continue
            blobs.append(item)
            labels[item.window][free] = len(blobs)
    return labels, blobs
