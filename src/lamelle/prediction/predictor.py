"""A network and its preparation as one function: image in, probabilities at the image's own size out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import combinations, islice
from typing import TYPE_CHECKING, Literal

import numpy as np

from lamelle.data.neighbour_slices import with_neighbours
from lamelle.data.preparation import Preparation
from lamelle.data.resize import resize_image
from lamelle.data.store import Store
from lamelle.data.units import Name, UnitChange
from lamelle.errors import RequestError
from lamelle.prediction import tiles
from lamelle.prediction.package import Package
from lamelle.tasks.base import Task
from lamelle.types import Record

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from lamelle.models.freezable import Freezable

WHOLE = {2: 1024 * 1024, 3: 64 * 128 * 128}
"""Pixels of an image that is predicted in one piece when no tile size was asked for."""
_BATCH = 32
_TILES = 4
"""Images, and tiles, that are computed at once."""


class Predictor:
    """Computes probabilities; holds no state but the network and what the values of images mean."""

    def __init__(
        self,
        model: Freezable,
        task: Task,
        preparation: Preparation,
        *,
        dims: int,
        tile: tuple[int, ...] | None,
        whole: bool,
        overlap: float | Literal["field"],
        flips: bool,
        device: torch.device,
        precision: str,
        units: Mapping[Name, UnitChange] | None = None,
    ) -> None:
        """Bind a network.

        Args:
            tile: Size of the tiles; None = one piece always.
            whole: Predict images that are small enough in one piece all the same.
            overlap: Share of a tile that neighbours share, blended; ``field``: what a larger image could change is cut
                off, so that tiles give what one piece would (up to rounding).
            flips: Average over mirrored images.
            precision: ``32``, ``bf16`` or ``16``.
            units: How values of other types become those of the training images.

        Raises:
            RequestError: If ``overlap`` is ``field`` and each output of the network depends on the whole image.
        """
        self._map = task.output == "map"
        if overlap == "field" and self._map and model.margin is None:
            raise RequestError("models.no_field")
        self.model, self.task, self.preparation = model, task, preparation
        self.dims, self.tile, self.device, self.precision = dims, tile, device, precision
        self.whole, self.units = whole, units or {}
        self.overlap: float | Literal["field"] = overlap
        self._mirrors = _mirrors(dims) if flips else [()]

    @property
    def stacks(self) -> bool:
        """Whether images come in one size, each with one answer, so that many are computed at once."""
        return not self._map and self.preparation.resize is not None

    def probabilities(self, image: np.ndarray, *, bits: int | None) -> np.ndarray:
        """Probabilities [K] or [K, (Z,) Y, X] of one image [C, (Z,) Y, X] at its own size."""
        affine = self._affine(image, bits)
        shape = image.shape[1:]
        image = self._sized(image)

        def prepare(window: np.ndarray) -> np.ndarray:
            return self.preparation.apply(window, affine)

        if not self._map:
            return self.run(prepare(np.asarray(image))[None])[0]
        if self.tile is None or in_one_piece(image.shape[1:], self.tile, whole=self.whole, dims=self.dims):
            probabilities = self.run(prepare(np.asarray(image))[None])[0]
        else:
            probabilities = self._tiled(image, prepare, self.tile)
        return probabilities if probabilities.shape[1:] == shape else _interpolate(probabilities, shape)

    def prepared(self, image: np.ndarray, *, bits: int | None) -> np.ndarray:
        """What the network gets of one image [C, (Z,) Y, X], in one piece: float32 [inputs, (Z,) Y, X]."""
        return self.preparation.apply(self._sized(image), self._affine(image, bits))

    def _affine(self, image: np.ndarray, bits: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Change of intensity of one image [C, (Z,) Y, X]."""
        return self.preparation.affine(image, bits=bits, units=self.units.get((image.dtype.name, bits)))

    def _sized(self, image: np.ndarray) -> np.ndarray:
        """The image at the size that the network is given; as it is, where that is its own."""
        size = self.preparation.resize
        return image if size is None else resize_image(np.asarray(image), size)

    def _tiled(
        self, image: np.ndarray, prepare: Callable[[np.ndarray], np.ndarray], tile: tuple[int, ...]
    ) -> np.ndarray:
        """Probabilities [K, (Z,) Y, X] from tiles."""
        if self.overlap != "field":
            return tiles.merge(image, self.run, tile=tile, overlap=self.overlap, batch=_TILES, prepare=prepare)
        from lamelle.models.blocks import padding

        net = self.model
        more = padding(image.shape[1:], multiple=net.multiple, least=net.least)
        return tiles.stitch(
            image,
            self.run,
            tile=tile,
            margin=net.margin or (),
            multiple=net.multiple,
            padding=more,
            batch=_TILES,
            prepare=prepare,
        )

    def of_records(self, records: Sequence[Record], store: Store) -> Iterator[tuple[Record, np.ndarray]]:
        """Each record with its probabilities; small whole images are computed in batches."""
        if not self.stacks:
            for record in records:
                image = with_neighbours(store, record.image, context=self.preparation.context)
                yield record, self.probabilities(image, bits=store.bits(record.image))
            return
        for some, inputs in self.inputs(records, store):
            yield from zip(some, self.run(inputs), strict=True)

    def inputs(self, records: Sequence[Record], store: Store) -> Iterator[tuple[list[Record], np.ndarray]]:
        """Records that are all resized to one size, in batches, with their prepared inputs [N, C, (Z,) Y, X]."""
        size = self.preparation.resize
        assert size is not None
        for some in _chunks(records, _BATCH):
            inputs = []
            for record in some:
                affine = self._affine(store.image(record.image), store.bits(record.image))
                inputs.append(self.preparation.apply(np.asarray(store.resized(record.image, size=size)), affine))
            yield some, np.stack(inputs)

    def run(self, inputs: np.ndarray) -> np.ndarray:
        """Probabilities float32 [N, K, ...] of prepared inputs [N, C, (Z,) Y, X]."""
        import torch

        training = self.model.training
        self.model.eval()
        try:
            with torch.inference_mode(), autocast(self.device, self.precision):
                batch = self._padded(torch.from_numpy(np.ascontiguousarray(inputs)).to(self.device))
                batch = channels_last(batch)
                total: Tensor | float = 0.0
                for axes in self._mirrors:
                    output = self.model(channels_last(batch.flip(axes)) if axes else batch)
                    answer = self.task.activate(output).float()
                    total = total + (answer.flip(axes) if self._map else answer)
            assert isinstance(total, torch.Tensor)  # there is at least the image as it is
            size = inputs.shape[2:] if self._map else ()
            return (total / len(self._mirrors))[(..., *(slice(n) for n in size))].cpu().numpy()
        finally:
            self.model.train(training)

    def _padded(self, batch: Tensor) -> Tensor:
        """A batch padded before it is mirrored, so that it is pooled on one grid whichever way it is turned."""
        net = self.model
        if len(self._mirrors) == 1 or not net.multiple or net.image_size:
            return batch
        from lamelle.models.blocks import fit

        return fit(batch, multiple=net.multiple, least=net.least)


