"""What is written of each type of prediction: one writer each, in one table.

A writer takes predictions as they come, writes their files, and answers with a line of the table of predictions; tables
of its own it writes at the end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from lamelle.data.targets.boxes import drawn
from lamelle.io import atomic, writers
from lamelle.prediction.masks import MaskFolder
from lamelle.prediction.output import Output
from lamelle.prediction.output_places import grid_of_part, stack_of
from lamelle.prediction.stack_writer import StackWriter
from lamelle.prediction.stored_places import StoredGrid
from lamelle.prediction.submission import write_submission
from lamelle.prediction.tables import PredictionTable, Row
from lamelle.types import Boxes, ClassScores, Grid, LabelMap, ObjectMap, ObjectRow, Prediction, Record, Source

P = TypeVar("P", bound=Prediction)
_AXES = "zyx"
_DIGITS = 2
"""Of the corners of boxes."""


class PredictionWriter(ABC, Generic[P]):
    """Writes the predictions of one type."""

    def __init__(self, out: Output) -> None:
        self.out = out

    @abstractmethod
    def write(self, record: Record, image: np.ndarray, prediction: P, grid: Grid) -> Row:
        """Write one prediction.

        Args:
            image: ``[C, (Z,) Y, X]``, for the overlay.
            grid: The whole file, also where the record is one plane of it.

        Returns:
            Its line of the table of predictions; ``file`` is below the folder.
        """

    def tables(self) -> Iterator[PredictionTable]:
        """What is known when all predictions have come."""
        yield from ()

    def close(self) -> None:
        """Write what else is known then."""


class ClassScoreWriter(PredictionWriter[ClassScores]):
    """A line with the classes and all probabilities; a submission, where one is wanted."""

    def __init__(self, out: Output) -> None:
        super().__init__(out)
        self._answers: dict[Source, ClassScores] = {}

    def write(self, record: Record, image: np.ndarray, prediction: ClassScores, grid: Grid) -> Row:
        classes = self.out.classes
        if self.out.submission is not None:
            self._answers[record.image] = prediction
        chosen = "|".join(classes[i] for i in prediction.chosen)
        p = {f"probability:{c}": f"{v:.6f}" for c, v in zip(classes, prediction.probabilities, strict=True)}
        return {"image": record.id, "label": chosen, **p}

    def close(self) -> None:
        if self.out.submission is not None:
            write_submission(
                self.out.folder,
                self.out.submission,
                self._answers,
                classes=self.out.classes,
                probabilities=self.out.wanted.probabilities,
            )


class _MapWriter(PredictionWriter[P]):
    """Files of labels and probabilities, of the input's size and spacing; a stack is written when it is complete."""

    objects: ClassVar[bool] = False
    """Whether labels are numbers of objects."""

    def __init__(self, out: Output) -> None:
        super().__init__(out)
        self._piles: dict[tuple[str, Source], StackWriter] = {}

    def _shares(self, labels: np.ndarray) -> Row:
        """Share of the pixels of each class."""
        n = np.bincount(labels.ravel(), minlength=len(self.out.classes))
        return {f"share:{c}": f"{v / labels.size:.6f}" for c, v in zip(self.out.classes, n, strict=True)}

    def _file(
        self, record: Record, labels: np.ndarray, probabilities: np.ndarray | None, grid: Grid, dtype: np.dtype
    ) -> str:
        """Write labels and probabilities of an image, or keep those of a plane until its stack is complete.

        Args:
            dtype: Type that holds the labels of all planes.

        Returns:
            The file of labels, below the folder.
        """
        shown = probabilities if self.out.wanted.probabilities else None
        planes = self.out.stack(record)
        place = self._whole if planes is None else self._plane
        return place(record, labels, shown, grid, dtype).relative_to(self.out.folder).as_posix()

    def _whole(
        self, record: Record, labels: np.ndarray, probabilities: np.ndarray | None, grid: Grid, dtype: np.dtype
    ) -> Path:
        dims = labels.ndim
        grid, suffix = self.out.suffix(record, grid, dims=dims)
        place = self.out.places.place("labels", record, suffix)
        spacing = grid.spacing and grid.spacing[-dims:]
        writers.write_labels(place, labels, spacing=spacing, grid=grid)
        self.out.outline(record, labels, StoredGrid.of(suffix, grid, labels.shape).turn, objects=self.objects)
        if probabilities is not None:
            file = self.out.places.place("probabilities", record, _exact(suffix))
            writers.write_image(file, probabilities, spacing=spacing, grid=grid)
        return place

    def _plane(
        self, record: Record, labels: np.ndarray, probabilities: np.ndarray | None, grid: Grid, dtype: np.dtype
    ) -> Path:
        grid, suffix = self.out.suffix(record, grid, dims=3)
        place = self.out.places.place("labels", record, suffix, whole=True)
        if (stack := self._piled("labels", record, labels[None], dtype)) is not None:
            with stack:
                writers.write_labels(place, stack.whole()[0], spacing=grid.spacing, grid=grid)
                turn = StoredGrid.of(suffix, grid, labels.shape).turn
                self.out.outline(record, stack.whole()[0], turn, objects=self.objects, stack=True)
        if probabilities is not None:
            stack = self._piled("probabilities", record, probabilities, probabilities.dtype)
            if stack is not None:
                file = self.out.places.place("probabilities", record, _exact(suffix), whole=True)
                with stack:
                    writers.write_image(file, stack.whole(), spacing=grid.spacing, grid=grid)
        return place

    def _piled(self, kind: str, record: Record, plane: np.ndarray, dtype: np.dtype) -> StackWriter | None:
        """Add a plane [K, Y, X] to its stack; the stack if that was the last one."""
        stack, index = stack_of(record), record.image.index or 0
        if (kind, stack) not in self._piles:
            depth = len(self.out.planes[stack])
            self._piles[kind, stack] = StackWriter(self.out.folder / kind, depth=depth, dtype=dtype)
        self._piles[kind, stack].add(index, plane)
        return self._piles.pop((kind, stack)) if self._piles[kind, stack].full else None


