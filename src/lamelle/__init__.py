"""Lamelle: from a folder of biomedical images to a trained, explained, trusted and shareable model.

Example:
    >>> import lamelle
    >>> sorted(lamelle.__all__)[:4]
    ['DataError', 'FileError', 'LamelleError', 'RequestError']
"""

from __future__ import annotations

from lamelle import verbs
from lamelle.errors import DataError, FileError, LamelleError, RequestError, WorkError
from lamelle.verbs import *  # noqa: F403
from lamelle.version import __version__

__all__ = ["DataError", "FileError", "LamelleError", "RequestError", "WorkError", "__version__"]
__all__ += verbs.__all__


def __dir__() -> list[str]:
    return sorted(__all__)
