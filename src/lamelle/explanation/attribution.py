"""Maps of what speaks for an answer: Grad-CAM and Grad-CAM++ at a layer, occlusion and integrated gradients at pixels.

Every map is positive where the image speaks for the answer. What is taken away from an image is replaced by the
image's own mean, channel by channel, so that bright and dark structures are treated alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lamelle.errors import RequestError
from lamelle.explanation.layers import Layer, tapped

STEPS = 64
"""Points along the way of integrated gradients."""
WINDOWS = 8
"""Occluding windows along the shorter edge; each overlaps its neighbours by half."""
_AT_ONCE = 8
"""Changed copies of an image that are computed at once."""


class Answer(nn.Module):
    """One number for each image: the logit of a class, or its mean over a region where outputs are images.

    Args:
        channel: Of the network's output.
        sign: −1 where the class is what the channel speaks against.
        region: Pixels [(Z,) Y, X] over which the logit is averaged; None where the output has no places.
    """

    def __init__(self, model: nn.Module, *, channel: int, sign: int, region: Tensor | None) -> None:
        super().__init__()
        self.model, self.channel, self.sign, self.region = model, channel, sign, region

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs [N, C, (Z,) Y, X] → [N]."""
        chosen = self.sign * self.model(inputs).float()[:, self.channel]
        if self.region is None:
            return chosen
        return (chosen * self.region).flatten(1).sum(1) / self.region.sum()


def attribute(answer: Answer, inputs: Tensor, *, method: str, layer: Layer | None, signed: bool) -> Tensor:
    """The map [(Z,) Y, X] of one image [1, C, (Z,) Y, X] at its own size.

    Args:
        method: One of ``METHODS``.
        layer: Where a method of ``LAYERED`` takes its map.
        signed: Keep what speaks against the answer as negative values also where the method drops it.
    """
    values = METHODS[method](answer, inputs.detach().clone().requires_grad_(True), layer, signed).detach()
    if tuple(values.shape[2:]) != tuple(inputs.shape[2:]):
        mode = "bilinear" if inputs.ndim == 4 else "trilinear"
        values = F.interpolate(values, size=tuple(inputs.shape[2:]), mode=mode, align_corners=False)
    return values[0, 0]


def gradcam(answer: Answer, inputs: Tensor, layer: Layer | None, signed: bool) -> Tensor:
    """Activations of a layer, each weighted by its mean slope: [N, 1, grid].

    Reference: Selvaraju et al. (2017), doi:10.1109/ICCV.2017.74
    """
    captum = _captum()
    assert layer is not None
    with tapped(answer.model, layer) as tap:
        return captum.LayerGradCam(answer, tap).attribute(inputs, relu_attributions=not signed)


def gradcam_plus_plus(answer: Answer, inputs: Tensor, layer: Layer | None, signed: bool) -> Tensor:
    """As Grad-CAM, each place's positive slope weighted so that several structures of one class all count.

    The score is taken as exp(answer), as the authors do; its scale is left out, which changes no map's shape.

    Reference: Chattopadhay et al. (2018), doi:10.1109/WACV.2018.00097
    """
    assert layer is not None
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        kept.append(output)
        return output.clone()  # what follows may change it in place

    with torch.enable_grad(), tapped(answer.model, layer) as tap:
        handle = tap.register_forward_hook(keep)
        try:
            value = answer(inputs)
        finally:
            handle.remove()
        slope = torch.autograd.grad(value.sum(), kept[0])[0]
    activation, places = kept[0].detach(), tuple(range(2, slope.ndim))
    below = 2 * slope**2 + activation.sum(places, keepdim=True) * slope**3
    alpha = torch.where(below != 0, slope**2 / torch.where(below != 0, below, 1), 0)
    weights = (alpha * slope.relu()).sum(places, keepdim=True)
    values = (weights * activation).sum(1, keepdim=True)
    return values if signed else values.relu()


