"""Stacks and volumes as records: one per slice, or one for the whole."""

from __future__ import annotations

from pathlib import Path

from lamelle.data.layouts.listing import VOLUME_SUFFIXES, Entry, Listing
from lamelle.data.layouts.places import over
from lamelle.errors import FileError
from lamelle.io.common import Header
from lamelle.io.readers import header
from lamelle.types import Problem, Record, Source

_MAY_BE_STACK = (".tif", ".tiff", ".ome.tif", ".ome.tiff", ".npy", ".dcm")


def shape_of(path: Path) -> tuple[int, ...]:
    """Shape ((Z,) Y, X) from the header.

    Raises:
        FileError: If the header cannot be read.
    """
    return tuple(header(path).shape[1:])


def is_volume(listing: Listing, entry: Entry) -> bool:
    """Whether a file holds more than one plane; a file that cannot be read is left to the reader to report."""
    if entry.series or entry.suffix in VOLUME_SUFFIXES:
        return True
    if entry.suffix not in _MAY_BE_STACK:
        return False
    try:
        return len(shape_of(listing.path(entry))) == 3
    except FileError:
        return False


def pair_records(
    listing: Listing, image: Entry, label: Entry, *, dims: int, split: str | None, group: str | None
) -> tuple[list[Record], list[Problem]]:
    """Records of one image and its label image, compared by their headers.

    Returns:
        With ``dims`` 2 one record per slice, all with the column ``volume``; with 3, or for a plane, one record.
        An unreadable file or two shapes that differ give an error and no record.
    """
    problems: list[Problem] = []
    heads: list[Header] = []
    for entry in (image, label):
        try:
            heads.append(header(listing.path(entry)))
        except FileError as error:
            problems.append(error.problem)
    if problems:
        return [], problems
    size, labelled = tuple(heads[0].shape[1:]), over(*heads).size
    if size != labelled:
        values = {"label": label.id, "label_size": _size(labelled), "size": _size(size), "first": size[0]}
        return [], [Problem(mismatch(size, labelled) or "layouts.sizes_differ", image.rel, "error", values)]
    source, target = listing.path(image), listing.path(label)
    if dims == 3 or len(size) == 2:
        record = Record(
            image.id, Source(source), (Source(target),), group=group, split=split, columns={"volume": image.id}
        )
        return [record], []
    return slice_records(image.id, source, size[0], target=target, split=split), []


def slice_records(
    name: str, source: Path, depth: int, *, target: Path | None, split: str | None, key: str | None = None
) -> list[Record]:
    """One record per plane of a volume, named ``volume.tif#07``."""
    width = len(str(depth - 1))
    return [
        Record(
            f"{name}#{z:0{width}d}",
            Source(source, key, z),
            () if target is None else (Source(target, None, z),),
            split=split,
            position=z,
            columns={"volume": name},
        )
        for z in range(depth)
    ]


def mismatch(image: tuple[int, ...], labels: tuple[int, ...]) -> str | None:
    """The code of what is wrong where a plane of labels belongs to an image whose channels may be taken for slices.

    Example:
        >>> mismatch((2, 96, 96), (96, 96)), mismatch((2, 96, 96), (4, 96, 96))
        ('layouts.first_axis', None)
    """
    return "layouts.first_axis" if len(image) == 3 and image[1:] == labels else None


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(str(n) for n in shape)
