"""Pictures that may show the same, found by their codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lamelle.data.audit import buckets, views
from lamelle.data.audit.registration import FINE, moved

BITS = 21
"""In which codes may differ."""
EACH = 120.0
"""Entries that each view of a picture meets on the average."""
FLAT, BORDER = 2.5, 0.16
"""Grey levels by which an even border may vary, and its greatest width, by the side of the picture."""
_MANY = 16
_AT_ONCE = 256
_AT_LEAST = 1 << 20

Allowed = Callable[[np.ndarray, np.ndarray], np.ndarray]
Pairs = tuple[np.ndarray, np.ndarray]
"""Numbers of pictures, ``[P]`` each."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Small pictures without their even borders, described."""

    small: np.ndarray
    """uint8 ``[N, 64, 64]``"""
    frames: np.ndarray
    """Where the places of the picture lay before its border was taken away, ``[N, 3, 3]``."""
    waves: np.ndarray
    """int8 ``[N, V, 63]``"""
    fine: np.ndarray
    """Width of blurring, in pixels of 64, at which the picture has no more details."""
    common: np.ndarray
    """Waves float32 ``[2, 63]`` that all have in common, of the whole and of the centre: they tell nothing."""


def described(small: np.ndarray, sizes: np.ndarray) -> Pictures:
    """Pictures uint8 ``[N, 64, 64]`` of images of ``sizes`` ``[N, 2]``."""
    framed, frames = np.empty_like(small), np.empty((len(small), 3, 3))
    waves = np.empty((len(small), len(views.views()), 63), np.int8)
    for start in range(0, len(small), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        frames[part] = _frames(small[part])
        squares = moved(small[part].astype(np.float32), frames[part])[0].reshape(-1, FINE, FINE)
        framed[part] = np.rint(squares)
        found = views.waves_of(squares.reshape(-1, 32, 2, 32, 2).mean((2, 4)))
        waves[part] = np.rint(np.clip(found * 256, -127, 127))
    fine = np.maximum(0.6, 0.6 * FINE / np.maximum(sizes.min(axis=1), 1))
    firsts = np.stack([waves[:, part.start] for part in views.parts()])
    common = firsts.mean(axis=1, dtype=np.float32) if len(small) >= _MANY else np.zeros((2, 63), np.float32)
    return Pictures(framed, frames, waves, fine, common)


def _frames(small: np.ndarray) -> np.ndarray:
    """What an even border leaves of each picture, as ``[N, 3, 3]``."""
    side = small.shape[-1]
    most = int(BORDER * side)
    ends = []
    for turned in (small.transpose(0, 2, 1), small):  # columns, rows
        for lines in (turned, turned[:, ::-1]):
            edge = np.median(lines[:, 0], axis=1)[:, None, None]
            flat = (np.abs(lines[:, :most] - edge) <= FLAT).mean(axis=2) >= 0.97
            border = np.cumprod(flat, axis=1).sum(axis=1)
            ends.append((border + (border > 0)) * 2 / side)  # its last row is half border, half picture
    frames = np.tile(np.eye(3), (len(small), 1, 1))
    for axis in (0, 1):
        low, high = ends[2 * axis] - 1, 1 - ends[2 * axis + 1]
        frames[:, axis, axis], frames[:, axis, 2] = (high - low) / 2, (high + low) / 2
    return frames


def candidates(first: Pictures, second: Pictures, allowed: Allowed | None, each: int) -> Pairs:
    """Pairs whose codes are most alike, of those found without comparing each with each.

    Args:
        first: The one set.
        second: The other; or the same object for pairs within one set, each of which is then told once.
        allowed: Which pairs of numbers of pictures may be one; all if not given.
        each: Pairs that are kept of a picture.
    """
    within = first is second
    kept = _Nearest((len(first.small), len(second.small)), each, within=within)
    for queries, entries in ((first, second),) if within else ((first, second), (second, first)):
        for part, mean in zip(views.parts(), entries.common, strict=True):
            asked, held = queries.waves[:, part], entries.waves[:, part.start]
            codes, known = _codes(asked.reshape(-1, 63), mean), _entry_codes(held, mean)
            for q, e in buckets.meetings(codes, known, each=EACH):
                differ = np.bitwise_count(codes[q] ^ known[e])
                near = np.flatnonzero(differ <= BITS)
                one, other = q[near] // asked.shape[1], e[near] // 16
                kept.add((one, other) if queries is first else (other, one), differ[near], allowed)
    return kept.pairs()


class _Nearest:
    """Of each picture the few others whose codes differ least; what is farther is turned away as it comes."""

    def __init__(self, counts: tuple[int, int], each: int, *, within: bool) -> None:
        self._counts, self._each, self._within = counts, each, within
        self._bounds = [np.full(n, BITS, np.uint8) for n in counts]
        self._held = np.zeros(0, np.int64)
        self._new: list[np.ndarray] = []

    def add(self, pairs: Pairs, differ: np.ndarray, allowed: Allowed | None) -> None:
        """Pairs that met, and in how many bits they differ."""
        kept = differ <= np.maximum(self._bounds[0][pairs[0]], self._bounds[1][pairs[1]])
        one, other = (z[kept] for z in pairs)
        if self._within:
            one, other = np.minimum(one, other), np.maximum(one, other)
        found = (one * self._counts[1] + other) * 64 + differ[kept]
        found.sort()  # far faster than an order
        found = found[_firsts(found // 64)]
        if allowed is not None:
            found = found[allowed(*np.divmod(found // 64, self._counts[1]))]
        self._new.append(found)
        if sum(len(z) for z in self._new) > max(_AT_LEAST, 2 * len(self._held)):
            self._settle()

    def _settle(self) -> None:
        """Of all pairs so far those that are among the nearest of one of their two pictures."""
        found = np.concatenate([self._held, *self._new])
        self._new = []
        found.sort()
        found = found[_firsts(found // 64)]
        pairs = np.divmod(found // 64, self._counts[1])
        differ = found % 64
        for side, (members, ranks) in enumerate(_ranked(pairs, differ, within=self._within)):
            last = ranks == self._each - 1
            self._bounds[side][members[last]] = np.resize(differ, len(members))[last]
        if self._within:
            self._bounds[1] = self._bounds[0]
        self._held = found[nearest(pairs, -differ, self._each, within=self._within)]

    def pairs(self) -> Pairs:
        """Those that are left."""
        self._settle()
        return np.divmod(self._held // 64, self._counts[1])


def nearest(pairs: Pairs, alike: np.ndarray, each: int, *, within: bool) -> np.ndarray:
    """Whether pairs are among the ``each`` most alike of one of their two pictures, bool ``[P]``.

    Example:
        >>> nearest((np.array([0, 0, 1]), np.array([1, 2, 2])), np.array([0.9, 0.2, 0.5]), 1, within=True).tolist()
        [True, False, True]
    """
    kept = [(ranks < each).reshape(1 + within, -1).any(axis=0) for _, ranks in _ranked(pairs, -alike, within=within)]
    return np.any(kept, axis=0)


def _ranked(pairs: Pairs, differ: np.ndarray, *, within: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pictures, and the place of each pair among those of its picture, of either side; within one set they are one."""
    sides = [np.concatenate(pairs)] if within else list(pairs)
    found = []
    for members in sides:
        order = np.lexsort((np.resize(differ, len(members)), members))
        ordered = members[order]
        ranks = np.empty(len(members), np.int64)
        ranks[order] = np.arange(len(members)) - np.searchsorted(ordered, ordered)
        found.append((members, ranks))
    return found


def _firsts(ascending: np.ndarray) -> np.ndarray:
    """Whether each is unlike the one before."""
    new = np.ones(len(ascending), bool)
    new[1:] = ascending[1:] != ascending[:-1]
    return new


def _codes(waves: np.ndarray, mean: np.ndarray) -> np.ndarray:
    result = np.empty(len(waves), np.uint64)
    for start in range(0, len(waves), 1 << 16):
        result[start : start + (1 << 16)] = views.packed(waves[start : start + (1 << 16)] - mean)
    return result


def _entry_codes(waves: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """uint64 ``[16 N]``: of every orientation, each as it is and inverted."""
    result = np.empty((len(waves), 8, 2), np.uint64)
    for start in range(0, len(waves), 4096):
        turned = views.oriented_waves(waves[start : start + 4096].astype(np.float32))
        result[start : start + 4096] = views.packed(np.stack([turned - mean, -turned - mean], axis=2))
    return result.reshape(-1)
