"""From records to training batches: which window of which image stands at which position of an epoch.

Everything random is a function of (seed, epoch, position), never of what was drawn before: a resumed run, and a run
with another number of reading threads, see the same samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lamelle.data.crops import Places, kept_of_each
from lamelle.data.neighbour_slices import neighbours, with_neighbours
from lamelle.data.preparation import Preparation, read_window
from lamelle.data.randomness import epoch_order, generator
from lamelle.data.store import Store
from lamelle.data.targets.views import AnyView
from lamelle.types import Boxes, Record, Source, Spacing

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Sample:
    """One Record loaded: network input, encoded target, spacing."""

    image: np.ndarray
    target: np.ndarray | Boxes
    spacing: Spacing | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of one step, stacked, before augmentation."""

    images: torch.Tensor
    """float32 [N, C, (Z,) Y, X]"""
    targets: torch.Tensor
    """int64 [N, (Z,) Y, X], int64 [N], float32 [N, K] or, of boxes, float32 [N, M, 1 + 2 d]"""
    generators: tuple[np.random.Generator, ...]
    """One per sample, for the parameters of its augmentation."""
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EpochOrder:
    """What stands at each position of an epoch."""

    owner: np.ndarray
    """int64 [length]: index of the record."""
    draw: np.ndarray | None
    """int64 [length]: which of a few augmentations it gets; None = one of its own."""


