"""Each pattern of errors on a case made to show it, and not on one made to lack it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from lamelle.metrics.error_patterns import ErrorKind, patterns
from lamelle.metrics.errors_in_space import error_row

NAMES = ("background", "cell", "vessel")
Pair = tuple[np.ndarray, np.ndarray]


def found(pairs: Sequence[Pair], places: Sequence[tuple[str, int | None]] | None = None) -> dict[str, ErrorKind]:
    rows = [error_row(t, p, classes=3, objects=[1]) for t, p in pairs]
    known = patterns(rows, classes=NAMES, places=places or [(str(i), None) for i in range(len(rows))])
    return {p.kind: p for p in known}


def discs(radii: Sequence[int], size: int = 160) -> np.ndarray:
    """One disc of each radius, on a regular grid."""
    y, x = np.ogrid[:size, :size]
    labels, step = np.zeros((size, size), np.int64), size // 4
    for i, r in enumerate(radii):
        labels[(y - step // 2 - step * (i // 4)) ** 2 + (x - step // 2 - step * (i % 4)) ** 2 <= r * r] = 1
    return labels


LARGE = discs([14] * 16)


def test_nothing_is_said_of_what_is_right() -> None:
    assert found([(LARGE, LARGE)] * 3) == {}
    assert patterns([], classes=NAMES, places=[]) == []


def test_displaced_edges_are_blurred() -> None:
    said = found([(LARGE, np.roll(LARGE, 2, axis=0))] * 2)
    assert set(said) == {"blur"}
    values = said["blur"].values
    assert (values["share"], values["distance"]) == (1.0, 2)
    assert values["all"] < 0.5
    assert values["wrong"] == pytest.approx((np.roll(LARGE, 2, axis=0) != LARGE).mean())


def test_missing_objects_are_no_blur_but_whole_regions() -> None:
    half = LARGE.copy()
    half[:, ::2][half[:, ::2] > 0] = 0
    assert "blur" not in found([(LARGE, np.where(np.arange(160) < 80, LARGE, 0))] * 2)
    assert "regions" in found([(LARGE, np.where(np.arange(160) < 80, LARGE, 0))] * 2)
    assert "regions" not in found([(LARGE, np.roll(LARGE, 1, axis=0))] * 2)
    assert "blur" not in found([(LARGE, half)] * 2)


def test_thin_shapes_that_are_mostly_wrong_are_not_called_right() -> None:
    lines = np.zeros((160, 160), np.int64)
    lines[::20] = 1
    shifted = np.roll(lines, 1, axis=0)
    row = error_row(lines, shifted, classes=3, objects=[])
    assert row.near_wrong[0] == row.wrong
    assert "blur" not in found([(lines, shifted)] * 2)


def test_wrong_areas_and_classes_that_are_never_predicted() -> None:
    grown = discs([17] * 16)
    said = found([(LARGE, grown)] * 2)["over"].values
    assert (said["name"], said["images"], said["n"]) == ("cell", 2, 2)
    assert said["ratio"] == pytest.approx(grown.sum() / LARGE.sum())
    said = found([(grown, LARGE)] * 2)["under"].values
    assert said["ratio"] == pytest.approx(LARGE.sum() / grown.sum())
    assert not {"over", "under"} & set(found([(LARGE, discs([15] * 16)), (discs([15] * 16), LARGE)]))
    vessel = LARGE.copy()
    vessel[:3] = 2
    said = found([(vessel, LARGE)])
    assert (said["never"].values["name"], said["never"].values["pixels"]) == ("vessel", 480)
    assert "never" not in found([(LARGE, LARGE)])


def test_merges_and_splits() -> None:
    joined, cut = LARGE.copy(), LARGE.copy()
    for row in (20, 60):
        joined[row, 6:150] = 1
        cut[row, :] = 0
    said = found([(LARGE, joined)])
    assert (said["merges"].values["cases"], said["merges"].values["n"]) == (8, 16)
    assert "splits" not in said
    said = found([(LARGE, cut)])
    assert (said["splits"].values["cases"], said["splits"].values["share"]) == (8, 0.5)
    assert "merges" not in said
    one = LARGE.copy()
    one[20, 6:70] = 1  # two of sixteen are a chance
    assert "merges" not in found([(LARGE, one)])


def test_small_objects_are_missed_only_if_large_ones_are_found() -> None:
    radii = [3, 9, 14] * 5
    target = discs(radii)
    without_small = discs([0 if r == 3 else r for r in radii])
    said = found([(target, without_small)])["small"].values
    assert (said["small"], said["large"]) == (0.0, 1.0)
    assert said["below"] < 50 < said["above"]
    assert "small" not in found([(target, discs([0 if r == 14 else r for r in radii]))])
    assert "small" not in found([(target, target)])
    assert "small" not in found([(discs([3] * 8), discs([0, 3] * 4))])


def test_objects_where_there_is_none() -> None:
    target = discs([9, 0] * 8)
    said = found([(target, discs([9, 3] * 8))])["false"].values
    assert (said["cases"], said["n"]) == (8, 16)
    assert said["median"] < said["true_median"]
    assert "false" not in found([(target, np.roll(target, 2, axis=1))])


@pytest.mark.parametrize(
    ("where", "part"), [(np.s_[110:158, 4:156], "rows_bottom"), (np.s_[4:156, 2:50], "columns_left")]
)
def test_where_the_errors_gather(where: tuple[slice, slice], part: str) -> None:
    wrong = np.zeros((160, 160), bool)
    wrong[where] = np.random.default_rng(0).random(wrong[where].shape) < 0.3
    said = found([(LARGE, np.where(wrong, 1 - LARGE, LARGE))] * 3)["place"].values
    assert (said["part"], said["images"], said["n"]) == (part, 3, 3)
    assert said["ratio"] > 1.5
    assert said["share"] > 0.9


def test_a_ninth_is_named_where_no_third_stands_out() -> None:
    wrong = np.zeros((160, 160), bool)
    wrong[::7, ::3] = True
    wrong[60:100:2, 60:100:3] = True
    assert found([(LARGE, np.where(wrong, 1 - LARGE, LARGE))] * 3)["place"].values["part"] == "middle_centre"


def test_no_place_where_errors_lie_everywhere_or_in_one_image_only() -> None:
    even = np.zeros((160, 160), bool)
    even[::4, ::4] = True
    flipped = np.where(even, 1 - LARGE, LARGE)
    assert "place" not in found([(LARGE, flipped)] * 3)
    corner = LARGE.copy()
    corner[110:, :] = 1 - corner[110:, :]
    assert "place" not in found([(LARGE, corner), (LARGE, LARGE), (LARGE, LARGE)])


def test_the_worst_slices_of_a_stack_and_of_a_volume() -> None:
    bad = np.roll(LARGE, 8, axis=0)
    slices = [LARGE, LARGE, bad, np.roll(LARGE, 1, axis=0), LARGE, LARGE]
    stack = found([(LARGE, s) for s in slices], [("v.tif", 10 + z) for z in range(6)])["slices"].values
    assert (stack["volume"], stack["slices"], stack["n"]) == ("v.tif", [12], 6)
    assert stack["worst"] == pytest.approx((bad != LARGE).mean())
    volume = found([(np.stack([LARGE] * 6), np.stack(slices))])["slices"].values
    assert (volume["volume"], volume["slices"]) == ("0", [2])
    assert "slices" not in found([(LARGE, bad)] * 6, [("v.tif", z) for z in range(6)])
    assert "slices" not in found([(LARGE, s) for s in slices])
    assert "slices" not in found([(LARGE, s) for s in slices[:3]], [("v.tif", z) for z in range(3)])
