"""Losses: pure functions (output, target, *, weights) → float32 scalar, and one table of them.

- output: logits [N, K, ...]; K = 1 means one foreground against background (sigmoid).
- target: int64 [N, ...] of classes, 0 and 1 where K = 1; or float, shaped like the output: a probability for each
  channel (multi-label, mixed). ``IGNORE`` marks what contributes nothing: neither to the loss nor to its gradient.
- weights: [K] of the classes, or (w−, w+) where K = 1; None = all alike.

Everything is computed in float32 whatever the output's precision (float64 stays). A batch in which all is ignored has
loss 0, gradient 0. Further keyword arguments have the values of the method's publication.

`entropy` and `borders` average over pixels, `overlap` and `centrelines` compare regions: these sum over the batch, so
that one image without the class does not swing the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import Tensor

from lamelle.losses.balance import balanced
from lamelle.losses.borders import border_maps, border_weights, boundary_ce
from lamelle.losses.centrelines import cldice, soft_skeleton
from lamelle.losses.entropy import bce, ce, focal
from lamelle.losses.overlap import dice, dice_ce, focal_tversky, lovasz, tversky

LOSSES: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {
        "ce": ce,
        "bce": bce,
        "focal": focal,
        "dice": dice,
        "dice_ce": dice_ce,
        "tversky": tversky,
        "focal_tversky": focal_tversky,
        "lovasz": lovasz,
        "cldice": cldice,
        "boundary_ce": boundary_ce,
    }
)
"""Name → loss."""

UNWEIGHTED = frozenset({"dice", "tversky", "focal_tversky", "lovasz", "cldice"})
"""Losses of regions: with one channel they compare one region, and refuse weights."""

__all__ = [
    "LOSSES",
    "UNWEIGHTED",
    "balanced",
    "bce",
    "border_maps",
    "border_weights",
    "boundary_ce",
    "ce",
    "cldice",
    "dice",
    "dice_ce",
    "focal",
    "focal_tversky",
    "lovasz",
    "soft_skeleton",
    "tversky",
]
