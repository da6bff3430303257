"""A network as plain data in, a network with random weights out.

Example:
    >>> net = build(Architecture.model_validate({"options": {"kind": "unet", "filters": [4, 8], "norm": "none"},
    ...                                          "inputs": 1, "outputs": 1}))
    >>> sum(p.numel() for p in net.parameters())
    1645
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from lamelle.errors import RequestError
from lamelle.models.options import MODELS, Channels, Network, Width
from lamelle.options import Options

if TYPE_CHECKING:
    from lamelle.models.freezable import Freezable

MAX_PARAMETERS = 1_000_000_000


class Architecture(Options):
    """A network as ``model.json`` holds it: what was chosen, and what follows from the data."""

    options: Annotated[Network, MODELS.union()]
    inputs: Channels
    """Channels of an image."""
    outputs: Width
    """Channels of the output."""
    dims: Literal[2, 3] = 2
    """Axes of an image."""
    size: Annotated[tuple[Annotated[int, Field(ge=8, le=4096)], ...], Field(min_length=2, max_length=2)] | None = None
    """The only size (Y, X) of an image, where it is built for one."""


def build(architecture: Architecture) -> Freezable:
    """The network with random weights.

    Raises:
        RequestError: As ``sketch``.
    """
    sketch(architecture)
    return _made(architecture)


def sketch(architecture: Architecture) -> Freezable:
    """The network without memory for its weights: names, shapes, and what it does to sizes.

    Raises:
        RequestError: If options and data do not fit together, there is no such encoder, it does not fit the kind of
            network, or the network would have over a thousand million parameters.

    Example:
        >>> net = sketch(Architecture.model_validate({"options": "timm", "inputs": 1, "outputs": 2}))
        >>> net.state_dict()["head.1.weight"].shape, net.state_dict()["head.1.weight"].device.type
        (torch.Size([2, 512]), 'meta')
    """
    import torch

    with torch.device("meta"):
        net = _made(architecture)
    total = sum(tensor.numel() for tensor in (*net.parameters(), *net.buffers()))
    if total > MAX_PARAMETERS:
        raise RequestError("models.too_large", total=total, limit=MAX_PARAMETERS)
    return net


def _made(architecture: Architecture) -> Freezable:
    if architecture.dims not in architecture.options.dims:
        fitting = [
            k
            for k, row in MODELS.items()
            if row.output == architecture.options.output and architecture.dims in row.dims
        ]
        values = {"kind": architecture.options.kind, "dims": architecture.dims, "fitting": ", ".join(fitting) or "–"}
        raise RequestError("models.dims", **values)
    return architecture.options.build(
        inputs=architecture.inputs, outputs=architecture.outputs, dims=architecture.dims, size=architecture.size
    )
