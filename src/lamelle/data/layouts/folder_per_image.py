"""One folder per image with one mask per object: ``ID/images/ID.png`` and ``ID/masks/*.png``."""

from __future__ import annotations

from lamelle.data.layouts.class_folders import class_folders
from lamelle.data.layouts.common import Layout, LayoutMatch, LayoutOptions, bases, lacks, last, left_over, named
from lamelle.data.layouts.folder_pairs import kind_of, places
from lamelle.data.layouts.listing import Listing
from lamelle.data.layouts.pairing import names_of
from lamelle.data.layouts.words import holds
from lamelle.types import Index, ObjectMasks, Problem, Record, Source

NAME = "folder_per_image"


def match(listing: Listing, options: LayoutOptions) -> LayoutMatch:
    """Folders with images and masks, most of them with a single image, and masks that are none of the whole image."""
    folders = [f for _, base in bases(listing) for f in class_folders(listing, base)]
    pairs = places(listing, options)
    both = {p.parent for p in pairs}.intersection(folders)
    if not both:
        return lacks(0.1, "image_folders")
    if len(both) * 2 < len(folders):
        return lacks(0.3, "filled_pairs", filled=len(both), folders=len(folders))
    return LayoutMatch(1.0) if kind_of(listing, pairs) == "objects" else lacks(0.3, "single_images")


def read(listing: Listing, options: LayoutOptions) -> Index:
    """Each image with one source per object."""
    records: list[Record] = []
    problems: list[Problem] = []
    for split, base in bases(listing):
        for folder in class_folders(listing, base):
            images = [e for f in named(listing, folder, "image") for e in listing.images_in(f)]
            images = images or listing.images_in(folder)
            masks = [e for f in named(listing, folder, "mask") for e in listing.images_in(f)]
            if len(images) != 1:
                values = {"count": len(images), "names": names_of(images)}
                problems.append(Problem("layouts.one_image_each", folder, "error", values))
                continue
            if not masks and not any(holds(last(f)) == "mask" for f in listing.subfolders(folder)):
                problems.append(Problem("layouts.no_objects", images[0].rel, "error", {"folder": last(folder)}))
                continue
            target = ObjectMasks(tuple(Source(listing.path(m)) for m in masks))  # an empty folder: there is no object
            records.append(Record(images[0].id, Source(listing.path(images[0])), target, split=split))
    problems += left_over(listing, records, problems)
    return Index(listing.root, NAME, tuple(records), problems=tuple(problems))


LAYOUT = Layout(name=NAME, yields=(ObjectMasks,), match=match, read=read, two_folders=True)
