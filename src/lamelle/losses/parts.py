"""What the losses share: the target as channels, checked weights, safe divisions."""

from __future__ import annotations

import torch
from torch import Tensor

from lamelle.types import IGNORE


def precise(output: Tensor) -> Tensor:
    """The output in float32; float64 stays.

    Example:
        >>> precise(torch.zeros(1, dtype=torch.bfloat16)).dtype
        torch.float32
    """
    return output if output.dtype == torch.float64 else output.float()


def channels(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits and truth [N, K, ...] as floats, and what is kept [N, 1 or K, ...] as 0 and 1; ignored truth is 0.

    Raises:
        ValueError: If the shapes do not fit; the message gives both.

    Example:
        >>> _, truth, kept = channels(torch.zeros(1, 2, 3), torch.tensor([[1, 0, -1]]))
        >>> truth[0].tolist(), kept[0].tolist()
        ([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], [[1.0, 1.0, 0.0]])
    """
    logits = precise(output)
    if target.is_floating_point():
        if target.shape != output.shape:
            raise ValueError(f"a float target has the output's shape {tuple(output.shape)}, not {tuple(target.shape)}")
        kept = (target != IGNORE).to(logits.dtype)
        return logits, target.to(logits.dtype) * kept, kept
    fitting(output, target)
    kept = (target != IGNORE).unsqueeze(1).to(logits.dtype)
    classes = target.clamp(min=0).unsqueeze(1)
    if output.shape[1] == 1:
        return logits, classes * kept, kept
    truth = torch.zeros_like(logits).scatter_(1, classes, 1.0)
    return logits, truth * kept, kept


def fitting(output: Tensor, target: Tensor) -> None:
    """Refuse a target of classes [N, ...] that does not fit the output [N, K, ...].

    Raises:
        ValueError: The message gives both shapes.

    Example:
        >>> fitting(torch.zeros(1, 2, 3), torch.zeros(1, 3))
    """
    if (output.shape[0], *output.shape[2:]) != tuple(target.shape):
        raise ValueError(f"the output {tuple(output.shape)} does not fit the target {tuple(target.shape)}")


def exclusive(output: Tensor, target: Tensor) -> bool:
    """Whether the channels are classes of which each pixel has one (softmax); else each has a sigmoid of its own.

    Example:
        >>> exclusive(torch.zeros(1, 2, 3), torch.zeros(1, 3, dtype=torch.long))
        True
    """
    return output.shape[1] > 1 and not target.is_floating_point()


def checked(weights: Tensor | None, output: Tensor) -> Tensor | None:
    """The weights on the output's device and as precise as the loss, checked against its channels.

    Raises:
        ValueError: If there are not as many as channels, or two for one channel.

    Example:
        >>> checked(torch.tensor([1, 3]), torch.zeros(4, 1, 8, 8))
        tensor([1., 3.])
    """
    if weights is None:
        return None
    expected = 2 if output.shape[1] == 1 else output.shape[1]
    if weights.shape != (expected,):
        raise ValueError(f"{expected} weights fit {output.shape[1]} channels, not {tuple(weights.shape)}")
    return weights.to(output.device, precise(output[:0]).dtype)


def checked_of_regions(weights: Tensor | None, output: Tensor, *, loss: str) -> Tensor | None:
    """As :func:`checked`, for losses of whole regions, of which one channel has only one.

    Raises:
        ValueError: If K = 1 and weights are given: there is nothing to weigh.

    Example:
        >>> checked_of_regions(torch.tensor([1, 3]), torch.zeros(4, 2, 8), loss="dice")
        tensor([1., 3.])
    """
    if output.shape[1] == 1 and weights is not None:
        raise ValueError(f"{loss} of one channel has nothing to weigh: leave weights out, or use bce or dice_ce")
    return checked(weights, output)


def nonzero(scale: Tensor) -> Tensor:
    """The divisor of an average, 1 where nothing is averaged (its numerator is 0 then).

    Example:
        >>> nonzero(torch.tensor([0.0, 3.0]))
        tensor([1., 3.])
    """
    return torch.where(scale == 0, torch.ones_like(scale), scale)


def averaged(lost: Tensor, weights: Tensor | None) -> Tensor:
    """Mean of the losses [K] of regions, weighted if there are weights [K].

    Example:
        >>> averaged(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 3.0]))
        tensor(0.7500)
    """
    return lost.mean() if weights is None else (lost * weights).sum() / nonzero(weights.sum())
