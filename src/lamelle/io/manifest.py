"""What the files of a folder have to be: the SHA-256 of each, in a sealed ``manifest.json``.

The new hash of a file stands there before the file gets its name, beside that of the file as it was: a process that is
killed in between leaves no file that the manifest does not know.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from lamelle.errors import FileError
from lamelle.io import atomic
from lamelle.io.checksums import Stamp, intact, stamp, with_checksum
from lamelle.platform import FileLock

FORMAT = 4
"""Of the files in the folder, too: 3 has results that are written through their types (`lamelle.results`), in 4 what
validation decided and what was tried for it are apart."""
FileState = Literal["whole", "changed", "missing", "unknown"]
"""``unknown``: it is there, and the manifest says nothing of it."""
Known = Mapping[str, tuple[str, ...]]


class Manifest:
    """The manifest of the folder in which it lies.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     manifest = Manifest(Path(folder, "manifest.json"))
        ...     manifest.write(Path(folder, "a.csv"), b"one")
        ...     _ = Path(folder, "a.csv").write_bytes(b"two")
        ...     manifest.states(skip=("manifest.lock",))
        {'a.csv': 'changed', 'manifest.json': 'whole'}
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = path.parent
        self._read: tuple[Stamp, Known] | None = None
        self._format: int | None = None
        self._written: set[str] = set()

    def known(self) -> Known:
        """Names below the folder, each with the hashes that its file may have: one; or two, while it is replaced.

        Raises:
            FileError: If the manifest itself is not what was written.
        """
        try:
            now = stamp(self.path)
            if self._read is None or self._read[0] != now:
                self._format, sums = _parsed(self.path, self.path.read_bytes())
                self._read = now, sums
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise FileError("files.unreadable", self.path, reason=error.strerror or str(error)) from error
        return self._read[1]

    @property
    def format(self) -> int | None:
        """With which its folder was begun; None if there is no manifest yet."""
        self.known()
        return self._format

    def accepts(self, path: Path, digest: str) -> bool | None:
        """Whether a file may have this hash; None where the manifest says nothing of it."""
        sums = self.known().get(self._name(path))
        return None if sums is None else digest in sums

    def knows(self, path: Path) -> bool:
        """Whether a file should be there."""
        return self._name(path) in self.known()

    def write(self, path: Path, content: bytes) -> None:
        """Write a file, atomically.

        Raises:
            FileError: If the system cannot write, or the manifest is damaged.
        """
        self._announce(path, hashlib.sha256(content).hexdigest())
        atomic.write_bytes(path, content)
        self._written.add(self._name(path))

    def append(self, path: Path, content: bytes) -> None:
        """Add to a file; one that is not what was written before is not made good by that."""
        before = path.read_bytes() if path.is_file() else b""
        if not before or self.accepts(path, hashlib.sha256(before).hexdigest()) is not False:
            self._announce(path, hashlib.sha256(before + content).hexdigest())
        with path.open("ab") as file:
            file.write(content)

    def seal(self, *paths: Path) -> None:
        """Take files as they are now."""
        with self._changing() as sums:
            sums |= {self._name(path): (atomic.sha256(path),) for path in paths}

    def forget(self, below: Path) -> None:
        """Say nothing any more of a file, or of what lies in a folder, since it is about to be written anew."""
        whole = self._name(below)
        if gone := [name for name in self.known() if name == whole or name.startswith(f"{whole}/")]:
            with self._changing() as sums:
                for name in gone:
                    sums.pop(name, None)

    def states(self, *, skip: Collection[str] = ()) -> dict[str, FileState]:
        """Every file below the folder, hashed anew, and every file that should be there; itself too.

        Args:
            skip: Names in the folder that are passed over; so is every folder below that has a manifest of its own.
        """
        states: dict[str, FileState] = dict.fromkeys(self._files(skip), "unknown")
        try:
            sums = self.known()
            states[self.path.name] = "whole" if self.path.is_file() else "missing"
        except FileError:
            sums = {}
            states[self.path.name] = "changed"
        for name, accepted in sums.items():
            path = self.folder / name
            states[name] = (
                "missing" if not path.is_file() else "whole" if atomic.sha256(path) in accepted else "changed"
            )
        return dict(sorted(states.items()))

    def _files(self, skip: Collection[str]) -> Iterator[str]:
        for at, folders, names in os.walk(self.folder):
            here = Path(at)
            folders[:] = [
                name for name in folders
                if not (here / name / self.path.name).is_file() and not (here == self.folder and name in skip)
            ]  # fmt: skip
            for name in names:
                passed = here == self.folder and name in (*skip, self.path.name)
                if not passed and not name.startswith(atomic.TEMPORARY):
                    yield self._name(here / name)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _announce(self, path: Path, digest: str) -> None:
        """Let a file have a new hash, beside the one that it has if that is a right one."""
        with self._changing() as sums:
            name = self._name(path)
            now = atomic.sha256(path) if path.is_file() else None
            right = now is not None and now in sums.get(name, (now,))
            sums[name] = tuple(dict.fromkeys((now, digest))) if right and now is not None else (digest,)
            self._written.discard(name)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, tuple[str, ...]]]:
        """What is known, to be changed and written; what this object has replaced has its last hash only."""
        with self._alone():
            sums = dict(self.known())
            self._format = self._format or FORMAT
            for name in self._written & sums.keys():
                sums[name] = sums[name][-1:]
            self._written.clear()
            yield sums
            files = {name: accepted[0] if len(accepted) == 1 else list(accepted) for name, accepted in sums.items()}
            atomic.write_bytes(self.path, with_checksum({"format": self._format, "files": files}))
            self._read = stamp(self.path), sums

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While entered, no other process changes the manifest."""
        lock = FileLock(self.folder / "manifest.lock")
        with suppress(OSError, ImportError):  # a disk, or a system, without such locks
            lock.take(wait=True)
        try:
            yield
        finally:
            lock.release()


def _parsed(path: Path, data: bytes) -> tuple[int, Known]:
    try:
        about = json.loads(data)
        made, files = int(about["format"]), about["files"]
        if not intact(data):
            raise ValueError
        return made, {name: (sums,) if isinstance(sums, str) else tuple(sums) for name, sums in files.items()}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise FileError("run.manifest_changed", path) from error
