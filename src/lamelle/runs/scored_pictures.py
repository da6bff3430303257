"""Pictures of what a Run has scored: best and worst cases, slices, mistakes, and what the errors have in common."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from lamelle.data.store import Store
from lamelle.metrics.error_patterns import patterns
from lamelle.metrics.errors_in_space import error_row
from lamelle.pictures.encode import COARSE, LARGE, preview
from lamelle.pictures.overlay import shown_plane
from lamelle.results.pictures import (
    Case,
    ErrorPattern,
    ErrorPatterns,
    ScoredPictures,
    Slide,
    Twins,
    Volume,
    WrongImage,
)
from lamelle.results.scores import Item
from lamelle.runs.folder import RunFolder
from lamelle.runs.pictures import PictureFolder, write_pictures
from lamelle.runs.plan import Plan
from lamelle.runs.scored_images import ScoredImage, ScoredImages, place
from lamelle.types import IGNORE, Record

_BEST, _WRONG = 3, 12
_SLICE = 360
"""Longest edge of a slice, in pixels."""
_VOLUMES, _SLICES = 2, 12
Items = Sequence[Item]


def save_scored_pictures(
    run: RunFolder, plan: Plan, items: Items, store: Store, *, twins: Sequence[Twins] = ()
) -> None:
    """Write what the page shows of the images that were scored; what cannot be read is left out.

    Args:
        items: Of ``scores.json``.
        twins: Images of another folder that had trained the model.
    """
    images = ScoredImages(run, plan, store)
    scored = ScoredPictures(
        cases=tuple(_cases(run, images, items)),
        volumes=tuple(_volumes(run, images, items)),
        errors=_patterns(images, items),
        wrong=tuple(_wrong(run, images, items)),
        twins=tuple(twins),
    )
    write_pictures(run, scored=scored)


def ranked_ends(items: Items, each: int) -> tuple[list[Item], list[Item]]:
    """The items with the highest and with the lowest quality; no item is in both.

    Example:
        >>> best, worst = ranked_ends([Item(id=i, quality=q) for i, q in zip("abc", (0.5, 0.9, 0.1))], 1)
        >>> best[0].id, worst[0].id
        ('b', 'c')
    """
    ranked = sorted((i for i in items if i.quality is not None), key=lambda i: (-(i.quality or 0.0), i.id))
    each = min(each, len(ranked) // 2) or len(ranked[:1])
    return ranked[:each], ranked[each:][::-1][:each]


def _cases(run: RunFolder, images: ScoredImages, items: Items) -> list[Case]:
    folder, cases = PictureFolder(run, "case"), []
    best, worst = ranked_ends(items, _BEST)
    ranked: tuple[tuple[Literal["best", "worst"], list[Any]], ...] = (("worst", worst), ("best", best))
    for rank, some in ranked:
        for item in some:
            record = images.records.get(item.id)
            if record is None or (pair := _pair(images, record)) is None:
                continue
            image, one = pair
            index = shown_plane(one.target) if one.target.ndim == 3 else None
            flat = image if index is None else image[:, index]
            views = folder.views(flat, one.plane(index), classes=len(images.plan.task.classes), side=LARGE)
            cases.append(Case(id=record.id, rank=rank, views=views, wrong=_wrong_share(one), area_ratio=_areas(one)))
    return cases


def _pair(images: ScoredImages, record: Record) -> tuple[np.ndarray, ScoredImage] | None:
    one = images.read(record)
    image = images.image(record) if one is not None else None
    return None if image is None or one is None or image.shape[1:] != one.target.shape else (image, one)


def _wrong_share(image: ScoredImage) -> float | None:
    """Share of the scored pixels that are wrong."""
    seen = image.target != IGNORE
    return float(((image.target != image.labels) & seen).sum() / seen.sum()) if seen.any() else None


def _areas(image: ScoredImage) -> float | None:
    """Predicted foreground over the true one."""
    true = int((image.target > 0).sum())
    return int(((image.labels > 0) & (image.target != IGNORE)).sum()) / true if true else None


def _volumes(run: RunFolder, images: ScoredImages, items: Items) -> list[Volume]:
    """Evenly spread slices of some of the volumes that were scored."""
    volumes: dict[str, list[Record]] = defaultdict(list)
    for item in items:
        if record := images.records.get(item.id):
            volumes[place(record)[0]].append(record)
    folder, shown = PictureFolder(run, "slice"), []
    for name, records in volumes.items():
        if len(shown) < _VOLUMES and (slides := _slides(folder, images, records)):
            shown.append(Volume(name=name, slides=tuple(slides)))
    return shown


def _slides(folder: PictureFolder, images: ScoredImages, records: Sequence[Record]) -> list[Slide]:
    """Slices of one volume: of its records, or of its only record."""
    classes = len(images.plan.task.classes)
    return [
        Slide(position=z, wrong=_wrong_share(flat), views=folder.views(image, flat, classes=classes, side=_SLICE))
        for z, image, flat in _planes(images, records)
    ]


def _planes(images: ScoredImages, records: Sequence[Record]) -> Iterator[tuple[int, np.ndarray, ScoredImage]]:
    """Position, image [C, Y, X], truth and prediction of some slices; one of them in memory at a time."""
    if len(records) > 1:
        for record in _some(sorted(records, key=lambda r: r.position or 0)):
            if (pair := _pair(images, record)) is not None and pair[1].target.ndim == 2:
                yield record.position or 0, *pair
    elif (pair := _pair(images, records[0])) is not None and pair[1].target.ndim == 3:
        image, one = pair
        first = records[0].image.span[0] if records[0].image.span else 0
        for z in _some(range(len(one.target))):
            yield first + z, image[:, z], one.plane(z)


def _some(these: Sequence[Any]) -> list[Any]:
    places = np.linspace(0, len(these) - 1, min(_SLICES, len(these))).round().astype(int)
    return [these[i] for i in places.tolist()]


def _patterns(images: ScoredImages, items: Items) -> ErrorPatterns | None:
    """What the errors have in common; None if there are no predictions to look at."""
    rows, places, touching = [], [], False
    task = images.plan.task
    objects = range(0 if "cells" in task.describe().settled.get("also", ()) else 1, len(task.classes))
    for image in images.sample([item.id for item in items]):
        numbers = {"numbers": image.numbers, "predicted_numbers": image.predicted_numbers}
        rows.append(error_row(image.target, image.labels, classes=len(task.classes), objects=objects, **numbers))
        places.append(place(image.record))
        touching |= image.numbers is not None and image.predicted_numbers is None
    if not rows:
        return None
    kinds = patterns(rows, classes=task.classes, places=places)
    saved = tuple(ErrorPattern(kind=p.kind, values=dict(p.values)) for p in kinds)
    return ErrorPatterns(images=len(rows), touching=touching, patterns=saved)


def _wrong(run: RunFolder, images: ScoredImages, items: Items) -> list[WrongImage]:
    """The mistakes that the model was surest of."""
    wrong = [i for i in items if i.correct is False]
    wrong.sort(key=lambda i: (-_sure(images, i), i.id))
    folder, shown = PictureFolder(run, "wrong"), []
    for item in wrong[:_WRONG]:
        record = images.records.get(item.id)
        image = images.image(record) if record else None
        if record is not None and image is not None:
            drawn = folder.add(preview(image, None), lossy=True, coarse=max(image.shape[-2:]) < COARSE)
            shown.append(WrongImage(id=record.id, confidence=confidence(images, item), image=drawn))
    return shown


def confidence(images: ScoredImages, item: Item) -> float | None:
    """The probability that the model gave to what it said of an item; None if it is not known."""
    return item.confidence if item.confidence is not None else images.probability(item.id, item.predicted or "")


def _sure(images: ScoredImages, item: Item) -> float:
    """How sure of its mistake the model was: the probability of what it said, else what it took from the truth."""
    confident = confidence(images, item)
    return confident if confident is not None else 1 - (item.quality or 0.0)
