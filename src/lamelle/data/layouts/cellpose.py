"""Cellpose's way: ``a.tif`` (or ``a_img.tif``) beside ``a_masks.tif``, whose values count the objects."""

from __future__ import annotations

import re

from lamelle.data.layouts.common import LayoutOptions, Match, bases, lacks, names_of, twins
from lamelle.data.layouts.listing import Entry, Listing
from lamelle.data.layouts.stack_pair import stack_pairs
from lamelle.types import Index, Problem, Record, Source

NAME = "cellpose"
TASKS = ("segment",)
_MASKS = re.compile(r"(_cp)?_masks$", re.IGNORECASE)
_IMAGE = re.compile(r"_img$", re.IGNORECASE)


def match(listing: Listing, options: LayoutOptions) -> Match:
    """At least one image with its ``_masks`` beside it."""
    if stack_pairs(listing):
        return lacks(0.3, "object_masks")
    images, masks = _sorted(listing)
    if set(images) & set(masks):
        return Match(1.0)
    return lacks(0.35 if any(e.name.lower().endswith("_seg.npy") for e in listing.entries) else 0.1, "object_masks")


def read(listing: Listing, options: LayoutOptions) -> Index:
    """Each image with the label image that counts its objects."""
    images, masks = _sorted(listing)
    splits = {base: split for split, base in bases(listing)}
    problems: list[Problem] = []
    records: list[Record] = []
    for key, image in images.items():
        if key not in masks:
            problems.append(Problem("layouts.missing_mask", image[0].rel, "error"))
            continue
        if len(masks[key]) > 1:
            problems.append(Problem("layouts.two_masks", image[0].rel, "error", {"masks": names_of(masks[key])}))
        target = (Source(listing.path(masks[key][0])),)
        records.append(Record(image[0].id, Source(listing.path(image[0])), target, split=splits.get(image[0].folder)))
    problems += twins(e for group in images.values() for e in group)
    problems += [
        Problem("layouts.orphan_mask", e.rel, "error") for key in masks if key not in images for e in masks[key]
    ]
    if seg := [e for e in listing.entries if e.name.lower().endswith("_seg.npy")]:
        problems.append(Problem("layouts.seg_npy", seg[0].rel, "note", {"count": len(seg)}))
    return Index(listing.root, NAME, "segment", tuple(records), instances=True, problems=tuple(problems))


def holds_objects(entry: Entry) -> bool:
    """Whether a file's name says that its values count objects: ``a_masks.tif``."""
    return _MASKS.search(entry.stem) is not None


def _sorted(listing: Listing) -> tuple[dict[tuple[str, str], list[Entry]], dict[tuple[str, str], list[Entry]]]:
    """Images and masks by folder and stem without ending."""
    images: dict[tuple[str, str], list[Entry]] = {}
    masks: dict[tuple[str, str], list[Entry]] = {}
    for entry in [e for _, base in bases(listing) for e in listing.images_in(base)]:
        stem = entry.stem
        if _MASKS.search(stem):
            masks.setdefault((entry.folder, _MASKS.sub("", stem)), []).append(entry)
        else:
            images.setdefault((entry.folder, _IMAGE.sub("", stem)), []).append(entry)
    return images, masks
