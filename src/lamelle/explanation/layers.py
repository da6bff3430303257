"""Where in a network a map can be taken: layers whose output still has places in the image.

Nothing is known of families here: the layers are found by letting an image pass, whatever the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lamelle.errors import RequestError
from lamelle.models.blocks import fit
from lamelle.models.freezable import Freezable

MIN_GRID = 4
"""Cells along each edge of a plane below which a layer is too coarse to be chosen, while there is a finer one."""
_PREFIX = 16
"""Most tokens without a place (class, registers) in front of the patches."""
_STRETCH = 1.5
"""By how much a plane's two edges may be reduced differently; rounding on small grids needs some."""
_NAMED = 16


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer whose output [N, ...] can be seen as a grid [N, C, (Z,) Y, X]."""

    name: str
    """As ``get_submodule`` takes it."""
    form: Literal["first", "last", "tokens"]
    """Where the channels stand; ``tokens``: [N, prefix + places, C]."""
    grid: tuple[int, ...]

    def gridded(self, output: Tensor) -> Tensor:
        """The output as a grid [N, C, (Z,) Y, X]."""
        if self.form == "first":
            return output
        if self.form == "last":
            return output.movedim(-1, 1)
        places = output[:, -torch.Size(self.grid).numel() :]
        return places.movedim(-1, 1).unflatten(2, self.grid)

    def restored(self, grid: Tensor, output: Tensor) -> Tensor:
        """The output with another grid in it."""
        if self.form == "first":
            return grid
        if self.form == "last":
            return grid.movedim(1, -1)
        places = grid.flatten(2).movedim(1, -1)
        return torch.cat((output[:, : output.shape[1] - places.shape[1]], places), dim=1)


def padded(model: Freezable, batch: Tensor) -> Tensor:
    """A batch [N, C, (Z,) Y, X] as the network pads it itself, so that a grid covers all of it."""
    if not model.multiple or model.image_size:
        return batch
    return fit(batch, multiple=model.multiple, least=model.least)


@contextmanager
def tapped(model: nn.Module, layer: Layer) -> Iterator[nn.Module]:
    """A module through which the layer's grid passes while the context lasts."""
    tap = nn.Identity()

    def through(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        return layer.restored(tap(layer.gridded(output)), output)

    handle = model.get_submodule(layer.name).register_forward_hook(through)
    try:
        yield tap
    finally:
        handle.remove()


def candidates(model: Freezable, answer: Callable[[Tensor], Tensor], inputs: Tensor) -> list[Layer]:
    """Layers with places whose places count for the answer, in the order an image passes them.

    What is inside an attention block is left out: there places are mixed.

    Args:
        answer: From inputs to one number each [N]; runs ``model``.
        inputs: One prepared image [1, C, (Z,) Y, X].
    """
    seen: list[tuple[Layer, Tensor]] = []
    handles = []
    for name, module in model.named_modules():
        if not name or any("attn" in part for part in name.split(".")):
            continue

        def note(_module: nn.Module, _inputs: object, output: object, name: str = name) -> None:
            if isinstance(output, Tensor) and output.is_floating_point() and output.requires_grad:
                form = _form(tuple(output.shape), tuple(inputs.shape[2:]), model.image_multiple)
                if form is not None:
                    seen.append((Layer(name, *form), output))

        handles.append(module.register_forward_hook(note))
    try:
        with torch.enable_grad():
            value = answer(inputs.detach().clone().requires_grad_(True)).sum()
    finally:
        for handle in handles:
            handle.remove()
    if not seen:
        return []
    slopes = torch.autograd.grad(value, [output for _, output in seen], allow_unused=True)
    pairs = zip(seen, slopes, strict=True)
    return [layer for (layer, _), slope in pairs if slope is not None and bool(layer.gridded(slope).any())]


def choose(layers: Sequence[Layer], *, wanted: str | None, spatial: bool) -> Layer:
    """The layer to take the map from: the one wanted for, else the last one; of a segmenter, its coarsest.

    Args:
        wanted: Name of a layer.
        spatial: Whether the network's output is an image: then the last layers say where, and the coarsest says why.

    Raises:
        RequestError: If there is no such layer, or none with places at all.

    Example:
        >>> seen = [Layer("a", "first", (8, 8)), Layer("b", "first", (4, 4)), Layer("c", "first", (1, 1))]
        >>> choose(seen, wanted=None, spatial=False).name, choose(seen, wanted="a", spatial=False).name
        ('b', 'a')

    Reference: for segmenters Vinogradova et al. (2020), doi:10.1609/aaai.v34i10.7244
    """
    if not layers:
        raise RequestError("explain.no_places")
    if wanted is not None:
        for layer in layers:
            if layer.name == wanted:
                return layer
        names = sorted({layer.name for layer in layers}, key=lambda name: (name.count("."), name))
        more = ", …" if len(names) > _NAMED else ""
        raise RequestError("explain.no_layer", layer=wanted, known=", ".join(names[:_NAMED]) + more)
    fine = [layer for layer in layers if min(layer.grid[-2:]) >= MIN_GRID] or list(layers)
    if spatial:
        coarsest = min(torch.Size(layer.grid).numel() for layer in fine)
        fine = [layer for layer in fine if torch.Size(layer.grid).numel() == coarsest]
    return fine[-1]


def _form(
    shape: tuple[int, ...], size: tuple[int, ...], patch: Sequence[int] | None
) -> tuple[Literal["first", "last", "tokens"], tuple[int, ...]] | None:
    """How an output of this shape stands for an image of this size (Z,) Y, X; None if it does not."""
    if len(shape) == len(size) + 2:
        if _reduces(shape[2:], size):
            return "first", shape[2:]
        if _reduces(shape[1:-1], size):
            return "last", shape[1:-1]
    elif len(shape) == 3 and patch is not None:
        grid = tuple(n // p for n, p in zip(size, patch, strict=True))
        if 0 <= shape[1] - torch.Size(grid).numel() <= _PREFIX:
            return "tokens", grid
    return None


def _reduces(grid: Sequence[int], size: Sequence[int]) -> bool:
    """Whether a grid may be an image of this size, reduced alike along both edges of a plane."""
    if any(g > n for g, n in zip(grid, size, strict=True)) or min(grid[-2:]) < 2:
        return False
    y, x = (n / g for g, n in zip(grid[-2:], size[-2:], strict=True))
    return max(y, x) <= _STRETCH * min(y, x)
