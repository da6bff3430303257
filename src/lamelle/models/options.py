"""The networks, a row each: what may be said of one, what it gives, and how it is built from that.

An option says what a network is like whatever the images; what follows from the data, such as the number of
channels, is an argument beside it. Bounds hold for recipes and for packages of strangers alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Field

from lamelle.errors import RequestError
from lamelle.options import Options
from lamelle.registry import Registry

if TYPE_CHECKING:
    from lamelle.models.freezable import Freezable

Output = Literal["map", "vector"]
Size = tuple[int, ...]
Channels = Annotated[int, Field(ge=1, le=4096)]
Width = Annotated[int, Field(ge=1, le=65_536)]
Kernel = Literal[1, 3, 5, 7, 9, 11]
Stride = Literal[1, 2]
_LEVELS = Field(min_length=1, max_length=8)
_Kernels = Annotated[tuple[Kernel, ...], _LEVELS]
_Strides = Annotated[tuple[Stride, ...], _LEVELS]
_SHARE = Field(default=0.0, ge=0, lt=1)
USUAL_MOMENTUM = 0.1
"""Share of a batch in the running statistics of batch norms that nobody gave another one."""
_PLACES = ("home", "hub")
"""Values of the key ``weights`` that are no file of this machine."""


class Network(Options):
    """What all networks have; what is not said in a row is as it is here."""

    kind: Any
    output: ClassVar[Output]
    """Numbers for each pixel of an image, or for the image as a whole: which tasks can be learnt with it."""
    dims: ClassVar[tuple[int, ...]] = (2,)
    """How many axes the images may have."""

    @property
    def title(self) -> str:
        """What it is called in sentences."""
        return str(getattr(self, "name", self.kind))

    @property
    def learns_statistics(self) -> bool:
        """Whether batch norms of it measure the images while they learn, as far as the options tell."""
        return False

    @property
    def statistics_momentum(self) -> float:
        """Share of a batch in the running statistics of its batch norms."""
        return USUAL_MOMENTUM

    def steadier_statistics(self) -> tuple[str, ...]:
        """Settings of a recipe with which running statistics follow sooner, or stay; none if there is no such step."""
        return ()

    @property
    def frozen(self) -> bool:
        """Whether a part of its encoder does not learn."""
        return False

    def with_frozen_encoder(self) -> Self | None:
        """The same with an encoder of which nothing learns; None if it is that, or has none."""
        return None

    def larger(self) -> tuple[str, ...]:
        """Settings of a recipe with which it can learn more; none if there is no such step."""
        return ()

    def size_for(self, resize: Size | None) -> Size | None:
        """The size (Y, X) that it is built for, where it takes no other.

        Args:
            resize: The size that all images are given; None if they keep their own.
        """
        return None

    def without_paths(self) -> Self:
        """The same without files of this machine, which a package names to nobody."""
        return self

    def limit(self, network: Freezable) -> None:
        """Keep those parts of a network from learning that are not to learn."""

    def build(self, *, inputs: int, outputs: int, dims: int, size: Size | None) -> Freezable:
        """The network with random weights: logits [N, outputs, ...] of images [N, inputs, (Z,) Y, X].

        Args:
            dims: Axes of an image: 2 or 3.
            size: The only size (Y, X) of an image, where it is built for one; see `size_for`.

        Raises:
            RequestError: If options and arguments do not fit together.
        """
        raise NotImplementedError


class Encoded(Network):
    """What networks around an encoder of timm have, which can start from published weights."""

    name: str = Field(default="resnet18", description="name of the encoder in timm")
    weights: str | None = Field(
        default=None, description="file of pretrained weights; `home` for LAMELLE_HOME; `hub` to download them"
    )

    def larger(self) -> tuple[str, ...]:
        return ("model.name=resnet50",) if self.name != "resnet50" else ()

    def without_paths(self) -> Self:
        return self if self.weights in (None, *_PLACES) else self.model_copy(update={"weights": None})


class UNetOptions(Network):
    """The plain U-Net."""

    kind: Literal["unet"] = "unet"
    output = "map"
    dims = (2, 3)
    filters: tuple[Channels, ...] = Field(
        default=(24, 48, 96, 192, 384), min_length=2, max_length=8, description="filters of each level"
    )
    up: Literal["transpose2", "transpose3_same", "upsample_conv2", "linear"] = Field(
        default="transpose2", description="kind of up-sampling"
    )
    norm: Literal["none", "batch", "instance", "group"] = Field(
        default="batch", description="normalisation after convolutions"
    )
    dropout: Annotated[float, _SHARE] = Field(default=0.0, description="dropout in the deepest level")
    residual: bool = Field(default=False, description="add each block's input to its output")
    deep_supervision: bool = Field(default=False, description="in training, coarser levels have a loss as well")
    kernel: Kernel | _Kernels | Annotated[tuple[_Kernels, ...], _LEVELS] = Field(
        default=3, description="size of the convolutions; in 3D per level, Z Y X"
    )
    pool: Stride | _Strides | Annotated[tuple[_Strides, ...], _LEVELS] = Field(
        default=2, description="pooling; in 3D per level, Z Y X"
    )
    convs_per_block: int = Field(default=2, ge=1, le=8, description="convolutions of each level, down and up")

    def larger(self) -> tuple[str, ...]:
        return (f"model.filters=[{','.join(str(2 * n) for n in self.filters)}]",)

    def build(self, *, inputs: int, outputs: int, dims: int, size: Size | None) -> Freezable:
        from lamelle.models.blocks import per_level
        from lamelle.models.unet import UNet

        levels = len(self.filters)
        for key, value, rows in (("kernel", self.kernel, levels), ("pool", self.pool, levels - 1)):
            try:
                per_level(value, levels=rows, dims=dims)
            except ValueError as error:
                raise RequestError("models.levels", key=f"model.{key}", value=value, dims=dims, levels=rows) from error
        return UNet(in_channels=inputs, out_channels=outputs, dims=dims, **self.model_dump(exclude={"kind"}))


class TimmOptions(Encoded):
    """A timm encoder with a head."""

    kind: Literal["timm"] = "timm"
    output = "vector"
    hidden: tuple[Width, ...] = Field(default=(), max_length=8, description="widths of dense layers before the last")
    dropout: Annotated[float, _SHARE] = Field(default=0.2, description="dropout before the last dense layer")
    freeze: str = Field(
        default="none",
        description="what learns: none (frozen) = all, head, last_conv, last_two_convs, or stage:N = the last N stages "
        "and the head",
    )
    bn_momentum: float | None = Field(
        default=None, gt=0, le=1, description="share of the batch in running statistics; none = as the network has it"
    )
    bn_frozen: bool = Field(default=False, description="unfrozen batch norms learn, but keep their statistics")

    @property
    def learns_statistics(self) -> bool:
        return self.freeze != "head" and not self.bn_frozen

    @property
    def statistics_momentum(self) -> float:
        return self.bn_momentum or USUAL_MOMENTUM

    def steadier_statistics(self) -> tuple[str, ...]:
        slow = self.statistics_momentum < USUAL_MOMENTUM
        return (f"model.bn_momentum={USUAL_MOMENTUM:g}" if slow else "model.bn_frozen=true",)

    @property
    def frozen(self) -> bool:
        return self.freeze != "none"

    def with_frozen_encoder(self) -> Self | None:
        return self.model_copy(update={"freeze": "head"}) if self.freeze != "head" else None

    def size_for(self, resize: Size | None) -> Size | None:
        from lamelle.models.pretrained import expected_size

        only = expected_size(self.name)
        return resize if only is not None and resize not in (None, only) else None

    def limit(self, network: Freezable) -> None:
        from lamelle.models.freeze import freeze_encoder, set_batch_norm

        freeze_encoder(network, self.freeze)
        set_batch_norm(network, momentum=self.bn_momentum, frozen_statistics=self.bn_frozen)

    def build(self, *, inputs: int, outputs: int, dims: int, size: Size | None) -> Freezable:
        from lamelle.models.encoders import TimmClassifier
        from lamelle.models.families import check_encoder

        check_encoder(self.name, own=own_names(self.output))
        arguments = {} if size is None else {"img_size": size}
        head = {"hidden": self.hidden, "dropout": self.dropout}
        return TimmClassifier(self.name, in_channels=inputs, classes=outputs, arguments=arguments, **head)


class CnnOptions(Network):
    """The small networks of the imbalance study."""

    kind: Literal["cnn"] = "cnn"
    output = "vector"
    name: Literal["cnn1", "cnn2"] = Field(default="cnn2", description="cnn2 has batch norms, cnn1 has none")

    @property
    def learns_statistics(self) -> bool:
        return self.name == "cnn2"

    def larger(self) -> tuple[str, ...]:
        return ("model=resnet18",)

    def size_for(self, resize: Size | None) -> Size | None:
        return resize

    def build(self, *, inputs: int, outputs: int, dims: int, size: Size | None) -> Freezable:
        from lamelle.models.cnn import MIN_SIDE, Cnn

        if size is None:
            raise RequestError("models.no_size", name=self.name)
        if min(size) < MIN_SIDE:
            raise RequestError("models.small", name=self.name, least=MIN_SIDE, value=" × ".join(map(str, size)))
        return Cnn(self.name, in_channels=inputs, classes=outputs, size=size)


class TimmUNetOptions(Encoded):
    """A U-Net decoder on a timm encoder."""

    kind: Literal["timm-unet"] = "timm-unet"
    output = "map"
    freeze: Literal["none", "head"] = Field(default="none", description="head: train only the decoder")
    decoder: tuple[Channels, ...] = Field(
        default=(256, 128, 64, 32, 16), min_length=5, max_length=5, description="filters of the steps up, deepest first"
    )

    @property
    def frozen(self) -> bool:
        return self.freeze != "none"

    def with_frozen_encoder(self) -> Self | None:
        return self.model_copy(update={"freeze": "head"}) if self.freeze != "head" else None

    def limit(self, network: Freezable) -> None:
        from lamelle.models.freeze import freeze_encoder

        freeze_encoder(network, self.freeze)

    def build(self, *, inputs: int, outputs: int, dims: int, size: Size | None) -> Freezable:
        from lamelle.models.encoders import TimmUNet
        from lamelle.models.families import check_encoder

        check_encoder(self.name, own=own_names(self.output))
        return TimmUNet(self.name, in_channels=inputs, out_channels=outputs, decoder=self.decoder)


MODELS: Registry[type[Network]] = Registry("network", UNetOptions, TimmOptions, CnnOptions, TimmUNetOptions, tag="kind")


def own_names(output: Output) -> dict[str, str]:
    """Name → kind of the networks that have a few names of their own, as ``cnn`` has ``cnn1`` and ``cnn2``.

    Example:
        >>> own_names("vector")
        {'cnn1': 'cnn', 'cnn2': 'cnn'}
    """
    rows = {kind: row.model_fields.get("name") for kind, row in MODELS.items() if row.output == output}
    return {name: kind for kind, field in rows.items() if field for name in get_args(field.annotation)}


def kind_of_keys(keys: Iterable[str]) -> str | None:
    """The only kind of network that has all of some keys; None if several have, or none.

    Example:
        >>> kind_of_keys(["filters", "up"]), kind_of_keys(["dropout"])
        ('unet', None)
    """
    keys = set(keys)
    having = [kind for kind, row in MODELS.items() if keys and keys <= row.model_fields.keys()]
    return having[0] if len(having) == 1 else None


def kind_of_name(name: object, before: str | None) -> str | None:
    """The kind of network that a name asks for over a recipe with another kind; None if it may be that one.

    Args:
        before: The kind that the recipe has.

    Example:
        >>> kind_of_name("cnn1", "timm"), kind_of_name("resnet18", "unet"), kind_of_name("resnet18", "timm")
        ('cnn', 'timm-unet', None)
    """
    for output in get_args(Output):
        if kind := own_names(output).get(str(name)):
            return kind
    row = MODELS.get(before or "")
    if row is None or issubclass(row, Encoded):
        return None
    return next((k for k, one in MODELS.items() if issubclass(one, Encoded) and one.output == row.output), None)
