"""Losses of overlap: how much of a region is shared, summed over the whole batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lamelle.losses.entropy import bce, ce
from lamelle.losses.parts import averaged, channels, checked_of_regions, exclusive, nonzero

_SMOOTH = 1e-5
_ROOT = 1e-7
"""Where a power below 1 is cut off, so that its gradient stays finite."""


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
    weights = checked_of_regions(weights, output, loss="dice")
    hits, false, missed = _parts(output, target)
    lost = 1 - (2 * hits + _SMOOTH) / (2 * hits + false + missed + _SMOOTH)
    return averaged(lost, weights)


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


def tversky(output: Tensor, target: Tensor, *, weights: Tensor | None, alpha: float = 0.3, beta: float = 0.7) -> Tensor:
    """1 − Tversky index, averaged over classes: as Dice, but false and missed pixels have different prices.

    Args:
        alpha: Price of a false positive.
        beta: Price of a false negative; 0.5 and 0.5 is ``dice``, 1 and 1 is 1 − IoU.

    Raises:
        ValueError: If K = 1 and weights are given: there is nothing to weigh.

    Example:
        >>> missed, false = torch.tensor([[[-9.0, -9.0]]]), torch.tensor([[[9.0, 9.0]]])
        >>> [round(tversky(o, torch.tensor([[1, 0]]), weights=None).item(), 2) for o in (missed, false)]
        [1.0, 0.23]

    Reference: Salehi, Erdogmus and Gholipour (2017), doi:10.1007/978-3-319-67389-9_44
    """
    weights = checked_of_regions(weights, output, loss="tversky")
    return averaged(_tversky(output, target, alpha, beta), weights)


def focal_tversky(
    output: Tensor,
    target: Tensor,
    *,
    weights: Tensor | None,
    alpha: float = 0.3,
    beta: float = 0.7,
    gamma: float = 4 / 3,
) -> Tensor:
    """(1 − Tversky index)^(1/gamma), averaged over classes: presses on after most of a region is found.

    Args:
        alpha: Price of a false positive.
        beta: Price of a false negative.
        gamma: 1 is ``tversky``; above 1, the gradient grows as the loss falls.

    Raises:
        ValueError: If K = 1 and weights are given: there is nothing to weigh.

    Example:
        >>> focal_tversky(torch.tensor([[[9.0, 9.0]]]), torch.tensor([[1, 0]]), weights=None)
        tensor(0.3330)

    Reference: Abraham and Khan (2019), doi:10.1109/ISBI.2019.8759329
    """
    weights = checked_of_regions(weights, output, loss="focal_tversky")
    lost = _tversky(output, target, alpha, beta)
    return averaged(lost.clamp(min=_ROOT) ** (1 / gamma) - _ROOT ** (1 / gamma), weights)


def lovasz(output: Tensor, target: Tensor, *, weights: Tensor | None) -> Tensor:
    """Lovász extension of 1 − IoU over the whole batch: the convex surrogate of IoU itself.

    Classes that exclude each other: Lovász softmax, averaged over the classes that the target holds, with weights [K]
    if given. K = 1 or masks that overlap: Lovász hinge, 0 where each logit is right by 1 or more; without foreground,
    it is the worst pixel's.

    Args:
        target: Classes; or masks, floats that are 0 or 1.

    Raises:
        ValueError: If K = 1 and weights are given, or a mask holds something between 0 and 1: sets have no halves.

    Example:
        >>> lovasz(torch.tensor([[[9.0, 0.5, -9.0]]]), torch.tensor([[1, 1, 0]]), weights=None)
        tensor(0.2500)

    Reference: Berman, Triki and Blaschko (2018), doi:10.1109/CVPR.2018.00464
    """
    weights = checked_of_regions(weights, output, loss="lovasz")
    logits, truth, kept = channels(output, target)
    if target.is_floating_point() and ((truth != 0) & (truth != 1)).any():
        raise ValueError("lovasz compares sets: a mask is 0 or 1, not a probability between them")
    softmax = exclusive(output, target)
    wrong = (truth - logits.softmax(1)).abs() if softmax else 1 - logits * (2 * truth - 1)
    flat = (wrong, truth, kept.expand_as(truth))
    lost = _lovasz(*(part.transpose(0, 1).flatten(1) for part in flat))
    if not softmax:
        return averaged(lost, weights)
    present = (truth.sum((0, *range(2, truth.ndim))) > 0).to(lost.dtype)
    return averaged(lost, present if weights is None else present * weights)


def chances(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Probabilities and truth [N, K, ...], both 0 where ignored, and what is kept [N, 1 or K, ...] as 0 and 1.

    Example:
        >>> chances(torch.zeros(1, 1, 2), torch.tensor([[1, -1]]))[0]
        tensor([[[0.5000, 0.0000]]])
    """
    logits, truth, kept = channels(output, target)
    chance = logits.softmax(1) if exclusive(output, target) else logits.sigmoid()
    return chance * kept, truth, kept


def _parts(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hits, false positives and false negatives of each class [K], soft, summed over the batch."""
    chance, truth, _ = chances(output, target)
    axes = (0, *range(2, output.ndim))
    hits = (chance * truth).sum(axes)
    return hits, chance.sum(axes) - hits, truth.sum(axes) - hits


def _tversky(output: Tensor, target: Tensor, alpha: float, beta: float) -> Tensor:
    """1 − Tversky index of each class [K]."""
    hits, false, missed = _parts(output, target)
    return 1 - (hits + _SMOOTH) / (hits + alpha * false + beta * missed + _SMOOTH)


def _lovasz(wrong: Tensor, truth: Tensor, kept: Tensor) -> Tensor:
    """Lovász extension [K] of the Jaccard loss at errors [K, P]; truth and kept are 0 and 1.

    Each error counts by how much the Jaccard loss grows when its pixel joins those wrong by more. That growth is
    written out, for as a difference of two numbers near 1 it drowns in float32 beyond a million pixels.
    """
    order = wrong.detach().masked_fill(kept == 0, -torch.inf).argsort(dim=1, descending=True)
    wrong, inside, seen = (part.gather(1, order) for part in (wrong, truth, kept))
    outside = (seen - inside).to(torch.int64)
    total = inside.to(torch.int64).sum(1, keepdim=True)
    shared = (total - inside.to(torch.int64).cumsum(1)).to(wrong.dtype)
    union = (total + outside.cumsum(1)).to(wrong.dtype)
    # the first pixel of an empty truth takes the loss from 0 to 1
    of_outside = torch.where(union > 1, shared / nonzero(union * (union - 1)), 1.0)
    growth = torch.where(inside == 1, 1 / nonzero(union), of_outside) * seen
    return (functional.relu(wrong) * growth).sum(1)
