"""A folder of images and a folder of masks beside it, paired by name: ``images/a1.png`` and ``masks/a1.png``.

The two may lie in the folder itself or deeper: below train/ and test/, below each patient, sample or day.
"""

from __future__ import annotations

from lamelle.data.layouts.common import Layout, LayoutMatch, LayoutOptions, bases, label_target, lacks, last, named
from lamelle.data.layouts.folder_pairs import Place, kind_of, places, splits_of
from lamelle.data.layouts.listing import FileEntry, Listing
from lamelle.data.layouts.pairing import inner_folder, unused
from lamelle.data.layouts.volumes import is_volume
from lamelle.data.layouts.words import folder_name, holds, split_of
from lamelle.errors import printable, setting
from lamelle.types import Index, LabelImage, ObjectMasks, Problem, Record, Source

NAME = "image_mask_folders"


def match(listing: Listing, options: LayoutOptions) -> LayoutMatch:
    """Folders of images beside folders of masks that hold planes; volumes are another layout."""
    pairs = places(listing, options)
    if not pairs:
        return without_pair(listing)
    if kind_of(listing, pairs) != "plain":
        return lacks(0.4, "plain_folders")
    images = [e for p in pairs for e in p.images_of(listing)]
    if is_volume(listing, images[0]):
        return lacks(0.4, "planes")
    labels = {e for p in pairs for e in p.labels_of(listing)}
    rest = [e for e in _rest(listing, pairs) if e not in labels and not _among_masks(e)]
    if len(rest) >= len(images) and not options.masks:
        keys = f"{setting('data.images', last(pairs[0].images))} {setting('data.masks', last(pairs[0].masks[0]))}"
        return lacks(0.45, "half", rest=len(rest), count=len(images), keys=keys)
    return LayoutMatch(1.0)


def without_pair(listing: Listing) -> LayoutMatch:
    """Which of the two folders is missing."""
    for base in ("", *(folder for _, folder in bases(listing))):
        if named(listing, base, "mask"):
            masks = last(named(listing, base, "mask")[0])
            return lacks(0.47, "image_folder", masks=printable(masks), key=setting("data.masks", masks))
        if named(listing, base, "image"):
            others = [last(f) for f in listing.subfolders(base) if listing.images_below(f) and not holds(last(f))]
            return lacks(0.47 if others else 0.4, "mask_folder", masks=setting("data.masks", (others or ["FOLDER"])[0]))
    return lacks(0.1, "both_folders")


def read(listing: Listing, options: LayoutOptions) -> Index:
    """Each image with its mask; several masks of one image are taken together."""
    records: list[Record] = []
    problems: list[Problem] = []
    places_read = places(listing, options)
    for place, split in zip(places_read, splits_of(listing, places_read), strict=True):
        pairs, wrong = place.pairs(listing)
        problems += wrong
        for one in pairs:
            target = label_target([Source(listing.path(mask)) for mask in one.masks])
            own = split or inner_split(one.image, place.images)
            records.append(Record(one.image.id, Source(listing.path(one.image)), target, split=own))
    problems += left_over(listing, places_read)
    return Index(listing.root, NAME, tuple(records), problems=tuple(problems))


def left_over(listing: Listing, pairs: list[Place]) -> list[Problem]:
    """A warning per folder of images that belong to no place; those of a place are paired, or errors."""
    rest = _rest(listing, pairs)
    labels = {e for p in pairs for e in p.labels_of(listing)}
    masks = [e for e in rest if e in labels or _among_masks(e)]
    images = [e for e in rest if e not in masks]
    return unused(images, "layouts.not_used", "warning") + unused(masks, "layouts.masks_not_used", "note")


def _rest(listing: Listing, pairs: list[Place]) -> list[FileEntry]:
    seen = {e for p in pairs for e in (*p.images_of(listing), *(m for f in p.masks for m in listing.images_below(f)))}
    return [e for e in listing.images if e not in seen]


def _among_masks(entry: FileEntry) -> bool:
    return folder_name(last(entry.folder)).role == "mask"


def inner_split(entry: FileEntry, base: str) -> str | None:
    """The split that a folder inside ``base`` names, as in ``images/train/a.png``."""
    return split_of(inner_folder(entry, base).partition("/")[0])


LAYOUT = Layout(name=NAME, yields=(LabelImage, ObjectMasks), match=match, read=read, two_folders=True)
