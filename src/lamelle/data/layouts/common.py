"""What the layouts share: their protocol, where the data begin, checks of classes."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from lamelle.data.groups.spec import NONE, parse
from lamelle.data.groups.words import named_like_group
from lamelle.data.layouts.listing import Listing, natural
from lamelle.data.layouts.pairing import names_of, unused
from lamelle.data.layouts.split_words import splits_of
from lamelle.data.layouts.words import Role, folder_name, holds, split_of
from lamelle.errors import printable
from lamelle.messages import text
from lamelle.types import ClassNames, Index, LabelImage, Meaning, ObjectMasks, Problem, Record, Source, Target

_NUMBER = re.compile(r"[<>~≈]?\s*[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?\s*(?:%|[^\W\d_]{1,5}(?:/[^\W\d_]{1,3})?)?")
"""A number as people write it into tables: ``34.5``, ``34,5``, ``< 0.1``, ``12 mm``, ``80 %``, ``7 g/L``."""
_MIN_CLASSES, _NUMERIC_SHARE = 8, 0.8
"""Classes from which they may be numbers that were measured, and the share of them that has to look so."""
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class LayoutOptions:
    """What the user says about the folder; ``None`` = find out."""

    layout: str | None = None
    task: str | None = None
    """Name of the task, for messages."""
    learnt: tuple[type[Target], ...] | None = None
    """The kinds of target that the task can learn from; None = whatever is there."""
    dims: int | None = None
    """2: a volume becomes one record per slice; 3: one record."""
    axes: str | None = None
    """What the axes of the images are where their files do not say so, one letter each: ``YXC``."""
    image: str | None = None
    label: str | None = None
    group: str | None = None
    """What belongs together, as ``lamelle.data.groups.spec`` reads it."""
    split: str | None = None
    """``image``, ``label`` and ``split`` name columns of a table; a split ``none`` passes over what the folder says."""
    images: str | None = None
    masks: str | None = None
    """``images`` and ``masks`` name folders, at any depth."""
    classes: Sequence[str] = ()
    """All classes, in order."""
    renamed: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Name of a class in the folder → the class it is read as."""
    left_out: Sequence[str] = ()
    """Names of classes in the folder whose images are not meant."""

    @property
    def of_classes(self) -> bool:
        """Whether classes of whole images are what is to be learnt."""
        return self.learnt == (ClassNames,)

    @property
    def of_pixels(self) -> bool:
        """Whether what label images, masks or shapes say is what is to be learnt."""
        return self.learnt is not None and ClassNames not in self.learnt

    @property
    def columns(self) -> dict[str, str | None]:
        """The columns of a table that are named."""
        spec = parse(self.group) if self.group is not None else None
        group = spec.value if spec is not None and spec.kind == "column" else None
        return {"image": self.image, "label": self.label, "group": group, "split": self.given_split}

    @property
    def given_split(self) -> str | None:
        """The column of splits that is named."""
        return None if self.split == NONE else self.split


@dataclass(frozen=True, slots=True)
class LayoutMatch:
    """How well a folder fits a layout."""

    score: float
    """1 = certainly, from 0.5 = it can be read, below = how near it comes."""
    missing: Problem | None = None
    """What the folder lacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One way of laying out a folder: a row of the table, in the file that reads it."""

    name: str
    yields: tuple[type[Target], ...]
    """The kinds of target that its records have; the first where nobody says which is meant."""
    match: Callable[[Listing, LayoutOptions], LayoutMatch]
    read: Callable[[Listing, LayoutOptions], Index]
    wants: str = ""
    """What such a folder looks like, in a line; of the layouts here the messages say it: ``layouts.wants_NAME``."""
    of_one_file: bool = False
    """Whether it reads a file that is given instead of a folder."""
    own_columns: bool = False
    """Whether it reads the columns of tables itself."""
    two_folders: bool = False
    """Whether ``data.images`` and ``data.masks`` name its folders."""
    described: bool = False
    """Whether a file of its own tells what is what, more than names of folders do: it then goes before others."""

    def can_be(self, options: LayoutOptions) -> bool:
        """Whether it has what the task learns from."""
        return options.learnt is None or any(kind in options.learnt for kind in self.yields)

    @property
    def help(self) -> str:
        """What such a folder looks like."""
        return self.wants or text(f"layouts.wants_{self.name}")


def lacks(score: float, code: str, **values: object) -> LayoutMatch:
    """A match that fails for one reason."""
    return LayoutMatch(score, Problem(f"layouts.lacks_{code}", "", "note", values))


def last(folder: str) -> str:
    """The name of a folder without what lies above it."""
    return folder.rpartition("/")[2]


def bases(listing: Listing) -> list[tuple[str | None, str]]:
    """Where the data begin: (split, folder) of train/, val/, test/ …, or the root alone without a split.

    A folder that alone holds all the others is gone into. One split folder alone gives no split: there is nothing to
    keep apart from it.
    """
    top = ""
    while (inner := _wrapped(listing, top)) is not None:
        top = inner
    below = [f for f in listing.subfolders(top) if folder_name(last(f)).role is None and listing.images_below(f)]
    splits = splits_of([last(f) for f in below])
    split_folders: list[tuple[str | None, str]] = [(splits[last(f)], f) for f in below if last(f) in splits]
    if not split_folders:
        return [(None, top)]
    return (
        split_folders
        if len({split for split, _ in split_folders}) > 1
        else [(None, folder) for _, folder in split_folders]
    )


