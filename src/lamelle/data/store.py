"""The store: every image decoded once, kept at native size and dtype, read back as a memory map.

An entry is ``<address>.npy`` and ``<address>.json``; the address is the SHA-256 of the file's content, the reader's
version and the parameters, so that a renamed or copied file is found and a changed one is not. Files whose pixels
already lie raw on disk (uncompressed TIFF, NPY) are mapped where they are. The ``.json`` is written last and makes the
entry valid: a process killed in between leaves nothing that could be mistaken for one, and two processes that build
the same entry write the same bytes. Entries are not synced to the disk one by one: a file that is not what was written,
after a power cut or on a failing disk, is noticed by its SHA-256, said, and built again.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from lamelle.data import decoding
from lamelle.data.file_hashes import FileHashes, digest
from lamelle.data.resize import resize_image, resize_labels
from lamelle.data.shapes import SHAPES, drawn
from lamelle.data.store_entries import (
    TEMPORARY,
    Pixels,
    StoreEntry,
    entries_in,
    load_entry,
    remove_entry,
    save_entry,
    unwritable,
)
from lamelle.errors import FileError
from lamelle.messages import text
from lamelle.types import Grid, Problem, Shapes, Source, Spacing

READER = 2
"""To be raised when ``lamelle.io`` reads the same file into other pixels: all entries are then rebuilt."""

_ABANDONED = 3600.0
"""Seconds after which a temporary file that nobody writes to is removed."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a store holds."""

    entries: int
    bytes: int
    budget: int


