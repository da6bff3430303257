"""From what lies on disk to arrays: values, objects, parts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from lamelle.types import IGNORE, Index, Meaning, Problem, Record, Shapes

if TYPE_CHECKING:
    from lamelle.data.store import Store


def read_labels(record: Record, store: Store) -> np.ndarray:
    """Labels [(Z,) Y, X] as they lie on disk: values, or numbers of objects where the record says that they are.

    Raises:
        FileError: If a file cannot be read.
        DataError: If masks of objects differ in size.
    """
    return labels_as(record, store, objects=_are_objects(record))


def problems_of_labels(record: Record, store: Store) -> tuple[Problem, ...]:
    """What the reader had to say about labels: overlapping or empty objects, a wrong suffix."""
    if isinstance(record.labels, Shapes):
        return store.problems_of_drawn(record.image, record.labels, objects=_are_objects(record))
    sources = record.labels.sources if record.labels else ()
    return store.label_problems(sources, objects=_are_objects(record)) if sources else ()


def labels_as(record: Record, store: Store, *, objects: bool) -> np.ndarray:
    """Labels [(Z,) Y, X] as numbers of objects, or as values, whatever the record says that they are."""
    target = record.labels
    assert target is not None
    if isinstance(target, Shapes):
        return store.drawn(record.image, target, objects=objects)
    return store.labels(target.sources, objects=objects) if target.sources else store.blank(record.image)


def _are_objects(record: Record) -> bool:
    return record.labels is not None and record.labels.meaning == "objects"


def with_meaning(index: Index, meaning: Meaning) -> Index:
    """The Index with label images that number classes, or objects, whatever the folder says."""
    records = (replace(r, target=replace(r.labels, meaning=meaning)) if r.labels else r for r in index.records)
    return replace(index, records=tuple(records))


def numbered(labels: np.ndarray) -> np.ndarray:
    """The same objects numbered 1, 2, 3 … without gaps, int64; 0 stays background, ``IGNORE`` stays.

    Example:
        >>> numbered(np.array([[0, 70_000, 5, -1]]))
        array([[ 0,  2,  1, -1]])
    """
    values, place = np.unique(labels, return_inverse=True)
    numbers = np.where(values > 0, np.cumsum(values > 0), np.where(values < 0, IGNORE, 0))
    return numbers.astype(np.int64)[place].reshape(labels.shape)


def connected(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """The parts of a mask that are connected along axes, numbered 1, 2, 3 …, and how many there are.

    Example:
        >>> connected(np.array([[True, True, False, True]]))
        (array([[1, 1, 0, 2]], dtype=int32), 2)
    """
    from scipy.ndimage import label

    numbers = np.zeros(mask.shape, np.int32)
    count = label(mask, output=numbers)
    return numbers, cast("int", count)
