"""Whether some points lie where others do: one test for one point or thousands, from one group or from many.

It asks whether the new points lie *near* some of the reference ones, not whether both are mixed alike:
a folder of positives alone is no other kind of image. The distance to the nearest reference points (Sun et al. 2022,
arXiv:2204.06507) of each new point is compared with those that the reference points have of each other, groups left out
whole, by ranks (conformal: Vovk et al. 2005, doi:10.1007/b106715; Mann and Whitney 1947, doi:10.1214/aoms/1177730491)
where there are enough, else by their logarithms with the tails of Student's t. Beside it stands the test of ``drift``,
which finds what no single point shows; the less probable of both counts, twice. How far such tests of few measures find
shifts: Rabanser et al. 2019, arXiv:1810.11953.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, lgamma

import numpy as np

from lamelle.data.drift import drift_of

MIN_POINTS = 8
"""Known points below which nothing is said."""
_GROUPS = 5
"""Reference groups below which their spread is unknown."""
_NEAREST = 3
_FLAT = 0.02
"""Least spread of a measure: below, differences are rounding."""
_SOFT = 0.1
"""Added to distances before their logarithm."""
_HEAVY = 1.5
"""Degrees of freedom of the tails of one new group."""
_SPARSE = 3
"""Reference groups for each degree of freedom: few of them leave out rare but proper kinds."""
_CAREFUL = 0.5
"""Share of the groups that new points seem to come from that is counted."""
_PARTS = 10
"""Of the reference points, of which each is seen by the others."""
_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class Outlying:
    """What a comparison found."""

    p: float
    """Probability of points as far away as these, were they of the same kind; 1 where nothing can be said."""
    far: np.ndarray
    """Boolean ``[n]``: farther than 99 % of the reference points are from each other, or to the side where all of them
    lie than 95 %; farther than 95 % if none is that far, and all if even so none is.
    """
    common: bool
    """What was found is how all lie together, rather than how far some of them are."""
    offsets: np.ndarray
    """``[n, F]``: difference to the nearest reference point, in units of the spread of each measure."""


def outlying(reference: np.ndarray, groups: np.ndarray, new: np.ndarray, new_groups: np.ndarray | None) -> Outlying:
    """Compare points ``[n, F]`` with reference ones ``[m, F]``.

    Args:
        groups: Group of each reference point, whole numbers ``[m]``.
        new_groups: Group of each new point; None = unknown, then their own spread tells how many there may be.

    Example:
        >>> draw = np.random.default_rng(0)
        >>> reference, alike, other = draw.normal(size=(50, 3)), draw.normal(size=(9, 3)), draw.normal(4, size=(9, 3))
        >>> [outlying(reference, np.arange(50), some, None).p < 0.01 for some in (alike, other)]
        [False, True]
    """
    if len(reference) < MIN_POINTS or not len(new):
        return Outlying(1.0, np.zeros(len(new), bool), False, np.zeros(new.shape))
    few = len(np.unique(groups)) < _GROUPS
    groups = np.arange(len(reference)) if few else groups
    at, there, turn = _scaled(reference, new)
    own, _ = _distances(at @ turn, at @ turn, apart=groups)
    new_distances, nearest = _distances(there @ turn, at @ turn)
    count = 1.0 if few else _independent(reference, groups, new, new_groups)
    by_value = _by_value(own, groups, new_distances, count)
    p = by_value if few else min(1.0, 2 * min(by_value, _by_rank(own, groups, new_distances, count)))
    far = new_distances > np.quantile(own, 0.99)
    common = False
    if len(new) > 1 and not few:
        drift = drift_of(at, groups, there, count)
        common = drift.p < p
        far = far | drift.leaning if common else far
        p = min(1.0, 2 * min(p, drift.p))
    far = far if far.any() else new_distances > np.quantile(own, 0.95)
    return Outlying(p, far if far.any() else ~far, common, there - at[nearest])


def distances(reference: np.ndarray, groups: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance to the nearest reference points: of these ``[m]``, each seen as a new one is; of the new ones ``[n]``.

    What a reference point is measured in and turned by comes, like its neighbours, from points of other groups alone:
    in spreads that it has helped to find, a point lies nearer than a new one does, the more so the fewer there are.

    Args:
        groups: Group of each reference point, whole numbers ``[m]``; of fewer than 5 nobody knows how they differ.
    """
    own = np.zeros(len(reference))
    apart = np.arange(len(reference)) if len(np.unique(groups)) < _GROUPS else groups
    for mine in parted(apart):
        own[mine] = _seen(reference[~mine], reference[mine])
    return own, _seen(reference, new)


def parted(groups: np.ndarray) -> list[np.ndarray]:
    """Groups dealt out to ten parts, boolean ``[m]`` each; to fewer, if there are fewer groups.

    Example:
        >>> sum(parted(np.array([0, 0, 1]))).tolist()
        [1, 1, 1]
    """
    number = np.unique(groups, return_inverse=True)[1]
    part = np.random.default_rng(0).permutation(number.max() + 1)[number] % _PARTS
    return [part == one for one in np.unique(part)]


def _seen(reference: np.ndarray, new: np.ndarray) -> np.ndarray:
    at, there, turn = _scaled(reference, new)
    return _distances(there @ turn, at @ turn)[0]


