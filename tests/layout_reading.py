"""What the tests of layouts share: a folder as it is read, and the masks of each of its images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.messages import LANGUAGES, catalogue
from lamelle.tasks.table import find
from lamelle.types import Index


def read_index(folder: Path, **options: Any) -> Index:
    """The Index of a folder; each of its problems has a sentence in every language.

    Of a task that is asked for, the kinds of target that it can see are said as well, as a plan does.
    """
    if "task" in options:
        options = {"learnt": find(options["task"]).view.sees} | options
    index = read_folder(folder, options=LayoutOptions(**options))
    for language in LANGUAGES:
        for problem in index.problems:
            room, name = problem.code.split(".")
            assert catalogue(language, room)[name].format(**problem.values)
    return index


def masks_of(index: Index) -> dict[str, list[str]]:
    """The files of the masks of each record, as seen from the folder."""
    return {
        r.id: [t.path.relative_to(index.root).as_posix() for t in (r.labels.sources if r.labels else ())]
        for r in index.records
    }
