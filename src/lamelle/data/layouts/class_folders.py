"""One folder per class: ``CLASS/*.png`` or ``CLASS/images/*.png``, with or without train/val/test above."""

from __future__ import annotations

from lamelle.data.layouts.common import (
    IMAGE_FOLDERS,
    MASK_FOLDERS,
    NNUNET_FOLDERS,
    LayoutOptions,
    Match,
    bases,
    lacks,
    last,
    named,
    twins,
    unused,
)
from lamelle.data.layouts.listing import Entry, Listing
from lamelle.types import Index, Problem, Record, Source

NAME = "class_folders"
TASKS = ("classify",)


def match(listing: Listing, options: LayoutOptions) -> Match:
    """Two or more class folders of which at least half hold images; one alone is read, to be reported."""
    folders = [f for _, base in bases(listing) for f in class_folders(listing, base)]
    filled = [f for f in folders if images_of(listing, f)]
    if any(named(listing, f, MASK_FOLDERS) for f in folders):
        return lacks(0.3, "no_masks")
    if not filled:
        return lacks(0.2 if listing.folders else 0.1, "class_folders")
    if len(filled) * 2 < len(folders):
        return lacks(0.4, "filled_classes", filled=len(filled), folders=len(folders))
    if len(filled) > 2 and all(len(images_of(listing, f)) == 1 for f in filled):
        return lacks(0.4, "several_images")
    return Match(1.0 if len({last(f) for f in filled}) > 1 else 0.6)


def read(listing: Listing, options: LayoutOptions) -> Index:
    """Each image with the name of its folder as class."""
    records: list[Record] = []
    problems: list[Problem] = []
    for split, base in bases(listing):
        problems += unused(listing.images_in(base), "layouts.not_used", "warning" if split is None else "note")
        for folder in class_folders(listing, base):
            entries = images_of(listing, folder)
            if not entries:
                problems.append(Problem("layouts.empty_class", folder, "error"))
            problems += twins(entries)
            used = set(entries)
            deeper = [e for e in listing.images_below(folder) if e not in used]
            problems += unused(deeper, "layouts.too_deep", "warning")
            records += [class_record(listing, e, last(folder), split) for e in entries]
    return Index(listing.root, NAME, "classify", tuple(records), problems=tuple(problems))


def class_folders(listing: Listing, base: str) -> list[str]:
    """Folders below ``base`` that may be classes: all but those called images, masks and the like."""
    others = (*IMAGE_FOLDERS, *MASK_FOLDERS, *NNUNET_FOLDERS)
    return [f for f in listing.subfolders(base) if last(f).lower() not in others]


def images_of(listing: Listing, folder: str) -> list[Entry]:
    """Images of one class: directly in its folder and in its ``images/``."""
    inner = [e for f in named(listing, folder, IMAGE_FOLDERS) for e in listing.images_in(f)]
    return [*listing.images_in(folder), *inner]


def class_record(listing: Listing, entry: Entry, name: str, split: str | None) -> Record:
    """The record of an image that lies in the folder of its class."""
    return Record(entry.id, Source(listing.path(entry)), (name,), split=split, stratum=name)
