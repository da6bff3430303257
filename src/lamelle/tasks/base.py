"""What a task must offer; nothing outside `lamelle.tasks` asks which task it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, cast

import numpy as np

from lamelle.data.targets.views import AnyView
from lamelle.metrics.differences import Imagined
from lamelle.metrics.intervals import IntervalOptions, Units
from lamelle.options import Options
from lamelle.results.items import ItemStats
from lamelle.results.scores import Figure, Item, Score
from lamelle.types import Index, Prediction, Record, Spacing

if TYPE_CHECKING:
    from torch import Tensor

MANY = 40
"""Classes up to which tables have columns for each."""
T = TypeVar("T")
Section = TypeVar("Section", bound=Options)
Row = Mapping[str, np.ndarray]
"""Statistics of one item: rows of `lamelle.metrics.statistics.STATISTICS`, by name."""
Table = dict[str, np.ndarray]
"""Rows as columns [n, ...], so that an interval can resample them quickly."""


class TaskOptions(Options):
    """What the options of all tasks have: the section ``task`` of a recipe."""

    name: Any


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
    """Records (classify) or pixels (segment) of each class."""
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


def checked(settled: type[T], described: Mapping[str, Any]) -> T:
    """What was settled, from JSON, each value of the type that it is declared as.

    Raises:
        ValueError: If a value is of another type, missing or unknown.
    """
    import json

    from pydantic import TypeAdapter

    if unknown := set(described) - {f.name for f in fields(cast("Any", settled))}:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    return TypeAdapter(settled).validate_json(json.dumps(dict(described)), strict=True)


def strictly(options: type[Section], described: Mapping[str, Any]) -> Section:
    """Options from JSON, each of the type that it is declared as.

    Raises:
        ValueError: If a value is of another type, unknown, or out of its bounds.
    """
    import json

    return options.model_validate_json(json.dumps(dict(described)), strict=True)


def as_logits(probabilities: Tensor, *, exclusive: bool) -> Tensor:
    """Logits that activate to these probabilities: logarithms for softmax, log-odds for sigmoid.

    Args:
        exclusive: Whether the channels exclude each other (softmax).

    Example:
        >>> import torch
        >>> as_logits(torch.tensor([[0.25, 0.75]]), exclusive=True).softmax(1)
        tensor([[0.2500, 0.7500]])
        >>> as_logits(torch.tensor([[0.25, 0.5]]), exclusive=False).sigmoid()
        tensor([[0.2500, 0.5000]])
    """
    p = probabilities.float().clamp(1e-7, 1 - 1e-7)
    return p.log() if exclusive else p.log() - (-p).log1p()


class Fitter(Protocol):
    """Collects what validation says, to freeze one decision (a threshold) in the Package."""

    def add(self, probabilities: np.ndarray, target: np.ndarray) -> None:
        """Take one item of the validation set."""
        ...

    def done(self) -> dict[str, Any]:
        """The fitted values, JSON-able."""
        ...


class Task(Protocol):
    """One kind of work: from target and output to scores.

    Shapes: probabilities are ``[K]`` (classify) or ``[K, (Z,) Y, X]`` (segment, K = 1 if binary).
    """

    name: ClassVar[str]

    @property
    def Options(self) -> Any:
        """What can be asked of it, a class of `TaskOptions`: its section of a recipe."""
        ...

    also: ClassVar[tuple[str, ...]]
    """What `evaluate.also` may ask for besides."""
    spatial: ClassVar[bool]
    """Whether targets and outputs are images, which geometry moves and tiles are merged into."""
    view: ClassVar[type[AnyView]]
    """How it sees its targets, and so from which kinds of target it can learn."""
    monitor: ClassVar[str]
    """The score that tells the best epoch."""
    headline: tuple[str, ...]
    """The scores that a reader sees first."""
    tabled: tuple[str, ...]
    """The scores that tables of several trainings show besides; those of single classes up to `MANY` classes."""
    classes: tuple[str, ...]
    outputs: int
    """Channels of the network's output."""

    @property
    def targets(self) -> AnyView:
        """Its view of the targets, with its classes."""
        ...

    @staticmethod
    def plan(facts: PlanFacts) -> dict[str, Any]:
        """Dotted recipe keys for what nobody asked for."""
        ...

    def describe(self) -> dict[str, Any]:
        """Its ``options`` and what was ``settled`` from the data, JSON-able, for the Package."""
        ...

    @staticmethod
    def restore(options: Mapping[str, Any], settled: Mapping[str, Any]) -> Task:
        """The task that `describe` described.

        Raises:
            ValueError: If a value is of another type, missing, unknown, or out of its bounds.
        """
        ...

    def matched(self, index: Index, labels: Labels) -> Task:
        """The same task for the labels of another folder, which may write them in another way.

        Raises:
            RequestError: If that folder has classes this task does not know.
        """
        ...

    def sampling(self, records: Sequence[Record]) -> np.ndarray | None:
        """Relative frequency of each training record [n]; None = all alike."""
        ...

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """A scalar, in float32."""
        ...

    def validation_loss(self, probabilities: Tensor, target: Tensor) -> Tensor:
        """The loss of probabilities [N, ...], without what is added to the logits in training only."""
        ...

    def activate(self, output: Tensor) -> Tensor:
        """Probabilities from logits."""
        ...

    def fitter(self) -> Fitter:
        """A new collector for the validation set."""
        ...

    def decode(self, probabilities: np.ndarray, fitted: Mapping[str, Any], spacing: Spacing | None) -> Prediction:
        """The answer for one item."""
        ...

    def row(
        self,
        probabilities: np.ndarray,
        target: np.ndarray,
        fitted: Mapping[str, Any],
        spacing: Spacing | None = None,
    ) -> Row:
        """Sufficient statistics of one item; distances need the pixel size where it differs between axes."""
        ...

    def quick_row(self, probabilities: np.ndarray, target: np.ndarray) -> Row:
        """The part of `row` that the monitored score needs; taken at every epoch, so it must be cheap."""
        ...

    def quick_scores(self, rows: Sequence[Row]) -> dict[str, np.ndarray]:
        """The scores [1] that are taken after every epoch, of rows of `quick_row`."""
        ...

    def table(self, rows: Sequence[Row]) -> Table:
        """Rows as columns."""
        ...

    def summarise(self, table: Table, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Every score [B] of a set of items that counts item i ``weights[b, i]`` times; pure, so that intervals can
        resample."""
        ...

    def intervals(self, table: Table, *, units: Units, options: IntervalOptions) -> dict[str, Score]:
        """Every score of `summarise` with its interval; units are whole groups of rows, or rows."""
        ...

    def imagined(self, score: str, tables: tuple[Table, Table], units: Units) -> Imagined:
        """What one more unit could do to the difference of two models in a score."""
        ...

    def item(self, stats: ItemStats) -> Item:
        """One line about one item for a table people read."""
        ...

    def figures(self, items: Sequence[ItemStats]) -> tuple[Figure, ...]:
        """Numbers behind the figures of a report: confusion matrix, curves."""
        ...
