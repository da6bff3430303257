"""What is deep in an encoder of timm: its stages from the image on, and its last two convolutions by name.

Nothing here changes a network; ``lamelle.models.freeze`` decides with it what learns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from torch import nn

Conv = tuple[str, ...]
"""Names in an encoder: a convolution and what normalises or scales its result. A negative number counts the children
of a part from its end; a name that ends in "?" is passed over where there is no such part."""

_BLOCK = "blocks.-1.-1"
_PROJECTIONS: tuple[Conv, ...] = (
    (f"{_BLOCK}.conv_pwl", f"{_BLOCK}.bn3"),  # inverted residual; the depthwise convolution before it is passed over
    (f"{_BLOCK}.conv_pwl", f"{_BLOCK}.bn2"),  # the same with a full convolution in place of the depthwise one
    (f"{_BLOCK}.conv_pw", f"{_BLOCK}.bn2"),  # depthwise separable
    (f"{_BLOCK}.pw_proj",),  # universal inverted residual
    (f"{_BLOCK}.conv", f"{_BLOCK}.bn1"),  # plain
)
LAST_CONVS: Mapping[str, tuple[tuple[Conv, Conv], ...]] = MappingProxyType(
    {
        "EfficientNet": (
            *((("conv_head", "bn2"), projection) for projection in _PROJECTIONS),
            (_PROJECTIONS[2], ("blocks.-1.-2.conv_pw", "blocks.-1.-2.bn2")),  # MobileNetV1
        ),
        # conv_head stands after the pooling here; in MobileNetV4 a norm follows it
        "MobileNetV3": tuple((("conv_head", "norm_head?"), projection) for projection in _PROJECTIONS),
        "ResNet": (
            (("layer4.-1.conv3", "layer4.-1.bn3"), ("layer4.-1.conv2", "layer4.-1.bn2")),
            (("layer4.-1.conv3", "layer4.-1.bn3"), ("layer4.-1.convs", "layer4.-1.bns")),  # Res2Net
            (("layer4.-1.conv2", "layer4.-1.bn2"), ("layer4.-1.conv1", "layer4.-1.bn1")),
        ),
        # the last block's two pointwise convolutions; the depthwise one before them is passed over
        "ConvNeXt": (
            (
                ("stages.-1.blocks.-1.mlp.fc2", "stages.-1.blocks.-1.gamma?", "norm_pre?", "head.norm?"),
                ("stages.-1.blocks.-1.mlp.fc1", "stages.-1.blocks.-1.mlp.grn?"),
            ),
        ),
        "DenseNet": (
            (
                ("features.denseblock4.-1.conv2", "features.norm5"),
                ("features.denseblock4.-1.conv1", "features.denseblock4.-1.norm2"),
            ),
        ),
        # of `features`: the dense layers after them (`pre_logits`) stay as they are
        "VGG": (
            (("features.-4", "features.-3"), ("features.-7", "features.-6")),
            (("features.-3",), ("features.-5",)),
        ),
        "RegNet": (
            (("final_conv",), ("s4.-1.conv3",)),
            (("s4.-1.conv3",), ("s4.-1.conv2",)),
        ),
        # the two parallel convolutions of the last fire module count as one
        "SqueezeNet": ((("features.-1.expand1x1", "features.-1.expand3x3"), ("features.-1.squeeze",)),),
    }
)
"""Class of the encoder → (its last convolution, the one before); the first row whose names are all there counts.

