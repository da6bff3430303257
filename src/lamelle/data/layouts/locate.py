"""Which file of the folder a table's row means."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lamelle.data.layouts.listing import FileEntry, Listing, same_form


@dataclass(frozen=True, slots=True)
class Located:
    """What became of the names in a column."""

    entries: dict[str, FileEntry]
    """Name in the table → file."""
    doubtful: dict[str, list[FileEntry]]
    """Names without suffix that several files bear."""
    elsewhere: str = ""
    """What the names begin with and the folder does not have, such as ``C:/Users/me/data``."""

    def __len__(self) -> int:
        return len(self.entries) + len(self.doubtful)

    @property
    def all(self) -> list[FileEntry]:
        """Every file that is named."""
        return [*self.entries.values(), *(e for group in self.doubtful.values() for e in group)]


def locate(names: Sequence[str], listing: Listing, *, table: FileEntry, also: Sequence[str] = ()) -> Located:
    """Find the files that a table names, with or without their suffix.

    Names are taken below one folder, whichever explains the most of them: the table's own, its ``images/``, or
    the one with the table's name (``train/`` for ``train.csv``); the first of these where several do equally well.
    Where none is found, the folders of another machine that all names begin with are taken off, one by one. Where
    more names, without a folder, are those of a single file each anywhere below, they are these files.

    Args:
        also: Folders that are tried last.
    """
    files = _Files(listing)
    stem = table.stem
    starts = ["", "images", stem, f"{stem}/images", f"{stem}_images", "image", "imgs", "img", "data"]
    holding = [f for f in listing.subfolders("") if listing.images_below(f)]
    if len(holding) == 1:
        starts += [holding[0], f"{holding[0]}/images"]
    starts += also
    cleaned = {name: clean(name, listing) for name in names}
    best = files.below(starts, cleaned)
    while not len(best) and (shorter := _without_first(cleaned)):
        best, cleaned = files.below(starts, shorter), shorter
        if len(best):
            first = next(iter(cleaned))
            whole = clean(first, listing)
            best = replace(best, elsewhere=whole[: len(whole) - len(cleaned[first])].rstrip("/"))
    anywhere = files.anywhere(cleaned) if len(best) < len(names) else Located({}, {})
    return anywhere if len(anywhere.entries) > len(best) else best


class _Files:
    """The files of a folder by their paths; where one alone fits, capitals make no difference."""

    def __init__(self, listing: Listing) -> None:
        self._by_rel = {same_form(e.rel): e for e in listing.entries}
        self._by_stem: dict[str, list[FileEntry]] = defaultdict(list)
        self._by_case: dict[str, list[FileEntry]] = defaultdict(list)
        for entry in listing.images:
            self._by_stem[same_form(posixpath.join(entry.folder, entry.stem))].append(entry)
            self._by_case[same_form(entry.rel).casefold()].append(entry)

    def below(self, starts: Sequence[str], names: Mapping[str, str]) -> Located:
        """What is found of the names (as they are spelt → cleaned) below the folder that explains the most of them."""
        best = Located({}, {})
        for start in starts:
            located = Located({}, {})
            for name, rel in names.items():
                candidates = self._of(posixpath.join(start, rel)) if rel else []
                if len(candidates) == 1:
                    located.entries[name] = candidates[0]
                elif candidates:
                    located.doubtful[name] = candidates
            if len(located) > len(best):
                best = located
            if len(best.entries) == len(names):
                break
        return best

    def anywhere(self, names: Mapping[str, str]) -> Located:
        """The names without a folder that are those of one file alone, wherever it lies."""
        by_name: dict[str, list[FileEntry]] = defaultdict(list)
        for path, entries in (*((p, [e]) for p, e in self._by_rel.items()), *self._by_stem.items()):
            by_name[posixpath.basename(path)] += [e for e in entries if e not in by_name[posixpath.basename(path)]]
        bare = {name: rel for name, rel in names.items() if rel and "/" not in rel}
        return Located({name: by_name[rel][0] for name, rel in bare.items() if len(by_name.get(rel, [])) == 1}, {})

    def _of(self, path: str) -> list[FileEntry]:
        if path in self._by_rel:
            return [self._by_rel[path]]
        alike = self._by_case.get(path.casefold(), [])
        return self._by_stem.get(path) or (alike if len(alike) == 1 else [])


def _without_first(names: Mapping[str, str]) -> dict[str, str]:
    """The paths without their first folder, which all share; nothing where they do not."""
    firsts = {
        rel.partition("/")[0] if "/" in rel.lstrip("/") or rel.startswith("/") else None for rel in names.values()
    }
    if len(firsts) != 1 or None in firsts:
        return {}
    return {name: rel.partition("/")[2] for name, rel in names.items()}


def clean(name: str, listing: Listing) -> str:
    """A path below the folder: backslashes turned, ``./`` and the folder's own path taken off.

    Example:
        >>> from pathlib import Path
        >>> clean(".\\\\images\\\\a.png", Listing(Path("/data"), (), ()))
        'images/a.png'
    """
    rel = name.replace("\\", "/")
    rel = rel.partition("?")[0] if "://" in rel else rel
    root = listing.root.as_posix().rstrip("/") + "/"
    return same_form(posixpath.normpath(rel.removeprefix(root))) if rel else ""
