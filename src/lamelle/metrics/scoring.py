"""Scores of a set of items from the tables of statistics and metrics; each statistic is summed once.

A name is ``metric``, ``metric/class``, ``image_metric`` or ``image_metric/class``; what is known of it stands in the
row of its metric.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from lamelle.metrics.counts import ratio
from lamelle.metrics.metric import Columns, Metric
from lamelle.metrics.ranking import macro, weighted_of_labels
from lamelle.metrics.regions import mean_of_present, of_present
from lamelle.metrics.statistics import STATISTICS
from lamelle.metrics.table import METRICS

UNCALIBRATED = "_uncalibrated"
"""End of the names of scores before calibration."""
IMAGE = "image_"
"""Start of the name of a mean over items, each scored by itself."""
Scores = dict[str, np.ndarray]


def metrics_of(view: str, columns: Columns) -> list[Metric]:
    """The metrics that these statistics give, in the order of their table."""
    return [m for m in METRICS.values() if view in m.views and _statistic(m, view, columns)]


def _statistic(metric: Metric, view: str, columns: Columns) -> str:
    """The statistic of a metric that there is; empty if there is none."""
    return next((s for s in metric.statistics if s in columns and view in STATISTICS[s].of), "")


def scores(
    columns: Columns,
    weights: np.ndarray,
    *,
    view: str,
    classes: Sequence[str] = (),
    which: Callable[[Metric], bool] | None = None,
) -> Scores:
    """Every score [B] of a set of items that counts item i ``weights[b, i]`` times; pure, so that intervals resample.

    ``name`` is of all classes: of pixels and objects, the mean over those but the background.

    Args:
        columns: Statistics of the items [n, ...].
        weights: Float64 [B, n].
        view: How targets are seen.
        classes: Names; none = no scores of single classes.
        which: Metrics that are wanted; None = all.

    Example:
        >>> columns = {"confusion": np.array([[[1, 0], [0, 2]], [[1, 1], [0, 0]]], float)}
        >>> found = scores(columns, np.array([[1.0, 0.0], [1.0, 1.0]]), view="labels", classes=("background", "cell"))
        >>> found["dice"].round(3), found["dice/cell"].round(3)
        (array([1. , 0.8]), array([1. , 0.8]))
    """
    work = _Work(columns, np.asarray(weights, np.float64), view, tuple(classes))
    made: Scores = {}
    for metric in metrics_of(view, columns):
        if which is None or which(metric):
            made |= work.of(metric)
    return made


@dataclass(frozen=True, slots=True)
class _Work:
    """What the metrics of one call share: each sum, and each value of a sum, is made once."""

    columns: Columns
    weights: np.ndarray
    view: str
    classes: tuple[str, ...]
    _sums: dict[str, np.ndarray] = field(default_factory=dict)
    _values: dict[tuple[str, Callable[..., np.ndarray]], np.ndarray] = field(default_factory=dict)

    def of(self, metric: Metric) -> Scores:
        """The scores of one metric."""
        name = _statistic(metric, self.view, self.columns)
        made: Scores = {}
        if metric.pooled:
            values = self._pooled(metric, name)
            made |= self._averaged(metric, name, values) if metric.average else self._named(metric, name, values)
            if metric.each_of in self.columns:
                each = metric.value(as_rows(self.sum(metric.each_of)))
                made |= self._each(metric.name, each)
        if not metric.pooled or self.view in metric.means:
            alone = self._alone(metric, name)
            made |= _prefixed(self._named(metric, "", alone), "" if not metric.pooled else IMAGE)
        return made

    def sum(self, name: str) -> np.ndarray:
        """A statistic, summed over the items [B, ...]."""
        if name not in self._sums:
            column = self.columns[name]
            flat = self.weights @ column.reshape(len(column), -1)
            self._sums[name] = flat.reshape(len(self.weights), *column.shape[1:])
        return self._sums[name]

    def _pooled(self, metric: Metric, name: str) -> np.ndarray:
        """Values of the sums [B] or [B, K]."""
        if STATISTICS[name].listed:
            return metric.value(self.columns, self.weights)
        key = (name, metric.value)
        if key not in self._values:
            values = metric.value(self.sum(name))
            self._values[key] = values[..., 1] if STATISTICS[name].questions and values.ndim == 3 else values
        return self._values[key]

    def _alone(self, metric: Metric, name: str) -> np.ndarray:
        """Mean over the items that have a value, each scored by itself [B] or [B, K]."""
        values = metric.value(self.columns[name])
        if values.ndim == 1:
            return weighted_mean(values[:, None], self.weights)[:, 0]
        return weighted_mean(values, self.weights)

    def _support(self, name: str) -> np.ndarray | None:
        """How much of each class the truth holds [B, K], where items have classes."""
        if self.view != "classes" or name not in ("confusion", "questions"):
            return None
        return self.sum(name)[..., 1, :].sum(-1) if STATISTICS[name].questions else self.sum(name).sum(-1)

    def _averaged(self, metric: Metric, name: str, values: np.ndarray) -> Scores:
        support = self._support(name)
        if support is None:
            return {metric.name: _foreground(values, self.classes)}
        mean = mean_of_present if metric.average == "present" else weighted_of_labels
        return {metric.name: mean(values, support)}

    def _named(self, metric: Metric, name: str, values: np.ndarray) -> Scores:
        """One score, or the mean of those of the classes and each of them."""
        if not metric.per_class:
            return {metric.name: values}
        support, made = self._support(name), Scores()
        if self.view in metric.mean_in:
            made[metric.name] = self._mean(values, support)
        return made | self._each(metric.name, values if support is None else of_present(values, support))

    def _mean(self, values: np.ndarray, support: np.ndarray | None) -> np.ndarray:
        """Mean over the classes that are there, or have a value; of pixels over those but the background."""
        if support is not None:
            return mean_of_present(values, support)
        return macro(values) if self.view == "classes" else _foreground(values, self.classes)

    def _each(self, name: str, values: np.ndarray) -> Scores:
        """Scores of the classes; of those but the background, where the values are of these."""
        names = self.classes[len(self.classes) - values.shape[-1] :] if self.classes else ()
        return {f"{name}/{c}": values[..., k] for k, c in enumerate(names)}


def as_rows(bins: np.ndarray) -> np.ndarray:
    """Bins [..., 3, bins] of a calibration as its rows, whose last two numbers are not known of single classes."""
    flat = bins.reshape(*bins.shape[:-2], -1)
    return np.concatenate([flat, np.full((*flat.shape[:-1], 2), np.nan)], axis=-1)


def _foreground(values: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Mean over the classes but the background; all values are of these where there is one less than classes."""
    return macro(values if len(classes) == values.shape[-1] + 1 else values[..., 1:])


def _prefixed(made: Scores, start: str) -> Scores:
    return {f"{start}{name}": value for name, value in made.items()}


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean [B, K] over the items [n, K] that have a value, item i counted ``weights[b, i]`` times.

    Example:
        >>> weighted_mean(np.array([[1.0], [np.nan], [4.0]]), np.array([[2.0, 1.0, 1.0]]))
        array([[2.]])
    """
    defined = ~np.isnan(values)
    return ratio(weights @ np.where(defined, values, 0.0), weights @ defined.astype(np.float64))
