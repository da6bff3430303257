"""Mixing the images of a batch with each other: mixup and CutMix.

Both are for training only, after augmentation. The loss of a mixed batch is the weighted sum of two losses, one with
the targets of the images and one with those of their partners, which holds for every loss, with class weights too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mixed:
    """A batch whose images were mixed, and how."""

    images: Tensor
    """[N, C, (Z,) Y, X]."""
    partner: Tensor
    """int64 [N]: with which image of the batch each one was mixed; a permutation."""
    share: float
    """Weight of each image's own target, for the whole batch; the partner's has the rest."""
    box: tuple[slice, ...] | None
    """Where the partners were pasted, on the axes (Z,) Y, X; ``None`` if images were blended or left alone."""


def mix(images: Tensor, *, mixup: float, cutmix: float, generator: np.random.Generator) -> Mixed:
    """Blend each image with its partner (mixup), or paste a box of the partner into it (CutMix).

    One share is drawn for the batch, as published, from a Beta distribution whose two parameters are the same. The
    share of CutMix is corrected to the pixels really pasted, because its box is cut at the edges. Beta numbers are made
    from one uniform number each by the inverse of the distribution function: NumPy may change how its own are made.

    Args:
        images: Normalised and augmented images [N, C, (Z,) Y, X]; left as they are.
        mixup: Parameter of the Beta distribution; 0 = no mixup, 1 = all shares alike, small = mostly near 0 or 1.
        cutmix: The same for CutMix. If both are positive, each batch gets the one or the other, with probability ½.
        generator: Of the step, so that a batch is mixed the same when it is repeated.

    Raises:
        ValueError: If a parameter is negative or not a finite number.

    Example:
        >>> import torch
        >>> from lamelle.data.randomness import generator
        >>> mixed = mix(torch.rand(4, 3, 32, 32), mixup=0.2, cutmix=0, generator=generator(7, "mix", 0, 12))
        >>> mixed.images.shape, mixed.partner.tolist(), mixed.box
        (torch.Size([4, 3, 32, 32]), [0, 3, 2, 1], None)

    References:
        mixup: Zhang et al. (2018), doi:10.48550/arXiv.1710.09412.
        CutMix: Yun et al. (2019), doi:10.1109/ICCV.2019.00612
    """
    import torch

    for name, value in (("mixup", mixup), ("cutmix", cutmix)):
        if not 0 <= value < math.inf:
            raise ValueError(f"{name} is {value}, but must be a number of 0 or more")
    n, *size = len(images), *images.shape[2:]
    uniform = generator.random(5 + n)  # always as many: nothing depends on what is switched on
    if mixup == cutmix == 0:
        return Mixed(images=images, partner=torch.arange(n, device=images.device), share=1.0, box=None)
    partner = torch.from_numpy(np.argsort(uniform[5:], kind="stable").astype(np.int64)).to(images.device)
    pasted = cutmix > 0 and (mixup == 0 or uniform[0] < 0.5)
    share = _beta(cutmix if pasted else mixup, float(uniform[1]))
    with torch.no_grad():
        if not pasted:
            return Mixed(images=images.lerp(images[partner], 1 - share), partner=partner, share=share, box=None)
        box = _box(tuple(size), 1 - share, uniform[2:5])
        mixed = images.clone()
        mixed[(..., *box)] = images[partner][(..., *box)]
    inside = math.prod(side.stop - side.start for side in box)
    return Mixed(images=mixed, partner=partner, share=1 - inside / math.prod(size), box=box)


def mix_targets(mixed: Mixed, targets: Tensor, *, spatial: bool) -> list[tuple[float, Tensor]]:
    """Weights and targets of a mixed batch: its loss is the sum of weight · loss(output, targets).

    Args:
        mixed: What `mix` returned.
        targets: Targets [N, ...] of the images before they were mixed.
        spatial: Targets are label images [N, (Z,) Y, X] of the images' size: boxes are pasted into them as well.

    Returns:
        One or two pairs; weights are positive and their sum is 1.

    Raises:
        ValueError: If there is not one target for each image, or a spatial one has another size than its image.

    Example:
        >>> import torch
        >>> from lamelle.data.randomness import generator
        >>> mixed = mix(torch.rand(2, 1, 8, 8), mixup=0, cutmix=1, generator=generator(7, "mix", 0, 30))
        >>> [(weight, labels.tolist()) for weight, labels in mix_targets(mixed, torch.tensor([3, 5]), spatial=False)]
        [(0.75, [3, 5]), (0.25, [5, 3])]
    """
    images = mixed.images
    if len(targets) != len(images) or (spatial and targets.shape[1:] != images.shape[2:]):
        raise ValueError(f"targets {tuple(targets.shape)} do not fit images {tuple(images.shape)}")
    if mixed.share == 1:
        return [(1.0, targets)]
    others = targets[mixed.partner]
    if spatial and mixed.box is not None:
        pasted = targets.clone()
        pasted[(..., *mixed.box)] = others[(..., *mixed.box)]
        return [(1.0, pasted)]
    return [(weight, part) for weight, part in ((mixed.share, targets), (1 - mixed.share, others)) if weight > 0]


def _beta(parameter: float, uniform: float) -> float:
    """A number of the distribution Beta(parameter, parameter), by the inverse of its distribution function."""
    from scipy.special import betaincinv

    return float(betaincinv(parameter, parameter, uniform))


def _box(size: tuple[int, ...], part: float, uniform: np.ndarray) -> tuple[slice, ...]:
    """A box of the image's proportions and this part of its volume, about a random pixel, cut at the edges."""
    box = []
    for length, place in zip(size, uniform, strict=False):
        extent = round(length * part ** (1 / len(size)))
        start = int(place * length) - extent // 2
        box.append(slice(max(start, 0), min(start + extent, length)))
    return tuple(box)
