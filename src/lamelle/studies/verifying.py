"""Whether runs and packages are still what was written, file by file, read to the last byte."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lamelle import package
from lamelle.errors import RequestError
from lamelle.io.manifest import FileState
from lamelle.run import RunFolder
from lamelle.training import checkpoint


@dataclass(frozen=True, slots=True)
class Verified:
    """A run, an evaluation or a package."""

    path: Path
    files: Mapping[str, FileState]
    """Name below the folder → what was found of it."""

    @property
    def whole(self) -> bool:
        """Whether every file that should be there is there as it was written; others may lie beside them."""
        return not {"changed", "missing"} & set(self.files.values())


def verify(path: Path) -> list[Verified]:
    """A run with its folds and evaluations, every run below a folder, or a package.

    Raises:
        RequestError: If there is none of them.
    """
    found = [Verified(run.path, _files(run)) for run in _below(path)]
    if not found and (path / package.DESCRIPTION).is_file():
        found = [Verified(path, package.states(path))]
    if not found:
        raise RequestError("runs.nothing_to_verify", path=path)
    return found


def _below(path: Path) -> Iterator[RunFolder]:
    """Folders with a recipe, and evaluations, which have a manifest and none."""
    for at, folders, names in os.walk(path):
        folders.sort()
        run = RunFolder(Path(at))
        scored = run.manifest.name in names and (run.path.parent.name == run.evaluations.name or run.path == path)
        if run.recipe.name in names or scored:
            yield run


def _files(run: RunFolder) -> dict[str, FileState]:
    found = run.states()
    for name, state in checkpoint.states(run.checkpoints).items():
        found[run.relative(run.checkpoints / name)] = state
    return dict(sorted(found.items()))
