"""Codes that nearly agree, found without comparing each with each.

Two codes that differ in few bits agree in all of some bits chosen by chance, often enough when this is tried again and
again: Indyk and Motwani (1998), Approximate nearest neighbors, doi:10.1145/276698.276876. Codes are sorted by the
chosen bits and compared where those are equal. The more codes there are, the more bits are chosen, and still more
where a crowd agrees in them, so that the work grows about as the number of codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

TABLES = 96
"""How often bits are chosen."""
CROWD = 16
"""Entries with the same chosen bits above which they are parted by more bits."""
MORE = 3
"""Bits by which a crowd is parted."""
BITS = 63
_AT_ONCE = 1 << 22
_NUMBER = np.uint64((1 << 26) - 1)
_MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)


@dataclass(frozen=True, slots=True)
class _Runs:
    """Codes sorted by chosen bits: where each run of equal ones starts, and how long it is."""

    numbers: np.ndarray
    """Of the codes, in the order of the chosen bits."""
    keys: np.ndarray
    """One per run, ascending."""
    starts: np.ndarray
    lengths: np.ndarray

    def at(self, runs: np.ndarray) -> _Runs:
        return _Runs(self.numbers, self.keys[runs], self.starts[runs], self.lengths[runs])

    def members(self) -> np.ndarray:
        """Numbers of the codes of all runs."""
        return self.numbers[_ranges(self.starts, self.lengths)]


def meetings(queries: np.ndarray, entries: np.ndarray, *, each: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Numbers of queries and of entries whose codes may be alike, part by part, some of them several times.

    Args:
        queries: uint64 ``[Q]``, Q < 2²⁶.
        entries: uint64 ``[E]``, E < 2²⁶.
        each: Entries that one query may meet on the average.

    Example:
        >>> codes = np.random.default_rng(0).integers(0, 2**63, 50, dtype=np.uint64)
        >>> met = {(q, e) for a, b in meetings(codes, codes ^ np.uint64(4), each=4) for q, e in zip(a, b)}
        >>> sum((i, i) in met for i in range(50))
        50
    """
    rng = np.random.default_rng(20)
    least = int(np.clip(np.ceil(np.log2(max(1.0, TABLES * len(entries) / each))), 1, BITS))
    for _ in range(TABLES):
        order = np.uint64(1) << rng.permutation(BITS).astype(np.uint64)
        left, right = np.arange(len(queries)), np.arange(len(entries))
        for bits in range(least, BITS + MORE, MORE):
            mask = np.bitwise_or.reduce(order[:bits])
            query_runs, entry_runs = _runs(queries, left, mask), _runs(entries, right, mask)
            _, ours, theirs = np.intersect1d(query_runs.keys, entry_runs.keys, assume_unique=True, return_indices=True)
            query_runs, entry_runs = query_runs.at(ours), entry_runs.at(theirs)
            crowded = entry_runs.lengths > CROWD
            yield from _each_with_each(query_runs.at(~crowded), entry_runs.at(~crowded))
            left, right = query_runs.at(crowded).members(), entry_runs.at(crowded).members()
            if not len(left):
                break


def _runs(codes: np.ndarray, chosen: np.ndarray, mask: np.uint64) -> _Runs:
    """Chosen codes sorted by a scrambled form of some of their bits; sorting one number is far faster than an order."""
    keys = (codes[chosen] & mask) * _MIX[0]
    keys ^= keys >> np.uint64(29)
    keys = (keys * _MIX[1]) & ~_NUMBER | chosen.astype(np.uint64)
    keys.sort()
    heads = keys & ~_NUMBER
    starts = np.flatnonzero(np.concatenate([np.ones(min(1, len(keys)), bool), heads[1:] != heads[:-1]]))
    lengths = np.diff(np.append(starts, len(keys)))
    return _Runs((keys & _NUMBER).astype(np.int64), heads[starts], starts, lengths)


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """All whole numbers of runs, one run after the other.

    Example:
        >>> _ranges(np.array([5, 0]), np.array([2, 3])).tolist()
        [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths - starts, lengths)


def _each_with_each(query_runs: _Runs, entry_runs: _Runs) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every query of a run with every entry of the same run."""
    total = np.cumsum(query_runs.lengths * entry_runs.lengths)
    for runs in np.split(np.arange(len(total)), np.flatnonzero(np.diff(total // _AT_ONCE)) + 1):
        ours, theirs = query_runs.at(runs), entry_runs.at(runs)
        each = np.repeat(theirs.lengths, ours.lengths)
        entries = entry_runs.numbers[_ranges(np.repeat(theirs.starts, ours.lengths), each)]
        yield np.repeat(ours.members(), each), entries
