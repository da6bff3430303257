"""What a frozen backbone says of each image, computed once for each of a few augmentations and then read from disk.

The features lie in ``LAMELLE_HOME/features/<address>``; the address is made of everything they depend on: the frozen
weights, the images' content, preparation, augmentation, seed. Runs that differ only in what learns share them.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lamelle.data.augment.options import Augment
from lamelle.data.file_hashes import digest
from lamelle.data.samples import Batch, EpochOrder, Samples
from lamelle.durations import enough, spelled
from lamelle.errors import WorkError
from lamelle.io import atomic
from lamelle.io.checksums import is_as_noted, note_checksum
from lamelle.messages import text
from lamelle.platform import home
from lamelle.prediction.predictor import Predictor, autocast, channels_last
from lamelle.training.budget import Clock
from lamelle.training.feed import augmented
from lamelle.types import Record

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from lamelle.models.freezable import Freezable
    from lamelle.models.frozen_features import Boundary

_BATCH = 32
_VALIDATION = "validation.npy"


class Features:
    """Features of the training set, one file for each augmentation, and of the validation set.

    Args:
        boundary: The network in two parts; the first is frozen.
        root: Folder for the features of all trainings.
        budget: Bytes that folder may take; what was used longest ago goes first.
    """

    def __init__(
        self,
        boundary: Boundary,
        samples: Samples,
        augmentation: Augment,
        predictor: Predictor,
        validation: Sequence[Record],
        *,
        root: Path,
        budget: int,
    ) -> None:
        self.learner = boundary.suffix
        self._prefix, self._samples, self._augmentation = boundary.prefix, samples, augmentation
        self._predictor, self._validation = predictor, tuple(validation)
        model: Freezable = predictor.model  # type: ignore[assignment]
        address = digest(
            *("features", _fingerprint(model), model.frozen, predictor.precision, str(predictor.device)),
            *(asdict(predictor.preparation), augmentation.model_dump(), samples.seed),
            *(self._contents(samples.records), self._contents(self._validation)),
        )
        self.folder = root / address
        _make_room(root, self.folder, budget)
        self._draws: dict[int, np.ndarray] = {}
        self._targets: list[np.ndarray] = []

    @property
    def draws(self) -> int:
        """How many augmentations of each image there are."""
        return self._samples.draws

    def prepare(self, *, limit: float | None, clock: Clock, say: Callable[[str], None]) -> None:
        """Compute what is not there yet.

        Args:
            limit: Seconds that the whole training may take. No further augmentation is begun that would end behind
                half of it; the training then has fewer of them.

        Raises:
            WorkError: If the limit is reached before there is one augmentation.
        """
        n, longest = len(self._samples.records), 0.0
        self._limit, self._clock = limit, clock
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self._kept(_VALIDATION, say):
            self._write(_VALIDATION, len(self._validation), self._of_validation(), then=n)
        for draw in range(self.draws):
            path, started = self.folder / f"draw-{draw}.npy", clock.seconds
            if self._kept(path.name, say):
                continue
            if draw and limit is not None and started + longest > limit / 2:
                self._samples.draws = draw
                return
            self._write(path.name, n, self._of_draw(draw), then=0 if draw == 0 else None)
            longest = clock.seconds - started
            say(text("train.features", draw=draw + 1, draws=self.draws, n=n, seconds=f"{longest:.1f}"))

    def __len__(self) -> int:
        return len(self._samples)

    def order(self, epoch: int) -> EpochOrder:
        return self._samples.order(epoch)

    def batch(self, epoch: int, positions: Sequence[int], order: EpochOrder) -> Batch:
        import torch

        assert order.draw is not None
        owners = [int(order.owner[p]) for p in positions]
        rows = [self._draw(int(order.draw[p]))[owner] for p, owner in zip(positions, owners, strict=True)]
        reader, records = self._samples.reader, [self._samples.records[owner] for owner in owners]
        targets = [reader.target(record) for record in records]
        return Batch(torch.from_numpy(np.stack(rows)), reader.view.stack(targets), (), tuple(r.id for r in records))

    def inputs(self, batch: Batch, device: torch.device) -> tuple[Tensor, Tensor]:
        return batch.images.to(device), batch.targets.to(device)

    def validated(self) -> Iterator[tuple[Record, np.ndarray]]:
        import torch

        known = np.load(self.folder / _VALIDATION, mmap_mode="r")
        device, task, training = self._predictor.device, self._predictor.task, self.learner.training
        self.learner.eval()
        try:
            for first in range(0, len(known), _BATCH):
                with torch.inference_mode(), autocast(device, self._predictor.precision):
                    some = torch.from_numpy(np.array(known[first : first + _BATCH])).to(device)
                    probabilities = task.activate(self.learner(channels_last(some))).float().cpu().numpy()
                yield from zip(self._validation[first : first + _BATCH], probabilities, strict=True)
        finally:
            self.learner.train(training)

    def _draw(self, draw: int) -> np.ndarray:
        if draw not in self._draws:
            self._draws[draw] = np.load(self.folder / f"draw-{draw}.npy", mmap_mode="r")
        return self._draws[draw]

    def _of_draw(self, draw: int) -> Iterator[np.ndarray]:
        owners = range(len(self._samples.records))
        for first in owners[::_BATCH]:
            batch = self._samples.drawn(owners[first : first + _BATCH], draw)
            yield self._compute(augmented(batch, self._samples, self._augmentation, self._predictor.device)[0])

    def _of_validation(self) -> Iterator[np.ndarray]:
        import torch

        for _, inputs in self._predictor.inputs(self._validation, self._samples.reader.store):
            yield self._compute(torch.from_numpy(inputs).to(self._predictor.device))

    def _compute(self, images: Tensor) -> np.ndarray:
        import torch

        model = self._predictor.model
        training = model.training
        model.eval()
        try:
            with torch.inference_mode(), autocast(self._predictor.device, self._predictor.precision):
                return self._prefix(channels_last(images)).float().cpu().contiguous().numpy()
        finally:
            model.train(training)

    def _kept(self, name: str, say: Callable[[str], None]) -> bool:
        """Whether features are there as they were computed."""
        whole = is_as_noted(self.folder / name)
        if whole is False:
            say(text("train.features_damaged", path=self.folder / name))
        return bool(whole)

    def _write(self, name: str, n: int, parts: Iterator[np.ndarray], *, then: int | None) -> None:
        """Write features [n, ...] as they come.

        Args:
            then: Images whose features are needed after these, before there can be a step; None = none of these are.
        """
        done, whole, begun = 0, None, self._clock.seconds
        with atomic.writing(self.folder / name) as path:
            for part in parts:
                if whole is None:
                    shape = (n, *part.shape[1:])
                    whole = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
                whole[done : done + len(part)] = part
                done += len(part)
                if then is not None:
                    self._within_limit(n - done + then, (self._clock.seconds - begun) / done)
            assert whole is not None  # a training without records is refused when it is planned
            whole.flush()
        note_checksum(self.folder / name)

    def _within_limit(self, left: int, pace: float) -> None:
        """Stop where the features alone take all the time there is.

        Args:
            left: Images whose features are still needed.
            pace: Seconds for each.
        """
        spent = self._clock.seconds
        if self._limit is None or spent < self._limit:
            return
        alone = spent + left * pace
        given, more = spelled(self._limit), enough(3 * alone)
        raise WorkError("train.budget_features", budget=given, seconds=f"{alone:.1f}", more=more)

    def _contents(self, records: Sequence[Record]) -> list[tuple[str, str | None, str | None, int | None]]:
        content = self._samples.reader.store.content
        return [(content(r.image.path), r.image.key, r.image.axes, r.image.index) for r in records]


def folder() -> Path:
    """Where the features of all trainings lie."""
    return home() / "features"


def usage(root: Path) -> int:
    """Bytes that the features of all trainings take."""
    return sum(path.stat().st_size for path in root.glob("*/*.npy"))


def clear(root: Path) -> None:
    """Remove the features of all trainings."""
    shutil.rmtree(root, ignore_errors=True)


def _fingerprint(model: Freezable) -> str:
    """Hash of the frozen tensors, in their order."""
    digest = hashlib.sha256()
    for key, value in model.state_dict().items():
        if any(key.startswith(f"{name}.") or not name for name in model.frozen):
            digest.update(key.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _make_room(root: Path, keep: Path, budget: int) -> None:
    """Remove the features used longest ago until the rest takes less than the budget."""
    root.mkdir(parents=True, exist_ok=True)
    if keep.is_dir():
        with suppress(OSError):  # another user's folder: its age then stays as it is
            keep.touch()
    folders = sorted((f for f in root.iterdir() if f.is_dir()), key=lambda f: f.stat().st_mtime)
    sizes = {f: sum(p.stat().st_size for p in f.iterdir()) for f in folders}
    total = sum(sizes.values())
    for folder in folders:
        if total <= budget:
            return
        if folder != keep:
            shutil.rmtree(folder, ignore_errors=True)
            total -= sizes[folder]
