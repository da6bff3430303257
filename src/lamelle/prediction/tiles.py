"""Images larger than the network's tile: where the tiles lie, and how their outputs are merged."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

Run = Callable[[np.ndarray], np.ndarray]
"""Windows [N, C, (Z,) Y, X] → outputs [N, K, (Z,) Y, X]."""


def starts(full: int, tile: int, overlap: float) -> list[int]:
    """First pixels of evenly spread tiles that cover ``full`` pixels, neighbours sharing at least ``overlap`` of a
    tile.

    Example:
        >>> starts(100, 40, 0.25)
        [0, 30, 60]
        >>> starts(30, 40, 0.25)
        [0]
    """
    if full <= tile:
        return [0]
    step = max(1, int(tile * (1 - overlap)))
    count = -(-(full - tile) // step) + 1
    return [round(i * (full - tile) / (count - 1)) for i in range(count)]


def corners(shape: Sequence[int], tile: Sequence[int], overlap: float) -> Iterator[tuple[int, ...]]:
    """Corners of all tiles of an image, row by row."""
    return itertools.product(*(starts(s, t, overlap) for s, t in zip(shape, tile, strict=True)))


def profile(tile: int) -> np.ndarray:
    """Weight of each pixel along one axis of a tile, float32 [tile]: a Gaussian with sigma tile/8, never below 1/1000.

    Reference: Isensee et al. (2021), doi:10.1038/s41592-020-01008-z
    """
    distance = (np.arange(tile) - (tile - 1) / 2) / (tile / 8)
    return np.maximum(np.exp(-0.5 * distance**2), 1e-3).astype(np.float32)


def merge(
    image: np.ndarray,
    run: Run,
    *,
    tile: Sequence[int],
    overlap: float,
    batch: int,
    prepare: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Output of a whole image from overlapping tiles, blended by Gaussian weights.

    Args:
        image: ``[C, (Z,) Y, X]``, may be memory-mapped; at least as large as the tile.
        run: What the network does to a batch of tiles.
        tile: Size of a tile.
        overlap: Share of a tile that neighbours share.
        batch: Tiles computed at once.
        prepare: Makes network input from a window.

    Returns:
        float32 ``[K, (Z,) Y, X]``, as large as the image.
    """
    shape = image.shape[1:]
    tile = tuple(min(t, s) for t, s in zip(tile, shape, strict=True))
    weight = _outer([profile(t) for t in tile])
    total: np.ndarray | None = None
    norm = np.zeros(shape, np.float32)
    todo = list(corners(shape, tile, overlap))
    for some in (todo[i : i + batch] for i in range(0, len(todo), batch)):
        places = [tuple(slice(c, c + t) for c, t in zip(corner, tile, strict=True)) for corner in some]
        outputs = run(np.stack([prepare(np.asarray(image[(slice(None), *place)])) for place in places]))
        if total is None:
            total = np.zeros((outputs.shape[1], *shape), np.float32)
        for place, output in zip(places, outputs, strict=True):
            total[(slice(None), *place)] += output * weight
            norm[place] += weight
    assert total is not None  # an image has at least one tile
    total /= norm
    return total


def _outer(axes: Sequence[np.ndarray]) -> np.ndarray:
    weight = axes[0]
    for axis in axes[1:]:
        weight = weight[..., None] * axis
    return weight
