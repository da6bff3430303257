"""Where the wrong pixels of a segmentation lie: at boundaries, in which part of the image, in which slice and object.

A row holds counts of one image and a table of its objects; rows of images follow each other, and what they have in
common is said by `lamelle.metrics.error_patterns`. Distances are in pixels of the plane, along rows, columns and
diagonals (chessboard): slices of a volume may be thicker than pixels are wide. Pixels that are not to be scored count
nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamelle.types import IGNORE

DISTANCES = (2, 3)
"""Pixels from a boundary that count as near it: the strip of this width on either side."""
GRID = 3
"""Parts of an image along each edge."""
SPECK = 5
"""Objects of fewer pixels are left out: noise of the annotation."""
_HALF, _PIECE = 0.5, 0.1


@dataclass(frozen=True, slots=True)
class Objects:
    """The true objects of one class in one image, and how the prediction treats each."""

    sizes: np.ndarray
    """Pixels, int64 [N]."""
    covered: np.ndarray
    """Share of each that has its class in the prediction, float64 [N]."""
    split: np.ndarray
    """Whether two or more predicted objects lie mostly in it, each of a tenth of it or more, bool [N]."""
    merged: np.ndarray
    """Whether a predicted object covers half of it, and half of another true object too, bool [N]."""
    false_sizes: np.ndarray
    """Pixels of each predicted object that touches no true one, int64 [M]."""
    predicted: int
    """Predicted objects."""


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """Counts of one image."""

    scored: int
    wrong: int
    near_wrong: tuple[int, ...]
    """Wrong pixels near a true and near a predicted boundary, for each of ``DISTANCES``."""
    near: tuple[int, ...]
    """Scored pixels near a true boundary."""
    grid: np.ndarray
    """Wrong, scored and true foreground pixels, int64 [3, GRID, GRID]."""
    areas: np.ndarray
    """True and predicted pixels of each class, int64 [2, K]."""
    slices: np.ndarray
    """Wrong and scored pixels of each slice, int64 [2, Z]; one slice in two dimensions."""
    objects: dict[int, Objects]
    """Class → its objects."""


def error_row(
    target: np.ndarray,
    prediction: np.ndarray,
    *,
    classes: int,
    objects: Sequence[int],
    numbers: np.ndarray | None = None,
    predicted_numbers: np.ndarray | None = None,
) -> ErrorRow:
    """Where one prediction is wrong.

    Args:
        target: Classes [(Z,) Y, X], with ``IGNORE`` where nothing is scored.
        prediction: Classes [(Z,) Y, X].
        classes: How many there are, the background among them.
        objects: Classes that consist of objects; 0 = the background, as for cells between membranes.
        numbers: Numbered true objects of class 1 [(Z,) Y, X]; None = parts that hang together by their faces.
        predicted_numbers: The same of the prediction.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> target = np.zeros((9, 9), int)
        >>> target[2:7, 2:7] = 1
        >>> row = error_row(target, np.roll(target, 1, axis=1), classes=2, objects=[1])
        >>> row.wrong, row.near_wrong, row.areas.tolist()
        (10, (10, 10), [[56, 25], [56, 25]])
    """
    target, prediction = np.asarray(target), np.asarray(prediction)
    if target.shape != prediction.shape:
        raise ValueError(f"the shapes differ: target {target.shape}, prediction {prediction.shape}")
    seen = target != IGNORE
    wrong = (target != prediction) & seen
    planes = [a.reshape(-1, *a.shape[-2:]) for a in (target, prediction, seen, wrong)]
    near = _near(*planes)
    counts = np.stack([np.bincount(a[seen].ravel(), minlength=classes)[:classes] for a in (target, prediction)])
    row = {}
    for c in objects:
        given = (numbers, predicted_numbers) if c == 1 else (None, None)
        truth, predicted = (_numbered((a == c) & seen, of) for a, of in zip((target, prediction), given, strict=True))
        row[c] = _objects(truth, predicted, (prediction == c) & seen)
    return ErrorRow(
        int(seen.sum()),
        int(wrong.sum()),
        near[0],
        near[1],
        np.stack([_grid(a) for a in (wrong, seen, (target > 0) & seen)]),
        counts.astype(np.int64),
        np.stack([a.sum(axis=(1, 2)) for a in (planes[3], planes[2])]).astype(np.int64),
        row,
    )


def _near(
    target: np.ndarray, prediction: np.ndarray, seen: np.ndarray, wrong: np.ndarray
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Wrong pixels near both boundaries, and scored pixels near a true one, of planes [Z, Y, X]."""
    bad, strip = np.zeros(len(DISTANCES), np.int64), np.zeros(len(DISTANCES), np.int64)
    for truth, predicted, labelled, off in zip(target, prediction, seen, wrong, strict=True):
        true_edge, said_edge = _edges(truth), _edges(predicted)
        for i, distance in enumerate(DISTANCES):
            strips = _strip(true_edge, distance)
            strip[i] += np.count_nonzero(strips & labelled)
            if off.any():
                bad[i] += np.count_nonzero(strips & _strip(said_edge, distance) & off)
    return tuple(bad.tolist()), tuple(strip.tolist())


