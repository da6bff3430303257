"""Networks around an encoder of timm (or torchvision): a classifier, and a U-Net. Their weights start at random."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, cast

import segmentation_models_pytorch as smp
import timm
import torch
import torchvision
from timm.layers.patch_embed import PatchEmbed
from torch import Tensor, nn

from lamelle.errors import RequestError
from lamelle.models.blocks import Axes, crop, fit
from lamelle.models.families import TORCHVISION
from lamelle.models.freezable import Freezable, expect_size
from lamelle.models.size_check import FOREIGN, refusal

_WINDOWS = 16
"""The largest window, in units of the stride, that a grid is looked for with."""


class TimmClassifier(Freezable):
    """Any encoder of timm, its pooled features, and dense layers: logits [N, classes] of images [N, in, Y, X].

    Args:
        name: A bare name of ``families.encoder_names()``.
        in_channels: Channels of the image.
        classes: Number of outputs.
        hidden: Widths of the dense layers with ReLU between the features and the output.
        dropout: Probability after each hidden layer, or before the output where there is none.
        arguments: Further arguments of timm's constructor.

    Raises:
        RequestError: If the architecture does not take one of the arguments, or the image has a size other than the
            one that the architecture was made for, or (transformers with ``dynamic_img_size``) one that is not a
            multiple of its patches.

    Example:
        >>> net = TimmClassifier("resnet10t", in_channels=1, classes=3, hidden=(8,), dropout=0.5, arguments={})
        >>> net(torch.zeros(2, 1, 40, 33)).shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        name: str,
        *,
        in_channels: int,
        classes: int,
        hidden: Sequence[int],
        dropout: float,
        arguments: Mapping[str, object],
    ) -> None:
        super().__init__()
        self.name = name
        self.encoder = _encoder(name, in_channels, arguments)
        self.image_size = fixed_size(self.encoder)
        self.image_multiple = _patches(self.encoder)
        features = _features(self.encoder)
        layers: list[nn.Module] = []
        for width in hidden:
            dense = nn.Linear(features, width)
            nn.init.kaiming_normal_(dense.weight, nonlinearity="relu")
            nn.init.zeros_(dense.bias)
            layers += [dense, nn.ReLU(inplace=True), nn.Dropout(dropout)]
            features = width
        layers += [] if hidden else [nn.Dropout(dropout)]
        self.head = nn.Sequential(*layers, nn.Linear(features, classes))

    @property
    def timm_encoder(self) -> nn.Module:
        """The part that a file of timm weights fills."""
        return self.encoder

    def forward(self, image: Tensor) -> Tensor:
        _expect_size(self, image)
        _expect_multiple(self, image)
        return self.head(self.encoder(image))


class TimmUNet(Freezable):
    """U-Net decoder on an encoder of timm (2D): logits [N, out, Y, X] of images [N, in, Y, X] of any size.

    The image is padded at its end to a multiple of the encoder's stride (of its windows, where it has such; to the
    only size that it takes, where there is one), as ``UNet`` does, and the output is cropped.

    Args:
        name: A bare name of ``timm.list_models()`` whose features form a pyramid of strides 2 (or 4) to 32.
        in_channels: Channels of the image.
        out_channels: Channels of the output.
        decoder: Channels of the five steps up, deepest first.

    Raises:
        RequestError: If the encoder has no such pyramid, or the image is larger than the only size that it takes.

    Example:
        >>> net = TimmUNet("resnet10t", in_channels=1, out_channels=2, decoder=(32, 16, 16, 8, 8))
        >>> net(torch.zeros(1, 1, 65, 40)).shape, net.multiple
        (torch.Size([1, 2, 65, 40]), (32, 32))
    """

    encoder_name = "net.encoder"

    def __init__(self, name: str, *, in_channels: int, out_channels: int, decoder: Sequence[int]) -> None:
        super().__init__()
        self.name = name
        grid = _grid(name, in_channels)
        self.multiple, self.least, self.image_size = grid.multiple, grid.least, grid.only
        self.net = _unet(name, in_channels, out_channels, tuple(decoder))

    @property
    def timm_encoder(self) -> nn.Module:
        """The part that a file of timm weights fills."""
        return self.net.encoder.model  # type: ignore[return-value]

    def forward(self, image: Tensor) -> Tensor:
        if self.image_size is not None and any(n > m for n, m in zip(image.shape[2:], self.image_size, strict=True)):
            _expect_size(self, image)
        return crop(self.net(fit(image, multiple=self.multiple, least=self.least)), image.shape[2:])


