"""What the doctor knows of a Run: its curves, its recipe and its scores as numbers; nothing of it is judged here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamelle.doctor.base import Base
from lamelle.doctor.finding import NOTHING
from lamelle.results.items import Failure
from lamelle.results.scores import Scores
from lamelle.tasks.table import find


@dataclass(frozen=True, slots=True)
class HistoryCurve:
    """One column of ``history.csv``, where it was measured."""

    epoch: np.ndarray
    value: np.ndarray
    course: np.ndarray
    """Smoothed."""
    jitter: float
    """Standard deviation of what is not course."""

    def __len__(self) -> int:
        return len(self.value)

    @property
    def last(self) -> float:
        """Where its course ends."""
        return float(self.course[-1])


@dataclass(frozen=True, slots=True)
class Measured:
    """The same training images by the statistics that batch norms keep, and by those of their own batch."""

    images: int
    stored: float
    """Share of right answers with the running statistics, as validation and prediction have it."""
    batch: float
    """Share of right answers with the statistics of the batch, as training has it."""
    shift: float
    """Median over channels of the distance between both means, in standard deviations of the batch."""


@dataclass(frozen=True, slots=True)
class NormStatistics:
    """Batch norms that learn, and how far the statistics they keep can have followed."""

    momentum: float
    """Share of a batch in the running statistics."""
    share: float
    """Share of the running statistics that comes from this training."""
    measured: Measured | None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """All that the rules look at."""

    run: str
    recipe: Mapping[str, Mapping[str, Any]]
    train_loss: HistoryCurve
    train_score: HistoryCurve
    loss: HistoryCurve
    score: HistoryCurve
    best: int | None
    """Epoch of the weights that are kept."""
    epochs: int
    """Epochs that ended."""
    steps: int
    counts: Mapping[str, int]
    """Validation images of each class; of a segmenter all under one name."""
    units: int
    """Validation patients, animals or volumes; images where these are not known."""
    split_by: str
    error: float
    """Standard error of the validation score: what another validation set of this size might have said instead."""
    test_error: float | None
    """The same of the test score."""
    chance: float
    """Monitored score of who has seen no image."""
    scores: Scores | None
    failure: Failure | None
    """Code and values of the error that ended the training."""
    base: Base | None
    statistics: NormStatistics | None
    advised: str | None
    """Budget that the training itself advised, where its own was too short or the machine was busy."""
    expects: str | None
    """How the pretrained weights want their intensities, where that is known."""

    @property
    def monitor(self) -> str:
        return find(str(self.recipe["task"]["name"])).monitor

    @property
    def spatial(self) -> bool:
        return find(str(self.recipe["task"]["name"])).output == "map"

    @property
    def images(self) -> int:
        return sum(self.counts.values())

    @property
    def lr(self) -> float:
        return float(self.recipe["train"]["lr"])

    def get(self, key: str, default: Any = None) -> Any:
        """A dotted key of the recipe."""
        found: Any = self.recipe
        for name in key.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        return default if found is None else found

    def reached(self, score: float) -> float:
        """How far a score is from guessing (0) to perfect (1)."""
        return (score - self.chance) / max(1 - self.chance, 1e-6)

    @property
    def learnt(self) -> float | None:
        """How far the training score came at the end; None if it was not measured."""
        return self.reached(self.train_score.last) if len(self.train_score) else None

    @property
    def test_beyond_guessing(self) -> bool:
        """Whether the interval of the monitored score lies above what guessing has; of masks, guessing has some."""
        found = self.scores.monitored if self.scores else None
        return found is not None and found.low > self.chance + (NOTHING if self.spatial else 0.0)

    @property
    def guessed_loss(self) -> float | None:
        """Loss of who has seen no image, for losses where that is known."""
        loss, classes = self.get("task.loss.name"), len(self.counts)
        if self.spatial or classes < 2:
            return None
        if loss == "focal":
            return (1 - 1 / classes) ** float(self.get("task.loss.gamma", 2.0)) * math.log(classes)
        return math.log(classes) if loss == "ce" else math.log(2)

    @property
    def test(self) -> float | None:
        """The monitored score on the test set."""
        if self.scores is None or self.scores.split == "validation":
            return None
        found = self.scores.monitored
        return found.value if found is not None and found.defined else None
