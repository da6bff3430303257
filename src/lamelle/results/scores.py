"""What ``scores.json`` holds: every score with its interval, a line for each item, and the numbers behind figures."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, PlainSerializer

from lamelle.results.base import Result
from lamelle.results.fitted import Decided, Sweep
from lamelle.types import JsonObject


def _number(value: Any) -> Any:
    return math.nan if value is None else value


def _null(value: float) -> float | None:
    return value if math.isfinite(value) else None


Number = Annotated[float, BeforeValidator(_number), PlainSerializer(_null, return_type=float | None)]
"""A number that may not be defined: NaN in memory, null in a file."""
Known = TypeVar("Known")


@dataclass(frozen=True, slots=True)
class Score:
    """A score with what it needs to be read: how many of what it rests on, and between which bounds it lies.

    Example:
        >>> Score.read({"value": 0.5, "low": None, "high": None, "n": 3, "unit": "image", "reason": "few"}).bounded
        False
    """

    value: Number
    low: Number
    high: Number
    """Bounds; NaN where none can be given, for the ``reason``."""
    n: int
    unit: str
    """What was counted: ``group``, ``image``, ``slice``, ``block`` …"""
    method: str = ""
    level: float = 0.95
    """Intended coverage, such as 0.95."""
    reason: str = ""
    """Why there is no interval, or no value: ``few``, ``few_without``, ``chance``, ``absent``, ``alone``,
    ``unpredicted``, ``undefined``."""
    of: str = ""
    """The class that is too rare, absent or never predicted."""

    @property
    def defined(self) -> bool:
        """Whether it has a value."""
        return math.isfinite(self.value)

    @property
    def bounded(self) -> bool:
        """Whether it has an interval."""
        return all(math.isfinite(x) for x in (self.value, self.low, self.high))

    @classmethod
    def read(cls, content: JsonObject) -> Self:
        """The score in the content of a file, whatever else is said there."""
        values = {f.name: content[f.name] for f in fields(cls) if content.get(f.name) is not None}
        base: JsonObject = {"n": 0, "unit": "image", **dict.fromkeys(("value", "low", "high"), math.nan)}
        return cls(**base | values)


@dataclass(frozen=True, slots=True)
class MeanScore(Score):
    """The mean over equally trained models."""

    spread: Number = math.nan
    """Standard deviation over the models; NaN for one."""
    seeds: int = 1
    lacking: int = 0
    """Models of which the reason holds."""


class Note(Result):
    """What a reader must be told beside the scores: a sentence of the catalogue, and its values."""

    code: str
    values: dict[str, Any] = Field(default_factory=dict)


class Item(Result):
    """One line about one item."""

    id: str
    group: str | None = None
    quality: float | None = None
    """Higher is better."""
    truth: str | None = None
    """Its class, or classes between ``|``."""
    predicted: str | None = None
    correct: bool | None = None
    confidence: float | None = None
    """Of what is said, between 0 and 1."""
    scores: dict[str, float | None] = Field(default_factory=dict)
    """Its own scores and counts, by name."""
    shift: tuple[str, ...] = ()
    """In which ways the image is unlike those of the training."""

    def columns(self) -> dict[str, str | float | None]:
        """What a table says of it, without what is not known of such items."""
        about = {"truth": self.truth, "predicted": self.predicted, "correct": self.correct}
        rest = {"quality": self.quality, "confidence": self.confidence}
        return {k: v for k, v in about.items() if v is not None} | self.scores | {
            k: v for k, v in rest.items() if v is not None
        }  # fmt: skip


# figures -------------------------------------------------------------------------------------------------------------


class Confusion(Result):
    """How often each class was taken for each."""

    kind: Literal["confusion"] = "confusion"
    counts: tuple[tuple[int, ...], ...] = ()
    """[K, K], rows are the truth; empty where several classes may hold at once."""
    each: tuple[tuple[tuple[int, ...], ...], ...] = ()
    """[K, 2, 2], where each class is a question of its own."""
    support: tuple[int, ...] = ()
    """Of each class in the truth."""

    @property
    def shares(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Share of each class in the truth, and among the answers; nothing where ``counts`` is empty.

        Example:
            >>> Confusion(counts=((6, 2), (0, 0))).shares
            ((1.0, 0.0), (0.75, 0.25))
        """
        total = sum(map(sum, self.counts)) or 1
        columns = zip(*self.counts, strict=True)
        return tuple(sum(row) / total for row in self.counts), tuple(sum(column) / total for column in columns)


