"""What the system says of a path, and which names nobody means."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

from lamelle.errors import FileError

TEMPORARY = ".tmp-"
"""Start of the name of a file that is being written."""
_JUNK_NAMES = frozenset({".ds_store", "thumbs.db", "desktop.ini", ".ipynb_checkpoints", "__macosx", "@eadir"})


def regular(path: Path) -> bool:
    """Whether the path is a file that may be opened (True) or a folder (False); a pipe or device is never opened.

    Raises:
        FileError: If it is missing, a dangling link, a loop of links, or neither file nor folder.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise FileError("files.dangling_link" if path.is_symlink() else "files.missing", path) from error
    except PermissionError as error:
        raise FileError("files.unreadable", path, reason=error.strerror) from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        if getattr(error, "errno", None) == errno.ELOOP:
            raise FileError("files.link_loop", path) from error
        raise FileError("files.missing", path) from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise FileError("files.not_regular", path)
    return stat.S_ISREG(mode)


def junk(name: str) -> str | None:
    """The pattern for which a file is passed over (a system's droppings, a write that was cut off), or None.

    Args:
        name: A name, or a path below the folder that is read; each of its parts counts.

    Example:
        >>> junk("._x.png"), junk("a/.ipynb_checkpoints/x.png"), junk("x.png")
        ('._*', '.ipynb_checkpoints', None)
    """
    for part in name.replace("\\", "/").split("/"):
        if part.lower() in _JUNK_NAMES:
            return part
        for start in ("._", TEMPORARY):
            if part.startswith(start):
                return f"{start}*"
    return None