class LabelMapWriter(_MapWriter[LabelMap]):
    """Classes of pixels as an image, and their shares."""

    def write(self, record: Record, image: np.ndarray, prediction: LabelMap, grid: Grid) -> Row:
        row: Row = {"image": record.id, **self._shares(prediction.labels)}
        dtype = np.min_scalar_type(len(self.out.classes) - 1)
        row["file"] = self._file(record, prediction.labels, prediction.probabilities, grid, dtype)
        self.out.draw(record, image, prediction.labels)
        return row


class ObjectMapWriter(_MapWriter[ObjectMap]):
    """Objects as an image of their numbers, a line each in ``objects.csv``, and a mask each, where that is wanted."""

    objects = True

    def __init__(self, out: Output) -> None:
        super().__init__(out)
        self._masks = MaskFolder(out.folder / "masks") if out.wanted.masks else None
        self._lines: list[Row] = []

    def write(self, record: Record, image: np.ndarray, prediction: ObjectMap, grid: Grid) -> Row:
        labels = prediction.labels
        foreground = (labels > 0).astype(np.int64)
        row: Row = {"image": record.id, **self._shares(foreground), "predicted_objects": str(len(prediction.objects))}
        if self._masks is not None:
            self._masks.write(record, labels, grid_of_part(record, grid))
        # a later plane may have more objects than this one
        row["file"] = self._file(record, labels, prediction.probabilities, grid, labels.dtype)
        stored = self._stored(record, labels.shape, grid)
        self._lines += [{"image": record.id, **object_cells(stored.row(one))} for one in prediction.objects]
        self.out.draw(record, image, labels)
        return row

    def _stored(self, record: Record, shape: Sequence[int], grid: Grid) -> StoredGrid:
        """How places in a prediction become places in its file of labels."""
        _, suffix = self.out.suffix(record, grid, dims=len(shape))
        planes, z = self.out.stack(record), record.image.index
        if planes is None or z is None:
            return StoredGrid.of(suffix, grid, shape)
        return StoredGrid.of(suffix, grid, shape, depth=len(planes), first=z - planes[0])

    def tables(self) -> Iterator[PredictionTable]:
        yield PredictionTable("objects", self._lines)


