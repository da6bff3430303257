"""Where wrong pixels lie: counted on made cases whose answer is known, and against slow loops."""

from __future__ import annotations

import numpy as np
import pytest

from lamelle.metrics.errors_in_space import DISTANCES, error_row
from lamelle.types import IGNORE


def square(size: int = 20, side: int = 8) -> np.ndarray:
    labels = np.zeros((size, size), np.int64)
    first = (size - side) // 2
    labels[first : first + side, first : first + side] = 1
    return labels


def slow_near(target: np.ndarray, prediction: np.ndarray, distance: int) -> tuple[int, int]:
    """Wrong pixels near both boundaries, and pixels near the true one, pixel by pixel."""

    def near(labels: np.ndarray, y: int, x: int) -> bool:
        low_y, low_x = max(0, y - distance), max(0, x - distance)
        # a boundary within d pixels: an edge pixel, which is beside another class, within d - 1
        for v in range(low_y, min(len(labels), y + distance + 1)):
            for u in range(low_x, min(labels.shape[1], x + distance + 1)):
                if max(abs(v - y), abs(u - x)) >= distance:
                    continue
                for b, a in ((v - 1, u), (v + 1, u), (v, u - 1), (v, u + 1)):
                    inside = 0 <= b < len(labels) and 0 <= a < labels.shape[1]
                    if inside and labels[b, a] != labels[v, u] and IGNORE not in (labels[b, a], labels[v, u]):
                        return True
        return False

    places = [(y, x) for y, x in np.ndindex(target.shape) if target[y, x] != IGNORE]
    wrong = sum(near(target, *p) and near(prediction, *p) for p in places if target[p] != prediction[p])
    return wrong, sum(near(target, *p) for p in places)


@pytest.mark.parametrize("seed", range(3))
def test_boundaries_are_where_a_loop_finds_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = np.kron(rng.integers(0, 3, (4, 4)), np.ones((5, 4), np.int64))
    target[:3, :6] = IGNORE
    prediction = np.where(rng.random(target.shape) < 0.15, 1, np.maximum(target, 0))
    row = error_row(target, prediction, classes=3, objects=[])
    for i, distance in enumerate(DISTANCES):
        assert (row.near_wrong[i], row.near[i]) == slow_near(target, prediction, distance)
    assert row.scored == (target >= 0).sum()
    assert row.wrong == ((target != prediction) & (target >= 0)).sum()
    np.testing.assert_array_equal(row.areas[0], [(target == c).sum() for c in range(3)])
    np.testing.assert_array_equal(row.areas[1], [((prediction == c) & (target >= 0)).sum() for c in range(3)])
    np.testing.assert_array_equal(row.grid.sum(axis=(1, 2)), [row.wrong, row.scored, (target > 0).sum()])


def test_a_missed_object_has_no_predicted_boundary_nearby() -> None:
    row = error_row(square(), np.zeros((20, 20), np.int64), classes=2, objects=[1])
    assert (row.wrong, row.near_wrong) == (64, (0, 0))
    assert row.objects[1].covered.tolist() == [0.0]


def test_the_parts_of_the_plane() -> None:
    target = np.zeros((2, 9, 9), np.int64)
    prediction = target.copy()
    prediction[0, 8, 0] = prediction[1, 7, 1] = 1
    prediction[1, 4, 4] = 1
    row = error_row(target, prediction, classes=2, objects=[])
    assert row.grid[0].tolist() == [[0, 0, 0], [0, 1, 0], [2, 0, 0]]
    assert row.grid[1].tolist() == [[18] * 3] * 3
    assert row.slices.tolist() == [[1, 2], [81, 81]]


def test_a_split_object() -> None:
    target = np.zeros((20, 40), np.int64)
    target[4:16, 4:36] = 1
    cut = target.copy()
    cut[:, 20] = 0
    assert error_row(target, cut, classes=2, objects=[1]).objects[1].split.tolist() == [True]
    chip = target.copy()
    chip[:, 6] = 0  # two columns of 32 are less than a tenth
    assert error_row(target, chip, classes=2, objects=[1]).objects[1].split.tolist() == [False]


def test_merged_objects() -> None:
    target = np.zeros((20, 40), np.int64)
    target[4:16, 4:18] = target[4:16, 20:36] = 1
    joined = target.copy()
    joined[8, 18:20] = 1
    found = error_row(target, joined, classes=2, objects=[1]).objects[1]
    assert (found.merged.tolist(), found.predicted) == ([True, True], 1)
    apart = error_row(target, target, classes=2, objects=[1]).objects[1]
    assert (apart.merged.tolist(), apart.split.tolist(), apart.predicted) == ([False] * 2, [False] * 2, 2)


def test_an_object_that_is_only_touched_is_not_merged() -> None:
    target = np.zeros((20, 40), np.int64)
    target[4:16, 4:18] = target[4:16, 20:36] = 1
    grown = np.where(np.arange(40) < 24, target, 0)  # all of one, a quarter of the other
    grown[8, 18:20] = 1
    found = error_row(target, grown, classes=2, objects=[1]).objects[1]
    assert (found.merged.tolist(), found.predicted) == ([False, False], 1)


def test_numbers_tell_touching_objects_apart() -> None:
    target = np.zeros((10, 20), np.int64)
    target[2:8, 2:18] = 1
    numbers = target.copy()
    numbers[2:8, 10:18] = 7
    alone = error_row(target, target, classes=2, objects=[1]).objects[1]
    assert (len(alone.sizes), alone.merged.tolist()) == (1, [False])
    known = error_row(target, target, classes=2, objects=[1], numbers=numbers).objects[1]
    assert (known.sizes.tolist(), known.merged.tolist()) == ([48, 48], [True, True])
    both = error_row(target, target, classes=2, objects=[1], numbers=numbers, predicted_numbers=numbers).objects[1]
    assert both.merged.tolist() == [False, False]


def test_specks_are_no_objects_and_lone_predictions_are_counted() -> None:
    target, prediction = square(), square()
    target[0, 0], prediction[0:2, 17:20] = 1, 1
    found = error_row(target, prediction, classes=2, objects=[1]).objects[1]
    assert (found.sizes.tolist(), found.false_sizes.tolist(), found.predicted) == ([64], [6], 2)


def test_objects_of_volumes_hang_together_along_z() -> None:
    target = np.zeros((3, 6, 6), np.int64)
    target[:, 1:4, 1:4] = 1
    found = error_row(target, target, classes=2, objects=[0, 1]).objects
    assert (found[1].sizes.tolist(), found[0].sizes.tolist()) == ([27], [81])


def test_an_image_where_nothing_is_scored_counts_nothing() -> None:
    row = error_row(np.full((6, 6), IGNORE), np.ones((6, 6), np.int64), classes=2, objects=[1])
    assert (row.scored, row.wrong, row.near, row.areas.sum(), len(row.objects[1].sizes)) == (0, 0, (0, 0), 0, 0)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\).*\(2, 3\)"):
        error_row(np.zeros((2, 2), int), np.zeros((2, 3), int), classes=2, objects=[])
