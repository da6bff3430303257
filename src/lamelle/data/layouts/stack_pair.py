"""Stacks and their label stacks side by side: ``train-volume.tif`` and ``train-labels.tif``, or folders of slices.

A folder counts as a stack where the ``series.json`` of a conversion says so: ``images/`` beside ``labels/``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lamelle.data.layouts.common import Layout, LayoutMatch, LayoutOptions, bases, lacks, left_over
from lamelle.data.layouts.listing import FileEntry, Listing
from lamelle.data.layouts.pairing import names_of
from lamelle.data.layouts.volumes import is_volume, pair_records
from lamelle.data.layouts.words import SPLIT_NAMES, STACKS, kind
from lamelle.io.formats import tiff
from lamelle.types import Index, LabelImage, Problem, Record

NAME = "stack_pair"
_BETWEEN = re.compile(r"[-_. ]+")
Key = tuple[str, tuple[str, ...]]


def match(listing: Listing, options: LayoutOptions) -> LayoutMatch:
    """At least one pair of stacks with names that say which is which."""
    pairs = stack_pairs(listing)
    if pairs:
        return LayoutMatch(1.0)
    images, labels = _by_key(_stacks(listing))
    both = [image[0] for key, image in images.items() if key in labels]
    if both:
        return lacks(0.4, "stacks")
    stacks = [e for group in (*images.values(), *labels.values()) for e in group if is_volume(listing, e)]
    return lacks(0.45, "label_stack", names=names_of(stacks)) if stacks else lacks(0.05, "any_stack")


def read(listing: Listing, options: LayoutOptions) -> Index:
    """One record per slice, without a group; the column ``volume`` says which belong together."""
    records: list[Record] = []
    problems: list[Problem] = []
    pairs = stack_pairs(listing)
    splits = [_split(listing, image) for image, _ in pairs]
    for (image, label), split in zip(pairs, splits, strict=True):
        made, wrong = pair_records(
            listing,
            image,
            label,
            dims=options.dims or 2,
            split=split if len(set(splits)) > 1 else None,
            group=image.id if options.dims == 3 else None,
        )
        records += made
        problems += wrong
    problems += _leftovers(listing)
    problems += left_over(listing, records, problems)
    return Index(listing.root, NAME, tuple(records), problems=tuple(problems))


def stack_pairs(listing: Listing) -> list[tuple[FileEntry, FileEntry]]:
    """Pairs (volume, labels) of multi-page TIFFs or folders of slices."""
    images, labels = _by_key(_stacks(listing))
    pairs = [(group[0], labels[key][0]) for key, group in images.items() if key in labels]
    if listing.only:
        pairs = [p for p in pairs if listing.only in (p[0].name, p[1].name)]
    return [p for p in pairs if is_volume(listing, p[0])]


def label_stacks(listing: Listing) -> list[FileEntry]:
    """TIFFs that are the labels of another one, as their names say: ``train-labels.tif`` beside ``train-volume.tif``.

    Example:
        >>> from pathlib import Path
        >>> names = ("test-volume.tif", "train-labels.tif", "train-volume.tif")
        >>> [e.name for e in label_stacks(Listing(Path(), tuple(FileEntry("", n) for n in names), ()))]
        ['train-labels.tif']
    """
    images, labels = _by_key([e for e in listing.images if _may_be_stack(e)])
    return [e for key, group in labels.items() if key in images for e in group]


def _may_be_stack(entry: FileEntry) -> bool:
    return (entry.series and not entry.dicom_series) or entry.format is tiff.FORMAT


def _by_key(stacks: Sequence[FileEntry]) -> tuple[dict[Key, list[FileEntry]], dict[Key, list[FileEntry]]]:
    """Images and labels by what is left of their names without the words that say which they are."""
    images: dict[Key, list[FileEntry]] = {}
    labels: dict[Key, list[FileEntry]] = {}
    for entry in stacks:
        words = _BETWEEN.split(entry.stem.lower())
        kinds = ["image" if w in STACKS else kind(w) for w in words]
        rest = tuple(w for w, k in zip(words, kinds, strict=True) if k not in ("image", "mask"))
        ends_as_mask = words[-1] in ("masks", "mask") and "image" not in kinds
        if ends_as_mask and len(words) > 1 and words[0] not in SPLIT_NAMES:
            continue  # a_masks.tif beside a.tif counts objects: Cellpose's way
        group = labels if "mask" in kinds else images
        group.setdefault((entry.folder, rest), []).append(entry)
    return images, labels


def _stacks(listing: Listing) -> list[FileEntry]:
    return [e for _, base in bases(listing) for e in listing.images_in(base) if _may_be_stack(e)]


def _split(listing: Listing, image: FileEntry) -> str | None:
    """The split that the name or the folder speaks of."""
    words = (*image.folder.lower().split("/"), *_BETWEEN.split(image.stem.lower()))
    return next((SPLIT_NAMES[w] for w in words if w in SPLIT_NAMES), None)


def _leftovers(listing: Listing) -> list[Problem]:
    """Volumes without labels are noted, labels without a volume and doubtful names are errors."""
    images, labels = _by_key(_stacks(listing))
    if listing.only:
        return []
    problems = []
    for key, group in images.items():
        if key not in labels:
            problems += [Problem("layouts.unlabelled_volume", e.rel, "note") for e in group]
        elif len(group) > 1:
            problems.append(Problem("layouts.two_volumes", group[0].rel, "error", {"others": names_of(group[1:])}))
    for key, group in labels.items():
        if key not in images:
            problems += [Problem("layouts.orphan_mask", e.rel, "error") for e in group]
        elif len(group) > 1:
            problems.append(Problem("layouts.two_masks", images[key][0].rel, "error", {"masks": names_of(group)}))
    return problems


LAYOUT = Layout(name=NAME, yields=(LabelImage,), match=match, read=read, of_one_file=True, own_columns=True)
