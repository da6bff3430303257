"""How each type of figure is drawn, and in which section: a task contributes to its page by returning figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from lamelle.registry import Registry
from lamelle.reports import calibration, confusion, curves
from lamelle.reports.blocks import Block
from lamelle.results.base import Result
from lamelle.results.fitted import Sweep
from lamelle.results.scores import Confusion, Curves, Reliability, Scores
from lamelle.runs.bundle import RunBundle

Kind = TypeVar("Kind", bound=Result)


@dataclass(frozen=True, slots=True)
class Drawer(Generic[Kind]):
    """What draws the figures of one type."""

    figure: type[Kind]
    section: str
    """Name of the section that they stand in."""
    draw: Callable[[Sequence[Kind], Scores], list[Block]]
    """From all figures of the type, of which there may be none."""

    @property
    def name(self) -> str:
        """The ``kind`` of the figures."""
        return str(self.figure.model_fields["kind"].default)

    def drawn(self, scores: Scores) -> list[Block]:
        """The figures of the type that scores hold."""
        return self.draw([one for one in scores.figures if isinstance(one, self.figure)], scores)


def each(draw: Callable[[Kind, Scores], list[Block]]) -> Callable[[Sequence[Kind], Scores], list[Block]]:
    """What draws figures one by one."""
    return lambda figures, scores: [block for one in figures for block in draw(one, scores)]


DRAWERS: Registry[Drawer[Any]] = Registry(
    "figure",
    Drawer(Confusion, "confusion", each(confusion.draw)),
    Drawer(Curves, "curves", each(curves.draw)),
    Drawer(Sweep, "curves", curves.decided),
    Drawer(Reliability, "calibration", each(calibration.draw)),
)
"""A row for each type of figure."""


def figures_of(section: str) -> Callable[[RunBundle], list[Block]]:
    """What draws the figures of a section."""

    def draw(bundle: RunBundle) -> list[Block]:
        scores = bundle.scores
        return [b for row in DRAWERS.values() if row.section == section for b in row.drawn(scores)] if scores else []

    return draw
