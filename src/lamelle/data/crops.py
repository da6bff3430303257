"""Where training crops are centred: on annotated pixels, rare classes as often as frequent ones.

Nothing holds a label image in memory: it is looked at once, slab by slab, and a sample of positions is kept of each
class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lamelle.data.randomness import generator
from lamelle.types import IGNORE

MAX_POSITIONS = 4096
"""Positions kept of one class of one record."""
MIN_POSITIONS = 64
KEPT = 1 << 23
"""Positions kept in all, unless `MIN_POSITIONS` of each class and record are more: 64 MB."""
SPARSE = 0.5
"""Share of ignored pixels from which the background counts as annotated on purpose."""
_SLAB = 1 << 20
"""Pixels looked at at a time."""


@dataclass(frozen=True, slots=True)
class Places:
    """Positions of annotated pixels of one record."""

    shape: tuple[int, ...]
    """[(Z,) Y, X]"""
    classes: tuple[np.ndarray, ...]
    """One array of flat positions, int64, for each class to be drawn from."""

    def draw(self, random: np.random.Generator) -> tuple[int, ...] | None:
        """A pixel [(Z,) Y, X]: a class evenly, then a pixel of it evenly; None if there are none."""
        if not self.classes:
            return None
        among = self.classes[min(int(random.random() * len(self.classes)), len(self.classes) - 1)]
        place = among[min(int(random.random() * len(among)), len(among) - 1)]
        return tuple(int(i) for i in np.unravel_index(place, self.shape))


def places(
    labels: np.ndarray,
    encode: Callable[[np.ndarray], np.ndarray],
    *,
    classes: int,
    most: int,
    key: tuple[int | str, ...],
) -> Places:
    """A sample of the annotated pixels of a label image [(Z,) Y, X], which may be memory-mapped.

    Of the background only where most of the image is ignored: what was annotated then is what is to be learnt from.

    Args:
        encode: From labels to classes, `IGNORE` where a pixel is not annotated; numbers beyond the last class (objects)
            count as that one.
        classes: Number of classes, with the background.
        most: Positions kept of a class.
        key: What the sample depends on.

    Example:
        >>> found = places(np.array([[0, 2, 2, 1]]), lambda x: x, classes=3, most=8, key=(0,))
        >>> [c.tolist() for c in found.classes]
        [[3], [1, 2]]
    """
    random = generator("places", *key)
    kept = [_Sample(most) for _ in range(classes)]
    per = max(1, labels[0].size)
    step = max(1, _SLAB // per)
    ignored = 0
    for first in range(0, len(labels), step):
        flat = encode(np.asarray(labels[first : first + step])).reshape(-1)
        flat = np.minimum(flat, classes - 1)
        ignored += int(np.count_nonzero(flat == IGNORE))
        for c, sample in enumerate(kept):
            sample.add(np.flatnonzero(flat == c) + first * per, random)
    sparse = ignored > SPARSE * labels.size
    chosen = [sample.places() for sample in (kept if sparse else kept[1:])]
    return Places(tuple(labels.shape), tuple(c for c in chosen if len(c)))


class _Sample:
    """An even sample of positions that come in pieces: those with the smallest random numbers stay."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._places, self._numbers = np.zeros(0, np.int64), np.zeros(0)

    def add(self, piece: np.ndarray, random: np.random.Generator) -> None:
        """Take a piece."""
        numbers = random.random(len(piece))
        if len(self._places) == self._most:
            near = numbers < self._numbers.max()
            piece, numbers = piece[near], numbers[near]
        places, numbers = np.concatenate([self._places, piece]), np.concatenate([self._numbers, numbers])
        if len(places) > self._most:
            stay = np.argpartition(numbers, self._most)[: self._most]
            places, numbers = places[stay], numbers[stay]
        self._places, self._numbers = places, numbers

    def places(self) -> np.ndarray:
        """The sample in order."""
        return np.sort(self._places)


def kept_of_each(records: int, classes: int) -> int:
    """Positions to keep of each class of each record, so that an index of many records stays small.

    Example:
        >>> kept_of_each(20, 5), kept_of_each(20_000, 5)
        (4096, 83)
    """
    return int(np.clip(KEPT // max(1, records * classes), MIN_POSITIONS, MAX_POSITIONS))
