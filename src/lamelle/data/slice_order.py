"""Images that follow each other: slices saved one by one, frames of a film, neighbouring fields of a slide."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lamelle.data.layouts.listing import natural
from lamelle.types import Problem, Record

_MIN_IMAGES = 10
"""Images of a folder from which neighbours can be told from others."""
_CLOSER = 0.15
"""Correlation by which neighbours must exceed others: slices of two real stacks do by 0.5 and 0.7, images of five real
collections by 0.04 at most."""
_MIN_DEVIATIONS = 2.0
"""The same in standard deviations of the correlation of images far apart: 7 for the stacks, 0.3 for the others."""


def in_order(records: Sequence[Record]) -> tuple[Record, ...]:
    """The records with their places in the natural order of their names, each folder being one volume.

    Records are left as they are if one of them already has a place, or comes from a stack.

    Example:
        >>> from pathlib import Path
        >>> from lamelle.types import Source
        >>> names = ("b/z10.png", "b/z9.png", "a.png")
        >>> [(r.position, r.columns["volume"]) for r in in_order([Record(n, Source(Path(n))) for n in names])]
        [(1, 'b'), (0, 'b'), (0, '.')]
    """
    if any(r.position is not None or r.image.part for r in records):
        return tuple(records)
    place = {r.id: i for some in _folders(records).values() for i, r in enumerate(some)}
    return tuple(
        replace(r, position=place[r.id], columns={**r.columns, "volume": r.columns.get("volume", _folder(r))})
        for r in records
    )


def _folder(record: Record) -> str:
    return posixpath.dirname(record.id) or "."


def _folders(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Folder → its records in natural order."""
    by_folder: dict[str, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda r: natural(r.id)):
        by_folder[_folder(record)].append(record)
    return by_folder


def sequence_problems(records: Sequence[Record], thumbnails: np.ndarray) -> list[Problem]:
    """A warning for each folder in which neighbours by name resemble each other as slices of one volume do.

    Args:
        records: Those without a known place or group are looked at.
        thumbnails: ``[n, side, side]`` in the order of the records.
    """
    at = {r.id: i for i, r in enumerate(records)}
    free = [r for r in records if r.position is None and r.group is None and not r.image.part]
    problems = []
    for folder, members in _folders(free).items():
        if len(members) < _MIN_IMAGES:
            continue
        small = thumbnails[[at[r.id] for r in members]].reshape(len(members), -1).astype(np.float32)
        small = (small - small.mean(1, keepdims=True)) / np.maximum(small.std(1, keepdims=True), 1e-6)
        near, far = _alike(small, [1]), _alike(small, [len(small) // 2, len(small) // 3])
        closer = float(near.mean() - far.mean())
        if closer > _CLOSER and closer > _MIN_DEVIATIONS * float(far.std()):
            values = {"near": f"{near.mean():.2f}", "far": f"{far.mean():.2f}", "n": len(members)}
            problems.append(Problem("audit.sequence", folder, "warning", values))
    return problems


def _alike(small: np.ndarray, lags: Sequence[int]) -> np.ndarray:
    """Correlation of all images that are so far apart in the order."""
    return np.concatenate([(small[:-lag] * small[lag:]).mean(axis=1) for lag in lags])
