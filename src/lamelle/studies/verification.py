"""Whether runs and packages are still what was written, file by file, read to the last byte."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lamelle.errors import RequestError
from lamelle.io.manifest import FileState
from lamelle.prediction import package
from lamelle.runs.artefacts import Artefacts
from lamelle.runs.folder import RunFolder
from lamelle.studies.folder import StudyFolder
from lamelle.training import checkpoint


@dataclass(frozen=True, slots=True)
class Verified:
    """A run, an evaluation, a study or a package."""

    path: Path
    files: Mapping[str, FileState]
    """Name below the folder → what was found of it."""

    @property
    def whole(self) -> bool:
        """Whether every file that should be there is there as it was written; others may lie beside them."""
        return not {"changed", "missing"} & set(self.files.values())


def verify(path: Path) -> list[Verified]:
    """A run with its folds and evaluations, every run and study below a folder, or a package.

    Raises:
        RequestError: If there is none of them.
    """
    artefacts = [Verified(one.path, _files(one)) for one in _below(path)]
    if not artefacts and (path / package.DESCRIPTION).is_file():
        artefacts = [Verified(path, package.states(path))]
    if not artefacts:
        raise RequestError("runs.nothing_to_verify", path=path)
    return artefacts


def _below(path: Path) -> Iterator[Artefacts]:
    """Folders with a recipe, evaluations, which have none, and studies."""
    for at, folders, names in os.walk(path):
        folders.sort()
        run, study = RunFolder(Path(at)), StudyFolder(Path(at))
        scored = run.path.resolve().parent.name == run.evaluations.name and {run.scores.name, run.manifest.name} & {
            *names
        }
        if run.recipe.name in names or scored:
            yield run
        elif {study.request.name, study.manifest.name} & {*names}:
            yield study


def _files(folder: Artefacts) -> dict[str, FileState]:
    states = folder.states()
    if isinstance(folder, RunFolder):
        for name, state in checkpoint.states(folder.checkpoints).items():
            states[folder.relative(folder.checkpoints / name)] = state
    return dict(sorted(states.items()))
