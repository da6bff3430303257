"""What every file of a Zarr that Lamelle wrote has to be: ``sha256.json`` beside its chunks, checked as they are read.

It lies in the array's folder, where other programs look for nothing, and names each file below the root. A Zarr
without it is read as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamelle.errors import FileError
from lamelle.io import atomic
from lamelle.io.checksums import read_checked, with_checksum

SUMS = "sha256.json"
_ARRAY = "0"
"""The one array of a Zarr that is written here."""
_METADATA = (".zgroup", ".zattrs", f"{_ARRAY}/.zarray", f"{_ARRAY}/.zattrs")


@dataclass(frozen=True, slots=True)
class FileSums:
    """The SHA-256 of each file below ``root``, as they were written."""

    root: Path
    known: Mapping[str, str]

    def check(self, file: Path, data: bytes | None) -> None:
        """Refuse a file that is not what was written; ``data`` None means that it is not there.

        Raises:
            FileError: If its content is another, or it is missing.
        """
        digest = self.known.get(file.relative_to(self.root).as_posix())
        if digest is None:
            return
        if data is None:
            raise FileError("files.chunk_missing", file, sums=self.root / _ARRAY / SUMS)
        if hashlib.sha256(data).hexdigest() != digest:
            raise FileError("files.chunk_changed", file, sums=self.root / _ARRAY / SUMS)


def write(root: Path) -> None:
    """Note every file of the Zarr that lies at ``root``."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    names = {path.relative_to(root).as_posix(): atomic.sha256(path) for path in files}
    (root / _ARRAY / SUMS).write_bytes(with_checksum({"files": names}))


def of(path: Path) -> FileSums | None:
    """The sums of a Zarr, or of its array; its metadata are checked at once.

    Raises:
        FileError: If the sums, or metadata that they name, are not what was written.
    """
    for root in (path, path.parent):
        if not (file := root / _ARRAY / SUMS).is_file() or (root != path and path.name != _ARRAY):
            continue
        try:
            sums = FileSums(root, read_checked(file.read_bytes())["files"])
        except ValueError as error:
            raise FileError("files.sums_changed", file) from error
        for name in _METADATA:
            sums.check(root / name, (root / name).read_bytes() if (root / name).is_file() else None)
        return sums
    return None


def store(node: Path, sums: FileSums) -> Any:
    """A store that checks each chunk of the array at ``node`` as it is read."""
    from zarr.storage import LocalStore

    class Checked(LocalStore):
        async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
            content = await super().get(key, prototype, byte_range)
            sums.check(node / key, None if content is None else content.to_bytes())
            return content

    return Checked(node, read_only=True)
