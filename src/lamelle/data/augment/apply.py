"""Use the parameters of a batch: geometry, then intensity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lamelle.data.augment.changes import CHANGES
from lamelle.data.augment.parameters import Parameters
from lamelle.data.augment.warp import Outside, warp

if TYPE_CHECKING:
    from torch import Tensor


class Move(Protocol):
    """The geometry of images and targets, as `warp` has it."""

    def __call__(
        self, parameters: Parameters, images: Tensor, targets: Any, *, size: tuple[int, ...], outside: Outside
    ) -> tuple[Tensor, Tensor | None]: ...


def apply(
    parameters: Parameters,
    images: Tensor,
    targets: Tensor | None,
    *,
    size: tuple[int, ...],
    outside: Outside,
    move: Move = warp,
) -> tuple[Tensor, Tensor | None]:
    """Augment a batch on the device it lies on.

    Args:
        parameters: One set for each image, sampled for ``size``.
        images: Normalised images [N, C, (Z,) Y, X]; computed in float32 whatever the autocast, returned in their dtype.
        targets: What ``move`` takes: labels int64 [N, (Z,) Y, X], which keep their values, or ``None``.
        size: Output size. The images may be larger (see `parameters.margin`); the centres agree.
        outside: What a target is beyond the edge of its image: its reflection, as the image is, or ``IGNORE``.
        move: The geometry of both, of a view of the targets.

    Returns:
        New tensors: images [N, C, *size], targets [N, *size] or ``None``.

    Raises:
        ValueError: If the shapes of parameters, images, targets and size do not belong together.

    Example:
        >>> import torch
        >>> from lamelle.data.augment.options import Augment
        >>> from lamelle.data.augment.parameters import sample
        >>> from lamelle.data.randomness import generator
        >>> drawn = sample(Augment(rotate=15), generators=[generator(1, 0, 0)], size=(32, 32))
        >>> images, targets = torch.rand(1, 3, 40, 40), torch.zeros(1, 40, 40, dtype=torch.int64)
        >>> [t.shape for t in apply(drawn, images, targets, size=(32, 32), outside="ignore")]
        [torch.Size([1, 3, 32, 32]), torch.Size([1, 32, 32])]
    """
    import torch

    n, d, _ = parameters.matrices.shape
    if len(images) != n or images.ndim != d + 2 or len(size) != d:
        raise ValueError(f"images {tuple(images.shape)} and size {size} do not fit {n} parameters in {d} dimensions")
    with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
        warped, labels = move(parameters, images.float(), targets, size=size, outside=outside)
        return adjust(parameters, warped).to(images.dtype), labels


def adjust(parameters: Parameters, images: Tensor) -> Tensor:
    """The changes of intensity, one after the other, each of the positions that it is drawn for.

    Args:
        images: [N, C, (Z,) Y, X], float32; changed in place and returned.
    """
    import torch

    for name, change in CHANGES.items():
        amounts = parameters.amounts[name]
        chosen = np.flatnonzero((amounts != change.off).reshape(len(amounts), -1).any(axis=1))
        if len(chosen) and (images.shape[1] == 3 or not change.colour):
            rows = torch.from_numpy(chosen).to(images.device)
            images[rows] = change.apply(images[rows], amounts[chosen], parameters.seeds[chosen])
    return images
