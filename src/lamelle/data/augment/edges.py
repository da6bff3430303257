"""What lies beyond the edge of an image: its reflection at the outer pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def reflected(index: Tensor, length: int) -> Tensor:
    """Whole-number positions on an endless line → positions in 0 … length − 1, mirrored at the outer pixels."""
    period = max(2 * (length - 1), 1)
    index = index.remainder(period)
    return index.minimum(period - index) if length > 1 else index * 0
