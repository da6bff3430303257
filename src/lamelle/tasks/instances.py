"""Segmentation of instances: which pixels belong to which of many objects of one kind (nuclei, cells, vesicles)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from lamelle.data.options import listed
from lamelle.data.targets.views import AnyView, ObjectView
from lamelle.errors import RequestError
from lamelle.metrics import regions
from lamelle.metrics.instances import ROW, Overlaps, ap_of, mean_ap_of, overlaps, pq_of, row_of
from lamelle.metrics.pairs import PixelPair
from lamelle.results.fitted import Fitted, Pixels, Share, Sweep, defined
from lamelle.results.items import ItemStats
from lamelle.results.scores import Confusion, Figure, Item
from lamelle.tasks.base import Keys, Task, TaskOptions
from lamelle.tasks.data_facts import Labels, PlanFacts, TaskData
from lamelle.tasks.segment import Segment
from lamelle.tasks.settled import Settled
from lamelle.tasks.watershed import MAPS, maps_of, objects_from, rows_of
from lamelle.types import IGNORE, Index, ObjectMap, Prediction, Spacing

if TYPE_CHECKING:
    from torch import Tensor

FOREGROUNDS, SEEDS, SIZES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8), (0.3, 0.4, 0.5, 0.6, 0.7, 0.8), (1, 8, 16, 32, 64)
"""What is tried on validation."""
_DISTANCE = 4.0
"""Weight of the distance in the loss; it is at most 1 and mostly far below, cross-entropies are not."""


class FittedObjects(Fitted):
    """How objects are made of the maps; while nothing is decided yet, as is usual."""

    mask_threshold: Share = 0.5
    seed_threshold: Share = 0.5
    min_size: Pixels = 16


DECIDED = tuple(FittedObjects.model_fields)


class SettledObjects(Settled):
    """What follows from the data, beside the options; the classes are background and the one kind of object."""

    ignore: tuple[int, ...]
    """Values of label images that are neither trained on nor scored."""
    parts: bool
    """Label images are masks: the connected parts are the objects."""


class Instances(Task):
    """Which pixels belong to which of many objects; see `lamelle.tasks.base.Task`.

    A network of three outputs learns where objects are, where two meet, and how deep inside one a pixel lies; a
    watershed makes objects of them (`lamelle.tasks.watershed`). Probabilities of tiles are merged before, so that no
    object is cut by a tile's edge.
    """

    class Options(TaskOptions):
        """Which pixels belong to which of many objects of one kind."""

        name: Literal["instances"] = "instances"
        mask_threshold: float | None = Field(
            default=None,
            gt=0,
            lt=1,
            description="probability from which a pixel is part of an object; none = validation",
        )
        seed_threshold: float | None = Field(
            default=None, gt=0, lt=1, description="depth in an object from which a pixel is its seed; none = validation"
        )
        min_size: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
            default="auto", description="objects with fewer pixels are left out; auto = chosen on validation"
        )

    name: ClassVar[str] = "instances"
    names_objects: ClassVar[bool] = True
    view: ClassVar[type[AnyView]] = ObjectView
    answer: ClassVar[type[Prediction]] = ObjectMap
    Settled, Fitted = SettledObjects, FittedObjects
    monitor: ClassVar[str] = "ap50"
    statistics = ("confusion", "objects", "blocks")

    def __init__(self, options: Instances.Options, settled: SettledObjects) -> None:
        if (n := len(settled.classes)) != 2:
            raise RequestError("tasks.instance_classes", classes=", ".join(settled.classes), n=n)
        super().__init__(options, settled)
        self.outputs = len(MAPS)
        self.headline: tuple[str, ...] = ("ap50", "ap", "pq", "dice")
        self.tabled: tuple[str, ...] = ("object_precision", "object_recall", "iou")

    @property
    def targets(self) -> ObjectView:
        return ObjectView(self.classes, parts=self.settled.parts, ignore=self.settled.ignore)

    @classmethod
    def settle(cls, options: Instances.Options, data: TaskData) -> Instances:
        names = listed(data.data.classes) or ("background", "object")
        return cls(
            options, SettledObjects(classes=names, ignore=data.data.ignore, parts=not data.index.numbers_objects)
        )

    @classmethod
    def plan(cls, facts: PlanFacts) -> Keys:
        samples = int(np.clip(facts.records * 2, 192, 4000))
        return Segment.plan(facts) | {
            "train.samples": samples if facts.dims == 2 and not facts.resized else None,
            "augment.rotate": 0.0,  # labels are moved by the nearest pixel: turning them frays the borders
            "augment.zoom": [0.8, 1.25],
            "augment.brightness": 0.2,
            "augment.contrast": 0.2,
            "augment.gamma": 0.2,
        }

    def adapt(self, index: Index, labels: Labels) -> Instances:
        ignore = tuple(dict.fromkeys((*self.settled.ignore, *labels.ignore)))
        changes = {"ignore": ignore, "parts": not index.numbers_objects}
        return Instances(self.options, self.settled.model_copy(update=changes))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Dice and cross-entropy of the foreground, cross-entropy of borders, and the difference of the distances.

        Example:
            >>> import torch
            >>> settled = SettledObjects(classes=("background", "cell"), ignore=(), parts=False)
            >>> task = Instances(Instances.Options(), settled)
            >>> target = torch.tensor([[[1, 1, 0, 0, 0, 0, 0, 2]]])
            >>> good = torch.from_numpy(maps_of(target[0].numpy()))[None] * 18 - 9
            >>> [round(task.loss(o, target).item(), 2) for o in (good, -good)]
            [0.0, 22.17]
        """
        import torch

        from lamelle.losses.entropy import bce
        from lamelle.losses.overlap import dice_ce

        maps = torch.from_numpy(np.stack([maps_of(one) for one in target.detach().cpu().numpy()])).to(output.device)
        known = target != IGNORE
        total = output.new_zeros((), dtype=torch.float32)
        for channel, loss in enumerate((dice_ce, bce)):  # a crop without any border has no Dice of borders
            wanted = torch.where(known, maps[:, channel].long(), IGNORE)
            total = total + loss(output[:, channel : channel + 1], wanted, weights=None)
        off = torch.nn.functional.smooth_l1_loss(output[:, 2].float().sigmoid(), maps[:, 2], reduction="none", beta=0.1)
        inside = (target > 0).float()
        for where in (inside, known.float() - inside):  # the few pixels of small objects count as all the background
            total = total + _DISTANCE / 2 * (off * where).sum() / where.sum().clamp(min=1)
        return total

    def activate(self, output: Tensor) -> Tensor:
        return output.float().sigmoid()

    def fitter(self) -> _Search:
        return _Search(self.options, of=self.classes[1])

    def objects(self, probabilities: np.ndarray, fitted: FittedObjects) -> np.ndarray:
        """Objects uint32 [(Z,) Y, X] of the maps of a whole image."""
        return objects_from(
            probabilities, foreground=fitted.mask_threshold, seed=fitted.seed_threshold, min_size=fitted.min_size
        )

    def decode(self, probabilities: np.ndarray, fitted: FittedObjects, spacing: Spacing | None) -> Prediction:
        labels = self.objects(probabilities, fitted)
        return ObjectMap(labels, rows_of(labels, probabilities[0], spacing), probabilities, spacing)

    @property
    def scored_classes(self) -> tuple[str, ...]:
        """None by itself: there is one kind of object."""
        return ()

    def pair(
        self, probabilities: np.ndarray, target: np.ndarray, fitted: FittedObjects, spacing: Spacing | None
    ) -> PixelPair:
        labels = self.objects(probabilities, fitted)
        numbers, predicted = _scored(target, labels)
        foreground = (labels > 0).astype(np.int64)
        return PixelPair(_semantic(target), foreground, 2, numbers=numbers, predicted_numbers=predicted)

    def item(self, stats: ItemStats) -> Item:
        sums = np.asarray(stats.values["objects"], np.float64)
        numbers = dict(zip(ROW, sums.tolist(), strict=True))
        scores = {"ap50": float(ap_of(sums, threshold=0.5)), "ap": float(mean_ap_of(sums)), "pq": float(pq_of(sums))}
        scores["dice"] = float(regions.dice(np.asarray(stats.values["confusion"]))[1])
        quality = 1.0 if np.isnan(scores["ap"]) else scores["ap"]  # nothing there, nothing said
        known = {name: None if np.isnan(value) else value for name, value in scores.items()}
        counted = {"objects": numbers["truth"], "predicted_objects": numbers["predicted"]}
        return Item(id=stats.id, group=stats.group, quality=quality, scores=counted | known)

    def figures(self, items: Sequence[ItemStats]) -> tuple[Figure, ...]:
        matrix = np.sum([item.values["confusion"] for item in items], axis=0).astype(np.int64)
        return (Confusion(counts=matrix.tolist(), support=matrix.sum(1).tolist()),)


