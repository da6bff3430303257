"""Which image has which mask: by the names of files in two folders, or by their ends in one; for every layout."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lamelle.data.layouts.listing import FileEntry, same_form
from lamelle.data.layouts.words import file_name
from lamelle.errors import printable
from lamelle.types import Problem

_NUMBER = re.compile(r"[-_. ]\d{1,4}$")
"""A number behind a name."""
_COPY = re.compile(r"(?: - | |_)(?:copy|copie|kopie|copia)(?: \(\d+\))?$| \(\d+\)$", re.IGNORECASE)
"""What systems put behind the name of a copy."""
_MIN_PAIRS = 2
"""Pairs that a rule for names without a common part has to explain."""


@dataclass(frozen=True, slots=True)
class MaskedImage:
    """An image and its masks: one, or one for each object or region."""

    image: FileEntry
    masks: tuple[FileEntry, ...]


def pair(
    images: Sequence[FileEntry], masks: Sequence[FileEntry], *, image_base: str = "", mask_base: str = ""
) -> tuple[list[MaskedImage], list[Problem]]:
    """Pair images with masks by their paths below two folders, without suffixes and the words that say what is what.

    The mask of ``a.tif`` is ``a.png``, ``a_mask.png``, ``mask_a.png`` or ``a-labelled.tif``; that of ``img_0.tif`` is
    ``mask_0.tif``; several masks are ``a_mask_1.png``, ``a_mask_2.png`` or all in a folder ``a/``. Where no name fits,
    all names of a folder may begin or end alike: ``t000.tif`` and ``man_seg000.tif``. ``a_1.png`` is one of several of
    ``a.tif`` unless all images have as many, which may be annotators or classes, or images are numbered so themselves.

    Returns:
        The pairs in the order of the images, and every image without mask, mask without image and ambiguity.
    """
    wanted = _Wanted(images, image_base)
    masks_of: dict[FileEntry, list[FileEntry]] = defaultdict(list)
    several: dict[FileEntry, list[FileEntry]] = defaultdict(list)
    orphans: list[FileEntry] = []
    for mask in masks:
        if image := wanted.of(mask, mask_base):
            masks_of[image].append(mask)
        elif image := wanted.parted(mask, mask_base):
            several[image].append(mask)
        else:
            orphans.append(mask)
    problems = twins(images)
    more, wrong = _numbered(orphans, masks_of, wanted, mask_base)
    for mask, image in more.items():
        several[image].append(mask)
    problems += wrong
    orphans = [e for e in orphans if e not in more and not any(p.where == e.rel for p in wrong)]
    if not masks_of and not several and (numbered := by_affixes(images, orphans, image_base, mask_base)):
        masks_of, orphans = {image: [mask] for image, mask in numbered.items()}, []
        first = next(iter(masks_of))
        problems.append(_note(first, masks_of[first][0], len(masks_of)))
    pairs = [
        MaskedImage(i, (*masks_of.get(i, ())[:1], *several.get(i, ()))) for i in images if i in masks_of or i in several
    ]
    problems += [Problem("layouts.two_masks", i.rel, "error", {"masks": names_of(m)})
                 for i, m in masks_of.items() if len(m) > 1]  # fmt: skip
    if images and masks and not pairs and len(masks) >= _MIN_PAIRS:
        if kinds := _kinds_of_masks(wanted, masks, mask_base):
            values = {"kinds": names_of(kinds), "image": printable(images[0].name), "mask": printable(masks[0].rel)}
            return [], [*problems, Problem("layouts.masks_by_class", mask_base or ".", "error", values)]
        values = {"image": printable(images[0].name), "mask": printable(masks[0].name), "folder": mask_base or "."}
        return [], [*problems, Problem("layouts.names_differ", images[0].folder or ".", "error", values)]
    problems += [_orphan(e, wanted, mask_base) for e in orphans]
    missing = [e for e in images if e not in masks_of and e not in several and wanted.first(e) is e]
    return pairs, [*problems, *(Problem("layouts.missing_mask", e.rel, "error") for e in missing)]


def beside(entries: Sequence[FileEntry]) -> tuple[list[FileEntry], list[FileEntry]]:
    """The images and the masks among the files of one folder; no masks where none is named after an image.

    Example:
        >>> images, masks = beside([FileEntry("", n) for n in ("a.tif", "a_mask.png", "b_mask.png")])
        >>> [e.name for e in images], [e.name for e in masks]
        (['a.tif'], ['a_mask.png', 'b_mask.png'])
    """
    called = [e for e in entries if file_name(e.stem).role == "mask"]
    if not called:
        return list(entries), []
    others = [e for e in entries if file_name(e.stem).role != "mask"]
    wanted = _Wanted(others, "")
    if not any(wanted.of(e, "") or wanted.parted(e, "") for e in called):
        return list(entries), []
    return others, called


class _Wanted:
    """Images by what is left of their names."""

    def __init__(self, images: Sequence[FileEntry], base: str) -> None:
        self.images = images
        self._base = base
        self._levels: list[dict[tuple[str, str], FileEntry | None]] = []
        self._first: dict[tuple[str, str], FileEntry] = {}
        for image in images:
            inner = inner_folder(image, base)
            self._first.setdefault((image.folder, same_form(image.stem)), image)
            for level, key in enumerate(file_name(image.stem).keys):
                if level == len(self._levels):
                    self._levels.append({})
                other = self._levels[level].setdefault((inner, key), image)
                if other is not None and other.stem != image.stem:
                    self._levels[level][inner, key] = None  # of two images, so that it names none

    def first(self, image: FileEntry) -> FileEntry:
        """The first image of the same name, whatever the suffix."""
        return self._first[image.folder, same_form(image.stem)]

    def of(self, mask: FileEntry, base: str) -> FileEntry | None:
        """The image that a mask is named after."""
        inner = inner_folder(mask, base)
        keys = ((inner, key) for key in file_name(mask.stem).keys)
        return next((i for k in keys for level in self._levels if (i := level.get(k))), None)

    def numbered(self, mask: FileEntry, base: str) -> FileEntry | None:
        """The image whose name a mask bears with a number behind, ``a_1`` of ``a``."""
        stem = _NUMBER.sub("", mask.stem)
        return None if stem == mask.stem else self.of(replace(mask, name=stem + mask.suffix), base)

    @property
    def bear_numbers(self) -> bool:
        """Whether an image bears the name of another with a number behind."""
        return any((other := self.numbered(image, self._base)) and other is not image for image in self.images)

    def parted(self, mask: FileEntry, base: str) -> FileEntry | None:
        """The image that a mask is one of several of: by a number at the end, or by the folder it lies in."""
        inner = inner_folder(mask, base)
        above, _, folder = inner.rpartition("/")
        name = file_name(mask.stem)
        keys = [(inner, name.numbered)] if name.numbered else []
        if folder:
            keys += [(above, folder)]
        return next((i for k in keys for level in self._levels if (i := level.get(k))), None)


def _kinds_of_masks(wanted: _Wanted, masks: Sequence[FileEntry], base: str) -> list[str]:
    """Words by which the masks of one image differ, ``nuclei`` and ``cells``: in folders, or behind its name."""
    kinds: dict[str, int] = defaultdict(int)
    for mask in masks:
        inner = inner_folder(mask, base)
        if inner and wanted.of(replace(mask, folder=base), base):
            kinds[inner] += 1
            continue
        stem, _, word = re.sub(r"[-_. ](?=[^\W\d_]+$)", "\n", mask.stem).partition("\n")
        if not word or not wanted.of(replace(mask, name=stem + mask.suffix), base):
            return []
        kinds[word] += 1
    return sorted(kinds) if 1 < len(kinds) < len(masks) else []


def _numbered(
    orphans: Sequence[FileEntry], paired: Mapping[FileEntry, Sequence[FileEntry]], wanted: _Wanted, base: str
) -> tuple[dict[FileEntry, FileEntry], list[Problem]]:
    """Masks that are called after an image with a number behind, by what the whole folder does, and what is said.

    Returns:
        Mask → image of those that are read as one of several; of those that are not, an error.
    """
    of = {mask: image for mask in orphans if (image := wanted.numbered(mask, base))}
    if not of:
        return {}, []
    first = next(iter(of))
    example = {"mask": printable(first.name), "image": printable(of[first].name)}
    if wanted.bear_numbers:
        problems = [
            Problem("layouts.orphan_numbered", m.rel, "error", {"image": printable(i.name)}) for m, i in of.items()
        ]
        return {}, problems
    images = wanted.images
    tails: dict[FileEntry, list[str]] = defaultdict(list)
    for mask, image in of.items():
        tails[image].append(_NUMBER.findall(mask.stem)[-1])
    values = {**example, "count": len(tails), "all": len(images), "masks": len(of)}
    both = [image for image in tails if image in paired]
    if len(both) == len(images) >= _MIN_PAIRS and len({tuple(sorted(t)) for t in tails.values()}) == 1:
        each = {**values, "each": len(tails[both[0]]) + 1}
        problems = Problem("layouts.numbered_alike", first.rel, "error", each)
        return {}, [problems, *(replace(problems, where=mask.rel) for mask in list(of)[1:])]
    severity = "warning" if both else "note"
    return of, [Problem("layouts.numbered_masks", base or ".", severity, values)]


def _orphan(mask: FileEntry, wanted: _Wanted, base: str) -> Problem:
    """An error for a mask without image; a copy that a system made of another mask is named as such."""
    copied = _COPY.sub("", mask.stem)
    if copied != mask.stem and wanted.of(replace(mask, name=copied + mask.suffix), base):
        return Problem("layouts.orphan_copy", mask.rel, "error", {"of": printable(copied + mask.suffix)})
    return Problem("layouts.orphan_mask", mask.rel, "error")


def by_affixes(
    images: Sequence[FileEntry], masks: Sequence[FileEntry], image_base: str = "", mask_base: str = ""
) -> dict[FileEntry, FileEntry]:
    """Image → mask by what is left of all names without what they begin and end with alike; nothing if one is left.

    Example:
        >>> a, b = ([FileEntry("", name.format(i)) for i in (1, 2)] for name in ("t0{}.tif", "seg0{}_new.png"))
        >>> [(image.name, mask.name) for image, mask in by_affixes(a, b).items()]
        [('t01.tif', 'seg01_new.png'), ('t02.tif', 'seg02_new.png')]
    """
    if min(len(images), len(masks)) < _MIN_PAIRS:
        return {}
    wanted, given = _cores(images, image_base), _cores(masks, mask_base)
    if len(wanted) < len(images) or len(given) < len(masks):
        return {}
    if not given.keys() <= wanted.keys():
        return {}
    return {wanted[core]: given[core] for core in wanted if core in given}


def _cores(entries: Sequence[FileEntry], base: str) -> dict[tuple[str, str], FileEntry]:
    """What tells the names of a folder apart, a number always whole."""
    stems = [same_form(e.stem) for e in entries]
    begin = _common(stems)
    ends = [s[len(begin) :][::-1] for s in stems]
    end = _common(ends)
    cores = [e[len(end) :][::-1] for e in ends]
    return {(inner_folder(e, base), core): e for e, core in zip(entries, cores, strict=True) if core}


def _common(names: Sequence[str]) -> str:
    """What all names begin with, up to a number."""
    first, last = min(names), max(names)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return re.sub(r"\d+$", "", first[:length])


def _note(image: FileEntry, mask: FileEntry, count: int) -> Problem:
    values = {"image": printable(image.name), "mask": printable(mask.name), "count": count}
    return Problem("layouts.paired_by_number", mask.folder or ".", "warning", values)


def inner_folder(entry: FileEntry, base: str) -> str:
    """The folder of a file below ``base``."""
    return entry.folder[len(base) :].strip("/") if base else entry.folder


def twins(entries: Iterable[FileEntry]) -> list[Problem]:
    """Errors for files of one folder whose names differ by suffix or by case only."""
    groups: dict[tuple[str, str], list[FileEntry]] = defaultdict(list)
    for entry in entries:
        groups[entry.folder, same_form(entry.stem).casefold()].append(entry)
    return [
        Problem("layouts.twins", group[0].rel, "error", {"others": names_of(group[1:])})
        for group in groups.values()
        if len(group) > 1
    ]


def names_of(entries: Sequence[FileEntry] | Sequence[str], *, most: int = 5) -> str:
    """The first names, and how many more."""
    names = [printable(e if isinstance(e, str) else e.name) for e in entries]
    more = f" … (+{len(names) - most})" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def unused(entries: Sequence[FileEntry], code: str, severity: str) -> list[Problem]:
    """One problem per folder for images that are not read."""
    groups: dict[str, list[FileEntry]] = defaultdict(list)
    for entry in entries:
        groups[entry.folder].append(entry)
    level = "warning" if severity == "warning" else "note"
    return [
        Problem(code, folder or ".", level, {"count": len(group), "names": names_of(group)})
        for folder, group in groups.items()
    ]
