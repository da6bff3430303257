"""Weights of classes from how often they occur."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def balanced(counts: Sequence[int]) -> Tensor:
    """Weights float32 [K] that give each class the same say: inverse to its count, 1 on average over what was counted.

    With the counts of background and foreground, these are (w−, w+) of a loss of one channel. A class that does not
    occur has weight 0.

    Args:
        counts: Pixels (or images) of each class in the training set.

    Raises:
        ValueError: If a count is negative, or nothing was counted.

    Example:
        >>> balanced([90, 10])
        tensor([0.5556, 5.0000])
    """
    numbers = torch.tensor([float(n) for n in counts], dtype=torch.float64)
    if (numbers < 0).any() or not numbers.any():
        raise ValueError(f"weights need counts of 0 or more that are not all 0, not {list(counts)}")
    present = numbers > 0
    return torch.where(present, numbers.sum() / (present.sum() * numbers.clamp(min=1)), 0.0).float()
