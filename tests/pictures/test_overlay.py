"""Pictures for the eye: contours, colours, right and wrong pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.segmentation import find_boundaries

from lamelle.io.images import read
from lamelle.io.palette import COLOURS
from lamelle.io.writers import write_rgb
from lamelle.pictures.overlay import (
    CONFUSION,
    IGNORED,
    colour,
    confusion_picture,
    label_picture,
    overlay,
    shown_plane,
    to_rgb,
)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.bool_])
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("depth", [(), (4,)])
def test_every_image_becomes_colours(dtype: type, channels: int, depth: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).integers(0, 2 if dtype is np.bool_ else 200, (channels, *depth, 9, 7))
    picture = to_rgb(values.astype(dtype))
    assert picture.shape == (3, 9, 7)
    assert picture.dtype == np.uint8
    assert picture.max() > 100


def test_colours_of_8_bits_stay_and_all_else_is_stretched() -> None:
    colours = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    np.testing.assert_array_equal(to_rgb(colours), colours)
    dim = np.linspace(1000, 1100, 100).reshape(1, 10, 10).astype(np.uint16)
    assert to_rgb(dim).min() == 0
    assert to_rgb(dim).max() == 255


def test_sparse_constant_and_missing_values_are_shown() -> None:
    sparse = np.zeros((1, 40, 40), np.float32)
    sparse[0, 3, 3] = 5.0
    assert to_rgb(sparse)[:, 3, 3].tolist() == [255] * 3
    assert not to_rgb(np.full((1, 4, 4), 7, np.uint16)).any()
    holed = np.arange(16.0).reshape(1, 4, 4)
    holed[0, 0, 0] = np.nan
    assert to_rgb(holed)[:, 0, 0].tolist() == [0] * 3


@given(arrays(np.int64, (12, 11), elements=st.integers(0, 3)))
def test_contours_are_those_of_scikit_image(labels: np.ndarray) -> None:
    picture = overlay(np.zeros((1, 12, 11), np.uint8), labels)
    expected = find_boundaries(labels, mode="thick", connectivity=2) & (labels > 0)
    np.testing.assert_array_equal(picture.any(0), expected)
    np.testing.assert_array_equal(picture[:, expected], COLOURS[labels[expected]].T)


def test_contours_grow_with_the_image() -> None:
    def line(side: int) -> int:
        labels = np.zeros((side, side), np.int64)
        labels[:, side // 2 :] = 1
        return int(overlay(np.zeros((1, side, side), np.uint8), labels)[0, 0].astype(bool).sum())

    assert line(100) == 1
    assert line(1600) == 4


def test_an_overlay_can_be_written(tmp_path: Path) -> None:
    write_rgb(tmp_path / "a.png", overlay(np.zeros((1, 20, 30), np.uint16), np.ones((20, 30), np.int64)))
    assert read(tmp_path / "a.png").array.shape == (3, 20, 30)


def test_a_volume_shows_the_plane_with_the_most_labels_in_image_and_contours() -> None:
    image, labels = np.zeros((1, 5, 8, 8), np.uint8), np.zeros((5, 8, 8), np.int64)
    image[0, 3], labels[3, 2:6, 2:6] = np.arange(64).reshape(8, 8), 1
    assert shown_plane(labels) == 3
    assert shown_plane(np.zeros((5, 2, 2), np.int64)) == 2
    picture = overlay(image, labels)
    np.testing.assert_array_equal(picture[:, 0], to_rgb(image, index=3)[:, 0])
    assert picture[:, 2, 2].tolist() == list(colour(1))


def test_right_and_wrong_pixels() -> None:
    target = np.array([[1, 0, 1, 0, 2, -1]])
    labels = np.array([[1, 1, 0, 0, 1, 1]])
    picture = confusion_picture(target, labels)
    names = ("tp", "fp", "fn", "tn", "other")
    assert [tuple(picture[:, 0, x].tolist()) for x in range(6)] == [*(CONFUSION[n] for n in names), IGNORED]


def test_labels_keep_their_colour_and_objects_go_round_the_palette() -> None:
    picture = label_picture(np.array([[0, 1, 7, 8, 255, -1]], np.int64), classes=256)
    assert picture[:, 0, 0].tolist() == [0, 0, 0]
    assert picture[:, 0, 3].tolist() == list(colour(1)) == picture[:, 0, 1].tolist()
    assert picture[:, 0, 4].any()
    assert picture[:, 0, 5].tolist() == list(IGNORED)
    assert label_picture(np.array([[3]], np.uint32), classes=4)[:, 0, 0].tolist() == COLOURS[3].tolist()
    assert label_picture(np.array([[0, 1, -1]]), classes=2)[0, 0].tolist() == [0, 255, 128]
