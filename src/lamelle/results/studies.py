"""What ``scores.json`` of a study holds: a comparison of variants, or the trials of a search."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lamelle.results.base import Result
from lamelle.results.scores import MeanScore, Number, Score

EPOCH_COLUMNS = ("train_accuracy", "accuracy", "train_loss", "loss")
"""Columns of ``history.csv`` that a comparison shows, at the epoch whose weights were kept."""
Direction = Literal["maximize", "minimize"]


class ComparisonLine(Result):
    """One variant: means over its seeds."""

    name: str
    seeds: int
    scores: dict[str, MeanScore]
    history: dict[str, float | None]
    """`EPOCH_COLUMNS`: accuracy and loss of training and validation."""
    seconds: float | None
    epochs: float | None
    trainable: int | None
    parameters: int | None
    """Weights and biases."""
    parameters_with_statistics: int | None
    """With what batch norms measured."""
    runs: tuple[str, ...] = ()
    """Where its runs lie, as seen from the folder of the table."""


class Difference(Result):
    """One variant against the first one, on the same items."""

    name: str
    reference: str
    score: str
    value: Number
    low: Number
    high: Number
    p: Number
    """Corrected for the number of comparisons (Holm); NaN where there are too few units for a verdict."""
    noise: bool
    n: int


class Comparison(Result):
    """All that the pages and tables of a comparison show."""

    kind: Literal["comparison"] = "comparison"
    score: str
    """The score that decides."""
    lines: tuple[ComparisonLine, ...]
    differences: tuple[Difference, ...]
    unit: str
    n: int
    level: float


class Dimension(Result):
    """A key of the recipe with the values that a search may give it.

    Example:
        >>> Dimension(key="train.lr", low=1e-4, high=1e-1).log, Dimension(key="train.batch", values=("8", "16")).log
        (True, False)
    """

    key: str
    values: tuple[str, ...] = ()
    """As they are written after ``=``; empty = a range."""
    low: float = 0.0
    high: float = 0.0
    integer: bool = False

    @property
    def log(self) -> bool:
        """Whether a range spans so much, ten times or more, that it is searched on a logarithmic scale."""
        return self.low > 0 and self.high >= 10 * self.low

    def number(self, value: float) -> float | int:
        """A value of the range."""
        return int(value) if self.integer else value


class EpochScore(Result):
    """A score, and the epoch that reached it."""

    epoch: int
    score: float


class Trial(Result):
    """One point of a search, and of its trials the one that stands for it."""

    point: int
    trial: int | None = None
    """Its number; None = nobody has begun."""
    state: Literal["done", "stopped", "failed", "running", "waiting"]
    params: dict[str, str | int | float]
    """Key of the recipe → value."""
    score: Score | None = None
    """The objective on the validation set; None unless the trial is done."""
    other_scores: dict[str, Score] = Field(default_factory=dict)
    """Of the validation set too."""
    loss: float | None = None
    """Of the validation set, at the best epoch."""
    epochs: int | None = None
    best_epoch: int | None = None
    seconds: float | None = None
    trainable: int | None = None
    parameters: int | None = None
    parameters_with_statistics: int | None = None
    best_so_far: EpochScore | None = None
    """Of a trial that was stopped early."""
    reason: str | None = None
    """Why it failed or still waits."""
    folder: str | None = None
    """Of its run, below ``trials/``."""
    host: str | None = None


class SearchResult(Result):
    """All that the pages and tables of a search show."""

    kind: Literal["search"] = "search"
    objective: str
    """The score that is searched."""
    direction: Direction
    sampler: str
    pruner: str
    dimensions: tuple[Dimension, ...]
    trials: tuple[Trial, ...]
    """In the order of their numbers."""
    best: int | None
    """Number of the best trial; None = none is done."""
    within_interval: int
    """Trials whose score lies in the interval of the best one's, itself among them."""
    importance: dict[str, float]
    """Share of each key in what tells good trials from the others; empty where there are too few."""
    test: Comparison | None = None
    """The best trial trained again, on the test set."""

    @property
    def best_trial(self) -> Trial | None:
        """The best trial."""
        return next((one for one in self.trials if one.trial is not None and one.trial == self.best), None)

    @property
    def done(self) -> list[Trial]:
        """The trials that have a score."""
        return [one for one in self.trials if one.state == "done"]

    @property
    def other_scores(self) -> list[str]:
        """Names of the scores that stand beside the objective."""
        names = dict.fromkeys(name for one in self.trials for name in one.other_scores)
        return [name for name in names if name != self.objective]


StudyResult = Comparison | SearchResult
