"""V_rand and V_info against scikit-learn, scikit-image and the formulas pair by pair."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, label
from skimage.metrics import adapted_rand_error as skimage_error
from sklearn.metrics import v_measure_score

from lamelle.metrics.clustering import (
    ROW,
    adapted_rand_error,
    clustering_rows,
    partition,
    v_info,
    v_info_of,
    v_rand,
    v_rand_of,
)


def tissue(seed: int, size: int = 96, membrane: float = 0.35) -> np.ndarray:
    """Cells separated by winding membranes, boolean [Y, X]."""
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(size, size)), 3)
    return np.abs(field) > membrane * field.std()


def oracle_labels(target: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Truth and prediction on the truth's cells; each predicted membrane pixel with a label of its own."""
    truth, said = label(target)[0].astype(int), label(prediction)[0].astype(int)
    alone = np.flatnonzero(said.ravel() == 0)
    said.ravel()[alone] = said.max() + 1 + np.arange(len(alone))
    return truth[target], said[target]


def test_v_info_is_the_v_measure() -> None:
    target, prediction = tissue(0), tissue(0, membrane=0.2)
    expected = v_measure_score(*oracle_labels(target, prediction))
    assert 0.1 < expected < 0.99
    assert v_info(target, prediction, thin=False) == pytest.approx(expected, abs=1e-12)


def test_v_rand_is_that_of_scikit_image() -> None:
    target, prediction = tissue(0), tissue(0, membrane=0.2)
    truth, said = oracle_labels(target, prediction)
    # scikit-image counts pairs of different pixels, the challenge all pairs: hence the tolerance
    error, _, _ = skimage_error(truth, said, ignore_labels=())
    assert 0.01 < error < 0.9
    assert adapted_rand_error(target, prediction, thin=False) == pytest.approx(error, abs=2e-3)


def test_v_rand_counts_pairs() -> None:
    target, prediction = tissue(3, size=28), tissue(3, size=28, membrane=0.15)
    truth, said = oracle_labels(target, prediction)
    same_truth, same_said = truth[:, None] == truth, said[:, None] == said
    expected = (same_truth & same_said).sum() / (0.5 * same_truth.sum() + 0.5 * same_said.sum())
    assert v_rand(target, prediction, thin=False) == pytest.approx(expected, abs=1e-12)


def test_scores_of_a_stack_pool_slices_but_never_join_cells_through_z() -> None:
    target = np.stack([tissue(s) for s in range(3)])
    prediction = np.stack([tissue(s, membrane=0.2) for s in range(3)])
    rows = clustering_rows(target, prediction, thin=True)
    assert rows.shape == (3, len(ROW))
    each = [clustering_rows(t, p, thin=True)[0] for t, p in zip(target, prediction, strict=True)]
    np.testing.assert_allclose(rows, each)
    assert v_rand(target, prediction, thin=True) == pytest.approx(float(v_rand_of(np.sum(each, 0))))
    assert min(v_info_of(rows)) <= v_info(target, prediction, thin=True) <= max(v_info_of(rows))


def test_cells_that_touch_at_a_corner_are_two() -> None:
    assert partition(np.eye(2, dtype=bool), thin=False).tolist() == [[1, 0], [0, 2]]


def test_thinning_leaves_one_pixel_between_two_cells_and_nothing_else() -> None:
    cells = tissue(1)
    wide, thin = partition(cells, thin=False), partition(cells, thin=True)
    assert (thin[wide > 0] == wide[wide > 0]).all()
    assert (thin == 0).sum() < 0.6 * (wide == 0).sum()
    padded = np.pad(thin, 1, mode="edge")
    shifts = [padded[1:-1, :-2], padded[1:-1, 2:], padded[:-2, 1:-1], padded[2:, 1:-1]]
    for neighbour in shifts:  # two cells never touch
        assert ((thin == 0) | (neighbour == 0) | (thin == neighbour)).all()
    # what is left stands between two cells: a pixel that only one cell (or none) sees around it is rare (junctions)
    around = np.stack([padded[1 + y : 97 + y, 1 + x : 97 + x] for y in (-1, 0, 1) for x in (-1, 0, 1)])
    several = np.array([len(set(v) - {0}) > 1 for v in around.reshape(9, -1)[:, (thin == 0).ravel()].T])
    assert several.mean() > 0.98


def test_a_slanted_border_is_thinned_to_a_diagonal() -> None:
    y, x = np.mgrid[:20, :20]
    thin = partition(np.abs(y - x) > 2, thin=True)
    np.testing.assert_array_equal(thin == 0, np.eye(20, dtype=bool))


def test_width_of_the_membrane_costs_nothing_once_thinned() -> None:
    target = np.ones((60, 60), bool)
    target[29:31] = False
    prediction = np.ones((60, 60), bool)
    prediction[24:36] = False
    assert v_rand(target, prediction, thin=False) < 0.92
    assert v_rand(target, prediction, thin=True) > 0.98
    assert v_info(target, prediction, thin=True) > v_info(target, prediction, thin=False) + 0.1


def test_a_dangling_membrane_vanishes() -> None:
    cells = np.ones((9, 9), bool)
    cells[4, 2:7] = False
    assert (partition(cells, thin=True) == 1).all()


def test_a_merger_is_seen_however_few_pixels_it_is() -> None:
    target = np.ones((60, 60), bool)
    target[30] = False
    merged = target.copy()
    merged[30, 10] = True
    assert v_rand(target, merged, thin=True) == pytest.approx(2 / 3, abs=0.01)
    assert v_info(target, merged, thin=True) == pytest.approx(0, abs=0.01)
    assert v_rand(target, target, thin=True) == v_info(target, target, thin=True) == 1


def test_undefined_is_nan() -> None:
    none, one = np.zeros((5, 5), bool), np.ones((5, 5), bool)
    assert math.isnan(v_rand(none, one, thin=True))
    assert math.isnan(v_info(none, one, thin=True))
    assert math.isnan(v_info(one, one, thin=True))
    assert v_rand(one, one, thin=True) == 1
    assert partition(none, thin=True).sum() == 0
    assert v_rand(one, none, thin=True) == pytest.approx(2 * 25 / (625 + 25))


def test_ignored_pixels_are_no_cells_and_do_not_count() -> None:
    target, prediction = tissue(4), tissue(4, membrane=0.2)
    scored = target.copy()
    scored[:, 60:] = False
    changed = prediction.copy()
    changed[:, 90:] = False
    assert v_rand(scored, prediction, thin=False) == pytest.approx(v_rand(scored, changed, thin=False), abs=0.02)


def test_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"\(4, 4\).*\(5, 4\)"):
        v_rand(np.ones((4, 4), bool), np.ones((5, 4), bool), thin=True)
    with pytest.raises(ValueError, match="1-dimensional"):
        partition(np.ones(4, bool), thin=True)


@pytest.mark.real
def test_a_wider_membrane_on_real_tissue_costs_little_once_thinned(real_data: Path) -> None:
    import tifffile
    from scipy.ndimage import binary_erosion

    truth = np.asarray(tifffile.imread(real_data / "isbi2012" / "train-labels.tif", key=[0, 1])) > 0
    narrower = np.stack([binary_erosion(t, iterations=1) for t in truth])
    assert v_rand(truth, truth, thin=False) == 1
    assert v_rand(truth, truth, thin=True) > 0.99
    assert v_rand(truth, narrower, thin=True) > v_rand(truth, narrower, thin=False) + 0.05
    assert v_rand(truth, narrower, thin=True) > 0.95
