"""Whether some points all lie a little to one side of those that are known, though none of them need be far away.

Each point is seen from the reference points nearest to it, so that another mixture of the same (positives alone, one
stain of two) is no drift: among their likes they lie to no side. Of what separates a point from its nearest the way
alone counts (spatial signs; in many dimensions: Wang, Peng and Li 2015, doi:10.1080/01621459.2014.988215), so that no
single point decides and no tail has to be known. The mean of the new directions is compared with that of the known
ones, each seen without its own group. Its square is, were all of one kind, a sum of chi-squares; their weights are
estimated from the directions of the reference points and replaced by one F distribution of the same mean and variance
(Satterthwaite 1946, doi:10.2307/3002019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_NEAREST = 3
_FARTHEST = 12.0
"""Spreads from the middle at which a measure is cut off."""
_CERTAIN = 4
"""Points for each measure by which its correlations are as good as known."""
_ADDED_VARIANCE = 0.02
"""Added to every variance."""
_EVEN = 0.5
"""How far directions count alike however rare they are, with many points; with few, more."""
_FEW = 6
"""Points from which that is half as much again."""


@dataclass(frozen=True, slots=True)
class Drift:
    """What a comparison found."""

    p: float
    """Probability of points that lie so much to one side, were they of the same kind; 1 for a single point."""
    leaning: np.ndarray
    """Boolean ``[n]``: which new points lie farther to that side than 95 % of the reference ones do."""


def drift_of(reference: np.ndarray, groups: np.ndarray, new: np.ndarray, count: float) -> Drift:
    """Compare points ``[n, F]`` with reference ones ``[m, F]``, both in spreads of the latter about their middle.

    Args:
        groups: Group of each reference point, whole numbers ``[m]``.
        count: How many independent groups the new points count for.

    Example:
        >>> draw = np.random.default_rng(0)
        >>> reference, alike, moved = draw.normal(size=(99, 5)), draw.normal(size=(9, 5)), draw.normal(1, size=(9, 5))
        >>> [drift_of(reference, np.arange(99), some, 9).p < 0.01 for some in (alike, moved)]
        [False, True]
    """
    m, n = len(reference), len(new)
    if n < 2:
        return Drift(1.0, np.zeros(n, bool))
    turn = _turn(reference)
    at, there = (np.clip(points, -_FARTHEST, _FARTHEST) @ turn for points in (reference, new))
    own, new_signs = _signs(at, at, groups), _signs(there, at, None)
    middle = own.mean(0)
    chance, effective = _chance(own - middle, groups, count, n)
    even = min(1.0, _EVEN * (1 + _FEW / m))
    mixed = (1 - even) * chance + even * np.trace(chance) / len(turn) * np.eye(len(turn))
    back = np.linalg.inv(mixed)
    weights = np.linalg.eigvals(back @ chance).real
    side = new_signs.mean(0) - middle
    ratio = float(side @ back @ side) / weights.sum()
    from scipy.stats import f

    p = float(f.sf(ratio, weights.sum() ** 2 / (weights**2).sum(), max(effective - 1, 2)))
    along = back @ side
    return Drift(p, new_signs @ along > np.quantile(own @ along, 0.95))


def _turn(points: np.ndarray) -> np.ndarray:
    """Turns and stretches measures so that all directions are as frequent; the fewer points, the less."""
    m, measures = points.shape
    together = np.cov(np.clip(points, -4, 4).T).reshape(measures, measures)
    apart = measures / (measures + _CERTAIN * m)
    mixed = (1 - apart) * together + apart * np.diag(np.diag(together)) + _ADDED_VARIANCE * np.eye(measures)
    values, axes = np.linalg.eigh(mixed)
    return axes / np.sqrt(values)


def _signs(points: np.ndarray, reference: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Direction ``[n, F]``, of length 1, of each point from the mean of the nearest reference points.

    Args:
        groups: Those of the points, if these are the reference ones; their own group does not count.
    """
    squares = (points**2).sum(1)[:, None] + (reference**2).sum(1)[None] - 2 * points @ reference.T
    if groups is not None:
        squares[groups[:, None] == groups[None]] = np.inf
    k = min(_NEAREST, int(np.isfinite(squares).sum(1).min()))
    nearest = np.argpartition(squares, k - 1, axis=1)[:, :k]
    apart = points - reference[nearest].mean(1)
    return apart / (np.linalg.norm(apart, axis=1, keepdims=True) + 1e-9)


def _chance(signs: np.ndarray, groups: np.ndarray, count: float, n: int) -> tuple[np.ndarray, float]:
    """Covariance ``[F, F]`` of the difference of the mean of ``n`` new directions from that of these centred ones, by
    chance, and the number of groups of one size that tell as much as these.

    Which directions a group shares is as good as known where there are many pairs and points; where there are few,
    each is taken to be shared as much.
    """
    m, measures = signs.shape
    spread = signs.T @ signs / (m - 1)
    same = (groups[:, None] == groups[None]) & ~np.eye(m, dtype=bool)
    if not same.any():
        return spread * (1 / n + 1 / m), float(m)
    effective = m**2 / float((np.unique(groups, return_counts=True)[1] ** 2).sum())
    shared = signs.T @ same @ signs / same.sum()
    alike = float(np.clip(np.trace(shared) / np.trace(spread), 0, 1))
    pairs = same.sum() / 2
    certain = pairs / (pairs + measures) * m / (m + 2 * measures)
    between = _positive((1 - certain) * alike * spread + certain * shared)
    between *= alike * np.trace(spread) / max(float(np.trace(between)), 1e-9)
    return _positive(between * (1 / count + 1 / effective) + (spread - between) * (1 / n + 1 / m)), effective


def _positive(matrix: np.ndarray) -> np.ndarray:
    """The nearest matrix that is a covariance: variances that are negative by chance become 0."""
    values, axes = np.linalg.eigh(matrix)
    return (axes * np.maximum(values, 0)) @ axes.T
