"""Lists of names of images that say the split: ``train.txt``, ``val.txt``, ``test.txt``, ``split.json``."""

from __future__ import annotations

import json
import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lamelle.data.groups.words import tokens
from lamelle.data.layouts.listing import FileEntry, Listing, same_form
from lamelle.data.layouts.pairing import names_of
from lamelle.data.layouts.split_words import splits_of
from lamelle.data.layouts.words import split_of
from lamelle.io.files import is_image_name
from lamelle.types import Problem, Record

_SUFFIXES = (".txt", ".lst", ".list")
_BESIDE = frozenset(("list", "liste", "lists", "names", "name", "file", "files", "filenames", "ids", "id", "images",
                     "image", "split", "cases", "patients", "set"))  # fmt: skip
"""Words that may stand beside the split in the name of a list."""
_IMAGE_KEYS = ("image", "img", "file", "file_name", "filename", "path", "name", "id")
_MAX_JSON_FILES = 5
"""JSON files of a folder up to which they may be of all images."""
_MAX_BYTES = 1 << 26
_MIN_SHARE = 0.5
"""Share of the lines of a list that have to be names of images here."""


@dataclass(frozen=True, slots=True)
class _List:
    entry: FileEntry
    split: str
    ids: frozenset[str]
    """Records that it names."""


def by_lists(listing: Listing, records: Sequence[Record]) -> tuple[tuple[Record, ...], list[Problem], frozenset[str]]:
    """The records with the split that lists of names say, where nothing else says one.

    A line is the name of an image, with or without its folder and suffix. Of lists in several folders, those of the
    folder count that name most images. Where one list is of train and val together, its images train.

    Returns:
        The records without those that no list names; what is said; and the lists that were read, as paths.
    """
    if any(r.split or r.fold is not None for r in records):
        return tuple(records), [], frozenset()
    lists = _lists(listing, records)
    best = _best(lists)
    if len({one.split for one in best}) < 2:
        return tuple(records), [], frozenset()
    where: dict[str, list[_List]] = {}
    for one in best:
        for i in one.ids:
            where.setdefault(i, []).append(one)
    twice = {i: ls for i, ls in where.items() if len({one.split for one in ls}) > 1}
    read = frozenset(one.entry.rel for one in lists if one.entry.folder == best[0].entry.folder)
    names = ", ".join(dict.fromkeys(one.entry.id for one in best))
    problems = [
        Problem("layouts.in_two_lists", i, "error", {"lists": names_of(list(dict.fromkeys(one.entry for one in ls)))})
        for i, ls in twice.items()
    ]
    rest = [r for r in records if r.id not in where]
    counts = Counter(ls[0].split for ls in where.values())
    values = {"lists": names, **{s: counts[s] for s in ("train", "validation", "test")}}
    problems.append(Problem("layouts.lists_taken", "", "note", values))
    if rest:
        left = {"count": len(rest), "names": names_of([r.id for r in rest]), "lists": names}
        problems.append(Problem("layouts.in_no_list", "", "warning", left))
    kept = tuple(replace(r, split=where[r.id][0].split) for r in records if r.id in where)
    return kept, problems, read


def _lists(listing: Listing, records: Sequence[Record]) -> list[_List]:
    """Every file that is called after a split and names images, and every part of one that has parts called so."""
    called = [(e, split) for e in listing.entries if e.suffix in _SUFFIXES and (split := _split(e.stem))]
    parts = [(entry, split, _names_in(_text(listing, entry))) for entry, split in called] + _parts(listing)
    if not parts:
        return []
    ids_of = _ids_by_name(listing, records)
    lists = []
    for entry, split, lines in parts:
        ids = [next((ids_of[k] for k in _keys(line) if k in ids_of), None) for line in lines]
        if lines and sum(i is not None for i in ids) >= _MIN_SHARE * len(lines):
            lists.append(_List(entry, split, frozenset(i for one in ids if one for i in one)))
    return lists


