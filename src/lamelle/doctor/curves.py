"""Robust statistics of a training's curves: what is the course of one, and what is its noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

_NORMAL = 1.4826
"""Median absolute deviation → standard deviation, for normal noise."""


def smooth(values: np.ndarray) -> np.ndarray:
    """Running median over a tenth of the curve to each side, at least one epoch; the ends have the half of a window.

    Example:
        >>> smooth(np.array([1.0, 0.8, 5.0, 0.6, 0.5])).tolist()
        [0.9, 1.0, 0.8, 0.6, 0.55]
    """
    half = max(1, len(values) // 10)
    return np.array([np.median(values[max(0, i - half) : i + half + 1]) for i in range(len(values))])


def jitter(values: np.ndarray) -> float:
    """Standard deviation of what is not course: from second differences, which a straight course does not have.

    Example:
        >>> jitter(np.arange(9.0)), round(jitter(np.array([0.0, 1.0] * 8)), 2)
        (0.0, 1.21)
    """
    if len(values) < 3:
        return 0.0
    return float(_NORMAL * np.median(np.abs(np.diff(values, 2))) / np.sqrt(6))


def guessing(counts: Mapping[str, int], *, several: bool) -> float:
    """Macro F1 of who has seen no image: the better of guessing evenly and always saying the commonest class.

    Args:
        counts: Images of each class.
        several: Several classes may hold at once; then that of always saying yes.

    Example:
        >>> guessing({"a": 50, "b": 50}, several=False), round(guessing({"a": 90, "b": 10}, several=False), 3)
        (0.5, 0.474)
    """
    total = sum(counts.values())
    if not total:
        return 0.0
    shares = np.array(list(counts.values())) / total
    if several:
        return float(np.mean(2 * shares / (shares + 1)))
    even = 1 / len(shares)
    return float(max(np.mean(2 * shares * even / (shares + even)), max(one_class(counts).values())))


def one_class(counts: Mapping[str, int]) -> dict[str, float]:
    """Macro F1 of saying one class for every image, for each class.

    Example:
        >>> one_class({"a": 75, "b": 25})["b"]
        0.2
    """
    total = sum(counts.values())
    return {name: 2 * n / (n + total) / len(counts) for name, n in counts.items()}


def score_error(score: float, counts: Sequence[int]) -> float:
    """Standard error of a mean over classes of proportions near ``score``, each from its own number of images.

    Example:
        >>> round(score_error(0.5, [100]), 3), round(score_error(0.5, [100, 4]), 3)
        (0.05, 0.127)
    """
    p = float(np.clip(score, 0.05, 0.95))
    return float(np.sqrt(sum(p * (1 - p) / max(n, 1) for n in counts)) / max(len(counts), 1))
