"""Lamelle: from a folder of biomedical images to a trained, explained, trusted and shareable model.

Example:
    >>> import lamelle
    >>> sorted(lamelle.__all__)[:4]
    ['DataError', 'FileError', 'LamelleError', 'RequestError']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lamelle.version import __version__

if TYPE_CHECKING:
    from lamelle.errors import DataError, FileError, LamelleError, RequestError, WorkError
    from lamelle.verbs import (
        Run,
        check,
        compare,
        compare_runs,
        convert,
        demo,
        evaluate,
        explain,
        export_run,
        list_runs,
        predict,
        prune_runs,
        report,
        train,
        tune,
        verify_runs,
    )

_WHERE = {
    **dict.fromkeys(
        (
            "Run",
            "check",
            "compare",
            "compare_runs",
            "convert",
            "demo",
            "evaluate",
            "explain",
            "export_run",
            "list_runs",
            "predict",
            "prune_runs",
            "report",
            "train",
            "tune",
            "verify_runs",
        ),
        "lamelle.verbs",
    ),
    **dict.fromkeys(("DataError", "FileError", "LamelleError", "RequestError", "WorkError"), "lamelle.errors"),
}

__all__ = [
    "DataError",
    "FileError",
    "LamelleError",
    "RequestError",
    "Run",
    "WorkError",
    "__version__",
    "check",
    "compare",
    "compare_runs",
    "convert",
    "demo",
    "evaluate",
    "explain",
    "export_run",
    "list_runs",
    "predict",
    "prune_runs",
    "report",
    "train",
    "tune",
    "verify_runs",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'lamelle' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
