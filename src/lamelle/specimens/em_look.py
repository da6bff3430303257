"""How a block of tissue looks in the electron microscope: stains, granules, and what preparation does to sections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lamelle.specimens.specimen import smooth_noise, soft, to_uint8

if TYPE_CHECKING:
    from lamelle.specimens.em import Tissue

_CYTOPLASM, _STAINED = 148.0, 52.0


def photograph(rng: np.random.Generator, tissue: Tissue) -> np.ndarray:
    """Grey image uint8 [Z, Y, X] of the tissue."""
    from scipy.ndimage import gaussian_filter

    grey = _cytoplasm(rng, tissue)
    _stain_nucleus(rng, tissue, grey)
    _stain_mitochondria(tissue, grey)
    _stain_reticulum(rng, tissue, grey)
    _add_vesicles(rng, tissue, grey)
    _stain_membranes(rng, tissue, grey)
    sections = [_section(rng, gaussian_filter(plane, rng.uniform(0.75, 1.1))) for plane in grey]
    return to_uint8(np.stack(sections))


def _cytoplasm(rng: np.random.Generator, tissue: Tissue) -> np.ndarray:
    """Granular cytoplasm; each cell has its own grey, a few are dark (glia)."""
    from scipy.ndimage import gaussian_filter

    shape = tissue.wall.shape
    tone = rng.normal(0, 9, int(tissue.cell.max()) + 1)
    tone -= (rng.random(len(tone)) < 0.14) * rng.uniform(22, 48, len(tone))
    coarse = smooth_noise(rng, shape, (max(25 / tissue.depth, 1), 25, 25))
    grains = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), (0, 1.1, 1.1)) * 3.9
    clumps = gaussian_filter((rng.random(shape) < 0.012).astype(np.float32), (0, 1.2, 1.2)) * 9.0
    density = np.clip(0.7 + 0.8 * smooth_noise(rng, shape, (max(50 / tissue.depth, 1), 30, 30)), 0, 2)
    return (_CYTOPLASM + tone[tissue.cell] + 5 * coarse + 11 * grains - 52 * np.minimum(clumps * density, 1.2)).astype(
        np.float32
    )


def _stain(grey: np.ndarray, amount: np.ndarray, value: np.ndarray | float) -> None:
    """Mix ``value`` into the image in place, ``amount`` 0 ... 1 of it."""
    grey += amount * (value - grey)


def _stain_nucleus(rng: np.random.Generator, tissue: Tissue, grey: np.ndarray) -> None:
    """Nucleoplasm with chromatin, denser at the rim; two dark lines with a gap as envelope."""
    depth, shape = tissue.depth, grey.shape
    inside = soft(2 - tissue.nucleus, 2.0)
    chromatin = smooth_noise(rng, shape, (max(9 / depth, 1), 9, 9)) + 0.6 * smooth_noise(rng, shape, (1, 4, 4))
    clump = np.clip(chromatin - 0.5 + 1.0 * np.exp(-np.maximum(tissue.nucleus, 0) / 6), 0, 1.6)
    grains = rng.standard_normal(shape, dtype=np.float32)
    _stain(grey, inside * 0.9, 142 - 44 * clump + 9 * grains)
    for offset, strength in ((-1.4, 0.8), (1.4, 0.95)):
        _stain(grey, strength * soft(np.abs(tissue.nucleus - offset) - 0.8, 1.0), _STAINED + 10)


def _stain_mitochondria(tissue: Tissue, grey: np.ndarray) -> None:
    """Grey matrix, folds, dark rim."""
    inside = soft(-tissue.organelle, 1.2)
    folds = 104 + 26 * np.sin(tissue.cristae + 0.8 * np.sin(0.5 * tissue.organelle))
    _stain(grey, inside * 0.85, folds)
    _stain(grey, 0.85 * soft(np.abs(tissue.organelle - 1.1) - 1.0, 1.0), 62.0)


def _stain_reticulum(rng: np.random.Generator, tissue: Tissue, grey: np.ndarray) -> None:
    """Two membranes, a clear space between them, ribosomes outside."""
    distance = tissue.reticulum
    _stain(grey, 0.6 * soft(distance - 1.2, 1.0), 165.0)
    _stain(grey, 0.78 * soft(np.abs(distance - 1.9) - 0.7, 1.0), _STAINED + 14)
    beads = (rng.random(grey.shape) < 0.16) & (np.abs(distance - 3.4) < 0.9)
    _stain(grey, 0.9 * beads, _STAINED)


def _add_vesicles(rng: np.random.Generator, tissue: Tissue, grey: np.ndarray) -> None:
    """Rings and dense cores, in clusters, one section deep: as dark as membranes, and no part of the truth."""
    shape = grey.shape
    rows, columns = np.ogrid[-7:8, -7:8]
    cluster = smooth_noise(rng, shape, (2, 30, 30))
    room = tissue.free
    pad = np.zeros(shape, bool)
    pad[:, 8:-8, 8:-8] = True
    spots = np.flatnonzero(pad & (room > 5.5) & (tissue.reticulum > 7) & (cluster > 0.1))
    wanted = round(grey.size * 0.0012)
    for start in rng.choice(spots, min(wanted, len(spots)), replace=False):
        z, y, x = np.unravel_index(start, shape)
        radius = rng.uniform(2.4, 4.4)
        stretch = rng.uniform(0.75, 1.3)
        distance = np.hypot(rows * stretch, columns / stretch) - radius
        box = (z, slice(y - 7, y + 8), slice(x - 7, x + 8))
        view = grey[box]
        core = rng.random() < 0.2
        _stain(view, 0.5 * soft(distance, 1.0), 70.0 if core else 165.0)
        _stain(view, rng.uniform(0.5, 0.95) * soft(np.abs(distance) - 0.7, 1.0), _STAINED + 5)


def _stain_membranes(rng: np.random.Generator, tissue: Tissue, grey: np.ndarray) -> None:
    """Dark lines whose contrast varies; an obliquely cut wall is smeared over the section's depth, as in life."""
    smear = np.maximum(0.9 * min(tissue.depth, 8.0) * tissue.tilt, 0.8)
    half = tissue.thickness / 2 - 0.2
    overlap = np.minimum(tissue.wall + smear / 2, half) - np.maximum(tissue.wall - smear / 2, -half)
    amount = np.clip(overlap / smear, 0, 1)
    contrast = 0.8 + 0.14 * smooth_noise(rng, grey.shape, (max(30 / tissue.depth, 1), 24, 24))
    cloud = np.clip(smooth_noise(rng, grey.shape, (max(40 / tissue.depth, 1), 40, 40)) - 1.3, 0, 1)
    _stain(grey, cloud * np.exp(-np.maximum(tissue.wall, 0) / 6), 70.0)  # dense patches beside the walls
    _stain(grey, np.clip(contrast, 0.3, 1) * amount, _STAINED)


def _section(rng: np.random.Generator, plane: np.ndarray) -> np.ndarray:
    """One section [Y, X] as recorded: shading, knife marks, its own brightness and contrast, noise."""
    from scipy.ndimage import gaussian_filter1d

    rows, columns = plane.shape
    shading = smooth_noise(rng, plane.shape, float(max(plane.shape)) / 1.6) * 11
    marks = np.zeros(columns, np.float32)
    for _ in range(rng.poisson(columns / 60)):
        marks[rng.integers(columns)] += rng.normal(0, 16)
    marks = gaussian_filter1d(marks, 0.9)
    fade = 0.6 + 0.4 * smooth_noise(rng, (rows,), rows / 3)
    noise = rng.standard_normal(plane.shape, dtype=np.float32) * rng.uniform(10, 16)
    recorded = (plane - 128) * rng.normal(1.3, 0.1) + 128 + rng.normal(2, 9)
    return recorded + shading + marks[None] * fade[:, None] + noise
