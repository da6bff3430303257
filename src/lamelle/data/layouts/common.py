"""What the layouts share: their protocol, the usual names of folders, pairing by stem, checks of classes."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from lamelle.data.layouts.listing import Entry, Listing, natural, same_form
from lamelle.errors import printable
from lamelle.types import Index, Problem, Record

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
IMAGE_FOLDERS = ("images", "image", "imgs", "img", "raw", "inputs", "input")
MASK_FOLDERS = (
    "masks",
    "mask",
    "labels",
    "label",
    "gt",
    "groundtruth",
    "ground_truth",
    "annotations",
    "annotation",
    "segmentations",
    "segmentation",
)
NNUNET_FOLDERS = ("imagestr", "labelstr", "imagests", "labelsts")
_MASK_ENDING = re.compile(
    r"[-_. ](masks?|labels?|seg|segmentations?|gt|groundtruth|ground_truth|annotations?|truth)$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class LayoutOptions:
    """What the user says about the folder; ``None`` = find out."""

    layout: str | None = None
    task: str | None = None
    dims: int | None = None
    """2: a volume becomes one record per slice; 3: one record."""
    image: str | None = None
    label: str | None = None
    group: str | None = None
    split: str | None = None
    """``image``, ``label``, ``group`` and ``split`` name columns of a table."""
    classes: Sequence[str] = ()
    """All classes, in order."""
    renamed: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Name of a class in the folder → the class it is read as."""


@dataclass(frozen=True, slots=True)
class Match:
    """How well a folder fits a layout."""

    score: float
    """1 = certainly, from 0.5 = it can be read, below = how near it comes."""
    missing: Problem | None = None
    """What the folder lacks."""


class Layout(Protocol):
    """A module of this package that can read one way of laying out a folder."""

    @property
    def NAME(self) -> str: ...

    @property
    def TASKS(self) -> tuple[str, ...]: ...

    def match(self, listing: Listing, options: LayoutOptions) -> Match: ...

    def read(self, listing: Listing, options: LayoutOptions) -> Index: ...


def lacks(score: float, code: str, **values: object) -> Match:
    """A match that fails for one reason."""
    return Match(score, Problem(f"layouts.lacks_{code}", "", "note", values))


def last(folder: str) -> str:
    """The name of a folder without what lies above it."""
    return folder.rpartition("/")[2]


def bases(listing: Listing) -> list[tuple[str | None, str]]:
    """Where the data begin: (split, folder) of train/, val/, test/ …, or the root alone without a split.

    One split folder alone gives no split: there is nothing to keep apart from it.
    """
    found: list[tuple[str | None, str]] = [
        (SPLIT_NAMES[last(f).lower()], f)
        for f in listing.subfolders("")
        if last(f).lower() in SPLIT_NAMES and listing.images_below(f)
    ]
    if not found:
        return [(None, "")]
    return found if len({split for split, _ in found}) > 1 else [(None, folder) for _, folder in found]


def named(listing: Listing, base: str, names: Sequence[str]) -> list[str]:
    """Folders directly below ``base`` that bear one of the names and hold images."""
    found = [f for f in listing.subfolders(base) if last(f).lower() in names and listing.images_below(f)]
    return sorted(found, key=lambda f: names.index(last(f).lower()))


def twins(entries: Iterable[Entry]) -> list[Problem]:
    """Errors for files of one folder whose names differ by suffix or by case only."""
    groups: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.folder, same_form(entry.stem).casefold()].append(entry)
    return [
        Problem("layouts.twins", group[0].rel, "error", {"others": names_of(group[1:])})
        for group in groups.values()
        if len(group) > 1
    ]


def names_of(entries: Sequence[Entry] | Sequence[str], *, most: int = 5) -> str:
    """The first names, and how many more."""
    names = [printable(e if isinstance(e, str) else e.name) for e in entries]
    more = f" … (+{len(names) - most})" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def bare(stem: str) -> str:
    """A mask's stem without its ending.

    Example:
        >>> bare("a12_mask"), bare("a12")
        ('a12', 'a12')
    """
    return _MASK_ENDING.sub("", stem)


def pair(
    images: Sequence[Entry], masks: Sequence[Entry], *, image_base: str, mask_base: str
) -> tuple[list[tuple[Entry, Entry]], list[Problem]]:
    """Pair images with masks by their paths below the two folders, suffix and mask ending aside.

    Returns:
        The pairs in the order of the images, and every image without mask, mask without image and ambiguity.
    """
    problems = twins(images)
    wanted = {_key(e, image_base, e.stem): e for e in reversed(images)}
    found: dict[str, list[Entry]] = defaultdict(list)
    for mask in masks:
        keys = (_key(mask, mask_base, mask.stem), _key(mask, mask_base, bare(mask.stem)))
        key = next((k for k in keys if k in wanted), None)
        if key is None:
            problems.append(Problem("layouts.orphan_mask", mask.rel, "error"))
        else:
            found[key].append(mask)
    pairs = []
    for key, image in reversed(wanted.items()):
        if not found[key]:
            problems.append(Problem("layouts.missing_mask", image.rel, "error"))
            continue
        if len(found[key]) > 1:
            problems.append(Problem("layouts.two_masks", image.rel, "error", {"masks": names_of(found[key])}))
        pairs.append((image, found[key][0]))
    return pairs, problems


def _key(entry: Entry, base: str, stem: str) -> str:
    inner = entry.folder[len(base) :].strip("/") if base else entry.folder
    return same_form(f"{inner}/{stem}" if inner else stem)


def inner_split(entry: Entry, base: str) -> str | None:
    """The split that a folder inside ``base`` names, as in ``images/train/a.png``."""
    inner = entry.folder[len(base) :].strip("/") if base else entry.folder
    return SPLIT_NAMES.get(inner.partition("/")[0].lower())


def class_names(records: Iterable[Record]) -> tuple[str, ...]:
    """Every class that a record bears, in natural order."""
    return tuple(sorted({c for r in records for c in r.target if isinstance(c, str)}, key=natural))


def class_problems(records: Sequence[Record]) -> list[Problem]:
    """Errors for a single class, and for classes with one sample."""
    counts = Counter(c for r in records for c in r.target if isinstance(c, str))
    problems = [
        Problem("layouts.lone_sample", name, "error")
        for name, count in sorted(counts.items(), key=lambda item: natural(item[0]))
        if count == 1
    ]
    if len(counts) == 1:
        problems.append(Problem("layouts.one_class", "", "error", {"name": next(iter(counts))}))
    return problems


def unused(entries: Sequence[Entry], code: str, severity: str) -> list[Problem]:
    """One problem per folder for images that are not read."""
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.folder].append(entry)
    said = "warning" if severity == "warning" else "note"
    return [
        Problem(code, folder or ".", said, {"count": len(group), "names": names_of(group)})
        for folder, group in groups.items()
    ]
