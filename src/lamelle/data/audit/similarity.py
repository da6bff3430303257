"""Which pictures show the same: candidates by their codes, then each brought over the other and compared.

Nothing is compared with everything: see ``buckets``. Of each picture the few candidates that look most alike are
registered in several ways, first with few pixels, and only those whose details agree nearly everywhere are copies. Two
chest X-rays of different people, two fields of one tissue, and neighbouring slices are alike at large, and not in their
details.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from lamelle.data.audit import registration
from lamelle.data.audit.alignment import Starts, starts
from lamelle.data.audit.candidates import LIKE, Allowed, Pairs, SmallPictures, candidates, nearest
from lamelle.data.audit.registration import Squares, register
from lamelle.platform import cores

CHOSEN = 300_000
"""Pairs to be chosen by their waves in all, about, where there are many pictures."""
CANDIDATES = (3, 12)
"""Of them for each picture, the most alike first: fewest, where there are many pictures, and most."""
CHEAP = 8_000
"""Pairs that cost little: of few pictures so many are chosen, for those of one kind are all alike at large."""
REGISTERED = 100_000
"""Pairs to be brought over each other in all, at most: the most alike of those chosen."""
SORTED = 3
"""Times as many are chosen by the waves of their first meeting alone."""
WAYS = 4
"""In which a pair is tried."""
HARDLY, NEARLY = 0.1, 0.3
"""Agreement at 32 × 32 below which a pair is given up: after the first steps, and after the last."""
SAME = 0.88
"""Agreement of copies: nine of ten reach 0.93 and more. Real X-rays of different people stayed below 0.7, synthetic
ones, which share more of their anatomy, below 0.84."""
AGAIN = 0.3
"""Agreement at 64 × 64 from which a pair is tried once more, the other way round."""
BEARING = 0.37
"""Part of the blocks on which the agreement must rest: 0.4 and more of copies of sparse nuclei, 0.34 of two fields of
even tissue whose corners a rotation left black."""
WITHIN = 0.85
"""Part of one of the two that the other shows: less is a chance likeness of a few cells."""
MIN_OVERLAP = 0.45
"""Part of the other: 0.64 of a crop to 80 % of the sides, 0.49 of a picture with borders of 15 % on all sides."""
_AT_ONCE = 48


@dataclass(frozen=True, slots=True)
class SamePicture:
    """Two pictures that show the same."""

    first: int
    second: int
    agreement: float
    warp: np.ndarray
    """Places ``(x, y, 1)`` of the second in the first, ``[3, 3]``, from −1 to 1."""
    inverted: bool

    def swapped(self) -> SamePicture:
        """The same, seen from the other picture."""
        return SamePicture(self.second, self.first, self.agreement, np.linalg.inv(self.warp), self.inverted)


def shared(warp: np.ndarray) -> float:
    """Part of a picture that a movement ``[3, 3]`` maps into the other.

    Example:
        >>> shared(np.diag([1.0, 2.0, 1.0]))
        0.5
    """
    return float((np.abs((warp @ registration.places(64))[:2]) <= 1).all(axis=0).mean())


def enough(warp: np.ndarray) -> bool:
    """Whether by a movement ``[3, 3]`` nearly all of one picture lies in the other, and much of the other in it.

    Example:
        >>> enough(np.diag([0.8, 0.8, 1.0])), enough(np.diag([0.6, 0.6, 1.0]))
        (True, False)
    """
    shares = shared(warp), shared(np.linalg.inv(warp))
    return max(shares) >= WITHIN and min(shares) >= MIN_OVERLAP


def matches(first: SmallPictures, second: SmallPictures, allowed: Allowed | None = None) -> list[SamePicture]:
    """Pictures of one set that show the same as pictures of another, or of the same set.

    Args:
        first: The one set.
        second: The other, or the same.
        allowed: Which pairs of numbers may be a match; all if not given.
    """
    count = max(len(first.small), len(second.small), 1)
    each = max(int(np.clip(CHOSEN // count, *CANDIDATES)), CHEAP // count)
    pairs = candidates(first, second, allowed, SORTED * each)
    ways = starts(first, second, pairs, WAYS)
    near = nearest(pairs, ways.alike[:, 0], each, within=first is second)
    kept = np.flatnonzero(near & (ways.alike[:, 0] >= LIKE))
    kept = np.sort(kept[np.argsort(-ways.alike[kept, 0], kind="stable")[:REGISTERED]])
    parts = [kept[start : start + _AT_ONCE] for start in range(0, len(kept), _AT_ONCE)]
    with ThreadPoolExecutor(cores()) as threads:
        verified = threads.map(lambda n: _verified(first, second, (pairs[0][n], pairs[1][n]), ways.at(n)), parts)
        return [match for part in verified for match in part]


@dataclass(frozen=True, slots=True)
class _Shown:
    """Pictures of some pairs, all first ones and then all second ones, ``[2 P, …]``."""

    squares: Squares
    frames: np.ndarray
    fine: np.ndarray

    def finest(self, moving: np.ndarray, fixed: np.ndarray, warps: np.ndarray) -> np.ndarray:
        """Width of blurring at which neither shows more details than the other."""
        scales = np.sqrt(np.abs(np.linalg.det(warps))).clip(0.5, 2)  # pixels of the moving one on one of the fixed
        return np.maximum(self.fine[moving] / scales, self.fine[fixed])

    def framed(self, moving: np.ndarray, fixed: np.ndarray, warps: np.ndarray) -> np.ndarray:
        """Movements of the pictures with their borders, ``[N, 3, 3]``."""
        return self.frames[moving] @ warps @ np.linalg.inv(self.frames[fixed])

    def plain(self, moving: np.ndarray, fixed: np.ndarray, warps: np.ndarray) -> np.ndarray:
        """Whether movements are of the kind that copies show, with their borders or without them."""
        return _plain(warps) | _plain(self.framed(moving, fixed, warps))


def _verified(first: SmallPictures, second: SmallPictures, pairs: Pairs, ways: Starts) -> list[SamePicture]:
    """The pairs that are copies: brought over each other with few pixels in all ways, then the best with ever more."""
    count, each = ways.view.shape
    one, other = np.arange(2 * count).reshape(2, count, 1)
    shown = _Shown(
        Squares.of(np.concatenate([first.small[pairs[0]], second.small[pairs[1]]])),
        np.concatenate([first.frames[pairs[0]], second.frames[pairs[1]]]),
        np.concatenate([first.fine[pairs[0]], second.fine[pairs[1]]]),
    )
    moving = np.where(ways.swapped, other, one).reshape(-1)
    fixed = np.where(ways.swapped, one, other).reshape(-1)
    coarse, medium = shown.squares.smaller(4), shown.squares.smaller(2)
    warps = ways.warps().reshape(-1, 3, 3)
    warps = register(coarse.at(moving), coarse.at(fixed), warps, fine=0.8, coarse=4.0, steps=4)
    fitting = np.where(shown.plain(moving, fixed, warps), _fitting(medium.at(moving), medium.at(fixed), warps), -1)
    best = fitting.reshape(count, each).argmax(axis=1) + np.arange(count) * each
    best = best[fitting[best] >= HARDLY]
    if not len(best):
        return []
    moving, fixed, warps = moving[best], fixed[best], warps[best]
    warps = register(medium.at(moving), medium.at(fixed), warps, fine=0.8, coarse=4.0, steps=3)
    near = (_fitting(medium.at(moving), medium.at(fixed), warps) >= NEARLY) & shown.plain(moving, fixed, warps)
    return [
        SamePicture(int(pairs[0][m.first]), int(pairs[1][m.second]), m.agreement, m.warp, m.inverted)
        for m in _finest(shown, moving[near], fixed[near], warps[near])
    ]


def _fitting(moving: Squares, fixed: Squares, warps: np.ndarray) -> np.ndarray:
    """Agreement at 32 × 32."""
    return registration.agreement(*registration.over(moving, fixed, warps, fine=0.8, coarse=3.0))[0]


def _finest(shown: _Shown, moving: np.ndarray, fixed: np.ndarray, warps: np.ndarray) -> list[SamePicture]:
    """Those that agree at 64 × 64, if not the one moved over the other, then the other over the one; by their place."""
    count = len(shown.fine) // 2
    finest: list[SamePicture] = []
    for _ in range(2):
        if not len(warps):
            break
        ours, its = shown.squares.at(moving), shown.squares.at(fixed)
        warps = register(ours, its, warps, fine=1.0, coarse=4.0, steps=4)
        agreed, inverted = _agreed(ours, its, warps, shown.finest(moving, fixed, warps))
        plain, full = shown.plain(moving, fixed, warps), shown.framed(moving, fixed, warps)
        same = (agreed >= SAME) & plain
        for n in np.flatnonzero(same):
            match = SamePicture(int(moving[n]), int(fixed[n]), float(agreed[n]), full[n], bool(inverted[n]))
            if enough(match.warp):
                match = match if match.first < count else match.swapped()
                finest.append(replace(match, second=match.second - count))
        left = np.flatnonzero(~same & (agreed >= AGAIN) & plain)
        moving, fixed, warps = fixed[left], moving[left], np.linalg.inv(warps[left])
    return finest


def _agreed(moving: Squares, fixed: Squares, warps: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Agreement of the finest details that both pictures have, 0 where too few bear it, and whether one is inverted."""
    agreed, inverted = np.zeros(len(warps)), np.zeros(len(warps), bool)
    widths = np.round(widths, 1)
    for width in np.unique(widths):
        at = np.flatnonzero(widths == width)
        seen = registration.over(moving.at(at), fixed.at(at), warps[at], fine=float(width), coarse=2.5 * float(width))
        reached, bearing, sign = registration.agreement(*seen)
        agreed[at], inverted[at] = np.where(bearing >= BEARING, reached, 0), sign < 0
    return agreed, inverted


def _plain(warps: np.ndarray) -> np.ndarray:
    """Whether movements are of the kind that copies show: no more stretched, squeezed or sheared than a crop is."""
    sides = np.linalg.svd(np.nan_to_num(warps[:, :2, :2], posinf=0, neginf=0), compute_uv=False)
    longer, shorter = sides.T
    return (longer < 1.5) & (shorter > 0.6) & (longer < 1.4 * shorter)
