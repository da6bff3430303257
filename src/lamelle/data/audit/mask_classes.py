"""Folders of masks that were taken for a class: few values in each, and a partner of the same name in another class."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from lamelle.data.layouts.words import file_name
from lamelle.errors import printable, setting
from lamelle.types import Problem, Record

_FEW, _MANY = 8, 16
"""Grey values up to which an image may be a mask, and from which its partner is an image."""
_NUMBER = re.compile(r"[-_. ]\d+$")
"""What masks of single objects bear behind the name of their image: ``a_2``."""
_LEAST = 2
"""Partners from which something is concluded."""
_MOST = 0.8
"""Share of the partners that have to look so."""
_Items = Mapping[tuple[str, str], tuple[Record, int]]


def mask_class_problems(records: Sequence[Record], values: Sequence[int]) -> list[Problem]:
    """An error for each class that looks like the masks of another one.

    Args:
        records: What was looked at.
        values: The number of different grey values of each.

    Example:
        >>> from pathlib import Path
        >>> from lamelle.types import Source
        >>> ids = [f"{c}/{i}.png" for c in ("a", "b") for i in (1, 2)]
        >>> records = [Record(i, Source(Path(i)), (i[0],)) for i in ids]
        >>> [p.values["masks"] for p in mask_class_problems(records, [90, 80, 2, 2])]
        ['b']
    """
    classes: dict[str, dict[tuple[str, str], tuple[Record, int]]] = defaultdict(dict)
    for record, count in zip(records, values, strict=True):
        if len(record.target) == 1 and isinstance(record.target[0], str):
            place = _place(record, record.target[0])
            if place is not None:
                classes[record.target[0]][place] = (record, count)
    return [
        _problem(images, masks, classes[masks])
        for masks in classes
        for images in classes
        if images != masks and _are_masks(classes[masks], classes[images])
    ]


def _place(record: Record, name: str) -> tuple[str, str] | None:
    """Where an image lies without the folder of its class, and its name without words for images and masks."""
    path = PurePosixPath(record.id)
    above = list(path.parts[:-1])
    if name not in above:
        return None
    above.remove(name)
    return "/".join(above), file_name(path.stem).keys[-1]


def _are_masks(masks: _Items, images: _Items) -> bool:
    of = {place: place if place in images else (place[0], _NUMBER.sub("", place[1])) for place in masks}
    partners = [(masks[place][1], images[of[place]][1]) for place in masks if of[place] in images]
    if len(partners) < _LEAST or len(partners) < _MOST * len(masks):
        return False
    return sum(few <= _FEW and many > _MANY for few, many in partners) >= _MOST * len(partners)


def _problem(images: str, masks: str, found: _Items) -> Problem:
    record, count = next(iter(found.values()))
    said = {
        "masks": printable(masks),
        "images": printable(images),
        "count": len(found),
        "values": count,
        "images_key": setting("data.images", images),
        "masks_key": setting("data.masks", masks),
        "name": printable(f"{images}_masks"),
    }
    return Problem("audit.masks_as_class", record.id, "error", said)
