"""Masks that no word tells, by their pixels: ``a_xyz.png`` beside ``a.png``, ``P0/liver.nii`` beside ``P0/CT.nii``."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np

from lamelle.data.layouts.listing import FileEntry, Listing, same_form
from lamelle.data.layouts.pairing import MaskedImage
from lamelle.data.layouts.words import file_name
from lamelle.errors import FileError
from lamelle.io.images import header, planes

_MAX_MASK_VALUES, _MIN_IMAGE_VALUES = 8, 16
"""Grey values up to which an image may be a mask, and from which it is none."""
_OPENED = 4
"""Pairs whose pixels are looked at."""
_MIN_PAIRS = 2
"""Pairs from which something is concluded."""
_MIN_SHARE = 0.5
"""Share of the images of a folder that have to have a file with one ending."""
_SIGN = re.compile(r"[-_. ]+")


def drawn_pairs(listing: Listing, files: Mapping[str, Sequence[FileEntry]]) -> dict[str, list[MaskedImage]]:
    """Images with their masks in folders where no word says which is which.

    Two rules, each of two pairs or more, and only where a few of the masks have up to 8 values and their images, of the
    same size, more than 16: in folders of two files, the same two names in each; or one ending behind the names of half
    of the images of a folder.

    Args:
        files: The files of each folder.

    Returns:
        The pairs of each such folder.
    """
    twos: dict[tuple[str, str], list[tuple[str, FileEntry, FileEntry]]] = defaultdict(list)
    ends: dict[str, list[tuple[str, FileEntry, FileEntry]]] = defaultdict(list)
    for folder, entries in files.items():
        if len(entries) == 2 and folder:
            first, second = entries
            twos[first.name, second.name].append((folder, first, second))
            twos[second.name, first.name].append((folder, second, first))
        for ending, matches in _by_ending(entries).items():
            ends[ending] += [(folder, image, mask) for image, mask in matches]
    taken: dict[str, list[MaskedImage]] = defaultdict(list)
    for _, matches in sorted([*twos.items(), *ends.items()], key=lambda item: -len(item[1])):
        new = [
            (f, image, mask) for f, image, mask in matches if not any(image in (p.image, *p.masks) for p in taken[f])
        ]
        if len(new) >= _MIN_PAIRS and are_masks(listing, [(image, mask) for _, image, mask in new]):
            for folder, image, mask in new:
                taken[folder].append(MaskedImage(image, (mask,)))
    return {folder: pairs for folder, pairs in taken.items() if pairs}


@dataclass(frozen=True, slots=True)
class Plane:
    """What was seen of a file: of a volume, its middle plane."""

    values: int
    """Different grey values, in the channel that has most; 0 where it cannot be read."""
    size: tuple[int, ...]


def look(listing: Listing, entry: FileEntry) -> Plane:
    """A plane of a file, by which a mask can be told from an image; each file is opened once."""
    path = listing.path(entry)
    try:
        return _looked(path, listing.axes, path.stat().st_mtime_ns)
    except OSError:
        return Plane(0, ())


@lru_cache(maxsize=4096)
def _looked(path: Path, axes: str | None, stamp: int) -> Plane:
    try:
        shape = header(path, axes=axes).shape
        depth = shape[1] if len(shape) == 4 else 1
        plane = next(islice(planes(path, axes=axes), depth // 2, None))
    except FileError:
        return Plane(0, ())
    return Plane(max(len(np.unique(channel)) for channel in plane), plane.shape[-2:])


def are_masks(listing: Listing, pairs: Sequence[tuple[FileEntry, FileEntry]]) -> bool:
    """Whether all second files look like masks of the first: a few values, in some more than one, and of their size.

    A few of the pairs are looked at.
    """
    looked = list(pairs[:: max(1, len(pairs) // _OPENED)])[:_OPENED]
    seen = [(look(listing, image), look(listing, mask)) for image, mask in looked]
    alike = all(
        0 < mask.values <= _MAX_MASK_VALUES and image.values > _MIN_IMAGE_VALUES and image.size == mask.size
        for image, mask in seen
    )
    return bool(seen) and alike and any(mask.values > 1 for _, mask in seen)


def _by_ending(entries: Sequence[FileEntry]) -> dict[str, list[tuple[FileEntry, FileEntry]]]:
    """Ending → image and mask, where the ending is behind the names of half of the images."""
    by_stem = {same_form(e.stem): e for e in entries}
    pairs_of: dict[str, list[tuple[FileEntry, FileEntry]]] = defaultdict(list)
    for entry in entries:
        stem = same_form(entry.stem)
        cuts = [(stem[: m.start()], stem[m.start() :]) for m in _SIGN.finditer(stem)]
        for base, ending in cuts:
            if base in by_stem and not any(map(str.isdecimal, ending)):
                pairs_of[ending].append((by_stem[base], entry))
    return {e: pairs for e, pairs in pairs_of.items() if len(pairs) >= max(1, _MIN_SHARE * (len(entries) - len(pairs)))}


def one_each(entries: Sequence[FileEntry]) -> list[MaskedImage]:
    """The images and masks of a folder where each mask's name, without its word, begins that of one image alone.

    A mask that is called nothing but a mask belongs to the only other file.

    Example:
        >>> pairs = one_each([FileEntry("P0", "CT.nii.gz"), FileEntry("P0", "segmentation.nii.gz")])
        >>> [(p.image.name, p.masks[0].name) for p in pairs]
        [('CT.nii.gz', 'segmentation.nii.gz')]
        >>> names = ("a_flair.png", "a_seg.png", "b_flair.png", "b_seg.png")
        >>> [p.image.name for p in one_each([FileEntry("", n) for n in names])]
        ['a_flair.png', 'b_flair.png']
    """
    called = {e: file_name(e.stem).keys[-1] for e in entries if file_name(e.stem).role == "mask"}
    others = [e for e in entries if e not in called]
    if not called or len(called) != len(others):
        return []
    begins: dict[str, list[FileEntry]] = defaultdict(list)
    for entry in others:
        for base in {"", *(entry.stem[: m.start()] for m in _SIGN.finditer(entry.stem))}:
            begins[same_form(base)].append(entry)
    images_of = {mask: begins[same_form(key)] for mask, key in called.items()}
    if any(len(images) != 1 for images in images_of.values()) or len({i for (i,) in images_of.values()}) < len(others):
        return []
    pairs = {images[0]: mask for mask, images in images_of.items()}
    return [MaskedImage(image, (pairs[image],)) for image in others]