def _scaled(reference: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both in spreads of the reference ones about their middle, and what turns them so that measures go apart."""
    middle, spread = np.median(reference, axis=0), _spread(reference)
    at = (reference - middle) / spread
    return at, (new - middle) / spread, _whitening(at)


def _spread(reference: np.ndarray) -> np.ndarray:
    low, high = np.quantile(reference, [0.05, 0.95], axis=0)
    return np.maximum((high - low) / 3.3, _FLAT)  # of a normal distribution: its standard deviation


def _whitening(points: np.ndarray) -> np.ndarray:
    """Turns measures that go together into ones that do not; the fewer points, the less."""
    m, measures = points.shape
    trust = max(0.0, 1 - 2 * measures / m)
    together = np.cov(np.clip(points, -4, 4).T).reshape(measures, measures)
    mixed = 0.9 * trust * together + (1 - 0.9 * trust) * np.eye(measures)
    return np.linalg.inv(np.linalg.cholesky(mixed)).T


def _distances(
    points: np.ndarray, reference: np.ndarray, *, apart: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean distance ``[n]`` to the nearest reference points, and the index of the nearest.

    Args:
        apart: Groups, if the points are the reference ones; those of a point's own group do not count.
    """
    means, nearest = [], []
    for start in range(0, len(points), _AT_ONCE):
        some = points[start : start + _AT_ONCE]
        squares = (some**2).sum(1)[:, None] + (reference**2).sum(1)[None] - 2 * some @ reference.T
        if apart is not None:
            squares[apart[start : start + _AT_ONCE, None] == apart[None]] = np.inf
        most = _NEAREST if apart is None else int(np.isfinite(squares).sum(1).min())
        k = max(1, min(_NEAREST, most))
        means.append(np.sqrt(np.maximum(np.partition(squares, k - 1, axis=1)[:, :k], 0)).mean(1))
        nearest.append(squares.argmin(1))
    return np.concatenate(means), np.concatenate(nearest)


@dataclass(frozen=True, slots=True)
class _Parts:
    """Variances between and within groups, and their number."""

    between: np.ndarray
    within: np.ndarray
    groups: int
    effective: float
    """Number of groups of one size that tell as much."""

    def error(self, m: int, new: float, n: int) -> np.ndarray:
        """Variance of the difference of both means."""
        return self.between * (1 / new + 1 / self.effective) + self.within * (1 / n + 1 / m)


def _parts(values: np.ndarray, groups: np.ndarray) -> _Parts:
    """Components of variance of ``[m, F]`` (one-way random effects, unequal groups)."""
    m = len(values)
    _, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    total = len(counts)
    if total == m:
        return _Parts(values.var(0, ddof=1), np.zeros(values.shape[1]), m, m)
    means = np.stack([np.bincount(place, column) / counts for column in values.T], axis=1)
    within = ((values - means[place]) ** 2).sum(0) / max(m - total, 1)
    size = (m - (counts**2).sum() / m) / (total - 1)
    among = (counts[:, None] * (means - values.mean(0)) ** 2).sum(0) / (total - 1)
    return _Parts(np.maximum((among - within) / size, 0), within, total, m**2 / float((counts**2).sum()))


def _independent(reference: np.ndarray, groups: np.ndarray, new: np.ndarray, new_groups: np.ndarray | None) -> float:
    """How many independent groups the new points count for.

    Where nothing says it, points that differ as little as those of one reference group are one group.
    """
    n = len(new)
    if len(np.unique(groups)) == len(reference):
        return n
    if new_groups is not None:
        counts = np.unique(new_groups, return_counts=True)[1]
        return n**2 / float((counts**2).sum())
    parts = _parts(reference, groups)
    telling = parts.between > 1e-3 * reference.var(0)
    if n < 3 or not telling.any():
        return 1.0
    share = 1 - (new.var(0, ddof=1) - parts.within)[telling] / parts.between[telling]
    return float(np.clip(_CAREFUL / max(float(np.median(share)), 1 / n), 1, n))


def _by_value(reference: np.ndarray, groups: np.ndarray, new: np.ndarray, count: float) -> float:
    """Probability by the logarithms of the distances; 1 unless most new ones are larger than all reference ones."""
    from scipy.stats import t

    if np.median(new) <= reference.max():
        return 1.0
    logs, new_logs = np.log(reference + _SOFT)[:, None], np.log(new + _SOFT)
    parts = _parts(logs, groups)
    error = float(np.sqrt(max(parts.error(len(reference), count, len(new))[0], 1e-6)))
    freedom = max(1.0, min(parts.groups / _SPARSE, _HEAVY + count))
    return float(t.sf((new_logs.mean() - logs.mean()) / error, freedom))


def _by_rank(reference: np.ndarray, groups: np.ndarray, new: np.ndarray, count: float) -> float:
    """Probability by ranks: exact for one point and where all new ones are larger, else normal or Student's t."""
    from scipy.stats import norm, t

    m, n = len(reference), len(new)
    ordered = np.sort(reference)
    rank = _ranks(ordered, new).mean() - 0.5
    if len(np.unique(groups)) == m:
        if n == 1:
            return float((1 + (reference >= new[0]).sum()) / (m + 1))
        if new.min() > reference.max():
            return (
                1 / comb(m + n, n) if m + n < 1000 else float(np.exp(lgamma(m + 1) + lgamma(n + 1) - lgamma(m + n + 1)))
            )
        return float(norm.sf(rank / np.sqrt((m + n + 1) / (12 * m * n))))
    parts = _parts(_ranks(ordered, reference)[:, None], groups)
    error = np.sqrt(max(parts.error(m, count, n)[0], 1e-6))
    return float(t.sf(rank / error, parts.groups - 1))


def _ranks(ordered: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Share of the ordered values below each value; half of those that are equal."""
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / (2 * len(ordered))