def _edges(labels: np.ndarray) -> np.ndarray:
    """Pixels [Y, X] beside one of another class; what is not scored has no boundary of its own."""
    edge = np.zeros(labels.shape, bool)
    for whole, both in ((labels, edge), (labels.T, edge.T)):
        first, second = whole[:-1], whole[1:]
        differs = (first != second) & (first != IGNORE) & (second != IGNORE)
        both[:-1] |= differs
        both[1:] |= differs
    return edge


def _strip(edge: np.ndarray, distance: int) -> np.ndarray:
    from scipy.ndimage import maximum_filter

    return maximum_filter(edge.view(np.uint8), size=2 * distance - 1, mode="constant").astype(bool)


def _grid(mask: np.ndarray) -> np.ndarray:
    """Pixels of a mask [(Z,) Y, X] in each of ``GRID`` × ``GRID`` parts of the plane."""
    flat = mask if mask.ndim == 2 else mask.sum(axis=0)
    rows, columns = ([n * i // GRID for i in range(GRID + 1)] for n in flat.shape)
    return np.array(
        [
            [int(flat[rows[i] : rows[i + 1], columns[j] : columns[j + 1]].sum()) for j in range(GRID)]
            for i in range(GRID)
        ],
        np.int64,
    )


def _numbered(mask: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
    """Objects of a mask, numbered from 1; those with fewer pixels than ``SPECK`` are 0."""
    from scipy.ndimage import label

    if numbers is None:
        labelled = np.zeros(mask.shape, np.int32)
        label(mask, output=labelled)
    else:
        labelled = np.unique(np.where(mask, numbers, 0), return_inverse=True)[1].reshape(mask.shape)
        labelled = labelled + 1 if mask.all() else labelled
    kept = np.bincount(labelled.ravel()) >= SPECK
    kept[0] = False
    return np.where(kept, np.cumsum(kept), 0).astype(np.int32)[labelled]


def _objects(truth: np.ndarray, answer: np.ndarray, mask: np.ndarray) -> Objects:
    """Which of the objects numbered from 1 lie in each other."""
    from scipy.sparse import coo_array

    either = (truth > 0) | (answer > 0)
    places = truth[either], answer[either]
    shape = int(truth.max(initial=0)) + 1, int(answer.max(initial=0)) + 1
    table = coo_array((np.ones(len(places[0]), np.int32), places), shape=shape).tocsr()
    sizes, predicted = (np.asarray(table.sum(axis=axis), np.int64).ravel()[1:] for axis in (1, 0))
    pairs = table[1:, 1:].tocoo()
    row, column, shared = pairs.row, pairs.col, pairs.data
    pieces = (shared >= _HALF * predicted[column]) & (shared >= _PIECE * sizes[row])
    covered = shared >= _HALF * sizes[row]
    together = np.bincount(column[covered], minlength=len(predicted)) > 1
    lone = np.ones(len(predicted), bool)
    lone[column] = False
    return Objects(
        sizes,
        np.bincount(truth[mask], minlength=len(sizes) + 1)[1:] / np.maximum(sizes, 1),
        np.bincount(row[pieces], minlength=len(sizes)) > 1,
        np.bincount(row[covered & together[column]], minlength=len(sizes)) > 0,
        predicted[lone],
        len(predicted),
    )
