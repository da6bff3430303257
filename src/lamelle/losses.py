"""Losses: pure functions (output, target, *, weights) → float32 scalar, and one table of them.

- output: logits [N, K, ...]; K = 1 means one foreground against background (sigmoid).
- target: int64 [N, ...] of classes, 0 and 1 where K = 1; or float, shaped like the output: a probability for each
  channel (multi-label, mixed). ``IGNORE`` marks what contributes nothing: neither to the loss nor to its gradient.
- weights: [K] of the classes, or (w−, w+) where K = 1; None = all alike.

Everything is computed in float32 whatever the output's precision. A batch in which all is ignored has loss 0,
gradient 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional

from lamelle.types import IGNORE

_SMOOTH = 1e-5


def ce(output: Tensor, target: Tensor, *, weights: Tensor | None, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of classes that exclude each other (softmax), averaged over what is not ignored.

    With weights, the average is weighted: Σ w·loss / Σ w.

    Args:
        smoothing: Share of the target spread evenly over all classes.

    Raises:
        ValueError: If K = 1, where softmax is constant; ``bce`` is meant.

    Example:
        >>> ce(torch.tensor([[0.0, 2.0], [5.0, 0.0]]), torch.tensor([1, -1]), weights=None)
        tensor(0.1269)

    Reference: Szegedy et al. (2016), doi:10.1109/CVPR.2016.308 (label smoothing)
    """
    if output.shape[1] == 1:
        raise ValueError("cross-entropy of one channel is constant: use bce, or two channels")
    weights = _float(weights, output)
    total = functional.cross_entropy(
        output.float(), target, weights, ignore_index=IGNORE, reduction="sum", label_smoothing=smoothing
    )
    kept = target != IGNORE
    scale = kept.sum() if weights is None else (weights[target.clamp(min=0)] * kept).sum()
    return total / _nonzero(scale)


def bce(output: Tensor, target: Tensor, *, weights: Tensor | None) -> Tensor:
    """Binary cross-entropy (sigmoid), averaged over channels and what is kept; K > 1: one against the rest.

    Weights multiply the terms and do not normalise the average: (w−, w+) the terms of background and foreground where
    K = 1; [K] the positive term of each channel otherwise.

    Example:
        >>> bce(torch.tensor([[2.0], [0.0]]), torch.tensor([1, -1]), weights=None)
        tensor(0.1269)
    """
    logits, truth, kept = _channels(output, target)
    weights = _float(weights, output)
    if weights is None:
        positive = negative = 1.0
    elif output.shape[1] == 1:
        negative, positive = weights[0], weights[1]
    else:
        negative, positive = 1.0, weights.reshape(-1, *[1] * (output.ndim - 2))
    terms = positive * truth * functional.softplus(-logits) + negative * (1 - truth) * functional.softplus(logits)
    return (terms * kept).sum() / _nonzero(kept.expand_as(terms).sum())


def dice(output: Tensor, target: Tensor, *, weights: Tensor | None) -> Tensor:
    """1 − soft Dice of the whole batch, averaged over classes; softmax, or sigmoid where K = 1 or the target is float.

    Sums run over the batch, so that one image without the class does not swing the loss. Weights [K] weigh the classes.

    Raises:
        ValueError: If K = 1 and weights are given: there is nothing to weigh.

    Example:
        >>> dice(torch.tensor([[[9.0, -9.0]]]), torch.tensor([[1, 0]]), weights=None).round(decimals=3)
        tensor(0.)

    Reference: Milletari, Navab and Ahmadi (2016), doi:10.1109/3DV.2016.79
    """
    if output.shape[1] == 1 and weights is not None:
        raise ValueError("dice of one channel has nothing to weigh: leave weights out, or use bce or dice_ce")
    logits, truth, kept = _channels(output, target)
    exclusive = output.shape[1] > 1 and not target.is_floating_point()
    chance = (logits.softmax(1) if exclusive else logits.sigmoid()) * kept
    truth = truth * kept
    axes = (0, *range(2, output.ndim))
    shared, both = (chance * truth).sum(axes), (chance + truth).sum(axes)
    lost = 1 - (2 * shared + _SMOOTH) / (both + _SMOOTH)
    weights = _float(weights, output)
    return lost.mean() if weights is None else (lost * weights).sum() / weights.sum()


