"""One volume as several: blocks of slices that train, choose and judge, each read as a volume of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from lamelle.data import split
from lamelle.data.split import SplitOptions
from lamelle.io.readers import header
from lamelle.types import Index, Record, Source

_ENOUGH = 3
"""Volumes from which each split gets whole ones."""


def to_be_cut(index: Index, options: SplitOptions) -> bool:
    """Whether the volumes of a folder have to be cut: too few for three splits, or blocks were asked for."""
    labelled = [r for r in index.records if r.target]
    whole = labelled and all(r.split is None and _is_volume(r) for r in labelled)
    return bool(whole) and (
        options.by == "block" or options.blocks is not None or (options.by == "auto" and len(labelled) < _ENOUGH)
    )


def _is_volume(record: Record) -> bool:
    """Whether a record is a whole volume with one label volume."""
    target = record.target[0] if len(record.target) == 1 else None
    whole = isinstance(target, Source) and record.image.index is None and target.index is None
    return whole and _depth(record.image) > 1


def _depth(source: Source) -> int:
    size = header(source.path, key=source.key).shape[1:]
    return size[0] if len(size) == 3 else 1


def cut(records: Sequence[Record], options: SplitOptions) -> tuple[Record, ...]:
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
    placed, _ = split.assign(slices, replace(options, by="block"))
    found: list[Record] = []
    for (volume, name), some in groupby(placed, key=lambda s: (s.columns["volume"], s.split)):
        positions = [s.position or 0 for s in some]
        found.append(_part(by_id[volume], (positions[0], positions[-1] + 1), name))
    return tuple(found)


def _part(record: Record, span: tuple[int, int], name: str | None) -> Record:
    width = len(str(_depth(record.image) - 1))
    target = tuple(replace(t, span=span) for t in record.target if isinstance(t, Source))
    return replace(
        record,
        id=f"{record.id}#{span[0]:0{width}d}-{span[1] - 1:0{width}d}",
        image=replace(record.image, span=span),
        target=target,
        group=None,
        split=name,
        columns={**record.columns, "volume": record.columns.get("volume", record.id)},
    )
