"""Stacks and volumes as records: one per slice, or one for the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lamelle.data.layouts.listing import FileEntry, Listing
from lamelle.data.layouts.mask_placement import over
from lamelle.errors import FileError
from lamelle.io.common import Header, ReadOptions
from lamelle.io.files import promised, suffix_of
from lamelle.io.formats import dicom_series
from lamelle.io.formats.table import FORMATS
from lamelle.io.images import stored_header
from lamelle.types import LabelImage, Problem, Record, Source


def shape_of(path: Path, *, axes: str | None) -> tuple[int, ...]:
    """Shape ((Z,) Y, X) from the header.

    Args:
        axes: What the user says the stored axes are.

    Raises:
        FileError: If the header cannot be read.
    """
    return tuple(stored_header(path, ReadOptions(axes=axes)).shape[1:])


def is_volume(listing: Listing, entry: FileEntry) -> bool:
    """Whether a file holds more than one plane; a file that cannot be read is left to the reader to report."""
    if entry.series or entry.volume:
        return True
    if entry.format is None or not entry.format.may_be_stack:
        return False
    try:
        return len(shape_of(listing.path(entry), axes=listing.axes)) == 3
    except FileError:
        return False


def are_slices(records: Sequence[Record]) -> bool:
    """Whether images are slices of volumes."""
    return any(record.image.index is not None for record in records)


def has_series(listing: Listing) -> bool:
    """Whether folders of it are read as volumes: DICOM series."""
    return any(e.dicom_series for e in listing.images)


def pair_records(
    listing: Listing, image: FileEntry, label: FileEntry, *, dims: int, split: str | None, group: str | None
) -> tuple[list[Record], list[Problem]]:
    """Records of one image and its label image, compared by their headers.

    Returns:
        With ``dims`` 2 one record per slice, all with the column ``volume``; with 3, or for a plane, one record.
        An unreadable file or two shapes that differ give an error and no record.
    """
    problems: list[Problem] = []
    heads: list[Header] = []
    for entry, wanted in ((image, ReadOptions(axes=listing.axes)), (label, ReadOptions(labels=True))):
        try:
            heads.append(stored_header(listing.path(entry), wanted))
            if not heads[-1].shape and entry.dicom_series and entry is label:
                problems.append(dicom_series.several(listing.path(entry)).problem)
        except FileError as error:
            problems.append(error.problem)
    if problems:
        return [], problems
    source, target = Source(listing.path(image)), listing.path(label)
    if not heads[0].shape and image.dicom_series:
        chosen, problem = _series_of(listing, image, label, heads)
        if chosen is None:
            return [], [problem]
        heads[0], source, problems = chosen[1], replace(source, key=chosen[0]), [problem]
    size, labelled = tuple(heads[0].shape[1:]), over(*heads).size
    if size != labelled:
        values = {"label": label.id, "label_size": _size(labelled), "size": _size(size), "first": size[0]}
        return [], [Problem(mismatch(size, labelled) or "layouts.sizes_differ", image.rel, "error", values)]
    if dims == 3 or len(size) == 2:
        record = Record(
            image.id, source, LabelImage(Source(target)), group=group, split=split, columns={"volume": image.id}
        )
        return [record], problems
    made = slice_records(image.id, source.path, size[0], target=target, split=split, key=source.key)
    return made, problems


def _series_of(
    listing: Listing, image: FileEntry, label: FileEntry, heads: Sequence[Header]
) -> tuple[tuple[str, Header] | None, Problem]:
    """Of several DICOM series in one folder the one on whose grid the labels lie, and what is to be said about it."""
    path, fitting = listing.path(image), []
    for key in heads[0].keys:
        try:
            head = stored_header(path, ReadOptions(key))
        except FileError:
            continue
        way = over(head, heads[1])
        if way.size == tuple(head.shape[1:]) and not (way.code and way.severity == "error"):
            fitting.append((key, head))
    values = {"label": label.id, "series": dicom_series.series_shown(path)}
    if len(fitting) != 1:
        return None, Problem("layouts.which_series", image.rel, "error", values)
    return fitting[0], Problem("layouts.series_taken", image.rel, "note", {**values, "key": fitting[0][0]})


def slice_records(
    name: str, source: Path, depth: int, *, target: Path | None, split: str | None, key: str | None = None
) -> list[Record]:
    """One record per plane of a volume, named ``volume.tif#07``."""
    width = len(str(depth - 1))
    return [
        Record(
            f"{name}#{z:0{width}d}",
            Source(source, key, z),
            None if target is None else LabelImage(Source(target, None, z)),
            split=split,
            position=z,
            columns={"volume": name},
        )
        for z in range(depth)
    ]


def of_one_slice(records: Sequence[Record]) -> tuple[Record, ...]:
    """Images with class names, volumes of a single slice among them as the plane that they are.

    Only formats of volumes are asked for it, since others hold planes as such.
    """
    return tuple(
        replace(r, image=replace(r.image, index=0)) if _is_volume_file(r.image) and _depth(r) == 1 else r
        for r in records
    )


def _is_volume_file(image: Source) -> bool:
    row = FORMATS.of_suffix(suffix_of(image.path.name))
    return row is not None and row.volumes


def slices_of_stacks(records: Sequence[Record]) -> tuple[Record, ...]:
    """Images with class names, each stack among them as one record per slice, which has the class of its stack.

    All records then have a position and the column ``volume``, so that slices of one stack stay in one split. A file
    whose header cannot be read stays as it is, for its reader to report.
    """
    slices: list[Record] = []
    for record in records:
        depth = _depth(record)
        if depth < 2:
            slices.append(replace(record, image=replace(record.image, index=0)) if depth else record)
            continue
        planes = slice_records(record.id, record.image.path, depth, target=None, split=record.split)
        slices += [
            replace(
                record,
                id=plane.id,
                image=replace(record.image, index=plane.image.index),
                position=plane.position,
                columns={**record.columns, **plane.columns},
            )
            for plane in planes
        ]
    if len(slices) == len(records):
        return tuple(slices)
    return tuple(
        r if r.position is not None else replace(r, position=0, columns={**r.columns, "volume": r.id}) for r in slices
    )


def _depth(record: Record) -> int:
    """Slices of a stack with class names; 0 where it is a plane, one of a stack already, or a format of planes."""
    image, format_name = record.image, promised(record.image.path.name)
    of_planes = format_name is not None and FORMATS[format_name].planes is None
    if not record.names or image.index is not None or image.span is not None or of_planes:
        return 0
    try:
        shape = stored_header(image.path, ReadOptions(image.key, axes=image.axes)).shape
    except FileError:
        return 0
    return shape[1] if len(shape) == 4 else 0


def mismatch(image: tuple[int, ...], labels: tuple[int, ...]) -> str | None:
    """The code of what is wrong where a plane of labels belongs to an image whose channels may be taken for slices.

    Example:
        >>> mismatch((2, 96, 96), (96, 96)), mismatch((2, 96, 96), (4, 96, 96))
        ('layouts.first_axis', None)
    """
    return "layouts.first_axis" if len(image) == 3 and image[1:] == labels else None


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(str(n) for n in shape)