class BoxWriter(PredictionWriter[Boxes]):
    """Boxes, a line each in ``boxes.csv``, in pixels of the file: pixel i reaches from i to i + 1.

    Those in NIfTI are turned as its label images are: to the voxels as they are stored. A plane that is not turned has
    no z, its number is in its name.
    """

    def __init__(self, out: Output) -> None:
        super().__init__(out)
        self._lines: list[Row] = []
        self._axes = 0

    def write(self, record: Record, image: np.ndarray, prediction: Boxes, grid: Grid) -> Row:
        dims = len(prediction.shape)
        plane, span = record.image.index, record.image.span
        suffix = writers.suffix_for(grid, dims=dims if plane is None else 3, whole=True)
        first = span[0] if span else plane or 0
        stored = StoredGrid.of_whole(suffix, grid, prediction.shape, first=first)
        flat = dims == 2 and stored.plain
        self._axes = max(self._axes, 2 if flat else 3)
        for start, stop, number, score in _each(prediction):
            corners = (start, stop) if flat else stored.box(start, stop)
            about: Row = {"image": record.id, "class": self.out.classes[number], "score": atomic.cell(score)}
            self._lines.append(about | _along("start", corners[0], _DIGITS) | _along("stop", corners[1], _DIGITS))
        if self.out.wanted.overlays:
            self.out.draw(record, image, drawn(prediction))
        return {"image": record.id, "predicted_boxes": str(len(prediction.classes))}

    def tables(self) -> Iterator[PredictionTable]:
        names = [f"{side}_{axis}" for side in ("start", "stop") for axis in _AXES[-self._axes :]]
        yield PredictionTable("boxes", self._lines, ("image", "class", "score", *names))


WRITERS: Mapping[type[Prediction], type[PredictionWriter[Any]]] = {
    ClassScores: ClassScoreWriter,
    LabelMap: LabelMapWriter,
    ObjectMap: ObjectMapWriter,
    Boxes: BoxWriter,
}
"""Type of the prediction → what writes it."""


def object_cells(row: ObjectRow) -> Row:
    """The cells of an object; axes are named as in the array (``centroid_y``, ``start_x``, ``stop_x``).

    Example:
        >>> row = ObjectRow(1, 6, centroid=(2.0, 0.5), start=(1, 0), stop=(4, 2), probability=1.0, area_um2=0.75)
        >>> list(object_cells(row))[:5]
        ['object', 'area', 'area_um2', 'centroid_y', 'centroid_x']
    """
    sizes = {"area_um2": row.area_um2, "volume_um3": row.volume_um3}
    measured: Row = {name: value for name, value in sizes.items() if value is not None}
    places = _along("centroid", row.centroid) | _along("start", row.start) | _along("stop", row.stop)
    return {"object": row.number, "area": row.area, **measured, **places, "probability": row.probability}


def _along(name: str, values: Sequence[float], digits: int | None = None) -> Row:
    axes = _AXES[-len(values) :]
    return {f"{name}_{a}": v if digits is None else round(float(v), digits) for a, v in zip(axes, values, strict=True)}


def _each(boxes: Boxes) -> Iterator[tuple[list[float], list[float], int, float]]:
    """Start, stop, class and score of each box."""
    scores = boxes.scores if boxes.scores is not None else np.full(len(boxes.classes), np.nan)
    for (start, stop), number, score in zip(boxes.corners, boxes.classes, scores, strict=True):
        yield start.tolist(), stop.tolist(), int(number), float(score)


def _exact(suffix: str) -> str:
    """A format like that of the labels which holds every digit of a probability."""
    return ".tif" if suffix == ".png" else suffix
