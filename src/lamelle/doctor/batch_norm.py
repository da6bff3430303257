"""Do batch norms keep the statistics that their network was trained with? Measured on training images.

In training a batch norm uses the mean and variance of its batch; in validation and prediction those that it has kept, a
running average. Where that average lags behind, the same network is right about the same images in one mode and wrong
in the other.

Reference: Ioffe and Szegedy (2015), arXiv:1502.03167
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from lamelle.data.store import Store
from lamelle.doctor.facts import Measured
from lamelle.errors import LamelleError
from lamelle.models.options import Network
from lamelle.prediction.predictor import Predictor, of_package
from lamelle.runs.folder import RunFolder
from lamelle.runs.model import load_model
from lamelle.runs.saved_plan import open_plan

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
        plan, package = open_plan(run), load_model(run.path)
    except LamelleError:
        return None
    if package.task.output == "map" or package.preparation.resize is None:
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
        targets = [package.task.targets.read(record, store) for record in records]
        with _hooked(norms, _note(shifts)):
            right["stored"] += _right(predictor, inputs, targets)
        with _hooked(norms, _by_batch):
            right["batch"] += _right(predictor, inputs, targets)
    share = {name: float(np.mean(found)) for name, found in right.items()}
    return Measured(len(places), share["stored"], share["batch"], float(np.median(np.concatenate(shifts))))


def _right(predictor: Predictor, inputs: np.ndarray, targets: Sequence[np.ndarray]) -> list[bool]:
    """Whether each image is answered right."""
    found = predictor.run(inputs)
    rows = [predictor.task.row(p, t, {}) for p, t in zip(found, targets, strict=True)]
    return [row["chosen"] == row["truth"] for row in rows]


def _learning(model: nn.Module, keys: Network) -> list[_BatchNorm]:
    """Batch norms that used the statistics of their batches in training."""
    from torch.nn.modules.batchnorm import _BatchNorm

    from lamelle.models.freezable import Freezable

    network = cast("Freezable", model)
    keys.limit(network)
    network.train()
    found = [part for part in network.modules() if isinstance(part, _BatchNorm) and part.training]
    network.eval()
    return [part for part in found if part.running_mean is not None]


@contextmanager
def _hooked(norms: Sequence[_BatchNorm], hook: Callable[..., Any]) -> Iterator[None]:
    """While entered, the hook hears what each batch norm gets and gives; what it returns goes on instead."""
    handles = [norm.register_forward_hook(hook) for norm in norms]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _note(shifts: list[np.ndarray]) -> Callable[..., None]:
    """A hook that notes how far what a norm keeps lies from what it gets [C], in standard deviations."""

    def note(norm: Any, given: Any, _: Any) -> None:
        values = given[0].float()
        axes = [axis for axis in range(values.ndim) if axis != 1]
        deviation = values.std(axes, unbiased=False)
        shifts.append(((norm.running_mean - values.mean(axes)).abs() / (deviation + norm.eps)).cpu().numpy())

    return note


def _by_batch(norm: Any, given: Any, _: Any) -> Any:
    """A hook that gives what the norm gives in training: by the statistics of the batch. What it keeps stays."""
    from torch.nn.functional import batch_norm

    result = batch_norm(given[0], None, None, norm.weight, norm.bias, training=True, eps=norm.eps)
    for name in ("drop", "act"):  # timm's norms end in an activation of their own
        part = getattr(norm, name, None)
        result = part(result) if part is not None else result
    return result