class Reader:
    """Reads Records as Samples; remembers each image's intensity range."""

    def __init__(self, store: Store, view: AnyView, preparation: Preparation) -> None:
        self.store, self.view, self.preparation = store, view, preparation
        self._affine: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def image(self, record: Record) -> np.ndarray:
        """Pixels [C, (Z,) Y, X], resized if the preparation says so, native dtype; without its neighbours."""
        return self._sized(record.image)

    def _sized(self, source: Source) -> np.ndarray:
        size = self.preparation.resize
        return self.store.image(source) if size is None else self.store.resized(source, size=size)

    def affine(self, record: Record) -> tuple[np.ndarray, np.ndarray]:
        """Intensity change of one image."""
        if record.id not in self._affine:
            pixels = with_neighbours(self.store, record.image, context=self.preparation.context)
            self._affine[record.id] = self.preparation.affine(pixels, bits=self.store.bits(record.image))
        return self._affine[record.id]

    def target(self, record: Record) -> Any:
        """The target at native size, as the loss and the scores take it."""
        return self.view.window(self.view.read(record, self.store), None, None)

    def window(self, record: Record, start: Sequence[int] | None, size: Sequence[int] | None) -> Sample:
        """A window of one record, or the whole of it."""
        planes = [self._sized(s) for s in neighbours(self.store, record.image, context=self.preparation.context)]
        target = self.view.window(self.labels(record), start, size)
        if start is not None and size is not None:
            planes = [read_window(plane, start, size) for plane in planes]
        image = np.concatenate(planes) if len(planes) > 1 else np.asarray(planes[0])
        return Sample(
            self.preparation.apply(image, self.affine(record)),
            target,
            self.store.spacing(record.image),
        )

    def labels(self, record: Record) -> Any:
        """The target as it was read, for an image as large as `image`."""
        raw = self.view.read(record, self.store)
        return raw if self.preparation.resize is None else self.view.resize(raw, self.preparation.resize)


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
        draws: int,
        seed: int,
        spacing: Spacing | None,
        colour: bool,
        weights: np.ndarray | None,
        foreground: float,
    ) -> None:
        """Plan the positions.

        Args:
            patch: Size of a training crop; None = whole images, which then share one size.
            window: Size that is read around a crop, so that its augmentation finds pixels beyond its edges.
            length: Positions of an epoch; None = each image as often as crops fit into it.
            draws: Augmentations that each image gets in turn; 0 = a new one each time. A record that comes several
                times in an epoch gets the next ones.
            spacing: Pixel size for augmentation; None = the same along all axes.
            colour: Whether the images have colours that augmentation may change, rather than grey in three channels.
            weights: Relative frequency of each record [n], however many crops it has; None = each crop once. The
                length of an epoch is the same.
            foreground: Share of the crops whose centre is an annotated pixel of a class that is drawn evenly among
                the foreground classes of the record (of all its classes where most of it is ignored).
        """
        self.records, self.reader = tuple(records), reader
        self.patch, self.window, self.seed, self.spacing = patch, window or patch, seed, spacing
        self.draws, self.colour, self.foreground = draws, colour, foreground
        self._places: dict[str, Places | None] = {}
        repeats = [self._crops(r) for r in self.records]
        self._owner = np.repeat(np.arange(len(self.records)), repeats)
        self.length = length or len(self._owner)
        self._weights = None if weights is None else np.repeat(np.asarray(weights, np.float64) / repeats, repeats)

    def _crops(self, record: Record) -> int:
        if self.patch is None:
            return 1
        shape = self.reader.image(record).shape[1:]
        return int(np.prod([max(1, round(s / p)) for s, p in zip(shape, self.patch, strict=True)]))

    def __len__(self) -> int:
        return self.length

    def order(self, epoch: int) -> EpochOrder:
        """The records of an epoch in their order."""
        n, weights = len(self._owner), self._weights
        owner = self._owner[epoch_order(n, seed=self.seed, epoch=epoch, weights=weights, length=self.length)]
        return EpochOrder(owner, (epoch + _occurrence(owner)) % self.draws if self.draws else None)

    def batch(self, epoch: int, positions: Sequence[int], order: EpochOrder) -> Batch:
        """The samples at some positions of an epoch."""
        return self._take([(int(order.owner[p]), self._key(epoch, int(p), order)) for p in positions])

    def drawn(self, owners: Sequence[int], draw: int) -> Batch:
        """Some records as one of their few augmentations takes them."""
        return self._take([(owner, ("draw", owner, draw)) for owner in owners])

    def _key(self, epoch: int, position: int, order: EpochOrder) -> tuple[int | str, ...]:
        """What the randomness of a position depends on, besides the seed."""
        if order.draw is None:
            return epoch, position
        return "draw", int(order.owner[position]), int(order.draw[position])

    def _take(self, wanted: Sequence[tuple[int, tuple[int | str, ...]]]) -> Batch:
        import torch

        samples, generators, ids = [], [], []
        for owner, key in wanted:
            record = self.records[owner]
            start = self._start(record, generator("window", self.seed, *key))
            samples.append(self.reader.window(record, start, self.window))
            generators.append(generator("augment", self.seed, *key))
            ids.append(record.id)
        return Batch(
            torch.from_numpy(np.stack([s.image for s in samples])),
            self.reader.view.stack([s.target for s in samples]),
            tuple(generators),
            tuple(ids),
        )

    def _start(self, record: Record, draw: np.random.Generator) -> tuple[int, ...] | None:
        """Corner of the window whose central crop lies evenly anywhere in the image, or around a foreground pixel."""
        if self.patch is None or self.window is None:
            return None
        centre = self._centre(record, draw)
        corner = []
        for axis, full in enumerate(self.reader.image(record).shape[1:]):
            crop, read = self.patch[axis], self.window[axis]
            if full <= crop:
                first = -((crop - full) // 2)
            elif centre is None:
                first = int(draw.integers(0, full - crop + 1))
            else:
                first = min(max(0, centre[axis] - crop // 2), full - crop)
            corner.append(first - (read - crop) // 2)
        return tuple(corner)

    def _centre(self, record: Record, draw: np.random.Generator) -> tuple[int, ...] | None:
        """The pixel around which a crop lies; None if it may lie anywhere."""
        if not self.foreground or draw.random() >= self.foreground:
            return None
        if record.id not in self._places:  # two threads may both find them: they find the same
            view = self.reader.view
            most = kept_of_each(len(self.records), len(view.classes))
            self._places[record.id] = view.centres(self.reader.labels(record), most=most, key=(self.seed, record.id))
        places = self._places[record.id]
        return places.draw(draw) if places else None


def _occurrence(values: np.ndarray) -> np.ndarray:
    """How often each value has stood before, int64 [n]."""
    by_value = np.argsort(values, kind="stable")
    ordered = values[by_value]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    counts = np.empty(len(values), np.int64)
    counts[by_value] = np.arange(len(values)) - np.repeat(first, np.diff(np.r_[first, len(values)]))
    return counts


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
    counts: dict[str, int] = {}
    for record in records:
        if name := record.columns.get("volume"):
            counts[name] = counts.get(name, 0) + 1
    return counts
