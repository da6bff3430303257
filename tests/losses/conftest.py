"""Random batches for every loss."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from lamelle.types import IGNORE

Batch = Callable[..., tuple[Tensor, Tensor]]


def _batch(
    channels: int, *, ignored: bool = False, seed: int = 0, size: tuple[int, ...] = (6, 7)
) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    output = torch.randn(3, channels, *size, generator=random)
    target = torch.randint(0, max(channels, 2), (3, *size), generator=random)
    if ignored:
        target[torch.rand(target.shape, generator=random) < 0.3] = IGNORE
    return output.requires_grad_(), target


@pytest.fixture(scope="session")
def batch() -> Batch:
    """(channels, ignored=, seed=, size=) → output [3, K, ...] that learns and target [3, ...]."""
    return _batch
