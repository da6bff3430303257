"""What a task is told of the data: for a plan, to be settled by, and of another folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lamelle.data.options import Data, listed
from lamelle.data.targets.values import ValueMap, infer_values
from lamelle.results.audit import Audit
from lamelle.types import Index, Record, Spacing


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """What a plan is made from: the training data in a few numbers."""

    dims: int
    channels: int
    """Most channels any image has."""
    smallest: tuple[int, ...]
    """Smallest size along each axis [(Z,) Y, X]."""
    median: tuple[int, ...]
    spacing: Spacing | None
    records: int
    classes: int
    class_counts: tuple[int, ...]
    """Records of each class where names say it, pixels of each value where label images do."""
    accelerator: bool
    """Whether a GPU will train."""
    encoder: str | None
    """Name of the encoder that was asked for, or that the given weights belong to."""
    pretrained: bool
    """Whether weights are given, which expect their own channels and intensities."""
    expects: str | None
    """How those weights want their intensities normalised, where that is known."""
    fixed: tuple[int, ...] | None
    """The only size (Y, X) that the encoder takes, if there is only one."""
    frozen: bool
    """Whether a part of the encoder is asked not to learn."""
    levels: int | None
    """Number of levels of the network, where it was asked for."""
    resized: bool
    """Whether all images are brought to one size (then ``median``), and so are trained whole."""
    unlabelled: float = 0.0
    """Share of the pixels of label images that say nothing."""

    @property
    def inputs(self) -> int:
        """Channels of the network: those of the images, or the three that pretrained weights expect of grey ones."""
        return 3 if self.pretrained and self.channels == 1 else self.channels


@dataclass(frozen=True, slots=True)
class Labels:
    """What another folder writes into its label images, and what was said about it."""

    counts: Mapping[int, int]
    """Pixels of each value."""
    declared: Mapping[int, int] | None
    """Value → number of the class."""
    names: tuple[str, ...]
    """Names of its classes, in the order of its values."""
    ignore: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TaskData:
    """The data that a task is settled by: the folder, what the audit saw, and what a recipe says about both."""

    index: Index
    audit: Audit
    records: tuple[Record, ...]
    """All records, each with its split."""
    data: Data
    also: tuple[str, ...] = ()
    """Scores that are asked for besides."""

    def of(self, split: str) -> list[Record]:
        """The records of one split."""
        return [r for r in self.records if r.split == split]

    @property
    def names(self) -> tuple[str, ...]:
        """The classes that the recipe lists, else those of the folder; empty where only label values tell."""
        return listed(self.data.classes) or self.index.classes

    @property
    def values(self) -> ValueMap:
        """Which label value means which class.

        Raises:
            DataError: If it does not follow from the values, and nobody says it.
        """
        return infer_values(
            self.audit.statistics.labels,
            declared=self.data.labels or None,
            names=self.names,
            ignore=self.data.ignore,
            instances=self.index.numbers_objects,
            value_names=self.index.names,
        )
