"""COCO's way: a JSON file that lists images, categories and the boxes or outlines of objects.

Reference: Lin et al. (2014), doi:10.1007/978-3-319-10602-1_48
"""

from __future__ import annotations

import re
from collections import defaultdict

from lamelle.data.layouts.common import Layout, LayoutMatch, LayoutOptions, lacks
from lamelle.data.layouts.listing import FileEntry, Listing
from lamelle.data.layouts.pairing import unused
from lamelle.data.layouts.words import split_of
from lamelle.data.shapes import Coco, read_coco
from lamelle.errors import FileError, printable
from lamelle.types import IGNORE, Index, Problem, Record, Shapes, Source, ValueNames

NAME = "coco"
_HEAD = 1 << 16
_MARKS = (b'"images"', b'"annotations"', b'"categories"', b'"info"', b'"licenses"')
"""Keys of which one stands near the beginning of such a file."""


def match(listing: Listing, options: LayoutOptions) -> LayoutMatch:
    """JSON files of which one lists images that are there."""
    for entry in _files(listing):
        try:
            content = read_coco(listing.path(entry))
        except FileError:
            continue
        if any(_places(listing, entry, content).values()):
            return LayoutMatch(1.0)
    return lacks(0.05, "coco")


def read(listing: Listing, options: LayoutOptions) -> Index:
    """Each image that a file lists, with what the file says of it."""
    records: list[Record] = []
    problems: list[Problem] = []
    read: list[tuple[FileEntry, Coco]] = []
    for entry in _files(listing):
        try:
            read.append((entry, read_coco(listing.path(entry))))
        except FileError as error:
            problems.append(error.problem)
    read = [(entry, content) for entry, content in read if any(_places(listing, entry, content).values())]
    splits = [_split(entry) for entry, _ in read]
    several = len(read) > 1 and None not in splits and len(set(splits)) > 1
    used: set[FileEntry] = set()
    kind = "coco_outlines" if any(content.outlines for _, content in read) else "coco_boxes"
    for (entry, content), split in zip(read, splits, strict=True):
        for name, image in _places(listing, entry, content).items():
            if image is None:
                problems.append(Problem("layouts.listed_missing", entry.rel, "error", {"file": printable(name)}))
            elif image in used:
                problems.append(Problem("layouts.in_two_tables", image.rel, "error"))
            else:
                used.add(image)
                target = Shapes(Source(listing.path(entry), name), kind)
                record = Record(image.id, Source(listing.path(image)), target, split=split if several else None)
                records.append(record)
    names = [content.names for _, content in read]
    if any(other != names[0] for other in names):
        values = {"files": ", ".join(printable(entry.rel) for entry, _ in read)}
        problems.append(Problem("layouts.coco_categories", read[0][0].rel, "error", values))
    problems += unused([e for e in listing.images if e not in used], "layouts.not_used", "warning")
    value_names = ValueNames(read[0][0].rel, {0: "background", **names[0]}, ignored=(IGNORE,)) if read else None
    return Index(listing.root, NAME, tuple(records), names=value_names, problems=tuple(problems))


def _files(listing: Listing) -> list[FileEntry]:
    """JSON files that begin as those of COCO do."""
    files = []
    for entry in listing.entries:
        if entry.suffix != ".json":
            continue
        try:
            with listing.path(entry).open("rb") as file:
                head = file.read(_HEAD)
        except OSError:
            continue
        if re.match(rb"\s*\xef?\xbb?\xbf?\s*\{", head) and any(mark in head for mark in _MARKS):
            files.append(entry)
    return files


def _places(listing: Listing, entry: FileEntry, content: Coco) -> dict[str, FileEntry | None]:
    """``file_name`` → the image: beside the JSON file, below it, or the only one of this name."""
    paths = {e.rel: e for e in listing.images}
    named: dict[str, list[FileEntry]] = defaultdict(list)
    for image in listing.images:
        named[image.name].append(image)
    places: dict[str, FileEntry | None] = {}
    for name in content.images:
        plain = name.replace("\\", "/").removeprefix("./")
        beside = f"{entry.folder}/{plain}" if entry.folder else plain
        alike = [e for e in named[plain.rpartition("/")[2]] if f"/{e.rel}".endswith(f"/{plain}")]
        places[name] = paths.get(beside) or paths.get(plain) or (alike[0] if len(alike) == 1 else None)
        if places[name] is None and len(alike) > 1:
            own = [e for e in alike if _split(entry) in {split_of(p) for p in e.folder.split("/")}]
            places[name] = own[0] if len(own) == 1 else None
    return places


def _split(entry: FileEntry) -> str | None:
    """The split that the name of the file, or a folder above it, speaks of: ``instances_train2017.json``."""
    words = re.split(r"[^a-z]+", entry.stem.lower())
    return next((s for w in (*words, *entry.folder.split("/")[::-1]) if w and (s := split_of(w))), None)


LAYOUT = Layout(name=NAME, yields=(Shapes,), match=match, read=read, described=True)
