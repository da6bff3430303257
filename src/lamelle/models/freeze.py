"""Which part of a network learns: frozen parts keep their weights and their batch-norm statistics."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from lamelle.errors import RequestError
from lamelle.models.freezable import Freezable
from lamelle.models.stages import encoder_stages, last_convs

STATISTICS = ("running_mean", "running_var")
"""Ends of the names of what batch norms measure."""
_STAGE = re.compile(r"stage:(\d{1,4})")


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of parameters."""

    trainable: int
    total: int
    """Weights and biases, without the statistics of batch norms."""
    statistics: int
    """Means and variances that batch norms keep: measured, not learnt; some libraries count them as parameters."""

    @property
    def with_statistics(self) -> int:
        return self.total + self.statistics


def parameters(module: nn.Module) -> Counts:
    """How many parameters a network has, and how many of them learn.

    Example:
        >>> parameters(nn.Linear(3, 2))
        Counts(trainable=8, total=8, statistics=0)
        >>> parameters(nn.BatchNorm2d(4)).with_statistics
        16
    """
    sizes = [(p.numel(), p.requires_grad) for p in module.parameters()]
    kept = (b.numel() for name, b in module.named_buffers() if name.rpartition(".")[2] in STATISTICS)
    return Counts(sum(n for n, learns in sizes if learns), sum(n for n, _ in sizes), sum(kept))


def freeze_encoder(module: Freezable, depth: str) -> Counts:
    """Freeze the encoder down to a depth; what follows the encoder always learns.

    Args:
        depth: ``none``: nothing is frozen; ``head``: the whole encoder is; ``last_conv``, ``last_two_convs``: of the
            encoder, only its last convolution(s) learn, each with its norm (``stages.LAST_CONVS`` names them; a
            depthwise convolution between them stays frozen); ``stage:N``: its last N stages learn, and what follows.

    Returns:
        How many parameters are left to learn.

    Raises:
        RequestError: If the depth is unknown, or this network has no such depth.

    Example:
        >>> from lamelle.models.encoders import TimmClassifier
        >>> net = TimmClassifier("resnet10t", in_channels=1, classes=2, hidden=(), dropout=0, arguments={})
        >>> freeze_encoder(net, "stage:1").trainable, freeze_encoder(net, "last_conv").trainable
        (3674114, 2361346)
    """
    if depth == "none":
        module.freeze([])
    elif depth == "head":
        module.freeze([module.encoder_name])
    else:
        module.freeze(list(_others(module, _learning(module, depth))))
    return parameters(module)


def parameter_stages(module: Freezable) -> list[list[str]]:
    """Names of all parameters by stage, from the head (index 0) down to the stem.

    The head is all that follows an encoder (the decoder of a U-Net); then come the encoder's stages from the last on,
    at the end its stem. A network without an encoder of timm or torchvision is one stage.

    Example:
        >>> from lamelle.models.encoders import TimmClassifier
        >>> net = TimmClassifier("resnet10t", in_channels=1, classes=2, hidden=(), dropout=0, arguments={})
        >>> [names[0] for names in parameter_stages(net)][:3]
        ['head.1.weight', 'encoder.layer4.0.conv1.weight', 'encoder.layer3.0.conv1.weight']
    """
    names = [name for name, _ in module.named_parameters()]
    groups = _encoder_stages(module)
    if groups is None:
        return [names]
    stem, stages = groups
    inside = {name for group in (stem, *stages) for name in group}
    return [group for group in ([n for n in names if n not in inside], *reversed(stages), stem) if group]


def unfreeze_to(module: Freezable, count: int, *, limit: Collection[str]) -> None:
    """Let the first ``count`` stages of ``parameter_stages`` learn and freeze the others (gradual unfreezing).

    The state before does not matter, so that a resumed run calls it with what its epoch says.

    Args:
        count: At least 1; more than there are is all of them.
        limit: ``module.frozen`` as ``freeze_encoder`` left it: these parts stay frozen.

    Example:
        >>> from lamelle.models.encoders import TimmClassifier
        >>> net = TimmClassifier("resnet10t", in_channels=1, classes=2, hidden=(), dropout=0, arguments={})
        >>> unfreeze_to(net, 1, limit=())
        >>> net.frozen
        ('encoder',)

    Reference: Howard and Ruder (2018), doi:10.18653/v1/P18-1031
    """
    names = {name for group in parameter_stages(module)[:count] for name in group}
    module.freeze(list(_others(module, {name for name in names if not covered(name, limit)})))


