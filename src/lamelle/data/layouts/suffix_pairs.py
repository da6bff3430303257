"""Images and their masks in one folder, told apart by the end of the name: ``a.tif`` beside ``a_mask.png``."""

from __future__ import annotations

from lamelle.data.layouts import cellpose
from lamelle.data.layouts.common import LayoutOptions, Match, bare, bases, lacks, pair
from lamelle.data.layouts.listing import VOLUME_SUFFIXES, Entry, Listing, same_form
from lamelle.data.layouts.stack_pair import stack_pairs
from lamelle.data.layouts.volumes import is_volume, pair_records
from lamelle.types import Index, Problem, Record

NAME = "suffix_pairs"
TASKS = ("segment",)


def match(listing: Listing, options: LayoutOptions) -> Match:
    """At least one image with its mask beside it; less sure beside a table, which may say what is meant."""
    if stack_pairs(listing) or not any(masks for _, _, masks in _folders(listing)):
        return lacks(0.1, "masks_beside")
    return Match(0.9 if listing.tables else 1.0)


def read(listing: Listing, options: LayoutOptions) -> Index:
    """Each image with its mask; volumes as slices or whole."""
    records: list[Record] = []
    problems: list[Problem] = []
    for split, images, masks in _folders(listing):
        pairs, wrong = pair(images, masks, image_base="", mask_base="")
        problems += wrong
        for image, mask in pairs:
            group = image.id if is_volume(listing, image) else None
            made, wrong = pair_records(listing, image, mask, dims=options.dims or 3, split=split, group=group)
            records += made
            problems += wrong
    return Index(listing.root, NAME, "segment", tuple(records), problems=tuple(problems))


def _folders(listing: Listing) -> list[tuple[str | None, list[Entry], list[Entry]]]:
    """(split, images, masks) of the root, or of each of train/, val/, test/.

    A mask is what is named as another file with an ending; an ending without such a file is a mask without image
    where the others have theirs.
    """
    found = []
    for split, base in bases(listing):
        entries = [e for e in listing.images_in(base) if e.suffix not in VOLUME_SUFFIXES]
        stems = {same_form(e.stem) for e in entries}
        ending = [e for e in entries if bare(e.stem) != e.stem and not cellpose.holds_objects(e)]
        if not any(same_form(bare(e.stem)) in stems for e in ending):
            ending = []
        masks = {e.rel for e in ending}
        found.append((split, [e for e in entries if e.rel not in masks], ending))
    return found
