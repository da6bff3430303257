"""A small difference that all points share is found; another mixture, one point or one more patient is none."""

from __future__ import annotations

import numpy as np
import pytest

from lamelle.data.drift import drift_of
from lamelle.data.outliers import outlying

LEVEL = 0.02


def points(seed: int, known: int, new: int, moved: float, *, heavy: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Known and new points of eight measures, of which the first two nearly agree; the new ones disagree more."""
    draw = np.random.default_rng(seed)
    found = draw.standard_t(3, size=(known + new, 8)) if heavy else draw.normal(size=(known + new, 8))
    found[:, 1] = found[:, 0] + 0.3 * found[:, 1]
    found[known:, 1] += 0.3 * moved
    return found[:known], found[known:]


def rate(known: int, new: int, moved: float, *, sets: int, heavy: bool = False) -> float:
    pairs = [points(seed, known, new, moved, heavy=heavy) for seed in range(sets)]
    return float(np.mean([drift_of(a, np.arange(known), b, new).p < LEVEL for a, b in pairs]))


@pytest.mark.parametrize(("known", "new"), [(12, 3), (12, 10), (30, 10), (100, 30), (100, 150)])
@pytest.mark.parametrize("heavy", [False, True])
def test_silent_about_the_same_kind(known: int, new: int, heavy: bool) -> None:
    assert rate(known, new, 0, sets=200, heavy=heavy) <= 0.04


def test_finds_what_no_single_point_shows() -> None:
    assert rate(100, 10, 3, sets=40) >= 0.95
    known, new = points(0, 100, 10, 3)
    low, high = np.quantile(known, [0.05, 0.95], axis=0)
    assert ((low < np.median(new, axis=0)) & (np.median(new, axis=0) < high)).all(), "within the range of each measure"
    found = outlying(known, np.arange(100), new, None)
    assert found.p < LEVEL
    assert found.common
    assert found.far.sum() > 0


def test_those_that_lean_are_marked() -> None:
    known, new = points(3, 100, 40, 6)
    new[:10] = points(4, 100, 10, 0)[1]
    leaning = drift_of(known, np.arange(100), new, 40).leaning
    assert leaning[10:].mean() > 0.9
    assert leaning[:10].mean() < 0.4


def test_one_kind_of_two_is_no_drift() -> None:
    spoken = 0
    for seed in range(60):
        draw = np.random.default_rng(seed)
        known = draw.normal(size=(100, 6))
        known[:30] += 5
        new = draw.normal(5, size=(20, 6))
        spoken += drift_of(known, np.arange(100), new, 20).p < LEVEL
    assert spoken / 60 <= 0.05


def test_one_more_patient_is_no_drift() -> None:
    rates = dict.fromkeys((1.0, 20.0), 0.0)
    for seed in range(60):
        draw = np.random.default_rng(seed)
        groups = np.repeat(np.arange(25), 8)
        known = draw.normal(size=(25, 6))[groups] + draw.normal(size=(200, 6))
        new = draw.normal(size=6) + draw.normal(size=(20, 6))
        for count in rates:
            rates[count] += (drift_of(known, groups, new, count).p < LEVEL) / 60
    assert rates[1.0] <= 0.07
    assert rates[20.0] > 0.3, "which it would be if its images were taken for independent"


def test_a_single_point_has_no_common_side() -> None:
    known, new = points(1, 50, 1, 30)
    found = drift_of(known, np.arange(50), new, 1)
    assert found.p == 1
    assert not found.leaning.any()
