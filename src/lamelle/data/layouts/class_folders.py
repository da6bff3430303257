"""One folder per class: ``CLASS/*.png`` or ``CLASS/images/*.png``, with or without train/val/test above.

Folders of single patients, animals, slides … may stand above or below: they are never a class.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lamelle.data.groups.names import numbered_alike
from lamelle.data.groups.words import named_like_group
from lamelle.data.layouts.common import Layout, LayoutMatch, LayoutOptions, bases, lacks, last, named
from lamelle.data.layouts.folder_pairs import places, together
from lamelle.data.layouts.listing import FileEntry, Listing, natural
from lamelle.data.layouts.pairing import names_of, twins, unused
from lamelle.data.layouts.split_words import splits_of
from lamelle.data.layouts.table_join import column_of, joins
from lamelle.data.layouts.words import file_name, folder_name, holds
from lamelle.errors import setting
from lamelle.types import ClassNames, Index, Problem, Record, Source

NAME = "class_folders"
_LEVEL = re.compile(r"folder:([1-9]\d*)")
_SHOWN = 4
_TEXTS = (".txt", ".lst", ".list", ".csv", ".tsv", ".json", ".md", ".xml", ".yaml", ".yml", ".pdf", ".log")


@dataclass(frozen=True, slots=True)
class _Classed:
    """An image, and the folder whose name is its class."""

    entry: FileEntry
    folder: str
    split: str | None
    deeper: bool
    """It lies in a folder inside that may itself be called after something."""


def match(listing: Listing, options: LayoutOptions) -> LayoutMatch:
    """Two or more class folders of which at least half hold images; one alone is read, to be reported."""
    if options.masks or places(listing, options):
        return lacks(0.3, "no_masks")
    classed = _classed(listing, options)
    if masks := _among(listing, classed, options):
        return masks
    if level_of(options):
        return LayoutMatch(1.0) if classed else lacks(0.3, "class_folders")
    if not classed:
        groups = [last(f) for f in listing.folders if named_like_group(last(f)) and listing.images_in(f)]
        if groups:
            level = min(f.count("/") + 1 for f in listing.folders if last(f) in groups)
            return lacks(0.46, "only_groups", names=names_of(groups, most=_SHOWN), level=level)
        return lacks(0.2 if listing.folders else 0.1, "class_folders")
    if levels := _levels(classed):
        return lacks(0.48, "class_level", **levels)
    if all(c.deeper for c in classed) and len({last(c.folder) for c in classed}) == 1:
        return lacks(0.2, "class_folders")
    filled = {c.folder for c in classed}
    folders = {f for _, base in bases(listing) for f in class_folders(listing, base)}
    names = {last(f) for f in filled}
    if 0 < len(filled & folders) * 2 < len(folders):
        return lacks(0.4, "filled_classes", filled=len(filled & folders), folders=len(folders))
    if len(names) > 2 and len(classed) == len(names):
        return lacks(0.4, "several_images")
    if column := column_of(listing, names):
        level = classed[0].folder.count("/") + 1
        values = {"names": names_of(sorted(names), most=_SHOWN), "first": classed[0].entry.id, "level": level}
        return lacks(0.49, "ids_of_table", **column, **values)
    above = {p for c in classed for p in c.entry.folder.split("/") if named_like_group(p)}
    if len(names) == 1 and above and (column := column_of(listing, above)):
        values = {"names": names_of(sorted(above), most=_SHOWN), "first": classed[0].entry.id}
        return lacks(0.49, "rows_of_folders", **column, **values)
    if len(names) == 1:
        beside = any(named(listing, base, "image") for _, base in bases(listing))
        return lacks(0.3, "class_folders") if beside or joins(listing, options) else LayoutMatch(0.6)
    parts = all(folder_name(n).role == "image" for n in names)  # images_part_1, images_part_2
    return LayoutMatch(0.9 if listing.tables and (not filled <= folders or parts or numbered_alike(names)) else 1.0)


def read(listing: Listing, options: LayoutOptions) -> Index:
    """Each image with the name of its folder as class."""
    records: list[Record] = []
    problems: list[Problem] = []
    classed = _classed(listing, options)
    direct = {c.folder for c in classed if not c.deeper}
    taken = [c for c in classed if not c.deeper or c.folder not in direct]
    used = {c.entry for c in classed}
    masks = set(_masks(listing))
    for split, base in bases(listing):
        rest = [e for e in listing.images_in(base) if e not in used]
        problems += unused(rest, "layouts.not_used", "warning" if split is None else "note")
        empty = [f for f in class_folders(listing, base) if not (listing.images_below(f) or _of_texts(listing, f))]
        problems += [Problem("layouts.empty_class", f, "error") for f in empty]
    problems += twins(c.entry for c in taken)
    problems += unused([c.entry for c in classed if c.deeper and c.folder in direct], "layouts.too_deep", "warning")
    problems += unused([e for e in listing.images if e in masks], "layouts.masks_not_used", "warning")
    records += [class_record(listing, c.entry, last(c.folder), c.split) for c in taken]
    names = {last(c.folder) for c in taken}
    if level_of(options) is None and numbered_alike(names):
        values = {"count": len(names), "names": names_of(sorted(names, key=natural), most=_SHOWN)}
        problems.append(Problem("layouts.ids_as_classes", "", "warning", values))
    return Index(listing.root, NAME, tuple(records), problems=tuple(problems))


def _of_texts(listing: Listing, folder: str) -> bool:
    """Whether a folder holds texts and nothing else, such as lists of names, so that it is no class."""
    inside = [e for e in listing.entries if f"{e.folder}/".startswith(f"{folder}/")]
    return bool(inside) and all(e.suffix in _TEXTS for e in inside)


def level_of(options: LayoutOptions) -> int | None:
    """The number of the folder that ``data.label=folder:N`` names, counted from the data down; None without one."""
    level = _LEVEL.fullmatch(options.label or "")
    return int(level[1]) if level else None


def class_folders(listing: Listing, base: str) -> list[str]:
    """Folders below ``base`` that may be classes: all but those called after images, masks, one patient …"""
    return [f for f in listing.subfolders(base) if not _is_none(last(f))]


def images_of(listing: Listing, folder: str) -> list[FileEntry]:
    """Images of one class: directly in its folder and in its ``images/``."""
    inner = [e for f in named(listing, folder, "image") for e in listing.images_in(f)]
    return [*listing.images_in(folder), *inner]


def class_record(listing: Listing, entry: FileEntry, name: str, split: str | None) -> Record:
    """The record of an image that lies in the folder of its class."""
    return Record(entry.id, Source(listing.path(entry)), ClassNames((name,)), split=split, stratum=name)


def _is_none(name: str) -> bool:
    """Whether a folder's name is no class; a word that may be one counts as one."""
    return (holds(name) is not None and not folder_name(name).weak) or named_like_group(name)


