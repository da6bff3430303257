"""A network of which parts are frozen: what ``freeze`` decides, and every network obeys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from lamelle.errors import RequestError


class Freezable(nn.Module):
    """A network with an ``encoder``; its frozen parts stay in evaluation mode whatever ``train()`` says."""

    frozen: tuple[str, ...] = ()
    """Names of the frozen parts: submodules, as ``get_submodule`` takes them, and single parameters."""
    frozen_statistics: bool = False
    """Whether all batch norms keep their statistics, also those whose weights learn."""
    encoder_name: str = "encoder"
    """Name of the submodule that a pretrained file fills and that freezing is about."""
    image_size: tuple[int, ...] | None = None
    """The only size of an image, if it takes no other."""
    image_multiple: tuple[int, ...] | None = None
    """Of what the sides of an image must be a multiple, if it does not pad."""
    multiple: tuple[int, ...] = ()
    """To what multiple the sides of an image are padded, in a network that gives maps and pools; else empty."""
    least: int = 1
    """To how many times that multiple at the least."""
    margin: tuple[int, ...] | None = None
    """Pixels at the rim of a window whose outputs may differ from those of a larger image; none = all may."""

    def train(self, mode: bool = True) -> Self:
        """Set the mode of every part that is not frozen; dropout and batch norm of frozen parts stay off."""
        super().train(mode)
        parts = [_part(self, name) for name in self.frozen]
        if self.frozen_statistics:
            parts += [part for part in self.modules() if isinstance(part, _BatchNorm)]
        for part in parts:
            if isinstance(part, nn.Module):
                part.eval()
        return self

    def freeze(self, names: Sequence[str]) -> None:
        """Freeze exactly these parts: the others learn again."""
        self.requires_grad_(True)
        self.frozen = tuple(names)
        for name in self.frozen:
            _part(self, name).requires_grad_(False)
        self.train(self.training)


def _part(module: nn.Module, name: str) -> nn.Module | nn.Parameter:
    owner, _, leaf = name.rpartition(".")
    return getattr(module.get_submodule(owner), leaf)


def expect_size(size: Sequence[int], wanted: Sequence[int] | None, *, name: str) -> None:
    """See that an image has the only size (Y, X) that a network takes; ``None`` takes any.

    Raises:
        RequestError: If it has another; the message gives both.
    """
    if wanted is not None and tuple(size) != tuple(wanted):
        expected, got = (" × ".join(map(str, s)) for s in (wanted, size))
        raise RequestError("models.size", name=name, wanted=expected, value=got)
