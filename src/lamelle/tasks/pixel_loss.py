"""The loss of pixels: of all classes together, or of each one by itself, with weights that it can take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lamelle.errors import RequestError
from lamelle.losses.table import LOSSES, Loss
from lamelle.types import IGNORE

if TYPE_CHECKING:
    from torch import Tensor


def balanced_weights(counts: Sequence[int]) -> tuple[float, ...]:
    """Weights of the classes, inverse to their pixels in the training set; see `lamelle.losses.balanced`.

    Raises:
        RequestError: If no pixel was counted.

    Example:
        >>> balanced_weights([30, 10])
        (0.6666666865348816, 2.0)
    """
    from lamelle.losses.balance import balanced

    if not any(counts):
        raise RequestError("tasks.weights_uncounted")
    return tuple(balanced(counts).tolist())


def check_weights(loss: Loss, weights: Sequence[float] | None, *, classes: int, exclusive: bool) -> None:
    """Refuse weights that a loss cannot take.

    Args:
        exclusive: Whether the classes share one softmax; else the loss is that of each class by itself.

    Raises:
        RequestError: If there are not as many as classes, one is negative, all are 0, or the loss compares one region.
    """
    if weights is None:
        return
    given = ", ".join(f"{w:g}" for w in weights)
    if not exclusive and not loss.weighs:
        losses = ", ".join(name for name, row in LOSSES.items() if row.weighs)
        raise RequestError("tasks.weights_refused", loss=loss.name, weights=given, losses=losses)
    if len(weights) != classes or min(weights) < 0 or not any(weights):
        raise RequestError("tasks.weights_count", weights=given, given=len(weights), n=classes)


def pixel_loss(
    output: Tensor,
    target: Tensor,
    *,
    loss: Loss,
    weights: Sequence[float] | None,
    exclusive: bool,
    objects: Tensor | None = None,
) -> Tensor:
    """The loss of logits, a scalar; what the target ignores counts for nothing.

    Classes that exclude each other have a channel each, [N, K, (Z,) Y, X]. Else every class but the background has one,
    [N, K − 1, (Z,) Y, X]: the loss is the mean of those of each channel by itself, and the weights are that of the
    background and that of the class.

    Args:
        objects: Numbers of the objects, like the target, where the loss needs them; none = the connected components of
            the classes.

    Example:
        >>> import torch
        >>> from lamelle.losses.table import Ce
        >>> output, target = torch.zeros(1, 1, 2, 2), torch.zeros(1, 2, 2, dtype=torch.long)
        >>> pixel_loss(output, target, loss=Ce(), weights=None, exclusive=False)
        tensor(0.6931)
    """
    import torch

    given = None if weights is None else torch.tensor(weights, dtype=torch.float32, device=output.device)
    shared = loss.shared(target, objects=objects)
    if exclusive:
        return loss(output, target, weights=given, **shared)
    each = []
    for k, channel in enumerate(output.split(1, dim=1), start=1):
        truth = torch.where(target == IGNORE, IGNORE, (target == k).long())
        pair = None if given is None else given[[0, k]]
        each.append(loss.alone()(channel, truth, weights=pair, **shared))
    return torch.stack(each).mean()
