"""Semantic segmentation: one class for every pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from lamelle.data import targets
from lamelle.errors import RequestError
from lamelle.metrics import boundary, clustering, counts, intervals, regions, thresholds
from lamelle.metrics.counts import ratio
from lamelle.metrics.ranking import macro
from lamelle.tasks.base import Facts, Labels, Row, Table, as_logits, checked
from lamelle.types import IGNORE, Index, LabelMap, Prediction, Record, Source, Spacing

if TYPE_CHECKING:
    from torch import Tensor

    from lamelle.data.store import Store

BINS = 65_536
BLOCKS = 16
"""Blocks of the plane, for intervals where all items come from one volume."""


_BOUNDARY = ("boundary_f", "hd95")
_REGION = {"dice": regions.dice, "iou": regions.iou, "precision": regions.precision, "recall": regions.recall}


@dataclass(frozen=True, slots=True)
class Options:
    """What distinguishes one segmentation from another."""

    classes: tuple[str, ...]
    loss: str
    weights: tuple[float, ...] | None
    threshold: float | None
    tolerance: float
    cells: bool
    values: targets.ValueMap
    objects: bool
    """Targets on disk count objects; every object is class 1."""


class Segment:
    """The segmentation task; see `lamelle.tasks.base.Task`."""

    name: ClassVar[str] = "segment"
    spatial: ClassVar[bool] = True
    monitor: ClassVar[str] = "dice"
    models: ClassVar[tuple[str, ...]] = ("unet", "timm-unet")

    def __init__(self, options: Options) -> None:
        self.options = options
        self.classes: tuple[str, ...] = options.classes
        self.binary = len(options.classes) == 2
        self.outputs = 1 if self.binary else len(options.classes)
        self.headline: tuple[str, ...] = (
            "dice",
            "iou",
            "accuracy",
            "boundary_f",
            *(("v_rand", "v_info") if options.cells else ()),
        )

    @staticmethod
    def plan(facts: Facts) -> dict[str, Any]:
        multiple, longest = 16, 256 if facts.dims == 2 else 96
        patch = [int(np.clip(m // multiple * multiple, multiple, longest)) for m in facts.median]
        if facts.dims == 3:
            patch[0] = int(np.clip(facts.median[0] // 8 * 8, 8, 32))
            wide = int((32 * longest**2 / patch[0]) ** 0.5)  # as many voxels, however few slices there are
            wide = wide // multiple * multiple
            patch[1:] = [int(np.clip(m // multiple * multiple, multiple, wide)) for m in facts.median[1:]]
        per_image = np.prod([max(1, round(m / p)) for m, p in zip(facts.median, patch, strict=True)])
        samples = int(np.clip(facts.records * per_image, 192, 4000))
        batch, steps = (8, 1200) if facts.dims == 2 else (2, 800)
        width = 64 if facts.accelerator else 24
        levels = facts.levels or (5 if facts.dims == 2 else 4)
        shape = _anisotropic(facts.spacing, levels) if facts.dims == 3 else {}
        return {
            "model.kind": "timm-unet" if facts.encoder and facts.dims == 2 else "unet",
            "model.name": facts.encoder,
            "model.filters": [width * 2**i for i in range(levels)],
            "data.channels": 3 if facts.channels >= 3 or facts.pretrained else 1,
            "data.normalise": (facts.expects or "imagenet") if facts.pretrained else "image",
            "train.patch": patch,
            "train.batch": batch,
            "train.samples": samples,
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
        }

    def describe(self) -> dict[str, Any]:
        values = self.options.values
        pairs = [[int(k), int(v)] for k, v in values.mapping.items()]
        kept = {"classes": list(values.classes), "mapping": pairs, "ignore": list(values.ignore)}
        return {f.name: getattr(self.options, f.name) for f in fields(self.options)} | {"values": kept}

    @staticmethod
    def restore(described: Mapping[str, Any]) -> Segment:
        kept = described["values"]
        return Segment(checked(Options, {**described, "values": {**kept, "mapping": dict(kept["mapping"])}}))

    def matched(self, index: Index, labels: Labels) -> Segment:
        return Segment(replace(self.options, values=self._values(index, labels), objects=index.instances))

    def _values(self, index: Index, labels: Labels) -> targets.ValueMap:
        """Its values as they were in training where those explain all, else what they mean by name."""
        ours = self.options.values
        ignore = (*ours.ignore, *labels.ignore)
        if labels.declared is not None:
            return targets.ValueMap(self.classes, dict(labels.declared), ignore)
        names = labels.names or index.classes
        alike = index.instances == self.options.objects and names in ((), self.classes)
        if alike and {*ours.mapping, *ignore}.issuperset(labels.counts):
            return replace(ours, ignore=ignore)
        theirs = targets.infer_values(
            labels.counts, declared=None, names=names, ignore=ignore, instances=index.instances
        )
        if unknown := [name for name in theirs.classes if name not in self.classes]:
            raise RequestError("tasks.unknown_classes", unknown=", ".join(unknown), known=", ".join(self.classes))
        mapping = {value: self.classes.index(theirs.classes[c]) for value, c in theirs.mapping.items()}
        return targets.ValueMap(self.classes, mapping, ignore)

    def read_target(self, record: Record, store: Store) -> np.ndarray:
        return store.labels(cast("tuple[Source, ...]", record.target), objects=self.options.objects)

    def encode(self, target: np.ndarray) -> np.ndarray:
        return (
            targets.semantic_of(target) if self.options.objects else targets.apply_values(target, self.options.values)
        )

    def sampling(self, records: Sequence[Record]) -> np.ndarray | None:
        return None

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        import torch

        from lamelle.losses import LOSSES

        weights = torch.tensor(self.options.weights, device=output.device) if self.options.weights else None
        return LOSSES[self.options.loss](output, target, weights=weights)

    def validation_loss(self, probabilities: Tensor, target: Tensor) -> Tensor:
        return self.loss(as_logits(probabilities, exclusive=not self.binary), target)

    def activate(self, output: Tensor) -> Tensor:
        import torch

        return output.float().sigmoid() if self.binary else torch.softmax(output.float(), dim=1)

    def fitter(self) -> _Threshold:
        return _Threshold(self.options, self.binary)

    def decode(self, probabilities: np.ndarray, fitted: Mapping[str, Any], spacing: Spacing | None) -> Prediction:
        if self.binary:
            labels = (probabilities[0] >= fitted.get("threshold", 0.5)).astype(np.int64)
        else:
            labels = probabilities.argmax(0).astype(np.int64)
        return LabelMap(labels, probabilities, spacing)

    def quick_row(self, probabilities: np.ndarray, target: np.ndarray) -> Row:
        predicted = cast("LabelMap", self.decode(probabilities, {}, None)).labels
        return {"confusion": counts.confusion(target, predicted, classes=len(self.classes)).tolist()}

    def row(self, probabilities: np.ndarray, target: np.ndarray, fitted: Mapping[str, Any]) -> Row:
        labels = cast("LabelMap", self.decode(probabilities, fitted, None)).labels
        k, seen = len(self.classes), target != IGNORE
        matrix = counts.confusion(target, labels, classes=k)
        found: Row = {"confusion": matrix.tolist(), **{name: [] for name in _BOUNDARY}}
        for c in range(k):
            truth, said = (target == c) & seen, (labels == c) & seen
            at_boundary = boundary.boundary_scores(
                truth, said, tolerance=self.options.tolerance, spacing=(1.0,) * target.ndim
            )
            for name in _BOUNDARY:
                found[name].append(at_boundary[name])
        found["blocks"] = [
            counts.confusion(target[(..., *b)], labels[(..., *b)], classes=k).tolist()
            for b in intervals.spatial_blocks(target.shape[-2:], blocks=BLOCKS)
        ]
        if self.options.cells:
            cells = probabilities[0] < fitted.get("cell_threshold", fitted.get("threshold", 0.5))
            found["cells"] = clustering.clustering_rows(target == 0, cells, thin=True).sum(0).tolist()
        return found

    def table(self, rows: Sequence[Row]) -> Table:
        names = [n for n in ("confusion", "cells", *_BOUNDARY) if rows and n in rows[0]]
        return {n: np.array([_numbers(r[n]) for r in rows], dtype=np.float64) for n in names}

    def summarise(self, table: Table, weights: np.ndarray) -> dict[str, np.ndarray]:
        """``name`` = mean over the foreground classes, ``name/class`` = one class.

        Pooled over all pixels; ``image_…`` and boundary scores are means over images.
        """
        matrices = table["confusion"]
        pooled = np.einsum("bn,nij->bij", weights, matrices)
        scores = {"accuracy": regions.accuracy(pooled)}
        for name, score in _REGION.items():
            scores |= self._by_class(name, score(pooled))
        for name in ("dice", "iou"):
            scores |= self._by_class(f"image_{name}", _weighted_mean(_REGION[name](matrices), weights))
        for name in _BOUNDARY:
            if name in table:
                scores |= self._by_class(name, _weighted_mean(table[name], weights))
        if "cells" in table:
            summed = weights @ table["cells"]
            scores |= {"v_rand": clustering.v_rand_of(summed), "v_info": clustering.v_info_of(summed)}
        return scores

    def _by_class(self, name: str, values: np.ndarray) -> dict[str, np.ndarray]:
        each = {f"{name}/{c}": values[..., k] for k, c in enumerate(self.classes)}
        return {name: macro(values[..., 1:])} | each

    def item(self, row: Row) -> dict[str, Any]:
        matrix = np.asarray(row["confusion"])
        dice = regions.dice(matrix)
        mean = float(macro(dice[1:]))
        quality = float(regions.accuracy(matrix)) if np.isnan(mean) else mean
        return {**{f"dice/{c}": float(v) for c, v in zip(self.classes, dice, strict=True)}, "quality": quality}

    def figures(self, rows: Sequence[Row]) -> dict[str, Any]:
        matrix = np.sum([r["confusion"] for r in rows], axis=0)
        return {"confusion": matrix.tolist(), "support": matrix.sum(1).tolist()}


def _anisotropic(spacing: Spacing | None, levels: int) -> dict[str, Any]:
    """Pool and convolve along Z only where slices are no more than twice as thick as pixels are wide.

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


