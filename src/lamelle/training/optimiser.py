"""What the optimiser works on: parameters in groups, each with its share of the learning rate; and their average."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lamelle.training.options import Train

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from lamelle.models.freezable import Freezable


def make_optimizer(model: Freezable, keys: Train) -> torch.optim.Optimizer:
    """The optimiser over what is trainable; norms and biases are not decayed.

    Each group has a ``scale``: its share of the learning rate, ``layer_decay`` to the power of its stage counted from
    the head (discriminative learning rates).

    Reference: Howard and Ruder (2018), doi:10.18653/v1/P18-1031
    """
    import torch

    stages = [[name for name, _ in model.named_parameters()]]
    if keys.layer_decay < 1:
        from lamelle.models.freeze import parameter_stages

        stages = parameter_stages(model)
    known = dict(model.named_parameters())
    groups: list[dict[str, list[nn.Parameter] | float]] = []
    for index, names in enumerate(stages):
        learning = [known[name] for name in names if known[name].requires_grad]
        scale = keys.layer_decay**index
        groups += [
            {"params": [p for p in learning if p.ndim > 1], "weight_decay": keys.weight_decay, "scale": scale},
            {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0, "scale": scale},
        ]
    groups = [g for g in groups if g["params"]]
    if keys.optimizer == "sgd":  # not fused: that fails when a parameter begins to learn later than others
        return torch.optim.SGD(groups, lr=keys.lr, momentum=keys.momentum)
    fused = keys.precision != "16"  # with loss scaling, a fused step would unscale what was clipped before
    kind = torch.optim.Adam if keys.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=keys.lr, fused=fused)


class Average:
    """The exponential moving average of a network's weights and statistics.

    It follows quickly at first, so that the random start is forgotten: the decay is at most (1 + t) / (10 + t) after
    step t.

    Args:
        decay: Share of the average that stays at each step.
        tensors: Where it stood, from a checkpoint; None = the network as it is.

    Reference: Polyak and Juditsky (1992), doi:10.1137/0330046
    """

    def __init__(self, model: nn.Module, decay: float, tensors: Mapping[str, Tensor] | None) -> None:
        self._decay = decay
        self._tensors = {k: v.detach().clone() for k, v in model.state_dict().items()}
        if tensors:
            for key, value in tensors.items():
                self._tensors[key].copy_(value)

    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after ``step`` steps."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for key, value in model.state_dict().items():
            if value.is_floating_point():
                self._tensors[key].lerp_(value.detach(), 1 - decay)
            else:
                self._tensors[key].copy_(value)

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """The network has the averaged weights within this context."""
        own = {k: v.detach().clone() for k, v in model.state_dict().items()}
        model.load_state_dict(self._tensors)
        try:
            yield
        finally:
            model.load_state_dict(own)

    def tensors(self) -> dict[str, Tensor]:
        """A copy in main memory, for a checkpoint."""
        return {k: v.cpu().contiguous().clone() for k, v in self._tensors.items()}
