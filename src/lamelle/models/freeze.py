"""Which part of a network learns: frozen parts keep their weights and their batch-norm statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from torch import nn

from lamelle.errors import RequestError

DEPTHS = ("none", "head")


class Freezable(nn.Module):
    """A network with an ``encoder``; its frozen parts stay in evaluation mode whatever ``train()`` says."""

    frozen: tuple[str, ...] = ()
    """Names of the frozen submodules, as ``get_submodule`` takes them."""
    encoder_name: str = "encoder"
    """Name of the submodule that a pretrained file fills and that freezing is about."""

    def train(self, mode: bool = True) -> Self:
        """Set the mode of every part that is not frozen; dropout and batch norm of frozen parts stay off."""
        super().train(mode)
        for name in self.frozen:
            self.get_submodule(name).eval()
        return self

    def freeze(self, names: Sequence[str]) -> None:
        """Freeze exactly these submodules: the others learn again."""
        self.requires_grad_(True)
        self.frozen = tuple(names)
        for name in self.frozen:
            self.get_submodule(name).requires_grad_(False)
        self.train(self.training)


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of parameters."""

    trainable: int
    total: int
    """Weights and biases, without the statistics of batch norms."""


def parameters(module: nn.Module) -> Counts:
    """How many parameters a network has, and how many of them learn.

    Example:
        >>> parameters(nn.Linear(3, 2))
        Counts(trainable=8, total=8)
    """
    sizes = [(p.numel(), p.requires_grad) for p in module.parameters()]
    return Counts(trainable=sum(n for n, learns in sizes if learns), total=sum(n for n, _ in sizes))


def freeze_encoder(module: Freezable, depth: str) -> Counts:
    """Freeze the encoder (``head``: only what follows it learns) or nothing (``none``).

    Returns:
        How many parameters are left to learn.

    Raises:
        RequestError: If the depth is unknown.
    """
    if depth not in DEPTHS:
        raise RequestError("models.freeze", value=depth, known=", ".join(DEPTHS))
    module.freeze([module.encoder_name] if depth == "head" else [])
    return parameters(module)
