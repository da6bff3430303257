"""Colours of histology: light absorbed by two dyes (Beer–Lambert), as colour deconvolution undoes it.

Reference: Ruifrok & Johnston (2001), Analytical and Quantitative Cytology and Histology 23:291–299 (no DOI).
"""

from __future__ import annotations

import numpy as np

from lamelle.specimens.specimen import smooth_noise, to_uint8

_HAEMATOXYLIN = np.array([0.65, 0.70, 0.29])
_EOSIN = np.array([0.12, 0.95, 0.28])


def stained(
    rng: np.random.Generator,
    haematoxylin: np.ndarray,
    eosin: np.ndarray,
    gaps: np.ndarray,
    *,
    batch: np.random.Generator | None = None,
) -> np.ndarray:
    """Colour image uint8 [3, Y, X] of two dye densities [Y, X] and white gaps 0 ... 1 [Y, X].

    Args:
        rng: Source of chance of this image.
        haematoxylin: Density of the purple dye.
        eosin: Density of the pink dye.
        gaps: Where there is no tissue.
        batch: Source of chance of the hue and strength of the dyes where several images share a slide.
    """
    from scipy.ndimage import gaussian_filter

    hue = rng if batch is None else batch
    colours = [np.abs(colour + hue.normal(0, 0.045, 3)) for colour in (_HAEMATOXYLIN, _EOSIN)]
    amounts = [dye * gain for dye, gain in zip((haematoxylin, eosin), hue.uniform(0.75, 1.25, 2), strict=True)]
    white = hue.uniform(236, 250) + hue.normal(0, 2, 3)
    density = sum(np.maximum(a, 0) * c[:, None, None] for a, c in zip(amounts, colours, strict=True))
    density = density * (1 - gaussian_filter(gaps.astype(np.float32), 0.8))
    light = white[:, None, None] * np.exp(-1.25 * density)
    light = gaussian_filter(light, (0, 0.6, 0.6)) + rng.normal(0, 3.0, light.shape)
    return to_uint8(light)


def eosin_tissue(rng: np.random.Generator, size: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Density of the pink dye and white gaps, each float32 [size, size]: fibres, blood cells, holes.

    Args:
        rng: Source of chance.
        size: Rows and columns.
        scale: Pixels per unit of 256 of a picture: the size of the features.
    """
    along, across = rng.permutation([24 * scale, 9 * scale])
    strands = np.abs(smooth_noise(rng, (size, size), (max(along, 1.5), max(across, 1.5))))
    fine = smooth_noise(rng, (size, size), max(2.2 * scale, 1.2))
    eosin = 0.48 + 0.09 * smooth_noise(rng, (size, size), 45 * scale) - 0.15 * strands + 0.06 * fine
    eosin -= 0.09 * np.abs(smooth_noise(rng, (size, size), max(6 * scale, 1.5)))
    blood = smooth_noise(rng, (size, size), 40 * scale) > rng.uniform(1.5, 2.6)
    eosin = eosin + 0.55 * blood * (0.8 + 0.2 * smooth_noise(rng, (size, size), max(6 * scale, 1.5)))
    holes = smooth_noise(rng, (size, size), 22 * scale) > rng.uniform(1.3, 2.6)
    return np.maximum(eosin, 0.02).astype(np.float32), holes.astype(np.float32)
