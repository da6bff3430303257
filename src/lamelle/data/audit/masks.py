"""What is odd about masks seen beside their images, and beside each other: inverted, empty, copied, framed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lamelle.data.layouts.pairing import names_of
from lamelle.errors import setting
from lamelle.results.audit import ImageMeasures
from lamelle.types import Problem, Record

_SAMPLED = 1 << 18
"""Pixels of an image that are compared with its mask."""
_MIN_MASKS = 6
"""Masks below which nobody can tell what is usual."""
_APART = 0.15
"""How far from half of the image the usual share of the foreground is, if inverted masks are to stand out."""
_ALIKE = 0.25
"""How far the share of an inverted mask, turned, may be from the usual one."""
_AGREE = 0.85
"""Share of masks that agree whether the foreground is brighter than the rest."""
_MUCH, _NEARLY_ALL = 0.7, 0.9
"""Shares of foreground over all masks that are said, and warned of."""
_NAMED = 5
"""Empty masks up to which each is named by a warning of its own."""
_FRAME = 1 / 8
"""Share of the shorter side up to which a frame may reach inwards."""


@dataclass(frozen=True, slots=True)
class MaskLook:
    """One label image beside its image."""

    contrast: tuple[float, ...] = ()
    """Per channel, by how many standard deviations the largest value is brighter than the rest; empty if all is one."""
    same: bool = False
    """The image holds nothing but its own mask."""
    frame: tuple[int, int] | None = None
    """A value other than 0 that lies all along the border and nowhere else, and how far it reaches inwards."""


def look(image: np.ndarray, labels: np.ndarray, counts: Mapping[int, int]) -> MaskLook:
    """Compare an image [C, (Z,) Y, X] with its label image [(Z,) Y, X], both of one size.

    Args:
        counts: Pixels per value of the label image.

    Example:
        >>> look(np.array([[[9, 9, 9, 5, 5]]]), np.array([[255, 255, 255, 0, 0]]), {0: 2, 255: 3}).same
        True
    """
    if len(counts) < 2:
        return MaskLook()
    step = max(1, round((labels.size / _SAMPLED) ** (1 / labels.ndim)))
    every = (slice(None, None, step),) * labels.ndim
    inside = labels[every] == max(counts)
    seen = image[(slice(None), *every)].astype(np.float32)
    if not inside.any() or inside.all():
        return MaskLook()
    within, beyond = seen[:, inside], seen[:, ~inside]
    spread = np.maximum(seen.reshape(len(seen), -1).std(1), 1e-6)
    contrast = (within.mean(1) - beyond.mean(1)) / spread
    flat = len(counts) == 2 and not within.std(1).any() and not beyond.std(1).any() and bool(contrast.any())
    return MaskLook(tuple(contrast.tolist()), flat, _frame(labels, counts))


def _frame(labels: np.ndarray, counts: Mapping[int, int]) -> tuple[int, int] | None:
    """The value of a plane's border, if it is no background and there is a sharp inner edge."""
    value = int(labels.flat[0])
    if labels.ndim != 2 or value == 0 or len(counts) < 3:
        return None
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    if (rim != value).any():
        return None
    inner = np.argwhere(labels != value)
    if not len(inner):
        return None
    low, high = inner.min(0), inner.max(0) + 1
    whole = counts[value] == labels.size - int(np.prod(high - low))
    width = int(max(*low, *(np.array(labels.shape) - high)))
    return (value, width) if whole and width <= _FRAME * min(labels.shape) else None


def mask_problems(
    looked_at: Sequence[tuple[ImageMeasures, MaskLook, Record]],
    *,
    declared: Mapping[int, int] | None,
    ignore: Sequence[int],
    instances: bool,
) -> list[Problem]:
    """What is wrong, or probably meant otherwise, in label images that are read without fault.

    Args:
        looked_at: The records with a label image, each with its row and with what `look` says.
        declared: Label value → class, where the user said so.
        ignore: Label values that are not scored.
        instances: Values number objects; `rows` then tell 0 and 1.
    """
    rows = [row for row, _, _ in looked_at]
    looks = [one for _, one, _ in looked_at]
    records = [record for _, _, record in looked_at]
    places = [r.label_place for r in records]
    problems = [*_empty(rows, places), *_same(looks, places), *_copied(rows, records, places)]
    framed = [(f, place) for one, place in zip(looks, places, strict=True) if (f := one.frame) and f[0] not in ignore]
    if framed and declared is None and not instances:
        (value, width), place = max(framed)
        alike = sum(f[0] == value for f, _ in framed)
        left_out = setting("data.ignore", [*ignore, value])
        about = {"value": value, "width": width, "count": alike, "all": len(rows), "ignore": left_out}
        problems.append(Problem("audit.mask_frame", place, "warning", about))
    if instances and all(r.labels and len(r.labels.sources) > 1 for r in records):
        return [*problems, *_mostly(rows, 1, (), objects=True)]
    values = sorted({v for row in rows for v in row.labels if v not in ignore})
    if len(values) != 2 or values[0] != 0:
        return problems
    shares = np.array([_share(row, values[1], ignore) for row in rows])
    if odd := _inverted(shares, [one.contrast for one in looks]):
        usual = np.delete(shares, odd)
        about = {"count": len(odd), "all": len(rows), "names": names_of([rows[i].id for i in odd])}
        about |= {"here": _percent(shares[odd]), "there": _percent(usual)}
        problems.append(Problem("audit.masks_inverted", places[odd[0]], "warning", about))
    elif declared is None and not instances:
        problems += _mostly(rows, values[1], ignore, objects=False)
    return problems


