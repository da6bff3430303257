"""A part of a study in a process of its own.

``python -m lamelle.cli.worker STUDY VARIANT SEED``: one run of a comparison.
``python -m lamelle.cli.worker STUDY TRIALS``: trials of a search of so many, until none waits.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lamelle.errors import LamelleError
from lamelle.platform import tune_allocator


def main(arguments: list[str]) -> int:
    """Do it; the exit code is that of the command line."""
    tune_allocator()
    try:
        if len(arguments) == 2:
            _search(Path(arguments[0]), int(arguments[1]))
        else:
            _run(Path(arguments[0]), arguments[1], int(arguments[2]))
    except LamelleError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _search(folder: Path, trials: int) -> None:
    from lamelle.studies.search.search import STORAGE, resume
    from lamelle.training.progress import Plain
    from lamelle.verbs import open_store

    resume(folder, trials, os.environ.get(STORAGE) or None).work(open_store(), Plain())


def _run(folder: Path, name: str, seed: int) -> None:
    from lamelle.studies.compare import run_one
    from lamelle.studies.folder import StudyFolder
    from lamelle.studies.study import CompareRequest
    from lamelle.training.progress import Plain
    from lamelle.verbs import open_store

    study = StudyFolder(folder)
    request = CompareRequest.model_validate(study.read_json(study.request))
    run_one(study, request.data, request.common, request.variant(name), seed, open_store(), Plain())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
