"""The curves of a training, with robust statistics: what is the trend of one, and what is its noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from lamelle.results.history import Epoch

_NORMAL = 1.4826
"""Median absolute deviation → standard deviation, for normal noise."""
NOT_FINITE = 1e30
"""What stands for a number that is not finite."""


@dataclass(frozen=True, slots=True)
class HistoryCurve:
    """One column of ``history.csv``, where it was measured."""

    epoch: np.ndarray
    value: np.ndarray
    trend: np.ndarray
    """Smoothed."""
    noise: float
    """Standard deviation of what is not trend."""

    @classmethod
    def of(cls, history: Sequence[Epoch], column: Callable[[Epoch], float | None]) -> Self:
        """One number of each epoch; what is not finite counts as very large."""
        measured = [(one.epoch, value) for one in history if (value := column(one)) is not None]
        epoch = np.array([e for e, _ in measured], dtype=int)
        value = np.array([v for _, v in measured], dtype=float)
        value = np.nan_to_num(value, nan=NOT_FINITE, posinf=NOT_FINITE)
        return cls(epoch, value, smooth(value), noise(value))

    def __len__(self) -> int:
        return len(self.value)

    @property
    def last(self) -> float:
        """Where its trend ends."""
        return float(self.trend[-1])


def smooth(values: np.ndarray) -> np.ndarray:
    """Running median over a tenth of the curve to each side, at least one epoch; the ends have the half of a window.

    Example:
        >>> smooth(np.array([1.0, 0.8, 5.0, 0.6, 0.5])).tolist()
        [0.9, 1.0, 0.8, 0.6, 0.55]
    """
    half = max(1, len(values) // 10)
    return np.array([np.median(values[max(0, i - half) : i + half + 1]) for i in range(len(values))])


def noise(values: np.ndarray) -> float:
    """Standard deviation of what is not trend: from second differences, which a straight trend does not have.

    Example:
        >>> noise(np.arange(9.0)), round(noise(np.array([0.0, 1.0] * 8)), 2)
        (0.0, 1.21)
    """
    if len(values) < 3:
        return 0.0
    return float(_NORMAL * np.median(np.abs(np.diff(values, 2))) / np.sqrt(6))


def score_error(score: float, counts: Sequence[int]) -> float:
    """Standard error of a mean over classes of proportions near ``score``, each from its own number of images.

    Example:
        >>> round(score_error(0.5, [100]), 3), round(score_error(0.5, [100, 4]), 3)
        (0.05, 0.127)
    """
    p = float(np.clip(score, 0.05, 0.95))
    return float(np.sqrt(sum(p * (1 - p) / max(n, 1) for n in counts)) / max(len(counts), 1))
