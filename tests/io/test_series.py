"""A folder of slices made by a conversion is one stack: for readers, for the store, as training data, to predict."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lamelle
from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.layouts.unlabelled import read_unlabelled
from lamelle.data.store import Store
from lamelle.errors import FileError
from lamelle.io import images
from lamelle.io.writers import write_image
from lamelle.types import Source

SPACING = (0.05, 0.004, 0.004)


def made(folder: Path, array: np.ndarray, *, to: str = "png", labels: bool = False) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    stack = folder.with_name(f"{folder.name}.tif")
    write_image(stack, array, spacing=SPACING)
    lamelle.convert(stack, folder, to=to, labels=labels)
    stack.unlink()
    return folder


def pixels(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 250, shape).astype(dtype)


def pair(root: Path, images: str = "images", labels: str = "labels") -> np.ndarray:
    array = pixels((1, 12, 20, 24), "uint8")
    made(root / images, array)
    made(root / labels, (array > 128).astype(np.uint8) * 255, labels=True)
    return array


@pytest.mark.parametrize(("shape", "dtype"), [((1, 12, 20, 24), "uint16"), ((3, 11, 20, 24), "uint8")])
@pytest.mark.parametrize("to", ["png", "tif"])
def test_the_slices_are_read_as_the_stack_that_they_were(
    tmp_path: Path, shape: tuple[int, ...], dtype: str, to: str
) -> None:
    array = pixels(shape, dtype)
    folder = made(tmp_path / "slices.d", array, to=to)
    head, image = images.header(folder), images.read(folder)
    assert (head.format, head.shape, head.dtype) == ("series", shape, np.dtype(dtype))
    assert head.spacing == image.spacing == pytest.approx(SPACING)
    assert image.problems == ()
    np.testing.assert_array_equal(image.array, array)
    np.testing.assert_array_equal(np.stack(list(images.planes(folder)), axis=1), array)
    store = Store(tmp_path / "store", budget=1 << 30)
    np.testing.assert_array_equal(store.image(Source(folder, index=7)), array[:, 7])
    np.testing.assert_array_equal(store.image(Source(folder, span=(2, 5))), array[:, 2:5])


@pytest.mark.parametrize("names", [("images", "labels"), ("images", "masks"), ("train-volume", "train-labels")])
def test_two_folders_of_slices_are_one_volume(tmp_path: Path, names: tuple[str, str]) -> None:
    pair(tmp_path / "data", *names)
    index = read_folder(tmp_path / "data", options=LayoutOptions())
    assert (index.layout, len(index.records), index.problems) == ("stack_pair", 12, ())
    assert [r.position for r in index.records] == list(range(12))
    assert {r.columns["volume"] for r in index.records} == {names[0]}
    whole = read_folder(tmp_path / "data", options=LayoutOptions(dims=3))
    assert [r.id for r in whole.records] == [names[0]]


def test_slices_without_the_record_are_single_images(tmp_path: Path) -> None:
    pair(tmp_path / "data")
    for name in ("images", "labels"):
        (tmp_path / "data" / name / "series.json").unlink()
        for i, path in enumerate(sorted((tmp_path / "data" / name).iterdir())):
            path.rename(path.with_name(f"{i:02d}.png"))
    index = read_folder(tmp_path / "data", options=LayoutOptions())
    assert (index.layout, {r.position for r in index.records}) == ("image_mask_folders", {None})
    with pytest.raises(FileError, match="folder"):
        images.header(tmp_path / "data" / "images")


def test_a_run_splits_slices_by_blocks_and_predicts_a_stack(tmp_path: Path) -> None:
    pair(tmp_path / "data")
    small = ["filters=[4,8]", "patch=16", "samples=8", "batch=4", "epochs=1", "threads=1", "resamples=100"]
    run = lamelle.train(tmp_path / "data", overrides=[*small, "data.context=1"], runs=tmp_path / "runs")
    splits = [line.split(",")[1] for line in run.folder.split.read_text().splitlines()[1:]]
    assert [s for i, s in enumerate(splits) if i == 0 or s != splits[i - 1]] == [
        "train",
        "gap",
        "validation",
        "gap",
        "test",
    ]
    run.predict(tmp_path / "data" / "images", tmp_path / "out")
    assert images.read(tmp_path / "out" / "labels" / "images.tif").array.shape == (1, 12, 20, 24)


def test_a_folder_given_or_met_is_predicted_as_a_stack(tmp_path: Path) -> None:
    pair(tmp_path / "data")
    for place in (tmp_path / "data" / "images", tmp_path / "data"):
        found = read_unlabelled([place], dims=2)
        assert [r.id for r in found.records] == [f"images#{z:02d}" for z in range(12)]
    assert found.labels == ("labels",)


def test_what_is_wrong_with_a_series_is_said(tmp_path: Path) -> None:
    good = made(tmp_path / "good", pixels((1, 4, 8, 9), "uint8"))

    def broken(name: str) -> Path:
        shutil.copytree(good, tmp_path / name)
        return tmp_path / name

    gone, more, other, first, torn = (broken(n) for n in ("gone", "more", "other", "first", "torn"))
    names = json.loads((good / "series.json").read_text())["files"]
    (gone / names[2]).unlink()
    shutil.copy(more / names[2], more / "new.png")
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(other / names[2])
    Image.fromarray(np.zeros((8, 9), np.uint16)).save(first / names[0])
    (torn / "series.json").write_text('{"format": "lamelle series 1", "files": 3}')
    for folder, code in (
        (gone, "series_changed"),
        (more, "series_changed"),
        (first, "sidecar_other"),
        (torn, "sidecar"),
    ):
        with pytest.raises(FileError) as caught:
            images.header(folder)
        assert caught.value.code == f"convert.{code}", folder.name
    with pytest.raises(FileError) as caught:
        images.read(other)
    assert caught.value.code == "convert.mixed"
    assert images.header(good).shape == (1, 4, 8, 9)
