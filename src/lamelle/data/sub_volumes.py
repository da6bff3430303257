"""One volume as several: blocks of slices that train, choose and judge, each read as a volume of its own.

Scoring holds probabilities, truth and distances of a whole record, some 70 bytes a voxel. So what is scored is cut
again, into pieces of a size that fits in memory, however large the volume is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby, pairwise

from lamelle.data import split
from lamelle.data.splits.options import Split
from lamelle.io.images import header
from lamelle.types import Index, Record, Source, with_sources

_MIN_VOLUMES = 3
"""Volumes from which each split gets whole ones."""
PIECE = 1 << 24
"""Voxels that are scored at once: about 1.2 GB."""
_THINNEST = 4
"""Slices of a piece: a network in 3D needs some to look at."""
_SPAN = re.compile(r"(.*)#([0-9]+)-([0-9]+)")


def to_be_cut(index: Index, options: Split) -> bool:
    """Whether the volumes of a folder have to be cut: too few for three splits, or blocks were asked for."""
    labelled = [r for r in index.records if r.target]
    whole = labelled and all(r.split is None and r.fold is None and _is_volume(r) for r in labelled)
    return bool(whole) and (
        options.by == "block" or options.by_hand is not None or (options.by == "auto" and len(labelled) < _MIN_VOLUMES)
    )


def _is_volume(record: Record) -> bool:
    """Whether a record is a whole volume with one label volume."""
    files = record.labels.sources if record.labels else ()
    whole = record.labels is not None and len(files) < 2 and all(s.index is None for s in (record.image, *files))
    return whole and _depth(record.image) > 1


def _depth(source: Source) -> int:
    size = header(source.path, key=source.key, axes=source.axes).shape[1:]
    return size[0] if len(size) == 3 else 1


def cut(records: Sequence[Record], options: Split) -> tuple[Record, ...]:
    """Sub-volumes of volumes, named ``volume.tif#00-17``, each with its split; guard gaps are sub-volumes as well.

    The slices are split as slices are; those that follow each other in one split make a sub-volume.

    Raises:
        RequestError: If a volume has too few slices, or positions by hand are wrong.
        FileError: If a header cannot be read.
    """
    by_id = {r.id: r for r in records}
    slices = [
        Record(f"{r.id}#{z}", r.image, position=z, columns={"volume": r.id})
        for r in records
        for z in range(_depth(r.image))
    ]
    placed, _ = split.assign(slices, options.but(by="block"))
    parts: list[Record] = []
    for (volume, name), some in groupby(placed, key=lambda s: (s.columns["volume"], s.split)):
        positions = [s.position or 0 for s in some]
        parts.append(_part(by_id[volume], (positions[0], positions[-1] + 1), name))
    return tuple(parts)


def pieces(records: Iterable[Record]) -> tuple[Record, ...]:
    """The same records, volumes of more than ``PIECE`` voxels as several of about equal depth.

    The pieces of a record are of one group, so that nobody takes them for independent.

    Raises:
        FileError: If a header cannot be read.
    """
    cut_records: list[Record] = []
    for record in records:
        count = _count(record) if record.target and _is_volume(record) else 1
        cut_records += [record] if count == 1 else _pieces(record, count)
    return tuple(cut_records)


def _count(record: Record) -> int:
    """Into how many pieces a volume is cut."""
    image = record.image
    size = header(image.path, key=image.key, axes=image.axes).shape[-2:]
    first, stop = image.span or (0, _depth(image))
    return max(1, min(math.ceil((stop - first) * math.prod(size) / PIECE), (stop - first) // _THINNEST))


def _pieces(record: Record, count: int) -> list[Record]:
    first, stop = record.image.span or (0, _depth(record.image))
    edges = [first + round(i * (stop - first) / count) for i in range(count + 1)]
    return [_piece(record, span) for span in pairwise(edges)]


def _piece(record: Record, span: tuple[int, int]) -> Record:
    part = _part(replace(record, id=_volume(record)), span, record.split)
    return replace(part, group=record.group or record.id)


def _volume(record: Record) -> str:
    """The id of the whole volume of a record."""
    match = _SPAN.fullmatch(record.id) if record.image.span else None
    return match[1] if match else record.id


def _part(record: Record, span: tuple[int, int], name: str | None) -> Record:
    width = len(str(_depth(record.image) - 1))
    target = record.labels and with_sources(record.labels, [replace(s, span=span) for s in record.labels.sources])
    return replace(
        record,
        id=f"{record.id}#{span[0]:0{width}d}-{span[1] - 1:0{width}d}",
        image=replace(record.image, span=span),
        target=target,
        group=None,
        split=name,
        columns={**record.columns, "volume": record.columns.get("volume", record.id)},
    )
