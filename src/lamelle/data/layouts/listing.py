"""What lies in a folder: walked once, and looked at by every layout."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from lamelle.errors import RequestError, printable
from lamelle.io.dicom_names import is_unnamed_dicom
from lamelle.io.files import is_image_name, suffix_of
from lamelle.io.format import Format
from lamelle.io.formats.table import FORMATS
from lamelle.io.paths import junk
from lamelle.io.sidecar import is_series
from lamelle.types import Problem

TABLE_SUFFIXES = (".csv", ".tsv")
_DIGITS = re.compile(r"([0-9]+)")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of the folder, one Zarr folder, or one folder of slices that is read as a stack."""

    folder: str
    """Path below the root with ``/``; empty for the root itself."""
    name: str
    series: bool = False
    """Whether it is a folder of slices: with the ``series.json`` of a conversion, or a DICOM series."""
    unnamed: bool = False
    """Whether it is DICOM under a name that says no format; what follows its last dot is no suffix then."""

    @property
    def rel(self) -> str:
        return f"{self.folder}/{self.name}" if self.folder else self.name

    @property
    def id(self) -> str:
        """The path below the root as it can be written to a text file."""
        return printable(self.rel)

    @property
    def dicom_series(self) -> bool:
        """Whether it is a folder with a DICOM series, one file a slice."""
        return self.series and self.unnamed

    @property
    def suffix(self) -> str:
        """Lower case, and both parts of ``.nii.gz`` or ``.ome.tif``."""
        if self.unnamed:
            return ""
        return suffix_of(self.name)

    @property
    def format(self) -> Format | None:
        """The format that the name promises, if one is read that has this suffix."""
        row = FORMATS.of_suffix(self.suffix)
        return row if row is not None and row.read is not None else None

    @property
    def volume(self) -> bool:
        """Whether the name says that it is a volume."""
        return self.format is not None and self.format.volumes

    @property
    def stem(self) -> str:
        return self.name[: len(self.name) - len(self.suffix)]


@dataclass(frozen=True)
class Listing:
    """All files below a folder in natural order, without the junk."""

    root: Path
    entries: tuple[FileEntry, ...]
    folders: tuple[str, ...]
    """Every folder below the root, the root (empty) excluded."""
    only: str | None = None
    """The one file that was asked for, where a file was given instead of a folder."""
    problems: tuple[Problem, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)
    axes: str | None = None
    """What the user says the axes of the images are."""

    @cached_property
    def images(self) -> tuple[FileEntry, ...]:
        return tuple(e for e in self.entries if is_image(e))

    @cached_property
    def _images_by_folder(self) -> dict[str, list[FileEntry]]:
        images: dict[str, list[FileEntry]] = defaultdict(list)
        for entry in self.images:
            images[entry.folder].append(entry)
        return images

    @cached_property
    def _images_below(self) -> dict[str, list[FileEntry]]:
        images: dict[str, list[FileEntry]] = defaultdict(list)
        for entry in self.images:
            folder = entry.folder
            while folder:
                images[folder].append(entry)
                folder = folder.rpartition("/")[0]
        return images

    @cached_property
    def _children(self) -> dict[str, list[str]]:
        children: dict[str, list[str]] = defaultdict(list)
        for folder in self.folders:
            children[folder.rpartition("/")[0]].append(folder)
        return children

    @cached_property
    def stems(self) -> frozenset[str]:
        """The names of all images without their suffixes."""
        return frozenset(e.stem for e in self.images)

    @cached_property
    def tables(self) -> tuple[FileEntry, ...]:
        """Tables that lie directly in the root."""
        return tuple(e for e in self.entries if not e.folder and e.suffix in TABLE_SUFFIXES)

    def images_in(self, folder: str) -> list[FileEntry]:
        """Images directly in a folder."""
        return self._images_by_folder.get(folder, [])

    def images_below(self, folder: str) -> Sequence[FileEntry]:
        """Images in a folder and all folders below it."""
        return self._images_below.get(folder, []) if folder else self.images

    def subfolders(self, folder: str) -> list[str]:
        """Folders directly below a folder, as paths below the root."""
        return self._children.get(folder, [])

    def path(self, entry: FileEntry) -> Path:
        return self.root / entry.rel

    def with_volumes(self, folders: Mapping[str, str]) -> Listing:
        """The same listing with folders of DICOM slices as one entry each.

        Args:
            folders: Folder that holds the slices → the folder that stands for them: itself, or one that it lies in.

        Example:
            >>> listing = Listing(Path(), (FileEntry("ct/p0", "1.dcm"), FileEntry("ct/p0", "2.dcm")), ("ct", "ct/p0"))
            >>> [(e.rel, e.dicom_series) for e in listing.with_volumes({"ct/p0": "ct/p0"}).entries]
            [('ct/p0', True)]
        """
        shown = set(folders.values())
        kept = [e for e in self.entries if e.folder not in folders or not is_image(e)]
        filled = {f for e in kept if is_image(e) for f in (e.folder, *above(e.folder))}
        gone = {f for f in self.folders if not shown.isdisjoint((f, *above(f)))} - filled
        parts = [f.rpartition("/") for f in shown]
        made = [FileEntry(folder, name, series=True, unnamed=True) for folder, _, name in parts]
        entries = tuple(sorted((*kept, *made), key=lambda e: natural(e.rel)))
        return replace(self, entries=entries, folders=tuple(f for f in self.folders if f not in gone))

    def below(self, folder: str) -> Listing:
        """The same listing seen from one of its folders."""
        start = f"{folder}/"
        entries = tuple(
            replace(e, folder=e.folder[len(start) :])
            for e in self.entries
            if e.folder == folder or e.folder.startswith(start)
        )
        folders = tuple(f[len(start) :] for f in self.folders if f.startswith(start))
        return Listing(self.root / folder, entries, folders, axes=self.axes)


