"""The hash of a file's content, remembered so that a second run need not read the file again."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import threading
import time
import zlib
from contextlib import suppress
from pathlib import Path

from lamelle.io.checksums import Stamp, stamp_of

_SETTLED = 2.0
"""Seconds after which a changed file surely has another modification time, on any file system."""


def digest(*parts: object) -> str:
    """SHA-256 of a few values in their written form, as hexadecimal.

    Example:
        >>> digest("image", 1) == digest("image", 1) != digest("image1")
        True
    """
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()


class FileHashes:
    """Content hashes of files, memoised by path, size, times of modification and change, and inode.

    The memory is a text file to which every process appends lines, each with a checksum; a torn, damaged or lost line
    costs one more reading of one file, nothing else.
    """

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._known: dict[str, tuple[Stamp, str]] | None = None
        self._lock = threading.Lock()

    def of(self, path: Path) -> str:
        """SHA-256 of the content of a file, or of every file below a folder (Zarr).

        Raises:
            OSError: If the file cannot be read.
        """
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.is_file())
            return digest(*((p.relative_to(path).as_posix(), self._file(p)) for p in files))
        return self._file(path)

    def _file(self, path: Path) -> str:
        name = os.path.abspath(path)
        status = os.stat(name)
        signature = stamp_of(status)
        hashes = self._load()
        if (entry := hashes.get(name)) and entry[0] == signature:
            return entry[1]
        with open(name, "rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        if time.time() - status.st_mtime > _SETTLED:
            hashes[name] = signature, content
            self._append(_line(name, signature, content))
        return content

    def _append(self, line: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with suppress(OSError):  # a full disk costs another reading; the store itself says that it is full
            descriptor = os.open(self._memory, flags, 0o600)
            try:
                os.write(descriptor, line.encode())  # one write of one line: lines of several processes do not mix
            finally:
                os.close(descriptor)

    def _load(self) -> dict[str, tuple[Stamp, str]]:
        with self._lock:
            if self._known is None:
                self._known = self._read()
            return self._known

    def _read(self) -> dict[str, tuple[Stamp, str]]:
        hashes: dict[str, tuple[Stamp, str]] = {}
        lines: list[bytes] = []
        with suppress(FileNotFoundError):
            lines = self._memory.read_bytes().splitlines()
        for line in lines:
            body, _, check = line.rpartition(b" ")
            if check == _check(body):  # else torn or damaged
                size, modified, inode, changed, content, name = json.loads(body)
                hashes[name] = (size, modified, inode, changed), content
        if len(lines) > 2 * len(hashes) + 1000:
            self._compact(hashes)
        return hashes

    def _compact(self, hashes: dict[str, tuple[Stamp, str]]) -> None:
        temporary = self._memory.with_name(f"{self._memory.name}.{secrets.token_hex(6)}.tmp")
        try:
            temporary.write_text("".join(_line(name, *entry) for name, entry in hashes.items()))
            os.replace(temporary, self._memory)
        except OSError:  # the disk is full, or the store was cleared: the long memory serves as well
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def _line(name: str, signature: Stamp, content: str) -> str:
    body = json.dumps([*signature, content, name])
    return f"{body} {_check(body.encode()).decode()}\n"


def _check(body: bytes) -> bytes:
    return f"{zlib.crc32(body):08x}".encode()