def in_one_piece(size: Sequence[int], tile: Sequence[int], *, whole: bool, dims: int) -> bool:
    """Whether an image is predicted in one piece, or in tiles.

    Args:
        size: Of the image [(Z,) Y, X].
        whole: Whether an image larger than the tile may be, if it is small enough.

    Example:
        >>> in_one_piece((300, 300), (256, 256), whole=True, dims=2)
        True
        >>> in_one_piece((300, 300), (256, 256), whole=False, dims=2)
        False
    """
    if whole:
        return int(np.prod(size)) <= WHOLE[dims]
    return all(n <= t for n, t in zip(size, tile, strict=True))


def of_package(package: Package, units: Mapping[Name, UnitChange] | None = None) -> Predictor:
    """The predictor of a trained model, on the best device here, in the precision it was trained in.

    Args:
        units: How values of other types than the training's become those of the training images.
    """
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Predictor(
        reorder(package.model.to(device), package.dims),
        package.task,
        package.preparation,
        dims=package.dims,
        tile=package.tile,
        whole=package.whole,
        overlap=package.overlap,
        flips=package.flips,
        device=device,
        precision=str(package.provenance.get("precision", "32")),
        units=units,
    )


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """The context in which a network computes in the resolved precision."""
    import torch

    dtype = {"32": None, "bf16": torch.bfloat16, "16": torch.float16}[precision]
    return torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)


def channels_last(batch: Tensor) -> Tensor:
    """The same values in the memory order that convolutions like best."""
    import torch

    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return batch.contiguous(memory_format=formats.get(batch.ndim, torch.contiguous_format))


def _mirrors(dims: int) -> list[tuple[int, ...]]:
    """Every set of spatial axes of a batch [N, C, (Z,) Y, X], the empty one first."""
    axes = range(2, 2 + dims)
    return [some for n in range(dims + 1) for some in combinations(axes, n)]


def reorder(model: Freezable, dims: int) -> Freezable:
    """The same network with its weights in the memory order of `channels_last`, several times faster on a processor."""
    import torch

    return model.to(memory_format=torch.channels_last if dims == 2 else torch.channels_last_3d)


def _interpolate(probabilities: np.ndarray, size: Sequence[int]) -> np.ndarray:
    import torch
    from torch.nn.functional import interpolate

    mode = "bilinear" if len(size) == 2 else "trilinear"
    resized = interpolate(torch.from_numpy(probabilities)[None], size=tuple(size), mode=mode, align_corners=False)
    return resized[0].numpy()


def _chunks(items: Iterable[Record], size: int) -> Iterator[list[Record]]:
    remaining = iter(items)
    while some := list(islice(remaining, size)):
        yield some
