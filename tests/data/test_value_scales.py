"""Images of several scales of values are told apart, whatever the scales; dark images of one camera are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from lamelle.data.appearance import look
from lamelle.data.units import PixelKind, kinds_of
from lamelle.data.value_scales import scales_of, white_of

PAIRS = {
    "8 beside 16": ("uint16", 255, 65535),
    "10 beside 16": ("uint16", 1023, 65535),
    "12 beside 16": ("uint16", 4095, 65535),
    "14 beside 16": ("uint16", 16383, 65535),
    "10 beside 12": ("uint16", 1023, 4095),
    "fractions beside bytes": ("float32", 1, 255),
    "fractions beside 16 bits": ("float32", 1, 65535),
    "fractions beside percent": ("float64", 1, 100),
    "bytes beside 16 bits": ("float32", 255, 65535),
}


def picture(seed: int) -> np.ndarray:
    """From 0 to 1, and both reached."""
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(seed).random((1, 64, 64)), (0, 3, 3))
    return (noise - noise.min()) / np.ptp(noise)


def scales(
    tops: Sequence[float], dtype: str = "uint16", trained: Sequence[PixelKind] = (), files: str = ""
) -> list[list[int]]:
    looks = [look((picture(i) * top).astype(dtype)) for i, top in enumerate(tops)]
    return scales_of(looks, list(files) or list(range(len(tops))), trained)


def trained(*tops: float) -> PixelKind:
    return kinds_of([look((picture(i) * top).astype(np.uint16)) for i, top in enumerate(tops)])[0]


@pytest.mark.parametrize("name", PAIRS)
def test_any_two_scales_are_told_apart(name: str) -> None:
    dtype, small, large = PAIRS[name]
    reached = 0.85 + 0.15 * np.random.default_rng(1).random(12)  # the brightest pixel is seldom white
    tops = [(small if i % 3 == 0 else large) * reached[i] for i in range(12)]
    assert scales(tops, dtype) == [[0, 3, 6, 9], [1, 2, 4, 5, 7, 8, 10, 11]]


def test_three_scales_are_three() -> None:
    assert scales([1023, 4095, 65535] * 4) == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]
    assert scales([900, 950, 1000, 15000, 16000, 16383, 60000, 62000, 65535]) == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


@pytest.mark.parametrize("n", [12, 24, 100])
def test_exposures_of_one_camera_are_one_scale(n: int) -> None:
    draw, one = np.random.default_rng(n), look((picture(0) * 65535).astype(np.uint16))
    spoken = 0
    for _ in range(50):
        looks = [
            replace(one, maximum=one.maximum * dim, low=one.low * dim, high=one.high * dim)
            for dim in (900 / 65535) ** draw.random(n)
        ]
        spoken += bool(scales_of(looks, list(range(n))))
    assert spoken <= (1 if n == 12 else 0)


def test_what_is_merely_dark_is_of_the_same_scale() -> None:
    assert scales([4095, 4000]) == []
    assert scales([60000, 50000, 18000]) == []
    assert scales([60000, 500, 65535]) == [], "a blank field"
    assert scales([60000, 3000], files="aa") == [], "planes of one stack"
    assert scales([4095, 60000]) == [[0], [1]]
    assert scales([60000, 4000], trained=[trained(60000, 5000)]) == [], "as dark as images of the training"
    assert scales([4095, 60000], trained=[trained(4095)]) == [[0], [1]]
    assert scales([4095, 60000], trained=[trained(65535)]) == [[0], [1]]
    assert scales([40, 45, 50, 42, 255, 250, 255, 249], "uint8") == [], "black and white of bytes are certain"


def test_fields_that_hold_only_the_offset_of_a_camera_are_no_scale() -> None:
    blank = [look((200 + 10 * picture(i)).astype(np.uint16)) for i in range(4)]
    full = [look((200 + 60000 * picture(i)).astype(np.uint16)) for i in range(4, 12)]
    assert scales_of([*blank, *full], list(range(12))) == []


def test_white_is_that_of_the_least_scale_that_holds_all() -> None:
    values = {0.3: 1, 1: 1, 99.5: 100, 200: 255, 256: 1023, 9000: 16383}
    for top, white in values.items():
        assert white_of([look((picture(0) * top).astype(np.float32))]) == white
