"""Semantic segmentation: one class for every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from lamelle.data.crops import SPARSE
from lamelle.data.targets.values import ValueMap, infer_values, with_background
from lamelle.data.targets.views import AnyView, LabelView
from lamelle.errors import DataError
from lamelle.losses.table import LOSSES, Bce, Ce, DiceCe, Loss
from lamelle.metrics import regions
from lamelle.metrics.pairs import PixelPair
from lamelle.metrics.ranking import macro
from lamelle.results.items import ItemStats
from lamelle.results.scores import Confusion, Figure, Item
from lamelle.tasks import calibration
from lamelle.tasks.base import MANY, Keys, Task, TaskOptions, as_logits
from lamelle.tasks.data_facts import Labels, PlanFacts, TaskData
from lamelle.tasks.matching import refuse_classes, refuse_values
from lamelle.tasks.pixel_loss import balanced_weights, check_weights, pixel_loss
from lamelle.tasks.postprocess import Cleaning, clean
from lamelle.tasks.settled import SavedValues, Settled, strictly
from lamelle.tasks.threshold_search import FitOptions, FittedPixels, Fitting
from lamelle.tasks.thresholds import pixel_classes
from lamelle.types import Index, JsonObject, LabelMap, Prediction, Problem, Spacing

if TYPE_CHECKING:
    from torch import Tensor


class SettledPixels(Settled):
    """What follows from the data, beside the options."""

    values: SavedValues
    objects: bool
    """Targets on disk count objects; every object is class 1."""
    weights: tuple[float, ...] | None = None
    """Of the classes in the loss; those that are asked for, or balanced."""
    also: tuple[str, ...] = ()
    """Scores besides: ``cells``, ``lines``."""


class Segment(Task):
    """One class for every pixel; see `lamelle.tasks.base.Task`."""

    class Options(TaskOptions):
        """One class for every pixel."""

        name: Literal["segment"] = "segment"
        loss: Annotated[Loss, LOSSES.union(default="dice_ce")] = Field(default=DiceCe(), description="loss function")
        weights: Literal["balanced"] | tuple[float, ...] | None = Field(
            default=None,
            description="weight of each class in the loss (w−, w+ if binary); balanced = inverse to its pixels",
        )
        exclusive: bool = Field(
            default=True, description="false: each class by itself (sigmoid), with a threshold of its own"
        )
        threshold: float | None = Field(
            default=None, gt=0, lt=1, description="fixed threshold; none = chosen on validation"
        )
        threshold_by: Literal["pooled", "image"] = Field(
            default="pooled", description="chosen by F1 of all validation pixels together, or by its mean over images"
        )
        min_size: Literal["auto"] | Annotated[int, Field(ge=0)] = Field(
            default=0, description="remove parts with fewer pixels; 0 = none; auto = chosen on validation by Dice"
        )
        fill_holes: Literal["auto"] | Annotated[int, Field(ge=0)] = Field(
            default=0,
            description="fill holes with at most so many pixels; 0 = none; auto = chosen on validation by Dice",
        )
        largest: Literal["auto"] | bool = Field(
            default=False,
            description="keep only the largest part of each class; auto = if validation is better by Dice",
        )
        tolerance: float = Field(
            default=2.0,
            gt=0,
            description="pixels of the finest axis that outlines may be off for boundary F and surface Dice (NSD)",
        )
        calibrate: bool = Field(
            default=False, description="probabilities at the temperature that fits the pixels of validation best"
        )

        @property
        def cleaning(self) -> Cleaning:
            return Cleaning(self.min_size, self.fill_holes, self.largest)

        @property
        def whole_items(self) -> bool:
            return any((self.min_size, self.fill_holes, self.largest))

        def idle(self) -> list[Problem]:
            if "threshold_by" not in self.changed("name") or self.threshold is None or self.cleaning.searched:
                return []  # cleaning, too, is searched by what ``threshold_by`` names
            values = {"value": self.threshold_by, "threshold": f"{self.threshold:g}"}
            return [Problem("tasks.idle_threshold_by", "", "warning", values)]

    name: ClassVar[str] = "segment"
    also: ClassVar[tuple[str, ...]] = ("cells", "lines")
    view: ClassVar[type[AnyView]] = LabelView
    Settled, Fitted = SettledPixels, FittedPixels
    monitor: ClassVar[str] = "dice"

    def __init__(self, options: Segment.Options, settled: SettledPixels) -> None:
        """Bind the options, and what follows from the data.

        Raises:
            RequestError: If the loss cannot take the weights.
        """
        super().__init__(options, settled)
        self.binary = len(settled.classes) == 2
        self.exclusive = options.exclusive and not self.binary
        self.outputs = len(settled.classes) - (not self.exclusive)
        self._numbered = settled.objects and options.loss.needs_objects
        check_weights(options.loss, settled.weights, classes=len(settled.classes), exclusive=self.exclusive)
        self.headline: tuple[str, ...] = (
            "dice",
            "iou",
            "accuracy",
            "boundary_f",
            *(("v_rand", "v_info") if "cells" in settled.also else ()),
        )

        self.statistics = (
            *("confusion", "calibration", "uncalibrated", "outlines", "hd95_um", "blocks"),
            *(("lines",) if "lines" in settled.also else ()),
            *(("components",) if self.binary and settled.objects else ()),
            *(("cells",) if "cells" in settled.also else ()),
        )
        several = settled.classes[1:] if 2 < len(settled.classes) <= MANY else ()
        each = [f"{score}/{name}" for name in several for score in ("dice", "iou")]
        self.tabled: tuple[str, ...] = ("precision", "recall", *each)

    @property
    def targets(self) -> LabelView:
        return LabelView(self.settled.values, objects=self.settled.objects, numbers=self._numbered)

    @classmethod
    def settle(cls, options: Segment.Options, data: TaskData) -> Segment:
        values, weights = data.values, options.weights
        if weights == "balanced":
            weights = balanced_weights(LabelView(values).counts(data.of("train"), data.audit))
        settled = SettledPixels(
            classes=values.classes,
            values=values,
            objects=data.index.numbers_objects,
            weights=weights,
            also=data.also,
        )
        return cls(options, settled)

    @classmethod
    def plan(cls, facts: PlanFacts) -> Keys:
        multiple, longest = 16, 256 if facts.dims == 2 else 96
        patch = [int(np.clip(m // multiple * multiple, multiple, longest)) for m in facts.median]
        if facts.dims == 3:
            patch[0] = int(np.clip(facts.median[0] // 8 * 8, 8, 32))
            wide = int((32 * longest**2 / patch[0]) ** 0.5)  # as many voxels, however few slices there are
            wide = wide // multiple * multiple
            patch[1:] = [int(np.clip(m // multiple * multiple, multiple, wide)) for m in facts.median[1:]]
        per_image = np.prod([max(1, round(m / p)) for m, p in zip(facts.median, patch, strict=True)])
        samples = facts.records if facts.resized else int(np.clip(facts.records * per_image, 192, 4000))
        batch, steps = (8, 1200) if facts.dims == 2 else (2, 800)
        width = 64 if facts.accelerator else 24
        levels = facts.levels or (5 if facts.dims == 2 else 4)
        shape = anisotropic(facts.spacing, levels) if facts.dims == 3 else {}
        return {
            "model.kind": "timm-unet" if facts.encoder and facts.dims == 2 else "unet",
            "model.name": facts.encoder,
            "model.filters": [width * 2**i for i in range(levels)],
            "data.channels": facts.inputs,
            "data.normalise": (facts.expects or "imagenet") if facts.pretrained else "image",
            "train.patch": None if facts.resized else patch,
            "train.batch": batch,
            "train.samples": None if facts.resized else samples,
            "train.epochs": int(np.clip(steps * batch // samples, 6, 200)),
            "train.lr": 1e-3,
            # light: in the few hundred steps that a processor affords, strong changes cost more than they give
            "augment.rotate": 15.0 if facts.dims == 2 else 0.0,
            "augment.zoom": [0.9, 1.1],
            "augment.brightness": 0.1,
            "augment.contrast": 0.1,
            "augment.gamma": 0.1,
            "evaluate.flips": facts.dims == 2,
            **shape,
            "train.foreground": 1.0 if facts.unlabelled > SPARSE else None,  # crops lie around what is labelled
        }

    def adapt(self, index: Index, labels: Labels) -> Segment:
        changes = {"values": self._values(index, labels), "objects": index.numbers_objects}
        return Segment(self.options, self.settled.model_copy(update=changes))

    def _values(self, index: Index, labels: Labels) -> ValueMap:
        """Its values as they were in training where those explain all, else what they mean by name, or in order."""
        ours = self.settled.values
        ignore = (*ours.ignore, *labels.ignore)
        if labels.declared is not None:
            mapping = with_background(labels.declared, ignore)
            refuse_values(labels.counts, mapping, ignore, self.classes)
            return ValueMap(self.classes, mapping, ignore)
        names = labels.names or index.classes
        alike = index.numbers_objects == self.settled.objects and names in ((), self.classes)
        if alike and {*ours.mapping, *ignore}.issuperset(labels.counts):
            return replace(ours, ignore=ignore)
        try:
            theirs = infer_values(
                labels.counts,
                declared=None,
                names=names,
                ignore=ignore,
                instances=index.numbers_objects,
                value_names=index.names,
            )
        except DataError:  # not consecutive, or too many, or one only
            refuse_values(labels.counts, {}, ignore, self.classes)
            raise
        if names:
            refuse_classes([name for name in theirs.classes if name not in self.classes], self.classes, theirs.classes)
            mapping = {value: self.classes.index(theirs.classes[c]) for value, c in theirs.mapping.items()}
        else:
            mapping = dict(theirs.mapping) if len(theirs.classes) == len(self.classes) else {}
            refuse_values(labels.counts, mapping, ignore, self.classes)
        return ValueMap(self.classes, mapping, ignore)

    def _classes(self, target: np.ndarray) -> np.ndarray:
        """Classes of an encoded target: every object is class 1."""
        return np.minimum(target, 1) if self._numbered else target

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return pixel_loss(
            output,
            target.clamp(max=1) if self._numbered else target,
            loss=self.options.loss,
            weights=self.settled.weights,
            exclusive=self.exclusive,
            objects=target if self._numbered else None,
        )

    def validation_loss(self, probabilities: Tensor, target: Tensor) -> Tensor:
        return self.loss(as_logits(probabilities, exclusive=self.exclusive), target)

    def activate(self, output: Tensor) -> Tensor:
        import torch

        return torch.softmax(output.float(), dim=1) if self.exclusive else output.float().sigmoid()

    def fitter(self) -> Fitting:
        chosen = self.options
        search = (
            chosen.threshold,
            chosen.threshold_by,
            "cells" in self.settled.also,
            chosen.cleaning,
            chosen.calibrate,
        )
        return Fitting(FitOptions(self.classes, self.exclusive, self._numbered, *search))

    def restore_fitted(self, described: JsonObject) -> FittedPixels:
        fitted = strictly(FittedPixels, described)
        if unknown := set(fitted.thresholds or ()) - set(self.classes[1:]):
            raise ValueError(f"thresholds of classes that are not there: {', '.join(sorted(unknown))}")
        return fitted

    def _calibrated(self, probabilities: np.ndarray, fitted: FittedPixels) -> np.ndarray:
        return calibration.calibrated(probabilities, fitted.temperature, exclusive=self.exclusive)

    def _threshold(self, fitted: FittedPixels) -> float:
        """Of two classes, that of the foreground."""
        return 0.5 if fitted.threshold is None else fitted.threshold

    def _raw(self, probabilities: np.ndarray, fitted: FittedPixels) -> np.ndarray:
        """Classes int64 [(Z,) Y, X] before they are cleaned."""
        if self.exclusive:
            return probabilities.argmax(0).astype(np.int64)
        if self.binary:
            return pixel_classes(probabilities, [self._threshold(fitted)])
        known = fitted.thresholds or {}
        return pixel_classes(probabilities, [known.get(name, 0.5) for name in self.classes[1:]])

    def _labels(self, probabilities: np.ndarray, fitted: FittedPixels) -> np.ndarray:
        bounds = self.options.cleaning.resolved(fitted)
        return clean(self._raw(probabilities, fitted), classes=len(self.classes), **bounds._asdict())

    def decode(self, probabilities: np.ndarray, fitted: FittedPixels, spacing: Spacing | None) -> Prediction:
        probabilities = self._calibrated(probabilities, fitted)
        return LabelMap(self._labels(probabilities, fitted), probabilities, spacing)

    def quick_pair(self, probabilities: np.ndarray, target: np.ndarray) -> PixelPair:
        """Pixels only, at one half and before cleaning: validation has decided nothing yet."""
        return PixelPair(self._classes(target), self._raw(probabilities, FittedPixels()), len(self.classes))

    def pair(
        self, probabilities: np.ndarray, target: np.ndarray, fitted: FittedPixels, spacing: Spacing | None
    ) -> PixelPair:
        before, probabilities = probabilities, self._calibrated(probabilities, fitted)
        return PixelPair(
            self._classes(target),
            self._labels(probabilities, fitted),
            len(self.classes),
            probabilities=probabilities,
            uncalibrated=None if fitted.temperature is None else before,
            exclusive=self.exclusive,
            tolerance=self.options.tolerance,
            spacing=spacing,
            cells=self._cells(probabilities, fitted) if "cells" in self.settled.also else None,
        )

    def _cells(self, probabilities: np.ndarray, fitted: FittedPixels) -> np.ndarray:
        """Where the background is said, boolean [(Z,) Y, X]; of two classes by the threshold that separates it best."""
        if self.binary:
            cut = fitted.cell_threshold
            return probabilities[0] < (self._threshold(fitted) if cut is None else cut)
        return self._raw(probabilities, fitted) == 0

    def item(self, stats: ItemStats) -> Item:
        matrix = np.asarray(stats.values["confusion"])
        dice = regions.dice(matrix)
        mean = float(macro(dice[1:]))
        quality = float(regions.accuracy(matrix)) if np.isnan(mean) else mean
        return Item(
            id=stats.id,
            group=stats.group,
            quality=quality,
            scores={f"dice/{c}": None if np.isnan(v) else float(v) for c, v in zip(self.classes, dice, strict=True)},
        )

    def against_one_answer(self, *, crops_anywhere: bool) -> str | None:
        if isinstance(self.options.loss, Bce | Ce):
            return "task.loss=dice_ce"
        return super().against_one_answer(crops_anywhere=crops_anywhere)

    def figures(self, items: Sequence[ItemStats]) -> tuple[Figure, ...]:
        table = self.table([item.values for item in items])
        matrix = table["confusion"].sum(0).astype(np.int64)
        confusion = Confusion(counts=matrix.tolist(), support=matrix.sum(1).tolist())
        return (confusion, *calibration.figure_of(table, exclusive=self.exclusive or self.binary))


def anisotropic(spacing: Spacing | None, levels: int) -> Keys:
    """Pool and convolve along Z only where slices are no more than twice as thick as pixels are wide.

    Example:
        >>> anisotropic((0.05, 0.02, 0.02), 3)["model.pool"]
        [[1, 2, 2], [2, 2, 2]]

    Reference: Isensee et al. (2021), doi:10.1038/s41592-020-01008-z
    """
    ratio = spacing[0] / spacing[-1] if spacing else 1.0
    kernel, pool = [], []
    for _ in range(levels):
        thick = ratio > 2
        kernel.append([1, 3, 3] if thick else [3, 3, 3])
        pool.append([1, 2, 2] if thick else [2, 2, 2])
        ratio = ratio / 2 if thick else ratio
    return {"model.kernel": kernel, "model.pool": pool[:-1]}
