"""Cleaning of predicted classes: small holes filled, the largest part of each class kept, small parts removed.

A part is a connected component of one class other than the background (class 0). A hole is a connected component of
the background that touches no edge of the image and borders on one class only; filled, it becomes that class. Both are
connected along faces: 4 neighbours in images [Y, X], 6 in volumes [Z, Y, X]. Holes are filled first.

What is searched is searched on validation, by Dice. Filling or removing one component changes the confusion matrix by
the truth inside it, so that one pass over the items scores every bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from lamelle.metrics import counts, regions
from lamelle.metrics.ranking import macro
from lamelle.results.fitted import Fitted, Pixels, Sweep, defined
from lamelle.types import IGNORE

Bound = int | Literal["auto"]
TRIED = (0, *(2**n for n in range(17)))
"""The pixels that a search tries; 0 = off."""
Items = Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]]
"""Gives all (predicted classes, target) again at each call."""


class FittedCleaning(Fitted):
    """The bounds that were frozen; None = as it was asked for."""

    min_size: Pixels | None = None
    fill_holes: Pixels | None = None
    largest: bool | None = None


class Bounds(NamedTuple):
    """How predicted classes are cleaned: arguments of `clean`."""

    min_size: int = 0
    fill_holes: int = 0
    largest: bool = False


@dataclass(frozen=True, slots=True)
class Cleaning:
    """What is asked for; ``auto`` is searched on validation."""

    min_size: Bound
    """Parts with fewer pixels are removed; 0 = none."""
    fill_holes: Bound
    """Holes with at most so many pixels are filled; 0 = none."""
    largest: bool | Literal["auto"]
    """Only the largest part of each class is kept."""

    @property
    def searched(self) -> bool:
        return "auto" in (self.min_size, self.fill_holes, self.largest)

    def resolved(self, fitted: FittedCleaning) -> Bounds:
        """What was frozen, else what was asked for; what is not searched yet is off.

        Example:
            >>> Cleaning(min_size="auto", fill_holes=9, largest=False).resolved(FittedCleaning(min_size=4))
            Bounds(min_size=4, fill_holes=9, largest=False)
        """

        def bound(requested: Bound, frozen: int | None) -> int:
            return frozen if frozen is not None else 0 if requested == "auto" else requested

        largest = bound(self.largest, fitted.largest)
        return Bounds(bound(self.min_size, fitted.min_size), bound(self.fill_holes, fitted.fill_holes), bool(largest))


@dataclass(frozen=True, slots=True)
class Pieces:
    """Components that may be given another class."""

    numbers: np.ndarray
    """int32 like the image: 0 = none, piece i is i + 1."""
    sizes: np.ndarray
    """Pixels of each, int64 [P]."""
    before: np.ndarray
    """Class of each, int64 [P]."""
    after: np.ndarray
    """Class that each would become, int64 [P]."""


def clean(labels: np.ndarray, *, classes: int, min_size: int, fill_holes: int, largest: bool) -> np.ndarray:
    """Classes [(Z,) Y, X], cleaned; the same array where there is nothing to do.

    Args:
        min_size: Parts with fewer pixels are removed (to class 0); 0 and 1 remove none.
        fill_holes: Holes with at most so many pixels are filled.
        largest: Keep only the largest part of each class; of equally large ones, the first.

    Example:
        >>> ring = np.array([[1, 1, 1, 0, 0], [1, 0, 1, 0, 1], [1, 1, 1, 0, 0]])
        >>> clean(ring, classes=2, min_size=2, fill_holes=1, largest=False)
        array([[1, 1, 1, 0, 0],
               [1, 1, 1, 0, 0],
               [1, 1, 1, 0, 0]])
    """
    if fill_holes:
        pieces = holes(labels, classes=classes)
        labels = changed(labels, pieces, pieces.sizes <= fill_holes)
    if largest or min_size > 1:
        pieces = parts(labels, classes=classes)
        labels = changed(labels, pieces, _removed(pieces, min_size=min_size, largest=largest))
    return labels


def parts(labels: np.ndarray, *, classes: int) -> Pieces:
    """The connected components of every class but 0; they may become 0.

    Example:
        >>> parts(np.array([[1, 0, 2, 2]]), classes=3).sizes
        array([1, 2])
    """
    numbers, of = np.zeros(labels.shape, np.int32), []
    for c in range(1, classes):
        inside = labels == c
        one, count = _components(inside)
        numbers[inside] = one[inside] + len(of)
        of += [c] * count
    before = np.array(of, np.int64)
    return Pieces(numbers, _sizes(numbers, len(of)), before, np.zeros_like(before))


def holes(labels: np.ndarray, *, classes: int) -> Pieces:
    """The holes, which may become the class around them.

    Example:
        >>> holes(np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]]), classes=2).after
        array([1])
    """
    numbers, count = _components(labels == 0)
    beside = np.zeros((count + 1) * classes, np.int64)
    closed = np.ones(count + 1, bool)
    closed[0] = False
    for axis in range(labels.ndim):
        here, shown = np.moveaxis(numbers, axis, 0), np.moveaxis(labels, axis, 0)
        closed[here[0]] = closed[here[-1]] = False
        for one, other in ((here[:-1], shown[1:]), (here[1:], shown[:-1])):
            met = (one > 0) & (other > 0)
            beside += np.bincount(one[met] * classes + other[met], minlength=len(beside))
    around = beside.reshape(-1, classes) > 0
    fillable = np.flatnonzero(closed & (around.sum(1) == 1))
    again = np.zeros(count + 1, np.int32)
    again[fillable] = np.arange(1, len(fillable) + 1)
    numbers, after = again[numbers], around[fillable].argmax(1)
    return Pieces(numbers, _sizes(numbers, len(fillable)), np.zeros_like(after), after)


def changed(labels: np.ndarray, pieces: Pieces, chosen: np.ndarray) -> np.ndarray:
    """The classes after some pieces changed theirs.

    Args:
        chosen: Which pieces do, boolean [P].

    Example:
        >>> found = parts(np.array([[1, 0, 2, 2]]), classes=3)
        >>> changed(np.array([[1, 0, 2, 2]]), found, found.sizes < 2)
        array([[0, 0, 2, 2]])
    """
    if not chosen.any():
        return labels
    inside = np.append(False, chosen)[pieces.numbers]
    labels = labels.copy()
    labels[inside] = pieces.after[pieces.numbers[inside] - 1]
    return labels


def search(
    items: Items, requested: Cleaning, *, classes: int, by: Literal["pooled", "image"]
) -> tuple[Bounds, tuple[Sweep, ...]]:
    """The bounds with the best Dice (mean over the classes but 0), for whatever is ``auto``; of equals, the least.

    One after the other: holes, then the largest part, then small parts, each with those before it applied.

    Args:
        by: Dice of all pixels together, or its mean over images.

    Returns:
        All bounds, and for each that was searched the Dice at everything that was tried.

    Example:
        >>> said, truth = np.array([[1, 0, 1, 1]]), np.array([[0, 0, 1, 1]])
        >>> asked = Cleaning(min_size="auto", fill_holes=0, largest=False)
        >>> search(lambda: [(said, truth)], asked, classes=2, by="pooled")[0]
        Bounds(min_size=2, fill_holes=0, largest=False)
    """
    bounds, sweeps = Bounds(), []
    for name, tried in (("fill_holes", TRIED), ("largest", (0, 1)), ("min_size", TRIED)):
        value = getattr(requested, name)
        if value == "auto":
            scored = [
                _matrices(clean(predicted, classes=classes, **bounds._asdict()), truth, name, tried, classes)
                for predicted, truth in items()
            ]
            dice = _dice(np.array(scored), by) if scored else np.full(len(tried), np.nan)
            known = not np.isnan(dice).all()
            value = tried[int(np.nanargmax(np.round(dice, 9)))] if known else 0
            scores = {"dice": defined(dice)}
            sweeps.append(Sweep(name=name, points=tried, scores=scores, chosen=value, by="dice" if known else ""))
        bounds = bounds._replace(**{name: type(getattr(bounds, name))(value)})
    return bounds, tuple(sweeps)


def _matrices(predicted: np.ndarray, truth: np.ndarray, name: str, tried: tuple[int, ...], classes: int) -> np.ndarray:
    """Confusion matrices [T, K, K] of one item after each value that is tried."""
    pieces = (holes if name == "fill_holes" else parts)(predicted, classes=classes)
    inside = (pieces.numbers > 0) & (truth != IGNORE)
    codes = (pieces.numbers[inside].astype(np.int64) - 1) * classes + truth[inside]
    truths = np.bincount(codes, minlength=len(pieces.sizes) * classes).reshape(-1, classes)
    base = counts.confusion(truth, predicted, classes=classes)
    matrices = []
    for value in tried:
        matrix, moved = base.copy(), _moved(pieces, name, value)
        for c in range(classes):
            matrix[:, c] += truths[moved & (pieces.after == c)].sum(0) - truths[moved & (pieces.before == c)].sum(0)
        matrices.append(matrix)
    return np.stack(matrices)


def _moved(pieces: Pieces, name: str, value: int) -> np.ndarray:
    """Which pieces change their class, boolean [P]."""
    if name == "fill_holes":
        return pieces.sizes <= value
    given = {"min_size": 0, "largest": False} | {name: value}
    return _removed(pieces, min_size=int(given["min_size"]), largest=bool(given["largest"]))


def _removed(pieces: Pieces, *, min_size: int, largest: bool) -> np.ndarray:
    gone = pieces.sizes < min_size
    if largest:
        for c in np.unique(pieces.before):
            of = np.flatnonzero(pieces.before == c)
            gone[np.delete(of, pieces.sizes[of].argmax())] = True
    return gone


def _dice(matrices: np.ndarray, by: str) -> np.ndarray:
    """Dice [T] of matrices [n, T, K, K]."""
    if by == "pooled":
        return macro(regions.dice(matrices.sum(0))[..., 1:])
    each = regions.dice(matrices)[..., 1:]
    return macro(macro(np.moveaxis(each, 0, -1)))


def _components(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Numbers int32 of the face-connected components, and how many there are."""
    from scipy.ndimage import label

    numbers = np.zeros(mask.shape, np.int32)
    label(mask, output=numbers)
    return numbers, int(numbers.max(initial=0))


def _sizes(numbers: np.ndarray, count: int) -> np.ndarray:
    return np.bincount(numbers.ravel(), minlength=count + 1)[1:]
