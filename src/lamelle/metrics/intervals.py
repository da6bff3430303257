"""Intervals: no bare number. Bootstrap over items or whole groups, Wilson for a proportion, blocks inside one volume.

One engine, three faces, the same resamples for the same seed:

- :func:`bootstrap_weights`: the statistic takes how often each item was drawn [B, n]; for areas under curves.
- :func:`bootstrap_sums`: the statistic takes summed rows [B, ...]; for everything that comes from a confusion matrix.
- :func:`bootstrap`: the statistic takes the resampled rows themselves; for anything else, one call per resample.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Method = Literal["percentile", "bca"]
FEW = 15
"""With fewer units than this, the coverage of an interval is not to be trusted (measured in the tests)."""
LEAST = 5
"""Units below which no interval is shown: resampling so few says nothing about others."""
_CHUNK = 1 << 22
"""Numbers held at once."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A score with what it needs to be read: how many of what it rests on, and between which bounds it lies."""

    value: float
    low: float
    high: float
    """Bounds; NaN where they cannot be had (one unit, or a score that most resamples leave undefined)."""
    n: int
    unit: str
    """What was counted and resampled: ``patient``, ``image``, ``block`` …"""
    method: str
    level: float
    """Intended coverage, such as 0.95."""


def few_units(n: int) -> bool:
    """Whether n units are too few for the coverage of a bootstrap interval to be trusted, which a reader must be told.

    Example:
        >>> few_units(3), few_units(200)
        (True, False)
    """
    return n < FEW


def bootstrap_weights(
    statistic: Callable[[np.ndarray], Mapping[str, np.ndarray]],
    *,
    n: int,
    groups: Sequence[Hashable] | None,
    resamples: int,
    level: float,
    seed: int,
    method: Method,
    unit: str,
) -> dict[str, Interval]:
    """Intervals of scores that take weights of items.

    ``percentile`` widens the quantiles as a t-interval would (Hesterberg's expanded percentile), without which few
    units give too narrow an interval; ``bca`` corrects bias and skew as well and costs one more evaluation per unit.
    Resamples where the score is NaN are left out; if they are half or more, the bounds are NaN.

    Args:
        statistic: From weights float64 [B, n] (how often each item was drawn) to name → scores [B].
        n: Number of items.
        groups: Group of each item: whole groups are drawn, and the units are groups. None = items.
        level: Coverage, such as 0.95.
        unit: What one unit is called.

    Raises:
        ValueError: If ``groups`` has another length than n.

    Example:
        >>> ages = np.array([31.0, 40, 52, 47, 38, 60, 55, 44])
        >>> mean = lambda w: {"mean": w @ ages / w.sum(-1)}
        >>> found = bootstrap_weights(
        ...     mean, n=8, groups=None, resamples=1000, level=0.95, seed=1, method="percentile", unit="patient")["mean"]
        >>> found.value, round(found.low) in range(36, 41), found.n
        (45.875, True, 8)

    Reference: Efron (1987), doi:10.1080/01621459.1987.10478410; Hesterberg (2015), doi:10.1080/00031305.2015.1089789;
        Davison and Hinkley (1997), section 3.8, for groups
    """
    member, units = _members(n, groups)
    names, value = _evaluated(statistic, np.ones((1, n)))
    label = f"{'expanded percentile' if method == 'percentile' else 'BCa'} bootstrap, {resamples} resamples"
    if units < 2:
        bounds = np.full((len(names), 2), np.nan)
    else:
        drawn = np.concatenate([_evaluated(statistic, w)[1] for w in _draws(member, units, resamples, seed)], axis=1)
        left_out = None
        if method == "bca":
            left_out = np.concatenate([_evaluated(statistic, w)[1] for w in _left_out(member, units)], axis=1)
        bounds = np.array(
            [
                _bounds(drawn[i], value[i, 0], None if left_out is None else left_out[i], units, level)
                for i in range(len(names))
            ]
        ).reshape(len(names), 2)
    return {
        name: Interval(float(value[i, 0]), float(bounds[i, 0]), float(bounds[i, 1]), units, unit, label, level)
        for i, name in enumerate(names)
    }


