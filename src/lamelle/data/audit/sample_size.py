"""Whether there are enough things that can be split: images, groups, or slices of a lone volume."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lamelle.errors import FileError
from lamelle.types import SPLITS, Problem, Record, Source

_MIN_UNITS = 6
"""From five, one validates and one tests."""
_GAPS = len(SPLITS) - 1


def few_problems(records: Sequence[Record]) -> list[Problem]:
    """A warning where there is too little to train, to choose and to judge; for data with label images.

    The same things are counted that a split would part: groups where there are three or more, the slices of fewer
    volumes than that, images otherwise. Where the folder says the split, nothing is said.

    Args:
        records: Those of the folder, also as sub-volumes of a volume that is cut.
    """
    labelled = [r for r in records if r.labels]
    if not labelled or any((r.split or r.fold is not None) and r.image.span is None for r in labelled):
        return []
    groups = len({r.group for r in labelled if r.group})
    if depths := _depths(labelled):
        kind, n, least = "slices", sum(depths), _MIN_UNITS + _GAPS * len(depths)
    elif groups >= len(SPLITS):
        kind, n, least = "groups", groups, _MIN_UNITS
    else:
        kind, n, least = "images", len(labelled), _MIN_UNITS
    return [Problem(f"audit.few_{kind}", "", "warning", {"n": n})] if n < least else []


def _depths(records: Sequence[Record]) -> list[int]:
    """Slices of each volume, where volumes are so few that they are cut; else none."""
    if any(r.image.span for r in records):
        stops: Counter[str] = Counter()
        for record in records:
            stops[str(record.image.path)] = max(stops[str(record.image.path)], (record.image.span or (0, 1))[1])
        return list(stops.values())
    if all(r.position is not None for r in records):
        slices = Counter(r.columns.get("volume", "") for r in records)
        return list(slices.values()) if len(slices) < len(SPLITS) else []
    depths = [_depth(r.image) for r in records] if len(records) < len(SPLITS) else []
    return depths if min(depths, default=1) > 1 else []


def _depth(image: Source) -> int:
    """Planes of a whole file; 1 where it is one plane, or cannot be read."""
    from lamelle.io.images import header

    if image.index is not None:
        return 1
    try:
        size = header(image.path, key=image.key, axes=image.axes).shape[1:]
    except FileError:
        return 1
    return size[0] if len(size) == 3 else 1
