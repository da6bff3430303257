"""Predict the images of a user: everything that can be read is predicted, everything that cannot is named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from lamelle.data.layouts.unlabelled import read_unlabelled
from lamelle.data.store import Store
from lamelle.errors import DataError, FileError, RequestError
from lamelle.messages import text
from lamelle.package import Package
from lamelle.prediction.files import PredictionFolder
from lamelle.prediction.predictor import of_package
from lamelle.types import Problem, Record, Spacing

_FAR = 1.5
"""Ratio of pixel sizes from which a user is warned that the model was trained at another scale."""


class SomeUnread(DataError):
    """Some images could not be read; all others are predicted."""

    def __init__(self, problems: Sequence[Problem], *, done: int, table: Path) -> None:
        super().__init__(problems)
        self.code, self.values = "predict.some_unread", {"count": len(problems), "done": done, "table": table}


def predict_files(
    package: Package,
    paths: Sequence[Path],
    out: Path,
    *,
    store: Store,
    probabilities: bool,
    overlays: bool,
    say: Callable[[str], None] | None,
) -> Path:
    """Predict files and folders into a new folder.

    Returns:
        The table of all predictions.

    Raises:
        RequestError: If nothing is found to predict, or ``out`` holds something already.
        DataError: At the end, if some images could not be read; all others are predicted.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RequestError("predict.not_empty", path=out)
    records = read_unlabelled(paths, dims=package.dims)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError("predict.cannot_create", path=out, reason=error.strerror or error) from error
    readable, problems = _readable(records, store)
    planes = Counter(r.image.path for r in readable if r.image.index is not None)
    folder = PredictionFolder(
        out, package.task.classes, probabilities=probabilities, overlays=overlays, planes=dict(planes)
    )
    predictor = of_package(package)
    far: set[Spacing] = set()
    for record, found in predictor.of_records(readable, store):
        spacing = store.spacing(record.image)
        if spacing and _is_far(spacing, package.spacing) and spacing not in far and say:
            far.add(spacing)
            say(text("predict.other_spacing", image=record.id, spacing=_said(spacing), trained=_said(package.spacing)))
        prediction = package.task.decode(found, package.fitted, spacing)
        folder.add(record, store.image(record.image), prediction, store.entry(record.image).spacing)
    table = folder.close()
    if problems:
        raise SomeUnread(problems, done=len(readable), table=table)
    return table


def _readable(records: Sequence[Record], store: Store) -> tuple[list[Record], list[Problem]]:
    good: list[Record] = []
    problems: list[Problem] = []
    for record in records:
        try:
            store.image(record.image)
        except FileError as error:
            problems.append(error.problem)
        else:
            good.append(record)
    return good, problems


def _said(spacing: Spacing | None) -> str:
    return " × ".join(f"{s:.4g}" for s in spacing or ())


def _is_far(spacing: Spacing, trained: Spacing | None) -> bool:
    pairs = zip(spacing[-2:], (trained or spacing)[-2:], strict=True)
    return any(max(a, b) > _FAR * min(a, b) for a, b in pairs)
