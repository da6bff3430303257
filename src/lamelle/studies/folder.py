"""The folder of a study: its request, the runs of its variants, its table and its page."""

from __future__ import annotations

import shutil
from pathlib import Path

from pydantic import TypeAdapter

from lamelle.errors import RequestError
from lamelle.results.base import Result
from lamelle.results.studies import StudyResult
from lamelle.runs.artefacts import Artefacts, Wrong
from lamelle.runs.folder import RunFolder
from lamelle.studies.variants import Variant


class StudyFolder(Artefacts):
    """Paths and artefacts of one study; its runs are folders of their own."""

    passed_over = ("workers",)

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.request = path / "study.json"
        """What is compared or searched; the same request goes on where it was stopped."""
        self.scores = path / "scores.json"
        """The comparison, or the trials of the search."""
        self.table = path / "table.csv"
        """The same as a table: a row for each variant or trial."""
        self.report = path / "report.html"
        """The page."""
        self.trials = path / "trials.db"
        """Where the trials of a search stand, unless that is a server."""

    @classmethod
    def start(cls, path: Path, request: Result) -> StudyFolder:
        """The study in this folder: a new one, or the one that was begun with the same request.

        Raises:
            RequestError: If the study that is there has another request, or is not what was written.
        """
        study = cls(path)
        if not study.request.is_file() and study._empty():
            study.write_json(study.request, request.model_dump(mode="json"))
            return study
        if not study.request.is_file() and not study.manifest.is_file():
            raise RequestError("study.taken", path=study.path)
        if study.read_json(study.request) != request.model_dump(mode="json"):
            raise RequestError("study.other_request", path=study.path)
        study.open(*study.path.glob("*.log"))
        return study

    def open(self, *paths: Path) -> None:
        """Take files as they were written, since others are about to add to them; `seal` ends that.

        Raises:
            RequestError: If one of them is not what was written, or is gone.
        """
        for path in paths:
            if self._lost(path) and not path.is_file():
                raise self.wrong("lost", path)
            self.check(path)
        for path in paths:
            self.forget(path)

    def read_result(self) -> StudyResult:
        """What ``scores.json`` holds.

        Raises:
            RequestError: If it is not there (yet), or not what was written.
        """
        return TypeAdapter[StudyResult](StudyResult).validate_python(self.read_json(self.scores))

    def write_result(self, result: StudyResult, *, table: str, page: str) -> None:
        """Write ``scores.json``, ``table.csv`` and ``report.html``."""
        self.write_json(self.scores, result.model_dump(mode="json"))
        self.write_text(self.table, table)
        self.write_text(self.report, page)

    def run(self, variant: Variant, seed: int) -> RunFolder:
        """Where one run lies, whether it is there or not."""
        return RunFolder(self.path / variant.folder / f"seed{seed}")

    def state(self, variant: Variant, seed: int) -> str:
        """``done``, ``begun`` (it can be resumed) or ``new``; what a kill left before there was a recipe goes."""
        run = self.run(variant, seed)
        if run.done:
            return "done"
        if run.begun:
            return "begun"
        shutil.rmtree(run.path, ignore_errors=True)
        return "new"

    def wrong(self, what: Wrong, path: Path) -> RequestError:
        """The error for a file that is ``altered``, ``lost``, ``missing``, or for want of a manifest."""
        return RequestError(f"study.{what}", path=path, study=self.path)

    def _empty(self) -> bool:
        """Whether nothing is there but what a kill leaves of a study that is just being begun."""
        ours = {self.manifest.name, self.manifest_lock.name}
        return not self.path.exists() or {path.name for path in self.path.iterdir()} <= ours
