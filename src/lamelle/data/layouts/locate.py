"""Which file of the folder a table's row means."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lamelle.data.layouts.listing import Entry, Listing, same_form


@dataclass(frozen=True, slots=True)
class Located:
    """What became of the names in a column."""

    entries: dict[str, Entry]
    """Name in the table → file."""
    doubtful: dict[str, list[Entry]]
    """Names without suffix that several files bear."""


def locate(names: Sequence[str], listing: Listing, *, table: Entry, also: Sequence[str] = ()) -> Located:
    """Find the files that a table names, with or without their suffix.

    Names are taken below one folder, whichever explains the most of them: the table's own, its ``images/``, or
    the one with the table's name (``train/`` for ``train.csv``); the first of these where several do equally well.

    Args:
        also: Folders that are tried last.
    """
    by_rel = {same_form(e.rel): e for e in listing.entries}
    by_stem: dict[str, list[Entry]] = defaultdict(list)
    for entry in listing.images:
        by_stem[same_form(posixpath.join(entry.folder, entry.stem))].append(entry)
    stem = table.stem
    starts = ["", "images", stem, f"{stem}/images", f"{stem}_images", "image", "imgs", "img", "data"]
    holding = [f for f in listing.subfolders("") if listing.images_below(f)]
    if len(holding) == 1:
        starts += [holding[0], f"{holding[0]}/images"]
    starts += also
    cleaned = {name: clean(name, listing) for name in names}
    best = Located({}, {})
    for start in starts:
        found = Located({}, {})
        for name, rel in cleaned.items():
            whole = posixpath.join(start, rel) if rel else ""
            if whole in by_rel:
                found.entries[name] = by_rel[whole]
            elif len(candidates := by_stem.get(whole, [])) == 1:
                found.entries[name] = candidates[0]
            elif candidates:
                found.doubtful[name] = candidates
        if len(found.entries) + len(found.doubtful) > len(best.entries) + len(best.doubtful):
            best = found
        if len(best.entries) == len(cleaned):
            break
    return best


def clean(name: str, listing: Listing) -> str:
    """A path below the folder: backslashes turned, ``./`` and the folder's own path taken off.

    Example:
        >>> from pathlib import Path
        >>> clean(".\\\\images\\\\a.png", Listing(Path("/data"), (), ()))
        'images/a.png'
    """
    rel = name.replace("\\", "/")
    root = listing.root.as_posix().rstrip("/") + "/"
    return same_form(posixpath.normpath(rel.removeprefix(root))) if rel else ""
