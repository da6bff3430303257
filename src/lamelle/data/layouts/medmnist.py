"""A MedMNIST file: one .npz with ``train_images``, ``train_labels`` and the same for val and test.

Reference: Yang et al. (2023), doi:10.1038/s41597-022-01721-8
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from lamelle.data.layouts.common import Layout, LayoutMatch, LayoutOptions, lacks, left_over
from lamelle.data.layouts.listing import FileEntry, Listing
from lamelle.data.layouts.words import SPLIT_NAMES
from lamelle.errors import FileError
from lamelle.types import ClassNames, Index, Problem, Record, Source

NAME = "medmnist"


def match(listing: Listing, options: LayoutOptions) -> LayoutMatch:
    """One .npz with images and labels of at least one split."""
    entry = _file(listing)
    if entry is None:
        return lacks(0.05, "npz")
    return LayoutMatch(1.0) if _parts(listing.path(entry)) else lacks(0.4, "npz_keys", file=entry.id)


def read(listing: Listing, options: LayoutOptions) -> Index:
    """One record per row of the arrays, with the splits of the file; classes are called "0", "1" …

    Raises:
        FileError: If the arrays cannot be read or do not belong together.
    """
    entry = _file(listing)
    assert entry is not None  # match() has seen it
    path = listing.path(entry)
    records: list[Record] = []
    problems: list[Problem] = []
    several = False
    parts = _parts(path)
    for part in parts:
        labels, shape = _arrays(path, part)
        if len(shape) == 4 and shape[-1] not in (3, 4):
            problems.append(Problem("layouts.npz_volumes", entry.rel, "error", {"key": f"{part}_images"}))
            continue
        several = several or labels.shape[1] > 1
        width = len(str(max(len(labels) - 1, 0)))
        for row, values in enumerate(labels):
            target = _target(values)
            records.append(
                Record(
                    f"{entry.id}:{part}_images#{row:0{width}d}",
                    Source(path, f"{part}_images", row),
                    ClassNames(target),
                    split=SPLIT_NAMES[part] if len(parts) > 1 else None,
                    stratum="|".join(target),
                )
            )
    if several and (empty := sum(r.names == ("none",) for r in records)):
        problems.append(Problem("layouts.none_class", entry.rel, "note", {"count": empty}))
    problems += left_over(listing, records, problems)
    return Index(listing.root, NAME, tuple(records), problems=tuple(problems))


def _target(values: np.ndarray) -> tuple[str, ...]:
    """One number is the class; several are zeros and ones, one per class."""
    if len(values) == 1:
        return (str(int(values[0])),)
    return tuple(str(c) for c in np.flatnonzero(values)) or ("none",)


def _file(listing: Listing) -> FileEntry | None:
    """The one .npz in the root, or the one asked for."""
    files = [e for e in listing.entries if not e.folder and e.suffix == ".npz"]
    if listing.only:
        files = [e for e in files if e.name == listing.only]
    return files[0] if len(files) == 1 else None


def _parts(path: Path) -> list[str]:
    """Splits of which the file has images and labels."""
    try:
        with zipfile.ZipFile(path) as archive:
            keys = {n.removesuffix(".npy") for n in archive.namelist()}
    except (OSError, zipfile.BadZipFile):
        return []
    return [p for p in ("train", "val", "test") if {f"{p}_images", f"{p}_labels"} <= keys]


def _arrays(path: Path, part: str) -> tuple[np.ndarray, tuple[int, ...]]:
    """Labels [N, L] of one split, and the shape of its images from their header alone."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            labels = arrays[f"{part}_labels"]
        with zipfile.ZipFile(path) as archive, archive.open(f"{part}_images.npy") as stream:
            version = np.lib.format.read_magic(stream)
            read_header = (
                np.lib.format.read_array_header_1_0 if version == (1, 0) else (np.lib.format.read_array_header_2_0)
            )
            shape = read_header(stream)[0]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise FileError("layouts.npz_broken", path, reason=error) from error
    if labels.dtype.kind not in "iub" or labels.ndim not in (1, 2) or not shape or shape[0] != len(labels):
        reason = f"{part}_images {shape}, {part}_labels {labels.shape} {labels.dtype}"
        raise FileError("layouts.npz_broken", path, reason=reason)
    return labels.reshape(len(labels), -1), tuple(shape)


LAYOUT = Layout(name=NAME, yields=(ClassNames,), match=match, read=read, of_one_file=True, own_columns=True)