def _classed(listing: Listing, options: LayoutOptions) -> list[_Classed]:
    """Every image below a folder that may be a class: the first such folder, or the only one of several that can be."""
    masks = set(_masks(listing))
    level = level_of(options)
    entries: list[tuple[FileEntry, str | None, list[int]]] = []
    for split, base in bases(listing):
        start = base.count("/") + 1 if base else 0
        for entry in listing.images_below(base) if base else listing.images:
            parts = entry.folder.split("/") if entry.folder else []
            if entry in masks or any(holds(p) == "mask" and not folder_name(p).weak for p in parts[start:]):
                continue
            if level is not None:
                kept = [level - 1] if level <= len(parts) else []
            else:
                kept = [i for i in range(start, len(parts)) if not _is_none(parts[i])]
            if kept:
                entries.append((entry, split, kept))
    names = _names(entries)
    worded = [i for i in names if len(names[i]) > 1 and any(not re.search(r"\d", n) for n in names[i])]
    if len(worded) == 1 and all(len(kept) > 1 and worded[0] in kept for _, _, kept in entries):
        entries = [
            (entry, split, worded) for entry, split, _ in entries
        ]  # of CLASS/day1 and day1/CLASS the one in words
    return [
        _Classed(e, "/".join(e.folder.split("/")[: kept[0] + 1]), split, len(kept) > 1) for e, split, kept in entries
    ]


def _names(entries: Sequence[tuple[FileEntry, str | None, list[int]]]) -> dict[int, set[str]]:
    """The names of the folders that may be classes, by their level."""
    names: dict[int, set[str]] = defaultdict(set)
    for entry, _, kept in entries:
        parts = entry.folder.split("/")
        for i in kept:
            names[i].add(parts[i])
    return dict(sorted(names.items()))


def _masks(listing: Listing) -> list[FileEntry]:
    """Masks that lie beside their images."""
    return [e for folder in together(listing, lambda _: True)[0] for e in folder.masks]


def _among(listing: Listing, classed: Sequence[_Classed], options: LayoutOptions) -> LayoutMatch | None:
    """Why the folders hold more than classes: masks beside images, or a folder of masks of unknown images."""
    if options.of_classes or level_of(options):
        return None
    folders, rest = together(listing, lambda _: True)
    if folders and sum(len(f.images) for f in folders) >= len(rest):
        return lacks(0.3, "no_masks")
    lone = [f for f in listing.folders if holds(last(f)) == "mask" and listing.images_below(f)]
    if any(not folder_name(last(f)).weak for f in lone):
        return lacks(0.3, "no_masks")
    called = [c.entry for c in classed if file_name(c.entry.stem).role == "mask"]
    if 0 < len(called) < len(classed) <= 10 * len(called) and len({last(c.folder) for c in classed}) <= len(called):
        if keys := _modalities([c.entry for c in classed if c.entry not in called]):
            return lacks(0.46, "masks_of_several", names=names_of(called), count=len(called), keys=keys)
        return lacks(0.46, "masks_unnamed", names=names_of(called), count=len(called))
    return None


def _modalities(images: Sequence[FileEntry]) -> str:
    """What to say for each of several images of a patient, where the names of all end in a few words: ``FLAIR``."""
    words = Counter(re.split(r"[-_. ]+", e.stem)[-1] for e in images)
    several = 1 < len(words) <= _SHOWN and len(set(words.values())) == 1
    return (
        " / ".join(setting("data.images", w) for w in words) if several and not any(map(str.isdecimal, words)) else ""
    )


def _levels(classed: Sequence[_Classed]) -> dict[str, object]:
    """Which two levels of folders can be the classes, where names do not tell; nothing where they do."""
    if not all(c.deeper for c in classed):
        return {}
    kept = [
        (c.entry, c.split, [i for i, p in enumerate(c.entry.folder.split("/")) if not _is_none(p)]) for c in classed
    ]
    names = _names(kept)
    start = classed[0].folder.count("/")
    several = [i for i in names if i >= start and len(names[i]) > 1 and len(splits_of(names[i])) < len(names[i])]
    if len(several) < 2:
        return {}
    worded = [i for i in several if any(not re.search(r"\d", n) for n in names[i])]
    several = worded if len(worded) > 1 else several
    first, second = several[:2]
    names_shown = [names_of(sorted(names[i]), most=_SHOWN) for i in (first, second)]
    return {"first": first + 1, "second": second + 1, "first_names": names_shown[0], "second_names": names_shown[1]}


LAYOUT = Layout(name=NAME, yields=(ClassNames,), match=match, read=read)
