"""Pretrained weights from local files into encoders: never a download, never a silent random start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from lamelle.errors import FileError, RequestError, printable
from lamelle.models import weight_names

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lamelle.models.encoders import TimmClassifier, TimmUNet

_HEADS = ("fc", "classifier", "head", "head_dist", "last_linear", "top", "pre_logits")
_SHOWN = 5
_NEAREST = 0.5


@dataclass(frozen=True, slots=True)
class WeightReport:
    """What a weight file gave: names of the encoder's tensors, in the file's spelling for ``unexpected``."""

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    """Of the encoder, not in the file: only counters of batch norms, or the load is an error."""
    unexpected: tuple[str, ...]
    """In the file, not of the encoder: its classifier, which is replaced, and layers after the pyramid of a U-Net."""
    adapted: tuple[str, ...]
    """First convolutions converted to the number of channels, position embeddings to the size of the image."""
    licence: str | None
    """As the file says, else that of the weights that timm publishes under the encoder's name."""
    origin: str | None
    """Where the file says that it is from; ``None`` where it does not: then it need not be timm's."""


def find_weights(name: str, *, file: Path | None, home: Path) -> Path:
    """The weight file for an encoder: the one given, else ``<home>/weights/<name>.safetensors``.

    Raises:
        RequestError: If there is none; the message says how to get it and where to put it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     find_weights("resnet18", file=None, home=Path(folder))
        Traceback (most recent call last):
        lamelle.errors.RequestError: no pretrained weights for 'resnet18' ...
    """
    if file is not None:
        if not file.is_file():
            raise RequestError("models.weights_absent", value=printable(str(file)))
        return file
    place = home / "weights" / f"{name}.safetensors"
    if place.is_file():
        return place
    hub, licence = published(name)
    if hub is None:
        raise RequestError("models.weights_unpublished", name=name, place=place)
    raise RequestError("models.weights_needed", name=name, place=place, hub=hub, licence=licence or "?")


def published(name: str) -> tuple[str | None, str | None]:
    """Where timm's default weights of an architecture are published on the Hugging Face hub, and their licence.

    Example:
        >>> published("resnet18")
        ('timm/resnet18.a1_in1k', 'apache-2.0')
    """
    import timm

    config = timm.get_pretrained_cfg(name, allow_unregistered=True)
    if config is None or not config.hf_hub_id:
        return None, None
    hub = config.hf_hub_id
    if hub.endswith("/"):  # timm completes its own organisation with architecture and tag
        hub = f"{hub}{name}.{config.tag}" if config.tag else f"{hub}{name}"
    return hub, config.license


def licence(name: str) -> str | None:
    """Licence of the weights that timm publishes for an architecture, where it knows.

    Example:
        >>> licence("vit_small_patch16_dinov3")
        'dinov3-license'
    """
    return published(name)[1]


def load_encoder_weights(module: TimmClassifier | TimmUNet, path: Path) -> WeightReport:
    """Fill the encoder of a network from a safetensors file; its head or decoder stays as it is.

    Names may be timm's (with or without classifier, or of a features-only net), those of a network of
    segmentation-models-pytorch or of Lamelle, or torchvision's for ResNet, ResNeXt, DenseNet, VGG, SqueezeNet,
    MobileNetV2, EfficientNet b0 to b4 and ConvNeXt. The name of the file does not matter: its tensors are matched by
    name and shape, so that any training of an architecture loads (``vit_small_patch16_224.dino`` as well as timm's
    default). Half precision becomes float32. A first convolution of another number of channels (``adapt_input``) and a
    position embedding of another size of image (``adapt_positions``) are adapted.

    Raises:
        RequestError: If the network has no encoder of timm, the file is not safetensors, or it does not hold all of
            this architecture and nothing but it; the nearest architecture is named. Nothing was loaded then.
        FileError: If the file is damaged or has values that are not finite.
    """
    import torch

    target = getattr(module, "timm_encoder", None)
    if target is None:
        raise RequestError("models.weights_kind", value=type(module).__name__)
    parts = match(read(path), target, module.name, path)
    with torch.no_grad():
        state = target.state_dict()
        for key, tensor in parts.tensors.items():
            state[key].copy_(tensor)
    return parts.report


def metadata(path: Path) -> dict[str, str]:
    """What a safetensors file says about itself."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}


@dataclass(frozen=True, slots=True)
class EncoderWeights:
    """The tensors of a file, matched to an encoder."""

    tensors: Mapping[str, Tensor]
    """By name in the encoder, as it takes them."""
    report: WeightReport


def read(path: Path) -> dict[str, Tensor]:
    """Every tensor of a safetensors file; half precision as float32.

    Raises:
        RequestError: If it is not safetensors.
        FileError: If it is damaged, unreadable, or has values that are not finite.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix.lower() != ".safetensors":
        other = printable(str(path.with_suffix(".safetensors")))
        raise RequestError("models.weights_format", value=printable(str(path)), other=other)
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise FileError("models.weights_damaged", path, reason=error) from error
    except OSError as error:
        raise FileError("models.weights_unreadable", path, reason=error.strerror or error) from error
    tensors = {key: t.float() if t.is_floating_point() else t for key, t in tensors.items()}
    for key, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise FileError("models.weights_not_finite", path, tensor=key)
    return tensors


