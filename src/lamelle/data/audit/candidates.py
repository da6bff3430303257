"""Pictures that may show the same, found by their codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lamelle.data.audit import buckets, fingerprints
from lamelle.data.audit.registration import FINE, moved

BITS = 21
"""In which codes may differ, at most."""
COMPARED = 3e7
"""Pairs of unlike pictures whose waves are compared, about: the more pictures, the fewer bits may differ."""
LIKE = 0.55
"""Correlation of the waves below which a pair is not looked at."""
ALL_PAIRS_UP_TO = 50_000
"""Pairs that are all looked at."""
EACH = 240.0
"""Entries that each view of a picture meets on the average."""
FLAT, BORDER = 2.5, 0.16
"""Grey levels by which an even border may vary, and its greatest width, by the side of the picture."""
_MIN_PICTURES = 16
_AT_ONCE = 256
_STEPS = 63
"""Into which correlations from 1 to ``LIKE`` are parted, so that one number holds a pair and its rank."""
_AT_LEAST = 1 << 20

Allowed = Callable[[np.ndarray, np.ndarray], np.ndarray]
Pairs = tuple[np.ndarray, np.ndarray]
"""Numbers of pictures, ``[P]`` each."""


@dataclass(frozen=True, slots=True)
class SmallPictures:
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


def described(small: np.ndarray, sizes: np.ndarray) -> SmallPictures:
    """Pictures uint8 ``[N, 64, 64]`` of images of ``sizes`` ``[N, 2]``."""
    framed, frames = np.empty_like(small), np.empty((len(small), 3, 3))
    waves = np.empty((len(small), len(fingerprints.views()), 63), np.int8)
    for start in range(0, len(small), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        frames[part] = _frames(small[part])
        squares = moved(small[part].astype(np.float32), frames[part])[0].reshape(-1, FINE, FINE)
        framed[part] = np.rint(squares)
        of_part = fingerprints.waves_of(squares.reshape(-1, 32, 2, 32, 2).mean((2, 4)))
        waves[part] = np.rint(np.clip(of_part * 256, -127, 127))
    fine = np.maximum(0.6, 0.6 * FINE / np.maximum(sizes.min(axis=1), 1))
    firsts = np.stack([waves[:, part.start] for part in fingerprints.parts()])
    common = firsts.mean(axis=1, dtype=np.float32) if len(small) >= _MIN_PICTURES else np.zeros((2, 63), np.float32)
    return SmallPictures(framed, frames, waves, fine, common)


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


def candidates(first: SmallPictures, second: SmallPictures, allowed: Allowed | None, each: int) -> Pairs:
    """Pairs whose waves are most alike, of those whose codes met: each is not compared with each.

    Args:
        first: The one set.
        second: The other; or the same object for pairs within one set, each of which is then told once.
        allowed: Which pairs of numbers of pictures may be one; all if not given.
        each: Pairs that are kept of a picture.
    """
    within = first is second
    if len(first.small) * len(second.small) <= ALL_PAIRS_UP_TO:
        one, other = np.indices((len(first.small), len(second.small))).reshape(2, -1)
        some = (one < other) | (not within) if allowed is None else ((one < other) | (not within)) & allowed(one, other)
        return one[some], other[some]
    kept = _Nearest((len(first.small), len(second.small)), each, within=within)
    for queries, entries in ((first, second),) if within else ((first, second), (second, first)):
        for part, mean in zip(fingerprints.parts(), entries.common, strict=True):
            query_waves, entry_waves = (
                Waves.of(queries.waves[:, part], mean),
                Waves.of(turned(entries.waves[:, part.start]), mean),
            )
            codes, entry_codes = _codes(query_waves), _entry_codes(entry_waves)
            bits = None
            for q, e in buckets.meetings(codes, entry_codes, each=EACH):
                differ = np.bitwise_count(codes[q] ^ entry_codes[e])
                bits = _most_bits(differ, EACH * len(codes)) if bits is None else bits
                q, e = q[differ <= bits], e[differ <= bits]
                alike = query_waves.alike(q, entry_waves, e)
                near = np.flatnonzero(alike >= LIKE)
                one, other = q[near] // query_waves.each, e[near] // (2 * entry_waves.each)
                unlike = ((1 - alike[near]) * (_STEPS / (1 - LIKE))).astype(np.uint8)
                kept.add((one, other) if queries is first else (other, one), unlike, allowed)
    return kept.pairs()


def _most_bits(differ: np.ndarray, met: float) -> int:
    """In how many bits codes may differ, so that of ``met`` pairs about as many are compared as can be.

    Args:
        differ: In how many bits some of them differ.
        met: How many will meet in all, about.

    Example:
        >>> some = np.array([3, 18, 19, 20, 30])
        >>> _most_bits(some, 1e6), _most_bits(some, 1e8)
        (21, 17)
        >>> _most_bits(np.zeros(9, int), 1e9)  # pictures that are all alike are still compared
        7
    """
    shares = np.bincount(differ, minlength=BITS + 1)[: BITS + 1].cumsum() / max(1, len(differ))
    if shares[-1] * met <= COMPARED:
        return BITS
    return max(BITS // 3, int(np.searchsorted(shares * met, COMPARED, side="right")) - 1)


@dataclass(frozen=True, slots=True)
class Waves:
    """Waves, several of each picture, and what their correlation takes of the mean ``m`` that all have in common."""

    waves: np.ndarray
    """int8 ``[N × each, 63]``"""
    mean: np.ndarray
    along: np.ndarray
    """``waves · m``"""
    squares: np.ndarray
    """``waves · waves``"""
    each: int

    @staticmethod
    def of(waves: np.ndarray, mean: np.ndarray) -> Waves:
        """Of waves int8 ``[N, each, 63]``."""
        flat = waves.reshape(-1, 63)
        along, squares = np.empty(len(flat), np.float32), np.empty(len(flat), np.float32)
        for start in range(0, len(flat), 1 << 16):
            part = flat[start : start + (1 << 16)].astype(np.float32)
            along[start : start + (1 << 16)] = part @ mean
            squares[start : start + (1 << 16)] = np.einsum("nk,nk->n", part, part)
        return Waves(flat, mean, along, squares, waves.shape[1])

    def length(self, rows: np.ndarray, sign: np.ndarray | float = 1) -> np.ndarray:
        """Of waves, or of their negatives, without the mean."""
        return np.sqrt(np.maximum(self.squares[rows] - 2 * sign * self.along[rows] + self.mean @ self.mean, 1e-6))

    def alike(self, rows: np.ndarray, entries: Waves, numbers: np.ndarray) -> np.ndarray:
        """Correlation with entries; those of odd numbers are inverted."""
        its, sign = numbers // 2, np.where(numbers % 2, np.float32(-1), np.float32(1))
        product = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), 1 << 16):
            part = slice(start, start + (1 << 16))
            ours, theirs = self.waves[rows[part]].astype(np.float32), entries.waves[its[part]].astype(np.float32)
            product[part] = np.einsum("nk,nk->n", ours, theirs)
        mean = self.mean @ self.mean
        product = sign * product - self.along[rows] - sign * entries.along[its] + mean
        return product / (self.length(rows) * entries.length(its, sign))


class _Nearest:
    """Of each picture the few others that are least unlike it; what is farther is turned away as it comes."""

    def __init__(self, counts: tuple[int, int], each: int, *, within: bool) -> None:
        self._counts, self._each, self._within = counts, each, within
        self._bounds = [np.full(n, _STEPS, np.uint8) for n in counts]
        self._held = np.zeros(0, np.int64)
        self._new: list[np.ndarray] = []

    def add(self, pairs: Pairs, differ: np.ndarray, allowed: Allowed | None) -> None:
        """Pairs that met, and how unlike they are, from 0 to 63."""
        kept = differ <= np.maximum(self._bounds[0][pairs[0]], self._bounds[1][pairs[1]])
        one, other = (z[kept] for z in pairs)
        if self._within:
            one, other = np.minimum(one, other), np.maximum(one, other)
        met = (one * self._counts[1] + other) * 64 + differ[kept]
        met.sort()  # far faster than an order
        met = met[_firsts(met // 64)]
        if allowed is not None:
            met = met[allowed(*np.divmod(met // 64, self._counts[1]))]
        self._new.append(met)
        if sum(len(z) for z in self._new) > max(_AT_LEAST, 2 * len(self._held)):
            self._settle()

    def _settle(self) -> None:
        """Of all pairs so far those that are among the nearest of one of their two pictures."""
        pairs_so_far = np.concatenate([self._held, *self._new])
        self._new = []
        pairs_so_far.sort()
        pairs_so_far = pairs_so_far[_firsts(pairs_so_far // 64)]
        pairs = np.divmod(pairs_so_far // 64, self._counts[1])
        differ = pairs_so_far % 64
        for side, (members, ranks) in enumerate(_ranked(pairs, differ, within=self._within)):
            last = ranks == self._each - 1
            self._bounds[side][members[last]] = np.resize(differ, len(members))[last]
        if self._within:
            self._bounds[1] = self._bounds[0]
        self._held = pairs_so_far[nearest(pairs, -differ, self._each, within=self._within)]

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
    ranked = []
    for members in sides:
        order = np.lexsort((np.resize(differ, len(members)), members))
        ordered = members[order]
        ranks = np.empty(len(members), np.int64)
        ranks[order] = np.arange(len(members)) - np.searchsorted(ordered, ordered)
        ranked.append((members, ranks))
    return ranked


def _firsts(ascending: np.ndarray) -> np.ndarray:
    """Whether each is unlike the one before."""
    new = np.ones(len(ascending), bool)
    new[1:] = ascending[1:] != ascending[:-1]
    return new


def _codes(queries: Waves) -> np.ndarray:
    """uint64, one per waves: the signs of what they have more than all have in common."""
    return _packed(queries.waves, lambda part: part - queries.mean)


def _entry_codes(entries: Waves) -> np.ndarray:
    """uint64 ``[16 N]``: of every orientation, each as it is and inverted."""
    return _packed(entries.waves, lambda part: np.stack([part - entries.mean, -part - entries.mean], axis=1))


def _packed(waves: np.ndarray, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    starts = range(0, len(waves), 1 << 16)
    return np.concatenate(
        [np.zeros(0, np.uint64), *(fingerprints.packed(of(waves[s : s + (1 << 16)])).reshape(-1) for s in starts)]
    )


def turned(waves: np.ndarray) -> np.ndarray:
    """Waves int8 ``[N, 63]`` in every orientation, ``[N, 8, 63]``."""
    result = np.empty((len(waves), 8, 63), np.int8)
    for start in range(0, len(waves), 4096):
        result[start : start + 4096] = fingerprints.oriented_waves(waves[start : start + 4096].astype(np.float32))
    return result
