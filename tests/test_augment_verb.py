"""`lamelle augment`: training samples before and after augmentation, as one picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lamelle
from lamelle.errors import RequestError
from lamelle.runs.augmented_samples import augmented_samples
from lamelle.runs.train import planned
from lamelle.verbs import open_store

SMALL = {"data": {"dims": 2}, "train": {"patch": [32, 32]}}


@pytest.fixture
def nuclei(tmp_path: Path) -> Path:
    lamelle.demo("nuclei", tmp_path / "nuclei", count=10, size=64)
    return tmp_path / "nuclei"


def samples(data: Path, **augment: object):
    store = open_store()
    asked = {
        **SMALL,
        "task": {"name": "segment"},
        "augment": {"flip": False, "rot90": False, "zoom": [1, 1], **augment},
    }
    off = dict.fromkeys(("rotate", "brightness", "contrast", "gamma"), 0)
    plan = planned(data, {**asked, "augment": {**off, **asked["augment"]}}, store)
    return augmented_samples(plan, store, images=3, draws=2)


def test_nothing_asked_changes_nothing(nuclei: Path):
    for one in samples(nuclei):
        assert one.plain.shape == (3, 32, 32)
        for changed in one.changed:
            assert np.array_equal(changed, one.plain)


def test_image_and_contour_are_mirrored_together(nuclei: Path):
    for one in samples(nuclei, flip=["x"]):
        for changed in one.changed:
            assert np.array_equal(changed, one.plain) or np.array_equal(changed, one.plain[:, :, ::-1])


def test_brightness_is_seen(nuclei: Path):
    """The grey levels are those of the sample before it is changed; each picture by itself would look alike."""
    shown = samples(nuclei, brightness=0.9)
    assert any(abs(float(changed.mean()) - float(one.plain.mean())) > 5 for one in shown for changed in one.changed)


def test_the_picture_has_a_row_for_each_image_and_a_column_for_each_draw(nuclei: Path, tmp_path: Path):
    made = lamelle.augment(nuclei, out=tmp_path / "a.png", images=2, draws=3, patch=32, rotate=20, task="segment")
    size = Image.open(made.path).size
    wide = lamelle.augment(nuclei, out=tmp_path / "b.png", images=2, draws=5, patch=32, rotate=20, task="segment")
    high = lamelle.augment(nuclei, out=tmp_path / "c.png", images=4, draws=3, patch=32, rotate=20, task="segment")
    assert Image.open(wide.path).width - size[0] == 2 * (Image.open(wide.path).width - 12 + 6) // 6
    assert Image.open(high.path).height == 2 * size[1]
    assert "rotate=20" in str(made)
    assert made._repr_html_().startswith('<img alt="')


def test_the_classes_of_an_image_stand_below_it_and_volumes_show_a_plane(tmp_path: Path):
    rng = np.random.default_rng(0)
    for name in "ab":
        (tmp_path / "classes" / name).mkdir(parents=True)
        for i in range(8):
            values = rng.integers(0, 255, (40, 40), np.uint8)
            Image.fromarray(values).save(tmp_path / "classes" / name / f"{name}{i}.png")
    store = open_store()
    plan = planned(tmp_path / "classes", {"data": {"resize": [32, 32]}}, store)
    shown = augmented_samples(plan, store, images=4, draws=1)
    assert {one.classes for one in shown} == {("a",), ("b",)}


def test_a_file_that_is_not_ours_is_left_alone(nuclei: Path, tmp_path: Path):
    other = tmp_path / "mine.png"
    Image.new("L", (4, 4)).save(other)
    before = other.read_bytes()
    with pytest.raises(RequestError, match=r"mine\.png"):
        lamelle.augment(nuclei, out=other)
    assert other.read_bytes() == before
    with pytest.raises(RequestError, match=r"\.png"):
        lamelle.augment(nuclei, out=tmp_path / "a.jpg")
    with pytest.raises(RequestError, match="draws=0"):
        lamelle.augment(nuclei, out=tmp_path / "a.png", draws=0)
