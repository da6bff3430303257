"""What augmentation makes of the training samples of a plan: pictures to look at before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lamelle.data.augment.options import Augment
from lamelle.data.preparation import full_range
from lamelle.data.randomness import generator
from lamelle.data.samples import Batch, EpochOrder, Reader, Samples
from lamelle.data.store import Store
from lamelle.data.targets import boxes
from lamelle.pictures.overlay import colours_of_channels, draw_contours, shown_plane
from lamelle.runs.data_pictures import spread
from lamelle.runs.fit import prepare, training_samples
from lamelle.runs.plan import Plan
from lamelle.types import Boxes, Record

_PERCENTILES = (1.0, 99.8)


@dataclass(frozen=True, slots=True)
class AugmentedSample:
    """One training sample as it is, and as random draws of its augmentation change it."""

    id: str
    classes: tuple[str, ...]
    """Of the image, where its target is no picture."""
    plain: np.ndarray
    """uint8 [3, Y, X], with the contours of its target."""
    changed: tuple[np.ndarray, ...]
    """The same for each draw."""


def augmented_samples(plan: Plan, store: Store, *, images: int, draws: int) -> list[AugmentedSample]:
    """Samples of the training set, changed as a training would change them.

    All pictures of a sample have one range of grey levels, that of the sample before it is changed, so that a change
    of brightness is seen as one.

    Args:
        images: Training images that are shown, evenly spread over the folder.
        draws: Random changes of each.

    Returns:
        As many samples as there are images; fewer in a small training set.
    """
    preparation = prepare(plan, store)
    samples, augmentation = training_samples(plan, Reader(store, plan.task.targets, preparation))
    order = samples.order(0)
    positions = _positions(samples, order, spread(plan.of("train"), images))
    return [_augmented(samples, order, augmentation, position, draws) for position in positions]


def _positions(samples: Samples, order: EpochOrder, wanted: Sequence[Record]) -> list[int]:
    """Where in an epoch these records stand first; in the place of one that the epoch leaves out comes another."""
    owners = order.owner.tolist()
    names = {record.id for record in wanted}
    first: dict[str, int] = {}
    for position, owner in enumerate(owners):
        first.setdefault(samples.records[owner].id, position)
    chosen = [first[name] for name in first if name in names]
    others = [first[name] for name in first if name not in names]
    return sorted((chosen + others)[: len(wanted)])


def _augmented(
    samples: Samples, order: EpochOrder, augmentation: Augment, position: int, draws: int
) -> AugmentedSample:
    batch = samples.batch(0, [position], order)
    record = samples.records[order.owner[position]]
    shown = _SampleDrawing(samples, record)
    plain = shown.picture(*_changed(batch, samples, Augment.none(flip=False, rot90=False)), first=True)
    changed = []
    for draw in range(draws):
        own = replace(batch, generators=(generator("augment", samples.seed, draw, position),))
        changed.append(shown.picture(*_changed(own, samples, augmentation)))
    return AugmentedSample(record.id, record.names, plain, tuple(changed))


def _changed(batch: Batch, samples: Samples, augmentation: Augment) -> tuple[np.ndarray, np.ndarray | Boxes]:
    """The image [C, (Z,) Y, X] and its target after augmentation."""
    import torch

    from lamelle.training.feed import augmented

    images, targets = augmented(batch, samples, augmentation, torch.device("cpu"))
    image = images[0].numpy()
    return image, samples.reader.view.unstack(targets, image.shape[1:])[0]


class _SampleDrawing:
    """Draws samples of one record with one range of grey levels."""

    def __init__(self, samples: Samples, record: Record) -> None:
        self._context = samples.reader.preparation.context
        scale, offset = samples.reader.affine(record)
        each = len(scale) // (2 * self._context + 1)
        self._scale, self._offset = scale[:each], offset[:each]
        self._dtype = samples.reader.image(record).dtype
        self._range: tuple[np.ndarray, np.ndarray] | None = None

    def picture(self, image: np.ndarray, target: np.ndarray | Boxes, *, first: bool = False) -> np.ndarray:
        """uint8 [3, Y, X]; the first one that is drawn sets the range.

        Args:
            image: Network input [inputs, (Z,) Y, X].
        """
        each = len(self._scale)
        image = image[self._context * each : (self._context + 1) * each]
        shape = (-1,) + (1,) * (image.ndim - 1)
        pixels = (image - self._offset.reshape(shape)) / self._scale.reshape(shape)
        labels = boxes.drawn(target) if isinstance(target, Boxes) else target
        labels = labels if labels.shape == image.shape[1:] else np.zeros(image.shape[1:], np.int64)
        if labels.ndim == 3:
            index = shown_plane(labels)
            pixels, labels = pixels[:, index], labels[index]
        if first or self._range is None:
            self._range = self._grey_levels(pixels)
        low, high = (bound.reshape(-1, 1, 1) for bound in self._range)
        drawn = np.clip((pixels - low) / np.maximum(high - low, 1e-12), 0, 1) * 255
        return draw_contours(colours_of_channels(drawn.round().astype(np.uint8)), labels)

    def _grey_levels(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Black and white: of colours all that 8 bits hold, else what the sample itself has, each stain by itself."""
        coloured = len(pixels) == 3 and not all(np.allclose(pixels[0], channel) for channel in pixels[1:])
        if self._dtype == np.uint8 and coloured:
            return np.zeros(1), np.full(1, full_range(self._dtype, None))
        flat = pixels.reshape(1 if len(pixels) == 3 else len(pixels), -1)
        low, high = np.percentile(flat, _PERCENTILES, axis=1)
        return low, high