def match(tensors: Mapping[str, Tensor], target: nn.Module, name: str, path: Path) -> EncoderWeights:
    """Give every tensor of the encoder its tensor of the file, or say why that cannot be.

    Raises:
        RequestError: If the file does not hold all of this architecture and nothing but it.
    """
    from lamelle.models.encoders import adapt_input, adapt_positions, reference

    whole = reference(name)
    stored, outside = _named(tensors, _shapes(whole), name)
    state = target.state_dict()
    missing = tuple(key for key in state if weight_names.canonical(key) not in stored)
    wanted = {weight_names.canonical(key) for key in state}
    full = {weight_names.canonical(key) for key in _shapes(whole)}
    unexpected = [key for key in stored if key not in wanted]
    inputs = _first_convs(whole)
    taken: dict[str, Tensor] = {}
    adapted, wrong = [], []
    for key, own in state.items():
        if weight_names.canonical(key) not in stored:
            continue
        tensor = stored[weight_names.canonical(key)][1]
        same = tensor.shape == own.shape
        first = weight_names.canonical(key).removesuffix("_weight") in inputs
        if not same and first and weight_names.fits(tuple(tensor.shape), tuple(own.shape)):
            tensor = adapt_input(tensor, own.shape[1])
            adapted.append(key)
        elif not same and key == "pos_embed" and (resized := adapt_positions(tensor, target)) is not None:
            tensor = resized
            adapted.append(key)
        elif not same:
            wrong.append(key)
        taken[key] = tensor
    lost = weight_names.learned(missing)
    strangers = [stored[key][0] for key in unexpected if key not in full and not _is_head(key, whole)]
    if lost or strangers or wrong:
        raise _mismatch(tensors, name, path, missing=lost, unexpected=strangers, wrong=wrong)
    others = (*(stored[key][0] for key in unexpected), *outside)
    about = metadata(path)
    terms = about.get("licence") or about.get("license") or licence(name)
    return EncoderWeights(
        taken, WeightReport(tuple(taken), missing, others, tuple(adapted), terms, about.get("origin"))
    )


@lru_cache(maxsize=64)
def _reference_shapes(name: str) -> dict[str, tuple[int, ...]]:
    from lamelle.models.encoders import reference

    return _shapes(reference(name))


def _mismatch(tensors: Mapping[str, Tensor], name: str, path: Path, **faults: list[str]) -> RequestError:
    """The error for a file that is not this architecture: the one it looks like, or who wrote it."""
    near, most = name, 0.0
    for candidate in [name, *weight_names.candidates(tensors, path.name)]:
        shapes = _reference_shapes(candidate)
        like = weight_names.likeness(_named(tensors, shapes, candidate)[0], shapes)
        if like > most:
            near, most = candidate, like
    values: dict[str, object] = {"value": printable(str(path)), "name": name}
    if near != name and most > _NEAREST:
        return RequestError("models.weights_other", **values, near=near, share=round(100 * most))
    who = weight_names.foreign(tensors)
    if who is not None:
        return RequestError("models.weights_layout", **values, layout=who)
    for fault, keys in faults.items():
        values |= {fault: printable(", ".join(keys[:_SHOWN])) or "–", f"{fault}_count": len(keys)}
    return RequestError("models.weights_mismatch", **values)


def _named(
    tensors: Mapping[str, Tensor], shapes: weight_names.Shapes, name: str
) -> tuple[dict[str, tuple[str, Tensor]], list[str]]:
    """The file's tensors by the encoder's canonical names, each with the file's own; and the names of the others."""
    return weight_names.unwrap(weight_names.from_torchvision(tensors, shapes, name) or tensors, shapes)


def _shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(t.shape) for key, t in module.state_dict().items()}


def _first_convs(module: nn.Module) -> set[str]:
    first = module.pretrained_cfg.get("first_conv") or ()  # type: ignore[union-attr, operator]
    return {weight_names.canonical(key) for key in ([first] if isinstance(first, str) else first)}


def _is_head(key: str, module: nn.Module) -> bool:
    named = module.pretrained_cfg.get("classifier") or ()  # type: ignore[union-attr, operator]
    heads = {weight_names.canonical(head) for head in ([named] if isinstance(named, str) else named)} | set(_HEADS)
    return any(key.startswith(f"{head}_") for head in heads)
