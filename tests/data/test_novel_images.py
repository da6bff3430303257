"""A few images of another kind among others are told one by one; images of the same kind are left in peace."""

from __future__ import annotations

import numpy as np
import pytest

from lamelle.data.appearance import NAMES, look
from lamelle.data.novel_images import far_among, inverted, swapped_among


def cells(seed: int, *, dark: bool = False) -> np.ndarray:
    """Bright spots of several sizes on a dark ground, uint8 ``[1, 64, 64]``, or dark ones on a bright ground."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64]
    image = np.full((64, 64), draw.uniform(20, 60))
    for _ in range(draw.integers(4, 12)):
        centre, size = draw.uniform(0, 64, 2), draw.uniform(3, 8)
        image += draw.uniform(60, 160) * np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / size**2)
    image += draw.normal(0, draw.uniform(3, 8), image.shape)
    grey = np.clip(np.rint(image), 0, 255).astype(np.uint8)[None]
    return 255 - grey if dark else grey


def measures(seeds: range, *, dark: bool = False) -> np.ndarray:
    return np.array([look(cells(seed, dark=dark)).measures((0, 255)) for seed in seeds]).reshape(-1, len(NAMES))


KNOWN, GROUPS = measures(range(100)), np.arange(100)


def swapped(known: np.ndarray, new: np.ndarray) -> list[int]:
    return np.flatnonzero(swapped_among(known, np.arange(len(known)), new, NAMES).which).tolist()


@pytest.mark.parametrize("count", [1, 3, 5, 12, 24])
def test_inverted_images_among_others_are_told_one_by_one(count: int) -> None:
    new = np.concatenate([measures(range(200, 224 - count)), measures(range(300, 300 + count), dark=True)])
    found = swapped(KNOWN, new)
    assert set(found) <= set(range(24 - count, 24))
    assert len(found) >= (count if count < 12 else 0.9 * count)
    what = swapped_among(KNOWN, GROUPS, new, NAMES)
    assert what.turned < what.usual < what.apart


def test_with_a_dozen_known_images_half_of_a_worklist_is_found_and_a_single_image_is_not() -> None:
    new = np.concatenate([measures(range(200, 205)), measures(range(300, 305), dark=True)])
    assert swapped(KNOWN[:12], new) == [5, 6, 7, 8, 9]
    assert swapped(KNOWN[:12], new[4:6]) == []


def test_where_both_polarities_were_trained_on_neither_is_swapped() -> None:
    both = np.concatenate([KNOWN[:50], measures(range(50, 100), dark=True)])
    new = np.concatenate([measures(range(200, 212)), measures(range(300, 312), dark=True)])
    assert swapped(both, new) == []


def test_images_that_differ_otherwise_are_not_called_swapped() -> None:
    from scipy.ndimage import gaussian_filter

    draw = np.random.default_rng(0)
    blurred = [gaussian_filter(cells(seed), (0, 3, 3)) for seed in range(200, 224)]
    noisy = [np.clip(cells(s) + draw.normal(0, 40, (1, 64, 64)), 0, 255).astype(np.uint8) for s in range(200, 224)]
    for images in (blurred, noisy):
        assert swapped(KNOWN, np.array([look(one).measures((0, 255)) for one in images])) == []


def test_what_would_be_unlike_when_inverted_too_is_not_called_swapped() -> None:
    stripes = np.arange(64) // 2 % 2 * 60
    images = [np.clip(cells(seed, dark=True) - stripes, 0, 255).astype(np.uint8) for seed in range(200, 212)]
    assert swapped(KNOWN, np.array([look(one).measures((0, 255)) for one in images])) == []


def test_sets_of_the_same_kind_are_left_in_peace() -> None:
    """Both questions together, asked of 60 sets of 24."""
    pool, spoken = measures(range(1000, 1160)), 0
    for seed in range(60):
        order = np.random.default_rng(seed).permutation(len(pool))
        known, new = pool[order[:100]], pool[order[100:124]]
        spoken += bool(swapped(known, new)) or bool(far_among(known, GROUPS, new).any())
    assert spoken <= 2


@pytest.mark.parametrize("count", [1, 4, 12])
def test_points_far_away_among_others_are_told_one_by_one(count: int) -> None:
    draw = np.random.default_rng(count)
    known, new = draw.normal(size=(150, 6)), draw.normal(size=(24, 6))
    new[:count] += 12
    assert np.flatnonzero(far_among(known, np.arange(150), new)).tolist() == list(range(count))
    assert not far_among(known, np.arange(150), draw.normal(size=(24, 6))).any()


def test_one_far_point_is_not_told_by_few_groups_and_nothing_by_too_few_points() -> None:
    draw = np.random.default_rng(0)
    known, new = draw.normal(size=(150, 6)), draw.normal(size=(24, 6))
    new[0] += 12
    assert not far_among(known, np.arange(150) // 10, new).any()
    assert not far_among(known[:7], np.arange(7), new).any()
    assert not far_among(known, np.arange(150), new[:0]).any()
    assert swapped_among(KNOWN[:7], np.arange(7), KNOWN, NAMES).which.sum() == 0


def test_measures_of_the_inverse_are_those_of_the_inverted_image() -> None:
    """Where brightness is not comparable too."""
    seen, turned = measures(range(5)), measures(range(5), dark=True)
    np.testing.assert_allclose(inverted(seen, NAMES), turned, atol=0.02)
    some = [NAMES.index(name) for name in ("skew", "tail", "fine", "tone", "points")]
    np.testing.assert_allclose(inverted(seen[:, some], [NAMES[i] for i in some]), turned[:, some], atol=0.02)