class SqueezeNet(nn.Module):
    """torchvision's SqueezeNet up to its classifier, pooled: features [N, 512] of images [N, in, Y, X], from 17 pixels.

    Args:
        version: ``1_0`` or ``1_1``.

    Example:
        >>> SqueezeNet("1_1", in_channels=1)(torch.zeros(2, 1, 40, 33)).shape
        torch.Size([2, 512])

    Reference: Iandola et al. (2016), doi:10.48550/arXiv.1602.07360
    """

    num_features = 512
    pretrained_cfg: Mapping[str, str] = MappingProxyType({"first_conv": "features.0", "classifier": "classifier.1"})

    def __init__(self, version: str, *, in_channels: int) -> None:
        super().__init__()
        self.features = torchvision.models.SqueezeNet(version).features
        if in_channels != 3:
            first: Any = self.features[0]
            grown = nn.Conv2d(in_channels, first.out_channels, first.kernel_size, first.stride, bias=False)
            nn.init.kaiming_uniform_(grown.weight)
            grown.bias = first.bias
            self.features[0] = grown

    def forward_features(self, image: Tensor) -> Tensor:
        """Features before pooling [N, 512, y, x]."""
        return self.features(image)

    def forward(self, image: Tensor) -> Tensor:
        return self.forward_features(image).mean((2, 3))


def reference(name: str) -> nn.Module:
    """The headless network of three channels, without memory for its weights: names and shapes.

    Example:
        >>> reference("resnet10t").num_features
        512
    """
    return _encoder(name, 3, {}, device="meta")


def adapt_input(weight: Tensor, channels: int) -> Tensor:
    """First convolution [O, C, k, k] made to take another number of channels, with the same response to grey.

    One channel: the sum over the channels, exact for a grey image stored as RGB. More: the channels repeated in turn
    and scaled. Images are then to be normalised with the mean and spread of the grey values, not of R, G and B.

    Example:
        >>> adapt_input(torch.ones(1, 3, 1, 1), 6).sum()
        tensor(3.)
    """
    before = weight.shape[1]
    if channels == 1:
        return weight.sum(dim=1, keepdim=True)
    repeated = weight.repeat(1, math.ceil(channels / before), *(1,) * (weight.ndim - 2))[:, :channels]
    return repeated * (before / channels)


def adapt_positions(weight: Tensor, net: nn.Module) -> Tensor | None:
    """Position embedding [1, tokens, C] of a square image, interpolated to the patches of ``net``.

    Returns:
        The embedding that ``net`` takes, or ``None`` where it has no such patches.

    Example:
        >>> net = _encoder("vit_tiny_patch16_224", 3, {"img_size": [64, 96]}, device="meta")
        >>> adapt_positions(torch.zeros(1, 197, 192), net).shape
        torch.Size([1, 25, 192])
    """
    from timm.layers.pos_embed import resample_abs_pos_embed

    part = _patch_embedding(net)
    prefix = 0 if getattr(net, "no_embed_class", False) else getattr(net, "num_prefix_tokens", None)
    if part is None or prefix is None or part.grid_size is None or weight.ndim != 3:
        return None
    side = math.isqrt(max(weight.shape[1] - prefix, 0))
    if side == 0 or side**2 + prefix != weight.shape[1]:
        return None
    return resample_abs_pos_embed(weight, list(part.grid_size), [side, side], num_prefix_tokens=prefix)


def _encoder(name: str, in_channels: int, arguments: Mapping[str, object], device: str = "cpu") -> nn.Module:
    if name in TORCHVISION:
        if arguments:
            raise _refused(name, arguments)
        with torch.device(device) if device == "meta" else nullcontext():  # "cpu" would undo a context around it
            return SqueezeNet(TORCHVISION[name], in_channels=in_channels)
    options = {"pretrained": False, "num_classes": 0, "in_chans": in_channels, **arguments}
    try:
        if device == "meta":
            with torch.device("meta"):
                return timm.create_model(name, **options)  # type: ignore[arg-type]
    except (RuntimeError, NotImplementedError):  # the constructor reads values, which a meta tensor has not
        pass
    except (TypeError, ValueError, AssertionError) as error:
        raise _refused(name, arguments) from error
    try:
        return timm.create_model(name, **options)  # type: ignore[arg-type]
    except (TypeError, ValueError, AssertionError) as error:
        raise _refused(name, arguments) from error


