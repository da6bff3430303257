"""Files that know what they were: JSON with its own SHA-256 at its end, and stamps that tell an untouched file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from lamelle.io import atomic
from lamelle.types import JsonObject

_BEFORE, _AFTER = b',\n  "sha256": "', b'"\n}\n'
Stamp = tuple[int, int, int, int]
"""Size, time of modification, inode, time of change: of a file that nobody wrote to, the same."""


def with_checksum(content: Mapping[str, object]) -> bytes:
    """JSON whose last entry, ``sha256``, is the hash of all bytes before it.

    Example:
        >>> data = with_checksum({"format": 2})
        >>> intact(data), intact(data.replace(b"2", b"3", 1)), intact(b'{"format": 2}')
        (True, False, None)
    """
    return seal(json.dumps(atomic.plain(content), allow_nan=False, ensure_ascii=False, indent=2))


def seal(text: str) -> bytes:
    """A JSON object, not an empty one, with its hash as its last entry.

    Example:
        >>> json.loads(seal('{"epoch": 1}'))["epoch"]
        1
    """
    head = text.encode()[:-1].rstrip()
    return head + _BEFORE + hashlib.sha256(head).hexdigest().encode() + _AFTER


def intact(data: bytes) -> bool | None:
    """Whether sealed JSON is as it was written, to the last byte; None where no seal is found."""
    head, mark, tail = data.rpartition(_BEFORE)
    if not mark:
        return None
    return tail == hashlib.sha256(head).hexdigest().encode() + _AFTER


def read_checked(data: bytes) -> JsonObject:
    """The content of sealed JSON.

    Raises:
        ValueError: If it has no seal, or is not as it was written.
    """
    if not intact(data):
        raise ValueError("changed since it was written")
    return json.loads(data)


def stamp(path: Path) -> Stamp:
    """The stamp of a file.

    Raises:
        OSError: If there is none.
    """
    return stamp_of(os.stat(path))


def stamp_of(status: os.stat_result) -> Stamp:
    """The stamp of a file whose status is known."""
    return status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns


def note_checksum(path: Path) -> None:
    """Write beside a file, under ``.json``, what it is now.

    Raises:
        FileError: If the system cannot write.
        OSError: If there is no such file.
    """
    atomic.write_bytes(path.with_suffix(".json"), with_checksum({"content": atomic.sha256(path), "stamp": stamp(path)}))


def is_as_noted(path: Path) -> bool | None:
    """Whether a file is what `note_checksum` saw; hashed only where its stamp is another. None where nothing was noted.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "a.npy")
        ...     before = is_as_noted(file)
        ...     _ = file.write_bytes(b"one")
        ...     note_checksum(file)
        ...     whole = is_as_noted(file)
        ...     _ = file.write_bytes(b"once")
        ...     before, whole, is_as_noted(file)
        (None, True, False)
    """
    try:
        note, now = path.with_suffix(".json").read_bytes(), stamp(path)
    except OSError:
        return None
    if not intact(note):
        return False
    content = json.loads(note)
    return content["stamp"] == list(now) or content["content"] == atomic.sha256(path)