def bootstrap_sums(
    rows: np.ndarray,
    statistic: Callable[[np.ndarray], Mapping[str, np.ndarray]],
    *,
    groups: Sequence[Hashable] | None,
    resamples: int,
    level: float,
    seed: int,
    method: Method,
    unit: str,
) -> dict[str, Interval]:
    """Intervals of scores that are functions of summed rows, such as confusion matrices: thousands of resamples in ms.

    Args:
        rows: Sufficient statistics of each item, [n, ...].
        statistic: From sums float64 [B, ...] to name → scores [B].

    The rest as in :func:`bootstrap_weights`.

    Example:
        >>> from lamelle.metrics.regions import accuracy
        >>> rows = np.array([[[8, 2], [1, 9]], [[9, 1], [0, 10]], [[5, 5], [1, 9]], [[10, 0], [2, 8]]])
        >>> found = bootstrap_sums(
        ...     rows, lambda m: {"accuracy": accuracy(m)}, groups=None, resamples=500, level=0.95, seed=0,
        ...     method="percentile", unit="image")["accuracy"]
        >>> found.value, found.low < 0.85 < found.high, found.unit
        (0.85, True, 'image')
    """
    rows = np.asarray(rows, np.float64)
    flat, shape = rows.reshape(len(rows), -1), rows.shape[1:]
    member, units = _members(len(rows), groups)
    if groups is not None:
        pooled = np.zeros((units, flat.shape[1]))
        np.add.at(pooled, member, flat)
        flat = pooled
    return bootstrap_weights(
        lambda w: statistic((w @ flat).reshape(len(w), *shape)),
        n=len(flat),
        groups=None,
        resamples=resamples,
        level=level,
        seed=seed,
        method=method,
        unit=unit,
    )


def bootstrap(
    rows: Sequence[Any] | np.ndarray,
    statistic: Callable[[Any], Mapping[str, float] | float],
    *,
    groups: Sequence[Hashable] | None,
    resamples: int,
    level: float,
    seed: int,
    method: Method,
    unit: str,
) -> dict[str, Interval]:
    """Intervals of any statistic of resampled rows: an array is indexed, any other sequence becomes a list.

    A statistic that returns one number gets the name ``value``. The rest as in :func:`bootstrap_weights`.

    Example:
        >>> found = bootstrap(
        ...     np.arange(20.0), np.mean, groups=None, resamples=500, level=0.95, seed=0, method="bca", unit="image")
        >>> found["value"].value, found["value"].low < 9.5 < found["value"].high
        (9.5, True)
    """

    def weighted(weights: np.ndarray) -> dict[str, np.ndarray]:
        found: list[Mapping[str, float]] = []
        for weight in weights:
            index = np.repeat(np.arange(len(rows)), weight.astype(np.int64))
            score = statistic(rows[index] if isinstance(rows, np.ndarray) else [rows[int(i)] for i in index])
            found.append(score if isinstance(score, Mapping) else {"value": score})
        return {name: np.array([f[name] for f in found], np.float64) for name in found[0]}

    return bootstrap_weights(
        weighted,
        n=len(rows),
        groups=groups,
        resamples=resamples,
        level=level,
        seed=seed,
        method=method,
        unit=unit,
    )


def _members(n: int, groups: Sequence[Hashable] | None) -> tuple[np.ndarray, int]:
    """Number of the group of each item [n], and how many groups there are."""
    if groups is None:
        return np.arange(n), n
    if len(groups) != n:
        raise ValueError(f"groups has {len(groups)} entries, but there are {n} items")
    numbers: dict[Hashable, int] = {}
    member = np.array([numbers.setdefault(g, len(numbers)) for g in groups], np.int64)
    return member, len(numbers)


def _evaluated(
    statistic: Callable[[np.ndarray], Mapping[str, np.ndarray]], weights: np.ndarray
) -> tuple[list[str], np.ndarray]:
    """Names, and scores [names, B]."""
    found = statistic(weights)
    shape = (len(found), len(weights))
    return list(found), np.array([np.asarray(v, np.float64) for v in found.values()], np.float64).reshape(shape)