def _semantic(target: np.ndarray) -> np.ndarray:
    """Background 0, objects 1, ``IGNORE`` as it is."""
    return np.minimum(target, 1)


def _scored(target: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Truth and prediction with 0 where the truth is not known."""
    known = target != IGNORE
    return np.where(known, target, 0), np.where(known, labels, 0)


class _Search:
    """What makes the best objects of the maps: by AP at an IoU of 0.5 over all validation objects, ties by mean AP.

    Kept as well is the AP over each of the three, with the other two as they were chosen. Every choice is tried on each
    image as it comes, so that no image is kept.
    """

    def __init__(self, options: Instances.Options, *, of: str) -> None:
        self._of = of
        self._foregrounds = FOREGROUNDS if options.mask_threshold is None else (options.mask_threshold,)
        self._seeds = SEEDS if options.seed_threshold is None else (options.seed_threshold,)
        self._sizes = SIZES if options.min_size == "auto" else (options.min_size,)
        self._sums = np.zeros((len(self._foregrounds), len(self._seeds), len(self._sizes), len(ROW)))

    def add(self, probabilities: np.ndarray, target: np.ndarray) -> None:
        for f, foreground in enumerate(self._foregrounds):
            for s, seed in enumerate(self._seeds):
                labels = objects_from(probabilities, foreground=foreground, seed=seed, min_size=1)
                sizes = np.bincount(labels.ravel())
                shared = overlaps(*_scored(target, labels))
                there = np.unique(_scored(target, labels)[1])
                areas = sizes[there[there > 0]]
                for m, least in enumerate(self._sizes):
                    self._sums[f, s, m] += row_of(_without(shared, areas < least))

    def done(self) -> tuple[FittedObjects, tuple[Sweep, ...]]:
        ap50, ap = ap_of(self._sums, threshold=0.5), mean_ap_of(self._sums)
        tried = (self._foregrounds, self._seeds, self._sizes)
        searched = [name for name, values in zip(DECIDED, tried, strict=True) if len(values) > 1]
        if not (ap50 > 0).any():
            usual = self._middle()
            decided = self._named(*usual)
            if self._sums[..., ROW.index("truth")].any():
                return decided, ()
            return decided, tuple(
                Sweep(name=name, of=self._of, chosen=getattr(decided, name), undecided=True) for name in searched
            )
        best = [tuple(int(i) for i in at) for at in np.argwhere(ap50 == np.nanmax(ap50))]
        f, s, m = max(best, key=lambda at: ap[at])
        decided = self._named(f, s, m)
        lines = (ap50[:, s, m], ap50[f, :, m], ap50[f, s, :])
        return decided, tuple(
            Sweep(
                name=name,
                of=self._of,
                points=values,
                scores={"ap50": defined(line)},
                chosen=getattr(decided, name),
                by="ap50",
            )
            for name, values, line in zip(DECIDED, tried, lines, strict=True)
            if name in searched
        )

    def _named(self, f: int, s: int, m: int) -> FittedObjects:
        return FittedObjects(
            mask_threshold=self._foregrounds[f], seed_threshold=self._seeds[s], min_size=self._sizes[m]
        )

    def _middle(self) -> tuple[int, int, int]:
        """What is kept where validation shows no object."""
        tried, usual = (self._foregrounds, self._seeds, self._sizes), FittedObjects()
        f, s, m = (
            int(np.argmin([abs(v - getattr(usual, name)) for v in values]))
            for values, name in zip(tried, DECIDED, strict=True)
        )
        return f, s, m


def _without(all_overlaps: Overlaps, small: np.ndarray) -> Overlaps:
    """The same overlaps without the predicted objects that are marked [P]."""
    number = np.cumsum(~small) - 1
    kept = ~small[all_overlaps.pairs[:, 1]]
    pairs = np.stack([all_overlaps.pairs[kept, 0], number[all_overlaps.pairs[kept, 1]]], axis=1)
    return Overlaps(all_overlaps.truth, all_overlaps.predicted[~small], pairs, all_overlaps.shared[kept])
