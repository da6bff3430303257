"""The one way a file is written: a temporary file beside it, flushed to disk, then renamed over it."""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from lamelle import platform
from lamelle.errors import FileError
from lamelle.io.paths import TEMPORARY, regular


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder and with the same suffix; renamed to ``path`` if the body succeeds.

    After a crash at any moment ``path`` is either what it was or complete. On failure the temporary file is removed.

    Raises:
        FileError: If the system cannot write (disk full, input/output error, no permission).

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with writing(Path(folder, "a.txt")) as temporary:
        ...         _ = temporary.write_text("done")
        ...     Path(folder, "a.txt").read_text()
        'done'
    """
    path = Path(path)
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}{path.suffix}")
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        platform.sync_folder(path.parent)
    except OSError as error:
        written = temporary.stat().st_size if temporary.exists() else 0
        reason = error.strerror or str(error) or type(error).__name__
        raise FileError("files.cannot_write", path, reason=reason, written=written) from error
    finally:
        with suppress(OSError):  # after the rename there is none; on a dead disk it cannot be removed
            temporary.unlink(missing_ok=True)


@contextmanager
def writing_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside ``path``; flushed to disk and renamed to ``path`` if the body succeeds.

    ``path`` must not exist, or be an empty folder. On failure the temporary folder is removed.

    Raises:
        FileError: If the system cannot write (disk full, input/output error, no permission, ``path`` holds something).

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with writing_folder(Path(folder, "series")) as temporary:
        ...         _ = (temporary / "a.txt").write_text("done")
        ...     Path(folder, "series", "a.txt").read_text()
        'done'
    """
    path = Path(path)
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}{path.suffix}")
    try:
        temporary.mkdir()
        yield temporary
        for folder, _, names in os.walk(temporary, topdown=False):
            for name in names:
                _sync(Path(folder, name))
            platform.sync_folder(Path(folder))
        if path.is_dir():
            path.rmdir()
        os.rename(temporary, path)
        platform.sync_folder(path.parent)
    except OSError as error:
        written = sum(f.stat().st_size for f in temporary.rglob("*") if f.is_file())
        reason = error.strerror or str(error) or type(error).__name__
        raise FileError("files.cannot_write", path, reason=reason, written=written) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, data: bytes) -> None:
    """Write bytes atomically.

    Raises:
        FileError: If the system cannot write.
    """
    with writing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically, line ends as given.

    Raises:
        FileError: If the system cannot write.
    """
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, obj: object) -> None:
    """Write JSON atomically, keys in their order; NaN and infinities become null, numpy values plain numbers.

    Raises:
        FileError: If the system cannot write.
        TypeError: If a value has no JSON form.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_json(Path(folder, "a.json"), {"dice": float("nan"), "n": 3})
        ...     json.loads(Path(folder, "a.json").read_text())
        {'dice': None, 'n': 3}
    """
    write_text(path, json.dumps(plain(obj), allow_nan=False, ensure_ascii=False, indent=2) + "\n")


def cell(value: Any) -> Any:
    """A value as a table for programs has it: six digits, and nothing where there is no number.

    Example:
        >>> [cell(v) for v in (0.123456789, None, float("nan"), 3, "a")]
        ['0.123457', '', '', 3, 'a']
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value


def plain(value: Any) -> Any:
    """What JSON can hold: NaN and infinities become null, numpy values plain numbers, paths text, records their fields.

    Example:
        >>> plain({"dice": float("nan"), "at": (1, Path("a"))})
        {'dice': None, 'at': [1, 'a']}
    """
    if hasattr(value, "tolist") and not isinstance(value, (str, bytes)):  # numpy scalars and arrays
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if (dump := getattr(value, "model_dump", None)) is not None:  # a record of pydantic
        return dump(mode="json")
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes in hexadecimal, read in pieces.

    Raises:
        FileError: If the file cannot be read, or is a pipe or device.
    """
    try:
        if not regular(path):
            raise FileError("files.folder", path)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileError("files.unreadable", path, reason=error.strerror or type(error).__name__) from error
