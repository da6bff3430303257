"""Where a partly frozen classifier can be cut: frozen features before, everything that learns after.

What is before the cut gives the same features for the same image at every step, so that they can be computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lamelle.models.freezable import Freezable
from lamelle.models.freeze import covered


@dataclass(frozen=True, slots=True)
class Step:
    """A part of an encoder that takes one tensor and gives one."""

    names: tuple[str, ...]
    """Submodules and parameters that it uses."""
    run: Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Boundary:
    """A network in two parts: ``suffix(prefix(images))`` is the network's output, in training too."""

    at: str
    """Name of the part that the suffix begins with."""
    prefix: Callable[[Tensor], Tensor]
    """Images [N, in, Y, X] → features [N, ...]; all of it is frozen. The caller switches gradients off."""
    suffix: Suffix


class Suffix(nn.Module):
    """Features → logits [N, classes]; its parameters and modes are those of the whole network."""

    def __init__(self, module: Freezable, first: int) -> None:
        super().__init__()
        self.module = module
        self._steps = tuple(steps(module)[first:])  # found once: that takes as long as a small head's own work
        self.training = module.training

    def forward(self, features: Tensor) -> Tensor:
        for step in self._steps:
            features = step.run(features)
        return features


def split(module: Freezable) -> Boundary | None:
    """Cut a ``TimmClassifier`` before the first part that learns, at a point where one tensor carries everything.

    Families with a chain (``CHAINS``) are cut between their blocks; every encoder can be cut between its pooled
    features and the head.

    Returns:
        Nothing where the first part already learns, or the network is of another kind.

    Example:
        >>> from lamelle.models.encoders import TimmClassifier
        >>> from lamelle.models.freeze import freeze_encoder
        >>> net = TimmClassifier("resnet10t", in_channels=1, classes=2, hidden=(), dropout=0, arguments={}).eval()
        >>> _ = freeze_encoder(net, "stage:1")
        >>> cut, images = split(net), torch.rand(2, 1, 64, 64)
        >>> cut.at, cut.prefix(images).shape, torch.equal(cut.suffix(cut.prefix(images)), net(images))
        ('encoder.layer4.0', torch.Size([2, 256, 4, 4]), True)
    """
    from lamelle.models.encoders import TimmClassifier, _expect_multiple, _expect_size

    if not isinstance(module, TimmClassifier):
        return None
    chain = steps(module)
    learning = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    first = next((i for i, step in enumerate(chain) if any(covered(n, step.names) for n in learning)), len(chain) - 1)
    before = {name for step in chain[:first] for name in step.names}
    if not before:
        return None
    changing = [name for name, part in module.named_modules() if isinstance(part, _BatchNorm) and covered(name, before)]
    assert all(covered(name, module.frozen) for name in changing), "batch norms before the boundary are frozen"

    def prefix(images: Tensor) -> Tensor:
        _expect_size(module, images)
        _expect_multiple(module, images)
        for step in chain[:first]:
            images = step.run(images)
        return images

    return Boundary(chain[first].names[0], prefix, Suffix(module, first))


def steps(module: Freezable) -> list[Step]:
    """The parts of a ``TimmClassifier`` in the order in which an image passes them; the last is the head."""
    encoder: Any = module.get_submodule(module.encoder_name)
    made = list(CHAINS[type(encoder).__name__](encoder)) if type(encoder).__name__ in CHAINS else []
    names = [name for name, _ in encoder.named_parameters()]
    taken = {name for step in made for name in step.names}
    if not made or not all(covered(name, taken) for name in names) or getattr(encoder, "drop_rate", 0):
        made = [Step(("",), encoder)]  # an architecture of this family with parts that the chain does not know
    prefixed = [
        Step(tuple(f"{module.encoder_name}.{name}".rstrip(".") for name in step.names), step.run) for step in made
    ]
    return [*prefixed, Step(("head",), module.get_submodule("head"))]


