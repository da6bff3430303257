"""Deep supervision: the loss of a network that gives its logits at several resolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def full(output: Tensor | Sequence[Tensor]) -> Tensor:
    """The logits at full resolution, which come first.

    Example:
        >>> full([torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 4, 4)]).shape
        torch.Size([1, 2, 8, 8])
    """
    return output if isinstance(output, Tensor) else output[0]


def over_levels(output: Tensor | Sequence[Tensor], target: Tensor, loss: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The loss, or its mean over resolutions, weighted 1, ½, ¼ … from the finest and divided by the sum of the weights.

    Args:
        output: Logits [N, K, ...]; or a list of them, full resolution first.
        target: [N, ...] at full resolution; a coarser level takes the pixel in the middle of each stride (nearest).
        loss: Of logits and a target of one size.

    Example:
        >>> levels = [torch.full((1, 1, 4), 3.0), torch.full((1, 1, 2), 6.0)]
        >>> over_levels(levels, torch.zeros(1, 4), lambda output, target: output.mean())
        tensor(4.)

    Reference: Lee et al. (2015), doi:10.48550/arXiv.1409.5185; Isensee et al. (2021), doi:10.1038/s41592-020-01008-z
    """
    if isinstance(output, Tensor):
        return loss(output, target)
    weights = [0.5**level for level in range(len(output))]
    losses = [loss(logits, nearest(target, tuple(logits.shape[2:]))) for logits in output]
    return torch.stack([w * one for w, one in zip(weights, losses, strict=True)]).sum() / sum(weights)


def nearest(target: Tensor, size: Sequence[int]) -> Tensor:
    """Target [N, ...] at a level of ``size`` = ⌈n / stride⌉ pixels, stride 1, 2, 4 …: the middle pixel of each stride.

    Example:
        >>> nearest(torch.arange(9)[None], (3,))
        tensor([[2, 6, 8]])
    """
    for axis, wanted in enumerate(size, start=target.ndim - len(size)):
        pixels, stride = target.shape[axis], 1
        while -(-pixels // stride) > wanted:
            stride *= 2
        if stride > 1:
            places = torch.arange(wanted, device=target.device) * stride + stride // 2
            target = target.index_select(axis, places.clamp(max=pixels - 1))
    return target