def _unet(name: str, in_channels: int, out_channels: int, decoder: Axes) -> Any:
    try:
        return smp.Unet(
            f"tu-{name}",
            encoder_depth=len(decoder),
            encoder_weights=None,
            decoder_channels=decoder,
            in_channels=in_channels,
            classes=out_channels,
        )
    except FOREIGN as error:
        raise RequestError("models.no_pyramid", name=name) from error


@dataclass(frozen=True, slots=True)
class _ImageSizes:
    """Which images a U-Net takes."""

    multiple: Axes
    """Sides are padded to a multiple of this."""
    least: int
    """And to so many of it at the least: the batch norms of the last stage need more than one value."""
    only: Axes | None = None
    """The only size, if there is only one."""


@lru_cache(maxsize=64)
def _grid(name: str, in_channels: int) -> _ImageSizes:
    """Asked of the network: of strides, windows and embedded positions, each family has its own."""
    with torch.device("meta"):
        net = _unet(name, in_channels, 1, (8,) * 5)
    if (only := fixed_size(net)) is not None:
        return _ImageSizes(only, 1, only)
    stride = max(net.encoder.model.feature_info.reduction())
    for least in (2, 3, 4):
        if refusal(net, (least * stride, (least + 1) * stride), channels=in_channels) is None:
            return _ImageSizes((stride, stride), least)
    for side in range(2 * stride, (_WINDOWS + 1) * stride, stride):
        if refusal(net, (side, 2 * side), channels=in_channels) is None:
            return _ImageSizes((side, side), 1)
    only = tuple(getattr(net.encoder.model, "pretrained_cfg", {}).get("input_size", ()))[1:]
    if only and refusal(net, only, channels=in_channels) is None:
        return _ImageSizes(only, 1, only)
    raise RequestError("models.no_pyramid", name=name)


def _refused(name: str, arguments: Mapping[str, object]) -> RequestError:
    return RequestError("models.arguments", name=name, value=", ".join(f"{k}={v}" for k, v in arguments.items()))


def fixed_size(module: nn.Module) -> Axes | None:
    """The only (Y, X) that a network takes, if there is only one and it embeds patches.

    Example:
        >>> fixed_size(reference("vit_tiny_patch16_224")), fixed_size(reference("resnet18"))
        ((224, 224), None)
    """
    part = _patch_embedding(module)
    if part is None or not part.strict_img_size or not part.img_size or part.dynamic_img_pad:
        return None
    return cast("Axes", part.img_size)


def embeds_patches(module: nn.Module) -> bool:
    """Whether a network starts by embedding patches, as transformers do."""
    return _patch_embedding(module) is not None


def _patches(module: nn.Module) -> Axes | None:
    """Of what the sides of an image must be a multiple, where a network embeds patches and does not pad."""
    part = _patch_embedding(module)
    return None if part is None or part.dynamic_img_pad else cast("Axes", part.patch_size)


def _patch_embedding(module: nn.Module) -> PatchEmbed | None:
    """The embedding of the image itself, not one of what a stem has made of it."""
    part = next((part for part in module.modules() if isinstance(part, PatchEmbed)), None)
    first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    return None if part is None or part.proj is not first else part


def _features(encoder: Any) -> int:
    """Length of the pooled features; some encoders have a dense layer of their own after pooling."""
    return getattr(encoder, "head_hidden_size", None) or encoder.num_features


def _expect_size(net: TimmClassifier | TimmUNet, image: Tensor) -> None:
    size = tuple(image.shape[2:])
    expect_size(size, net.image_size, name=net.name)


def _expect_multiple(net: TimmClassifier, image: Tensor) -> None:
    size, wanted = tuple(image.shape[2:]), net.image_multiple
    if wanted is not None and any(n % m for n, m in zip(size, wanted, strict=True)):
        multiple, got = (" × ".join(map(str, s)) for s in (wanted, size))
        raise RequestError("models.size_multiple", name=net.name, wanted=multiple, value=got)
