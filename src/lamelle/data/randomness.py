"""Randomness without state: every draw is a function of a key such as (seed, "augment", epoch, position).

Nothing is remembered between draws, so a run that was killed goes on at any position with the same numbers, whatever
the number of workers and whatever was drawn before.

Only uniform numbers are used for what must be repeatable (``Generator.random``): NumPy keeps the streams of its bit
generators for ever, but may change how other distributions are made from them (NEP 19).
"""

from __future__ import annotations

import hashlib
import operator
from typing import SupportsIndex

import numpy as np


def generator(*key: SupportsIndex | str) -> np.random.Generator:
    """A generator whose stream depends on ``key`` alone: Philox, keyed with the key's SHA-256.

    Keys of different parts never share a stream: ``("ab",)``, ``("a", "b")``, ``(1,)`` and ``("1",)`` are four keys.

    Raises:
        TypeError: If a part of the key is neither a whole number nor a text.

    Example:
        >>> bool(generator(7, "crop", 0, 12).random() == generator(7, "crop", 0, 12).random())
        True

    Reference: Salmon et al. (2011), doi:10.1145/2063384.2063405
    """
    words = np.frombuffer(_digest(key), dtype="<u8").astype(np.uint64)
    return np.random.Generator(np.random.Philox(key=words[:2], counter=np.array([0, 0, *words[2:]], np.uint64)))


def epoch_order(
    n: int, *, seed: int, epoch: int, weights: np.ndarray | None = None, length: int | None = None
) -> np.ndarray:
    """The items of one epoch in their order: int64 [length].

    Args:
        n: Number of items.
        seed: Seed of the run.
        epoch: Number of the epoch; each has its own order.
        weights: Relative frequency of each item [n]. Item i comes ``length · weights[i] / sum`` times, rounded up or
            down (systematic sampling), so that rare classes are drawn evenly and not by luck.
        length: Positions of the epoch; ``None`` is one per item. Without weights, a longer epoch repeats whole
            permutations and a shorter one is the beginning of one.

    Raises:
        ValueError: If there is nothing to draw from, or a weight is negative, infinite or not a number.

    Example:
        >>> sorted(epoch_order(4, seed=1, epoch=0).tolist())
        [0, 1, 2, 3]
        >>> sorted(epoch_order(2, seed=1, epoch=0, weights=np.array([1.0, 3.0]), length=4).tolist())
        [0, 1, 1, 1]

    Reference: Madow (1949), doi:10.1214/aoms/1177729988
    """
    length = n if length is None else length
    if n < 0 or length < 0 or (n == 0 and length > 0):
        raise ValueError(f"cannot draw {length} positions from {n} items")
    random = generator(seed, "order", epoch)
    if weights is None:
        rounds = -(-length // n) if n else 0
        return np.concatenate([np.empty(0, np.int64), *(_shuffled(n, random) for _ in range(rounds))])[:length]
    if length == 0:
        return np.empty(0, np.int64)
    return _systematic(_checked(weights, n), length, random)


def seed_device(seed: int, step: int, rank: int) -> None:
    """Seed torch's own generators, on every device, for one step of one rank: dropout, stochastic depth.

    Example:
        >>> import torch
        >>> seed_device(1, 20, 0)
        >>> first = torch.rand(3)
        >>> seed_device(1, 20, 0)
        >>> torch.equal(first, torch.rand(3))
        True
    """
    import torch

    torch.manual_seed(int.from_bytes(_digest((seed, "device", step, rank))[:8], "little") >> 1)


def _digest(key: tuple[SupportsIndex | str, ...]) -> bytes:
    """SHA-256 of an unambiguous spelling of the key: each part with its kind and length."""
    hashed = hashlib.sha256()
    for part in key:
        kind = b"s" if isinstance(part, str) else b"i"
        spelt = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else b"%d" % operator.index(part)
        hashed.update(b"%s%d:" % (kind, len(spelt)) + spelt)
    return hashed.digest()


def _shuffled(n: int, random: np.random.Generator) -> np.ndarray:
    """A permutation [n] made from uniform numbers only."""
    return np.argsort(random.random(n), kind="stable").astype(np.int64)


def _checked(weights: np.ndarray, n: int) -> np.ndarray:
    weights = np.asarray(weights, np.float64)
    if weights.shape != (n,):
        raise ValueError(f"weights have shape {weights.shape}, but there are {n} items")
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise ValueError("weights must be finite, not negative, and not all 0")
    return weights


def _systematic(weights: np.ndarray, length: int, random: np.random.Generator) -> np.ndarray:
    """Equidistant points on the line of cumulated weights, the items being laid out in random order."""
    laid = _shuffled(len(weights), random)
    ends = np.cumsum(weights[laid] / weights.max())
    points = (np.arange(length) + random.random()) / length
    drawn = laid[np.searchsorted(ends / ends[-1], np.minimum(points, np.nextafter(1.0, 0.0)), side="right")]
    return drawn[_shuffled(length, random)]