def set_batch_norm(module: Freezable, *, momentum: float | None, frozen_statistics: bool) -> None:
    """Say how batch norms outside the frozen parts behave in training.

    Those in frozen parts keep their statistics in any case; they follow this once they are unfrozen.

    Args:
        momentum: Share of a batch in the running statistics, from 0 to 1; PyTorch's convention, in which Keras' 0.99 is
            0.01. None = as the network has it.
        frozen_statistics: Whether they use and keep the statistics they have, while their weights learn.

    Example:
        >>> from lamelle.models.encoders import TimmClassifier
        >>> net = TimmClassifier("resnet10t", in_channels=1, classes=2, hidden=(), dropout=0, arguments={})
        >>> set_batch_norm(net, momentum=0.01, frozen_statistics=True)
        >>> net.train().encoder.layer1[0].bn1.training
        False
    """
    for part in module.modules():
        if isinstance(part, _BatchNorm) and momentum is not None:
            part.momentum = momentum
    module.frozen_statistics = frozen_statistics
    module.train(module.training)


def covered(name: str, parts: Collection[str]) -> bool:
    """Whether a parameter is one of the parts, or in one of them.

    Example:
        >>> covered("encoder.bn1.weight", ["encoder.bn1"]), covered("encoder.bn11.weight", ["encoder.bn1"])
        (True, False)
    """
    return any(name == part or name.startswith(f"{part}.") for part in parts)


def _learning(module: Freezable, depth: str) -> set[str]:
    """Names of the parameters that learn at this depth of the encoder."""
    head = {name for name, _ in module.named_parameters() if not covered(name, [module.encoder_name])}
    groups = _encoder_stages(module)
    if groups is None or not groups[1]:
        raise RequestError("models.freeze", value=depth, known="none, head")
    stages, name = groups[1], getattr(module, "name", type(module).__name__)
    if number := _STAGE.fullmatch(depth):
        if not 1 <= int(number[1]) <= len(stages):
            raise RequestError("models.freeze_stages", value=depth, name=name, count=len(stages))
        return head.union(*stages[-int(number[1]) :])
    if depth not in ("last_conv", "last_two_convs"):
        raise RequestError("models.freeze", value=depth, known="none, head, last_conv, last_two_convs, stage:N")
    convs = last_convs(module.get_submodule(module.encoder_name))
    if convs is None:
        raise RequestError("models.freeze_family", value=depth, name=name, count=len(stages))
    last, before = ({f"{module.encoder_name}.{key}" for key in conv} for conv in convs)
    return head | last | (before if depth == "last_two_convs" else set())


def _encoder_stages(module: Freezable) -> tuple[list[str], list[list[str]]] | None:
    """Stem and stages of the encoder by the names of the whole network; None where stages are not known."""
    encoder = getattr(module, "timm_encoder", None)
    if not isinstance(encoder, nn.Module):
        return None
    from lamelle.models.encoders import TimmClassifier, reference

    whole = encoder if isinstance(module, TimmClassifier) else reference(str(module.name))
    prefix = next(name for name, part in module.named_modules() if part is encoder)
    stem, stages = encoder_stages(encoder, whole)
    return [f"{prefix}.{key}" for key in stem], [[f"{prefix}.{key}" for key in group] for group in stages]


def _others(module: nn.Module, learning: Collection[str], prefix: str = "") -> Iterator[str]:
    """The largest parts that hold nothing that learns; parts without weights count where their neighbours differ."""
    if learning and all(name in learning for name, _ in module.named_parameters(prefix)):
        return
    yield from (name for name, _ in module.named_parameters(prefix, recurse=False) if name not in learning)
    for key, child in module.named_children():
        path = f"{prefix}.{key}" if prefix else key
        if any(name in learning for name, _ in child.named_parameters(path)):
            yield from _others(child, learning, path)
        else:
            yield path
