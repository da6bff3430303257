"""Volumes and their label volumes: ``images/`` + ``labels/``, or ``a.nii.gz`` beside ``a_seg.nii.gz``."""

from __future__ import annotations

import re

from lamelle.data.layouts.common import Layout, LayoutMatch, LayoutOptions, lacks
from lamelle.data.layouts.folder_pairs import MasksBeside, kind_of, places, splits_of, together
from lamelle.data.layouts.image_mask_folders import inner_split, left_over, without_pair
from lamelle.data.layouts.listing import FileEntry, Listing
from lamelle.data.layouts.pairing import MaskedImage, names_of, unused
from lamelle.data.layouts.volumes import has_series, is_volume, pair_records
from lamelle.data.layouts.words import file_name
from lamelle.errors import setting
from lamelle.types import Index, LabelImage, Problem, Record

NAME = "volume_pairs"


def match(listing: Listing, options: LayoutOptions) -> LayoutMatch:
    """The two folders with volumes inside, or volumes beside their labels."""
    folders = [] if _is_nnunet(listing) else places(listing, options)
    if not folders and _beside(listing)[0]:
        return LayoutMatch(1.0)
    if folders and (images := folders[0].images_of(listing)) and is_volume(listing, images[0]):
        return LayoutMatch(1.0) if kind_of(listing, folders) != "classes" else lacks(0.3, "volumes")
    if channels := _channels(listing):
        mask, images = channels
        words = [re.split(r"[-_. ]+", e.stem)[-1] for e in images]
        keys = " / ".join(setting("data.images", w) for w in dict.fromkeys(words))
        return lacks(0.48, "one_channel", names=names_of(images), mask=mask.name, keys=keys)
    if any(e.volume or e.dicom_series for e in listing.images):
        return lacks(0.45, "label_volumes")
    return lacks(0.3, "volumes") if folders else LayoutMatch(0.1, without_pair(listing).missing)


def read(listing: Listing, options: LayoutOptions) -> Index:
    """One record per volume (its own group), or per slice where 2 dimensions are asked for."""
    pairs_read, problems = pairs(listing, options)
    records: list[Record] = []
    for one, split in pairs_read:
        made, wrong = pair_records(
            listing, one.image, one.masks[0], dims=options.dims or 3, split=split, group=one.image.id
        )
        records += made
        problems += wrong
    return Index(listing.root, NAME, tuple(records), problems=tuple(problems))


def pairs(listing: Listing, options: LayoutOptions) -> tuple[list[tuple[MaskedImage, str | None]], list[Problem]]:
    """Volumes with their label volumes, and the split that the folders around them name."""
    paired: list[tuple[MaskedImage, str | None]] = []
    problems: list[Problem] = []
    pair_folders = places(listing, options)
    for place, split in zip(pair_folders, splits_of(listing, pair_folders), strict=True):
        made, wrong = place.pairs(listing)
        problems += wrong
        paired += [(one, split or inner_split(one.image, place.images)) for one in made]
    if pair_folders:
        problems += left_over(listing, pair_folders)
    else:
        folders, rest = _beside(listing)
        for folder in folders:
            made, wrong = folder.pairs()
            problems += wrong
            paired += [(one, folder.split) for one in made]
        problems += unused(rest, "layouts.not_used", "warning")
    return paired, problems


def _is_nnunet(listing: Listing) -> bool:
    """Whether nnU-Net's dataset.json says what is in imagesTr/ and labelsTr/."""
    return any(e.rel == "dataset.json" for e in listing.entries) and bool(listing.images_below("imagesTr"))


def _beside(listing: Listing) -> tuple[list[MasksBeside], list[FileEntry]]:
    """Folders where some label volume's name is that of a volume with an ending."""
    whole = has_series(listing)
    return together(listing, lambda e: whole or e.volume)


def _channels(listing: Listing) -> tuple[FileEntry, list[FileEntry]] | None:
    """A label volume with several volumes that begin like it: one file for each channel of a case."""
    for entry in listing.images:
        name = file_name(entry.stem)
        if name.role == "mask" and entry.volume:
            others = [e for e in listing.images_in(entry.folder) if e != entry and e.stem.startswith(name.keys[-1])]
            if len(others) > 1 and name.keys[-1]:
                return entry, others
    return None


LAYOUT = Layout(name=NAME, yields=(LabelImage,), match=match, read=read, two_folders=True)
