"""Predict the images of a user: everything that can be read is predicted, everything that cannot is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from lamelle.data.layouts.pairing import names_of
from lamelle.data.layouts.unlabelled import read_unlabelled
from lamelle.data.preparation import to_channels
from lamelle.data.store import Store
from lamelle.errors import DataError, FileError, RequestError, WorkError
from lamelle.messages import text
from lamelle.package import Package
from lamelle.prediction.files import PredictionFolder, planes_of
from lamelle.prediction.predictor import of_package
from lamelle.prediction.submission import write_submission
from lamelle.types import Classes, Problem, Record, Source, Spacing

_FAR = 1.5
"""Ratio of pixel sizes from which a user is warned that the model was trained at another scale."""
_NAMED = 3
"""Files left out that are named; of the others the number is said."""


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
    masks: bool = False,
) -> Path:
    """Predict files and folders into a new folder; of a classifier also a submission.

    Returns:
        The table of all predictions.

    Raises:
        RequestError: If nothing is found to predict, ``out`` holds something already, or masks of objects are asked of
            a model that knows no objects.
        DataError: At the end, if some images could not be read; all others are predicted. Where none can be, nothing
            is made.
    """
    if masks and package.task.name != "instances":
        raise RequestError("predict.no_objects", task=package.task.name)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RequestError("predict.not_empty", path=out)
    found = read_unlabelled(paths, dims=package.dims)
    if found.labels and say:
        say(text("predict.labels_left_out", count=len(found.labels), names=names_of(found.labels, most=_NAMED)))
    usable, problems = readable(found.records, store, package)
    problems = [*found.problems, *problems]
    if not usable:
        raise DataError(problems)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError("predict.cannot_create", path=out, reason=error.strerror or error) from error
    classes = package.task.classes
    wanted = {"probabilities": probabilities, "overlays": overlays, "masks": masks}
    folder = PredictionFolder(out, classes, planes=planes_of(usable), **wanted)
    answers = _predict(package, usable, folder, store, say)
    table = folder.close()
    if answers:
        write_submission(out, found.asked, answers, classes=classes, naming=package.naming, probabilities=probabilities)
    if problems:
        raise SomeUnread(problems, done=len(usable), table=table)
    return table


def _predict(
    package: Package,
    records: Sequence[Record],
    folder: PredictionFolder,
    store: Store,
    say: Callable[[str], None] | None,
) -> dict[Source, Classes]:
    """Predict into a folder, and say where the scale is another one.

    Returns:
        The classes of images; empty where predictions are images themselves.
    """
    predictor = of_package(package)
    answers: dict[Source, Classes] = {}
    far: set[Spacing] = set()
    for record, found in predictor.of_records(records, store):
        spacing = store.spacing(record.image)
        if spacing and _is_far(spacing, package.spacing) and spacing not in far and say:
            far.add(spacing)
            say(text("predict.other_spacing", image=record.id, spacing=_said(spacing), trained=_said(package.spacing)))
        prediction = package.task.decode(found, package.fitted, spacing)
        folder.add(record, store.image(record.image), prediction, store.grid(record.image))
        if isinstance(prediction, Classes):
            answers[record.image] = prediction
    return answers


def readable(records: Sequence[Record], store: Store, package: Package) -> tuple[list[Record], list[Problem]]:
    """Records whose pixels can be read and fit the network, and why the others do not; each reason once."""
    good: list[Record] = []
    problems: dict[tuple[str, str], Problem] = {}
    for record in records:
        try:
            image = store.image(record.image)
            _check(record, image, package)
        except FileError as error:
            problems.setdefault((error.problem.code, error.problem.where), error.problem)
        else:
            good.append(record)
    return good, list(problems.values())


def _check(record: Record, image: np.ndarray, package: Package) -> None:
    """Raise a FileError for an image that the network cannot take."""
    if image.ndim - 1 != package.dims:
        raise FileError("predict.dims", record.image.path, have=image.ndim - 1, want=package.dims)
    if package.preparation.context and record.image.index is None:
        raise FileError("predict.no_neighbours", record.image.path, context=package.preparation.context)
    try:
        to_channels(image[(slice(None), *[slice(0, 1)] * package.dims)], package.preparation.channels)
    except WorkError as error:
        raise FileError(error.code, record.image.path, **error.values) from error


def _said(spacing: Spacing | None) -> str:
    return " × ".join(f"{s:.4g}" for s in spacing or ())


def _is_far(spacing: Spacing, trained: Spacing | None) -> bool:
    pairs = zip(spacing[-2:], (trained or spacing)[-2:], strict=True)
    return any(max(a, b) > _FAR * min(a, b) for a, b in pairs)
