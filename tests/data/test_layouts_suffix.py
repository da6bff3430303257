"""Images and masks in one folder, told apart by the end of the name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from lamelle import verbs
from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.errors import RequestError
from lamelle.tasks.table import task_of
from lamelle.types import Index, Source


def put(root: Path, *names: str, shape: tuple[int, ...] = (6, 8)) -> Index:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        array = np.zeros(shape, np.uint8)
        if name.endswith(".tif"):
            tifffile.imwrite(root / name, array, photometric="minisblack")
        else:
            Image.fromarray(array).save(root / name)
    return read_folder(root, options=LayoutOptions())


def pairs(index: Index) -> list[tuple[str, str]]:
    found = []
    for record in index.records:
        assert record.labels
        (target,) = record.labels.sources
        assert isinstance(target, Source)
        found.append((record.image.path.name, target.path.name))
    return found


@pytest.mark.parametrize("ending", ["_mask", "_label", "_labels", "_seg", "-mask", "_gt"])
def test_pairs(tmp_path: Path, ending: str) -> None:
    index = put(tmp_path, "a1.tif", f"a1{ending}.png", "b_2.png", f"b_2{ending}.png")
    assert (index.layout, task_of(index), index.numbers_objects, index.problems) == (
        "suffix_pairs",
        "segment",
        False,
        (),
    )
    assert pairs(index) == [("a1.tif", f"a1{ending}.png"), ("b_2.png", f"b_2{ending}.png")]


def test_cellpose_keeps_its_ending(tmp_path: Path) -> None:
    index = put(tmp_path, "a.tif", "a_masks.tif")
    assert (index.layout, index.numbers_objects) == ("cellpose", True)


def test_splits(tmp_path: Path) -> None:
    index = put(tmp_path, *(f"{s}/a{e}.png" for s in ("train", "val", "test") for e in ("", "_mask")))
    assert sorted(r.split or "" for r in index.records) == ["test", "train", "validation"]


def test_stacks_are_volumes(tmp_path: Path) -> None:
    index = put(tmp_path, "a.tif", "a_mask.tif", shape=(5, 6, 8))
    assert [(r.id, r.group) for r in index.records] == [("a.tif", "a.tif")]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("b.png", ("layouts.missing_mask", "b.png")),
        ("b_mask.png", ("layouts.orphan_mask", "b_mask.png")),
        ("a_seg.png", ("layouts.two_masks", "a.tif")),
        ("a.png", ("layouts.twins", "a.tif")),
    ],
)
def test_nothing_is_guessed(tmp_path: Path, more: str, said: tuple[str, str]) -> None:
    index = put(tmp_path, "a.tif", "a_mask.png", more)
    assert said[0] in [p.code for p in index.problems if p.severity == "error"]


def test_a_name_that_ends_like_a_mask_is_none_without_its_image(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="suffix_pairs"):
        put(tmp_path, "first_label.png", "second_label.png")


def test_one_mask_beside_several_is_the_same_class(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(8):
        Image.fromarray(rng.integers(0, 250, (24, 24), np.uint8)).save(tmp_path / f"benign ({i}).png")
        for n, end in enumerate(("", "_1") if i % 3 == 0 else ("",)):
            mask = np.zeros((24, 24), np.uint8)
            mask[2 + 9 * n : 8 + 9 * n, i : i + 7] = 255
            Image.fromarray(mask).save(tmp_path / f"benign ({i})_mask{end}.png")
    found = verbs.check(tmp_path)
    assert [(p.code, p.values) for p in found.problems if p.code.startswith("layouts.values")] == [
        ("layouts.values_binary", {"top": 255})
    ]
    assert [p for p in found.problems if p.severity == "error"] == []
