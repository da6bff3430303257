"""Whether a network takes images of a size, asked of the network itself: it is run once, forward and backward.

Asked of a sketch (`lamelle.models.build.sketch`), the answer takes no memory for weights or images, and little time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lamelle.errors import LamelleError
from lamelle.messages import text

if TYPE_CHECKING:
    from torch import Tensor, nn

FOREIGN = (
    *(RuntimeError, ValueError, TypeError, AssertionError, AttributeError, LookupError, ArithmeticError),
    LamelleError,
)
"""What a network of another library raises at a size that it does not take; they share no other base."""


def refusal(net: nn.Module, size: Sequence[int], *, channels: int, batch: int | None = None) -> str | None:
    """Why a network does not take images of a size; ``None`` if it does.

    Args:
        size: (Z,) Y, X.
        channels: Of the images.
        batch: Images of a training step, which is tried too: forward and backward. ``None``: only one image in
            evaluation is.

    Example:
        >>> from lamelle.models.build import Architecture, sketch
        >>> net = sketch(Architecture.model_validate({"options": "timm", "inputs": 1, "outputs": 2}))
        >>> refusal(net, (40, 33), channels=1, batch=2) is None
        True
        >>> refusal(net, (32, 32), channels=1, batch=1)
        'its layers do not fit together there'
    """
    import torch

    training = net.training
    like = next(net.parameters())

    def images(n: int) -> Tensor:
        formats = {2: torch.channels_last, 3: torch.channels_last_3d}
        made = torch.zeros(n, channels, *size, device=like.device, dtype=like.dtype)
        return made.contiguous(memory_format=formats[len(size)])

    try:
        with torch.no_grad():
            output = net.eval()(images(1))
        if output.ndim > 2 and tuple(output.shape[2:]) != tuple(size):
            return text("sizing.other_output", size=" × ".join(map(str, output.shape[2:])))
        if batch is not None:
            given = net.train()(images(batch))
            outputs = given if isinstance(given, list | tuple) else [given]
            torch.stack([output.sum() for output in outputs]).sum().backward()
    except LamelleError as error:
        return str(error).split(";")[0].strip()  # without the cure, which is for who has the images in hand
    except FOREIGN:  # says in its own words what no user can read
        return text("sizing.foreign")
    finally:
        net.train(training)
        net.zero_grad(set_to_none=True)
    return None
