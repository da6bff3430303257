"""Networks from a few words."""

from __future__ import annotations

from typing import Any

from lamelle.models.build import Architecture, build
from lamelle.models.freezable import Freezable


def architecture(
    kind: str, *, inputs: int = 1, outputs: int = 2, dims: int = 2, size: tuple[int, ...] | None = None, **options: Any
) -> Architecture:
    """The options of a kind of network, and what follows from the data."""
    data = {"inputs": inputs, "outputs": outputs, "dims": dims, "size": size}
    return Architecture.model_validate({"options": {"kind": kind, **options}, **data})


def network(kind: str, **more: Any) -> Freezable:
    """A network of that kind; see `architecture`."""
    return build(architecture(kind, **more))