def list_folder(root: Path) -> Listing:
    """Walk a folder once; a file stands for its folder, with ``only`` naming it.

    So does a Zarr folder, or a folder of slices that is one stack. Links are followed, each real folder once.
    Pipes, sockets and devices are never opened.

    Raises:
        RequestError: If there is nothing at ``root``, or it is neither a folder nor a file.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("slice10.png", "slice2.png", ".DS_Store"):
        ...     _ = (folder / name).write_bytes(b"")
        >>> listing = list_folder(folder)
        >>> [e.name for e in listing.entries], sum(listing.skipped.values())
        (['slice2.png', 'slice10.png'], 1)
    """
    series = root.is_dir() and is_series(root)
    if root.is_dir() and not (_is_zarr(root.name) or series):
        return list_inside(root)
    if not root.exists():
        raise RequestError("layouts.no_folder", path=printable(str(root)))
    if not (root.is_file() or _is_zarr(root.name) or series):
        raise RequestError("layouts.not_a_folder", path=printable(str(root)))
    deep = root.suffix.lower() in TABLE_SUFFIXES
    return _Walk(root.parent, deep=deep).listing(root.name)


def list_inside(root: Path) -> Listing:
    """Walk a folder once, whatever it is."""
    return _Walk(root).listing(None)


def natural(name: str) -> tuple[list[str | tuple[int, str]], str]:
    """Sort key that puts ``slice2`` before ``slice10``.

    Example:
        >>> sorted(["slice10", "slice2"], key=natural)
        ['slice2', 'slice10']
    """
    parts = _DIGITS.split(name)
    return [(len(d := p.lstrip("0")), d) if i % 2 else p for i, p in enumerate(parts)], name


def above(folder: str) -> list[str]:
    """The folders that hold a folder, from above.

    Example:
        >>> above("a/b/c")
        ['a', 'a/b']
    """
    parts = folder.split("/")
    return ["/".join(parts[:i]) for i in range(1, len(parts))]


def same_form(name: str) -> str:
    """A name with its accents composed (NFC), whichever way the file system holds them."""
    return unicodedata.normalize("NFC", name)


def is_image(entry: FileEntry) -> bool:
    """Whether the name says that an image is inside; Cellpose's ``_seg.npy`` is a pickle, not an image."""
    return entry.series or entry.unnamed or (is_image_name(entry.name) and not entry.name.lower().endswith("_seg.npy"))


def _is_zarr(name: str) -> bool:
    return name.lower().endswith(".zarr")


class _Walk:
    """One walk through the folder, and what it met."""

    def __init__(self, root: Path, *, deep: bool = True) -> None:
        self.root, self.deep = root, deep
        self.entries: list[FileEntry] = []
        self.folders: list[str] = []
        self.problems: list[Problem] = []
        self.skipped: Counter[str] = Counter()
        self.visited: set[tuple[int, int]] = set()
        self.real: list[str] = [""]
        self.links: list[str] = []
        """Linked folders wait until every real one was seen, so that a real one is never the second."""

    def listing(self, only: str | None) -> Listing:
        while self.real or self.links:
            self._folder(self.real.pop() if self.real else self.links.pop(0))
        return Listing(
            self.root,
            tuple(sorted(self.entries, key=lambda e: natural(e.rel))),
            tuple(sorted(self.folders, key=natural)),
            only,
            tuple(sorted(self.problems, key=lambda p: natural(p.where))),
            dict(self.skipped),
        )

    def _folder(self, folder: str) -> None:
        place = self.root / folder
        try:
            status = place.stat()
            if (status.st_dev, status.st_ino) in self.visited:
                self.problems.append(Problem("layouts.link_seen", folder, "warning"))
                return
            self.visited.add((status.st_dev, status.st_ino))
            with os.scandir(place) as items:
                for item in items:
                    self._item(folder, item)
        except OSError as error:
            self.problems.append(Problem("layouts.unreadable", folder or ".", "error", {"reason": error.strerror}))
            return
        if folder:
            self.folders.append(folder)

    def _item(self, folder: str, item: os.DirEntry[str]) -> None:
        if reason := junk(item.name) or ("hidden" if item.name.startswith(".") else None):
            self.skipped[reason] += 1
            return
        entry = FileEntry(folder, item.name)
        if item.is_file(follow_symlinks=False):
            self._file(entry)
            return
        try:
            mode = item.stat().st_mode
        except OSError as error:
            code = "layouts.dangling" if isinstance(error, FileNotFoundError) else "layouts.unreadable"
            self.problems.append(Problem(code, entry.rel, "error", {"reason": error.strerror}))
            return
        if stat.S_ISREG(mode):
            self._file(entry)
        elif stat.S_ISDIR(mode) and _is_zarr(item.name):
            self.entries.append(entry)
        elif stat.S_ISDIR(mode) and is_series(self.root / entry.rel):
            self.entries.append(replace(entry, series=True))
        elif stat.S_ISDIR(mode) and self.deep:
            (self.links if item.is_symlink() else self.real).append(entry.rel)
        elif not stat.S_ISDIR(mode):
            self.problems.append(Problem("layouts.not_a_file", entry.rel, "warning"))

    def _file(self, entry: FileEntry) -> None:
        self.entries.append(replace(entry, unnamed=is_unnamed_dicom(self.root / entry.rel)))
