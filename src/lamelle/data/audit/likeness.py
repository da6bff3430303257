"""Which pictures show the same: candidates by their codes, then each brought over the other and compared.

Nothing is compared with everything: see ``buckets``. Of each picture the few candidates that look most alike are
registered, and only those whose details agree nearly everywhere are copies. Two chest X-rays of different people, two
fields of one tissue, and neighbouring slices are alike at large, and not in their details.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from lamelle.data.audit import registration, views
from lamelle.data.audit.candidates import Allowed, Candidates, Pictures, candidates
from lamelle.platform import cores

NEARLY = 0.3
"""Agreement at 32 × 32 below which a pair is given up."""
SAME = 0.88
"""Agreement of copies: nine of ten reach 0.93 and more. Real X-rays of different people stayed below 0.6, synthetic
ones, which share more of their anatomy, below 0.84."""
BEARING = 0.37
"""Part of the blocks on which the agreement must rest: 0.4 and more of copies of sparse nuclei, 0.34 of two fields of
even tissue whose corners a rotation left black."""
WITHIN = 0.85
"""Part of one of the two that the other shows: less is a chance likeness of a few cells."""
_AT_ONCE = 48


@dataclass(frozen=True, slots=True)
class Match:
    """Two pictures that show the same."""

    first: int
    second: int
    agreement: float
    warp: np.ndarray
    """Places ``(x, y, 1)`` of the second in the first, ``[3, 3]``, from −1 to 1."""
    inverted: bool

    def swapped(self) -> Match:
        """The same, seen from the other picture."""
        return Match(self.second, self.first, self.agreement, np.linalg.inv(self.warp), self.inverted)


def shared(warp: np.ndarray) -> float:
    """Part of a picture that a movement ``[3, 3]`` maps into the other.

    Example:
        >>> shared(np.diag([1.0, 2.0, 1.0]))
        0.5
    """
    return float((np.abs((warp @ registration.places(64))[:2]) <= 1).all(axis=0).mean())


def matches(queries: Pictures, entries: Pictures, allowed: Allowed | None = None) -> list[Match]:
    """Pictures of one set that show the same as pictures of another, or of the same set.

    Args:
        queries: The one set: ``first`` of a match.
        entries: The other, or the same: ``second``.
        allowed: Which pairs of numbers may be a match; all if not given.
    """
    found = candidates(queries, entries, allowed)
    parts = [found.at(slice(start, start + _AT_ONCE)) for start in range(0, len(found.query), _AT_ONCE)]
    with ThreadPoolExecutor(cores()) as threads:
        verified = threads.map(lambda part: _verified(queries, entries, part), parts)
        return [match for part in verified for match in part]


def _verified(queries: Pictures, entries: Pictures, pairs: Candidates) -> list[Match]:
    """The candidates that are copies: brought over each other at 32 × 32, and if they then agree, at 64 × 64."""
    moving, fixed = queries.small[pairs.query].astype(np.float32), entries.small[pairs.entry].astype(np.float32)
    small, its = (z.reshape(-1, 32, 2, 32, 2).mean((2, 4)) for z in (moving, fixed))
    warps = _started(pairs)
    for _ in range(2):  # the second time from details that were cut where both are seen
        warps = registration.register(small, its, warps, fine=0.8, coarse=4.0, steps=3)
    agreed, _, _ = registration.agreement(*registration.over(small, its, warps, fine=0.8, coarse=3.0))
    kept = np.flatnonzero((agreed >= NEARLY) & _plain(warps))
    if not len(kept):
        return []
    pairs, moving, fixed = pairs.at(kept), moving[kept], fixed[kept]
    warps = registration.register(moving, fixed, warps[kept], fine=1.0, coarse=4.0, steps=4)
    scales = np.sqrt(np.abs(np.linalg.det(warps))).clip(0.5, 2)  # pixels of the query on one of the entry
    widths = np.maximum(queries.fine[pairs.query] / scales, entries.fine[pairs.entry])
    agreed, inverted = _agreed(moving, fixed, warps, widths)
    full = queries.frames[pairs.query] @ warps @ np.linalg.inv(entries.frames[pairs.entry])
    found = [
        Match(int(pairs.query[n]), int(pairs.entry[n]), float(agreed[n]), full[n], bool(inverted[n]))
        for n in np.flatnonzero((agreed >= SAME) & _plain(warps))
    ]
    return [match for match in found if max(shared(match.warp), shared(match.swapped().warp)) >= WITHIN]


def _agreed(
    moving: np.ndarray, fixed: np.ndarray, warps: np.ndarray, widths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Agreement of the finest details that both pictures have, 0 where too few bear it, and whether one is inverted."""
    agreed, inverted = np.zeros(len(warps)), np.zeros(len(warps), bool)
    widths = np.round(widths, 1)
    for width in np.unique(widths):
        at = np.flatnonzero(widths == width)
        seen = registration.over(moving[at], fixed[at], warps[at], fine=float(width), coarse=2.5 * float(width))
        reached, bearing, sign = registration.agreement(*seen)
        agreed[at], inverted[at] = np.where(bearing >= BEARING, reached, 0), sign < 0
    return agreed, inverted


def _started(pairs: Candidates) -> np.ndarray:
    """Movements ``[N, 3, 3]`` that a view and an orientation stand for."""
    found = np.tile(np.eye(3), (len(pairs.view), 1, 1))
    found[:, :2] = views.views()[pairs.view]
    back = np.array([np.linalg.inv(views.turn_matrix(t)) for t in range(8)])[pairs.turn]
    scale = np.where(pairs.view >= views.whole_views(), views.CENTRE, 1.0)
    found[:, :2, :2] = found[:, :2, :2] @ (back / scale[:, None, None])
    return found


def _plain(warps: np.ndarray) -> np.ndarray:
    """Whether movements are of the kind that copies show: no more stretched, squeezed or sheared than a crop is."""
    sides = np.linalg.svd(np.nan_to_num(warps[:, :2, :2], posinf=0, neginf=0), compute_uv=False)
    longer, shorter = sides.T
    return (longer < 1.5) & (shorter > 0.6) & (longer < 1.4 * shorter)
