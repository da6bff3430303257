"""Images to predict on: files, folders, tables and stacks, without targets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lamelle.data.layouts import scans, stack_pair, table
from lamelle.data.layouts.common import LayoutOptions, with_axes
from lamelle.data.layouts.folder_pairs import places, together
from lamelle.data.layouts.listing import TABLE_SUFFIXES, FileEntry, Listing, list_folder
from lamelle.data.layouts.program_outputs import without_products
from lamelle.data.layouts.volumes import slice_records
from lamelle.data.layouts.words import folder_name, holds
from lamelle.errors import DataError, FileError, RequestError, printable
from lamelle.io.images import header
from lamelle.types import Problem, Record, Source


@dataclass(frozen=True, slots=True)
class InputImage:
    """One image to predict, and what it is called by whoever asks."""

    record: Record
    path: str
    """Below the given folder; with ``#slice`` for a plane of a stack."""
    folder: str
    """Name of the given folder."""
    listed: str | None = None
    """The name as a given table spells it."""


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """What was found to predict on."""

    inputs: tuple[InputImage, ...]
    """In the order that was given; a row of a table may name an image again."""
    problems: tuple[Problem, ...]
    """Errors for all that cannot be predicted: headers that cannot be read, rows without a file."""
    labels: tuple[str, ...]
    """Files left out because they are the labels of other images."""

    @property
    def records(self) -> tuple[Record, ...]:
        """Each image once."""
        return tuple({a.record.image: a.record for a in self.inputs}.values())


def read_unlabelled(
    paths: Sequence[Path], *, dims: int | None, axes: str | None = None, volumes: bool = False
) -> Unlabelled:
    """List what is to be predicted: of a folder every image, of a table every row, of a file itself.

    Labels are left out of a folder: in folders called masks, labels … beside a folder of images, ``a_masks.tif``
    beside ``a.tif``, ``train-labels.tif`` beside ``train-volume.tif``. A stack gives one record per slice, or with
    ``dims`` 3 one record; ``axes`` are those of the files as the user says. What cannot be read does not keep the
    others from being listed.

    Args:
        volumes: Folders of DICOM slices are volumes, each series one.

    Raises:
        RequestError: If a path is not there, or no image is found.
        FileError: If a table cannot be read.
        DataError: If nothing at all can be predicted; every reason is named.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "b10.png").write_bytes(b""), (folder / "b9.png").write_bytes(b"")
        >>> [r.id for r in read_unlabelled([folder], dims=2).records]
        ['b9.png', 'b10.png']
    """
    inputs: list[InputImage] = []
    problems: list[Problem] = []
    labels: list[str] = []
    for path in paths:
        listing = without_products(replace(list_folder(path), axes=axes))
        listing = scans.as_volumes(listing) if volumes else listing
        folder = printable(listing.root.resolve().name)
        if path.suffix.lower() in TABLE_SUFFIXES:
            rows, wrong = table.read_rows(listing, LayoutOptions())
            inputs += [InputImage(r, r.id, folder, printable(name)) for name, r in _declared(rows, axes)]
        else:
            entries, masks = _entries(listing)
            records, wrong = _images(listing, entries, dims=dims)
            inputs += [InputImage(r, r.id, folder) for r in records]
            labels += [e.id for e in masks]
        problems += [*(listing.problems if listing.only is None else ()), *wrong]
    errors = tuple(p for p in problems if p.severity == "error")
    if not inputs:
        if errors:
            raise DataError(errors)
        raise RequestError("layouts.nothing_to_predict", paths=", ".join(printable(str(p)) for p in paths))
    return Unlabelled(_with_own_ids(inputs), errors, tuple(labels))


def _entries(listing: Listing) -> tuple[list[FileEntry], list[FileEntry]]:
    """Files to predict, and labels that are not; a file that was asked for by name is predicted whatever it is."""
    if listing.only is not None:
        entries = [e for e in listing.entries if not e.folder and e.name == listing.only]
        return entries or [FileEntry("", listing.only)], []
    masks = set(stack_pair.label_stacks(listing))
    masks.update(e for p in places(listing, LayoutOptions()) for e in p.labels_of(listing))
    masks.update(e for folder in together(listing, lambda _: True)[0] for e in folder.masks)
    called = {e for e in listing.images if any(map(_of_labels, e.folder.split("/")))}
    masks |= called if len(masks | called) < len(listing.images) else set()
    return [e for e in listing.images if e not in masks], [e for e in listing.images if e in masks]


def _of_labels(folder: str) -> bool:
    """Whether a folder is called after labels and nothing else, so that it holds no images wherever they lie."""
    return holds(folder) == "mask" and not folder_name(folder).weak


def _images(listing: Listing, entries: Sequence[FileEntry], *, dims: int | None) -> tuple[list[Record], list[Problem]]:
    """Records of files; what cannot be opened is an error."""
    records: list[Record] = []
    problems: list[Problem] = []
    for entry in entries:
        try:
            series = header(listing.path(entry)).keys if entry.dicom_series else ()
        except FileError as error:
            problems.append(error.problem)
            continue
        for key in series or (None,):
            try:
                records += with_axes(_records(listing, entry, dims, series=key), listing.axes)
            except FileError as error:
                problems.append(error.problem)
    return records, problems


def _records(listing: Listing, entry: FileEntry, dims: int | None, *, series: str | None) -> list[Record]:
    """One record, or one per slice.

    Args:
        series: Of several DICOM series in a folder the one that is meant, as if it lay in a folder of its own.
    """
    path, axes = listing.path(entry), listing.axes
    name = entry.id if series is None else f"{entry.id}/{series}"
    if path.suffix.lower() == ".npz":
        return _rows(path, name)
    may_be_stack = entry.format is None or entry.format.planes is not None
    whole = [Record(name, Source(path, series))]
    if dims == 3 or not may_be_stack:
        return whole
    shape = header(path, key=series, axes=axes).shape[1:]
    return slice_records(name, path, shape[0], target=None, split=None, key=series) if len(shape) == 3 else whole


def _rows(path: Path, name: str) -> list[Record]:
    """Rows of the test images of a MedMNIST file, or of the only array of an .npz file."""
    keys = tuple(header(path).keys)
    key = "test_images" if "test_images" in keys else keys[0] if len(keys) == 1 else None
    if key is None:
        raise FileError("layouts.npz_which", path, keys=", ".join(keys))
    shape = header(path, key=key).shape
    if key != "test_images" and len(shape) != 4:  # one image
        return [Record(name, Source(path, key))]
    return slice_records(f"{name}:{key}", path, shape[1], target=None, split=None, key=key)


def _with_own_ids(inputs: Sequence[InputImage]) -> tuple[InputImage, ...]:
    """Files of the same name from two places get their whole path as id; the same file found twice is listed once."""
    once: dict[tuple[Source, str | None], InputImage] = {}
    for one in inputs:
        once.setdefault((one.record.image, one.listed), one)
    ids = Counter(r.id for r in {a.record.image: a.record for a in inputs}.values())
    return tuple(one if ids[one.record.id] == 1 else _by_whole_path(one) for one in once.values())


def _by_whole_path(one: InputImage) -> InputImage:
    return replace(one, record=replace(one.record, id=printable(str(one.record.image))))


def _declared(rows: Sequence[tuple[str, Record]], axes: str | None) -> list[tuple[str, Record]]:
    """Rows of a table with what the user says the axes of their images are."""
    return list(zip((name for name, _ in rows), with_axes([r for _, r in rows], axes), strict=True))
