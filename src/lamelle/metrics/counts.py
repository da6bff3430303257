"""Counts that every later score is a function of: they add up over tiles, images and resamples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lamelle.types import IGNORE

_SLAB = 1 << 20
"""Pixels counted at a time, so that memory does not grow with the image."""


def confusion(target: np.ndarray, prediction: np.ndarray, *, classes: int) -> np.ndarray:
    """Confusion matrix int64 [K, K] of two label arrays of one shape; rows are the truth, columns the prediction.

    What the target marks as ``IGNORE`` is left out, whatever is predicted there.

    Raises:
        ValueError: If the shapes differ, or a counted label is not one of 0 .. K−1; the message gives it.

    Example:
        >>> confusion(np.array([0, 1, 1, -1]), np.array([0, 1, 0, 1]), classes=2)
        array([[1, 0],
               [1, 1]])
    """
    _same_shape(target, prediction)
    counts = np.zeros(classes * classes, np.int64)
    for true, predicted in _slabs(target, prediction):
        kept = true != IGNORE
        truth, answers = (np.asarray(a, np.int64) for a in (true[kept], predicted[kept]))
        for name, labels in (("target", truth), ("prediction", answers)):
            if labels.size and (labels.min() < 0 or labels.max() >= classes):
                wrong = labels[(labels < 0) | (labels >= classes)][0]
                raise ValueError(f"{name} has label {wrong}, but labels are 0..{classes - 1}")
        counts += np.bincount(truth * classes + answers, minlength=classes * classes)
    return counts.reshape(classes, classes)


def binary_histogram(target: np.ndarray, probability: np.ndarray, *, bins: int) -> np.ndarray:
    """Counts int64 [2, bins] of the probabilities of class 1, where the truth is 0 and where it is 1.

    Bin ``i`` holds the probabilities from ``i / bins`` up to the next; the last one holds 1 too. With a power of two
    for ``bins`` the edges are exact. Histograms of several images add up, so that a threshold can be searched over
    pixels that never are in memory together (:mod:`lamelle.metrics.thresholds`).

    Args:
        target: 0, 1 or ``IGNORE``, any shape.
        probability: Of class 1, in [0, 1], the same shape.

    Raises:
        ValueError: If the shapes differ, a label is none of 0, 1, ``IGNORE``, or a probability is not in [0, 1].

    Example:
        >>> binary_histogram(np.array([0, 1, 1, -1]), np.array([0.1, 0.6, 1.0, 0.2]), bins=4)
        array([[1, 0, 0, 0],
               [0, 0, 1, 1]])
    """
    _same_shape(target, probability)
    counts = np.zeros(2 * bins, np.int64)
    for true, scores in _slabs(target, probability):
        kept = true != IGNORE
        truth, chance = np.asarray(true[kept], np.int64), scores[kept]
        if truth.size and (truth.min() < 0 or truth.max() > 1):
            wrong = truth[(truth < 0) | (truth > 1)][0]
            raise ValueError(f"target has label {wrong}, but labels are 0, 1 and {IGNORE}")
        inside = (chance >= 0) & (chance <= 1)
        if not inside.all():
            raise ValueError(f"probability {chance[~inside][0]} is not in [0, 1]")
        chance = chance.astype(np.result_type(chance, np.float32), copy=False)
        place = np.minimum((chance * bins).astype(np.int64), bins - 1)
        counts += np.bincount(truth * bins + place, minlength=2 * bins)
    return counts.reshape(2, bins)


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Quotient of two arrays that broadcast; NaN where the denominator is 0.

    Example:
        >>> ratio(np.array([1.0, 0.0]), np.array([4.0, 0.0]))
        array([0.25,  nan])
    """
    undefined = denominator == 0
    return np.where(undefined, np.nan, numerator / np.where(undefined, 1.0, denominator))


def _slabs(target: np.ndarray, other: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Both arrays cut alike along their first axis."""
    target, other = np.atleast_1d(target), np.atleast_1d(other)
    step = max(1, _SLAB * len(target) // max(1, target.size))
    for start in range(0, len(target), step):
        yield target[start : start + step], other[start : start + step]


def _same_shape(target: np.ndarray, other: np.ndarray) -> None:
    if target.shape != other.shape:
        raise ValueError(f"the shapes differ: target {target.shape}, prediction {other.shape}")