def _split(stem: str) -> str | None:
    """The split that a list is called after; train and val together train."""
    words = [w for w in tokens(stem) if w not in _BESIDE]
    splits = {split_of(w) for w in words}
    if splits == {"train", "validation"} or words == ["trainval"]:
        return "trainval"
    return next(iter(splits)) if len(splits) == 1 else None


def _best(lists: Sequence[_List]) -> list[_List]:
    """The lists of the folder that names most images; of train and val together only where no list is of one alone."""
    folders: dict[str, list[_List]] = {}
    for one in lists:
        folders.setdefault(one.entry.folder, []).append(one)
    if not folders:
        return []
    best = max(folders.values(), key=lambda ls: len(frozenset().union(*(one.ids for one in ls))))
    alone = [one for one in best if one.split != "trainval"]
    if any(one.split == "train" for one in alone):
        return alone
    return [replace(one, split="train") if one.split == "trainval" else one for one in best]


def _ids_by_name(listing: Listing, records: Sequence[Record]) -> Mapping[str, tuple[str, ...]]:
    """Path, name and stem of an image, as far as they are those of one image → its records (the slices of a stack)."""
    paths = {listing.path(e): e for e in listing.images}
    ids: dict[FileEntry, list[str]] = {}
    for r in records:
        if entry := paths.get(r.image.path):
            ids.setdefault(entry, []).append(r.id)
    ids_of: dict[str, tuple[str, ...]] = {}
    several: set[str] = set()
    for entry, own in ids.items():
        bare = posixpath.join(entry.folder, entry.stem)
        parts = entry.rel.split("/")
        keys = {"/".join(parts[i:]) for i in range(len(parts))} | {
            "/".join(bare.split("/")[i:]) for i in range(len(parts))
        }
        for key in map(_key, keys):
            if ids_of.setdefault(key, tuple(own)) != tuple(own):
                several.add(key)
    return {key: own for key, own in ids_of.items() if key not in several}


def _keys(line: str) -> list[str]:
    """What a line may name an image by: all of it, its first word, and both without the suffix of an image."""
    names = dict.fromkeys((line, line.split()[0]))
    return [*map(_key, names), *(_key(posixpath.splitext(n)[0]) for n in names if is_image_name(n))]


def _key(name: str) -> str:
    return same_form(name.strip().strip("\"'").replace("\\", "/").removeprefix("./").strip("/")).casefold()


def _parts(listing: Listing) -> list[tuple[FileEntry, str, list[str]]]:
    """Of JSON files with a list for each split, ``{"train": ["a", "b"], "test": ["c"]}``: file, split and names.

    A name may stand in an object beside others, ``{"image": "a.png", "label": 1}``. Where a folder has many JSON files
    they are of the images.
    """
    files = [e for e in listing.entries if e.suffix == ".json"]
    counts = Counter(e.folder for e in files)
    parts: list[tuple[FileEntry, str, list[str]]] = []
    for entry in (e for e in files if counts[e.folder] <= _MAX_JSON_FILES):
        try:
            content = json.loads(_text(listing, entry))
        except (ValueError, RecursionError):
            continue
        lists = {str(k): v for k, v in content.items() if isinstance(v, list)} if isinstance(content, dict) else {}
        parts += [(entry, split, _named(lists[key])) for key, split in splits_of(lists).items()]
    return parts


def _named(items: Sequence[object]) -> list[str]:
    """The names of images in a list: its texts and numbers, or the first text of each object that is a name."""
    texts = [
        next((v for k in _IMAGE_KEYS if isinstance(v := item.get(k), str)), "") if isinstance(item, dict) else str(item)
        for item in items
    ]
    return [t for t in map(str.strip, texts) if t]


def _text(listing: Listing, entry: FileEntry) -> str:
    """The text of a list; empty where it cannot be read."""
    path = listing.path(entry)
    try:
        return "" if path.stat().st_size > _MAX_BYTES else path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):  # who needs it says so
        return ""


def _names_in(text: str) -> list[str]:
    """The lines that say something."""
    return [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]
