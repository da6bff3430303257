"""Do batch norms keep the statistics that their network was trained with? Measured on training images.

In training a batch norm uses the mean and variance of its batch; in validation and prediction those that it has kept, a
running average. Where that average lags behind, the same network is right about the same images in one mode and wrong
in the other.

Reference: Ioffe and Szegedy (2015), arXiv:1502.03167
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from lamelle.data.store import Store
from lamelle.models.options import Network
from lamelle.prediction.package import Package
from lamelle.prediction.predictor import Predictor, of_package
from lamelle.results.baseline import NormCheck
from lamelle.types import Record

if TYPE_CHECKING:
    from torch.nn.modules.batchnorm import _BatchNorm

    from lamelle.models.freezable import Freezable

_IMAGES = 128
"""Training images that are looked at, evenly spread."""


def check_norms(package: Package, training: Sequence[Record], store: Store) -> NormCheck | None:
    """Compare both kinds of statistics on training images of a classifier.

    Args:
        training: Records of its training set.

    Returns:
        None if there is nothing to compare: no batch norm that learnt, no images, or images of their own sizes.
    """
    options = package.architecture.options
    if not training or not options.learns_statistics or not (predictor := of_package(package)).stacks:
        return None
    norms = _learning(package.model, options)
    if not norms:
        return None
    places = np.linspace(0, len(training) - 1, min(_IMAGES, len(training))).round().astype(int)
    # in an order of chance, since a batch of one class has statistics of its own
    places = np.random.default_rng(0).permutation(np.unique(places))
    stored: list[float] = []
    batch: list[float] = []
    shifts: list[np.ndarray] = []
    for records, inputs in predictor.inputs([training[i] for i in places], store):
        targets = [package.task.targets.read(record, store) for record in records]
        with _hooked(norms, _note(shifts)):
            stored += _right(predictor, inputs, targets)
        with _hooked(norms, _by_batch):
            batch += _right(predictor, inputs, targets)
    shift = float(np.median(np.concatenate(shifts)))
    return NormCheck(images=len(places), stored=float(np.mean(stored)), batch=float(np.mean(batch)), shift=shift)


def _right(predictor: Predictor, inputs: np.ndarray, targets: Sequence[np.ndarray]) -> list[float]:
    """Share of right answers about each image: 0 or 1, unless it may have several classes."""
    rows = [predictor.task.row(p, t) for p, t in zip(predictor.run(inputs), targets, strict=True)]
    return [float(np.mean(np.equal(row["chosen"], row["truth"]))) for row in rows]


def _learning(network: Freezable, options: Network) -> list[_BatchNorm]:
    """Batch norms that used the statistics of their batches in training."""
    from torch.nn.modules.batchnorm import _BatchNorm

    options.limit(network)
    network.train()
    norms = [part for part in network.modules() if isinstance(part, _BatchNorm) and part.training]
    network.eval()
    return [part for part in norms if part.running_mean is not None]


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
