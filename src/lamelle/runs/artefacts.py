"""A folder whose files are known by their SHA-256: what is no longer as it was written is refused by whoever reads it.

A Run and a study are such folders; each says in its own words what is wrong.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from lamelle.data.file_hashes import FileHashes, digest
from lamelle.errors import RequestError
from lamelle.io.atomic import plain
from lamelle.io.manifest import FileState, Manifest
from lamelle.platform import home

Wrong = Literal["altered", "lost", "missing", "no_manifest"]


class Artefacts:
    """The files of one folder, and its ``manifest.json``."""

    passed_over: Collection[str] = ()
    """Names in the folder that `states` does not look at, beside those of locks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = path / "manifest.json"
        """The SHA-256 of every file that was written here, and its own."""
        self.manifest_lock = path / "manifest.lock"
        """Held while the manifest is written."""
        self.lock = path / "lock"
        """Held by the process that is at work here."""
        self._sums = Manifest(self.manifest)
        self._hashes: FileHashes | None = None

    def relative(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()

    # what is written

    def write_text(self, path: Path, content: str) -> None:
        """Write one artefact, and its SHA-256 into the manifest."""
        self.write_bytes(path, content.encode("utf-8"))

    def write_bytes(self, path: Path, content: bytes) -> None:
        """Write one artefact, and its SHA-256 into the manifest."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._sums.write(path, content)

    def write_json(self, path: Path, content: Any) -> None:
        """Write one artefact, and its SHA-256 into the manifest; NaN becomes null."""
        self.write_text(path, json.dumps(plain(content), allow_nan=False, ensure_ascii=False, indent=2) + "\n")

    def seal(self, *paths: Path) -> None:
        """Record the SHA-256 of artefacts that others have written."""
        self._sums.seal(*paths)

    def forget(self, path: Path) -> None:
        """Record nothing of a file or folder that others are about to write anew, until they are done."""
        self._sums.forget(path)

    # what is read

    def read_bytes(self, path: Path) -> bytes:
        """The content of one artefact, of this folder or of one of its kind inside of it.

        Raises:
            RequestError: If it is not there (yet), or it is not what was written.
        """
        if not path.is_file():
            raise self.wrong("lost" if self._lost(path) else "missing", path)
        content = path.read_bytes()
        self._refuse(path, hashlib.sha256(content).hexdigest())
        return content

    def check(self, path: Path) -> Path:
        """The path of an artefact that others read: a file, or a folder with all that lies in it (Zarr).

        Its hash is remembered by its size, times and inode.

        Raises:
            RequestError: If it is not what was written.
        """
        for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
            if file.is_file():
                self._refuse(file, self._hash(file))
        return path

    def read_json(self, path: Path) -> Any:
        """The content of one artefact; errors are those of `read_bytes`."""
        return json.loads(self.read_bytes(path))

    def states(self) -> dict[str, FileState]:
        """Every file of the folder, hashed anew; what has a manifest of its own inside of it by itself."""
        return self._sums.states(skip=(self.lock.name, self.manifest_lock.name, *self.passed_over))

    def altered(self) -> dict[str, FileState]:
        """Artefacts that no longer are what the manifest says: name → ``missing`` or ``changed``."""
        return {name: state for name, state in self.states().items() if state in ("missing", "changed")}

    # what each kind of folder says of itself

    def wrong(self, what: Wrong, path: Path) -> RequestError:
        """The error for a file that is ``altered``, ``lost``, ``missing`` (yet), or for want of a manifest."""
        raise NotImplementedError

    def owner(self, path: Path) -> Artefacts:
        """The folder of this kind to whose manifest a file belongs: this one, or one inside of it."""
        return self

    # what others need not know

    def _lost(self, path: Path) -> bool:
        """Whether a file that was written is gone."""
        return self._sums.knows(path)

    def _vouched(self) -> None:
        if not self.manifest.is_file():
            raise self.wrong("no_manifest", self.manifest)

    def _refuse(self, path: Path, digest: str) -> None:
        owner = self.owner(path)
        owner._vouched()
        if owner._sums.accepts(path, digest) is False:
            raise owner.wrong("altered", path)

    def _hash(self, path: Path) -> str:
        if self._hashes is None:
            folder = hashes()
            with suppress(OSError):  # then nothing is remembered
                folder.mkdir(parents=True, exist_ok=True)
            self._hashes = FileHashes(folder / f"{digest(os.path.abspath(self.path))[:16]}.jsonl")
        return self._hashes.of(path)


def hashes() -> Path:
    """Where the hashes of files of Runs and studies are remembered."""
    return home() / "hashes"
