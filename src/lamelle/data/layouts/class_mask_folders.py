"""One folder per class with ``images/`` and ``masks/`` inside; the class is what a split keeps in proportion."""

from __future__ import annotations

from dataclasses import replace

from lamelle.data.layouts.class_folders import class_folders, class_record, images_of
from lamelle.data.layouts.common import (
    IMAGE_FOLDERS,
    MASK_FOLDERS,
    LayoutOptions,
    Match,
    bases,
    lacks,
    last,
    named,
    pair,
)
from lamelle.data.layouts.listing import Listing
from lamelle.types import Index, Problem, Record, Source

NAME = "class_mask_folders"
TASKS = ("segment", "classify")


def match(listing: Listing, options: LayoutOptions) -> Match:
    """Folders with images/ and masks/, most of them with several images."""
    folders = [f for _, base in bases(listing) for f in class_folders(listing, base)]
    both = [f for f in folders if named(listing, f, IMAGE_FOLDERS) and named(listing, f, MASK_FOLDERS)]
    if not both:
        return lacks(0.2 if any(images_of(listing, f) for f in folders) else 0.1, "class_masks")
    if len(both) * 2 < len(folders):
        return lacks(0.3, "filled_pairs", filled=len(both), folders=len(folders))
    several = [f for f in both if len(images_of(listing, f)) > 1]
    if len(several) * 2 <= len(both):
        return lacks(0.3, "several_images")
    return Match(1.0)


def read(listing: Listing, options: LayoutOptions) -> Index:
    """Images with their masks, or with their classes where the task is to classify."""
    classify = options.task == "classify"
    records: list[Record] = []
    problems: list[Problem] = []
    for split, base in bases(listing):
        for folder in class_folders(listing, base):
            images = images_of(listing, folder)
            if not images:
                problems.append(Problem("layouts.empty_class", folder, "error"))
                continue
            if classify:
                records += [class_record(listing, e, last(folder), split) for e in images]
                continue
            image_base = (named(listing, folder, IMAGE_FOLDERS) or [folder])[0]
            mask_base = (named(listing, folder, MASK_FOLDERS) or [""])[0]
            masks = listing.images_in(mask_base) if mask_base else []
            pairs, found = pair(images, masks, image_base=image_base, mask_base=mask_base)
            problems += found
            records += [
                replace(class_record(listing, image, last(folder), split), target=(Source(listing.path(mask)),))
                for image, mask in pairs
            ]
    return Index(listing.root, NAME, "classify" if classify else "segment", tuple(records), problems=tuple(problems))
