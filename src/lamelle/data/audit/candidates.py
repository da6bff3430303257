"""Pictures that may show the same, found by their codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from lamelle.data.audit import buckets, views
from lamelle.data.audit.registration import FINE, moved

BITS = 21
"""In which codes may differ."""
LIKE = 0.55
"""Correlation of the waves below which a pair is not looked at."""
EACH = 120.0
"""Entries that each view of a picture meets on the average."""
REGISTERED = 100_000
"""Pairs to be brought over each other in all."""
CANDIDATES = (3, 12)
"""Of them for each picture, the most alike first: fewest, where there are many pictures, and most."""
FLAT, BORDER = 2.5, 0.16
"""Grey levels by which an even border may vary, and its greatest width, by the side of the picture."""
_AT_ONCE = 256

Allowed = Callable[[np.ndarray, np.ndarray], np.ndarray]


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
    return Pictures(framed, frames, waves, fine)


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


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs of pictures, and how the one has to be looked at to show the other; columns of one length."""

    query: np.ndarray
    entry: np.ndarray
    view: np.ndarray
    """Of the query."""
    turn: np.ndarray
    """Orientation of the entry."""
    alike: np.ndarray
    """Correlation of their waves."""

    def at(self, rows: np.ndarray | slice) -> Candidates:
        """Some of them."""
        return Candidates(*(getattr(self, f.name)[rows] for f in fields(self)))

    @staticmethod
    def joined(parts: Sequence[Candidates]) -> Candidates:
        """All of several."""
        return Candidates(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Candidates)))

    def best(self, *, both_ways: bool) -> Candidates:
        """The most alike of each pair; ``both_ways``: whether (a, b) and (b, a) are one pair."""
        one, other = self.query, self.entry
        if both_ways:
            one, other = np.minimum(one, other), np.maximum(one, other)
        order = np.lexsort((self.turn, self.view, self.query, -self.alike, other, one))
        new = np.ones(len(order), bool)
        new[1:] = (np.diff(one[order]) != 0) | (np.diff(other[order]) != 0)
        return self.at(order[new])

    def nearest(self, each: int) -> Candidates:
        """Those that are among the ``each`` most alike of one of their two pictures."""
        found = self.at(np.lexsort((self.entry, self.query, -self.alike)))
        kept = np.zeros(len(found.query), bool)
        for members in (found.query, found.entry):
            order = np.argsort(members, kind="stable")
            ordered = members[order]
            rank = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
            kept[order[rank < each]] = True
        return found.at(kept)


def candidates(queries: Pictures, entries: Pictures, allowed: Allowed | None) -> Candidates:
    """Pairs to be brought over each other: of each picture those most alike.

    Args:
        queries: Pictures that are looked at in many ways.
        entries: Those they may then show; the same object for pairs within one set.
        allowed: Which pairs of numbers of pictures may be one; all if not given.
    """
    whole = views.whole_views()
    both_ways = queries is entries
    found: list[Candidates] = []
    for first, last in ((0, whole), (whole, len(views.views()))):
        asked, held = queries.waves[:, first:last], entries.waves[:, first]
        mean = held.mean(axis=0, dtype=np.float32) * (len(held) >= 16)  # what all have in common tells nothing
        codes, known = _codes(asked.reshape(-1, 63), mean), _entry_codes(held, mean)
        for q, e in buckets.meetings(codes, known, each=EACH):
            near = np.bitwise_count(codes[q] ^ known[e]) <= BITS
            pairs = np.unique(q[near] * len(known) + e[near])
            query, view = np.divmod(pairs // len(known), last - first)
            entry, turn = np.divmod(pairs % len(known), 16)
            kept = slice(None) if allowed is None else allowed(query, entry)
            query, view, entry, turn = query[kept], view[kept], entry[kept], turn[kept]
            alike = _alike(asked[query, view], held[entry], turn, mean)
            some = Candidates(query, entry, view + first, turn // 2, alike).at(alike >= LIKE)
            found.append(some)
            if len(found) > 32:
                found = [Candidates.joined(found).best(both_ways=both_ways)]
    if not found:
        nothing = np.zeros(0, np.int64)
        return Candidates(nothing, nothing, nothing, nothing, nothing.astype(np.float32))
    each = int(np.clip(REGISTERED // max(1, len(queries.small)), *CANDIDATES))
    return Candidates.joined(found).best(both_ways=both_ways).nearest(each)


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


def _alike(asked: np.ndarray, held: np.ndarray, turn: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Correlation of waves int8 ``[P, 63]`` with others that lie and shine as ``turn`` says."""
    result = np.empty(len(turn), np.float32)
    for start in range(0, len(turn), 1 << 16):
        part = slice(start, start + (1 << 16))
        a = asked[part] - mean
        b = views.turned_waves(held[part], turn[part] // 2) * np.where(turn[part] % 2, -1, 1)[:, None] - mean
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        result[part] = np.einsum("nk,nk->n", a, b) / np.maximum(lengths, 1e-6)
    return result
