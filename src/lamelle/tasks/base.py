"""What every task has; nothing outside `lamelle.tasks` asks which task it is.

A task writes what it is (name, view, what its network gives, its scores) and how it settles what follows from the data,
learns, decides and tells; whatever is the same for most tasks is written here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self

import numpy as np

from lamelle.data.targets.views import AnyView
from lamelle.errors import RequestError
from lamelle.models.options import Output
from lamelle.options import Options
from lamelle.results import fitted
from lamelle.results.baseline import Guessing
from lamelle.results.fitted import Fit
from lamelle.results.items import ItemStats
from lamelle.results.saved_task import SavedTask
from lamelle.results.scores import Confusion, Figure, Item
from lamelle.tasks.data_facts import Labels, PlanFacts, TaskData
from lamelle.tasks.question import Question, about_pixels
from lamelle.tasks.scoring import Scored
from lamelle.tasks.settled import strictly
from lamelle.types import Index, JsonObject, LabelMap, ObjectMap, Prediction, Problem, Record, Spacing

if TYPE_CHECKING:
    from torch import Tensor

_GUESSED_MAP = 0.25
"""Score that a map may have of which nothing was learnt: whoever paints everything meets something."""
_NO_MAP = 0.01
"""Score of maps in which nothing is found."""
ALMOST_NOTHING = 0.05
"""Share of what is there that is almost nothing of it."""
MANY = 40
"""Classes up to which tables have columns for each."""
Keys = dict[str, object]
"""Dotted keys of a recipe, and their values."""


class TaskOptions(Options):
    """What the options of all tasks have: the section ``task`` of a recipe."""

    name: Any

    @property
    def whole_items(self) -> bool:
        """Whether volumes must be judged as a whole, because something is decided by the size of what they hold."""
        return False

    def idle(self) -> list[Problem]:
        """Warnings of what is asked and changes nothing beside what else is asked."""
        return []


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

    def done(self) -> Fit:
        """What was decided, a `Task.Fitted`, and what was tried for it."""
        ...


class _Undecided:
    """Decides nothing."""

    def add(self, probabilities: np.ndarray, target: np.ndarray) -> None:
        """Keep nothing of an item."""

    def done(self) -> Fit:
        return fitted.Fitted(), ()


class Task(Scored):
    """One kind of work: from target and output to scores.

    Shapes: probabilities are ``[K]`` where its network gives a vector, ``[K, (Z,) Y, X]`` where it gives a map; outputs
    are tensors of such with N in front.
    """

    name: ClassVar[str]
    output: ClassVar[Output] = "map"
    """What its network gives: numbers for each pixel, which are mirrored and merged from tiles, or for the image."""
    counted: ClassVar[Literal["image", "pixel"]] = "pixel"
    """What it gives classes to, and so what is counted of each class."""
    answer: ClassVar[type[Prediction]] = LabelMap
    """The kind of its answers."""
    crops: ClassVar[bool] = True
    """Whether it learns from crops of an image, answers tile by tile, and may be given the slices beside one; else
    images are taken as a whole."""
    names_objects: ClassVar[bool] = False
    """Whether each object has a number of its own in its answers."""
    monitor: ClassVar[str]
    """The score that tells the best epoch."""
    also: ClassVar[tuple[str, ...]] = ()
    """What `evaluate.also` may ask for besides."""
    light_augmentation: ClassVar[tuple[str, ...]] = (
        "augment.flip=true",
        "augment.rotate=15",
        "augment.zoom=[0.9,1.1]",
        "augment.contrast=0.1",
    )
    """What makes images vary a little, as settings of a recipe."""
    mixing: ClassVar[str | None] = None
    """What mixes images where that is of use, as a setting of a recipe."""
    Options: ClassVar[Any]
    """What can be asked of it, a class of `TaskOptions`: its section of a recipe."""
    Settled: ClassVar[type[Any]]
    """What follows from the data, beside the options: a class of `lamelle.tasks.settled.Settled`."""
    Fitted: ClassVar[type[fitted.Fitted]] = fitted.Fitted
    """What it decides on the validation set and answers with; one that decides nothing has none of its own."""
    headline: tuple[str, ...]
    """The scores that a reader sees first."""
    tabled: tuple[str, ...] = ()
    """The scores that tables of several trainings show besides; those of single classes up to `MANY` classes."""
    outputs: int
    """Channels of the network's output."""
    options: Any
    settled: Any

    def __init__(self, options: Any, settled: Any) -> None:
        """Bind the options, and what follows from the data.

        Raises:
            RequestError: If they contradict each other.
        """
        self.options, self.settled = options, settled
        self.classes = settled.classes

    @property
    @abstractmethod
    def targets(self) -> AnyView:
        """Its view of the targets, with its classes."""

    # before a training

    @classmethod
    def plan(cls, facts: PlanFacts) -> Keys:
        """Dotted recipe keys for what nobody asked for."""
        return {}

    @classmethod
    @abstractmethod
    def settle(cls, options: Any, data: TaskData) -> Self:
        """The task with everything that it takes from the data.

        Raises:
            RequestError: If options and data contradict each other.
            DataError: If something does not follow from the data, and nobody says it.
        """

    def problems(self, data: TaskData) -> list[Problem]:
        """A warning where training or validation lacks a class: then nothing is learnt, or decided, about it."""
        problems = []
        for split in ("train", "validation"):
            counts = self.targets.counts(data.of(split), data.audit)
            if any(counts) and (lacking := [c for c, n in zip(self.classes, counts, strict=True) if n == 0]):
                values = {"classes": ", ".join(lacking)}
                problems.append(Problem(f"plan.absent_{split}", severity="warning", values=values))
        return problems

    def sampling(self, records: Sequence[Record]) -> np.ndarray | None:
        """Relative frequency of each training record [n]; None = all alike."""
        return None

    def adapt(self, index: Index, labels: Labels) -> Self:
        """The same task for the labels of another folder, which may write them in another way.

        Raises:
            RequestError: If that folder has classes this task does not know.
        """
        return self

    # in a package

    def describe(self) -> SavedTask:
        """Its ``options`` and what was ``settled`` from the data, JSON-able, for the Package."""
        return SavedTask(options=self.options.model_dump(mode="json"), settled=self.settled.model_dump(mode="json"))

    @classmethod
    def restore(cls, saved: SavedTask) -> Self:
        """The task that `describe` described.

        Raises:
            ValueError: If a value is of another type, missing, unknown, or out of its bounds.
        """
        return cls(strictly(cls.Options, saved.options), strictly(cls.Settled, saved.settled))

    def restore_fitted(self, described: JsonObject) -> fitted.Fitted:
        """What was decided, from a Package.

        Raises:
            ValueError: If a value is of another type, unknown, out of its bounds, or of other classes.
        """
        return strictly(self.Fitted, described)

    # learning

    @abstractmethod
    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """A scalar, in float32."""

    def validation_loss(self, probabilities: Tensor, target: Tensor) -> Tensor:
        """The loss of probabilities [N, ...], without what is added to the logits in training only."""
        return self.loss(as_logits(probabilities, exclusive=False), target)

    @abstractmethod
    def activate(self, output: Tensor) -> Tensor:
        """Probabilities from logits."""

    # answering

    def fitter(self) -> Fitter:
        """A new collector for the validation set; where it decides nothing, none of it is kept."""
        return _Undecided()

    @abstractmethod
    def decode(self, probabilities: np.ndarray, fitted: Any, spacing: Spacing | None) -> Prediction:
        """The answer for one item, by what was decided: its `Fitted`."""

    def undecided(self, target: Any) -> np.ndarray:
        """Probabilities of one item that say nothing, float32 [K, (Z,) Y, X]."""
        return np.full((self.outputs, *target.shape), 1 / max(2, self.outputs), np.float32)

    def question(self, answer: Prediction, number: int | None, region: np.ndarray | None) -> Question:
        """What is asked about one answer, so that it can be explained.

        Args:
            number: Of the class that is asked about; None = the one that is predicted.
            region: Pixels [(Z,) Y, X] that are asked about, where answers are maps; None = those of the class.

        Raises:
            RequestError: If such answers cannot be explained, or nothing of the output stands for the class.
        """
        if not isinstance(answer, LabelMap | ObjectMap):
            raise RequestError("explain.boxes", task=self.name)
        return about_pixels(answer, number, region, classes=self.classes, outputs=self.outputs)

    @abstractmethod
    def item(self, stats: ItemStats) -> Item:
        """One line about one item for a table people read."""

    def figures(self, items: Sequence[ItemStats]) -> tuple[Figure, ...]:
        """Numbers behind the figures of a report: confusion matrix, curves."""
        return ()

    # what went wrong

    def guessing(self, records: Sequence[Record]) -> Guessing:
        """What who has seen no image reaches on some records; of maps, where the background is all that is said."""
        counts, nothing = {"": len(records)}, {self.classes[0]: 0.0}
        return Guessing(counts, highest=_GUESSED_MAP, one_class=nothing, tolerance=_NO_MAP)

    def one_answer(self, confusion: Confusion) -> int | None:
        """The class that is its answer to everything; None where it is not. Of maps that is the background."""
        true, answered = confusion.shares
        return 0 if sum(answered[1:]) < ALMOST_NOTHING * sum(true[1:]) else None

    def against_one_answer(self, *, crops_anywhere: bool) -> str | None:
        """The setting of a recipe that makes it give other answers too; None where all that helps is asked for.

        Args:
            crops_anywhere: Crops lie where chance wants them, not around what is annotated.
        """
        return "train.foreground=0.5" if crops_anywhere else None