def in_splits(root: Path, records: Sequence[Record]) -> tuple[tuple[Record, ...], list[Problem]]:
    """The records without those of folders beside train/, val/ … whose names say no split, and a warning for each.

    A split that a folder does not say, but a column, is another matter: all records are kept then.

    Example:
        >>> from pathlib import Path
        >>> splits = {"train/1.png": "train", "val/2.png": "validation", "more/3.png": None}
        >>> kept, problems = in_splits(Path(), [Record(i, Source(Path(i)), split=s) for i, s in splits.items()])
        >>> [r.id for r in kept], problems[0].values["folder"]
        (['train/1.png', 'val/2.png'], 'more/')
    """
    folders = {r.id: r.id.split("/")[:-1] for r in records}
    levels = [
        next((i for i, f in enumerate(folders[r.id]) if split_of(f) == r.split), None) for r in records if r.split
    ]
    if not levels or None in levels or len(set(levels)) > 1 or len(levels) == len(records):
        return tuple(records), []
    depth = (levels[0] or 0) + 1
    beside = dict.fromkeys("/".join(folders[r.id][:depth]) for r in records if r.split)
    rest: dict[str, list[Record]] = {}
    for r in records:
        if not r.split and len(folders[r.id]) >= depth and holds(folders[r.id][depth - 1]) is None:
            rest.setdefault("/".join(folders[r.id][:depth]), []).append(r)
    gone = {r.id for group in rest.values() for r in group}
    problems = [_beside(root, folder, len(group), list(beside)) for folder, group in rest.items()]
    return tuple(r for r in records if r.id not in gone), problems


def _beside(root: Path, folder: str, count: int, beside: Sequence[str]) -> Problem:
    """What is said of a folder beside those of splits whose images are not used."""
    named = {"folder": f"{printable(folder)}/", "beside": ", ".join(f"{printable(s)}/" for s in beside)}
    path = printable(shlex.quote(str(root / folder)))
    return Problem("layouts.beside_splits", "", "warning", {**named, "count": count, "path": path})


def beside_splits(listing: Listing, used: Set[Path]) -> list[Problem]:
    """A warning for each folder beside train/, val/ … whose name says no split, if none of its images is used."""
    splits = [folder for split, folder in bases(listing) if split]
    problems = []
    for folder in [f for top in {s.rpartition("/")[0] for s in splits} for f in listing.subfolders(top)]:
        images = [] if folder in splits or folder_name(last(folder)).role else listing.images_below(folder)
        if images and used.isdisjoint(map(listing.path, images)):
            problems.append(_beside(listing.root, folder, len(images), splits))
    return problems


def _wrapped(listing: Listing, folder: str) -> str | None:
    """The one folder inside that holds all images, each in a folder further down; None where there is none."""
    filled = [f for f in listing.subfolders(folder) if listing.images_below(f)]
    if len(filled) != 1 or listing.images_in(folder) or listing.images_in(filled[0]):
        return None
    name = last(filled[0])
    deeper = [f for f in listing.subfolders(filled[0]) if listing.images_below(f)]
    plain = holds(name) is None and split_of(name) is None and not named_like_group(name)
    return filled[0] if plain and len(deeper) > 1 and not any(map(named_like_group, map(last, deeper))) else None


def named(listing: Listing, base: str, role: Role) -> list[str]:
    """Folders directly below ``base`` that are called after images or masks, and hold some."""
    return [f for f in listing.subfolders(base) if holds(last(f)) == role and listing.images_below(f)]


def left_over(listing: Listing, records: Sequence[Record], problems: Sequence[Problem]) -> list[Problem]:
    """A note for each folder of images that are of no record and are not spoken of either."""
    if listing.only is not None:
        return []
    used = {s.path for r in records for s in (r.image, *(r.labels.sources if r.labels else ()))}
    mentioned = {p.where for p in problems}
    rest = [e for e in listing.images if listing.path(e) not in used and mentioned.isdisjoint((e.rel, e.folder))]
    named = " ".join(str(v) for p in problems for v in p.values.values())
    return unused([e for e in rest if printable(e.name) not in named], "layouts.not_used", "note")


def with_axes(records: Sequence[Record], axes: str | None) -> tuple[Record, ...]:
    """The records with what the user says the axes of their images are; of label images nothing is said."""
    if axes is None:
        return tuple(records)
    return tuple(replace(r, image=replace(r.image, axes=axes)) for r in records)


def label_target(sources: Sequence[Source], meaning: Meaning | None = None) -> LabelImage | ObjectMasks:
    """The target of an image with one mask, or with several."""
    return LabelImage(sources[0], meaning) if len(sources) == 1 else ObjectMasks(tuple(sources), meaning)


def class_names(records: Iterable[Record]) -> tuple[str, ...]:
    """Every class that a record bears, in natural order."""
    return tuple(sorted({c for r in records for c in r.names}, key=natural))


def class_problems(records: Sequence[Record]) -> list[Problem]:
    """Errors for a single class, for classes with one sample, and for measured numbers in the place of classes."""
    counts = Counter(c for r in records for c in r.names)
    ordered = sorted(counts, key=natural)
    if _measured(counts):
        values = {"count": len(counts), "images": len(records), "names": names_of(ordered, most=_SHOWN)}
        return [Problem("layouts.measured", "", "error", values)]
    problems = [Problem("layouts.lone_sample", name, "error") for name in ordered if counts[name] == 1]
    if len(counts) == 1:
        problems.append(Problem("layouts.one_class", "", "error", {"name": next(iter(counts))}))
    return problems


def _measured(counts: Mapping[str, int]) -> bool:
    """Whether classes are numbers that were measured: many, and most of them of a single image."""
    numbers = sum(_NUMBER.fullmatch(name) is not None for name in counts)
    lone = sum(n == 1 for n in counts.values())
    return len(counts) >= _MIN_CLASSES and numbers >= _NUMERIC_SHARE * len(counts) and 2 * lone >= len(counts)
