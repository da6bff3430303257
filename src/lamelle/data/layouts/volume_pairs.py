"""Volumes and their label volumes: ``images/`` + ``labels/``, or ``a.nii.gz`` beside ``a_seg.nii.gz``."""

from __future__ import annotations

from lamelle.data.layouts.common import LayoutOptions, Match, bare, bases, inner_split, lacks, pair
from lamelle.data.layouts.image_mask_folders import folder_pairs, mask_base_problems, without_pair
from lamelle.data.layouts.listing import VOLUME_SUFFIXES, Entry, Listing
from lamelle.data.layouts.volumes import is_volume, pair_records
from lamelle.types import Index, Problem, Record

NAME = "volume_pairs"
TASKS = ("segment",)


def match(listing: Listing, options: LayoutOptions) -> Match:
    """The two folders with volumes inside, or volumes beside their labels."""
    if _beside(listing):
        return Match(1.0)
    found = folder_pairs(listing)
    if found and is_volume(listing, listing.images_below(found[0][1])[0]):
        return Match(1.0)
    if any(e.suffix in VOLUME_SUFFIXES for e in listing.images):
        return lacks(0.45, "label_volumes")
    return lacks(0.3, "volumes") if found else Match(0.1, without_pair(listing).missing)


def read(listing: Listing, options: LayoutOptions) -> Index:
    """One record per volume (its own group), or per slice where 2 dimensions are asked for."""
    pairs: list[tuple[Entry, Entry, str | None]] = []
    problems: list[Problem] = []
    beside = _beside(listing)
    for images, masks, split in beside:
        found, wrong = pair(images, masks, image_base="", mask_base="")
        problems += wrong
        pairs += [(image, mask, split) for image, mask in found]
    for split, images, masks in folder_pairs(listing) if not beside else []:
        problems += mask_base_problems(masks)
        found, wrong = pair(
            listing.images_below(images), listing.images_below(masks[0]), image_base=images, mask_base=masks[0]
        )
        problems += wrong
        pairs += [(image, mask, split or inner_split(image, images)) for image, mask in found]
    records: list[Record] = []
    for image, mask, split in pairs:
        made, wrong = pair_records(listing, image, mask, dims=options.dims or 3, split=split, group=image.id)
        records += made
        problems += wrong
    return Index(listing.root, NAME, "segment", tuple(records), problems=tuple(problems))


def _beside(listing: Listing) -> list[tuple[list[Entry], list[Entry], str | None]]:
    """(volumes, labels, split) of each folder where some label's name is a volume's with an ending.

    Looked for directly in the root, or below each split, and one folder deeper (one folder per case).
    """
    found = []
    for split, base in bases(listing):
        for folder in (base, *listing.subfolders(base)):
            volumes = [e for e in listing.images_in(folder) if e.suffix in VOLUME_SUFFIXES]
            stems = {e.stem for e in volumes}
            labels = [e for e in volumes if bare(e.stem) != e.stem and bare(e.stem) in stems]
            if labels:
                orphans = [e for e in volumes if bare(e.stem) != e.stem and bare(e.stem) not in stems]
                images = [e for e in volumes if e not in labels and e not in orphans]
                found.append((images, [*labels, *orphans], split))
    return found
