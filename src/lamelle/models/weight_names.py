"""How the tensors of a weight file are named: which library wrote it, which architecture it holds."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

Shapes = Mapping[str, tuple[int, ...]]
# Wrappers that savers put around an encoder: ours, segmentation-models-pytorch's, DataParallel's, Lightning's
PREFIXES = ("", "encoder.", "model.", "net.encoder.model.", "encoder.model.", "module.", "backbone.", "net.", "timm.")
# Layouts whose names differ from timm's: pattern of a telling key → who writes it
_FOREIGN = (
    (r"^features\.\d+\.conv\.\d", "torchvision MobileNetV2"),
    (r"features\.\d+\.squeeze\.", "torchvision SqueezeNet"),
    (r"features\.\d+\.block\.\d+\.0\.weight", "torchvision MobileNetV3"),
    (r"features\.\d+\.\d+\.layer_scale", "torchvision ConvNeXt"),
    (r"features\.\d+\.\d+\.block\.\d+\.", "torchvision EfficientNet or ConvNeXt"),
    (r"encoder\.layers\.encoder_layer_\d+\.", "torchvision ViT"),
    (r"features\.\d+\.\d+\.attn\.", "torchvision Swin"),
    (r"Mixed_\d\w\.", "torchvision Inception"),
    (r"resnet\.(embedder|encoder\.stages)\.", "Hugging Face transformers ResNet"),
    (r"embeddings\.patch_embeddings\.", "Hugging Face transformers ViT"),
    (r"(down|up)s?\d*\.|inc\.double_conv", "a U-Net"),
)
_FAMILIES = (
    (r"layer1\.0\.conv1\.", ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2",
                             "resnext50_32x4d", "seresnet50", "resnet26", "resnet10t")),
    (r"blocks\.0\.0\.(conv_dw|conv)\.", (
        *(f"mobilenetv2_{w}" for w in ("035", "050", "075", "100", "110d", "120d", "140")),
        *(f"{p}efficientnet_b{i}" for i in range(8) for p in ("", "tf_")),
        "mobilenetv3_small_100", "mobilenetv3_large_100", "efficientnetv2_rw_s", "tf_efficientnetv2_s",
        "mnasnet_100", "efficientnet_lite0")),
    (r"features\.\d+\.conv\.\d", tuple(f"mobilenetv2_{w}" for w in ("035", "050", "075", "100", "140"))),
    (r"features\.denseblock1\.", ("densenet121", "densenet169", "densenet201", "densenet161")),
    (r"stages\.0\.blocks\.0\.(conv_dw|gamma)", tuple(f"convnext_{s}" for s in (
        "atto", "femto", "pico", "nano", "tiny", "small", "base", "large"))),
    (r"blocks\.0\.attn\.qkv\.", ("vit_tiny_patch16_224", "vit_small_patch16_224", "vit_base_patch16_224",
                                 "vit_base_patch32_224", "deit_tiny_patch16_224", "vit_small_patch14_dinov2")),
    (r"features\.\d+\.squeeze\.", ("squeezenet1_0", "squeezenet1_1")),
    (r"features\.\d+\.\d+\.block\.\d+\.0\.weight", tuple(f"efficientnet_b{i}" for i in range(5))),
    (r"features\.\d+\.\d+\.layer_scale", tuple(f"convnext_{s}" for s in ("tiny", "small", "base", "large"))),
    (r"features\.\d+\.weight", ("vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg16_bn")),
)  # fmt: skip
# torchvision's layout → encoders of timm that are the same network: tf_efficientnet has the same shapes but pads
# otherwise, and torchvision's b5 to b7 have another epsilon
_SAME_ORDER = (
    (r"^features\.\d+\.conv\.\d", r"mobilenetv2_\d+"),
    (r"^features\.\d+\.\d+\.block\.\d+\.(0\.|fc1\.)", r"efficientnet_b[0-4]"),
)
_RENAMED = (
    (r"^features\.\d+\.\d+\.layer_scale$", r"convnext_(tiny|small|base|large)", (
        (r"^features\.0\.", "stem."),
        (r"^features\.([1357])\.(\d+)\.", lambda m: f"stages.{int(m[1]) // 2}.blocks.{m[2]}."),
        (r"^features\.([246])\.", lambda m: f"stages.{int(m[1]) // 2}.downsample."),
        (r"\.layer_scale$", ".gamma"),
        (r"\.block\.0\.", ".conv_dw."),
        (r"\.block\.2\.", ".norm."),
        (r"\.block\.3\.", ".mlp.fc1."),
        (r"\.block\.5\.", ".mlp.fc2."),
        (r"^classifier\.0\.", "head.norm."),
        (r"^classifier\.2\.", "head.fc."),
    )),
    (r"^classifier\.6\.weight$", r"vgg\d+(_bn)?", (
        (r"^classifier\.0\.", "pre_logits.fc1."),
        (r"^classifier\.3\.", "pre_logits.fc2."),
        (r"^classifier\.6\.", "head.fc."),
    )),
)  # fmt: skip
_COUNTERS = "num_batches_tracked"


def canonical(key: str) -> str:
    """A name in which ``blocks.0.conv`` and the ``blocks_0.conv`` of timm's flattened feature nets agree.

    Example:
        >>> canonical("stages_0.blocks.1.norm.weight") == canonical("stages.0.blocks.1.norm.weight")
        True
    """
    return key.replace(".", "_")


def learned(keys: Iterable[str]) -> list[str]:
    """The names without the counters of batch norms, which older files lack."""
    return [key for key in keys if not key.endswith(_COUNTERS)]


def unwrap(tensors: Mapping[str, Tensor], wanted: Iterable[str]) -> tuple[dict[str, tuple[str, Tensor]], list[str]]:
    """What lies under the prefix with which most names are ``wanted``, and the names of the rest (decoder, head).

    Returns:
        Canonical name → name in the file and tensor; and the names outside the prefix.
    """
    names = {canonical(key) for key in wanted}

    def inside(prefix: str) -> dict[str, tuple[str, Tensor]]:
        return {canonical(key.removeprefix(prefix)): (key, t) for key, t in tensors.items() if key.startswith(prefix)}

    best = max(PREFIXES, key=lambda prefix: len(names & inside(prefix).keys()))
    return inside(best), [key for key in tensors if not key.startswith(best)]


def from_torchvision(tensors: Mapping[str, Tensor], shapes: Shapes, name: str) -> dict[str, Tensor] | None:
    """torchvision's tensors with timm's names for the architecture ``name``, or ``None`` where they are not that.

    torchvision's ResNets, ResNeXts, DenseNets and SqueezeNets need nothing: their names are those of our encoders.
    """
    for telling, encoders in _SAME_ORDER:
        if re.fullmatch(encoders, name) and any(re.match(telling, key) for key in tensors):
            return _by_order(tensors, shapes)
    for telling, encoders, rules in _RENAMED:
        if re.fullmatch(encoders, name) and any(re.match(telling, key) for key in tensors):
            return _by_rules(tensors, shapes, rules)
    return None


def _by_order(tensors: Mapping[str, Tensor], shapes: Shapes) -> dict[str, Tensor] | None:
    """Both libraries define the same layers in the same order; a layer's tensors have the same last names."""
    body = [key for key in learned(tensors) if key.startswith("features.")]
    theirs = sorted({key.rpartition(".")[0] for key in body}, key=lambda k: [int(n) for n in re.findall(r"\d+", k)])
    ours = list(dict.fromkeys(key.rpartition(".")[0] for key in learned(shapes)))
    if len(theirs) != len(ours):
        return None
    names = dict(zip(theirs, ours, strict=True))
    renamed = {f"{names[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}": tensors[key] for key in body}
    same = all(name in shapes and fits(tuple(t.shape), shapes[name]) for name, t in renamed.items())
    return renamed | {key: t for key, t in tensors.items() if not key.startswith("features.")} if same else None


