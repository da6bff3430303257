"""Whether label values are classes, or numbers of objects: 1, 2, 3 … anew in each image, one part each.

Objects are numbered as they come: what has number 3 in one image has nothing to do with what has it in the next. A
class lies in many parts, or at the same place, or is of the same size. Gaps in the numbers, an object in two pieces
and equal numbers of objects do not matter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from lamelle.data.layouts.pairing import names_of
from lamelle.types import Problem

_MIN_OBJECTS = 4
"""Objects in the fullest image: three organs, of which some images lack the last, are not numbers."""
_DIFFERENT = 3
"""Different numbers of objects: classes come in sets that are alike from image to image."""
_MAX_CLASSES = 8
"""More values than this are seldom classes that nobody has named."""
_MAX_PIXELS = 1 << 24
"""Of larger label images a window is looked at."""
_MAX_VALUES = 1 << 16
_WHOLE = 0.9
"""Share of an object's pixels in its largest part."""
_WHOLE_SHARE, _DOUBTFUL_SHARE = 0.8, 0.3
"""Shares of the values that are in one part: as of objects with a few flaws, and as of classes no longer."""
_NEAR = 0.1
"""Standard deviation of a class's place along an axis, as a share of the image."""
_EXPLAINED = 0.5
"""Share of the variance of places, or sizes, that goes with the value if it means something."""
_SECOND = 0.3
"""Least size of a second part, as a share of the first, that may be an object of its own."""
_NEAR_PIXELS, _NEAR_SIZES = 8, 0.75
"""Gaps up to which two parts are pieces of one object: in pixels, and in sizes of the larger part."""
_COVERED = 0.5
_MAX_TORN = 64
_MAX_PLACES = 4096
_MORE_THAN_ALL = 0.5
"""Share of all numbered pixels from which a number is rather that of the background, if it is so in most images."""
_LITTLE_ELSE = 0.2
"""Pixels of 0 beside it, as lines between basins, as a share of that background."""
_FREEDOM = 8
"""Degrees of freedom below which nobody can tell whether places and sizes go with the values."""


@dataclass(frozen=True, slots=True)
class LabelNumbers:
    """What one label image holds, value by value."""

    values: tuple[int, ...]
    """All but 0."""
    whole: tuple[bool, ...]
    """Whether the pixels of each value hang together, but for a few."""
    places: tuple[tuple[float, ...], ...]
    """Middle of each value's pixels, and the logarithm of their number: (z, y, x, size); 0 … 1 along each axis."""
    parts: int = 0
    """Connected parts of all values together."""
    rest: int = 0
    """Pixels that are 0."""
    far: tuple[tuple[int, int], ...] = ()
    """Values of which two large parts lie far from each other with nothing between them, and how many pixels far."""

    @property
    def consecutive(self) -> bool:
        """1, 2, 3 … without gaps, each in one part."""
        return self.values == tuple(range(1, len(self.values) + 1)) and all(self.whole)


def numbers(labels: np.ndarray, counts: Mapping[int, int], *, ignore: Sequence[int] = ()) -> LabelNumbers | None:
    """What the values of a label image [(Z,) Y, X] are like; None if they are too many to tell.

    Args:
        counts: Pixels per value.
        ignore: Values that are not scored.

    Example:
        >>> labels = numbers(np.array([[1, 1, 0, 2], [1, 0, 0, 0], [0, 0, 2, 2]]), {0: 6, 1: 3, 2: 3}, ignore=())
        >>> labels.values, labels.whole
        ((1, 2), (True, False))
    """
    values = np.array(sorted(v for v in counts if v != 0 and v not in ignore))
    if len(values) > _MAX_VALUES:
        return None
    if not len(values):
        return LabelNumbers((), (), ())
    index = _ranks(_window(labels), values)
    whole, parts, far = _whole(index, len(values))
    places = _places(index, len(values), [counts[int(v)] for v in values])
    seen = [i for i, place in enumerate(places) if place is not None]
    return LabelNumbers(
        tuple(int(values[i]) for i in seen),
        tuple(bool(whole[i]) for i in seen),
        tuple(places[i] or () for i in seen),
        parts,
        counts.get(0, 0),
        tuple((int(values[rank - 1]), gap) for rank, gap in far),
    )


