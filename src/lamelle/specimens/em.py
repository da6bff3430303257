"""Nervous tissue as serial sections of an electron microscope show it: how it grows, and how it looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamelle.specimens.specimen import Specimen, smooth_noise, soft, to_uint8
from lamelle.types import Spacing

CLASSES = ("other", "cell membrane", "mitochondrion", "endoplasmic reticulum", "nuclear membrane")
MEMBRANE, MITOCHONDRION, RETICULUM, ENVELOPE = 1, 2, 3, 4
_FAR = np.float32(1e3)
_CELL = 27.0  # pixels between the seeds of cells
_NEIGHBOURS = 6
_CYTOPLASM, _STAINED = 148.0, 52.0
_RETICULUM_HALF, _ENVELOPE_HALF = 2.6, 2.3


@dataclass(slots=True)
class Tissue:
    """Signed distances [Z, Y, X] in pixels of a section (positive inside), from which truth and image are drawn."""

    cell: np.ndarray
    """Number of the cell, int32."""
    wall: np.ndarray
    """Distance to the nearest other cell."""
    tilt: np.ndarray
    """How obliquely the section cuts that wall: 0 upright, 1 flat."""
    thickness: np.ndarray
    """Of the membrane, both cells together."""
    nucleus: np.ndarray
    organelle: np.ndarray
    """Mitochondria."""
    cristae: np.ndarray
    """Phase of the folds inside mitochondria, radians."""
    reticulum: np.ndarray
    """Distance to the middle of a sheet, always positive."""
    depth: float
    """Distance between sections, pixels."""

    @property
    def free(self) -> np.ndarray:
        """Room in the cytoplasm: the distance to every membrane."""
        return np.minimum.reduce([self.wall - self.thickness / 2, -self.nucleus - 2, -self.organelle])


def make_em(*, seed: int, shape: tuple[int, int, int], spacing: Spacing) -> Specimen:
    """A block of tissue: image [1, Z, Y, X] and labels [Z, Y, X] with the values of ``CLASSES``.

    Cells of all sizes with membranes of varying width and contrast, cut more or less obliquely; one nucleus,
    mitochondria with cristae, sheets of reticulum; vesicles and granules as dark as membranes, dark cells, drift
    between sections, knife marks, shading, blur and noise, so that no threshold finds the membranes.

    Args:
        seed: Equal seeds and sizes give equal pixels.
        shape: Sections, rows, columns.
        spacing: Micrometres, ZYX; sections further apart than pixels change faster from one to the next.

    Example:
        >>> block = make_em(seed=1, shape=(2, 64, 64), spacing=(0.025, 0.005, 0.005))
        >>> block.image.shape, block.labels.shape, block.classes[1]
        ((1, 2, 64, 64), (2, 64, 64), 'cell membrane')
    """
    rng = np.random.default_rng([seed, 1])
    tissue = _grow(rng, shape, spacing[0] / spacing[-1])
    return Specimen(_photograph(rng, tissue)[None], _truth(tissue), CLASSES, spacing)


def _truth(tissue: Tissue) -> np.ndarray:
    """Labels int64 [Z, Y, X]."""
    labels = np.zeros(tissue.wall.shape, np.int64)
    labels[tissue.reticulum < _RETICULUM_HALF] = RETICULUM
    labels[tissue.organelle > 0] = MITOCHONDRION
    labels[np.abs(tissue.nucleus) < _ENVELOPE_HALF] = ENVELOPE
    labels[tissue.wall < tissue.thickness / 2] = MEMBRANE
    return labels


def _grow(rng: np.random.Generator, shape: tuple[int, int, int], depth: float) -> Tissue:
    """Cells, then what lies in them."""
    points = _warped_grid(rng, shape, depth)
    extent = np.array([shape[0] * depth, shape[1], shape[2]])
    radii = min(shape[1:]) * rng.uniform(0.17, 0.24) * rng.uniform(0.85, 1.15, 3)
    centre = extent * np.array([rng.uniform(0.3, 0.7), *rng.uniform(0.25, 0.75, 2)])
    cell, wall, tilt = _cells(rng, points, extent, centre, float(radii.max()))
    thickness = np.clip(3.1 + 0.6 * smooth_noise(rng, shape, (40 / depth, 40, 40)), 2.0, 4.2).astype(np.float32)
    nucleus = (1 - np.sqrt((((points - centre) / radii) ** 2).sum(-1))) * radii.mean()
    middle = tuple(np.clip((centre / (depth, 1, 1)).astype(int), 0, np.array(shape) - 1))
    nucleus = np.where(cell == cell[middle], np.minimum(nucleus, wall - 6), -_FAR).astype(np.float32)
    empty = np.full(shape, -_FAR, np.float32)
    tissue = Tissue(cell, wall, tilt, thickness, nucleus, empty, np.zeros(shape, np.float32), -empty, depth)
    _add_mitochondria(rng, tissue, points)
    _add_reticulum(rng, tissue)
    return tissue


def _warped_grid(rng: np.random.Generator, shape: tuple[int, int, int], depth: float) -> np.ndarray:
    """Where each voxel lies in the undeformed tissue, float32 [Z, Y, X, 3], pixels; sections are a little shifted."""
    axes = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij")
    points = np.stack(axes, -1)
    points[..., 0] *= depth
    points[..., 1:] += rng.normal(0, 0.6, (shape[0], 1, 1, 2)).astype(np.float32)
    for axis in range(3):
        for scale, strength in ((60, 9.0), (22, 3.0), (8, 0.7)):
            wave = smooth_noise(rng, shape, (max(scale / depth, 1.0), scale, scale))
            points[..., axis] += np.float32(strength) * wave
    return points


def _cells(
    rng: np.random.Generator, points: np.ndarray, extent: np.ndarray, nucleus: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cell number, distance to the next cell and tilt of the wall there; each [Z, Y, X].

    A Voronoi diagram whose seeds are partly joined: single seeds make thin processes, joined ones large, bent cells.
    """
    from scipy.ndimage import gaussian_filter
    from scipy.spatial import KDTree

    margin = 45.0
    size = extent + 2 * margin
    seeds = rng.uniform(-margin, extent + margin, (int(np.prod(size) / _CELL**3), 3))
    owner = np.arange(len(seeds))
    anchors = rng.choice(len(seeds), max(1, len(seeds) // 16), replace=False)
    joined = rng.random(len(seeds)) < 0.62
    owner[joined] = anchors[np.asarray(KDTree(seeds[anchors]).query(seeds[joined])[1])]
    around = np.linalg.norm(seeds - nucleus, axis=1) < radius + 24
    owner[around] = len(seeds)
    tree = KDTree(seeds)
    cell = np.empty(points.shape[:3], np.int32)
    wall, tilt = np.empty(points.shape[:3], np.float32), np.empty(points.shape[:3], np.float32)
    for z, plane in enumerate(points):
        distance, near = (np.asarray(a) for a in tree.query(plane, k=min(_NEIGHBOURS, len(seeds))))
        owners = owner[near]
        differs = owners != owners[..., :1]
        other = differs.argmax(-1)[..., None]
        across = seeds[np.take_along_axis(near, other, -1)[..., 0]] - seeds[near[..., 0]]
        span = np.maximum(np.linalg.norm(across, axis=-1), 1e-3)
        to_other = np.take_along_axis(distance, other, -1)[..., 0]
        # (b − a) / |gradient of (b − a)|; the gradient is smoothed because it jumps where the nearest seed changes
        slope = gaussian_filter(2 * span / np.maximum(to_other + distance[..., 0], span), 3)
        cell[z] = owners[..., 0]
        wall[z] = np.where(differs.any(-1), (to_other - distance[..., 0]) / np.maximum(slope, 0.5), 40)
        tilt[z] = gaussian_filter(np.abs(across[..., 0]) / span, 2)
    return cell, wall, tilt


def _add_mitochondria(rng: np.random.Generator, tissue: Tissue, points: np.ndarray) -> None:
    """Draw bent ellipsoids where the cytoplasm has room; they end before the wall of their cell."""
    shape = tissue.wall.shape
    wanted = max(2, round(np.prod(shape) * tissue.depth / 1.9e5))
    roomy = np.flatnonzero((tissue.wall > 10) & (tissue.nucleus < -14))
    for start in rng.choice(roomy, min(len(roomy), 6 * wanted), replace=False) if len(roomy) else ():
        centre = np.unravel_index(start, shape)
        half = rng.uniform(8, 14)
        radii = half * np.array([rng.uniform(1.2, 2.6), 1.0, rng.uniform(0.8, 1.0)])
        reach = radii.max() + 14
        steps = (reach / tissue.depth, reach, reach)
        box = tuple(slice(max(0, int(c - r)), int(c + r) + 1) for c, r in zip(centre, steps, strict=True))
        frame = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        local = (points[box] - points[centre]) @ frame.astype(np.float32)
        inside = (1 - np.sqrt(((local / radii.astype(np.float32)) ** 2).sum(-1))) * half
        inside = np.minimum(inside, tissue.wall[box] - tissue.thickness[box] / 2 - 2.5)
        inside = np.where(tissue.cell[box] == tissue.cell[centre], np.minimum(inside, -tissue.nucleus[box] - 6), -_FAR)
        if (tissue.organelle[box][inside > 0] > -4).any() or (inside > 4).sum() < 20:
            continue
        phase = local[..., 0] * np.float32(2 * np.pi / rng.uniform(4.2, 6.0)) + 0.35 * local[..., 1]
        tissue.cristae[box] = np.where(inside > 0, phase, tissue.cristae[box])
        tissue.organelle[box] = np.maximum(tissue.organelle[box], inside)
        wanted -= 1
        if not wanted:
            break


def _add_reticulum(rng: np.random.Generator, tissue: Tissue) -> None:
    """Sheets: where a smooth field passes zero, in some regions of the cytoplasm."""
    shape, depth = tissue.wall.shape, tissue.depth
    field = smooth_noise(rng, shape, (max(32 / depth, 1.5), 32, 32))
    slopes = [np.gradient(field, axis=axis) / step for axis, step in ((0, depth), (1, 1), (2, 1)) if shape[axis] > 1]
    slope = np.sqrt(np.sum([s**2 for s in slopes], axis=0))
    sheet = np.abs(field) / np.maximum(slope, 0.03)
    region = smooth_noise(rng, shape, (max(45 / depth, 1.2), 45, 45)) + 0.25 * smooth_noise(rng, shape, 9)
    here = (region > -0.15) & (tissue.free > 3.6) & (tissue.nucleus < -5)
    tissue.reticulum = np.where(here, sheet, _FAR).astype(np.float32)


def _photograph(rng: np.random.Generator, tissue: Tissue) -> np.ndarray:
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
