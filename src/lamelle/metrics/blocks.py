"""Blocks of one image or volume, for intervals where there is no other unit."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def spatial_blocks(shape: Sequence[int], *, blocks: int) -> list[tuple[slice, ...]]:
    """Boxes that tile one image or volume: at least ``blocks`` of them where its shape allows, as cubic as can be.

    Neighbouring blocks are not independent, and n stays 1: an interval from blocks says how the score varies inside
    this volume, not how it would on another one.

    Example:
        >>> spatial_blocks((4, 6), blocks=4)[0]
        (slice(0, 2, None), slice(0, 3, None))
    """
    parts = [1] * len(shape)
    while math.prod(parts) < blocks:
        axis = max(range(len(shape)), key=lambda a: shape[a] / parts[a])
        if shape[axis] / parts[axis] <= 1:
            break
        parts[axis] += 1
    edges = [np.linspace(0, size, count + 1).round().astype(int) for size, count in zip(shape, parts, strict=True)]
    return [
        tuple(slice(int(edges[a][i]), int(edges[a][i + 1])) for a, i in enumerate(place))
        for place in np.ndindex(*parts)
    ]
