"""From records to training batches: which window of which image stands at which position of an epoch.

Everything random is a function of (seed, epoch, position), never of what was drawn before: a resumed run, and a run
with another number of reading threads, see the same samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np

from lamelle.data.preparation import Preparation, read_window
from lamelle.data.randomness import epoch_order, generator
from lamelle.data.resize import resize_labels
from lamelle.data.store import Store
from lamelle.types import Record, Spacing

if TYPE_CHECKING:
    import torch


class Targets(Protocol):
    """The part of a task that reading needs."""

    spatial: ClassVar[bool]

    def read_target(self, record: Record, store: Store) -> np.ndarray: ...

    def encode(self, target: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True, slots=True)
class Sample:
    """One Record loaded: network input, encoded target, spacing."""

    image: np.ndarray
    target: np.ndarray
    spacing: Spacing | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of one step, stacked, before augmentation."""

    images: torch.Tensor
    """float32 [N, C, (Z,) Y, X]"""
    targets: torch.Tensor
    """int64 [N, (Z,) Y, X], int64 [N] or float32 [N, K]"""
    generators: tuple[np.random.Generator, ...]
    """One per sample, for the parameters of its augmentation."""
    ids: tuple[str, ...]


class Reader:
    """Reads Records as Samples; remembers each image's intensity range."""

    def __init__(self, store: Store, task: Targets, preparation: Preparation) -> None:
        self.store, self.task, self.preparation = store, task, preparation
        self._affine: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def image(self, record: Record) -> np.ndarray:
        """Pixels [C, (Z,) Y, X], resized if the preparation says so, native dtype."""
        size = self.preparation.resize
        return self.store.image(record.image) if size is None else self.store.resized(record.image, size=size)

    def affine(self, record: Record) -> tuple[np.ndarray, np.ndarray]:
        """Intensity change of one image."""
        if record.id not in self._affine:
            pixels = self.store.image(record.image)
            self._affine[record.id] = self.preparation.affine(pixels, bits=self.store.bits(record.image))
        return self._affine[record.id]

    def target(self, record: Record) -> np.ndarray:
        """Encoded target at native size."""
        return self.task.encode(np.asarray(self.task.read_target(record, self.store)))

    def window(self, record: Record, start: Sequence[int] | None, size: Sequence[int] | None) -> Sample:
        """A window of one record, or the whole of it."""
        image = self.image(record)
        target = self.task.read_target(record, self.store)
        if self.task.spatial and self.preparation.resize is not None:
            target = resize_labels(np.asarray(target), self.preparation.resize)
        if start is not None and size is not None:
            image = read_window(image, start, size)
            target = read_window(target, start, size) if self.task.spatial else target
        return Sample(
            self.preparation.apply(np.asarray(image), self.affine(record)),
            self.task.encode(np.asarray(target)),
            self.store.spacing(record.image),
        )


class Samples:
    """The training set as positions of epochs."""

    def __init__(
        self,
        records: Sequence[Record],
        reader: Reader,
        *,
        patch: tuple[int, ...] | None,
        window: tuple[int, ...] | None,
        length: int | None,
        seed: int,
        spacing: Spacing | None,
    ) -> None:
        """Plan the positions.

        Args:
            patch: Size of a training crop; None = whole images, which then share one size.
            window: Size that is read around a crop, so that its augmentation finds pixels beyond its edges.
            length: Positions of an epoch; None = each image as often as crops fit into it.
            spacing: Pixel size for augmentation; None = the same along all axes.
        """
        self.records, self.reader = tuple(records), reader
        self.patch, self.window, self.seed, self.spacing = patch, window or patch, seed, spacing
        repeats = [self._crops(r) for r in self.records]
        self._owner = np.repeat(np.arange(len(self.records)), repeats)
        self.length = length or len(self._owner)

    def _crops(self, record: Record) -> int:
        if self.patch is None:
            return 1
        shape = self.reader.image(record).shape[1:]
        return int(np.prod([max(1, round(s / p)) for s, p in zip(shape, self.patch, strict=True)]))

    def __len__(self) -> int:
        return self.length

    def order(self, epoch: int) -> np.ndarray:
        """Index of the record at each position of an epoch, int64 [length]."""
        return self._owner[epoch_order(len(self._owner), seed=self.seed, epoch=epoch, length=self.length)]

    def batch(self, epoch: int, positions: Sequence[int], order: np.ndarray) -> Batch:
        """The samples at some positions of an epoch."""
        import torch

        samples, generators, ids = [], [], []
        for position in positions:
            record = self.records[order[position]]
            start = self._start(record, generator("window", self.seed, epoch, int(position)))
            samples.append(self.reader.window(record, start, self.window))
            generators.append(generator("augment", self.seed, epoch, int(position)))
            ids.append(record.id)
        return Batch(
            torch.from_numpy(np.stack([s.image for s in samples])),
            torch.from_numpy(np.stack([s.target for s in samples])),
            tuple(generators),
            tuple(ids),
        )

    def _start(self, record: Record, draw: np.random.Generator) -> tuple[int, ...] | None:
        """Corner of the window whose central crop lies evenly anywhere in the image."""
        if self.patch is None or self.window is None:
            return None
        corner = []
        for full, crop, read in zip(self.reader.image(record).shape[1:], self.patch, self.window, strict=True):
            first = int(draw.integers(0, full - crop + 1)) if full > crop else -((crop - full) // 2)
            corner.append(first - (read - crop) // 2)
        return tuple(corner)


def training_statistics(reader_store: Store, records: Sequence[Record]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over the training images, in native units."""
    n, total, squares = 0, np.zeros(1), np.zeros(1)
    for record in records:
        image = reader_store.image(record.image)
        stride = max(1, int((image.size / 250_000) ** (1 / (image.ndim - 1))))
        part = np.asarray(image[(slice(None), *[slice(None, None, stride)] * (image.ndim - 1))], dtype=np.float64)
        flat = part.reshape(part.shape[0], -1)
        n, total, squares = n + flat.shape[1], total + flat.sum(1), squares + (flat**2).sum(1)
    mean = total / max(n, 1)
    return tuple(mean.tolist()), tuple(np.sqrt(np.maximum(squares / max(n, 1) - mean**2, 0)).tolist())


def volumes(records: Sequence[Record]) -> Mapping[str, int]:
    """Volume → number of its records; records that belong to none are left out."""
    found: dict[str, int] = {}
    for record in records:
        if name := record.columns.get("volume"):
            found[name] = found.get(name, 0) + 1
    return found
