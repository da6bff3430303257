"""Speaks of what is elsewhere, stays silent about what is alike, whatever the numbers and the groups."""

from __future__ import annotations

import numpy as np
import pytest

from lamelle.data.outliers import distances, outlying

SETS = 200
LEVEL = 0.02


def rate(known: int, new: int, *, moved: float, heavy: bool = False, sets: int = SETS) -> float:
    spoken = 0
    for seed in range(sets):
        draw = np.random.default_rng(seed)
        points = draw.standard_t(4, size=(known + new, 6)) if heavy else draw.normal(size=(known + new, 6))
        points[:, 1] = points[:, 0] + 0.2 * points[:, 1]
        points[known:, 2] += moved
        spoken += outlying(points[:known], np.arange(known), points[known:], None).p < LEVEL
    return spoken / sets


@pytest.mark.parametrize(("known", "new"), [(12, 1), (12, 3), (30, 10), (120, 1), (120, 30)])
@pytest.mark.parametrize("heavy", [False, True])
def test_silent_about_the_same_kind(known: int, new: int, heavy: bool) -> None:
    assert rate(known, new, moved=0, heavy=heavy) <= 0.03  # 2 % and the chance of 200 sets


@pytest.mark.parametrize("known", [12, 24, 60])
def test_a_known_point_is_no_nearer_to_the_others_than_a_new_one(known: int) -> None:
    """More measures than points: one of ``known + 1`` is the farthest, whichever is new."""
    farthest = []
    for seed in range(100):
        points = np.random.default_rng(seed).standard_t(4, size=(known + 4, 20))
        own, found = distances(points[:known], np.arange(known), points[known:])
        farthest += list(found > own.max())
    assert np.mean(farthest) <= 1 / (known + 1) + 0.02


@pytest.mark.parametrize(("known", "new", "moved"), [(12, 3, 25), (30, 10, 5), (120, 1, 8), (120, 30, 3)])
def test_finds_what_moved(known: int, new: int, moved: float) -> None:
    assert rate(known, new, moved=moved, sets=60) >= 0.95


def test_another_mixture_of_the_same_is_the_same() -> None:
    draw = np.random.default_rng(1)
    first, second = draw.normal(0, 0.1, (80, 3)), draw.normal(5, 0.1, (20, 3))
    known = np.concatenate([first, second[:15]])
    assert outlying(known, np.arange(95), np.concatenate([second[15:]] * 3), None).p > LEVEL


def grouped(draw: np.random.Generator, groups: int, each: int) -> tuple[np.ndarray, np.ndarray]:
    middles = draw.normal(size=(groups, 1, 4))
    points = middles + draw.normal(0, 0.1, (groups, each, 4))
    return points.reshape(-1, 4), np.repeat(np.arange(groups), each)


@pytest.mark.parametrize("named", [True, False])
def test_the_images_of_one_new_patient_are_no_shift(named: bool) -> None:
    spoken = alone = 0
    for seed in range(SETS):
        points, groups = grouped(np.random.default_rng(seed), 21, 20)
        known, new = groups < 20, points[groups == 20]
        of_new = np.zeros(20, int) if named else None
        spoken += outlying(points[known], groups[known], new, of_new).p < LEVEL
        alone += outlying(points[known], np.arange(known.sum()), new, None).p < LEVEL
    assert spoken / SETS <= 0.04
    assert alone / SETS > 0.5, "which they would be if their images were taken for independent"


def test_too_few_to_say_anything() -> None:
    known = np.zeros((7, 3))
    assert outlying(known, np.arange(7), np.ones((5, 3)), None).p == 1
    assert outlying(np.random.default_rng(0).normal(size=(20, 3)), np.arange(20), np.zeros((0, 3)), None).p == 1
