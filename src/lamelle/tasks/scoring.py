"""How a task is scored: by the statistics that it names, through the tables of `lamelle.metrics`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from lamelle.data.targets.views import AnyView
from lamelle.metrics.differences import Imagined
from lamelle.metrics.intervals import IntervalOptions, Units
from lamelle.metrics.metric import Metric
from lamelle.metrics.score_intervals import imagined, intervals
from lamelle.metrics.scoring import scores
from lamelle.metrics.statistics import STATISTICS, derived, measured
from lamelle.metrics.table import METRICS
from lamelle.results.scores import Score
from lamelle.types import Spacing

Row = Mapping[str, np.ndarray]
"""Statistics of one item: rows of `lamelle.metrics.statistics.STATISTICS`, by name."""
Table = dict[str, np.ndarray]
"""Rows as columns [n, ...], so that an interval can resample them quickly."""


class Scored(ABC):
    """The part of a task that compares its answers with the truth; a task says how it sees both (`pair`).

    Shapes: probabilities are ``[K]`` where a network gives a vector, ``[K, (Z,) Y, X]`` where it gives a map.
    """

    view: ClassVar[type[AnyView]]
    """How targets are seen; its name is one of `lamelle.metrics.metric.VIEWS`."""
    classes: tuple[str, ...]
    Fitted: ClassVar[type[Any]]
    """What it decides on the validation set and answers with."""
    statistics: tuple[str, ...]
    """What is measured of each item: rows of `STATISTICS`."""

    @abstractmethod
    def pair(self, probabilities: np.ndarray, target: Any, fitted: Any, spacing: Spacing | None) -> Any:
        """Truth and answer of one item as its statistics take them.

        The target is what its view gives, what was decided is its `Fitted`.

        Distances need the pixel size where it differs between axes.
        """
        ...

    def quick_pair(self, probabilities: np.ndarray, target: Any) -> Any:
        """The same while nothing is decided yet."""
        return self.pair(probabilities, target, self.Fitted(), None)

    @property
    def scored_classes(self) -> tuple[str, ...]:
        """The classes that have scores of their own."""
        return self.classes

    @cached_property
    def quick_statistics(self) -> tuple[str, ...]:
        """What is measured after every epoch: whatever the quick metrics need, and what costs nothing."""
        quick = {s for m in METRICS.values() if m.quick and self.view.name in m.views for s in m.statistics}
        cheap = {s.name for s in STATISTICS.values() if self.view.name == "classes" and s.listed}
        return tuple(name for name in self.statistics if name in quick | cheap)

    def row(
        self,
        probabilities: np.ndarray,
        target: Any,
        fitted: Any = None,
        spacing: Spacing | None = None,
    ) -> Row:
        """Statistics of one item.

        Args:
            fitted: What was decided, its `Fitted`; None = nothing yet.
        """
        fitted = self.Fitted() if fitted is None else fitted
        return measured(self.statistics, self.pair(probabilities, target, fitted, spacing))

    def quick_row(self, probabilities: np.ndarray, target: Any) -> Row:
        """The part of `row` that the monitored score needs; taken at every epoch, so it must be cheap."""
        return measured(self.quick_statistics, self.quick_pair(probabilities, target))

    def table(self, rows: Sequence[Row]) -> Table:
        """Rows as columns [n, ...], with what follows from them; what JSON wrote as null is NaN again.

        What has another size in each row, as blocks of images of different shapes, is no column.
        """
        names = [name for name in STATISTICS if rows and all(name in row for row in rows)]
        names = [name for name in names if len({np.shape(row[name]) for row in rows}) == 1]
        columns = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in names}
        return derived(columns, classes=len(self.classes)) if self.view.name == "classes" and columns else columns

    def summarise(self, table: Table, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Every score [B] of a set of items that counts item i ``weights[b, i]`` times."""
        return scores(table, weights, view=self.view.name, classes=self.scored_classes)

    def quick_scores(self, rows: Sequence[Row]) -> dict[str, np.ndarray]:
        """The scores [1] that are taken after every epoch, of rows of `quick_row`."""

        def quick(metric: Metric) -> bool:
            return metric.quick or self.view.name == "classes"

        table, once = self.table(rows), np.ones((1, len(rows)))
        return scores(table, once, view=self.view.name, classes=self.scored_classes, which=quick)

    def intervals(self, table: Table, *, units: Units, options: IntervalOptions) -> dict[str, Score]:
        """Every score of `summarise` with its interval; units are whole groups of rows, or rows."""
        return intervals(table, view=self.view.name, classes=self.scored_classes, units=units, options=options)

    def imagined(self, score: str, tables: tuple[Table, Table], units: Units) -> Imagined:
        """What one more unit could do to the difference of two models in a score."""
        return imagined(score, tables, view=self.view.name, classes=self.scored_classes, units=units)