def _by_rules(tensors: Mapping[str, Tensor], shapes: Shapes, rules: Iterable[tuple[str, Any]]) -> dict[str, Tensor]:
    """Rename each tensor; one that timm keeps with other axes of the same length in all is reshaped."""
    renamed = {}
    for key, tensor in tensors.items():
        for pattern, to in rules:
            key = re.sub(pattern, to, key)
        wanted = shapes.get(key, tensor.shape)
        renamed[key] = tensor.reshape(wanted) if tensor.numel() == math.prod(wanted) else tensor
    return renamed


def fits(stored: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether two shapes are equal but for the input channels of a convolution."""
    return stored == wanted or (len(stored) >= 4 and stored[0] == wanted[0] and stored[2:] == wanted[2:])


def foreign(keys: Iterable[str]) -> str | None:
    """Who wrote names that are not timm's, where it shows.

    Example:
        >>> foreign(["features.3.squeeze.weight"])
        'torchvision SqueezeNet'
    """
    names = list(keys)
    return next((who for pattern, who in _FOREIGN if any(re.search(pattern, key) for key in names)), None)


def candidates(keys: Iterable[str], stem: str) -> list[str]:
    """Encoders that a file may hold, from its name and the names in it; the likeliest first."""
    from lamelle.models.families import encoder_names

    names = list(keys)
    likely = [stem.split(".")[0].split("-")[0]]
    for pattern, family in _FAMILIES:
        if any(re.search(pattern, key) for key in names):
            likely.extend(family)
    available = set(encoder_names())
    return [name for name in dict.fromkeys(likely) if name in available]


def likeness(stored: Mapping[str, tuple[str, Tensor]], wanted: Shapes) -> float:
    """Tensors that a file (as ``unwrap`` gives it) and an architecture share, as a part of all of both (0 to 1)."""
    names = {canonical(key): shape for key, shape in wanted.items()}
    shared = sum(1 for key, shape in names.items() if key in stored and fits(tuple(stored[key][1].shape), shape))
    return shared / max(len(stored.keys() | names.keys()), 1)
