"""Folders of splits at whatever level they stand, where the layout has not seen them: ``site A/train/CLASS/``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lamelle.data.groups.spec import folders
from lamelle.data.layouts.listing import natural
from lamelle.data.layouts.pairing import names_of
from lamelle.data.layouts.split_words import loosely, mapping_shown, opposed, splits_of
from lamelle.errors import printable
from lamelle.types import Problem, Record

_SHOWN = 4


def by_levels(records: Sequence[Record], root: Path) -> tuple[tuple[Record, ...], list[Problem]]:
    """The records with the splits that one level of folders says, and what is said of it.

    A level is taken where each of its folders is called after a split, and one trains; where only some are, or the word
    of a split stands among others, the folders are named. Where anything else says the split, nothing is done.

    Example:
        >>> from lamelle.types import ClassNames, Source
        >>> paths = [Path("/d", site, split, "1.png") for site in "AB" for split in ("train", "test")]
        >>> placed, notes = by_levels([Record(str(p), Source(p), ClassNames(("x",))) for p in paths], Path("/d"))
        >>> [r.split for r in placed], notes[0].code
        (['train', 'test', 'train', 'test'], 'layouts.split_level')
    """
    if any(r.split or r.fold is not None for r in records):
        return tuple(records), []
    parts = [folders(r, root) for r in records]
    depth = min(map(len, parts), default=0)
    for level in (*range(depth), *range(-1, -depth - 1, -1)):
        names = sorted({p[level] for p in parts}, key=natural)
        if all(r.names == (p[level],) for r, p in zip(records, parts, strict=True)):
            continue  # the classes
        splits = splits_of(names)
        if len(splits) == len(names) > 1 and "train" in splits.values():
            note = Problem("layouts.split_level", "", "note", {"splits": printable(mapping_shown(splits))})
            return tuple(replace(r, split=splits[p[level]]) for r, p in zip(records, parts, strict=True)), [note]
        splits = splits if len(set(splits.values())) > 1 else loosely(names) or opposed(names)
        if "train" in splits.values():
            rest = [n for n in names if n not in splits] or names
            values = {"splits": printable(mapping_shown(splits)), "names": names_of(rest, most=_SHOWN)}
            return tuple(records), [Problem("layouts.split_level_unused", "", "warning", values)]
    return tuple(records), []
