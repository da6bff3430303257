"""The model of a Run, or a package by itself, as every verb takes it."""

from __future__ import annotations

from pathlib import Path

from lamelle.prediction.package import DESCRIPTION, WEIGHTS, Package, load
from lamelle.runs.folder import RunFolder


def load_model(path: Path | str) -> Package:
    """Read a package, or the package of a Run, and check it.

    Raises:
        RequestError: If there is no package at ``path``, a newer Lamelle wrote it, or its Run wrote another one.
        FileError: If the files are damaged, do not fit together, or the self-test fails.
    """
    run = RunFolder.around(Path(path))
    if run is not None:  # a whole package may still be that of another run
        for file in (DESCRIPTION, WEIGHTS):
            run.check(run.model / file)
    return load(path)
