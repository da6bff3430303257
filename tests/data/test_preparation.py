"""Pixels become network input in the way that the package remembers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamelle.data.preparation import Preparation, fits, read_window, to_channels
from lamelle.errors import WorkError


def prepared(image: np.ndarray, normalise: str, *, channels: int = 1, bits: int | None = None) -> np.ndarray:
    preparation = Preparation(channels, None, normalise, (100.0,), (50.0,))
    return preparation.apply(image, preparation.affine(image, bits=bits))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_full_range_follows_the_pixel_type(dtype: type) -> None:
    image = np.array([[[0, np.iinfo(dtype).max]]], dtype)
    assert prepared(image, "unit").ravel().tolist() == [0, 1]
    assert prepared(image, "symmetric").ravel().tolist() == [-1, 1]


def test_twelve_bits_in_sixteen() -> None:
    assert prepared(np.array([[[4095]]], np.uint16), "unit", bits=12).item() == pytest.approx(1)


def test_data_set_statistics() -> None:
    assert prepared(np.array([[[100, 200]]], np.uint8), "dataset").ravel().tolist() == pytest.approx([0, 2])


def test_image_range_ignores_outliers_and_constant_images() -> None:
    image = np.random.default_rng(0).normal(1000, 100, (1, 200, 200)).astype(np.float32)
    image[0, 0, 0] = 1e6
    found = prepared(image, "image")
    assert np.percentile(found, [1, 99]) == pytest.approx([-1, 1], abs=0.02)
    assert np.isfinite(prepared(np.full((1, 4, 4), 7, np.uint8), "image")).all()


def test_stains_have_a_range_each_and_colours_one() -> None:
    rng = np.random.default_rng(0)
    faint, bright = rng.normal(100, 5, (64, 64)), rng.normal(20_000, 5000, (64, 64))
    stains = prepared(np.stack([faint, bright]), "image", channels=2)
    for channel in stains:
        assert np.percentile(channel, [1, 99]) == pytest.approx([-1, 1], abs=1e-3)
    colours = prepared(np.stack([faint, bright, bright]), "image", channels=3)
    assert np.ptp(colours[0]) < 0.01, "one range: the hue stays"
    assert np.ptp(colours[1]) > 1
    assert prepared(np.stack([faint, bright, bright]), "image", channels=1).shape == (1, 64, 64)


def test_imagenet_is_what_torchvision_does() -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 5, 5), dtype=np.uint8)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = (image / 255 - mean[:, None, None]) / std[:, None, None]
    assert prepared(image, "imagenet", channels=3) == pytest.approx(expected, abs=1e-5)


def test_channels() -> None:
    grey = np.ones((1, 2, 2), np.uint8)
    assert to_channels(grey, 3).shape == (3, 2, 2)
    assert to_channels(np.full((3, 2, 2), 9, np.uint8), 1) == pytest.approx(9, abs=1e-4)
    for have, want in ((2, 3), (2, 1), (1, 2), (1, 5), (3, 2)):
        assert not fits(have, want)
        with pytest.raises(WorkError, match=f"{have} channels"):
            to_channels(np.ones((have, 2, 2)), want)


@given(st.integers(1, 12), st.integers(-15, 15), st.integers(1, 20))
def test_a_window_is_a_part_of_the_mirrored_image(full: int, start: int, size: int) -> None:
    image = np.arange(full)[None]
    found = read_window(image, [start], [size])
    assert found.shape == (1, size)
    inside = [i for i in range(size) if 0 <= start + i < full]
    assert all(found[0, i] == start + i for i in inside)
    assert set(found.ravel().tolist()) <= set(range(full))
