"""Whether data are still what they were when they were split: content hashes of images and labels, and what differs.

The hash is that of the file's bytes, since it is remembered by size, modification time and inode and so costs nothing
the next time. Where it differs, the pixels are read and compared with what the audit saw: a file that was only written
anew (another compression, other metadata) has not changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from lamelle.data.audit.duplicates import listed
from lamelle.data.audit.measure import count_labels, measure
from lamelle.data.file_hashes import digest
from lamelle.data.store import Store
from lamelle.data.targets.reading import read_labels
from lamelle.errors import DataError, FileError, RequestError
from lamelle.results.audit import ImageMeasures
from lamelle.types import SPLITS, Problem, Record, Source, with_sources

_THREADS = 8


@dataclass(frozen=True, slots=True)
class Content:
    """SHA-256 of what a record is made of."""

    image: str
    """Of the file that holds the image, also where the record is one plane of it."""
    label: str
    """Of the file of labels, of all files of objects together, or of the class names."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What is no longer as it was when the data were split: ids of records."""

    images: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    """What the data now count to one group though it lies in several splits, and did not before."""
    added: tuple[str, ...] = ()
    """In no split, and so used by none."""
    gone: tuple[str, ...] = ()
    """No longer in the data, or without a label that they had."""

    @property
    def altered(self) -> tuple[str, ...]:
        """Records whose image or label is another one."""
        return tuple(sorted({*self.images, *self.labels}))

    def refuse(self, code: str, *, among: Iterable[str], run: Path, data: str) -> None:
        """Stop where one of these records is another one.

        Raises:
            RequestError: If so, with how many and the first names.
        """
        wanted = set(among)
        if altered := [name for name in self.altered if name in wanted]:
            raise RequestError(code, count=len(altered), names=listed(altered), run=run, data=data)

    def problems(self) -> tuple[Problem, ...]:
        """What a reader must be told."""
        problems = []
        for name, ids in (("images", self.images), ("labels", self.labels), ("groups", self.groups)):
            if ids:
                values = {"count": len(ids), "names": listed(ids)}
                problems.append(Problem(f"split.changed_{name}", severity="warning", values=values))
        if self.added:
            values = {"count": len(self.added), "names": listed(self.added)}
            problems.append(Problem("split.added", severity="note", values=values))
        return tuple(problems)


def contents(records: Sequence[Record], store: Store) -> dict[str, Content]:
    """Content hashes of records that are in a split, by their ids; what cannot be read has none.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from lamelle.types import ClassNames
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "a.png").write_bytes(b"...")
        >>> record = Record("a.png", Source(folder / "a.png"), ClassNames(("cell",)), split="train")
        >>> len(contents([record], Store(folder / "store", budget=1))["a.png"].image)
        64
    """
    with ThreadPoolExecutor(_THREADS) as threads:
        hashed = threads.map(lambda record: _content(record, store), records)
        return {record.id: one for record, one in zip(records, hashed, strict=True)}


def _content(record: Record, store: Store) -> Content:
    image = _file(record.image, store)
    if record.labels is None:
        return Content(image, digest("classes", *sorted(record.names)) if record.names else "")
    files = [_file(source, store) for source in record.labels.sources]
    if not files:  # there is no object
        return Content(image, digest("blank"))
    return Content(image, files[0] if len(files) == 1 else digest(*files))


def _file(source: Source, store: Store) -> str:
    """Hash of a file; nothing where it cannot be read."""
    try:
        return store.content(source.path)
    except FileError:
        return ""


def changes(
    before: Mapping[str, Content],
    records: Sequence[Record],
    there: Sequence[Record],
    rows: Sequence[ImageMeasures],
    store: Store,
) -> Changes:
    """Compare data with what they were.

    Args:
        before: Content hashes of the records as they were split.
        records: The records as they were split.
        there: Everything that the folder holds now.
        rows: What the audit measured before the split.
    """
    split_images, places = {_place(r) for r in records}, {_place(r): r for r in there}
    added = tuple(sorted(r.id for r in there if r.target and _place(r) not in split_images))
    gone = tuple(sorted(r.id for r in records if _gone(r, places.get(_place(r)))))
    now, then = ({r.id: r.group for r in some} for some in (there, records))
    torn = tuple(sorted(_torn(now, records) - _torn(then, records)))
    kept = [_as_now(r, places[_place(r)]) for r in records if r.id not in gone]
    hashes, measured = contents(kept, store), {row.id: row for row in rows}
    images, labels = [], []
    for record in kept:
        if record.split not in SPLITS or (one := before.get(record.id)) is None:
            continue
        row = measured.get(record.id)
        if hashes[record.id].image != one.image and not _same_image(record, row, store):
            images.append(record.id)
        if hashes[record.id].label != one.label and not _same_labels(record, row, store):
            labels.append(record.id)
    return Changes(tuple(images), tuple(labels), torn, added, gone)


def _gone(record: Record, now: Record | None) -> bool:
    return now is None or (record.target is not None and now.target is None)


def _as_now(record: Record, there: Record) -> Record:
    """A record with the labels that it has now; of a part of a volume, those of that part."""
    labels = there.labels
    if labels is None or (span := record.image.span) is None:
        return replace(record, target=there.target)
    return replace(record, target=with_sources(labels, [replace(s, span=span) for s in labels.sources]))


def _torn(groups: Mapping[str, str | None], records: Sequence[Record]) -> set[str]:
    """Records of groups that lie in several splits.

    Args:
        groups: Of each record, by its id.
    """
    parts: dict[str, dict[str, list[str]]] = {}
    for record in records:
        if record.split in SPLITS and (group := groups.get(record.id)) is not None:
            parts.setdefault(group, {}).setdefault(record.split, []).append(record.id)
    return {name for splits in parts.values() if len(splits) > 1 for ids in splits.values() for name in ids}


def _place(record: Record) -> Source:
    """Where a record lies; of a volume the whole, however it was cut."""
    return replace(record.image, span=None)


def _same_image(record: Record, row: ImageMeasures | None, store: Store) -> bool:
    """Whether another file holds the pixels that were measured."""
    try:
        return row is not None and measure(store.image(record.image)).pixels == row.pixels
    except (FileError, DataError):
        return False


def _same_labels(record: Record, row: ImageMeasures | None, store: Store) -> bool:
    if row is None or record.labels is None:
        return False
    try:
        return count_labels(read_labels(record, store))[1] == row.label_pixels
    except (FileError, DataError):
        return False