def dice_ce(output: Tensor, target: Tensor, *, weights: Tensor | None) -> Tensor:
    """Dice + cross-entropy; Dice + binary cross-entropy where K = 1 or the target is float.

    Where K = 1, the weights (w−, w+) are those of the cross-entropy.

    Example:
        >>> dice_ce(torch.tensor([[[9.0, -9.0]]]), torch.tensor([[1, 0]]), weights=None).round(decimals=3)
        tensor(0.)

    Reference: Isensee et al. (2021), doi:10.1038/s41592-020-01008-z
    """
    if output.shape[1] == 1:
        return dice(output, target, weights=None) + bce(output, target, weights=weights)
    entropy = bce if target.is_floating_point() else ce
    return dice(output, target, weights=weights) + entropy(output, target, weights=weights)


def focal(output: Tensor, target: Tensor, *, weights: Tensor | None, gamma: float = 2.0) -> Tensor:
    """Focal loss: cross-entropy times (1 − p)^gamma, p = probability of the truth; gamma 0 is ``ce``, or ``bce``.

    Softmax, or sigmoid where K = 1 or the target is float. With weights, the average is weighted: Σ w·loss / Σ w,
    with the weight of the true class; [K] weigh the positive terms of a float target.

    Example:
        >>> focal(torch.tensor([[0.0, 2.0]]), torch.tensor([1]), weights=None)
        tensor(0.0018)

    Reference: Lin et al. (2017), doi:10.1109/ICCV.2017.324
    """
    logits, truth, kept = _channels(output, target)
    weights = _float(weights, output)
    shape = (-1, *[1] * (output.ndim - 2))
    if output.shape[1] > 1 and not target.is_floating_point():
        entropy = -(logits.log_softmax(1) * truth).sum(1, keepdim=True)
        scale = kept if weights is None else kept * (truth * weights.reshape(shape)).sum(1, keepdim=True)
    else:
        entropy = truth * functional.softplus(-logits) + (1 - truth) * functional.softplus(logits)
        scale = kept.expand_as(entropy)
        if weights is not None:
            pair = (weights[0], weights[1]) if output.shape[1] == 1 else (1.0, weights.reshape(shape))
            scale = scale * (pair[1] * truth + pair[0] * (1 - truth))
    # −expm1(−entropy) is 1 − p without cancellation; the clamp keeps the power's gradient finite at p = 1
    missed = (-torch.expm1(-entropy)).clamp(min=1e-12)
    return (missed**gamma * entropy * scale).sum() / _nonzero(scale.sum())


def _channels(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits and truth [N, K, ...] in float32, and what is kept [N, 1 or K, ...] as 0 and 1; ignored truth is 0."""
    logits = output.float()
    if target.is_floating_point():
        if target.shape != output.shape:
            raise ValueError(f"a float target has the output's shape {tuple(output.shape)}, not {tuple(target.shape)}")
        kept = (target != IGNORE).float()
        return logits, target.float() * kept, kept
    if (output.shape[0], *output.shape[2:]) != tuple(target.shape):
        raise ValueError(f"the output {tuple(output.shape)} does not fit the target {tuple(target.shape)}")
    kept = (target != IGNORE).unsqueeze(1)
    known = target.clamp(min=0).unsqueeze(1)
    if output.shape[1] == 1:
        return logits, (known * kept).float(), kept.float()
    truth = torch.zeros_like(logits).scatter_(1, known, 1.0)
    return logits, truth * kept, kept.float()


def _float(weights: Tensor | None, output: Tensor) -> Tensor | None:
    """The weights as float32 on the output's device, checked against its channels."""
    if weights is None:
        return None
    expected = 2 if output.shape[1] == 1 else output.shape[1]
    if weights.shape != (expected,):
        raise ValueError(f"{expected} weights fit {output.shape[1]} channels, not {tuple(weights.shape)}")
    return weights.to(output.device, torch.float32)


def _nonzero(scale: Tensor) -> Tensor:
    """The divisor of an average, 1 where nothing is averaged (its numerator is 0 then)."""
    return torch.where(scale == 0, torch.ones_like(scale), scale)


LOSSES: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {"ce": ce, "bce": bce, "dice": dice, "dice_ce": dice_ce, "focal": focal}
)
"""Name → loss."""
