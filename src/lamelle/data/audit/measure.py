"""One image or label image, looked at once, slab by slab, so that memory does not grow with its size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lamelle.data.resize import area

SLAB = 4 << 20
"""Bytes looked at at a time."""
THUMBNAIL = 64
SAMPLED = 1 << 16
"""Values kept per channel where a histogram is not exact (floats, 32-bit integers)."""
OFFSET, SPAN = 1 << 15, 3 << 15
"""Histograms of all integers of up to 16 bits share one axis, −32768 … 65535."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Values and how often they occur: exact for integers of up to 16 bits, else an even sample."""

    values: np.ndarray
    weights: np.ndarray

    def quantiles(self, *fractions: float) -> tuple[float, ...]:
        """The values below which these fractions lie.

        Example:
            >>> Distribution(np.arange(4), np.array([1, 1, 1, 97])).quantiles(0.5)
            (3.0,)
        """
        if not len(self.values):
            return (float("nan"),) * len(fractions)
        order = np.argsort(self.values, kind="stable")
        reached = np.cumsum(self.weights[order])
        places = np.searchsorted(reached, np.array(fractions) * reached[-1])
        return tuple(float(v) for v in self.values[order][np.minimum(places, len(order) - 1)])


@dataclass(frozen=True, slots=True)
class Measures:
    """What one image is like."""

    minimum: float
    maximum: float
    mean: np.ndarray
    """``[C]``"""
    std: np.ndarray
    distributions: tuple[Distribution, ...]
    """One per channel."""
    pixels: str
    coloured: bool
    thumbnail: np.ndarray
    """float32 ``[64, 64]``: grey, averaged along Z."""


def slabs(array: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(start, part) of an array ``[C, A, …]`` along its second axis, each at most ``SLAB`` bytes where possible.

    Example:
        >>> [(start, part.shape) for start, part in slabs(np.zeros((3, 5, 4)))]
        [(0, (3, 5, 4))]
    """
    step = max(1, SLAB // max(1, array.nbytes // array.shape[1]))
    for start in range(0, array.shape[1], step):
        yield start, array[:, start : start + step]


def measure(array: np.ndarray) -> Measures:
    """Look at an image ``[C, (Z,) Y, X]``."""
    channels = [_Channel(array.dtype, array[0].size) for _ in array]
    thumbnail = np.zeros((THUMBNAIL, THUMBNAIL), np.float32)
    for start, part in slabs(array):
        for channel, values in zip(channels, part, strict=True):
            channel.add(np.ascontiguousarray(values))
        thumbnail += _thumbnail(part, start, array.shape)
    hashes = {c.hash.hexdigest() for c in channels}
    parts = [*hashes] if len(hashes) == 1 else [c.hash.hexdigest() for c in channels]  # grey as RGB is grey
    pixels = hashlib.sha256("|".join([str(array.shape[1:]), array.dtype.newbyteorder("=").str, *parts]).encode())
    moments = np.array([c.moments() for c in channels])
    return Measures(
        min(c.minimum for c in channels),
        max(c.maximum for c in channels),
        moments[:, 0],
        moments[:, 1],
        tuple(c.distribution() for c in channels),
        pixels.hexdigest()[:32],
        len(hashes) > 1,
        thumbnail,
    )


def thumbnail(array: np.ndarray, side: int) -> np.ndarray:
    """An image ``[C, (Z,) Y, X]`` as a grey square float32 ``[side, side]``, averaged along Z."""
    return np.sum([_thumbnail(part, start, array.shape, side) for start, part in slabs(array)], axis=0)


def _thumbnail(part: np.ndarray, start: int, shape: tuple[int, ...], side: int = THUMBNAIL) -> np.ndarray:
    grey = part.mean(axis=0, dtype=np.float32)
    if len(shape) == 4:
        grey = grey.mean(axis=0) * (part.shape[1] / shape[1])
        rows = area(shape[2], side)
    else:
        rows = area(shape[1], side)[:, start : start + part.shape[1]]
    return rows @ grey @ area(shape[-1], side).T


class _Channel:
    """Sums over one channel."""

    def __init__(self, dtype: np.dtype, size: int) -> None:
        self.exact = dtype.kind == "b" or (dtype.kind in "ui" and dtype.itemsize <= 2)
        self.hash = hashlib.blake2b(digest_size=16)
        self.minimum, self.maximum = np.inf, -np.inf
        self._counts = np.zeros(SPAN if dtype.itemsize > 1 else 256 + 128, np.int64) if self.exact else None
        self._offset = OFFSET if dtype.itemsize > 1 else 128
        self._step = max(1, -(-size // SAMPLED))
        self._n, self._mean, self._squares = 0, 0.0, 0.0
        self._sample: list[np.ndarray] = []

    def add(self, values: np.ndarray) -> None:
        self.hash.update(values.astype(values.dtype.newbyteorder("="), copy=False).data)
        flat = values.reshape(-1)
        if self._counts is not None:
            shifted = flat.astype(np.int32) + self._offset if flat.dtype.kind == "i" else flat
            counts = np.bincount(shifted)
            begin = 0 if flat.dtype.kind == "i" else self._offset
            self._counts[begin : begin + len(counts)] += counts
            self.minimum = min(self.minimum, float(flat.min()))
            self.maximum = max(self.maximum, float(flat.max()))
            return
        self.minimum = min(self.minimum, float(flat.min()))
        self.maximum = max(self.maximum, float(flat.max()))
        n, mean = flat.size, float(flat.mean(dtype=np.float64))
        squares = float(np.square(flat - mean, dtype=np.float64).sum())
        shift, total = mean - self._mean, self._n + n
        self._squares += squares + shift * shift * self._n * n / total  # Chan's update
        self._mean += shift * n / total
        self._n = total
        self._sample.append(flat[:: self._step].copy())

    def distribution(self) -> Distribution:
        if self._counts is not None:
            (places,) = np.nonzero(self._counts)
            return Distribution(places - self._offset, self._counts[places])
        values = np.concatenate(self._sample)
        return Distribution(values, np.full(len(values), self._n / len(values)))

    def moments(self) -> tuple[float, float]:
        if self._counts is None:
            return self._mean, (self._squares / self._n) ** 0.5
        counted = self.distribution()
        mean = float(np.average(counted.values, weights=counted.weights))
        return mean, float(np.average((counted.values - mean) ** 2, weights=counted.weights)) ** 0.5


def count_labels(labels: np.ndarray) -> tuple[dict[int, int], str]:
    """Pixels per value, and the hash, of a label image ``[(Z,) Y, X]``.

    Example:
        >>> count_labels(np.array([[0, 255, 255]], np.uint8))[0]
        {0: 1, 255: 2}
    """
    counts: dict[int, int] = {}
    content = hashlib.blake2b(str(labels.shape).encode(), digest_size=16)
    for _, part in slabs(labels[None]):
        flat = np.ascontiguousarray(part).reshape(-1)
        content.update(flat.astype(np.int64).data)
        if flat.dtype.kind in "ub" and (flat.dtype.itemsize <= 2 or int(flat.max()) < 1 << 20):
            tally = np.bincount(flat)
            values = np.nonzero(tally)[0]
            tally = tally[values]
        else:
            values, tally = np.unique(flat, return_counts=True)
        for value, count in zip(values.tolist(), tally.tolist(), strict=True):
            counts[int(value)] = counts.get(int(value), 0) + count
    return counts, content.hexdigest()
