"""From numbered objects to maps that a network can learn, and back: foreground, borders, distance; watershed.

Every map is a number for each pixel that does not depend on a direction, so that predictions of tiles and of mirrored
images can be averaged before objects are made of them.
"""

from __future__ import annotations

import math

import numpy as np

from lamelle.data.targets.reading import connected
from lamelle.types import IGNORE, ObjectRow, Spacing

MAPS = ("foreground", "border", "distance")
"""The channels: inside any object · near two objects at once · distance to the edge, 1 in an object's middle."""
REACH = 2
"""Pixels around a pixel within which two objects must lie for it to be border."""
_SMOOTH = 1.0
"""Sigma in the plane, pixels, by which the distance is smoothed: specks in it would cut objects into pieces."""


def maps_of(labels: np.ndarray) -> np.ndarray:
    """What the channels ``MAPS`` should say about labels [(Z,) Y, X]: float32 [3, (Z,) Y, X].

    The distance of a pixel to the edge of its object is divided by the largest in that object, as far as it is seen;
    the edge of the image, and what is ignored, are no edges of objects.

    Example:
        >>> maps_of(np.array([[0, 0, 0, 0, 0, 0], [0, 7, 7, 7, 7, 7], [0, 7, 7, 7, 7, 7]]))[2].tolist()[2]
        [0.0, 0.5, 1.0, 1.0, 1.0, 1.0]
    """
    from scipy.ndimage import distance_transform_edt, maximum_filter, minimum_filter

    inside = labels > 0
    beyond = np.iinfo(np.int32).max
    side = 2 * REACH + 1
    objects = np.where(inside, labels, 0).astype(np.int32)
    highest = maximum_filter(objects, side)
    lowest = minimum_filter(np.where(inside, objects, beyond), side)
    border = (highest > 0) & (lowest < highest)
    rim = _rim(labels) & inside
    distance = np.zeros(labels.shape, np.float32)
    if inside.any():
        to_rim = distance_transform_edt(~rim) if rim.any() else np.zeros(labels.shape)
        distance[inside] = np.asarray(to_rim, np.float32)[inside] + 1
        largest = np.zeros(int(objects.max()) + 1, np.float32)
        np.maximum.at(largest, objects[inside], distance[inside])
        distance[inside] /= largest[objects[inside]]
    return np.stack([inside.astype(np.float32), border.astype(np.float32), distance])


def _rim(labels: np.ndarray) -> np.ndarray:
    """Pixels beside which, along an axis, lies another label that is not ignored."""
    rim = np.zeros(labels.shape, bool)
    for axis in range(labels.ndim):
        before, after = (
            tuple(part if a == axis else slice(None) for a in range(labels.ndim))
            for part in (slice(None, -1), slice(1, None))
        )
        differs = labels[before] != labels[after]
        rim[before] |= differs & (labels[after] != IGNORE)
        rim[after] |= differs & (labels[before] != IGNORE)
    return rim


def objects_from(maps: np.ndarray, *, foreground: float, seed: float, min_size: int) -> np.ndarray:
    """Objects uint32 [(Z,) Y, X] from maps [3, (Z,) Y, X] as ``MAPS`` names them, numbered 1, 2, 3 … without gaps.

    Seeds are the connected parts (along axes) where the distance, less what is border, smoothed, reaches ``seed``;
    from them a watershed fills the foreground. A part of the foreground without a seed is an object of its own.

    Args:
        foreground: Probability from which a pixel is part of an object.
        seed: Value from which a pixel is part of a seed.
        min_size: Objects of fewer pixels are left out.

    Example:
        >>> two = np.array([[0, 1, 1, 1, 1, 2, 2, 2, 2, 0]])
        >>> objects_from(maps_of(two), foreground=0.5, seed=0.4, min_size=1)
        array([[0, 1, 1, 1, 1, 2, 2, 2, 2, 0]], dtype=uint32)

    Reference: Beucher and Meyer (1993), chapter 12 of Mathematical Morphology in Image Processing
    """
    from scipy.ndimage import gaussian_filter
    from skimage.segmentation import watershed

    inside = maps[0] >= foreground
    height = np.asarray(maps[2] * (1 - maps[1]), np.float32)
    height = np.asarray(gaussian_filter(height, (0.0,) * (height.ndim - 2) + (_SMOOTH, _SMOOTH)))
    seeds, count = connected(inside & (height >= seed))
    parts, _ = connected(inside)
    seeded = np.zeros(int(parts.max()) + 1, bool)
    seeded[parts[seeds > 0]] = True
    alone = inside & ~seeded[parts]
    seeds[alone] = parts[alone] + count
    basins = np.asarray(watershed(-height, seeds, mask=inside))
    sizes = np.bincount(basins.ravel())
    kept = sizes >= min_size
    kept[0] = False
    kept &= sizes > 0
    return np.where(kept, np.cumsum(kept), 0).astype(np.uint32)[basins]


def rows_of(labels: np.ndarray, probability: np.ndarray, spacing: Spacing | None = None) -> tuple[ObjectRow, ...]:
    """One row for each object of labels [(Z,) Y, X].

    Args:
        probability: That of being foreground, [(Z,) Y, X].
        spacing: µm, (Z,) Y, X.

    Example:
        >>> row = rows_of(np.array([[0, 1, 1]]), np.array([[0.1, 0.5, 0.7]]), (0.5, 0.25))[0]
        >>> row.area, row.area_um2, row.centroid, row.probability
        (2, 0.25, (0.0, 1.5), 0.6)
    """
    from scipy.ndimage import find_objects

    dims, rows = labels.ndim, []
    pixel = math.prod(spacing[-dims:]) if spacing is not None and len(spacing) >= dims else None
    for number, box in enumerate(find_objects(labels.astype(np.int64, copy=False)), start=1):
        if box is None:
            continue
        here = np.nonzero(labels[box] == number)
        area = len(here[0])
        size = None if pixel is None else float(f"{area * pixel:.6g}")
        rows.append(
            ObjectRow(
                number,
                area,
                centroid=tuple(round(float(p.mean()) + b.start, 3) for p, b in zip(here, box, strict=True)),
                start=tuple(b.start for b in box),
                stop=tuple(b.stop for b in box),
                probability=round(float(probability[box][here].mean()), 6),
                area_um2=size if dims == 2 else None,
                volume_um3=size if dims == 3 else None,
            )
        )
    return tuple(rows)