def occlusion(answer: Answer, inputs: Tensor, layer: Layer | None, signed: bool) -> Tensor:
    """By how much the answer falls when a window is covered: [N, 1, (Z,) Y, X].

    Reference: Zeiler and Fergus (2014), doi:10.1007/978-3-319-10590-1_53
    """
    captum = _captum()
    side = max(1, min(inputs.shape[-2:]) // WINDOWS)
    window = tuple(min(n, side) for n in inputs.shape[2:])
    with torch.no_grad():
        values = captum.Occlusion(answer).attribute(
            inputs.detach(),
            sliding_window_shapes=(inputs.shape[1], *window),
            strides=(inputs.shape[1], *(max(1, n // 2) for n in window)),
            baselines=_baseline(inputs),
            perturbations_per_eval=_AT_ONCE,
        )
    return values.mean(1, keepdim=True)  # the channels are covered together and hold the same value


def integrated_gradients(answer: Answer, inputs: Tensor, layer: Layer | None, signed: bool) -> Tensor:
    """Slopes added up on the way from the image's mean to the image: [N, 1, (Z,) Y, X].

    The sum of the map is the answer less the answer to the image's mean, up to the steps' error.

    Reference: Sundararajan et al. (2017), doi:10.48550/arXiv.1703.01365
    """
    captum = _captum()
    values = captum.IntegratedGradients(answer).attribute(
        inputs, baselines=_baseline(inputs), n_steps=STEPS, internal_batch_size=_AT_ONCE
    )
    return values.sum(1, keepdim=True)


METHODS: Mapping[str, Callable[[Answer, Tensor, Layer | None, bool], Tensor]] = MappingProxyType(
    {
        "gradcam": gradcam,
        "gradcam++": gradcam_plus_plus,
        "occlusion": occlusion,
        "integrated-gradients": integrated_gradients,
    }
)
LAYERED = ("gradcam", "gradcam++")
"""Methods that look at a layer; the others look at pixels."""


def _baseline(inputs: Tensor) -> Tensor:
    """The image's own mean, channel by channel."""
    return inputs.detach().mean(tuple(range(2, inputs.ndim)), keepdim=True).expand_as(inputs).contiguous()


def randomise(model: nn.Module, *, seed: int) -> None:
    """Replace every weight by random ones of the same mean and spread; biases, norms and statistics stay.

    Reference: Adebayo et al. (2018), doi:10.48550/arXiv.1810.03292
    """
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim >= 2:
                drawn = torch.randn(weight.shape, generator=random).to(weight)
                weight.copy_(drawn * weight.std(correction=0) + weight.mean())


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's correlation of two maps; NaN if one of them is the same everywhere.

    Example:
        >>> rank_correlation(np.array([[0.0, 1], [2, 3]]), np.array([[0.0, 1], [4, 9]]))
        1.0
    """
    from scipy.stats import rankdata

    ranks = [rankdata(values.ravel()) for values in (one, other)]
    if any(rank.min() == rank.max() for rank in ranks):
        return float("nan")
    return float(np.round(np.corrcoef(*ranks)[0, 1], 12))


def resized(values: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """A map [(Z,) Y, X] at another size, interpolated: float32."""
    if values.shape == tuple(size):
        return values.astype(np.float32)
    mode = "bilinear" if values.ndim == 2 else "trilinear"
    tensor = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))[None, None]
    return F.interpolate(tensor, size=tuple(size), mode=mode, align_corners=False)[0, 0].numpy()


def check_method(method: str, layer: str | None) -> None:
    """Refuse what cannot be done, before anything is loaded.

    Raises:
        RequestError: If the method is unknown, looks at no layer although one is asked for, or its library is missing.
    """
    if method not in METHODS:
        raise RequestError("explain.no_method", method=method, known=", ".join(METHODS))
    if layer is not None and method not in LAYERED:
        raise RequestError("explain.pixels", method=method, layered=", ".join(LAYERED))
    _captum()


def _captum() -> Any:
    """The library, which only those install who explain.

    Raises:
        RequestError: If it is not there.
    """
    try:
        from captum import attr
    except ImportError as error:
        raise RequestError("explain.no_captum") from error
    return attr
