"""One run of a study in a process of its own: ``python -m lamelle.cli.worker STUDY VARIANT SEED``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lamelle.errors import LamelleError
from lamelle.platform import tune_allocator


def main(arguments: list[str]) -> int:
    """Do it; the exit code is that of the command line."""
    tune_allocator()
    from lamelle.studies.compare import run_one
    from lamelle.studies.folder import StudyFolder
    from lamelle.studies.variants import Variant
    from lamelle.training.progress import Plain
    from lamelle.verbs import open_store

    study = StudyFolder(Path(arguments[0]))
    request = json.loads(study.request.read_text(encoding="utf-8"))
    variant = Variant(arguments[1], request["variants"][arguments[1]])
    try:
        run_one(study, Path(request["data"]), request["common"], variant, int(arguments[2]), open_store(), Plain())
    except LamelleError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