MobileNetV2 and every EfficientNet are of class ``EfficientNet``, ResNeXt and SE-ResNet of class ``ResNet``.
"""

_POOLED = ("VGG", "SqueezeNet")
"""Encoders whose stages are what stands between two max-poolings of ``features``; in VGG the first is a stage too."""


def last_convs(encoder: nn.Module) -> tuple[list[str], list[str]] | None:
    """Names of the parameters of the last convolution and of the one before, each with its norm.

    Returns:
        Nothing where the family of the encoder is not in ``LAST_CONVS``.

    Example:
        >>> import timm
        >>> last_convs(timm.create_model("resnet10t", num_classes=0))[0]
        ['layer4.0.conv2.weight', 'layer4.0.bn2.weight', 'layer4.0.bn2.bias']
    """
    for row in LAST_CONVS.get(type(encoder).__name__, ()):
        last, before = (_named(encoder, conv) for conv in row)
        if last and before:
            return last, before
    return None


def encoder_stages(encoder: nn.Module, whole: nn.Module) -> tuple[list[str], list[list[str]]]:
    """Names of the parameters of the stem, and of each stage from the image on; what follows the last belongs to it.

    Args:
        encoder: An encoder of timm as it stands in a network, which may give features only.
        whole: The same architecture as timm makes it, if only on the meta device; may be ``encoder`` itself.

    Example:
        >>> import timm
        >>> net = timm.create_model("resnet10t", num_classes=0)
        >>> stem, deeper = encoder_stages(net, net)
        >>> len(deeper), stem[0], deeper[-1][0]
        (4, 'conv1.0.weight', 'layer4.0.conv1.weight')
    """
    from lamelle.models.weight_names import canonical

    groups = _groups(whole)
    if encoder is whole:
        return groups[0], groups[1:]
    number = {canonical(name): i for i, group in enumerate(groups) for name in group}
    stages: list[list[str]] = [[] for _ in groups]
    here = 0
    for name, _ in encoder.named_parameters():  # in the order of the architecture: a new name belongs to its neighbour
        here = number.get(canonical(name), here)
        stages[here].append(name)
    return stages[0], stages[1:]


def _groups(encoder: nn.Module) -> list[list[str]]:
    """Stem, and stages."""
    if type(encoder).__name__ in _POOLED:
        groups = _between_pools(encoder)
        return [[], *groups] if type(encoder).__name__ == "VGG" else groups
    try:
        matcher: Any = encoder.group_matcher(coarse=True)  # type: ignore[operator]
    except (AttributeError, AssertionError):  # a few architectures have no coarse groups
        return [[name for name, _ in encoder.named_parameters()]]
    from timm.models import group_parameters  # type: ignore[attr-defined]

    groups = list(group_parameters(encoder, matcher).values())
    if len(groups) > 1 and _unmatched(groups, matcher):
        *groups, rest = groups
        groups[-1] = [*groups[-1], *rest]
    return groups


def _unmatched(groups: Sequence[Sequence[str]], matcher: Any) -> bool:
    """Whether the last group is of those names that no stage claims: final norms and heads."""
    from timm.models._manipulate import group_with_matcher

    stranger = "\0"  # a name that no matcher knows falls where the unclaimed go
    named = [(name, None) for group in groups for name in group]
    together = list(group_with_matcher(iter([*named, (stranger, None)]), matcher).values())
    return len(together) == len(groups) and stranger in together[-1]


def _between_pools(encoder: nn.Module) -> list[list[str]]:
    runs: list[list[str]] = [[]]
    for name, part in encoder.get_submodule("features").named_children():
        if isinstance(part, nn.MaxPool2d):
            runs.append([])
        runs[-1] += [f"features.{name}.{key}" for key, _ in part.named_parameters()]
    runs = [run for run in runs if run]
    runs[-1] += [name for name, _ in encoder.named_parameters() if not name.startswith("features.")]
    return runs


def _named(encoder: nn.Module, conv: Conv) -> list[str]:
    """The parameters of these parts; none if one that is asked for is not there or is no layer with weights."""
    names: list[str] = []
    for name in conv:
        parts = list(_parameters(encoder, name.removesuffix("?")))
        if not parts and not name.endswith("?"):
            return []
        names += parts
    weights = dict(encoder.named_parameters())
    return names if names and any(weights[name].ndim >= 2 for name in names) else []


def _parameters(encoder: nn.Module, path: str) -> Iterator[str]:
    part: object = encoder
    where: list[str] = []
    for key in path.split("."):
        if not isinstance(part, nn.Module):
            return
        if key.startswith("-"):
            children = [name for name, _ in part.named_children()]
            if len(children) < -int(key):
                return
            key = children[int(key)]
        part = getattr(part, key, None)
        where.append(key)
    if isinstance(part, nn.Parameter):
        yield ".".join(where)
    elif isinstance(part, nn.Module):
        yield from (name for name, _ in part.named_parameters(".".join(where)))
