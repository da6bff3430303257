"""Classification: one class, or several, for a whole image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lamelle.errors import RequestError
from lamelle.metrics import counts, ranking, regions
from lamelle.tasks.base import Facts, Labels, Row, Table, checked
from lamelle.types import Classes, Index, Prediction, Record, Spacing

if TYPE_CHECKING:
    from torch import Tensor

    from lamelle.data.store import Store

MANY_PIXELS = 160
"""Images at least this large are classified at 224 pixels, smaller ones at their own size."""


_OVERALL = ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "mcc")
_EACH = {
    "precision": regions.precision,
    "recall": regions.recall,
    "specificity": regions.specificity,
    "f1": regions.dice,
}


@dataclass(frozen=True, slots=True)
class Options:
    """What distinguishes one classification from another."""

    classes: tuple[str, ...]
    class_counts: tuple[int, ...]
    """Training records of each class."""
    multi_label: bool
    loss: str
    gamma: float
    imbalance: str
    alpha: float
    beta: float
    tau: float
    threshold: str | float
    smoothing: float


class Classify:
    """The classification task; see `lamelle.tasks.base.Task`."""

    name: ClassVar[str] = "classify"
    spatial: ClassVar[bool] = False
    monitor: ClassVar[str] = "macro_f1"
    models: ClassVar[tuple[str, ...]] = ("timm",)

    def __init__(self, options: Options) -> None:
        self.options = options
        self.classes: tuple[str, ...] = options.classes
        self.outputs = len(options.classes)
        self.headline: tuple[str, ...] = (
            "accuracy",
            "pr_auc" if options.multi_label else "balanced_accuracy",
            "macro_f1",
            "roc_auc",
        )
        self._number = {name: i for i, name in enumerate(options.classes)}

    @staticmethod
    def plan(facts: Facts) -> dict[str, Any]:
        side = 224 if min(facts.median[-2:]) >= MANY_PIXELS else max(32, min(facts.median[-2:]))
        steps = 400 if not facts.accelerator else 2000
        known: dict[str, Any] = {
            "model.kind": "timm",
            "data.resize": [side, side],
            "data.channels": 3 if facts.channels >= 3 or facts.pretrained else 1,
            "data.normalise": "imagenet" if facts.pretrained else "dataset",
            "model.name": facts.encoder or "resnet18",
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
        if len(facts.class_counts) > 1 and max(facts.class_counts) > 2 * max(1, min(facts.class_counts)):
            known["task.imbalance"] = "weights"
        return known

    def describe(self) -> dict[str, Any]:
        return asdict(self.options)

    @staticmethod
    def restore(described: Mapping[str, Any]) -> Classify:
        return Classify(checked(Options, described))

    def matched(self, index: Index, labels: Labels) -> Classify:
        names = {str(t) for r in index.records for t in r.target}
        if unknown := sorted(names - set(self.classes)):
            raise RequestError("tasks.unknown_classes", unknown=", ".join(unknown), known=", ".join(self.classes))
        return self

    def read_target(self, record: Record, store: Store) -> np.ndarray:
        numbers = [self._number[str(name)] for name in record.target]
        if not self.options.multi_label:
            return np.asarray(numbers[0], dtype=np.int64)
        hot = np.zeros(self.outputs, dtype=np.float32)
        hot[numbers] = 1
        return hot

    def encode(self, target: np.ndarray) -> np.ndarray:
        return target

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        import torch

        from lamelle.losses import LOSSES

        weights = None
        if self.options.imbalance == "weights":
            n = torch.tensor(self.options.class_counts, dtype=torch.float32, device=output.device).clamp(min=1)
            weights = n.sum() / (len(n) * n)
        extra = {"smoothing": self.options.smoothing} if self.options.loss == "ce" and self.options.smoothing else {}
        return LOSSES[self.options.loss](output, target, weights=weights, **extra)

    def activate(self, output: Tensor) -> Tensor:
        import torch

        return output.float().sigmoid() if self.options.multi_label else torch.softmax(output.float(), dim=1)

    def fitter(self) -> _NothingToFit:
        return _NothingToFit()

    def decode(self, probabilities: np.ndarray, fitted: Mapping[str, Any], spacing: Spacing | None) -> Prediction:
        if self.options.multi_label:
            return Classes(probabilities, tuple(int(i) for i in np.flatnonzero(probabilities >= 0.5)))
        return Classes(probabilities, (int(probabilities.argmax()),))

    def row(self, probabilities: np.ndarray, target: np.ndarray, fitted: Mapping[str, Any]) -> Row:
        return self.quick_row(probabilities, target)

    def quick_row(self, probabilities: np.ndarray, target: np.ndarray) -> Row:
        return {"truth": target.tolist(), "probabilities": [float(p) for p in probabilities]}

    def table(self, rows: Sequence[Row]) -> Table:
        return {
            "truth": np.array([r["truth"] for r in rows]),
            "probabilities": np.array([r["probabilities"] for r in rows], dtype=np.float64),
        }

    def summarise(self, table: Table, weights: np.ndarray) -> dict[str, np.ndarray]:
        truth, probabilities = table["truth"], table["probabilities"]
        areas = {
            "roc_auc": ranking.roc_auc_each(truth, probabilities, weights=weights),
            "pr_auc": ranking.pr_auc_each(truth, probabilities, weights=weights),
        }
        if self.options.multi_label:
            scores = self._summarise_labels(truth, (probabilities >= 0.5).astype(np.int64), weights)
        else:
            scores = self._summarise_classes(truth, probabilities.argmax(1), weights)
        scores |= {name: ranking.macro(each) for name, each in areas.items()}
        for name, each in areas.items():
            scores |= {f"{name}/{c}": each[..., k] for k, c in enumerate(self.classes)}
        return scores

    def _summarise_classes(self, truth: np.ndarray, chosen: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
        k = self.outputs
        cells = (truth * k + chosen)[:, None] == np.arange(k * k)
        matrix = (weights @ cells).reshape(len(weights), k, k)
        scores = {name: getattr(regions, name)(matrix) for name in _OVERALL}
        for name, score in _EACH.items():
            each = score(matrix)
            scores |= {f"{name}/{c}": each[:, i] for i, c in enumerate(self.classes)}
        return scores

    def _summarise_labels(self, truth: np.ndarray, chosen: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Several classes may hold at once: each class is a yes or no of its own."""
        cells = (truth.astype(np.int64) * 2 + chosen)[..., None] == np.arange(4)
        matrix = np.einsum("bn,nkc->bkc", weights, cells).reshape(len(weights), self.outputs, 2, 2)
        scores = {"accuracy": weights @ (chosen == truth).all(1) / weights.sum(1)}
        for name, score in _EACH.items():
            each = score(matrix)[..., 1]
            scores |= {f"{name}/{c}": each[:, i] for i, c in enumerate(self.classes)}
        return scores | {"macro_f1": ranking.macro(regions.dice(matrix)[..., 1])}

    def item(self, row: Row) -> dict[str, Any]:
        p = np.asarray(row["probabilities"])
        if self.options.multi_label:
            truth = np.asarray(row["truth"], bool)
            named = "|".join(c for c, t in zip(self.classes, truth, strict=True) if t)
            chosen = "|".join(c for c, t in zip(self.classes, p >= 0.5, strict=True) if t)
            quality = float(np.where(truth, p, 1 - p).min())
        else:
            named, chosen, quality = self.classes[row["truth"]], self.classes[int(p.argmax())], float(p[row["truth"]])
        return {"truth": named, "predicted": chosen, "correct": named == chosen, "quality": quality}

    def figures(self, rows: Sequence[Row]) -> dict[str, Any]:
        table = self.table(rows)
        if self.options.multi_label:
            return {"support": table["truth"].sum(0).astype(int).tolist()}
        truth, probabilities = table["truth"], table["probabilities"]
        matrix = counts.confusion(truth, probabilities.argmax(1), classes=self.outputs)
        hot = ranking.one_hot(truth, classes=self.outputs)
        curves = {c: _curves(hot[:, k], probabilities[:, k]) for k, c in enumerate(self.classes)}
        return {"confusion": matrix.tolist(), "support": matrix.sum(1).tolist(), "curves": curves}


def _curves(truth: np.ndarray, probability: np.ndarray) -> dict[str, Any]:
    """Points of the ROC and of the precision-recall curve of one class."""
    roc = ranking.roc_points(truth, probability, points=200)
    pr = ranking.pr_points(truth, probability, points=200)
    return {
        "roc": {"x": roc.x.tolist(), "y": roc.y.tolist()},
        "pr": {"x": pr.x.tolist(), "y": pr.y.tolist()},
    }


class _NothingToFit:
    def add(self, probabilities: np.ndarray, target: np.ndarray) -> None:
        """The most probable class needs no threshold."""

    def done(self) -> dict[str, Any]:
        return {}
