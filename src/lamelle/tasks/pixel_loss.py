"""From the keys of a recipe to the loss of pixels: which keys a loss takes, and which weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lamelle.errors import RequestError
from lamelle.types import IGNORE

if TYPE_CHECKING:
    from torch import Tensor

PARAMETERS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "focal": {"gamma": "gamma"},
        "tversky": {"alpha": "alpha", "beta": "beta"},
        "focal_tversky": {"alpha": "alpha", "beta": "beta", "gamma": "tversky_gamma"},
        "cldice": {"alpha": "cldice_alpha", "iterations": "cldice_iterations"},
        "boundary_ce": {"w0": "w0", "sigma": "sigma", "between": "between"},
    }
)
"""Loss → its argument → the key that holds it; the other losses take none."""


def loss_parameters(name: str, keys: Mapping[str, Any]) -> dict[str, float]:
    """The arguments of a loss, from the keys of a task.

    Example:
        >>> loss_parameters("focal", {"gamma": 2.0, "sigma": 5.0})
        {'gamma': 2.0}
    """
    return {argument: keys[key] for argument, key in PARAMETERS.get(name, {}).items()}


def balanced_weights(counts: Sequence[int]) -> tuple[float, ...]:
    """Weights of the classes, inverse to their pixels in the training set; see `lamelle.losses.balanced`.

    Raises:
        RequestError: If no pixel was counted.

    Example:
        >>> balanced_weights([30, 10])
        (0.6666666865348816, 2.0)
    """
    from lamelle.losses import balanced

    if not any(counts):
        raise RequestError("tasks.weights_uncounted")
    return tuple(balanced(counts).tolist())


def check_weights(loss: str, weights: Sequence[float] | None, *, classes: int, exclusive: bool) -> None:
    """Refuse weights that a loss cannot take.

    Args:
        exclusive: Whether the classes share one softmax; else the loss is that of each class by itself.

    Raises:
        RequestError: If there are not as many as classes, one is negative, all are 0, or the loss compares one region.
    """
    from lamelle.losses import UNWEIGHTED

    if weights is None:
        return
    given = ", ".join(f"{w:g}" for w in weights)
    if not exclusive and loss in UNWEIGHTED:
        raise RequestError("tasks.weights_refused", loss=loss, weights=given)
    if len(weights) != classes or min(weights) < 0 or not any(weights):
        raise RequestError("tasks.weights_count", weights=given, given=len(weights), n=classes)


def pixel_loss(
    output: Tensor,
    target: Tensor,
    *,
    loss: str,
    weights: Sequence[float] | None,
    parameters: Mapping[str, float],
    exclusive: bool,
    objects: Tensor | None = None,
) -> Tensor:
    """The named loss of logits, a scalar; what the target ignores counts for nothing.

    Classes that exclude each other have a channel each, [N, K, (Z,) Y, X]. Else every class but the background has one,
    [N, K − 1, (Z,) Y, X]: the loss is the mean of those of each channel by itself, in which ``ce`` is ``bce``, and the
    weights are that of the background and that of the class.

    Args:
        objects: Numbers of the objects, like the target, between which ``boundary_ce`` presses; none = the connected
            components of the classes.

    Example:
        >>> import torch
        >>> output, target = torch.zeros(1, 1, 2, 2), torch.zeros(1, 2, 2, dtype=torch.long)
        >>> pixel_loss(output, target, loss="ce", weights=None, parameters={}, exclusive=False)
        tensor(0.6931)
    """
    import torch

    from lamelle.losses import LOSSES, border_maps

    given = None if weights is None else torch.tensor(weights, dtype=torch.float32, device=output.device)
    if exclusive:
        return LOSSES[loss](output, target, weights=given, **parameters)
    extra: dict[str, Any] = dict(parameters)
    if loss == "boundary_ce":  # between the objects of all classes, in every channel
        numbered = objects is not None
        extra["maps"] = border_maps(objects if numbered else target, numbered=numbered, **extra)
    each = []
    for k, channel in enumerate(output.split(1, dim=1), start=1):
        truth = torch.where(target == IGNORE, IGNORE, (target == k).long())
        pair = None if given is None else given[[0, k]]
        each.append(LOSSES["bce" if loss == "ce" else loss](channel, truth, weights=pair, **extra))
    return torch.stack(each).mean()
