"""Predictions as files: label images of the input's size and spacing, probabilities, overlays, one table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from lamelle.data.targets.boxes import drawn
from lamelle.io import atomic, writers
from lamelle.io.geometry import AS_STORED, own_turn
from lamelle.pictures.overlay import overlay
from lamelle.prediction.masks import MaskFolder
from lamelle.prediction.object_rows import as_stored
from lamelle.prediction.stack_writer import StackWriter
from lamelle.types import Boxes, Classes, Grid, LabelMap, Prediction, Record, Source


def planes_of(records: Iterable[Record]) -> dict[Source, tuple[int, ...]]:
    """Which planes of each stack are among the records, in order."""
    found: dict[Source, set[int]] = {}
    for record in records:
        if record.image.index is not None:
            found.setdefault(_stack(record), set()).add(record.image.index)
    return {stack: tuple(sorted(indices)) for stack, indices in found.items()}


def _stack(record: Record) -> Source:
    """The whole that a record is one plane of."""
    return replace(record.image, index=None)


class PredictionFolder:
    """Collects predictions, and writes them as they come; stacks are written when their last plane has come.

    ``labels/`` · ``probabilities/``, ``overlays/``, ``masks/`` (on request) · ``predictions.csv`` · ``objects.csv`` ·
    ``boxes.csv``

    ``objects.csv`` is written where labels number objects, ``masks/ID/masks/*.png`` then holds one mask for each;
    ``boxes.csv`` where boxes are predicted, a line for each.
    """

    def __init__(
        self,
        folder: Path,
        classes: Sequence[str],
        *,
        probabilities: bool,
        overlays: bool,
        planes: Mapping[Source, Sequence[int]],
        masks: bool = False,
    ) -> None:
        """Start a folder.

        Args:
            planes: Those that will come of each stack (`planes_of`).
            masks: Write each object as a file of its own.
        """
        self.folder, self.classes = folder, tuple(classes)
        self._probabilities, self._overlays, self._expected = probabilities, overlays, planes
        self._piles: dict[tuple[str, Source], StackWriter] = {}
        self._places: dict[Path, Path] = {}
        self._rows: list[dict[str, Any]] = []
        self._masks = MaskFolder(folder / "masks") if masks else None
        self._objects: list[dict[str, Any]] | None = None
        self._boxes: list[dict[str, Any]] | None = None

    def add(
        self,
        record: Record,
        image: np.ndarray,
        prediction: Prediction,
        grid: Grid,
        known: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Take one prediction.

        Args:
            image: ``[C, (Z,) Y, X]``, for the overlay.
            grid: The whole file, also where the record is one plane of it.
            known: Further columns, where the truth is known.

        Returns:
            Its row of the table; ``file`` is below the folder.
        """
        row = self._row(record, image, prediction, grid)
        row |= {k: v for k, v in (known or {}).items() if k not in row}
        self._rows.append(row)
        return row

    def _row(self, record: Record, image: np.ndarray, prediction: Prediction, grid: Grid) -> dict[str, Any]:
        if isinstance(prediction, Classes):
            return self._class_row(record, prediction)
        if isinstance(prediction, Boxes):
            return self._box_row(record, image, prediction)
        row = {"image": record.id, **self._shares(prediction)}
        if prediction.objects is not None:
            row |= {"predicted_objects": str(len(prediction.objects))}
            if self._masks is not None:
                self._masks.write(record, prediction.labels, _from(record, grid))
        if record.image.index is not None and _stack(record) in self._expected:
            row["file"] = self._plane(record, prediction, grid)
        else:
            row["file"] = self._whole(record, prediction, grid)
        if prediction.objects is not None:
            self._objects = (self._objects or []) + self._object_rows(record, prediction, grid, row["file"])
        if self._overlays:
            place = self._place("overlays", record, ".png")
            writers.write_rgb(place, overlay(image, prediction.labels))
        return row

    def close(self) -> Path:
        """Write the table.

        Returns:
            Its path.
        """
        path = self.folder / "predictions.csv"
        self.folder.mkdir(parents=True, exist_ok=True)
        atomic.write_text(path, items_csv(self._rows))
        if self._objects is not None:
            atomic.write_text(self.folder / "objects.csv", items_csv(self._objects))
        if self._boxes is not None:
            atomic.write_text(self.folder / "boxes.csv", items_csv(self._boxes))
        return path

    def _object_rows(self, record: Record, prediction: LabelMap, grid: Grid, file: str) -> list[dict[str, Any]]:
        """Objects in the voxels of the file of labels: only NIfTI is written in another order than it was read."""
        planes, z = self._expected.get(_stack(record)), record.image.index
        size = (1,) * (3 - prediction.labels.ndim) + prediction.labels.shape
        if planes is not None and z is not None:
            size, z = (len(planes), *size[1:]), z - planes[0]
        elif prediction.labels.ndim == 2:
            z = 0
        turn = own_turn(grid.geometry) if writers.writer_for(Path(file)).as_stored else AS_STORED
        return [
            {"image": record.id, **as_stored(one, turn, (size[0], size[1], size[2]), z=z)}
            for one in prediction.objects or ()
        ]

    def _class_row(self, record: Record, prediction: Classes) -> dict[str, Any]:
        chosen = "|".join(self.classes[i] for i in prediction.chosen)
        p = {f"probability:{c}": f"{v:.6f}" for c, v in zip(self.classes, prediction.probabilities, strict=True)}
        return {"image": record.id, "label": chosen, **p}

    def _box_row(self, record: Record, image: np.ndarray, prediction: Boxes) -> dict[str, Any]:
        """Boxes in pixels of the image as it is read: pixel i reaches from i to i + 1."""
        names = "zyx"[-len(prediction.shape) :]
        scores = prediction.scores if prediction.scores is not None else np.full(len(prediction.classes), np.nan)
        self._boxes = self._boxes or []
        for (start, stop), number, score in zip(prediction.corners, prediction.classes, scores, strict=True):
            row = {"image": record.id, "class": self.classes[number], "score": atomic.cell(float(score))}
            row |= {f"start_{a}": round(float(v), 2) for a, v in zip(names, start, strict=True)}
            self._boxes.append(row | {f"stop_{a}": round(float(v), 2) for a, v in zip(names, stop, strict=True)})
        if self._overlays:
            writers.write_rgb(self._place("overlays", record, ".png"), overlay(image, drawn(prediction)))
        return {"image": record.id, "predicted_boxes": str(len(prediction.classes))}

    def _shares(self, prediction: LabelMap) -> dict[str, str]:
        labels = prediction.labels if prediction.objects is None else (prediction.labels > 0).astype(np.int64)
        n = np.bincount(labels.ravel(), minlength=len(self.classes))
        return {f"share:{c}": f"{v / labels.size:.6f}" for c, v in zip(self.classes, n, strict=True)}

    def _whole(self, record: Record, prediction: LabelMap, grid: Grid) -> str:
        dims = prediction.labels.ndim
        grid = _from(record, grid)
        suffix = writers.suffix_for(grid, dims=dims, whole=record.image.index is None)
        place = self._place("labels", record, suffix)
        at = {"spacing": grid.spacing and grid.spacing[-dims:], "grid": grid}
        writers.write_labels(place, prediction.labels, **at)
        if self._probabilities and prediction.probabilities is not None:
            writers.write_image(self._place("probabilities", record, _exact(suffix)), prediction.probabilities, **at)
        return place.relative_to(self.folder).as_posix()

    def _plane(self, record: Record, prediction: LabelMap, grid: Grid) -> str:
        """Keep one plane on disk; write the stack when it is complete."""
        indices = self._expected[_stack(record)]
        grid = replace(grid, start=indices[0])
        suffix = writers.suffix_for(grid, dims=3, whole=indices[-1] - indices[0] == len(indices) - 1)
        place = self._place("labels", record, suffix, whole=True)
        smallest = np.min_scalar_type(len(self.classes) - 1)
        if prediction.objects is not None:
            smallest = prediction.labels.dtype  # a later plane may have more objects
        labels = self._piled("labels", record, prediction.labels[None], smallest)
        if labels is not None:
            writers.write_labels(place, labels.whole()[0], spacing=grid.spacing, grid=grid)
            labels.close()
        if self._probabilities and prediction.probabilities is not None:
            found = self._piled("probabilities", record, prediction.probabilities, prediction.probabilities.dtype)
            if found is not None:
                file = self._place("probabilities", record, _exact(suffix), whole=True)
                writers.write_image(file, found.whole(), spacing=grid.spacing, grid=grid)
                found.close()
        return place.relative_to(self.folder).as_posix()

    def _piled(self, kind: str, record: Record, plane: np.ndarray, dtype: np.dtype) -> StackWriter | None:
        """Add a plane [K, Y, X] to its stack; the stack if that was the last one."""
        stack, index = _stack(record), record.image.index or 0
        if (kind, stack) not in self._piles:
            self._piles[kind, stack] = StackWriter(self.folder / kind, depth=len(self._expected[stack]), dtype=dtype)
        self._piles[kind, stack].add(index, plane)
        return self._piles.pop((kind, stack)) if self._piles[kind, stack].full else None

    def _place(self, kind: str, record: Record, suffix: str, *, whole: bool = False) -> Path:
        """A file below the folder, named after the record (``whole``: its stack); never above it, never another's."""
        source, part = record.image, record.image.part
        name = PurePosixPath(record.id.rpartition("#")[0] or record.id if part else record.id)
        parts = [p for p in name.parts if p not in {"/", "..", "."}] or ["image"]
        number = "" if whole or not part else f"_{record.id.rpartition('#')[2] if '#' in record.id else part[1:]}"
        owner = source.path / number
        for stem in (_stem(parts[-1]), parts[-1].replace(".", "_")):
            place = self.folder.joinpath(kind, *parts[:-1], f"{stem}{number}{suffix}")
            if self._places.setdefault(place, owner) == owner:
                break
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


def _from(record: Record, grid: Grid) -> Grid:
    """The grid of a record that is some planes of a file."""
    return grid if record.image.span is None else replace(grid, start=record.image.span[0])


def _stem(name: str) -> str:
    if double := writers.double_suffix(name):
        return name[: -len(double)]
    suffix = PurePosixPath(name).suffix
    return name if suffix[1:].isdecimal() else PurePosixPath(name).stem  # ``1.2.840.7``: DICOM, or a folder of it


def _exact(suffix: str) -> str:
    """A format like that of the labels which holds every digit of a probability."""
    return ".tif" if suffix == ".png" else suffix


def items_csv(items: Sequence[Mapping[str, Any]]) -> str:
    """A table with one row an item."""
    out = io.StringIO()
    columns = dict.fromkeys(name for row in items for name in row)
    writer = csv.DictWriter(out, list(columns) or ["image"], lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: _safe(v) for k, v in row.items()} for row in items)
    return out.getvalue()


def _safe(value: object) -> object:
    """A text that a spreadsheet would run as a formula is quoted."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {*"=+-@\t\r"} else value
