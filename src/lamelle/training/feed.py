"""What the loop is fed with: images, augmented on the device; or the features of a frozen backbone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lamelle.data.augment.apply import apply
from lamelle.data.augment.options import Augment
from lamelle.data.augment.parameters import sample
from lamelle.data.samples import Batch, EpochOrder, Samples
from lamelle.prediction.predictor import Predictor
from lamelle.types import Record

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class Feed(Protocol):
    """Training batches and validation outputs, and the network that takes the one and gives the other."""

    @property
    def learner(self) -> nn.Module:
        """The network, or the part of it that follows what is fed."""
        ...

    def __len__(self) -> int:
        """Positions of an epoch."""
        ...

    def order(self, epoch: int) -> EpochOrder:
        """What stands at each position of an epoch."""
        ...

    def batch(self, epoch: int, positions: Sequence[int], order: EpochOrder) -> Batch:
        """Read the samples at some positions; called by threads."""
        ...

    def inputs(self, batch: Batch, device: torch.device) -> tuple[Tensor, Tensor]:
        """What the learner takes, and the targets."""
        ...

    def validated(self) -> Iterator[tuple[Record, np.ndarray]]:
        """Each validation record with its probabilities."""
        ...


class Images:
    """Images, each changed by parameters of its own."""

    def __init__(
        self, samples: Samples, augmentation: Augment, predictor: Predictor, validation: Sequence[Record]
    ) -> None:
        self._samples, self._augmentation = samples, augmentation
        self._predictor, self._validation = predictor, validation
        self.learner = predictor.model

    def __len__(self) -> int:
        return len(self._samples)

    def order(self, epoch: int) -> EpochOrder:
        return self._samples.order(epoch)

    def batch(self, epoch: int, positions: Sequence[int], order: EpochOrder) -> Batch:
        return self._samples.batch(epoch, positions, order)

    def inputs(self, batch: Batch, device: torch.device) -> tuple[Tensor, Tensor]:
        return augmented(batch, self._samples, self._augmentation, device)

    def validated(self) -> Iterator[tuple[Record, np.ndarray]]:
        yield from self._predictor.of_records(self._validation, self._samples.reader.store)


def augmented(batch: Batch, samples: Samples, augmentation: Augment, device: torch.device) -> tuple[Tensor, Tensor]:
    """Images and targets on the device, each sample changed by parameters of its own."""
    images, targets = batch.images.to(device), batch.targets.to(device)
    size = samples.patch or tuple(images.shape[2:])
    drawn = sample(augmentation, generators=batch.generators, size=size, spacing=samples.spacing, colour=samples.colour)
    move = samples.reader.view.move
    moved, labels = apply(drawn, images, targets, size=size, outside="reflect", move=move)
    return moved, targets if labels is None else labels
