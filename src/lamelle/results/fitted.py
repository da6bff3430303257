"""What validation decides: the numbers that an answer is made with, and what was tried for each of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field, FiniteFloat, model_validator

from lamelle.results.base import Result

_HOTTEST = 100.0
Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
"""A probability, or a threshold of probabilities."""
Temperature = Annotated[FiniteFloat, Field(gt=0, le=_HOTTEST)]
Pixels = Annotated[int, Field(ge=0, le=1 << 53)]
Decided = bool | int | float | tuple[float, ...] | dict[str, float]
"""One thing that was decided: a number, or one for each class."""


class Fitted(Result):
    """What a task decides on the validation set and needs to answer; each task that decides anything has its own.

    Without arguments it is what holds while nothing is decided yet.

    Example:
        >>> class Cut(Fitted):
        ...     threshold: Share | None = None
        >>> Cut(threshold=0.4).decided(), Cut().decided()
        ({'threshold': 0.4}, {})
    """

    def decided(self) -> dict[str, Decided]:
        """What was decided, by name; nothing of what was not."""
        return self.model_dump(exclude_none=True)


class Sweep(Result):
    """One number that validation decided: the values that were tried, how good each was, and the one that was taken.

    Example:
        >>> tried = Sweep(name="min_size", points=(0, 8), scores={"dice": (0.5, 0.7)}, chosen=8, by="dice")
        >>> tried.given
        False
    """

    kind: Literal["sweep"] = "sweep"
    name: str
    """What was decided, as in the task's `Fitted`: ``threshold``, ``temperature``, ``min_size`` …"""
    of: str = ""
    """The class that it is of; empty where it is of all."""
    points: tuple[FiniteFloat, ...] = ()
    """The values that were tried; of a ``temperature``, and of thresholds of several classes, the usual one and it."""
    scores: dict[str, tuple[FiniteFloat | None, ...]] = Field(default_factory=dict)
    """Name of a score → what it was at each point, None where that is undefined; of one class it is ``name/class``."""
    chosen: FiniteFloat
    by: str = ""
    """The score that decided; empty where the value was given, or validation could not tell."""
    undecided: bool = False
    """Whether it was to be searched and validation could not tell, since it shows all or nothing of the class."""
    n: Pixels | None = None
    """Images or pixels that the scores rest on, where that is known."""

    @model_validator(mode="after")
    def _as_long(self) -> Self:
        if any(len(values) != len(self.points) for values in self.scores.values()):
            raise ValueError(f"{self.name}: a score has not as many values as there are points")
        return self

    @property
    def given(self) -> bool:
        """Whether nothing was searched, since the value was asked for."""
        return not (self.by or self.undecided)


Fit = tuple[Fitted, tuple[Sweep, ...]]
"""What was decided, and what was tried for it."""


def defined(values: Iterable[float]) -> tuple[float | None, ...]:
    """Scores of a sweep; NaN is None.

    Example:
        >>> defined([0.5, float("nan")])
        (0.5, None)
    """
    return tuple(None if value != value else float(value) for value in values)
