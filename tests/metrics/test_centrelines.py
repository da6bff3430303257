"""clDice against its definition on skeletons of scikit-image."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.morphology import skeletonize

from lamelle.metrics.centrelines import centreline_row, cldice, cldice_of, precision_of, sensitivity_of


def vessels(seed: int, shape: tuple[int, ...] = (90, 100)) -> np.ndarray:
    field = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 5)
    return np.abs(field) < 0.25 * field.std()


@pytest.mark.parametrize("shape", [(90, 100), (14, 40, 45)])
def test_score_is_that_of_the_authors(shape: tuple[int, ...]) -> None:
    target, prediction = vessels(0, shape), vessels(0, shape) & ~vessels(1, shape)
    true_line, line = skeletonize(target), skeletonize(prediction)
    precision, sensitivity = target[line].mean(), prediction[true_line].mean()
    expected = 2 * precision * sensitivity / (precision + sensitivity)
    assert 0.3 < expected < 0.99
    assert cldice(target, prediction) == pytest.approx(expected)
    row = centreline_row(target, prediction)
    assert precision_of(row) == pytest.approx(precision)
    assert sensitivity_of(row) == pytest.approx(sensitivity)
    assert cldice(prediction, target) == pytest.approx(expected)


def test_width_costs_nothing_but_a_gap_does() -> None:
    target = np.zeros((30, 60), bool)
    target[12:19, 3:57] = True
    thin, broken = np.zeros((2, 30, 60), bool)
    thin[14:17, 3:57] = True
    broken[12:19, 3:57] = True
    broken[:, 20:40] = False
    assert cldice(target, thin) == 1
    assert cldice(target, broken) < 0.85


def test_the_rule_for_empty_masks() -> None:
    none, some = np.zeros((20, 20), bool), np.ones((20, 20), bool)
    assert math.isnan(cldice(none, none))
    assert cldice(none, some) == cldice(some, none) == 0
    assert cldice(some, some) == 1
    apart = np.zeros((2, 20, 20), bool)
    apart[0, 5, :8], apart[1, 15, :8] = True, True
    assert cldice(*apart) == 0
    rows = np.stack([centreline_row(none, none), centreline_row(none, some), centreline_row(some, some)])
    np.testing.assert_array_equal(cldice_of(rows), [np.nan, 0, 1])


def test_rows_add_up() -> None:
    pairs = [(vessels(s), vessels(s) & ~vessels(s + 9)) for s in range(2)]
    rows = np.stack([centreline_row(*p) for p in pairs])
    # side by side with a gap, two images are one
    gap = np.zeros((90, 5), bool)
    side = [np.concatenate([pairs[0][k], gap, pairs[1][k]], axis=1) for k in (0, 1)]
    np.testing.assert_allclose(centreline_row(*side), rows.sum(0), atol=12)
    with np.errstate(all="raise"):
        assert cldice_of(rows).shape == (2,)
        assert np.nanmin(cldice_of(rows)) < cldice_of(rows.sum(0)) < np.nanmax(cldice_of(rows))


def test_a_volume_of_one_slice_is_its_slice() -> None:
    target, prediction = vessels(0), vessels(0) & ~vessels(1)
    np.testing.assert_array_equal(centreline_row(target[None], prediction[None]), centreline_row(target, prediction))
    row = np.ones((1, 7), bool)
    assert cldice(row, row) == 1


def test_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"\(4, 4\).*\(5, 4\)"):
        cldice(np.ones((4, 4), bool), np.ones((5, 4), bool))
    with pytest.raises(ValueError, match="1-dimensional"):
        cldice(np.ones(4, bool), np.ones(4, bool))
