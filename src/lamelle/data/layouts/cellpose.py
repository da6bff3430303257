"""Cellpose's way: ``a.tif`` (or ``a_img.tif``) beside ``a_masks.tif``, whose values count the objects."""

from __future__ import annotations

import re

from lamelle.data.layouts.common import Layout, LayoutMatch, LayoutOptions, label_target, lacks
from lamelle.data.layouts.folder_pairs import MasksBeside, places, together
from lamelle.data.layouts.listing import FileEntry, Listing
from lamelle.data.layouts.pairing import unused
from lamelle.data.layouts.stack_pair import stack_pairs
from lamelle.types import Index, LabelImage, ObjectMasks, Problem, Record, Source

NAME = "cellpose"
_MASKS = re.compile(r"_masks$", re.IGNORECASE)


def match(listing: Listing, options: LayoutOptions) -> LayoutMatch:
    """At least one image with its ``_masks`` beside it."""
    if places(listing, options) or stack_pairs(listing):
        return lacks(0.3, "object_masks")
    if _folders(listing)[0]:
        return LayoutMatch(1.0)
    if seg := _seg_files(listing):
        return lacks(0.48, "masks_of_seg_npy", count=len(seg), name=seg[0].name)
    return lacks(0.1, "object_masks")


def read(listing: Listing, options: LayoutOptions) -> Index:
    """Each image with the label image that counts its objects."""
    records: list[Record] = []
    problems: list[Problem] = []
    folders, rest = _folders(listing)
    for folder in folders:
        pairs, wrong = folder.pairs()
        problems += wrong
        for one in pairs:
            target = label_target([Source(listing.path(mask)) for mask in one.masks], "objects")
            image = Source(listing.path(one.image))
            records.append(Record(one.image.id, image, target, split=folder.split, stratum=folder.stratum))
    problems += unused(rest, "layouts.not_used", "warning")
    if seg := _seg_files(listing):
        problems.append(Problem("layouts.seg_npy", seg[0].rel, "note", {"count": len(seg)}))
    return Index(listing.root, NAME, tuple(records), problems=tuple(problems))


def holds_objects(entry: FileEntry) -> bool:
    """Whether a file's name says that its values count objects: ``a_masks.tif``."""
    return _MASKS.search(entry.stem) is not None


def _seg_files(listing: Listing) -> list[FileEntry]:
    return [e for e in listing.entries if e.name.lower().endswith("_seg.npy")]


def _folders(listing: Listing) -> tuple[list[MasksBeside], list[FileEntry]]:
    """Folders with ``_masks``; a file with another word for a mask is none of them, and no image."""
    folders, rest = together(listing, lambda e: not e.volume)
    kept = [f for f in folders if any(map(holds_objects, f.masks))]
    return kept, [*rest, *(e for f in folders if f not in kept for e in f.images)]


LAYOUT = Layout(name=NAME, yields=(LabelImage, ObjectMasks), match=match, read=read)
