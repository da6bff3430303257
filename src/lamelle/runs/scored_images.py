"""Truth and prediction of the images that a Run has scored, read again from its files and from the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lamelle.data.store import Store
from lamelle.errors import FileError
from lamelle.io.images import header, read_labels, window
from lamelle.prediction.tables import unquoted
from lamelle.runs.folder import RunFolder
from lamelle.runs.plan import Plan
from lamelle.types import Record

MAX_IMAGES, MAX_PIXELS = 60, 30_000_000
"""Images of a sample, evenly spread over those that were scored, and their pixels in all."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """Where the prediction of a record lies: the folder, and its row of the table there."""

    folder: Path
    row: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ScoredImage:
    """An image's truth and what was predicted for it; classes, and numbers of objects where these are known."""

    record: Record
    target: np.ndarray
    labels: np.ndarray
    numbers: np.ndarray | None = None
    predicted_numbers: np.ndarray | None = None

    def plane(self, index: int | None) -> ScoredImage:
        """One plane of a volume; an image as it is."""
        if index is None:
            return self
        numbers = (None if a is None else a[index] for a in (self.numbers, self.predicted_numbers))
        return ScoredImage(self.record, self.target[index], self.labels[index], *numbers)


def predicted_in(run: RunFolder) -> dict[str, Predicted]:
    """What a Run, or each fold of it, has predicted, by record.

    A quote before a name that looks like a formula is taken off.
    """
    predictions: dict[str, Predicted] = {}
    for folder in [run.predictions, *sorted(run.path.glob(f"fold*/{run.predictions.name}"))]:
        for row in run.read_table(folder / "predictions.csv"):
            predictions[unquoted(row["image"])] = Predicted(folder, row)
    return predictions


class ScoredImages:
    """The images of a Run that were scored; what cannot be read any more is left out."""

    def __init__(self, run: RunFolder, plan: Plan, store: Store) -> None:
        self.plan, self.store = plan, store
        self.records = {r.id: r for r in plan.records}
        self.predicted = predicted_in(run)
        self._run = run

    def sample(self, ids: Sequence[str]) -> Iterator[ScoredImage]:
        """A bounded sample of some records."""
        present = [name for name in ids if name in self.records]
        places = np.linspace(0, len(present) - 1, min(MAX_IMAGES, len(present))).round().astype(int)
        left = MAX_PIXELS
        for i in dict.fromkeys(places.tolist()):
            image = self.read(self.records[present[i]], most=left)
            if image is not None:
                left -= image.target.size
                yield image

    def read(self, record: Record, *, most: int | None = None) -> ScoredImage | None:
        """Truth and prediction of one record; None if it has none, they do not fit, or a file is gone or changed.

        Args:
            most: Pixels; of a larger volume the middle slices are taken, a larger image is left out. None = all.
        """
        try:
            labels = self._labels(record)
            raw = self.plan.task.targets.read(record, self.store) if labels is not None else None
        except FileError:
            return None
        if labels is None or raw is None or tuple(raw.shape) != labels.shape:
            return None
        if most is not None and labels.size > most:
            planes = most // max(labels[0].size, 1) if labels.ndim == 3 else 0
            first = (len(labels) - planes) // 2
            raw, labels = raw[first : first + planes], labels[first : first + planes]
            if not planes:
                return None
        raw = np.asarray(raw)
        return ScoredImage(
            record, *self._numbered(self.plan.task.targets.window(raw, None, None), labels.astype(np.int32), raw)
        )

    def image(self, record: Record) -> np.ndarray | None:
        """Pixels [C, (Z,) Y, X] of a record; None if the file is gone or changed."""
        try:
            return self.store.image(record.image)
        except FileError:
            return None

    def probability(self, record: str, name: str) -> float | None:
        """Probability that was predicted for a class of one record."""
        prediction = self.predicted.get(record)
        value = prediction.row.get(f"probability:{name}") if prediction else None
        return float(value) if value else None

    def _labels(self, record: Record) -> np.ndarray | None:
        """Predicted labels [(Z,) Y, X] of one record, as they were written; None if there are none."""
        prediction = self.predicted.get(record.id)
        file = prediction.row.get("file") if prediction else None
        if (
            prediction is None
            or not file
            or not (prediction.folder / file).resolve().is_relative_to(prediction.folder.resolve())
        ):
            return None
        path = self._run.check(prediction.folder / file)
        size = header(path).shape[1:]
        if record.image.index is None or len(size) == 2:
            return read_labels(path).array
        # of this folder: each fold of a cross-validation has a file of the same name, with other slices
        together = [k for k, p in self.predicted.items() if p.folder == prediction.folder and p.row.get("file") == file]
        order = sorted(together, key=lambda k: self.records[k].image.index or 0 if k in self.records else 0)
        return window(path, (order.index(record.id), 0, 0), (1, *size[1:]), labels=True)[0, 0]

    def _numbered(
        self, target: np.ndarray, labels: np.ndarray, raw: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Classes of truth and prediction, and their numbers where they count objects."""
        most, numbers = len(self.plan.task.classes) - 1, raw if self.plan.index.numbers_objects else None
        # a task of classes of objects names classes even where the truth numbers objects
        as_classes = self.plan.task.describe().settled.get("objects", False)
        if as_classes or max(target.max(initial=0), labels.max(initial=0)) <= most:
            return np.minimum(target, most).astype(np.int32), labels, numbers, None
        return np.sign(target), np.sign(labels), target, labels


def place(record: Record) -> tuple[str, int | None]:
    """The volume and the slice that a record is; the record itself if it is no slice."""
    volume = record.columns.get("volume")
    return (volume, record.position) if volume and record.position is not None else (record.id, None)