def _share(row: ImageMeasures, value: int, ignore: Sequence[int]) -> float:
    whole = sum(n for v, n in row.labels.items() if v not in ignore)
    return row.labels.get(value, 0) / whole if whole else 0.0


def _percent(shares: np.ndarray) -> int:
    return round(100 * float(np.median(shares)))


def _inverted(shares: np.ndarray, contrasts: Sequence[tuple[float, ...]]) -> list[int]:
    """Masks whose foreground is as large as the background of the others, and looks as that does.

    Where a structure fills an image, it still is darker, or brighter, than the rest: then nothing is inverted.
    """
    comparable = [i for i, c in enumerate(contrasts) if c and len(c) == max(map(len, contrasts))]
    if len(comparable) < _MIN_MASKS:
        return []
    small = [i for i in comparable if shares[i] < 0.5]
    large = [i for i in comparable if shares[i] >= 0.5]
    usual, odd = (large, small) if len(large) > len(small) else (small, large)
    if not odd:
        return []
    middle, other = float(np.median(shares[usual])), float(np.median(shares[odd]))
    if abs(middle - 0.5) < _APART or abs(1 - other - middle) > _ALIKE:
        return []
    direction = np.mean([contrasts[i] for i in usual], axis=0)
    along = np.array([np.dot(c, direction) if c else 0.0 for c in contrasts])
    same, against = np.mean(along[usual] > 0), np.mean(along[odd] < 0)
    few = len(odd) * 4 < len(usual)  # a single odd one has to be as clear as it is the other way round
    clear = not few or float(np.median(-along[odd])) >= 0.5 * float(np.median(along[usual]))
    return odd if same >= _AGREE and against >= _AGREE and clear else []


def _mostly(rows: Sequence[ImageMeasures], value: int, ignore: Sequence[int], *, objects: bool) -> list[Problem]:
    """A note where most pixels of the folder are foreground, a warning where nearly all are.

    Args:
        objects: There is one mask per object; numbers of objects may well cover all.
    """
    inside = sum(row.labels.get(value, 0) for row in rows)
    share = inside / max(1, sum(n for row in rows for v, n in row.labels.items() if v not in ignore))
    if share < (_NEARLY_ALL if objects else _MUCH) or len(rows) < 2:
        return []
    severity = "warning" if share >= _NEARLY_ALL else "note"
    values = {"share": round(100 * share)}
    if objects:
        return [Problem("audit.objects_everywhere", "", severity, values)]
    values |= {"value": value, "turned": setting("data.labels", {0: 1, value: 0})}
    return [Problem("audit.mostly_foreground", "", severity, values)]


def _empty(rows: Sequence[ImageMeasures], places: Sequence[str]) -> list[Problem]:
    """A warning for each empty mask, for many of them together; where all are, that is said of the values."""
    empty = [i for i, row in enumerate(rows) if set(row.labels) == {0}]
    if len(empty) == len(rows):
        return [Problem("audit.masks_empty", "", "error", {"count": len(rows)})] if rows else []
    if len(empty) <= _NAMED:
        return [Problem("audit.empty_mask", places[i], "warning") for i in empty]
    values = {"count": len(empty), "all": len(rows), "names": names_of([rows[i].id for i in empty])}
    return [Problem("audit.empty_masks", "", "warning", values)]


def _same(looks: Sequence[MaskLook], places: Sequence[str]) -> list[Problem]:
    """Images that are their own mask: there is nothing to learn from them."""
    same = [place for one, place in zip(looks, places, strict=True) if one.same]
    return [Problem("audit.mask_is_image", same[0], "warning", {"count": len(same), "all": len(looks)})] if same else []


def _copied(rows: Sequence[ImageMeasures], records: Sequence[Record], places: Sequence[str]) -> list[Problem]:
    """A warning for each mask that several images share; planes of one file may, for annotation is copied along Z."""
    groups: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        if row.label_pixels and len(row.labels) > 1:
            groups[row.label_pixels].append(i)
    shared = [
        g for g in groups.values() if len({rows[i].pixels for i in g}) > 1 < len({records[i].image.path for i in g})
    ]
    if not shared:
        return []
    most = max(shared, key=len)
    values = {"count": sum(map(len, shared)), "all": len(rows), "names": names_of([rows[i].id for i in most])}
    return [Problem("audit.mask_copied", places[most[0]], "warning", values)]