class Store:
    """Decoded images and labels of the user's files, memory-mapped.

    Files are taken to be unchanged while a Store lives.

    Args:
        folder: Where the entries lie; made if missing, readable by the user only.
        budget: Bytes the entries may take together; the least recently used go first, never those this object has
            handed out.
        say: Hears of each damaged file that is built again.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> np.save(folder / "a.npy", np.zeros((32, 48), np.uint16))
        >>> Store(folder / "store", budget=1 << 20).image(Source(folder / "a.npy")).shape
        (1, 32, 48)
    """

    def __init__(self, folder: Path, *, budget: int, say: Callable[[str], None] | None = None) -> None:
        self.folder = Path(folder)
        self.budget = budget
        self._say = say
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if os.name == "posix" and self.folder.stat().st_uid == os.getuid():
                self.folder.chmod(0o700)
        except OSError as error:
            raise unwritable(self.folder, 0, error) from error
        self._contents = FileHashes(self.folder / "contents.jsonl")
        self._known: dict[tuple[object, ...], StoreEntry] = {}
        self._used: set[str] = set()
        self._locks: dict[tuple[object, ...], threading.Lock] = {}
        self._lock = threading.Lock()
        self._size: int | None = None
        self._limit = budget

    def __reduce__(self) -> tuple[Callable[..., Store], tuple[Path]]:
        return partial(Store, budget=self.budget), (self.folder,)

    # ---- what one may ask for

    def image(self, source: Source) -> np.ndarray:
        """Pixels ``[C, (Z,) Y, X]`` in native dtype, read-only; one plane ``[C, Y, X]`` if the source has an index,
        some planes ``[C, Z, Y, X]`` if it has a span.

        Raises:
            FileError: If the file cannot be read, the plane does not exist or the disk is full.
        """
        array = self._map(partial(self._image, source))
        if source.index is None and source.span is None:
            return array
        if array.ndim == 3:
            array = array[:, None]
        return array[:, decoding.planes_of(source, array.shape[1])]

    def labels(self, sources: Sequence[Source], *, objects: bool) -> np.ndarray:
        """Labels ``[(Z,) Y, X]``, read-only.

        Several files are one mask per object. With ``objects`` the result is uint32 instances; without, one file is
        its label values and several are their union, 0 and 1.

        Raises:
            FileError: If a file cannot be read, sizes differ, the plane does not exist or the disk is full.
        """
        array = self._map(partial(self._labels, tuple(sources), objects))
        if len(sources) > 1 or (sources[0].index is None and sources[0].span is None):
            return array
        if array.ndim == 2:
            array = array[None]
        return array[decoding.planes_of(sources[0], len(array))]

    def blank(self, image: Source) -> np.ndarray:
        """Labels ``[(Z,) Y, X]`` of an image without any object: 0 everywhere; read-only.

        Raises:
            FileError: If the image's header cannot be read, the plane does not exist or the disk is full.
        """
        whole = replace(image, index=None, span=None)
        name = ("blank", *_identity(image))
        array = self._map(partial(self._entry, name, (whole,), partial(decoding.blank_pixels, whole)))
        if image.index is None and image.span is None:
            return array
        return array[decoding.planes_of(image, len(array))]

    def drawn(self, image: Source, shapes: Shapes, *, objects: bool) -> np.ndarray:
        """Labels int32 ``[Y, X]`` of boxes or outlines, as large as their image; read-only.

        With ``objects`` each has a number of its own, else that of its class.

        Raises:
            FileError: If the file, or the image's header, cannot be read, or the disk is full.
        """
        return self._map(partial(self._drawn, image, shapes, objects))

    def problems_of_drawn(self, image: Source, shapes: Shapes, *, objects: bool) -> tuple[Problem, ...]:
        """What is to be said about boxes or outlines: overlapping objects, objects without outline."""
        return self._drawn(image, shapes, objects).problems

    def size(self, image: Source) -> tuple[int, ...]:
        """``[(Z,) Y, X]`` of an image, by its header.

        Raises:
            FileError: If the header cannot be read.
        """
        size = self._image(image).shape[1:]
        return size[-2:] if image.index is not None else size

    def resized(
        self, source: Source | Sequence[Source], *, size: Sequence[int], labels: bool = False, objects: bool = False
    ) -> np.ndarray:
        """An image (antialiased) or labels (nearest) at ``size`` ``[(Z,) Y, X]``, in native dtype, read-only.

        Raises:
            FileError: As ``image`` and ``labels`` do.
        """
        sources = (source,) if isinstance(source, Source) else tuple(source)
        size = tuple(int(n) for n in size)
        return self._map(partial(self._resized, sources, size, labels, objects))

    def spacing(self, source: Source) -> Spacing | None:
        """Pixel size in micrometres, (Z,) Y, X; None where the file does not say."""
        spacing = self._image(source).spacing
        return spacing[-2:] if spacing and source.index is not None else spacing

    def bits(self, source: Source) -> int | None:
        """Significant bits where fewer than the dtype holds."""
        return self._image(source).bits

    def problems(self, source: Source) -> tuple[Problem, ...]:
        """What the reader had to say about an image that it could read."""
        return self._image(source).problems

    def label_problems(self, sources: Sequence[Source], *, objects: bool) -> tuple[Problem, ...]:
        """What the reader had to say about labels: overlapping or empty objects, a wrong suffix."""
        return self._labels(tuple(sources), objects).problems

    def entry(self, source: Source) -> StoreEntry:
        """Shape, dtype, bits, spacing and format of a whole image file."""
        return self._image(source)

    def grid(self, source: Source) -> Grid:
        """The whole image file, as what is predicted for it goes back to it."""
        entry = self._image(source)
        return Grid(source.path, entry.format, entry.spacing, entry.geometry, axes=source.axes)

    def content(self, path: Path) -> str:
        """SHA-256 of a file's content.

        Raises:
            FileError: If the file cannot be read.
        """
        try:
            return self._contents.of(path)
        except OSError as error:
            raise FileError("files.unreadable", path, reason=error.strerror or type(error).__name__) from error

    # ---- the entries

    def _image(self, source: Source) -> StoreEntry:
        return self._entry(("image", *_identity(source)), (source,), partial(decoding.image_pixels, source))

    def _labels(self, sources: tuple[Source, ...], objects: bool) -> StoreEntry:
        if len(sources) == 1 and not objects:
            source = sources[0]
            name = ("labels", *_identity(source))
            return self._entry(name, sources, partial(decoding.label_pixels, source))
        if len(sources) == 1:  # the whole file once, not the plane that is asked for first
            sources = (replace(sources[0], index=None, span=None),)
        kind = "objects" if objects else "joined"
        build = partial(decoding.object_pixels, sources, objects=objects)
        return self._entry((kind, *map(_identity, sources)), sources, build)

    def _drawn(self, image: Source, shapes: Shapes, objects: bool) -> StoreEntry:
        size, source, row = self.size(image), shapes.source, SHAPES[shapes.format]
        name = (("shapes", row.name, objects, size), source.path, source.key)

        def build() -> Pixels:
            return drawn(row.name, row.read(source.path, source.key, size), size, objects=objects)

        return self._entry(name, (source,), build)

    def _resized(self, sources: tuple[Source, ...], size: tuple[int, ...], labels: bool, objects: bool) -> StoreEntry:
        kind = ("labels" if labels else "image", objects, size, *((s.index, s.span) for s in sources))

        def build() -> Pixels:
            if labels:
                return Pixels.whole(resize_labels(self.labels(sources, objects=objects), size))
            return Pixels.whole(resize_image(self.image(sources[0]), size))

        return self._entry((kind, *map(_identity, sources)), sources, build)

    def _entry(self, name: tuple[object, ...], sources: tuple[Source, ...], build: Callable[[], Pixels]) -> StoreEntry:
        """The entry of ``name``, from memory, from disk, or built now."""
        if (entry := self._known.get(name)) is not None:
            return entry
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if (entry := self._known.get(name)) is None:
                entry = self._find(name, sources, build)
                self._known[name] = entry
        with self._lock:
            self._locks.pop(name, None)
        return entry

    def _find(self, name: tuple[object, ...], sources: tuple[Source, ...], build: Callable[[], Pixels]) -> StoreEntry:
        if not isinstance(name[0], tuple) and len(sources) == 1 and (entry := decoding.in_place(name[0], sources[0])):
            return entry
        contents = [self.content(s.path) for s in sources]
        address = digest(READER, name[0], *contents, *((s.key, s.axes, s.directions) for s in sources))
        path = self.folder / address[:2] / f"{address}.npy"
        self._used.add(address)
        entry = load_entry(path, self._damaged)
        if entry is None:
            save_entry(path, build())
            if (entry := load_entry(path)) is None:
                raise FileError("audit.store_unwritable", path, reason="")
            self._grown(entry.bytes)
        return replace(entry, problems=tuple(replace(p, where=str(sources[0].path)) for p in entry.problems))

    def _damaged(self, path: Path) -> None:
        if self._say is not None:
            self._say(text("audit.store_damaged", path=path))

    def _map(self, find: Callable[[], StoreEntry]) -> np.ndarray:
        """The array of an entry; found anew if another process has removed it, or something wrote to it, meanwhile."""
        entry = find()
        try:
            return entry.map()
        except (OSError, ValueError):
            with self._lock:
                self._known = {name: kept for name, kept in self._known.items() if kept.path != entry.path}
        return find().map()

    # ---- the budget

    def usage(self) -> Usage:
        """Number and bytes of the entries on disk."""
        sizes = [size for _, size, _ in entries_in(self.folder)]
        return Usage(len(sizes), sum(sizes), self.budget)

    def prune(self, *, budget: int | None = None) -> Usage:
        """Remove the least recently used entries until the budget holds, and what killed processes left behind.

        Entries that this object has handed out stay, even if the budget is then exceeded.
        """
        now = time.time()
        for path in self.folder.glob(f"*/*{TEMPORARY}"):
            with suppress(OSError):
                if now - path.stat().st_mtime > _ABANDONED:
                    path.unlink()
        entries = sorted(entries_in(self.folder), key=lambda e: e[2])
        total = sum(size for _, size, _ in entries)
        limit = self.budget if budget is None else budget
        for path, size, _ in entries:
            if total <= limit:
                break
            if path.stem not in self._used and remove_entry(path):
                total -= size
        self._size = total
        return self.usage()

    def clear(self) -> None:
        """Remove every entry and every remembered hash; arrays already handed out stay readable (not on Windows)."""
        for path in self.folder.glob("??/*"):
            with suppress(OSError):
                path.unlink()
        (self.folder / "contents.jsonl").unlink(missing_ok=True)
        with self._lock:
            self._contents = FileHashes(self.folder / "contents.jsonl")
            self._known.clear()
            self._used.clear()
            self._size, self._limit = 0, self.budget

    def _grown(self, size: int) -> None:
        """Keep the budget after an entry was added; look at the disk only when it may be exceeded."""
        with self._lock:
            if self._size is None:
                self._size = self.usage().bytes
            else:
                self._size += size
            if self._size <= self._limit:
                return
            used = self.prune(budget=int(self.budget * 0.9)).bytes
            self._limit = max(self.budget, int(used * 1.2))  # all in use: do not look again at every entry


def _identity(source: Source) -> tuple[object, ...]:
    """What decides which pixels are read from a source, beside its planes."""
    return source.path, source.key, source.axes, source.directions
