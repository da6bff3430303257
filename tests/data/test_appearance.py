"""Measures change with what they measure, and with nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from lamelle.data.appearance import MEASURES, NAMES, look
from lamelle.specimens.nuclei import make_nuclei


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    image = make_nuclei(seed=3, size=160).image.astype(np.float64)
    image = image.mean(axis=0, keepdims=True) if len(image) == 3 else image
    return 20 + 180 * (image - image.min()) / np.ptp(image)


def measures(image: np.ndarray) -> dict[str, float]:
    return dict(zip(NAMES, look(image).measures((0, 255)), strict=True))


def test_another_scale_changes_absolute_measures_only(picture: np.ndarray) -> None:
    before, after = measures(picture), measures(picture * 0.5 + 30)
    for measure in MEASURES:
        if not measure.absolute:
            assert after[measure.name] == pytest.approx(before[measure.name], abs=1e-2), measure
    assert after["contrast"] == pytest.approx(before["contrast"] / 2, rel=1e-3)
    same = dict(zip(NAMES, look(picture * 257).measures((0, 255 * 257)), strict=True))
    assert list(same.values()) == pytest.approx(list(before.values()), abs=1e-2)


def test_each_change_moves_its_measure(picture: np.ndarray) -> None:
    before = measures(picture)
    inverted, blurred = measures(255 - picture), measures(gaussian_filter(picture, (0, 2, 2)))
    assert inverted["skew"] == pytest.approx(-before["skew"], abs=1e-3)
    assert inverted["tail"] == pytest.approx(-before["tail"], abs=1e-2)
    assert blurred["fine"] > before["fine"] + 0.1
    assert blurred["noise"] < before["noise"] - 0.5
    noisy = measures(picture + np.random.default_rng(0).normal(0, 20, picture.shape))
    assert noisy["noise"] > before["noise"] + 0.5
    assert noisy["fine"] < before["fine"]
    assert measures(picture[:, ::2, ::2])["fine"] == pytest.approx(before["middle"], abs=0.1), "pixels twice as large"


def test_tones_detail_and_points_follow_what_is_done(picture: np.ndarray) -> None:
    bright = 20 + 180 * (picture / 255) + np.random.default_rng(1).normal(0, 3, picture.shape)
    before, inverted = measures(bright), measures(255 - bright)
    assert inverted["tone"] == pytest.approx(-before["tone"], abs=0.05)
    assert inverted["points"] == pytest.approx(-before["points"], abs=1e-3)
    gamma = {power: measures(255 * (bright.clip(1) / 255) ** power) for power in (0.5, 2)}
    assert gamma[0.5]["tone"] < before["tone"] - 0.1 < before["tone"] + 0.1 < gamma[2]["tone"]
    assert measures(bright * 0.6)["detail"] < before["detail"] - 0.3
    assert measures(bright * 0.6)["blur"] == pytest.approx(before["blur"], abs=0.02)
    blurred, large = measures(gaussian_filter(picture, (0, 2, 2))), measures(picture)
    assert blurred["blur"] > large["blur"] + 0.3
    noisy = measures(picture + np.random.default_rng(0).normal(0, 20, picture.shape))
    assert noisy["grain"] > large["grain"] + 0.05


def test_dyes_and_noise_of_colours_are_told(picture: np.ndarray) -> None:
    density = np.stack([picture[0] * share / 255 for share in (0.5, 1.0, 0.7)])
    stained = 255 * np.exp(-density)
    before = measures(stained)
    paler = measures(255 * np.exp(-density * np.array([1.0, 1.0, 0.6])[:, None, None]))
    assert paler["blue_dye"] < before["blue_dye"] - 0.3
    assert paler["red_dye"] == pytest.approx(before["red_dye"], abs=1e-6)
    stronger = measures(255 * np.exp(-density * np.array([1.6, 1.0, 1.0])[:, None, None]))
    assert stronger["red_dye"] > before["red_dye"] + 0.3
    assert stronger["vivid"] > before["vivid"] + 0.2
    noisy = measures(stained + np.random.default_rng(0).normal(0, 10, stained.shape))
    assert noisy["mottle"] > before["mottle"] + 0.5
    assert noisy["link"] < before["link"] - 0.2


def test_colour_is_measured_of_colour_images_only(picture: np.ndarray) -> None:
    grey = measures(picture)
    assert [grey[m.name] for m in MEASURES if m.kind == "colour" and m.name != "link"] == [0] * 6
    assert grey["link"] > 3, "colours that are alike go together entirely"
    pink = np.concatenate([picture, picture * 0.6, picture * 0.9])
    found, dark = measures(pink), measures(pink * 0.4)
    assert found["red"] > found["blue"] > 0
    assert found["chroma"] > 0
    assert dark["red"] == pytest.approx(found["red"], rel=1e-3), "darker is no other colour"


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((1, 1, 1), np.uint8),
        np.full((2, 9, 700), 7, np.uint16),
        np.zeros((1, 5, 2, 3), np.float32),
        np.ones((4, 2, 300, 300), bool),
        np.full((3, 40, 40), -(2**31), np.int32),
    ],
    ids=str,
)
def test_flat_and_tiny_images_have_finite_measures(image: np.ndarray) -> None:
    assert np.isfinite(look(image).measures((0, 1))).all()


def test_large_images_and_volumes_are_sampled() -> None:
    image = np.lib.stride_tricks.as_strided(np.arange(256, dtype=np.uint8), (1, 20000, 20000), (0, 0, 0))
    assert look(image).maximum == 0
    volume = np.zeros((1, 50, 2000, 2000), np.uint8)
    assert look(volume).whole


def test_a_grey_image_is_one_whether_its_file_holds_one_channel_or_three(picture: np.ndarray) -> None:
    grey = picture.round()
    three = np.repeat(grey, 3, axis=0)
    rounded = three + np.random.default_rng(0).integers(-1, 2, three.shape)  # as lossy files of colours are
    assert measures(three) == pytest.approx(measures(grey), abs=1e-3)
    colours = [m.name for m in MEASURES if m.kind == "colour" or m.name == "mottle"]
    for name in colours:
        assert measures(rounded)[name] == pytest.approx(measures(grey)[name], abs=1e-6), name