def _parts(encoder: nn.Module, *names: str) -> Iterator[Step]:
    """Submodules that follow each other; ``name.*`` stands for the children of one, and may be repeated."""
    for name in names:
        base, star, rest = name.partition(".*")
        part = encoder.get_submodule(base)
        if not star:
            yield Step((base,), part)
            continue
        for key, _ in part.named_children():
            yield from _parts(encoder, f"{base}.{key}{rest}")


def _head(encoder: Any, *names: str) -> Step:
    return Step(names, encoder.forward_head)


def _efficientnet(encoder: Any) -> Iterator[Step]:
    yield from _parts(encoder, "conv_stem", "bn1", "blocks.*.*", "conv_head", "bn2")
    yield _head(encoder, "global_pool", "classifier")


def _mobilenetv3(encoder: Any) -> Iterator[Step]:
    yield from _parts(encoder, "conv_stem", "bn1", "blocks.*.*", "global_pool", "conv_head", "norm_head", "act2")
    yield from _parts(encoder, "flatten", "classifier")


def _resnet(encoder: Any) -> Iterator[Step]:
    yield from _parts(encoder, "conv1", "bn1", "act1", "maxpool", *(f"layer{i}.*" for i in range(1, 5)))
    yield _head(encoder, "global_pool", "fc")


def _convnext(encoder: Any) -> Iterator[Step]:
    yield from _parts(encoder, "stem")
    for key, _ in encoder.stages.named_children():
        yield from _parts(encoder, f"stages.{key}.downsample", f"stages.{key}.blocks.*")
    yield from _parts(encoder, "norm_pre")
    yield _head(encoder, "head")


def _densenet(encoder: Any) -> Iterator[Step]:
    for key, part in encoder.features.named_children():
        if not key.startswith("denseblock"):
            yield Step((f"features.{key}",), part)
            continue
        for layer, dense in part.named_children():
            yield Step((f"features.{key}.{layer}",), _joined(dense))
    yield _head(encoder, "global_pool", "head_drop", "classifier")


def _joined(layer: nn.Module) -> Callable[[Tensor], Tensor]:
    """A dense layer whose input comes, and goes on, with its result."""
    return lambda x: torch.cat((x, layer(x)), dim=1)


def _vgg(encoder: Any) -> Iterator[Step]:
    yield from _parts(encoder, "features.*", "pre_logits")
    yield from _parts(encoder, "head")


def _regnet(encoder: Any) -> Iterator[Step]:
    yield from _parts(encoder, "stem", "s1.*", "s2.*", "s3.*", "s4.*", "final_conv")
    yield _head(encoder, "head")


def _vit(encoder: Any) -> Iterator[Step]:
    def embed(images: Tensor) -> Tensor:
        return encoder.norm_pre(encoder.patch_drop(encoder._pos_embed(encoder.patch_embed(images))))

    first = ("patch_embed", "cls_token", "reg_token", "pos_embed", "pos_drop", "patch_drop", "norm_pre")
    yield Step(first, embed)
    yield from _parts(encoder, "blocks.*", "norm")
    yield _head(encoder, "attn_pool", "fc_norm", "head_drop", "head")


def _squeezenet(encoder: Any) -> Iterator[Step]:
    yield from _parts(encoder, "features.*")
    yield Step(("pool",), lambda x: x.mean((2, 3)))


CHAINS: Mapping[str, Callable[[Any], Iterator[Step]]] = MappingProxyType(
    {
        "EfficientNet": _efficientnet,
        "MobileNetV3": _mobilenetv3,
        "ResNet": _resnet,
        "ConvNeXt": _convnext,
        "DenseNet": _densenet,
        "VGG": _vgg,
        "RegNet": _regnet,
        "VisionTransformer": _vit,
        "SqueezeNet": _squeezenet,
    }
)
"""Class of the encoder → its parts, from the image to the pooled features."""