def _window(labels: np.ndarray) -> np.ndarray:
    """The middle of a large label image."""
    share = min(1.0, (_MAX_PIXELS / max(1, labels.size)) ** (1 / labels.ndim))
    sizes = [max(1, int(n * share)) for n in labels.shape]
    return labels[tuple(slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(labels.shape, sizes, strict=True))]


def _ranks(labels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """1 for the first of the values, 2 for the next …, 0 for all others; int32."""
    rank = np.minimum(np.searchsorted(values, labels), len(values) - 1)
    return np.where(values[rank] == labels, rank + 1, 0).astype(np.int32)


def _whole(index: np.ndarray, count: int) -> tuple[np.ndarray, int, list[tuple[int, int]]]:
    """Of each rank whether its largest part holds nearly all its pixels; the number of parts; ranks with a gap."""
    from skimage.measure import label

    labelled = cast(np.ndarray, label(index, background=0, connectivity=index.ndim))
    parts = labelled.reshape(-1)
    sizes = np.bincount(parts)
    rank = np.zeros(len(sizes), np.int64)
    rank[parts] = index.reshape(-1)
    largest, pixels = np.zeros(count + 1, np.int64), np.zeros(count + 1, np.int64)
    np.maximum.at(largest, rank, sizes)
    np.add.at(pixels, rank, sizes)
    return (largest >= _WHOLE * pixels)[1:], len(sizes) - 1, _torn(index, labelled, rank, sizes)


def _torn(index: np.ndarray, parts: np.ndarray, rank: np.ndarray, sizes: np.ndarray) -> list[tuple[int, int]]:
    """Ranks with two large parts far apart, and the gap in pixels.

    Pieces of one object lie near each other, or something lies over the middle of it.

    Args:
        rank: Of each part.
        sizes: Pixels of each part.
    """
    large: dict[int, list[int]] = {}
    for part in np.argsort(-sizes, kind="stable"):
        largest = large.setdefault(int(rank[part]), [])
        if rank[part] and len(largest) < 2 and (not largest or sizes[part] >= _SECOND * sizes[largest[0]]):
            largest.append(int(part))
    torn = [(r, *largest) for r, largest in sorted(large.items()) if len(largest) == 2][:_MAX_TORN]
    if not torn:
        return []
    from scipy.ndimage import find_objects

    boxes = find_objects(parts)
    torn_far = []
    for r, first, second in torn:
        across = sizes[first] ** (1 / index.ndim)
        one, other = (_pixels(parts, boxes[part - 1], part) for part in (first, second))
        gap, covered = _between(one, other, index)
        if gap > max(_NEAR_PIXELS, _NEAR_SIZES * across) and covered < _COVERED:
            torn_far.append((r, round(gap)))
    return torn_far


def _pixels(parts: np.ndarray, box: tuple[slice, ...], part: int) -> np.ndarray:
    """Where a part lies, int [n, axes]; of a large one some places."""
    places = np.argwhere(parts[box] == part) + [s.start for s in box]
    return places[:: max(1, len(places) // _MAX_PLACES)]


def _between(one: np.ndarray, other: np.ndarray, index: np.ndarray) -> tuple[float, float]:
    """The gap between two parts, and the share of the straight way across it that other objects cover."""
    from scipy.spatial import KDTree

    gaps, nearest = map(np.asarray, KDTree(other).query(one))
    start = int(np.argmin(gaps))
    steps = np.linspace(one[start], other[nearest[start]], max(3, int(gaps[start]) + 1))[1:-1]
    return float(gaps[start]), float(np.mean(index[tuple(np.rint(steps).astype(int).T)] > 0))


def _places(index: np.ndarray, count: int, pixels: Sequence[int]) -> list[tuple[float, ...] | None]:
    """Middle of each rank's box and the logarithm of its pixels; None where the window shows nothing of it."""
    from scipy.ndimage import find_objects

    return [
        None
        if box is None
        else (*((s.start + s.stop) / 2 / n for s, n in zip(box, index.shape, strict=True)), float(np.log(size)))
        for box, size in zip(find_objects(index, max_label=count), pixels, strict=True)
    ]


def numbering_problems(looked_at: Sequence[LabelNumbers | None], places: Sequence[str]) -> list[Problem]:
    """An error if the label images number objects, a warning if nobody can tell.

    Args:
        looked_at: What `numbers` says of each label image.
        places: Their files.
    """
    numbered = [n for n in looked_at if n is not None]
    amounts = [len(n.values) for n in numbered]
    if max(amounts, default=0) < _MIN_OBJECTS:
        return []
    share = sum(sum(n.whole) for n in numbered) / sum(amounts)
    means = _same_meaning(numbered)
    sure = (
        len(numbered) == len(looked_at) and all(n.consecutive for n in numbered) and len({*amounts} - {0}) >= _DIFFERENT
    )
    sure = sure or (share >= _WHOLE_SHARE and means is False and np.mean([a for a in amounts if a]) >= _DIFFERENT)
    distinct = len({v for n in numbered for v in n.values})
    doubtful = (share >= _DOUBTFUL_SHARE and distinct > _MAX_CLASSES) or (share >= _WHOLE_SHARE and means is None)
    if not (sure or doubtful):
        return []
    sizes = [-1 if n is None else len(n.values) for n in looked_at]
    place = places[sizes.index(max(sizes))]
    if sure:
        return [Problem("audit.values_objects", place, "error", {"most": max(amounts), "least": min(amounts)})]
    values = {"count": distinct, "share": round(100 * share)}
    return [Problem("audit.values_objects_maybe", place, "warning", values)]


def _same_meaning(numbered: Sequence[LabelNumbers]) -> bool | None:
    """Whether a value means the same in all images: it lies at one place, or has one size; None if few can tell."""
    value = np.array([v for n in numbered for v in n.values])
    where = [p for n in numbered for p in n.places]
    if len({len(p) for p in where}) != 1:
        return None
    table = np.array(where)
    groups = [table[value == v] for v in np.unique(value)]
    freedom = len(table) - len(groups)
    if freedom < _FREEDOM:
        return None
    within = np.sum([((g - g.mean(0)) ** 2).sum(0) for g in groups], axis=0) / freedom
    total = np.maximum(table.var(0, ddof=1), 1e-12)
    goes_with = within / total < 1 - _EXPLAINED
    near = np.sqrt(within[:-1]) < _NEAR
    return bool(np.all(goes_with[:-1] | near) or goes_with[-1])


def parting_problems(looked_at: Sequence[LabelNumbers | None], places: Sequence[str]) -> list[Problem]:
    """Where objects are wanted: an error if no label image parts them, a warning if some do not.

    Args:
        looked_at: What `numbers` says of each label image that numbers its objects itself.
        places: Their files.
    """
    holding = [(n, place) for n, place in zip(looked_at, places, strict=True) if n is not None and n.values]
    merged = [(n, place) for n, place in holding if 2 * sum(n.whole) < len(n.values)]
    twice = [*_background(holding), *_twice([one for one in holding if one not in merged])]
    if not merged:
        return twice
    worst, place = max(merged, key=lambda m: m[0].parts)
    lone = all(len(n.values) == 1 for n, _ in holding) and 2 * len(merged) >= len(holding)
    values = {"count": len(merged), "all": len(holding), "values": len(worst.values), "parts": worst.parts}
    severity = "error" if lone or len(merged) == len(holding) else "warning"
    return [Problem("audit.objects_not_parted", place, severity, values), *twice]


def _background(holding: Sequence[tuple[LabelNumbers, str]]) -> list[Problem]:
    """A warning where one number is that of what lies around the objects, which should be 0."""
    many = [(n, place) for n, place in holding if len(n.values) > 2]
    largest: Counter[int] = Counter()
    for n, _ in many:
        sizes = np.exp([place[-1] for place in n.places])
        if sizes.max() >= _MORE_THAN_ALL * sizes.sum() and n.rest <= _LITTLE_ELSE * sizes.max():
            largest[n.values[int(sizes.argmax())]] += 1
    value, count = largest.most_common(1)[0] if largest else (0, 0)
    if count < 2 or count < _WHOLE_SHARE * len(many):
        return []
    return [Problem("audit.number_of_background", many[0][1], "warning", {"value": value, "count": count})]


def _twice(holding: Sequence[tuple[LabelNumbers, str]]) -> list[Problem]:
    """A warning where single numbers stand for two objects far from each other."""
    torn = [(n, place) for n, place in holding if n.far]
    if not torn:
        return []
    worst, place = max(torn, key=lambda one: len(one[0].far))
    value, gap = max(worst.far, key=lambda one: one[1])
    values = {"value": value, "gap": gap, "here": len(worst.far), "count": len(torn), "all": len(holding)}
    values |= {"names": names_of([Path(place).name for _, place in torn])}
    return [Problem("audit.number_twice", place, "warning", values)]
