"""Images and their masks in one folder, told apart by a word in the name: ``a.tif`` beside ``a_mask.png``.

The folder may be the root or any below it: of a split, a patient, a sample, a class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lamelle.data.layouts import cellpose
from lamelle.data.layouts.common import Layout, LayoutMatch, LayoutOptions, label_target, lacks
from lamelle.data.layouts.folder_pairs import MasksBeside, places, together
from lamelle.data.layouts.listing import FileEntry, Listing
from lamelle.data.layouts.named_masks import by_names, masks_by_name
from lamelle.data.layouts.pairing import MaskedImage, unused
from lamelle.data.layouts.stack_pair import stack_pairs
from lamelle.data.layouts.volumes import has_series, is_volume, pair_records
from lamelle.types import Index, LabelImage, ObjectMasks, Problem, Record, Source

NAME = "suffix_pairs"


def match(listing: Listing, options: LayoutOptions) -> LayoutMatch:
    """At least one image with its mask beside it; less sure beside a table, which may say what is meant."""
    if by_names(options):
        return LayoutMatch(1.0) if masks_by_name(listing, options).pairs else lacks(0.1, "masks_beside")
    folders, rest = _folders(listing)
    if places(listing, options) or stack_pairs(listing) or not folders:
        return lacks(0.1, "masks_beside")
    few = len(rest) > sum(len(b.images) for b in folders)
    return LayoutMatch(0.8 if few else 0.9 if listing.tables else 1.0)


def read(listing: Listing, options: LayoutOptions) -> Index:
    """Each image with its mask; volumes as slices or whole."""
    records: list[Record] = []
    problems: list[Problem] = []
    of: list[tuple[str | None, str | None, Sequence[MaskedImage]]] = []
    if by_names(options):
        named = masks_by_name(listing, options)
        problems += named.problems
        rest = list(named.rest)
        of.append((None, None, named.pairs))
    else:
        folders, rest = _folders(listing)
        for folder in folders:
            pairs, wrong = folder.pairs()
            problems += wrong
            of.append((folder.split, folder.stratum, pairs))
    for split, stratum, pairs in of:
        for one in pairs:
            made, wrong = _records(listing, one, options, split)
            records += [replace(r, stratum=stratum) for r in made]
            problems += wrong
    problems += unused(rest, "layouts.not_used", "warning")
    return Index(listing.root, NAME, tuple(records), problems=tuple(problems))


def _records(
    listing: Listing, one: MaskedImage, options: LayoutOptions, split: str | None
) -> tuple[list[Record], list[Problem]]:
    """The records of an image and its masks."""
    group = one.image.id if is_volume(listing, one.image) else None
    made, wrong = pair_records(listing, one.image, one.masks[0], dims=options.dims or 3, split=split, group=group)
    if len(one.masks) > 1:
        made = [replace(r, target=label_target([Source(listing.path(mask)) for mask in one.masks])) for r in made]
    return made, wrong


def _folders(listing: Listing) -> tuple[list[MasksBeside], list[FileEntry]]:
    if has_series(listing):
        return [], list(listing.images)  # volume pairs
    return together(listing, lambda e: not e.volume and not cellpose.holds_objects(e))


LAYOUT = Layout(name=NAME, yields=(LabelImage, ObjectMasks), match=match, read=read)
