"""Predict the images of a user: everything that can be read is predicted, everything that cannot is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from lamelle.data.appearance import Appearance, look
from lamelle.data.layouts.pairing import names_of
from lamelle.data.layouts.unlabelled import read_unlabelled
from lamelle.data.preparation import to_channels
from lamelle.data.store import Store
from lamelle.data.units import Span
from lamelle.errors import DataError, FileError, RequestError, WorkError
from lamelle.io import atomic
from lamelle.messages import text
from lamelle.prediction.comparing import Compared, compare
from lamelle.prediction.files import PredictionFolder
from lamelle.prediction.output import NOTHING_MORE, Wanted
from lamelle.prediction.output_places import planes_of
from lamelle.prediction.package import Package
from lamelle.prediction.predictor import of_package
from lamelle.prediction.submission import Submission
from lamelle.prediction.tables import items_csv
from lamelle.types import Problem, Record

_NAMED = 3
"""Files left out that are named; of the others the number is said."""


class SomeUnread(DataError):
    """Some images could not be read; all others are predicted."""

    def __init__(self, problems: Sequence[Problem], *, done: int, table: Path, all_in: Path) -> None:
        super().__init__(problems)
        self.code = "predict.some_unread"
        self.values = {"count": len(problems), "done": done, "table": table, "all_in": all_in}


def predict_files(
    package: Package,
    paths: Sequence[Path],
    out: Path,
    *,
    store: Store,
    say: Callable[[str], None] | None,
    wanted: Wanted = NOTHING_MORE,
    span: Span | None = None,
) -> Path:
    """Predict files and folders into a new folder; of a classifier also a submission.

    Args:
        wanted: What is written besides label images and tables.
        span: The values that mean black and white, where somebody said so.

    Returns:
        The table of all predictions.

    Raises:
        RequestError: If nothing is found to predict, ``out`` holds something already, or the model has not what is
            wanted, such as masks of objects of one that knows none.
        DataError: At the end, if some images could not be read; all others are predicted. Where none can be, or nothing
            says what the values of some mean, nothing is made.
    """
    wanted.check(package.task)
    if (there := out.exists()) and (not out.is_dir() or any(out.iterdir())):
        raise RequestError("predict.not_empty", path=out)
    listed = read_unlabelled(paths, dims=package.dims, axes=package.axes, volumes=package.volumes)
    if listed.labels and say:
        say(text("predict.labels_left_out", count=len(listed.labels), names=names_of(listed.labels, most=_NAMED)))
    usable, looks, problems = readable(listed.records, store, package)
    problems = [*listed.problems, *problems]
    if not usable:
        raise DataError(problems)
    compared = compare(package, usable, store, stated=span, looks=looks)
    if say:
        for line in compared.lines():
            say(line)
    _claim(out, there=there)
    folder = PredictionFolder(
        out,
        package.task.classes,
        planes=planes_of(usable),
        wanted=wanted,
        submission=Submission(listed.inputs, package.naming),
    )
    _predict(package, usable, folder, store, compared)
    table = folder.close()
    if problems:
        rows = [{"file": p.where, "problem": text(p.code, **p.values)} for p in problems]
        atomic.write_text(out / "unread.csv", items_csv(rows))
        raise SomeUnread(problems, done=len(usable), table=table, all_in=out / "unread.csv")
    return table


def _claim(out: Path, *, there: bool) -> None:
    """Make the folder, or take an empty one that was ``there``, unless another prediction has begun in it meanwhile."""
    try:
        out.mkdir(parents=True, exist_ok=there)
        if any(out.iterdir()):
            raise FileExistsError
    except FileExistsError as error:
        raise RequestError("predict.not_empty", path=out) from error
    except OSError as error:
        raise RequestError("predict.cannot_create", path=out, reason=error.strerror or error) from error


def _predict(
    package: Package,
    records: Sequence[Record],
    folder: PredictionFolder,
    store: Store,
    compared: Compared,
) -> None:
    """Predict into a folder."""
    predictor = of_package(package, compared.units)
    for record, probabilities in predictor.of_records(records, store):
        spacing = store.spacing(record.image)
        prediction = package.task.decode(probabilities, package.fitted, spacing)
        grid, more = store.grid(record.image), compared.columns(record)
        folder.add(record, store.image(record.image), prediction, grid, more)


def readable(
    records: Sequence[Record], store: Store, package: Package
) -> tuple[list[Record], list[Appearance], list[Problem]]:
    """Records that can be read and fit the network, how they look, and why the others do not; each reason once."""
    good: list[Record] = []
    looks: list[Appearance] = []
    problems: dict[tuple[str, str], Problem] = {}
    for record in records:
        try:
            image = store.image(record.image)
            _check(record, image, package)
            looks.append(look(image, bits=store.bits(record.image)))
        except FileError as error:
            problems.setdefault((error.problem.code, error.problem.where), error.problem)
        else:
            good.append(record)
    return good, looks, list(problems.values())


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
