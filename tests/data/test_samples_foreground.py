"""Where crops lie: around annotated pixels where that is asked for, the same whenever they are asked for again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lamelle.data.crops import MAX_POSITIONS, kept_of_each, places
from lamelle.data.preparation import Preparation
from lamelle.data.samples import Reader, Samples
from lamelle.data.store import Store
from lamelle.data.targets.values import ValueMap
from lamelle.data.targets.views import LabelView
from lamelle.types import IGNORE, LabelImage, Record, Source

RULE = ValueMap(("background", "a", "b"), {0: 0, 1: 1, 2: 2}, ignore=(255,))


def samples(folder: Path, labels: np.ndarray, *, foreground: float, patch: tuple[int, ...], margin: int = 0) -> Samples:
    """A data set whose image is its label image."""
    np.save(folder / "image.npy", labels)
    np.save(folder / "labels.npy", labels)
    record = Record("v", Source(folder / "image.npy"), LabelImage(Source(folder / "labels.npy")), split="train")
    if labels.ndim == 3 and len(patch) == 2:
        records = [
            Record(f"v#{z}", Source(folder / "image.npy", None, z), LabelImage(Source(folder / "labels.npy", None, z)))
            for z in range(len(labels))
        ]
    else:
        records = [record]
    reader = Reader(Store(folder / "store", budget=1 << 26), LabelView(RULE), Preparation(1, None, "unit", (), ()))
    return Samples(
        records,
        reader,
        patch=patch,
        window=tuple(p + 2 * margin for p in patch),
        length=64,
        draws=0,
        seed=3,
        spacing=None,
        colour=False,
        weights=None,
        foreground=foreground,
    )


def crops(found: Samples, epoch: int = 0, *, margin: int = 0) -> np.ndarray:
    batch = found.batch(epoch, range(len(found)), found.order(epoch)).targets.numpy()
    inner = (slice(None), *[slice(margin, n - margin) for n in batch.shape[1:]])
    return batch[inner]


def rare(shape: tuple[int, ...]) -> np.ndarray:
    """Much background, a band of class 1, a dot of class 2."""
    labels = np.zeros(shape, np.uint8)
    labels[..., shape[-2] // 2 :, :] = 1
    labels[(*[n // 3 for n in shape],)] = 2
    return labels


@pytest.mark.parametrize("shape", [(96, 96), (12, 80, 80)])
@pytest.mark.parametrize("margin", [0, 3])
def test_centres_are_foreground_and_classes_come_alike(tmp_path: Path, shape: tuple[int, ...], margin: int) -> None:
    patch = (5,) * len(shape)
    found = crops(samples(tmp_path, rare(shape), foreground=1.0, patch=patch, margin=margin), margin=margin)
    centre = found[(slice(None), *[slice(1, -1)] * len(shape))]  # a crop at the edge is moved inside
    assert all((one > 0).any() for one in centre)
    dots = sum(2 in one for one in found)
    assert 20 <= dots <= 44  # of 64; a dot has one voxel of thousands


def test_the_share_is_kept_and_none_changes_nothing(tmp_path: Path) -> None:
    shape = (200, 200)
    labels = np.zeros(shape, np.uint8)
    labels[50:53, 50:53] = 2
    halves = crops(samples(tmp_path, labels, foreground=0.5, patch=(9, 9)))
    assert 20 <= sum((one > 0).any() for one in halves) <= 44
    assert sum((one > 0).any() for one in crops(samples(tmp_path, labels, foreground=0.0, patch=(9, 9)))) < 4


def test_a_slice_without_foreground_is_cropped_anywhere(tmp_path: Path) -> None:
    labels = np.zeros((4, 40, 40), np.uint8)
    labels[1, 20, 20] = 1
    found = samples(tmp_path, labels, foreground=1.0, patch=(8, 8))
    order = found.order(0)
    batch = found.batch(0, range(len(found)), order)
    for owner, target in zip(order.owner, batch.targets.numpy(), strict=True):
        assert (target == 1).any() == (owner == 1)


def test_sparse_annotation_leaves_hardly_a_crop_with_nothing_to_learn(tmp_path: Path) -> None:
    labels = np.full((128, 128), 255, np.uint8)
    labels[10, 20:40], labels[100, 60:90], labels[60, 3:6] = 0, 1, 2
    blind = crops(samples(tmp_path, labels, foreground=0.0, patch=(16, 16)))
    found = crops(samples(tmp_path, labels, foreground=1.0, patch=(16, 16)))
    assert sum((one == IGNORE).all() for one in blind) > 32
    assert not any((one == IGNORE).all() for one in found)
    seen = Counter(int(one[8, 8]) for one in found)
    assert min(seen[c] for c in (0, 1)) >= 10  # the background that was annotated is learnt as well


def test_the_same_whenever_asked_and_another_in_another_epoch(tmp_path: Path) -> None:
    first = samples(tmp_path, rare((64, 64)), foreground=0.7, patch=(8, 8))
    again = samples(tmp_path, rare((64, 64)), foreground=0.7, patch=(8, 8))
    order = again.order(1)
    late = again.batch(1, [40, 7], order).targets.numpy()  # before anything else was read
    whole = first.batch(1, range(64), first.order(1)).targets.numpy()
    np.testing.assert_array_equal(late, whole[[40, 7]])
    assert (first.batch(0, range(64), first.order(0)).targets.numpy() != whole).any()


def test_an_even_sample_of_slabs_in_bounded_memory() -> None:
    labels = np.ones((64, 256, 256), np.uint8)  # four slabs
    labels[:2] = 0
    found = places(labels, lambda x: x.astype(np.int64), classes=2, most=1000, key=(0,))
    (kept,) = found.classes
    assert len(kept) == 1000
    assert len(set(kept.tolist())) == 1000
    depth = np.unravel_index(kept, labels.shape)[0]
    assert depth.min() >= 2
    assert np.histogram(depth, 4, (2, 64))[0] == pytest.approx(250, abs=60)
    assert kept_of_each(1, 3) == MAX_POSITIONS
