"""Weight map of the original U-Net against one distance transform for each object."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn import functional

from lamelle.losses.borders import border_weights, boundary_ce
from lamelle.types import IGNORE

Batch = Callable[..., tuple[Tensor, Tensor]]


def discs(shape: tuple[int, ...], *, count: int, radius: int, seed: int) -> np.ndarray:
    """Numbered discs or balls, some of which touch, overlap or are cut by the image."""
    random, grid = np.random.default_rng(seed), np.indices(shape)
    labels = np.zeros(shape, np.uint32)
    for number in range(1, count + 1):
        centre = random.integers(0, shape)
        inside = sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)) <= random.integers(1, radius + 1) ** 2
        labels[inside & (labels == 0)] = 3 * number
    return labels


def one_by_one(labels: np.ndarray, *, w0: float, sigma: float) -> np.ndarray:
    from skimage.segmentation import find_boundaries

    inner = find_boundaries(labels, connectivity=1, mode="inner")
    outlines = [(labels == n) & inner for n in np.unique(labels) if n]
    distances = np.sort([distance_transform_edt(~o) for o in outlines if o.any()], axis=0)
    return w0 * np.exp(-((distances[0] + distances[1]) ** 2) / (2 * sigma**2))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 30), st.booleans())
def test_map_is_that_of_one_transform_for_each_object(seed: int, count: int, volume: bool) -> None:
    labels = discs((9, 16, 18) if volume else (40, 50), count=count, radius=4 if volume else 7, seed=seed)
    if len(np.unique(labels)) < 3:
        return
    found = border_weights(labels, w0=10.0, sigma=5.0)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, one_by_one(labels, w0=10.0, sigma=5.0), rtol=1e-5, atol=1e-12)


def test_map_computed_by_hand() -> None:
    labels = np.zeros((5, 9), np.uint32)
    labels[:, :3], labels[:, 6:] = 7, 2
    found = border_weights(labels, w0=2.0, sigma=3.0)
    # d1 + d2 is 4 between the outlines in columns 2 and 6, 2 more for each column further away
    expected = 2 * np.exp(-(np.array([8, 6, 4, 4, 4, 4, 4, 6, 8]) ** 2) / 18)
    np.testing.assert_allclose(found, np.broadcast_to(expected, (5, 9)), rtol=1e-6)


def test_fewer_than_two_objects_have_no_gap() -> None:
    labels = np.zeros((6, 6), np.uint32)
    assert not border_weights(labels, w0=10.0, sigma=5.0).any()
    labels[2:4, 2:4] = 5
    assert not border_weights(labels, w0=10.0, sigma=5.0).any()
    assert not border_weights(np.full((6, 6), 5), w0=10.0, sigma=5.0).any()
    assert border_weights(np.arange(1, 5).reshape(2, 2), w0=10.0, sigma=5.0).min() > 9  # nothing but borders


def test_where_labels_are_not_known_there_is_no_border() -> None:
    labels = discs((40, 50), count=25, radius=7, seed=0).astype(np.int64)
    cut = labels.copy()
    cut[:, 30:] = IGNORE
    expected = border_weights(labels[:, :30], w0=10.0, sigma=5.0)
    np.testing.assert_array_equal(border_weights(cut, w0=10.0, sigma=5.0)[:, :30], expected)


def target_of(labels: np.ndarray, classes: int = 1) -> Tensor:
    return torch.from_numpy(np.where(labels > 0, (labels - 1) % classes + 1, 0).astype(np.int64))[None]


@pytest.mark.parametrize("classes", [1, 2])
def test_loss_is_the_weighted_mean_of_the_entropies(classes: int) -> None:
    from skimage.measure import label

    target = target_of(discs((40, 50), count=12, radius=6, seed=1) // 3, classes)
    output = torch.randn(1, 1 if classes == 1 else 3, 40, 50)
    weights = torch.tensor([0.5, 2.0, 3.0])[: classes + 1]
    components = label(target[0].numpy(), connectivity=1)  # of one class each
    scale = weights[target] + torch.from_numpy(border_weights(components, w0=4.0, sigma=3.0))
    if classes == 1:
        entropy = functional.binary_cross_entropy_with_logits(output[:, 0], target.float(), reduction="none")
    else:
        entropy = functional.cross_entropy(output, target, reduction="none")
    expected = (entropy * scale).sum() / scale.sum()
    torch.testing.assert_close(boundary_ce(output, target, weights=weights, w0=4.0, sigma=3.0), expected)


def test_without_height_it_is_the_plain_entropy(batch: Batch) -> None:
    output, target = batch(4, ignored=True)
    expected = functional.cross_entropy(output, target, ignore_index=IGNORE)
    torch.testing.assert_close(boundary_ce(output, target, weights=None, w0=0.0), expected)
    nothing = torch.zeros(target.shape)
    torch.testing.assert_close(boundary_ce(output, target, weights=None, maps=nothing), expected)


def test_maps_tell_touching_objects_apart() -> None:
    labels = np.zeros((1, 20, 20), np.uint32)
    labels[:, 4:16, 3:10], labels[:, 4:16, 10:17] = 1, 2
    target, output = target_of(labels[0]), torch.randn(1, 1, 20, 20)
    maps = torch.from_numpy(np.stack([border_weights(one, w0=10.0, sigma=2.0) for one in labels]))
    assert maps[0, 10, 9] > 8
    plain = boundary_ce(output, target, weights=None, w0=0.0)
    torch.testing.assert_close(boundary_ce(output, target, weights=None), plain)  # one component
    assert not torch.isclose(boundary_ce(output, target, weights=None, maps=maps), plain)
    with pytest.raises(ValueError, match="do not fit the target"):
        boundary_ce(output, target, weights=None, maps=maps[:, 1:])


def test_cells_between_membranes_are_objects_too() -> None:
    membrane = torch.zeros(1, 12, 13, dtype=torch.long)
    membrane[:, :, 6] = 1
    missed = torch.full((1, 1, 12, 13), -4.0)
    plain = boundary_ce(missed, membrane, weights=None, w0=0.0)
    torch.testing.assert_close(boundary_ce(missed, membrane, weights=None), plain)  # one membrane, no gap
    assert boundary_ce(missed, membrane, weights=None, between=1) > 1.5 * plain
