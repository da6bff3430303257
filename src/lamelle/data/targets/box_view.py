"""The fourth view of targets: the boxes around objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lamelle.data.augment.mixing import Mixed
from lamelle.data.augment.parameters import Parameters
from lamelle.data.augment.warp import Outside, warp
from lamelle.data.crops import Places
from lamelle.data.shapes import SHAPES, boxes_of
from lamelle.data.targets import boxes as of_boxes
from lamelle.data.targets.reading import connected, labels_as, numbered
from lamelle.data.targets.values import ValueMap, apply_values
from lamelle.data.targets.views import View, Window
from lamelle.types import IGNORE, Boxes, LabelImage, ObjectMasks, Record, Shapes

if TYPE_CHECKING:
    from torch import Tensor

    from lamelle.data.store import Store
    from lamelle.results.audit import Audit


class BoxView(View[Boxes, Boxes]):
    """The boxes around objects; a batch is float32 [N, M, 1 + 2 d], as `boxes.stacked` says."""

    name = "boxes"
    sees = (LabelImage, ObjectMasks, Shapes)

    def __init__(self, values: ValueMap, *, objects: bool) -> None:
        """Say what is what.

        Args:
            values: Which value means which class.
            objects: Targets number objects; every object is class 1. Else each connected part of a class is one.
        """
        self.classes, self.values, self.objects = values.classes, values, objects

    def read(self, record: Record, store: Store) -> Boxes:
        self.check(record)
        if isinstance(shapes := record.target, Shapes):
            return self._of_shapes(record, shapes, store)
        raw = np.asarray(labels_as(record, store, objects=self.objects))
        if self.objects:
            return of_boxes.around({1: numbered(raw)}, raw.shape)
        labels = apply_values(raw, self.values)
        parts = {c: connected(labels == c)[0] for c in range(1, len(self.classes))}
        return of_boxes.around(parts, raw.shape)

    def _of_shapes(self, record: Record, shapes: Shapes, store: Store) -> Boxes:
        size = store.size(record.image)
        boxes = boxes_of(SHAPES[shapes.format].read(shapes.source.path, shapes.source.key, size), size)
        rule = {**self.values.mapping, **dict.fromkeys(self.values.ignore, IGNORE)}
        classes = [1 if self.objects else rule[int(v)] for v in boxes.classes]
        kept = np.array(classes, np.int64) > 0
        return Boxes(boxes.corners[kept], np.array(classes, np.int64)[kept], boxes.shape)

    def window(self, raw: Boxes, start: Window, size: Window) -> Boxes:
        return raw if start is None or size is None else of_boxes.cut(raw, start, size)

    def resize(self, raw: Boxes, size: Sequence[int]) -> Boxes:
        return of_boxes.resized(raw, size)

    def stack(self, targets: Sequence[Boxes]) -> Tensor:
        return of_boxes.stacked(targets)

    def unstack(self, targets: Tensor, shape: tuple[int, ...]) -> Sequence[Boxes]:
        return of_boxes.unstacked(targets, shape)

    def move(
        self, parameters: Parameters, images: Tensor, targets: Tensor, *, size: tuple[int, ...], outside: Outside
    ) -> tuple[Tensor, Tensor]:
        whole = tuple(images.shape[2:])
        moved = warp(parameters, images, None, size=size, outside=outside)[0]
        return moved, of_boxes.moved(parameters, targets, whole, size)

    def mix(self, mixed: Mixed, targets: Tensor) -> list[tuple[float, Tensor]]:
        return of_boxes.mixed_boxes(mixed, targets)

    def counts(self, records: Sequence[Record], audit: Audit) -> tuple[int, ...]:
        """Objects where the audit counted them, else images that hold the class; background is in every image."""
        ids = {r.id for r in records}
        counts = [len(ids), *[0] * (len(self.classes) - 1)]
        for row in (row for row in audit.rows if row.id in ids):
            if row.objects is not None:
                counts[1] += row.objects
                continue
            classes = {self.values.mapping[v] for v in row.labels if v in self.values.mapping}
            for c in classes - {0}:
                counts[c] += 1
        return tuple(counts)

    def centres(self, raw: Boxes, *, most: int, key: tuple[int | str, ...]) -> Places | None:
        middle = (
            raw.corners.mean(1).astype(np.int64) if len(raw.corners) else np.zeros((0, len(raw.shape)), np.int64)
        ).T
        flat = np.ravel_multi_index(tuple(middle), raw.shape, mode="clip")
        of_class = (np.sort(flat[raw.classes == c])[:most] for c in range(1, len(self.classes)))
        return Places(raw.shape, tuple(flat_places for flat_places in of_class if len(flat_places)))
