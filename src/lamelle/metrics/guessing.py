"""Scores of who has seen no image, from the numbers of images of each class."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def macro_f1_of_one_class(counts: Mapping[str, int]) -> dict[str, float]:
    """Macro F1 of saying one class for every image, for each class.

    Args:
        counts: Images of each class.

    Example:
        >>> macro_f1_of_one_class({"a": 75, "b": 25})["b"]
        0.2
    """
    total = sum(counts.values())
    return {name: 2 * n / (n + total) / len(counts) for name, n in counts.items()} if total else {}


def macro_f1_of_guessing(counts: Mapping[str, int], *, several: bool) -> float:
    """Macro F1 of who has seen no image: the better of guessing evenly and always saying the commonest class.

    Args:
        counts: Images of each class.
        several: Several classes may hold at once; then that of always saying yes.

    Example:
        >>> known = ({"a": 50, "b": 50}, {"a": 90, "b": 10})
        >>> [round(macro_f1_of_guessing(counts, several=False), 3) for counts in known]
        [0.5, 0.474]
    """
    total = sum(counts.values())
    if not total:
        return 0.0
    shares = np.array(list(counts.values())) / total
    if several:
        return float(np.mean(2 * shares / (shares + 1)))
    even = 1 / len(shares)
    return float(max(np.mean(2 * shares * even / (shares + even)), max(macro_f1_of_one_class(counts).values())))
