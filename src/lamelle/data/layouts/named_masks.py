"""Masks that the user tells by their names: ``data.images=name:_1$ data.masks=name:_2$``, or by their folder."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.folder_pairs import is_called
from lamelle.data.layouts.listing import FileEntry, Listing, same_form
from lamelle.data.layouts.pairing import MaskedImage, names_of
from lamelle.errors import RequestError, printable, setting
from lamelle.types import Index, Problem, Record

_BEGIN = "name:"


def by_names(options: LayoutOptions) -> bool:
    """Whether an expression tells the images, or the masks, by their names."""
    return any(given is not None and given.startswith(_BEGIN) for given in (options.images, options.masks))


@dataclass(frozen=True, slots=True)
class NamedMasks:
    """The files of a folder, as expressions tell them."""

    pairs: tuple[MaskedImage, ...]
    problems: tuple[Problem, ...]
    rest: tuple[FileEntry, ...]
    """Files that no expression means."""


def masks_by_name(listing: Listing, options: LayoutOptions) -> NamedMasks:
    """Images and masks of the same folder whose names are alike without what their expression finds in them.

    One of the two expressions may be left out: then all other files are meant.

    Raises:
        RequestError: If one is no regular expression, or finds no file.

    Example:
        >>> from pathlib import Path
        >>> listing = Listing(Path(), tuple(FileEntry("p", n) for n in ("I7.png", "M7.png")), ("p",))
        >>> masks = masks_by_name(listing, LayoutOptions(images="name:^I", masks="name:^M"))
        >>> [(p.image.name, p.masks[0].name) for p in masks.pairs]
        [('I7.png', 'M7.png')]
    """
    images, masks = _expression("images", options.images), _expression("masks", options.masks)
    wanted: dict[tuple[str, str], list[FileEntry]] = defaultdict(list)
    given: dict[tuple[str, str], list[FileEntry]] = defaultdict(list)
    rest: list[FileEntry] = []
    for entry in listing.images:
        is_mask = masks.search(entry.stem) if masks else images is not None and not images.search(entry.stem)
        if is_mask:
            given[entry.folder, _without(masks, entry)].append(entry)
        elif images is None or images.search(entry.stem):
            wanted[entry.folder, _without(images, entry)].append(entry)
        else:
            rest.append(entry)
    for key, pattern, value in (("images", wanted, options.images), ("masks", given, options.masks)):
        if not pattern:
            raise RequestError("layouts.name_finds_none", given=setting(f"data.{key}", value or ""))
    pairs = [MaskedImage(i[0], tuple(given[key])) for key, i in wanted.items() if key in given]
    several = [
        Problem("layouts.twins", i[0].rel, "error", {"others": names_of(i[1:])}) for i in wanted.values() if len(i) > 1
    ]
    missing = [Problem("layouts.missing_mask", i[0].rel, "error") for key, i in wanted.items() if key not in given]
    orphans = [Problem("layouts.orphan_mask", m.rel, "error") for k, ms in given.items() if k not in wanted for m in ms]
    return NamedMasks(tuple(pairs), (*several, *missing, *orphans), tuple(rest))


def endings_hint(listing: Listing) -> dict[str, str]:
    """Endings that stand behind the names of half of the other images, and the keys that take those with one for masks.

    Example:
        >>> from pathlib import Path
        >>> names = [f"Im{n}{end}.png" for n in "12" for end in ("", "_1stHO", "_2ndHO")]
        >>> hint = endings_hint(Listing(Path(), tuple(FileEntry("", n) for n in names), ()))
        >>> hint["endings"]
        '_1stHO, _2ndHO'
    """
    stems = {(e.folder, e.stem) for e in listing.images}
    counts: Counter[str] = Counter()
    for folder, stem in stems:
        cuts = [m.start() for m in re.finditer(r"[-_. ]", stem)]
        counts.update({stem[c:] for c in cuts if (folder, stem[:c]) in stems and not stem[c + 1 :].isdecimal()})
    bases = len(stems) - counts.total()
    endings = sorted(end for end, count in counts.items() if count >= 2 and count * 2 >= bases)
    if not endings or bases < 1:
        return {}
    escaped = [_escaped(end) for end in endings]
    images = f"{_BEGIN}^(?!.*(?:{'|'.join(escaped)})$)"
    keys = [f"{setting('data.images', images)} {setting('data.masks', f'{_BEGIN}{end}$')}" for end in escaped]
    return {"endings": printable(", ".join(endings)), "keys": " / ".join(keys)}


def images_alone(index: Index, options: LayoutOptions) -> Index:
    """The Index of a classifier without the masks that the user tells, by names or by their folder, and what is said.

    Raises:
        RequestError: If an expression is none.
    """
    if not (options.images or options.masks):
        return index
    kept = [r for r in index.records if _is_meant(r, options)]
    values = {"count": len(index.records) - len(kept), "all": len(index.records)}
    note = Problem("layouts.masks_left_out", "", "note", values)
    return replace(index, records=tuple(kept), problems=(*index.problems, note))


def _is_meant(record: Record, options: LayoutOptions) -> bool:
    """Whether an image is one of those asked for, and no mask."""
    return (options.masks is None or not _is_called(record, "masks", options.masks)) and (
        options.images is None or _is_called(record, "images", options.images)
    )


def _is_called(record: Record, key: str, given: str) -> bool:
    if (pattern := _expression(key, given)) is not None:
        return pattern.search(FileEntry("", record.image.path.name).stem) is not None
    return any(is_called(folder.as_posix(), given) for folder in PurePosixPath(record.id).parents)


def _expression(key: str, given: str | None) -> re.Pattern[str] | None:
    if given is None or not given.startswith(_BEGIN):
        return None
    try:
        return re.compile(given.removeprefix(_BEGIN))
    except re.error as error:
        raise RequestError("layouts.bad_regex", key=key, given=printable(given), reason=error) from error


def _without(pattern: re.Pattern[str] | None, entry: FileEntry) -> str:
    """The stem of a file without what an expression finds in it."""
    return same_form(pattern.sub("", entry.stem, count=1) if pattern else entry.stem)


def expressions(images: Sequence[str], masks: Sequence[str], told_by: tuple[str, str], place: int) -> tuple[str, str]:
    """The two keys that tell masks from images by what stands at a place of their stems; empty where none does.

    Args:
        images: The stems of all that are no masks.
        masks: The stems of the masks.
        told_by: What images and masks have there.
        place: Characters in front of it, or, below 0, ~characters behind it.

    Example:
        >>> expressions(["7_1", "12_1"], ["7_2", "12_2"], ("1", "2"), ~0)
        ('name:_1$', 'name:_2$')
        >>> expressions(["7", "12"], ["7m", "12m"], ("", "m"), ~0)
        ('', 'name:m$')
    """
    for sign in dict.fromkeys((_sign((*images, *masks), place), "")):
        first, second = (_pattern(sign + t, place) if t else None for t in told_by)
        fits = all(_finds(first, second, s) == (True, False) for s in images)
        if fits and all(_finds(first, second, s) == (False, True) for s in masks):
            return _BEGIN + first if first else "", _BEGIN + second if second else ""
    return "", ""


def _sign(stems: Sequence[str], place: int) -> str:
    """The sign in front of the last part of all stems, where that is what tells them apart."""
    signs = {m[0] if (m := re.search(r"[-_. ](?=[^-_. ]+$)", s)) else "" for s in stems}
    return next(iter(signs)) if place == ~0 and len(signs) == 1 else ""


def _finds(first: str | None, second: str | None, stem: str) -> tuple[bool, bool]:
    one = re.search(first, stem) is not None if first else None
    other = re.search(second, stem) is not None if second else None
    return (one if one is not None else not other, other if other is not None else not one)


def _escaped(text: str) -> str:
    """A text as an expression, with as few signs as can be."""
    return re.sub(r"([.^$*+?{}\[\]\\|()])", r"\\\1", text)


def _pattern(text: str, place: int) -> str:
    """An expression that finds a text at a place; a number is whole."""
    escaped = _escaped(text)
    before = r"(?<!\d)" if text[0].isdecimal() else ""
    behind = r"(?!\d)" if text[-1].isdecimal() else ""
    if place >= 0:
        return f"^{escaped}{behind}" if place == 0 else f"(?<=^.{{{place}}}){escaped}{behind}"
    return f"{before}{escaped}$" if place == ~0 else f"{before}{escaped}(?=.{{{~place}}}$)"
