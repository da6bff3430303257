"""A folder of images and a folder of masks beside it, paired by name: ``images/a1.png`` and ``masks/a1.png``."""

from __future__ import annotations

from lamelle.data.layouts.common import (
    IMAGE_FOLDERS,
    MASK_FOLDERS,
    LayoutOptions,
    Match,
    bases,
    inner_split,
    lacks,
    named,
    names_of,
    pair,
)
from lamelle.data.layouts.listing import Listing
from lamelle.data.layouts.volumes import is_volume
from lamelle.types import Index, Problem, Record, Source

NAME = "image_mask_folders"
TASKS = ("segment",)


def match(listing: Listing, options: LayoutOptions) -> Match:
    """images/ and masks/ that hold planes; volumes are another layout."""
    found = folder_pairs(listing)
    if not found:
        return without_pair(listing)
    _, images, _ = found[0]
    if is_volume(listing, listing.images_below(images)[0]):
        return lacks(0.4, "planes")
    return Match(1.0)


def without_pair(listing: Listing) -> Match:
    """Which of the two folders is missing."""
    for base in ("", *(folder for _, folder in bases(listing))):
        if named(listing, base, IMAGE_FOLDERS):
            return lacks(0.4, "mask_folder")
        if named(listing, base, MASK_FOLDERS):
            return lacks(0.3, "image_folder")
    return lacks(0.1, "both_folders")


def read(listing: Listing, options: LayoutOptions) -> Index:
    """Each image with its mask."""
    records: list[Record] = []
    problems: list[Problem] = []
    for split, image_base, mask_bases in folder_pairs(listing):
        problems += mask_base_problems(mask_bases)
        pairs, found = pair(
            listing.images_below(image_base),
            listing.images_below(mask_bases[0]),
            image_base=image_base,
            mask_base=mask_bases[0],
        )
        problems += found
        records += [
            Record(
                image.id,
                Source(listing.path(image)),
                (Source(listing.path(mask)),),
                split=split or inner_split(image, image_base),
            )
            for image, mask in pairs
        ]
    return Index(listing.root, NAME, "segment", tuple(records), problems=tuple(problems))


def mask_base_problems(mask_bases: list[str]) -> list[Problem]:
    """An error where several folders could hold the masks."""
    if len(mask_bases) < 2:
        return []
    return [Problem("layouts.two_mask_folders", mask_bases[0], "error", {"others": names_of(mask_bases[1:])})]


def folder_pairs(listing: Listing) -> list[tuple[str | None, str, list[str]]]:
    """(split, images folder, mask folders) in the root, or else below train/, val/, test/."""
    for places in ([(None, "")], bases(listing)):
        found = [
            (split, images[0], masks)
            for split, base in places
            if (images := named(listing, base, IMAGE_FOLDERS)) and (masks := named(listing, base, MASK_FOLDERS))
        ]
        if found:
            return found
    return []
