"""The folder of a study: what was asked, the runs of its variants, its table and its page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from lamelle.errors import RequestError
from lamelle.io import atomic
from lamelle.run import RunFolder
from lamelle.studies.variants import Variant


class StudyFolder:
    """Paths of one study."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.request = path / "study.json"
        self.table = path / "table.csv"
        self.scores = path / "scores.json"
        self.report = path / "report.html"

    @classmethod
    def begin(cls, root: Path, name: str, request: dict[str, Any]) -> StudyFolder:
        """The study of this name: a new one, or the one that was begun with the same request.

        Raises:
            RequestError: If a study of this name was asked for something else.
        """
        study = cls(root / name)
        if study.request.is_file():
            if json.loads(study.request.read_text(encoding="utf-8")) != json.loads(json.dumps(request)):
                raise RequestError("study.other_request", path=study.path)
            return study
        if study.path.exists() and any(study.path.iterdir()):
            raise RequestError("study.taken", path=study.path)
        study.path.mkdir(parents=True, exist_ok=True)
        atomic.write_json(study.request, request)
        return study

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

    def read_scores(self) -> dict[str, Any]:
        """The content of ``scores.json``."""
        return json.loads(self.scores.read_text(encoding="utf-8"))