class Curve(Result):
    """A curve with its band; empty where a class lacks what it needs."""

    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    """Of the band; empty where there is none."""
    high: tuple[float, ...] = ()
    area: Number = math.nan


class Curves(Result):
    """ROC and precision-recall curve of each class."""

    kind: Literal["curves"] = "curves"
    classes: dict[str, dict[Literal["roc", "pr"], Curve]]


class Bins(Result):
    """Bins of equal width; None where one is empty."""

    confidence: tuple[float | None, ...]
    accuracy: tuple[float | None, ...]
    count: tuple[float, ...]


class Reliability(Result):
    """Whether probabilities come true."""

    kind: Literal["reliability"] = "reliability"
    bins: int
    after: Bins
    """With the temperature that validation fitted, or as they are if there is none."""
    before: Bins | None = None
    exclusive: bool = True
    """Whether the classes exclude each other."""


Figure = Annotated[Confusion | Curves | Reliability | Sweep, Field(discriminator="kind")]
"""Numbers behind a figure, told apart by ``kind``."""


# another folder ------------------------------------------------------------------------------------------------------


class SeenImage(Result):
    """An image of another folder that trained the model, and so is not scored."""

    id: str
    like: str
    """The image of the training."""
    kind: str
    """``same`` or ``alike``."""


class ReadAs(Result):
    """A class of another folder, and what it is for the model."""

    theirs: str
    ours: str
    images: int | None
    """None where label images are not counted by class."""
    how: str
    """``same``, ``spelling`` (only that differs) or ``asked`` (``data.classes`` says so)."""


class Beside(Result):
    """A score of the model's own test set, and how much that of another folder lies above it."""

    own: Score
    difference: Score


class Elsewhere(Result):
    """The other folder, what was left out of it and why, and the Run's own test set."""

    data: str
    sha256: str
    model: str
    images: int
    unlabelled: int
    seen: tuple[SeenImage, ...]
    kept_seen: bool
    own_test: int
    classes: tuple[ReadAs, ...]
    asked: JsonObject
    """Keys that were asked for."""
    beside: dict[str, Beside]


class Scores(Result):
    """The content of ``scores.json``."""

    task: str
    classes: tuple[str, ...]
    split: str
    """What was scored: ``test``, ``validation``, ``folds``, or another folder."""
    n: int
    """Items."""
    monitor: str
    """The score that told the best epoch."""
    headline: tuple[str, ...]
    """The scores that a reader sees first."""
    counted: Literal["image", "pixel"] = "image"
    """What has a class and a probability: the counts of figures are of these."""
    notes: tuple[Note, ...] = ()
    scores: dict[str, Score]
    items: tuple[Item, ...] = ()
    figures: tuple[Figure, ...] = ()
    fitted: dict[str, Decided] = Field(default_factory=dict)
    """What validation decided; what was tried for it is a `Sweep` among the figures."""
    elsewhere: Elsewhere | None = None

    def __getitem__(self, name: str) -> Score:
        """A score by its name: ``scores["dice"].value``; one of a class is ``name/class``."""
        return self.scores[name]

    def __contains__(self, name: object) -> bool:
        return name in self.scores

    def figure(self, kind: type[Known]) -> Known | None:
        """The figure of a kind, if there is one."""
        return next((one for one in self.figures if isinstance(one, kind)), None)

    @property
    def sweeps(self) -> tuple[Sweep, ...]:
        """What validation tried for each number that it decided."""
        return tuple(one for one in self.figures if isinstance(one, Sweep))

    @property
    def monitored(self) -> Score | None:
        """The score that told the best epoch."""
        return self.scores.get(self.monitor)

    def noted(self, *notes: Note) -> Self:
        """The same, with more to be said."""
        return self.model_copy(update={"notes": (*self.notes, *notes)})
