"""Masks that bear the name of an image with a number behind: the whole folder tells what they are, or it is asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.errors import sentence
from lamelle.tasks.table import task_of
from lamelle.types import Index


def read(root: Path, images: list[str], masks: list[str]) -> Index:
    for kind, names in (("images", images), ("masks", masks)):
        (root / kind).mkdir()
        for name in names:
            Image.fromarray(np.zeros((6, 8), np.uint8)).save(root / kind / f"{name}.png")
    return read_folder(root, options=LayoutOptions())


def masks_of(index: Index) -> dict[str, list[str]]:
    return {r.image.path.stem: [t.path.stem for t in (r.labels.sources if r.labels else ())] for r in index.records}


def said(index: Index) -> list[tuple[str, str]]:
    return [(p.code.removeprefix("layouts."), p.severity) for p in index.problems]


IMAGES = ["im0", "im1", "im2"]


@pytest.mark.parametrize("sign", ["_", "-", ".", " "])
def test_masks_that_are_all_numbered_are_several_of_their_image(tmp_path: Path, sign: str) -> None:
    index = read(tmp_path, IMAGES, [f"im0{sign}1", f"im0{sign}2", f"im1{sign}1", f"im2{sign}1", f"im2{sign}02"])
    assert masks_of(index) == {
        "im0": [f"im0{sign}1", f"im0{sign}2"], "im1": [f"im1{sign}1"], "im2": [f"im2{sign}1", f"im2{sign}02"]
    }  # fmt: skip
    assert said(index) == [("numbered_masks", "note")]


def test_some_images_with_further_masks_are_read_and_said(tmp_path: Path) -> None:
    index = read(tmp_path, IMAGES, [*IMAGES, "im1_1", "im1_2"])
    assert masks_of(index) == {"im0": ["im0"], "im1": ["im1", "im1_1", "im1_2"], "im2": ["im2"]}
    (problem,) = index.problems
    assert (problem.code, problem.severity) == ("layouts.numbered_masks", "warning")
    assert "im1_1.png of im1.png" in sentence(problem)
    assert "1 of 3 images" in sentence(problem)


def test_as_many_for_each_image_may_be_annotators_and_are_asked_about(tmp_path: Path) -> None:
    index = read(tmp_path, IMAGES, [*IMAGES, *(f"{i}_1" for i in IMAGES)])
    assert said(index) == [("numbered_alike", "error")] * 3
    for cure in ("_mask_1", "data.masks=", "objects, classes or annotators", "2 masks"):
        assert cure in sentence(index.problems[0])


def test_the_cure_that_is_named_is_read(tmp_path: Path) -> None:
    index = read(tmp_path, IMAGES, [f"{i}_mask_{k}" for i in IMAGES for k in (1, 2)])
    assert masks_of(index)["im0"] == ["im0_mask_1", "im0_mask_2"]
    assert said(index) == []


def test_where_images_bear_such_numbers_a_mask_is_left_over(tmp_path: Path) -> None:
    index = read(tmp_path, ["im0", "im0_1", "im1", "im1_1"], ["im0", "im0_1", "im1", "im1_1", "im1_2"])
    assert said(index) == [("orphan_numbered", "error")]
    assert index.problems[0].where == "masks/im1_2.png"
    assert "im1.png" in sentence(index.problems[0])


@pytest.mark.parametrize("copy", ["im1 (1)", "im1 - Copy", "im1 - Copie (2)", "im1_copy"])
def test_a_copy_is_called_so(tmp_path: Path, copy: str) -> None:
    index = read(tmp_path, IMAGES, [*IMAGES, copy])
    assert said(index) == [("orphan_copy", "error")]
    assert "copy of im1.png" in sentence(index.problems[0])


def test_numbers_in_the_names_of_all_are_no_matter(tmp_path: Path) -> None:
    names = ["p1_1", "p1_2", "p2_1", "p2_2"]
    assert said(read(tmp_path, names, [*names, "p3_1"])) == [("orphan_mask", "error")]


@pytest.mark.parametrize("masks", [["im{}_nuclei", "im{}_cells"], ["nuclei/im{}", "cells/im{}"], ["im{}-a", "im{}-b"]])
def test_masks_of_several_kinds_are_named_as_such(tmp_path: Path, masks: list[str]) -> None:
    for kind in {Path(m).parent for m in masks}:
        (tmp_path / "masks" / kind).mkdir(parents=True)
    for i in range(3):
        for name in masks:
            Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / "masks" / f"{name.format(i)}.png")
    (tmp_path / "images").mkdir()
    for i in range(3):
        Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / "images" / f"im{i}.png")
    index = read_folder(tmp_path, options=LayoutOptions())
    (problem,) = [p for p in index.problems if p.severity == "error"]
    assert problem.code == "layouts.masks_by_class"
    assert problem.values["kinds"] in ("cells, nuclei", "a, b")


def test_folders_of_several_annotators_are_asked_about_and_are_no_classes(tmp_path: Path) -> None:
    for kind in ("images", "masks_annotator1", "masks_annotator2"):
        (tmp_path / kind).mkdir()
        for name in IMAGES:
            Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / kind / f"{name}.png")
    index = read_folder(tmp_path, options=LayoutOptions())
    assert (task_of(index), said(index)) == ("segment", [("two_mask_folders", "error")])
    chosen = read_folder(tmp_path, options=LayoutOptions(masks="masks_annotator2"))
    assert masks_of(chosen) == {name: [name] for name in IMAGES}
    assert "error" not in [severity for _, severity in said(chosen)]
