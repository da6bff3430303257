"""Classification: one class, or several, for a whole image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

import numpy as np
from pydantic import Field

from lamelle.data.targets.views import AnyView, ClassView
from lamelle.errors import RequestError
from lamelle.losses.table import LOSSES, Ce, Loss
from lamelle.metrics import counts, ranking
from lamelle.metrics.class_intervals import AVERAGED
from lamelle.metrics.guessing import macro_f1_of_guessing, macro_f1_of_one_class
from lamelle.metrics.pairs import ClassPair
from lamelle.models.options import Output
from lamelle.results.baseline import Guessing
from lamelle.results.items import ItemStats
from lamelle.results.scores import Confusion, Curves, Figure, Item
from lamelle.tasks import calibration
from lamelle.tasks.base import ALMOST_NOTHING, MANY, Keys, Task, TaskOptions, as_logits
from lamelle.tasks.curves import curves
from lamelle.tasks.data_facts import Labels, PlanFacts, TaskData
from lamelle.tasks.matching import refuse_classes
from lamelle.tasks.question import Question, about_image
from lamelle.tasks.remedies import REMEDIES, NoRemedy, Remedy
from lamelle.tasks.settled import Settled, strictly
from lamelle.tasks.thresholds import Decision, FittedClasses, decide
from lamelle.types import IGNORE, ClassScores, Index, JsonObject, Prediction, Problem, Record, Spacing

if TYPE_CHECKING:
    from torch import Tensor

_MOST = 10**9
"""Training images of one class."""
_ALWAYS = 0.98
"""Share of one class among the answers that is all of them."""
MANY_PIXELS = 160
"""Images at least this large are classified at 224 pixels, smaller ones at their own size."""


class SettledClasses(Settled):
    """What follows from the data, beside the options."""

    class_counts: tuple[int, ...]
    """Training records of each class."""
    multi_label: bool


class Classify(Task):
    """One class, or several, for a whole image; see `lamelle.tasks.base.Task`."""

    class Options(TaskOptions):
        """One class, or several, for a whole image."""

        name: Literal["classify"] = "classify"
        loss: Annotated[Loss, LOSSES.union(lambda row: row.of_items, default="ce")] = Field(
            default=Ce(), description="loss function"
        )
        remedy: Annotated[Remedy, REMEDIES.union(default="none")] = Field(
            default=NoRemedy(), description="remedy for rare classes: in the loss, in the sampling, or in both"
        )
        threshold: Literal["argmax", "f1"] | Annotated[float, Field(gt=0, lt=1)] = Field(
            default="argmax",
            description="f1: chosen on validation by macro F1; a number: fixed (two classes, multi-label)",
        )
        smoothing: float = Field(default=0.0, ge=0, lt=1, description="label smoothing; 1 would leave no target")
        calibrate: bool = Field(
            default=True, description="probabilities at the temperature that fits validation best; what is said stays"
        )

    name: ClassVar[str] = "classify"
    output: ClassVar[Output] = "vector"
    answer: ClassVar[type[Prediction]] = ClassScores
    crops: ClassVar[bool] = False
    counted: ClassVar[Literal["image", "pixel"]] = "image"
    view: ClassVar[type[AnyView]] = ClassView
    Settled, Fitted = SettledClasses, FittedClasses
    monitor: ClassVar[str] = "macro_f1"
    light_augmentation: ClassVar[tuple[str, ...]] = (
        "augment.flip=[x]",
        "augment.rotate=10",
        "augment.zoom=[0.9,1.1]",
        "augment.contrast=0.2",
    )
    mixing: ClassVar[str | None] = "augment.mixup=0.2"
    statistics = ("truth", "probabilities", "chosen", "temperature")

    def __init__(self, options: Classify.Options, settled: SettledClasses) -> None:
        """Take the options, and what follows from the data.

        Raises:
            RequestError: If they contradict each other.
        """
        _check(options, settled)
        super().__init__(options, settled)
        self.outputs = len(settled.classes)
        self.headline: tuple[str, ...] = (
            "accuracy",
            "pr_auc" if settled.multi_label else "balanced_accuracy",
            "macro_f1",
            "roc_auc",
        )
        each = [f"{score}/{name}" for name in settled.classes for score in AVERAGED]
        overall = ("accuracy", "macro_f1", "weighted_f1", "balanced_accuracy")
        self.tabled: tuple[str, ...] = (*overall, *(each if self.outputs <= MANY else ()))

    @property
    def targets(self) -> ClassView:
        return ClassView(self.classes, several=self.settled.multi_label)

    @classmethod
    def settle(cls, options: Classify.Options, data: TaskData) -> Classify:
        if unknown := sorted({name for r in data.records for name in r.names} - set(data.names)):
            raise RequestError("plan.unknown_classes", unknown=", ".join(unknown), known=", ".join(data.names))
        counts = ClassView(data.names, several=True).counts(data.of("train"), data.audit)
        several = any(len(r.names) != 1 for r in data.records)
        return cls(options, SettledClasses(classes=data.names, class_counts=counts, multi_label=several))

    def problems(self, data: TaskData) -> list[Problem]:
        return []  # a split of images keeps the share of each class

    @classmethod
    def plan(cls, facts: PlanFacts) -> Keys:
        side = 224 if min(facts.median[-2:]) >= MANY_PIXELS else max(32, min(facts.median[-2:]))
        steps = 400 if not facts.accelerator else 2000
        keys: Keys = {
            "model.kind": "timm",
            "data.resize": list(facts.fixed or (side, side)),
            "data.channels": facts.inputs,
            "data.normalise": (facts.expects or "imagenet") if facts.pretrained else "dataset",
            "model.name": facts.encoder or "resnet18",
            "augment.flip": ["x"],
            "augment.rot90": False,
            "augment.rotate": 10.0,
            "augment.zoom": [0.9, 1.1],
            "augment.shift": 0.05,
            "augment.brightness": 0.2,
            "augment.contrast": 0.2,
            "train.batch": 32,
            "train.lr": 5e-4 if facts.pretrained else 1e-3,
            "train.epochs": int(np.clip(steps * 32 // max(facts.records, 1), 8, 60)),
        }
        uneven = len(facts.class_counts) > 1 and max(facts.class_counts) > 2 * max(1, min(facts.class_counts))
        several = sum(facts.class_counts) > facts.records
        if facts.frozen:
            keys["train.draws"] = 8
        if uneven:
            keys["task.remedy"] = {"name": "weights"}
        if several:
            keys["task.loss"] = {"name": "bce"}
        if several or (uneven and len(facts.class_counts) == 2):
            keys["task.threshold"] = "f1"
        return keys

    def adapt(self, index: Index, labels: Labels) -> Classify:
        names = {name for r in index.records for name in r.names}
        refuse_classes(sorted(names - set(self.classes)), self.classes, names)
        return self

    def sampling(self, records: Sequence[Record]) -> np.ndarray | None:
        view = self.targets
        members = [view.numbers(record) for record in records]
        return self.options.remedy.sampling(self.settled.class_counts, members)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        prior = self.options.remedy.prior(self.settled.class_counts)
        return self._plain_loss(output if prior is None else output.float() + _like(output, prior), target)

    def validation_loss(self, probabilities: Tensor, target: Tensor) -> Tensor:
        return self._plain_loss(as_logits(probabilities, exclusive=not self.settled.multi_label), target)

    def _plain_loss(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss with its weights and its smoothing, without the prior of a remedy."""
        # several labels: the loss of each class's yes and no
        loss = self.options.loss.alone() if self.settled.multi_label else self.options.loss
        smoothing, extra = self.options.smoothing, {}
        if loss.smooths:
            extra["smoothing"] = smoothing
        elif smoothing:
            target = _smoothed(target, smoothing, classes=self.outputs)
        weights = self.options.remedy.weights(self.settled.class_counts)
        return loss(output, target, weights=None if weights is None else _like(output, weights), **extra)

    def activate(self, output: Tensor) -> Tensor:
        import torch

        return output.float().sigmoid() if self.settled.multi_label else torch.softmax(output.float(), dim=1)

    def fitter(self) -> Decision:
        chosen = self.options
        return Decision(
            chosen.threshold, classes=self.classes, multi_label=self.settled.multi_label, calibrate=chosen.calibrate
        )

    def restore_fitted(self, described: JsonObject) -> FittedClasses:
        fitted = strictly(FittedClasses, described)
        if (n := len(fitted.thresholds or self.classes)) != len(self.classes):
            raise ValueError(f"{n} thresholds for {len(self.classes)} classes")
        return fitted

    def _calibrated(self, probabilities: np.ndarray, fitted: FittedClasses) -> np.ndarray:
        return calibration.calibrated(probabilities, fitted.temperature, exclusive=not self.settled.multi_label)

    def _decide(self, probabilities: np.ndarray, fitted: FittedClasses) -> np.ndarray:
        """What is said of one item: a class, or 0 and 1 [K]."""
        return decide(probabilities[None], fitted.thresholds, multi_label=self.settled.multi_label)[0]

    def decode(self, probabilities: np.ndarray, fitted: FittedClasses, spacing: Spacing | None) -> Prediction:
        probabilities = self._calibrated(probabilities, fitted)
        chosen = self._decide(probabilities, fitted)
        return ClassScores(probabilities, tuple(np.flatnonzero(chosen).tolist() if chosen.ndim else [int(chosen)]))

    def pair(
        self, probabilities: np.ndarray, target: np.ndarray, fitted: FittedClasses, spacing: Spacing | None
    ) -> ClassPair:
        probabilities = self._calibrated(probabilities, fitted)
        chosen = self._decide(probabilities, fitted)
        return ClassPair(target, chosen, probabilities.astype(np.float64), fitted.temperature)

    def undecided(self, target: Any) -> np.ndarray:
        return np.full(self.outputs, 1 / max(2, self.outputs), np.float32)

    def question(self, answer: Prediction, number: int | None, region: np.ndarray | None) -> Question:
        return about_image(cast(ClassScores, answer), number, classes=self.classes, outputs=self.outputs)

    def item(self, stats: ItemStats) -> Item:
        """Quality is the probability of the truth, confidence that of what was said.

        With several labels, quality is that of the class it falls shortest of, and confidence that of the surest
        mistake; of the least sure answer, if there is no mistake.
        """
        p, truth, chosen = (np.asarray(stats.values[name]) for name in ("probabilities", "truth", "chosen"))
        if self.settled.multi_label:
            truth, chosen = truth.astype(bool), chosen.astype(bool)
            named, answered = ("|".join(c for c, t in zip(self.classes, x, strict=True) if t) for x in (truth, chosen))
            sure, wrong = np.where(chosen, p, 1 - p), chosen != truth
            quality = float(np.where(truth, p, 1 - p).min())
            confidence = float(sure[wrong].max() if wrong.any() else sure.min())
        else:
            named, answered = self.classes[int(truth)], self.classes[int(chosen)]
            quality, confidence = float(p[int(truth)]), float(p[int(chosen)])
        about = {"truth": named, "predicted": answered, "correct": named == answered}
        return Item(id=stats.id, group=stats.group, quality=quality, confidence=confidence, **about)

    def figures(self, items: Sequence[ItemStats]) -> tuple[Figure, ...]:
        """Confusion matrix [K, K] (several labels: of each class [K, 2, 2]), reliability, and the curves."""
        table = self.table([item.values for item in items])
        truth, chosen = (table[name].astype(np.int64) for name in ("truth", "chosen"))
        groups = [item.group for item in items]
        known = groups if all(groups) and len(set(groups)) > 1 else None
        hot = ranking.one_hot(truth, classes=self.outputs)
        if self.settled.multi_label:
            each = [counts.confusion(t, c, classes=2).tolist() for t, c in zip(hot.T, chosen.T, strict=True)]
            confusion = Confusion(each=tuple(each), support=hot.sum(0).tolist())
        else:
            matrix = counts.confusion(truth, chosen, classes=self.outputs)
            confusion = Confusion(counts=matrix.tolist(), support=hot.sum(0).tolist())
        drawn = curves(hot, table["probabilities"], classes=self.classes, groups=known)
        reliability = calibration.figure_of(table, exclusive=not self.settled.multi_label)
        return (confusion, *reliability, Curves(classes=drawn))

    def guessing(self, records: Sequence[Record]) -> Guessing:
        counts = {name: sum(name in r.names for r in records) for name in self.classes}
        several = self.settled.multi_label
        score = macro_f1_of_guessing(counts, several=several)
        if len(counts) < 2:
            return Guessing(counts, score, highest=score)
        loss = self.options.loss.alone() if several else self.options.loss
        alone = {} if several else macro_f1_of_one_class(counts)
        return Guessing(counts, score, highest=score, loss=loss.guessed(len(counts)), one_class=alone)

    def one_answer(self, confusion: Confusion) -> int | None:
        true, answered = confusion.shares
        always = (k for k, share in enumerate(answered) if share > _ALWAYS and true[k] < _ALWAYS - ALMOST_NOTHING)
        return next(always, None)

    def against_one_answer(self, *, crops_anywhere: bool) -> str | None:
        if (remedy := self.options.remedy.stronger) is not None:
            return f"task.remedy={remedy}"
        return "task.threshold=f1" if self.options.threshold != "f1" else None


