"""Images to predict on: files, folders, tables and stacks, without targets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lamelle.data.layouts import table
from lamelle.data.layouts.common import IMAGE_FOLDERS, MASK_FOLDERS, LayoutOptions, bare, last
from lamelle.data.layouts.listing import TABLE_SUFFIXES, Entry, Listing, list_folder
from lamelle.data.layouts.volumes import shape_of, slice_records
from lamelle.errors import DataError, FileError, RequestError, printable
from lamelle.io.readers import header
from lamelle.types import Problem, Record, Source


def read_unlabelled(paths: Sequence[Path], *, dims: int | None) -> tuple[Record, ...]:
    """List what is to be predicted: of a folder every image, of a table every row, of a file itself.

    Masks are left out: folders called masks, labels … beside a folder of images, and ``a_masks.tif`` beside
    ``a.tif``. A stack gives one record per slice, or with ``dims`` 3 one record.

    Raises:
        RequestError: If a path is not there, or no image is found.
        DataError: If a header cannot be read or a table names missing files; all are named.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "b10.png").write_bytes(b""), (folder / "b9.png").write_bytes(b"")
        >>> [r.id for r in read_unlabelled([folder], dims=2)]
        ['b9.png', 'b10.png']
    """
    records: list[Record] = []
    problems: list[Problem] = []
    for path in paths:
        listing = list_folder(path)
        if path.suffix.lower() in TABLE_SUFFIXES:
            found, wrong = table.read_rows(listing, LayoutOptions())
        else:
            found, wrong = _images(listing, dims=dims)
        records += found
        problems += [*(listing.problems if listing.only is None else ()), *wrong]
    if errors := [p for p in problems if p.severity == "error"]:
        raise DataError(errors)
    if not records:
        raise RequestError("layouts.nothing_to_predict", paths=", ".join(printable(str(p)) for p in paths))
    return _with_own_ids(records)


def _images(listing: Listing, *, dims: int | None) -> tuple[list[Record], list[Problem]]:
    """Records of one folder, or of the one file asked for."""
    records: list[Record] = []
    problems: list[Problem] = []
    asked = listing.only
    if asked is not None:
        entries = [e for e in listing.entries if not e.folder and e.name == asked]
        entries = entries or [Entry("", asked)]
    else:
        entries = [e for e in listing.images if not _is_mask(listing, e)]
    for entry in entries:
        try:
            records += _records(listing.path(entry), entry.id, dims=dims)
        except FileError as error:
            problems.append(error.problem)
    return records, problems


def _records(path: Path, name: str, *, dims: int | None) -> list[Record]:
    """One record, or one per slice."""
    if path.suffix.lower() == ".npz":
        return _rows(path, name)
    may_be_stack = path.suffix.lower() not in (".png", ".jpg", ".jpeg", ".bmp")
    if dims == 3 or not may_be_stack:
        return [Record(name, Source(path))]
    shape = shape_of(path)
    return slice_records(name, path, shape[0], target=None, split=None) if len(shape) == 3 else [
        Record(name, Source(path))
    ]  # fmt: skip


def _rows(path: Path, name: str) -> list[Record]:
    """Rows of the test images of a MedMNIST file, or of the only array of an .npz file."""
    keys = tuple(header(path).keys)
    key = "test_images" if "test_images" in keys else keys[0] if len(keys) == 1 else None
    if key is None:
        raise FileError("layouts.npz_which", path, keys=", ".join(keys))
    count = header(path, key=key).shape[1]
    return slice_records(f"{name}:{key}", path, count, target=None, split=None, key=key)


def _is_mask(listing: Listing, entry: Entry) -> bool:
    """Whether an image is the mask of another one, by its folder's or its own name."""
    above, _, _ = entry.folder.rpartition("/")
    if last(entry.folder).lower() in MASK_FOLDERS:
        return any(last(f).lower() in IMAGE_FOLDERS for f in listing.subfolders(above))
    stem = bare(entry.stem)
    return stem != entry.stem and any(e.stem in (stem, f"{stem}_img") for e in listing.images_in(entry.folder))


def _with_own_ids(records: Sequence[Record]) -> tuple[Record, ...]:
    """Files of the same name from two places get their whole path as id; the same file twice is one record."""
    once = list({r.image: r for r in records}.values())
    counts = Counter(r.id for r in once)
    return tuple(r if counts[r.id] == 1 else replace(r, id=printable(str(r.image))) for r in once)
