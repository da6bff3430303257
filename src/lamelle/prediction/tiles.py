"""Images larger than the network's tile: where the tiles lie, and how their outputs are merged.

`merge` blends tiles that share a part of their area; `stitch` cuts off what a larger image could change, and is exact.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

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


def pieces(full: int, tile: int, margin: int) -> list[tuple[int, int, int]]:
    """Tiles along one axis that are cut to the part that nothing beyond the tile changes.

    Args:
        margin: Pixels cut off at each end that is not an end of the image.

    Returns:
        For each tile its first pixel, and the first and the last-but-one pixel that are kept of it.

    Example:
        >>> pieces(100, 40, 8)
        [(0, 0, 32), (24, 32, 56), (48, 56, 80), (60, 80, 100)]
    """
    cuts, at = list[tuple[int, int, int]](), 0
    while at < full:
        start = max(0, min(at - margin, full - tile))
        stop = full if start + tile >= full else start + tile - margin
        cuts.append((start, at, stop))
        at = stop
    return cuts


def exact_tile(tile: int, *, margin: int, multiple: int, full: int) -> int:
    """The size of tiles for `stitch` along one axis: ``tile``, enlarged so that a quarter of it is left when cut.

    Example:
        >>> exact_tile(96, margin=48, multiple=8, full=1000), exact_tile(96, margin=48, multiple=8, full=64)
        (120, 64)
    """
    kept = -(-tile // 4 // multiple) * multiple
    return min(full, max(-(-tile // multiple) * multiple, 2 * margin + kept, 2 * multiple))


def stitch(
    image: np.ndarray,
    run: Run,
    *,
    tile: Sequence[int],
    margin: Sequence[int],
    multiple: Sequence[int],
    padding: Sequence[int],
    batch: int,
    prepare: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Output of a whole image from tiles: what the network would give for the image in one piece.

    The image is padded at its end first, as the network would pad it, and tiles lie at multiples of what it pools by,
    so that each tile is pooled on the same grid as the image; what lies within ``margin`` of a cut is discarded.

    Args:
        image: ``[C, (Z,) Y, X]``, may be memory-mapped.
        run: What the network does to a batch of tiles.
        tile: Size of a tile; see `exact_tile`.
        margin: Half the receptive field, at the least; a multiple of ``multiple``.
        multiple: Sizes that the network does not have to pad.
        padding: Pixels at the end of each axis.
        batch: Tiles computed at once.
        prepare: Makes network input from a window, pixel by pixel.

    Returns:
        float32 ``[K, (Z,) Y, X]``, as large as the image.
    """
    shape = image.shape[1:]
    full = [n + p for n, p in zip(shape, padding, strict=True)]
    mode = "reflect" if all(p < n for p, n in zip(padding, shape, strict=True)) else "edge"
    axes = zip(tile, margin, multiple, full, strict=True)
    tile = [exact_tile(t, margin=cut, multiple=m, full=n) for t, cut, m, n in axes]
    todo = list(itertools.product(*(pieces(n, t, cut) for n, t, cut in zip(full, tile, margin, strict=True))))
    whole: np.ndarray | None = None
    for some in (todo[i : i + batch] for i in range(0, len(todo), batch)):
        windows = [_window(image, [start for start, _, _ in piece], tile, mode) for piece in some]
        outputs = run(np.stack([prepare(window) for window in windows]))
        if whole is None:
            whole = np.empty((outputs.shape[1], *shape), np.float32)
        for piece, output in zip(some, outputs, strict=True):
            ends = [min(stop, n) for (_, _, stop), n in zip(piece, shape, strict=True)]
            place = tuple(slice(at, end) for (_, at, _), end in zip(piece, ends, strict=True))
            inside = tuple(slice(at - start, end - start) for (start, at, _), end in zip(piece, ends, strict=True))
            whole[(slice(None), *place)] = output[(slice(None), *inside)]
    assert whole is not None  # an image has at least one tile
    return whole


def _window(
    image: np.ndarray, corner: Sequence[int], tile: Sequence[int], mode: Literal["reflect", "edge"]
) -> np.ndarray:
    """A tile of the padded image; only the pixels of the tile are read."""
    shape = image.shape[1:]
    place = tuple(slice(c, min(c + t, n)) for c, t, n in zip(corner, tile, shape, strict=True))
    part = np.asarray(image[(slice(None), *place)])
    more = [(0, t - n) for t, n in zip(tile, part.shape[1:], strict=True)]
    return np.pad(part, [(0, 0), *more], mode=mode) if any(after for _, after in more) else part


def _outer(axes: Sequence[np.ndarray]) -> np.ndarray:
    weight = axes[0]
    for axis in axes[1:]:
        weight = weight[..., None] * axis
    return weight