def _check(options: Classify.Options, settled: SettledClasses) -> None:
    """Refuse what contradicts itself.

    Raises:
        RequestError: If it does.
    """
    several, classes = settled.multi_label, len(settled.classes)
    counts = settled.class_counts
    if len(counts) != classes or not all(0 <= n <= _MOST for n in counts):
        shown = ", ".join(map(str, counts[:MANY]))
        raise RequestError("tasks.class_counts", counts=shown, n=classes, most=_MOST)
    if not isinstance(options.threshold, str) and not several and classes != 2:
        raise RequestError("tasks.threshold_classes", threshold=options.threshold, n=classes)
    if options.remedy.softmax and (several or not options.loss.softmax):
        losses = ", ".join(name for name, row in LOSSES.items() if row.of_items and row.softmax)
        remedies = ", ".join(name for name, row in REMEDIES.items() if not row.softmax)
        values = {"remedy": options.remedy.name, "remedies": remedies, "loss": options.loss.name, "losses": losses}
        raise RequestError("tasks.adjustment_labels", **values)
    if options.smoothing and options.loss.softmax and not (options.loss.smooths or several):
        losses = ", ".join(name for name, row in LOSSES.items() if row.of_items and (row.smooths or not row.softmax))
        values = {"smoothing": options.smoothing, "loss": options.loss.name, "losses": losses}
        raise RequestError("tasks.smoothing_loss", **values)


def _smoothed(target: Tensor, smoothing: float, *, classes: int) -> Tensor:
    """Yes and no of each class [N, K], each drawn towards one half; what is ignored stays so."""
    import torch
    from torch.nn import functional

    if not target.is_floating_point():
        target = functional.one_hot(target, classes).float()
    return torch.where(target == IGNORE, target, target * (1 - smoothing) + smoothing / 2)


def _like(output: Tensor, values: np.ndarray) -> Tensor:
    """Numbers as float32, where the output is."""
    import torch

    return torch.as_tensor(values, dtype=torch.float32, device=output.device)
