"""Cleaning: scikit-image as oracle, bounds as they are named, a search that is exhaustive."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from skimage.measure import label
from skimage.morphology import remove_small_objects

from lamelle.metrics import counts, regions
from lamelle.tasks.postprocess import TRIED, Cleaning, clean, holes, parts, search
from lamelle.types import IGNORE

OFF: dict[str, Any] = {"min_size": 0, "fill_holes": 0, "largest": False}


def noisy(seed: int, shape: tuple[int, ...] = (40, 50), classes: int = 2) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    field = np.random.default_rng(seed).normal(size=(classes, *shape))
    return np.stack([gaussian_filter(f, 1.2) for f in field]).argmax(0).astype(np.int64)


def grains(shape: tuple[int, ...], share: float) -> np.ndarray:
    return (np.random.default_rng(0).random(shape) < share).astype(np.int64)


@pytest.mark.parametrize(("shape", "share"), [((40, 50), 0.5), ((6, 20, 24), 0.25)])
@pytest.mark.parametrize("size", [2, 7, 15])
def test_small_parts_go_as_in_scikit_image(shape: tuple[int, ...], share: float, size: int) -> None:
    labels = grains(shape, share)
    sizes = np.bincount(label(labels == 1, connectivity=1).ravel())[1:]
    assert (sizes < size).any()
    expected = remove_small_objects(labels == 1, max_size=size - 1, connectivity=1)
    np.testing.assert_array_equal(clean(labels, classes=2, **OFF | {"min_size": size}) == 1, expected)


def test_the_bounds_mean_what_they_say() -> None:
    bar = np.zeros((7, 9), np.int64)
    bar[1, 1:5] = 1
    kept, gone = (clean(bar, classes=2, **OFF | {"min_size": n}).sum() for n in (4, 5))
    assert (kept, gone) == (4, 0), "parts with fewer pixels go"
    ring = np.ones((6, 7), np.int64)
    ring[2, 2:5] = 0
    assert (clean(ring, classes=2, **OFF | {"fill_holes": 2}) == 0).sum() == 3
    assert (clean(ring, classes=2, **OFF | {"fill_holes": 3}) == 0).sum() == 0, "holes with at most so many are filled"
    diagonal = np.array([[1, 0], [0, 1]])
    assert len(parts(diagonal, classes=2).sizes) == 2, "parts touch along faces"


@pytest.mark.parametrize(("shape", "share"), [((40, 50), 0.5), ((6, 20, 24), 0.8)])
def test_every_hole_is_filled_as_scipy_fills_them(shape: tuple[int, ...], share: float) -> None:
    from scipy.ndimage import binary_fill_holes

    labels = grains(shape, share)
    expected = binary_fill_holes(labels == 1)
    assert expected is not None
    assert (expected != (labels == 1)).any()
    np.testing.assert_array_equal(clean(labels, classes=2, **OFF | {"fill_holes": labels.size}) == 1, expected)


def test_a_hole_takes_the_class_around_it_and_one_between_two_classes_is_none() -> None:
    labels = np.full((5, 10), 2)
    labels[:, 5:] = 1
    labels[2, 2], labels[2, 7], labels[1, 4:6], labels[0, 1] = 0, 0, 0, 0
    found = clean(labels, classes=3, **OFF | {"fill_holes": 9})
    assert (found[2, 2], found[2, 7]) == (2, 1)
    assert found[1, 4:6].tolist() == [0, 0], "it borders on both"
    assert found[0, 1] == 0, "it is open to the edge"
    assert sorted(holes(labels, classes=3).after.tolist()) == [1, 2]


def test_the_largest_part_of_each_class_is_kept() -> None:
    labels = noisy(2, classes=3)
    found = clean(labels, classes=3, **OFF | {"largest": True})
    for c in (1, 2):
        numbered = label(labels == c, connectivity=1)
        largest = np.bincount(numbered.ravel())[1:].argmax() + 1
        np.testing.assert_array_equal(found == c, numbered == largest)


def dice(items: list[tuple[np.ndarray, np.ndarray]], by: str, **chosen: int) -> float:
    matrices = np.array([
        counts.confusion(t, clean(s, classes=3, **OFF | chosen), classes=3) for s, t in items
    ])  # fmt: skip
    if by == "pooled":
        return float(regions.dice(matrices.sum(0))[1:].mean())
    return float(np.nanmean(regions.dice(matrices)[:, 1:], axis=0).mean())


@pytest.mark.parametrize("by", ["pooled", "image"])
def test_the_search_finds_what_trying_everything_finds(by: Literal["pooled", "image"]) -> None:
    items = []
    for seed in range(3):
        truth = clean(noisy(seed, classes=3), classes=3, min_size=20, fill_holes=12, largest=False)
        said = np.where(np.random.default_rng(seed).random(truth.shape) < 0.06, noisy(seed + 9, classes=3), truth)
        truth[:3] = IGNORE
        items.append((said, truth))
    for name, tried in (("fill_holes", TRIED), ("min_size", TRIED), ("largest", (0, 1))):
        asked = Cleaning(**OFF | {name: "auto"})
        found, (sweep,) = search(lambda: items, asked, classes=3, by=by)
        slow = [dice(items, by, **{name: value}) for value in tried]
        assert (sweep.name, sweep.points, sweep.by) == (name, tried, "dice")
        np.testing.assert_allclose(sweep.scores["dice"], slow)
        assert getattr(found, name) == sweep.chosen == tried[int(np.argmax(np.round(slow, 9)))]
    assert not found.largest, "there are many parts, and all of them are true"
    both, _ = search(lambda: items, Cleaning("auto", "auto", False), classes=3, by=by)
    assert dice(items, by, min_size=both.min_size, fill_holes=both.fill_holes) > dice(items, by) + 0.005


def test_nothing_to_search_in_leaves_everything_off() -> None:
    found, sweeps = search(lambda: [], Cleaning("auto", "auto", "auto"), classes=2, by="pooled")
    assert found._asdict() == OFF
    assert [one.by for one in sweeps] == ["", "", ""]
