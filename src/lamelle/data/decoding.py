"""From the user's files to arrays for the store: whole, plane by plane, merged from objects, or left where they lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from lamelle.data.store_entries import Pixels, StoreEntry, mapped_entry
from lamelle.errors import DataError, FileError
from lamelle.io.common import ReadOptions
from lamelle.types import Image, Problem, Source

if TYPE_CHECKING:
    from lamelle.io.common import Header

STREAMED = 32 << 20
"""Bytes of pixels above which a stack is decoded plane by plane."""

_SMALL = 64 << 10
"""Bytes of pixels below which a file is copied even if its pixels lie raw in it."""


def plane_of(source: Source, depth: int) -> int:
    """The index of a source in a stack of ``depth`` planes.

    Raises:
        FileError: If there is no such plane.
    """
    index = source.index or 0
    if not 0 <= index < depth:
        raise FileError("audit.no_plane", source.path, index=index, depth=depth)
    return index


def planes_of(source: Source, depth: int) -> int | slice:
    """The index or the span of a source in a stack of ``depth`` planes.

    Raises:
        FileError: If there is no such plane.
    """
    if source.span is None:
        return plane_of(source, depth)
    first, stop = source.span
    if not 0 <= first < stop <= depth:
        raise FileError("audit.no_plane", source.path, index=max(first, stop - 1), depth=depth)
    return slice(first, stop)


def in_place(kind: object, source: Source) -> StoreEntry | None:
    """The user's own file as an entry, if its pixels lie raw in it.

    Args:
        kind: ``image`` or ``labels``; anything else never lies in place.

    Raises:
        FileError: If the file cannot be read.
    """
    from lamelle.io import images

    if kind not in ("image", "labels") or not source.path.is_file() or source.path.stat().st_size < _SMALL:
        return None
    header = images.stored_header(source.path, ReadOptions(source.key, kind == "labels", source.axes))
    if not images.format_called(header.format).in_place or not _SMALL <= header.nbytes <= source.path.stat().st_size:
        return None  # never raw, small, or compressed
    image = images.read(source.path, key=source.key, axes=source.axes) if kind == "image" else _labels(source)
    return mapped_entry(image, image.array, header.format)


def image_pixels(source: Source) -> Pixels:
    """An image ``[C, (Z,) Y, X]``.

    Raises:
        FileError: If the file cannot be read.
    """
    from lamelle.io import images

    header = images.header(source.path, key=source.key, axes=source.axes)
    if len(header.shape) == 4 and header.nbytes > STREAMED:
        return _streamed(source, header, labels=False)
    return Pixels.of(images.read(source.path, key=source.key, axes=source.axes), format=header.format)


def label_pixels(source: Source) -> Pixels:
    """Label values ``[(Z,) Y, X]``.

    Raises:
        FileError: If the file cannot be read or cannot hold labels.
    """
    from lamelle.io import images

    if source.path.is_dir() or source.path.stat().st_size > STREAMED // 512:
        header = images.stored_header(source.path, ReadOptions(source.key, labels=True))
        stack = len(header.shape) == 4 and header.shape[0] == 1 and header.nbytes > STREAMED
        if stack and source.directions is None and header.dtype is not None and header.dtype.kind in "ui":
            return _streamed(source, header, labels=True)
    return Pixels.of(_labels(source))


def blank_pixels(source: Source) -> Pixels:
    """Labels uint8 ``[(Z,) Y, X]`` of an image without any object: 0 everywhere.

    Raises:
        FileError: If the image's header cannot be read.
    """
    from lamelle.io import images

    return Pixels.whole(np.zeros(images.header(source.path, key=source.key, axes=source.axes).shape[1:], np.uint8))


def object_pixels(sources: Sequence[Source], *, objects: bool) -> Pixels:
    """Instances uint32 ``[(Z,) Y, X]`` from one mask per object, or their union.

    A single file with more than two values counts its objects itself. A union has the value that all its masks have
    (255, mostly), as the single masks of other images do; 1 where they have several.

    Raises:
        FileError: If a file cannot be read.
        DataError: If the masks differ in size.
    """
    masks = _Masks(sources)
    problems: list[Problem] = []
    if len(sources) == 1:
        instances = masks[0]
        if len(np.unique(instances)) <= 2:
            instances = instances > 0
    else:
        instances, overlaps = merge_objects(masks)
        hidden = len(sources) - int(np.count_nonzero(np.bincount(instances.reshape(-1))[1:]))
        if overlaps:
            problems.append(Problem("audit.objects_overlap", "", "note", {"pixels": overlaps}))
        if hidden:
            problems.append(Problem("audit.objects_empty", "", "warning", {"count": hidden}))
    array = instances.astype(np.uint32) if objects else np.where(instances > 0, *_one_value(masks))
    return Pixels.whole(array, problems=tuple(problems))


def merge_objects(masks: Sequence[np.ndarray]) -> tuple[np.ndarray, int]:
    """Instances uint32 [(Z,) Y, X] from one mask [(Z,) Y, X] per object; the first is 1.

    Returns:
        The instances, and the number of pixels claimed by a later object after an earlier one: the later keeps them.

    Raises:
        DataError: If the masks differ in size; both sizes are named.
        ValueError: If there are no masks, since their size is then unknown.

    Example:
        >>> instances, overlaps = merge_objects([np.array([[1, 1, 0]]), np.array([[0, 9, 9]])])
        >>> instances, overlaps
        (array([[1, 2, 2]], dtype=uint32), 1)
    """
    if not masks:
        raise ValueError("no masks: the size of the image is unknown")
    instances = np.zeros(masks[0].shape, np.uint32)
    overlaps = 0
    for number, mask in enumerate(masks, start=1):
        if mask.shape != instances.shape:
            sizes = {"number": number, "size": _size(mask), "first": _size(instances)}
            raise DataError([Problem("layouts.object_size", "", "error", sizes)])
        inside = mask > 0
        overlaps += int(np.count_nonzero(instances[inside]))
        instances[inside] = number
    return instances, overlaps


def _size(array: np.ndarray) -> str:
    return " × ".join(str(n) for n in array.shape)


def _one_value(masks: Sequence[np.ndarray]) -> tuple[np.generic, np.generic]:
    """The value above 0 that masks share, or 1; and 0 of the same type."""
    values = {int(v) for mask in masks for v in np.unique(mask) if v > 0}
    value = values.pop() if len(values) == 1 else 1
    kind = np.min_scalar_type(value).type
    return kind(value), kind(0)


def _labels(source: Source) -> Image:
    """Labels as read, or turned as the image does to which they belong."""
    from lamelle.io import images
    from lamelle.io.geometry import own_turn, turn_of

    image = images.read_labels(source.path, key=source.key)
    if source.directions is None:
        return image
    dims = image.array.ndim
    stored = own_turn(image.geometry).undo(image.array, dims=dims)
    return replace(image, array=turn_of(source.directions, stored.shape[::-1]).apply(stored, dims=dims), geometry=None)


def _streamed(source: Source, header: Header, *, labels: bool) -> Pixels:
    """A stack plane by plane, so that memory holds one plane."""
    from lamelle.io import images

    planes = images.planes(source.path, key=source.key, axes=source.axes, labels=labels)
    first = next(planes)
    channels, depth, *size = header.shape

    def pieces() -> Iterator[tuple[int, np.ndarray]]:
        read = 0
        for z, plane in enumerate(chain([first], planes)):
            read = z + 1
            if read > depth or plane.shape != (channels, *size):
                break
            for c, channel in enumerate(plane):
                yield (c * depth + z) * channel.size, channel
        if read != depth:
            raise FileError("audit.planes", source.path, planes=depth, found=read)

    stored = header.shape[1:] if labels else header.shape
    facts = (header.spacing, header.geometry, header.bits, header.format, header.problems)
    return Pixels(stored, first.dtype.newbyteorder("="), pieces(), *facts)


class _Masks(Sequence[np.ndarray]):
    """Label files, each decoded when it is asked for, so that memory holds one."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources

    def __len__(self) -> int:
        return len(self._sources)

    def __getitem__(self, number: Any) -> Any:
        source = self._sources[number]
        array = _labels(source).array
        if source.index is not None and array.ndim == 3:
            return array[plane_of(source, len(array))]
        return array
