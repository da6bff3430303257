"""Cross-entropies: each pixel by itself, averaged over what is kept."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lamelle.losses.parts import channels, checked, exclusive, nonzero, precise
from lamelle.types import IGNORE


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
    weights = checked(weights, output)
    total = functional.cross_entropy(
        precise(output), target, weights, ignore_index=IGNORE, reduction="sum", label_smoothing=smoothing
    )
    kept = target != IGNORE
    scale = kept.sum() if weights is None else (weights[target.clamp(min=0)] * kept).sum()
    return total / nonzero(scale)


def bce(output: Tensor, target: Tensor, *, weights: Tensor | None) -> Tensor:
    """Binary cross-entropy (sigmoid), averaged over channels and what is kept; K > 1: one against the rest.

    Weights multiply the terms and do not normalise the average: (w−, w+) the terms of background and foreground where
    K = 1; [K] the positive term of each channel otherwise.

    Example:
        >>> bce(torch.tensor([[2.0], [0.0]]), torch.tensor([1, -1]), weights=None)
        tensor(0.1269)
    """
    logits, truth, kept = channels(output, target)
    weights = checked(weights, output)
    if weights is None:
        positive = negative = 1.0
    elif output.shape[1] == 1:
        negative, positive = weights[0], weights[1]
    else:
        negative, positive = 1.0, weights.reshape(-1, *[1] * (output.ndim - 2))
    terms = positive * truth * functional.softplus(-logits) + negative * (1 - truth) * functional.softplus(logits)
    return (terms * kept).sum() / nonzero(kept.expand_as(terms).sum())


def focal(output: Tensor, target: Tensor, *, weights: Tensor | None, gamma: float = 2.0) -> Tensor:
    """Focal loss: cross-entropy times (1 − p)^gamma, p = probability of the truth; gamma 0 is ``ce``, or ``bce``.

    Softmax, or sigmoid where K = 1 or the target is float. With weights, the average is weighted: Σ w·loss / Σ w,
    with the weight of the true class; [K] weigh the positive terms of a float target.

    Example:
        >>> focal(torch.tensor([[0.0, 2.0]]), torch.tensor([1]), weights=None)
        tensor(0.0018)

    Reference: Lin et al. (2017), doi:10.1109/ICCV.2017.324
    """
    logits, truth, kept = channels(output, target)
    weights = checked(weights, output)
    shape = (-1, *[1] * (output.ndim - 2))
    if exclusive(output, target):
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
    return (missed**gamma * entropy * scale).sum() / nonzero(scale.sum())
