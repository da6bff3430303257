"""Do batch norms keep the statistics that their network was trained with? Measured on training images.

In training a batch norm uses the mean and variance of its batch; in validation and prediction those that it has kept, a
running average. Where that average lags behind, the same network is right about the same images in one mode and wrong
in the other.

Reference: Ioffe and Szegedy (2015), arXiv:1502.03167
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from lamelle import plan as plans
from lamelle.data.store import Store
from lamelle.doctor.facts import Measured
from lamelle.errors import LamelleError
from lamelle.package import load
from lamelle.prediction.predictor import Predictor, of_package
from lamelle.run import RunFolder

if TYPE_CHECKING:
    from torch import nn
    from torch.nn.modules.batchnorm import _BatchNorm

_IMAGES = 128
"""Training images that are looked at, evenly spread."""


def measure(run: RunFolder, store: Store) -> Measured | None:
    """Compare both kinds of statistics on training images of a finished classifier.

    Returns:
        None if there is nothing to compare: no model, no data, no batch norm that learnt, or images of their own sizes.
    """
    try:
        plan, package = plans.reopen(run), load(run.path)
    except LamelleError:
        return None
    if package.task.spatial or package.preparation.resize is None:
        return None
    norms = _learning(package.model, plan.recipe.model)
    training = plan.of("train")
    if not norms or not training:
        return None
    places = np.linspace(0, len(training) - 1, min(_IMAGES, len(training))).round().astype(int)
    # in an order of chance, since a batch of one class has statistics of its own
    places = np.random.default_rng(0).permutation(np.unique(places))
    predictor = of_package(package)
    right: dict[str, list[bool]] = {"stored": [], "batch": []}
    shifts: list[np.ndarray] = []
    for records, inputs in predictor.inputs([training[i] for i in places], store):
        targets = [package.task.read_target(record, store) for record in records]
        right["stored"] += _right(predictor, inputs, targets)
        with _Batch(norms, shifts):
            right["batch"] += _right(predictor, inputs, targets)
    share = {name: float(np.mean(found)) for name, found in right.items()}
    return Measured(len(places), share["stored"], share["batch"], float(np.median(np.concatenate(shifts))))


def _right(predictor: Predictor, inputs: np.ndarray, targets: Sequence[np.ndarray]) -> list[bool]:
    """Whether each image is answered right."""
    found = predictor.run(inputs)
    rows = [predictor.task.row(p, t, {}) for p, t in zip(found, targets, strict=True)]
    return [row["chosen"] == row["truth"] for row in rows]


def _learning(model: nn.Module, keys: Any) -> list[_BatchNorm]:
    """Batch norms that used the statistics of their batches in training."""
    from torch.nn.modules.batchnorm import _BatchNorm

    from lamelle.models.freeze import Freezable, freeze_encoder, set_batch_norm

    network = cast("Freezable", model)
    if (depth := getattr(keys, "freeze", None)) is not None:
        freeze_encoder(network, depth)
        set_batch_norm(network, momentum=None, frozen_statistics=getattr(keys, "bn_frozen", False))
    network.train()
    found = [part for part in network.modules() if isinstance(part, _BatchNorm) and part.training]
    network.eval()
    return [part for part in found if part.running_mean is not None]


class _Batch:
    """While entered, batch norms take the statistics of what they get, whatever mode the network is in.

    What they have kept is not touched; how far it lies from the batch is noted.
    """

    def __init__(self, norms: Sequence[_BatchNorm], shifts: list[np.ndarray]) -> None:
        self._norms, self._shifts = norms, shifts
        self._handles: list[Any] = []

    def __enter__(self) -> None:
        self._handles = [norm.register_forward_hook(self._again) for norm in self._norms]

    def _again(self, norm: Any, given: Any, _: Any) -> Any:
        from torch.nn.functional import batch_norm

        values = given[0]
        axes = [axis for axis in range(values.ndim) if axis != 1]
        mean, deviation = values.float().mean(axes), values.float().std(axes, unbiased=False)
        shift = (norm.running_mean - mean).abs() / (deviation + norm.eps)
        self._shifts.append(shift.cpu().numpy())
        result = batch_norm(values, None, None, norm.weight, norm.bias, training=True, eps=norm.eps)
        for name in ("drop", "act"):  # timm's norms end in an activation of their own
            part = getattr(norm, name, None)
            result = part(result) if part is not None else result
        return result

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()
