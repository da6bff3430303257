"""Resizing of native arrays: antialiased for images, nearest for labels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np


@lru_cache(maxsize=256)
def triangle(old: int, new: int) -> np.ndarray:
    """Weights ``[new, old]`` of linear interpolation, widened when shrinking so that nothing aliases.

    Example:
        >>> triangle(4, 2)[0].astype(float).round(3).tolist()
        [0.429, 0.429, 0.143, 0.0]
    """
    scale = old / new
    support = max(scale, 1.0)
    centre = (np.arange(new) + 0.5) * scale
    weights = 1 - np.abs(np.arange(old) + 0.5 - centre[:, None]) / support
    weights = np.clip(weights, 0, None)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


@lru_cache(maxsize=256)
def area(old: int, new: int) -> np.ndarray:
    """Weights ``[new, old]`` that average the pixels under each new pixel; symmetric under reflection.

    Example:
        >>> area(4, 2)[0].tolist()
        [0.5, 0.5, 0.0, 0.0]
    """
    edges = np.linspace(0, old, new + 1)
    pixels = np.arange(old)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.clip(overlap, 0, None) * (new / old)).astype(np.float32)


def resize_image(array: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """An image ``[C, (Z,) Y, X]`` at another size, antialiased, in its own dtype; a volume goes plane by plane.

    Example:
        >>> resize_image(np.array([[[0, 0, 8, 8]]], np.uint8), (1, 2)).tolist()
        [[[1, 7]]]
    """
    if array.ndim == 3:
        result = np.stack([_plane(channel, size) for channel in array])
    else:
        along = triangle(array.shape[1], size[0])
        result = np.zeros((len(array), *size), np.float32)
        for c, channel in enumerate(array):
            for z, plane in enumerate(channel):
                used = np.nonzero(along[:, z])[0]
                result[c, used] += along[used, z, None, None] * _plane(plane, size[1:])
    if np.issubdtype(array.dtype, np.floating):
        return result.astype(array.dtype)
    if array.dtype == bool:
        return result >= 0.5
    limits = np.iinfo(array.dtype)
    return np.clip(np.rint(result.astype(np.float64)), limits.min, limits.max).astype(array.dtype)


def resize_labels(labels: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Labels ``[(Z,) Y, X]`` at another size: the label under each new pixel's centre.

    Example:
        >>> resize_labels(np.array([[1, 2, 3, 4]]), (1, 2)).tolist()
        [[2, 4]]
    """
    for axis, (old, new) in enumerate(zip(labels.shape, size, strict=True)):
        labels = labels.take(((np.arange(new) + 0.5) * (old / new)).astype(np.int64), axis)
    return labels


def _plane(plane: np.ndarray, size: Sequence[int]) -> np.ndarray:
    if plane.shape == tuple(size):
        return plane.astype(np.float32)
    rows, columns = triangle(plane.shape[0], size[0]), triangle(plane.shape[1], size[1])
    return rows @ plane.astype(np.float32) @ columns.T
