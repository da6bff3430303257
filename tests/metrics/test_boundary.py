"""Distances between outlines against MONAI and scikit-image."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from lamelle.metrics.boundary import NAMES, assd, boundary_f, boundary_scores, gaps, hd95, nsd


def blobs(shape: tuple[int, ...], seed: int) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(np.random.default_rng(seed).normal(size=shape), 4) > 0.01


def pair(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    target = blobs(shape, 0)
    prediction = np.roll(target, 2, axis=-1)
    prediction[..., :10, :10] = True
    return target, prediction


CASES = [((60, 70), (1.0, 1.0)), ((60, 70), (0.5, 2.0)), ((12, 30, 34), (3.0, 1.0, 0.7))]


def test_a_cut_through_a_volume_is_no_outline() -> None:
    """A column through all slices and another beside it: what is right in one block is right in two."""
    target, prediction = np.zeros((2, 12, 20, 20), bool)
    target[:, 4:12, 4:12], prediction[:, 4:12, 8:16] = True, True
    how = {"tolerance": 1.0, "spacing": (1.0, 1.0, 1.0)}
    whole = boundary_f(target, prediction, **how)
    flat = boundary_f(target[3], prediction[3], tolerance=1.0, spacing=(1.0, 1.0))
    for block in (slice(0, 5), slice(5, 12), slice(0, 12)):
        assert boundary_f(target[block], prediction[block], **how) == pytest.approx(whole) == pytest.approx(flat)
    target[[0, 1, 10, 11]] = prediction[[0, 1, 10, 11]] = False
    assert boundary_f(target, prediction, **how) > whole, "an end inside the volume is an outline"


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy")
@pytest.mark.parametrize(("shape", "spacing"), CASES)
def test_distances_are_those_of_monai(shape: tuple[int, ...], spacing: tuple[float, ...]) -> None:
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice

    target, prediction = pair(shape)
    if len(shape) == 3:
        for mask in (target, prediction):
            mask[[0, -1]] = False  # at the ends of a volume we differ: see below
    t, p = (torch.from_numpy(a)[None, None].float() for a in (target, prediction))
    expected = compute_hausdorff_distance(p, t, include_background=True, percentile=95, spacing=list(spacing))
    assert hd95(target, prediction, spacing=spacing) == pytest.approx(expected.item(), rel=1e-5)
    expected = compute_average_surface_distance(p, t, include_background=True, symmetric=True, spacing=list(spacing))
    assert assd(target, prediction, spacing=spacing) == pytest.approx(expected.item(), rel=1e-5)
    expected = compute_surface_dice(p, t, [1.5], include_background=True, spacing=list(spacing))
    assert nsd(target, prediction, tolerance=1.5, spacing=spacing) == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(("shape", "spacing"), CASES)
def test_gaps_are_those_of_every_pair(shape: tuple[int, ...], spacing: tuple[float, ...]) -> None:
    from scipy.spatial.distance import cdist
    from skimage.segmentation import find_boundaries

    target, prediction = pair(shape)
    # a margin keeps the border of the image out of the outline, where the two conventions differ
    target, prediction = np.pad(target, 1), np.pad(prediction, 1)
    outlines = [find_boundaries(a, connectivity=1, mode="inner") & a for a in (target, prediction)]
    between = cdist(*(np.argwhere(o) * spacing for o in outlines))
    found = gaps(target, prediction, spacing=spacing)
    np.testing.assert_allclose(found.target, between.min(1))
    np.testing.assert_allclose(found.prediction, between.min(0))
    tolerance = 1.5
    recall, precision = (between.min(1) <= tolerance).mean(), (between.min(0) <= tolerance).mean()
    expected = 2 * precision * recall / (precision + recall)
    assert boundary_f(target, prediction, tolerance=tolerance, spacing=spacing) == pytest.approx(expected)


def test_hausdorff_distance_of_scikit_image_bounds_the_percentile() -> None:
    from skimage.metrics import hausdorff_distance

    target, prediction = pair((60, 70))
    found = gaps(target, prediction, spacing=(1, 1))
    edges = [a & ~np.pad(a, 1)[:-2, 1:-1] | a & ~np.pad(a, 1)[2:, 1:-1] for a in (target, prediction)]
    edges = [
        e | a & ~np.pad(a, 1)[1:-1, :-2] | a & ~np.pad(a, 1)[1:-1, 2:]
        for e, a in zip(edges, (target, prediction), strict=True)
    ]
    assert max(found.target.max(), found.prediction.max()) == pytest.approx(hausdorff_distance(*edges))


def test_an_equal_mask_is_perfect() -> None:
    target, _ = pair((60, 70))
    found = boundary_scores(target, target, tolerance=0.0, spacing=(1, 1))
    assert found == {"boundary_f": 1.0, "nsd": 1.0, "hd95": 0.0, "assd": 0.0, "one_empty": 0.0}


def test_all_scores_are_symmetric() -> None:
    target, prediction = pair((60, 70))
    one, other = (
        boundary_scores(*p, tolerance=1, spacing=(1, 2)) for p in ((target, prediction), (prediction, target))
    )
    assert one == pytest.approx(other)
    assert tuple(one) == NAMES


def test_the_rule_for_empty_masks() -> None:
    empty, full = np.zeros((8, 8), bool), np.ones((8, 8), bool)
    both = boundary_scores(empty, empty, tolerance=1, spacing=(1, 1))
    assert both.pop("one_empty") == 0
    assert all(math.isnan(v) for v in both.values())
    for pair_ in ((empty, full), (full, empty)):
        found = boundary_scores(*pair_, tolerance=1, spacing=(1, 1))
        assert (found["boundary_f"], found["nsd"], found["one_empty"]) == (0, 0, 1)
        assert math.isnan(found["hd95"])
        assert math.isnan(found["assd"])
        assert boundary_f(*pair_, tolerance=1, spacing=(1, 1)) == nsd(*pair_, tolerance=1, spacing=(1, 1)) == 0


def test_far_apart_has_boundary_f_zero() -> None:
    target, prediction = np.zeros((2, 30, 30), bool)
    target[2:5, 2:5], prediction[20:25, 20:25] = True, True
    assert boundary_f(target, prediction, tolerance=2, spacing=(1, 1)) == 0


def test_wrong_axes_are_named() -> None:
    masks = np.ones((2, 4, 4), bool)
    with pytest.raises(ValueError, match="has 3 axes, but the masks have 2"):
        hd95(*masks, spacing=(1, 1, 1))
    with pytest.raises(ValueError, match=r"\(4, 4\).*\(2, 4, 4\)"):
        hd95(masks[0], masks, spacing=(1, 1))


def test_an_image_of_512_takes_a_moment() -> None:
    target, prediction = blobs((512, 512), 0), blobs((512, 512), 1)
    gaps(target, prediction, spacing=(1, 1))
    start = time.process_time()
    boundary_scores(target, prediction, tolerance=2, spacing=(1, 1))
    assert time.process_time() - start < 1.0
