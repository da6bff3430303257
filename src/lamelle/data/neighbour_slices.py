"""2.5D: a slice of a stack is seen with the slices before and after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lamelle.data.store import Store
from lamelle.errors import RequestError
from lamelle.types import SPLITS, Record, Source


def mirrored(middle: int, *, context: int, depth: int) -> list[int]:
    """A slice with ``context`` slices on either side; those beyond the ends are mirrored.

    Example:
        >>> mirrored(0, context=2, depth=5), mirrored(4, context=1, depth=5), mirrored(0, context=2, depth=1)
        ([2, 1, 0, 1, 2], [3, 4, 3], [0, 0, 0, 0, 0])
    """
    last = depth - 1
    around = range(middle - context, middle + context + 1)
    return [last - abs(last - abs(i) % (2 * last)) if last else 0 for i in around]


def neighbours(store: Store, source: Source, *, context: int) -> list[Source]:
    """A plane of a stack with the planes before and after it in the same file; just the source without context."""
    if not context or source.index is None:
        return [source] * (2 * context + 1)
    shape = store.entry(source).shape
    depth = shape[1] if len(shape) == 4 else 1
    return [replace(source, index=i) for i in mirrored(source.index, context=context, depth=depth)]


def with_neighbours(store: Store, source: Source, *, context: int) -> np.ndarray:
    """Pixels [C·(2·context + 1), (Z,) Y, X] of a plane and its neighbours, in order; native dtype and size."""
    planes = [store.image(s) for s in neighbours(store, source, context=context)]
    return planes[0] if len(planes) == 1 else np.concatenate(planes)


def check_context(records: Sequence[Record], *, context: int) -> None:
    """Refuse what would not be honest: neighbours of what is no slice, and slices of another split as neighbours.

    Slices of a guard gap may be seen, since no split is made of them: a gap has to be as wide as the context.

    Raises:
        RequestError: If a record is not a plane of a stack, or would see a plane of another split.
    """
    place: dict[tuple[Path, str | None], dict[int, str]] = {}
    for record in records:
        source = record.image
        if source.index is None:
            raise RequestError("data.context_no_slice", context=context, record=record.id)
        if record.split in SPLITS:
            place.setdefault((source.path, source.key), {})[source.index] = str(record.split)
    for stack in place.values():
        for index, split in stack.items():
            for other in range(index + 1, index + context + 1):
                if stack.get(other, split) != split:
                    values = {"one": f"{index} ({split})", "other": f"{other} ({stack[other]})"}
                    raise RequestError("data.context_gap", context=context, **values)
