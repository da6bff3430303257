"""One folder per class with ``images/`` and ``masks/`` inside; the class is what a split keeps in proportion."""

from __future__ import annotations

from dataclasses import replace

from lamelle.data.layouts.class_folders import class_folders, class_record, images_of
from lamelle.data.layouts.common import Layout, LayoutMatch, LayoutOptions, bases, label_target, lacks, last, left_over
from lamelle.data.layouts.folder_pairs import kind_of, places
from lamelle.data.layouts.listing import Listing
from lamelle.types import ClassNames, Index, LabelImage, ObjectMasks, Problem, Record, Source

NAME = "class_mask_folders"


def match(listing: Listing, options: LayoutOptions) -> LayoutMatch:
    """Class folders with images and masks, most of them with several images."""
    folders = [f for _, base in bases(listing) for f in class_folders(listing, base)]
    pairs = places(listing, options)
    both = {p.parent for p in pairs}.intersection(folders)
    if not both:
        return lacks(0.2 if any(images_of(listing, f) for f in folders) else 0.1, "class_masks")
    if len(both) * 2 < len(folders):
        return lacks(0.3, "filled_pairs", filled=len(both), folders=len(folders))
    return LayoutMatch(1.0) if kind_of(listing, pairs) == "classes" else lacks(0.3, "class_masks")


def read(listing: Listing, options: LayoutOptions) -> Index:
    """Images with their masks, or with their classes where the task is to classify."""
    classify = options.of_classes
    by_parent = {p.parent: p for p in places(listing, options)}
    records: list[Record] = []
    problems: list[Problem] = []
    for split, base in bases(listing):
        for folder in class_folders(listing, base):
            place = by_parent.get(folder)
            images = place.images_of(listing) if place else images_of(listing, folder)
            if not images:
                problems.append(Problem("layouts.empty_class", folder, "error"))
                continue
            if classify:
                records += [class_record(listing, e, last(folder), split) for e in images]
                continue
            if place is None:
                problems += [Problem("layouts.missing_mask", e.rel, "error") for e in images]
                continue
            pairs, wrong = place.pairs(listing)
            problems += wrong
            for one in pairs:
                target = label_target([Source(listing.path(mask)) for mask in one.masks])
                records.append(replace(class_record(listing, one.image, last(folder), split), target=target))
    problems += left_over(listing, records, problems)
    return Index(listing.root, NAME, tuple(records), problems=tuple(problems))


LAYOUT = Layout(name=NAME, yields=(LabelImage, ObjectMasks, ClassNames), match=match, read=read, two_folders=True)
