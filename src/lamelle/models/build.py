"""The closed registry of networks: a description of plain data in, a network with random weights out.

Example:
    >>> net = build({"kind": "unet", "in_channels": 1, "out_channels": 1, "filters": [4, 8], "dims": 2,
    ...              "up": "transpose2", "norm": "none"})
    >>> sum(p.numel() for p in net.parameters())
    1645
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lamelle.errors import RequestError
from lamelle.models.spec import (
    CNN_NAMES,
    Check,
    SpecKey,
    checked,
    choice,
    flag,
    fraction,
    mapping,
    odd,
    one_or_more,
    refuse,
    several,
    unknown,
    whole,
)

if TYPE_CHECKING:
    from lamelle.models.freezable import Freezable

MAX_CHANNELS = 4096
MAX_CLASSES = 65_536
MAX_LEVELS = 8
MAX_PARAMETERS = 1_000_000_000
UPS = ("transpose2", "transpose3_same", "upsample_conv2", "linear")
NORMS = ("none", "batch", "instance", "group")


@dataclass(frozen=True, slots=True)
class NetworkKind:
    """One kind of network: what its description may say, and the class that checked values make one of."""

    keys: Mapping[str, SpecKey]
    network: Callable[[], Callable[..., Freezable]]
    """Imports the class where it is needed."""


def resolve(spec: Mapping[str, object]) -> dict[str, object]:
    """The description checked and complete: every key, defaults filled in, lists as tuples.

    Raises:
        RequestError: If the kind, a key, a value or the encoder is unknown or not allowed.

    Example:
        >>> resolve({"kind": "timm-unet", "name": "resnet18", "in_channels": 1, "out_channels": 2})["decoder"]
        (256, 128, 64, 32, 16)
    """
    kind = spec.get("kind")
    if not isinstance(kind, str) or kind not in MODELS:
        raise unknown("kind", kind, list(MODELS))
    values = checked({k: v for k, v in spec.items() if k != "kind"}, MODELS[kind].keys, kind=kind)
    if kind == "unet":
        _check_unet(values)
    return {"kind": kind, **values}


def build(spec: Mapping[str, object]) -> Freezable:
    """The network that a description names, with random weights.

    Raises:
        RequestError: As ``sketch``.
    """
    sketch(spec)
    return _make(spec)


def sketch(spec: Mapping[str, object]) -> Freezable:
    """The network that a description names without memory for its weights: names, shapes, and what it does to sizes.

    Raises:
        RequestError: As ``resolve``; or if the network would have over a thousand million parameters, or the encoder
            does not fit the kind or takes no such argument.

    Example:
        >>> net = sketch({"kind": "timm", "name": "resnet18", "in_channels": 1, "classes": 2})
        >>> net.state_dict()["head.1.weight"].shape, net.state_dict()["head.1.weight"].device.type
        (torch.Size([2, 512]), 'meta')
    """
    import torch

    with torch.device("meta"):
        net = _make(spec)
    total = sum(tensor.numel() for tensor in (*net.parameters(), *net.buffers()))
    if total > MAX_PARAMETERS:
        raise RequestError("models.too_large", total=total, limit=MAX_PARAMETERS)
    return net


def _make(spec: Mapping[str, object]) -> Freezable:
    values = resolve(spec)
    return MODELS[str(values.pop("kind"))].network()(**values)


def _check_unet(values: Mapping[str, Any]) -> None:
    """What one key of a U-Net demands of another."""
    from lamelle.models.blocks import per_level

    dims, levels = values["dims"], len(values["filters"])
    for key, rows in (("kernel", levels), ("pool", levels - 1)):
        try:
            per_level(values[key], levels=rows, dims=dims)
        except ValueError as error:
            raise refuse(key, values[key], "rule_levels", dims=dims, levels=rows) from error
    dropout = values["dropout"]
    if isinstance(dropout, tuple) and len(dropout) != levels:
        raise refuse("dropout", dropout, "rule_dropout", levels=levels)


def _unet() -> Callable[..., Freezable]:
    from lamelle.models.unet import UNet

    return UNet


def _cnn() -> Callable[..., Freezable]:
    from lamelle.models.cnn import Cnn

    return Cnn


def _timm() -> Callable[..., Freezable]:
    from lamelle.models.encoders import TimmClassifier

    return TimmClassifier


def _timm_unet() -> Callable[..., Freezable]:
    from lamelle.models.encoders import TimmUNet

    return TimmUNet


def _encoder(key: str, value: object, *, own: Sequence[str] = ()) -> str:
    """A bare name of timm's own list, or of the few that torchvision alone has: no tag, no hub, no folder.

    Args:
        own: Networks of this package that may have been meant.
    """
    from lamelle.models.families import encoder_names

    known = encoder_names()
    if not isinstance(value, str):
        raise refuse(key, value, "rule_name")
    if value not in known:
        if (bare := value.partition(".")[0]) in known:
            raise RequestError("models.encoder_near", value=repr(value), near=bare)
        error = unknown("encoder", value, [*own, *known])
        raise error if "near" in error.values else RequestError("models.encoder", value=value, count=len(known))
    return value


_CHANNELS = whole(1, MAX_CHANNELS)
_SIDE = whole(8, 4096)
# Arguments of timm's constructors that change the shape of the network or its regularisation, and nothing else
_ARGUMENTS: Mapping[str, Check] = MappingProxyType(
    {
        "img_size": one_or_more(_SIDE, 2),
        "dynamic_img_size": flag,
        "drop_path_rate": fraction,
        "global_pool": choice("avg", "max", "avgmax", "token"),
    }
)

MODELS: Mapping[str, NetworkKind] = MappingProxyType(
    {
        "unet": NetworkKind(
            {
                "dims": SpecKey(choice(2, 3)),
                "in_channels": SpecKey(_CHANNELS),
                "out_channels": SpecKey(_CHANNELS),
                "filters": SpecKey(several(_CHANNELS, 2, MAX_LEVELS)),
                "up": SpecKey(choice(*UPS)),
                "norm": SpecKey(choice(*NORMS)),
                "dropout": SpecKey(one_or_more(fraction, MAX_LEVELS), 0.0),
                "kernel": SpecKey(one_or_more(odd(11), MAX_LEVELS, depth=2), 3),
                "pool": SpecKey(one_or_more(whole(1, 2), MAX_LEVELS, depth=2), 2),
                "residual": SpecKey(flag, False),
                "convs_per_block": SpecKey(whole(1, 8), 2),
                "deep_supervision": SpecKey(flag, False),
            },
            _unet,
        ),
        "timm": NetworkKind(
            {
                "name": SpecKey(partial(_encoder, own=CNN_NAMES)),
                "in_channels": SpecKey(_CHANNELS),
                "classes": SpecKey(whole(1, MAX_CLASSES)),
                "hidden": SpecKey(several(whole(1, MAX_CLASSES), 0, MAX_LEVELS), ()),
                "dropout": SpecKey(fraction, 0.0),
                "arguments": SpecKey(mapping(_ARGUMENTS), {}),
            },
            _timm,
        ),
        "cnn": NetworkKind(
            {
                "name": SpecKey(choice(*CNN_NAMES)),
                "in_channels": SpecKey(_CHANNELS),
                "classes": SpecKey(whole(1, MAX_CLASSES)),
                "size": SpecKey(several(whole(16, 4096), 2, 2)),
            },
            _cnn,
        ),
        "timm-unet": NetworkKind(
            {
                "name": SpecKey(_encoder),
                "in_channels": SpecKey(_CHANNELS),
                "out_channels": SpecKey(_CHANNELS),
                "decoder": SpecKey(several(_CHANNELS, 5, 5), (256, 128, 64, 32, 16)),
                "arguments": SpecKey(mapping(_ARGUMENTS), {}),
            },
            _timm_unet,
        ),
    }
)