def _draws(member: np.ndarray, units: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Weights [b, n] of the resamples, in chunks."""
    random = np.random.default_rng(seed)
    chunk = max(1, _CHUNK // max(units, len(member)))
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        drawn = random.integers(units, size=(size, units)) + units * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units)
        yield times[:, member].astype(np.float64)


def _left_out(member: np.ndarray, units: int) -> Iterator[np.ndarray]:
    """Weights [b, n] with one unit left out, in chunks."""
    chunk = max(1, _CHUNK // len(member))
    for start in range(0, units, chunk):
        out = np.arange(start, min(start + chunk, units))
        yield (member[None] != out[:, None]).astype(np.float64)


def _bounds(
    drawn: np.ndarray, value: float, left_out: np.ndarray | None, units: int, level: float
) -> tuple[float, float]:
    """Lower and upper bound from the scores of the resamples."""
    from scipy.special import ndtr, ndtri, stdtrit

    kept = drawn[~np.isnan(drawn)]
    if math.isnan(value) or 2 * len(kept) <= len(drawn):
        return math.nan, math.nan
    # Hesterberg's expansion: the quantile of t for that of the normal, and n / (n − 1) for the spread of a plug-in
    wide = math.sqrt(units / (units - 1)) * stdtrit(units - 1, (1 + level) / 2)
    z = np.array([-wide, wide])
    if left_out is not None:
        bias = ndtri(np.clip(((kept < value).mean() + (kept <= value).mean()) / 2, 1e-9, 1 - 1e-9))
        spread = np.nanmean(left_out) - left_out[~np.isnan(left_out)]
        cubes, squares = (spread**3).sum(), (spread**2).sum()
        skew = cubes / (6 * squares**1.5) if squares > 0 else 0.0
        moved, damping = bias + z, 1 - skew * (bias + z)
        z = np.where(damping > 0, bias + moved / np.maximum(damping, 1e-9), np.copysign(np.inf, moved))
    low, high = np.quantile(kept, ndtr(z))
    return float(low), float(high)


def wilson(k: int, n: int, *, level: float, unit: str) -> Interval:
    """Wilson's interval of a proportion of independent items; NaN for n = 0.

    Raises:
        ValueError: If k is not in 0 .. n.

    Example:
        >>> found = wilson(9, 10, level=0.95, unit="image")
        >>> round(found.low, 3), round(found.high, 3)
        (0.596, 0.982)

    Reference: Wilson (1927), doi:10.1080/01621459.1927.10502953
    """
    from scipy.special import ndtri

    if not 0 <= k <= n:
        raise ValueError(f"k = {k} is not in 0..{n}")
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0, unit, "Wilson", level)
    z, p = float(ndtri((1 + level) / 2)), k / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = 0.0 if k == 0 else middle - half, 1.0 if k == n else middle + half
    return Interval(p, low, high, n, unit, "Wilson", level)


def spatial_blocks(shape: Sequence[int], *, blocks: int) -> list[tuple[slice, ...]]:
    """Boxes that tile one image or volume: at least ``blocks`` of them where its shape allows, as cubic as can be.

    Neighbouring blocks are not independent, and n stays 1: an interval from blocks says how the score varies inside
    this volume, not how it would on another one.

    Example:
        >>> spatial_blocks((4, 6), blocks=4)[0]
        (slice(0, 2, None), slice(0, 3, None))
    """
    parts = [1] * len(shape)
    while math.prod(parts) < blocks:
        axis = max(range(len(shape)), key=lambda a: shape[a] / parts[a])
        if shape[axis] / parts[axis] <= 1:
            break
        parts[axis] += 1
    edges = [np.linspace(0, size, count + 1).round().astype(int) for size, count in zip(shape, parts, strict=True)]
    return [
        tuple(slice(int(edges[a][i]), int(edges[a][i + 1])) for a, i in enumerate(place))
        for place in np.ndindex(*parts)
    ]