class _Threshold:
    """The probability above which a pixel is foreground: best F1 on all validation pixels together.

    Where cells are scored, the threshold that separates them best is searched as well (by V_rand).
    """

    def __init__(self, options: Options, binary: bool) -> None:
        self._options, self._binary = options, binary
        self._histogram = np.zeros((2, BINS), dtype=np.int64)
        self._seen: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, probabilities: np.ndarray, target: np.ndarray) -> None:
        if self._binary:
            self._histogram += counts.binary_histogram(target, probabilities[0], bins=BINS)
            if self._options.cells:
                self._seen.append((1 - probabilities[0], target == 0))

    def done(self) -> dict[str, Any]:
        if not self._binary:
            return {}
        best = thresholds.best_threshold(self._histogram, by="f1")
        found: dict[str, Any] = {"threshold": 0.5 if np.isnan(best) else best}
        if self._options.threshold is not None:
            found["threshold"] = self._options.threshold
        curve = thresholds.curve_at(self._histogram, thresholds=tuple(i / 100 for i in range(1, 100)))
        names = ("thresholds", "precision", "recall", "f1")
        found["threshold_curve"] = {name: getattr(curve, name).tolist() for name in names}
        if self._seen:
            found["cell_threshold"] = 1 - self._search_cells()
        return found

    def _search_cells(self) -> float:
        """Threshold on the probability of cell, searched over all validation images together."""
        tried = np.linspace(0.05, 0.95, 19)
        rows = [[clustering.clustering_rows(t, p >= x, thin=True).sum(0) for x in tried] for p, t in self._seen]
        score = clustering.v_rand_of(np.sum(rows, axis=0))
        return 0.5 if np.isnan(score).all() else float(tried[np.nanargmax(score)])


def _weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean [B, K] over the items [n, K] that have a value, item i counted ``weights[b, i]`` times."""
    known = ~np.isnan(values)
    return ratio(weights @ np.where(known, values, 0.0), weights @ known.astype(np.float64))


def _numbers(value: Any) -> np.ndarray:
    """A row's entry as numbers; what JSON wrote as null is NaN again."""
    return np.array(value, dtype=np.float64)
