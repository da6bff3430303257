"""The networks, a row each: what may be said of one is what it is built from. The options of the section ``model``."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args

from pydantic import Field

from lamelle.options import Fraction, Options, Positive
from lamelle.registry import Registry

_WEIGHTS = "file of pretrained weights; `home` for LAMELLE_HOME; `hub` to download them"
_FREEZE = (
    "what learns: none (frozen) = all, head, last_conv, last_two_convs, or stage:N = the last N stages and the head"
)


class Network(Options):
    """What all networks have."""

    kind: Any
    output: ClassVar[Literal["map", "vector"]]
    """Numbers for each pixel of an image, or for the image as a whole: which tasks can be learnt with it."""


class UNet(Network):
    """The plain U-Net."""

    kind: Literal["unet"] = "unet"
    output = "map"
    filters: tuple[Positive, ...] = Field(default=(24, 48, 96, 192, 384), description="filters of each level")
    up: Literal["transpose2", "transpose3_same", "upsample_conv2", "linear"] = Field(
        default="transpose2", description="kind of up-sampling"
    )
    norm: Literal["none", "batch", "instance", "group"] = Field(
        default="batch", description="normalisation after convolutions"
    )
    dropout: Fraction = Field(default=0.0, description="dropout in the deepest level")
    residual: bool = Field(default=False, description="add each block's input to its output")
    deep_supervision: bool = Field(default=False, description="in training, coarser levels have a loss as well")
    kernel: int | tuple[tuple[int, ...], ...] = Field(
        default=3, description="size of the convolutions; in 3D per level, Z Y X"
    )
    pool: int | tuple[tuple[int, ...], ...] = Field(default=2, description="pooling; in 3D per level, Z Y X")


class Timm(Network):
    """A timm encoder with a head."""

    kind: Literal["timm"] = "timm"
    output = "vector"
    name: str = Field(default="resnet18", description="name of the encoder in timm")
    hidden: tuple[Positive, ...] = Field(default=(), description="widths of dense layers before the last")
    dropout: Fraction = Field(default=0.2, description="dropout before the last dense layer")
    weights: str | None = Field(default=None, description=_WEIGHTS)
    freeze: str = Field(default="none", description=_FREEZE)
    bn_momentum: float | None = Field(
        default=None, gt=0, le=1, description="share of the batch in running statistics; none = as the network has it"
    )
    bn_frozen: bool = Field(default=False, description="unfrozen batch norms learn, but keep their statistics")


class Cnn(Network):
    """The small networks of the imbalance study."""

    kind: Literal["cnn"] = "cnn"
    output = "vector"
    name: Literal["cnn1", "cnn2"] = Field(default="cnn2", description="cnn2 has batch norms, cnn1 has none")


class TimmUNet(Network):
    """A U-Net decoder on a timm encoder."""

    kind: Literal["timm-unet"] = "timm-unet"
    output = "map"
    name: str = Field(default="resnet18", description="name of the encoder in timm")
    weights: str | None = Field(default=None, description=_WEIGHTS)
    freeze: Literal["none", "head"] = Field(default="none", description="head: train only the decoder")


CNN_NAMES: tuple[str, ...] = get_args(Cnn.model_fields["name"].annotation)
MODELS: Registry[type[Network]] = Registry("network", UNet, Timm, Cnn, TimmUNet, tag="kind")
