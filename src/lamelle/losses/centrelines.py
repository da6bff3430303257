"""clDice: overlap of the centre lines of vessels, membranes and fibres, so that what is connected stays so."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lamelle.losses.overlap import chances, dice
from lamelle.losses.parts import averaged, checked_of_regions, exclusive

_SMOOTH = 1.0


def cldice(
    output: Tensor, target: Tensor, *, weights: Tensor | None, iterations: int = 3, alpha: float = 0.5
) -> Tensor:
    """(1 − alpha)·Dice + alpha·soft clDice, with sums over the batch; [N, K, Y, X] or [N, K, Z, Y, X].

    clDice averages over the classes without the first (background) where classes exclude each other, else over all
    channels. Weights [K] weigh the classes. Where pixels are ignored, objects of truth and prediction end alike;
    so it is for dense annotation, not for strokes and points.

    Args:
        iterations: Pixels that are peeled off: the largest half width of what is to be thinned.
        alpha: Share of clDice.

    Raises:
        ValueError: If K = 1 and weights are given, or the output is not of images or volumes.

    Example:
        >>> target = torch.zeros(1, 5, 9, dtype=torch.long)
        >>> target[:, 1:4] = 1
        >>> output = 18.0 * target.unsqueeze(1) - 9
        >>> cldice(output, target, weights=None).round(decimals=3)
        tensor(0.)
        >>> thin = output.clone()
        >>> thin[:, :, [1, 3]] = -9  # a thinner line is as well connected
        >>> [round(loss(thin, target, weights=None).item(), 2) for loss in (dice, cldice)]
        [0.5, 0.25]

    Reference: Shit et al. (2021), doi:10.1109/CVPR46437.2021.01629
    """
    weights = checked_of_regions(weights, output, loss="cldice")
    chance, truth, _ = chances(output, target)
    of_lines = weights
    if exclusive(output, target):
        chance, truth = chance[:, 1:], truth[:, 1:]
        of_lines = None if weights is None else weights[1:]
    lines = soft_skeleton(chance, iterations=iterations)
    with torch.no_grad():
        true_lines = soft_skeleton(truth, iterations=iterations)
    axes = (0, *range(2, output.ndim))
    inside = ((lines * truth).sum(axes) + _SMOOTH) / (lines.sum(axes) + _SMOOTH)
    sensitivity = ((true_lines * chance).sum(axes) + _SMOOTH) / (true_lines.sum(axes) + _SMOOTH)
    lost = 1 - 2 * inside * sensitivity / (inside + sensitivity)
    return (1 - alpha) * dice(output, target, weights=weights) + alpha * averaged(lost, of_lines)


def soft_skeleton(masks: Tensor, *, iterations: int) -> Tensor:
    """Centre lines of masks with values in [0, 1], the same shape [N, K, (Z,) Y, X], by minima and maxima alone.

    Args:
        iterations: Pixels that are peeled off.

    Raises:
        ValueError: If the masks have neither two nor three axes of space.

    Example:
        >>> bar = torch.zeros(1, 1, 5, 7)
        >>> bar[..., 1:4, 1:6] = 1
        >>> soft_skeleton(bar, iterations=2)[0, 0, 2]
        tensor([0., 0., 1., 1., 1., 0., 0.])

    Reference: Shit et al. (2021), doi:10.1109/CVPR46437.2021.01629
    """
    if masks.ndim not in (4, 5):
        raise ValueError(f"masks are [N, K, (Z,) Y, X], not {tuple(masks.shape)}")
    skeleton = functional.relu(masks - _dilated(_eroded(masks)))
    for _ in range(iterations):
        masks = _eroded(masks)
        more = functional.relu(masks - _dilated(_eroded(masks)))
        skeleton = skeleton + functional.relu(more - skeleton * more)
    return skeleton


def _eroded(masks: Tensor) -> Tensor:
    """Minimum over each pixel and its face neighbours."""
    dims = masks.ndim - 2
    pool = functional.max_pool2d if dims == 2 else functional.max_pool3d
    lowest = masks
    for axis in range(dims):
        window = [3 if a == axis else 1 for a in range(dims)]
        lowest = torch.minimum(lowest, -pool(-masks, window, stride=1, padding=[w // 2 for w in window]))
    return lowest


def _dilated(masks: Tensor) -> Tensor:
    """Maximum over each pixel and all that touch it."""
    pool = functional.max_pool2d if masks.ndim == 4 else functional.max_pool3d
    return pool(masks, 3, stride=1, padding=1)
