"""Masks in folders of any name are not trained on as a class."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lamelle import verbs
from lamelle.errors import RequestError, sentence
from lamelle.runs import plan
from lamelle.runs.layers import parse_overrides
from lamelle.tasks.table import task_of
from lamelle.types import Problem


def _folders(root: Path, images: str, masks: str, *, names: str = "{}.png", values: int = 2, suffix: str = "") -> Path:
    g = np.random.default_rng(0)
    for i in range(6):
        for folder, levels, end in ((images, 200, ""), (masks, values, suffix)):
            path = root / folder / f"{Path(names.format(i)).stem}{end}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((g.integers(0, levels, (24, 24)) * (255 // levels)).astype(np.uint8)).save(path)
    return root


def _found(root: Path, *pairs: str) -> list[Problem]:
    return [p for p in verbs.check(root, overrides=pairs).problems if p.code == "audit.masks_as_class"]


@pytest.mark.parametrize(("images", "masks"), [("a", "b"), ("Zellen 1", "fertig"), ("FITC", "QC ok")])
@pytest.mark.parametrize("values", [1, 2, 5])
def test_masks_of_unknown_words_stop_with_both_ways_out(tmp_path: Path, images: str, masks: str, values: int) -> None:
    root = _folders(tmp_path, images, masks, values=values)
    (said,) = _found(root)
    assert (said.severity, said.values["masks"]) == ("error", masks)
    keys = [str(said.values["images_key"]), str(said.values["masks_key"])]
    assert all(k in sentence(said) for k in keys)
    index = plan.read_data(root, parse_overrides(shlex.split(" ".join(keys))))
    assert (task_of(index), len(index.records)) == ("segment", 6)
    assert _found(root, "data.layout=class_folders") == []
    (root / masks).rename(root / str(said.values["name"]))
    assert task_of(plan.read_data(root, {})) == "segment"


def test_an_unknown_folder_beside_images_is_named(tmp_path: Path) -> None:
    root = _folders(tmp_path, "raw data", "QC ok")
    with pytest.raises(RequestError, match=r"beside images/; if another folder holds them, say 'data\.masks=QC ok'"):
        plan.read_data(root, {})
    assert task_of(plan.read_data(root, parse_overrides(["data.masks=QC ok"]))) == "segment"


def test_masks_with_an_ending_in_a_folder_of_any_name_are_masks(tmp_path: Path) -> None:
    index = plan.read_data(_folders(tmp_path, "a", "b", suffix="_label"), {})
    assert (task_of(index), len(index.records)) == ("segment", 6)


def test_dark_images_and_other_names_are_a_class(tmp_path: Path) -> None:
    assert _found(_folders(tmp_path / "1", "a", "b", values=40)) == [], "many grey values"
    root = _folders(tmp_path / "2", "a", "b")
    for i, path in enumerate(sorted((root / "b").iterdir())):
        path.rename(root / "b" / f"other {'abcdef'[i]}.png")
    assert _found(root) == [], "no partners"


def _discs(g: np.random.Generator, *, count: int, side: int = 96) -> np.ndarray:
    """A label image of objects that are numbered one by one."""
    rows, columns = np.mgrid[:side, :side]
    labels = np.zeros((side, side), np.uint8)
    for n, (y, x) in enumerate(g.integers(8, side - 8, (count, 2)), 1):
        labels[(rows - y) ** 2 + (columns - x) ** 2 < g.integers(9, 50)] = n
    return labels


def _picture(labels: np.ndarray, g: np.random.Generator) -> np.ndarray:
    """The image of objects: light, with their own grain, on a dark ground."""
    return (g.normal(0, 12, labels.shape) + 40 + 120 * (labels > 0)).clip(0, 255).astype(np.uint8)


def _two(root: Path, image: str, mask: str, made: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Path:
    g = np.random.default_rng(1)
    for i in range(6):
        labels = _discs(g, count=20)
        for name, pixels in ((image, _picture(labels, g)), (mask, made(labels, g))):
            path = root / name.format(i)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return root


NAMES = [
    ("A/f_{}.png", "B/f_{}_out.png"),
    ("A/f_{}.png", "B/pred-f_{}.png"),
    ("A/2024 f_{}_raw.png", "B/f_{}_out.png"),
    ("A/t00{}.tif", "B/res00{}v.tif"),
    ("train/A/f{}.png", "train/B/f{}-out-2.png"),
]


@pytest.mark.parametrize(("image", "mask"), NAMES)
def test_masks_with_an_ending_or_a_beginning_of_their_own_stop(tmp_path: Path, image: str, mask: str) -> None:
    root = _two(tmp_path, image, mask, lambda labels, _: np.where(labels > 0, 255, 0).astype(np.uint8))
    result = verbs.check(root)
    (said,) = [p for p in result.problems if p.code == "audit.masks_as_class"]
    assert (said.values["of"], said.values["masks"], said.where) == (image.format(0), "B", mask.format(0))
    assert not any(p.code.startswith("audit.near") for p in result.problems), "masks resemble their images"
    keys = [str(said.values["images_key"]), str(said.values["masks_key"])]
    assert len(plan.read_data(root, parse_overrides(keys)).records) == 6
    assert _found(root, "data.layout=class_folders") == []


def test_labels_of_many_objects_and_masks_blurred_by_jpeg_stop(tmp_path: Path) -> None:
    numbered = _two(tmp_path / "1", "A/f_{}.png", "B/f_{}_out.png", lambda labels, _: labels)
    blurred = _two(
        tmp_path / "2", "A/f_{}.png", "B/f_{}_out.jpg", lambda labels, _: np.where(labels > 0, 255, 0).astype(np.uint8)
    )
    for root in (numbered, blurred):
        assert [p.values["masks"] for p in _found(root)] == ["B"]


def test_another_stain_of_the_same_fields_is_a_class(tmp_path: Path) -> None:
    """Names that go together, cells on black ground, but no areas of one value."""

    def stain(labels: np.ndarray, g: np.random.Generator) -> np.ndarray:
        return np.where(labels > 0, g.integers(30, 256, labels.shape), 0).astype(np.uint8)

    assert _found(_two(tmp_path / "1", "FITC/f_{}.png", "DAPI/f_{}_dapi.png", stain)) == []
    assert _found(_two(tmp_path / "2", "FITC/f_{}.png", "DAPI/f_{}_dapi.jpg", stain)) == []
    both = _two(tmp_path / "3", "A/f_{}.png", "B/f_{}_out.png", lambda labels, _: labels)
    for path in (both / "A").iterdir():
        Image.fromarray(np.asarray(Image.open(path)) // 100 * 80).save(path)
    assert _found(both) == [], "drawings on both sides"
    blank = _two(tmp_path / "4", "cell/cell{}.png", "none/none{}.png", lambda labels, _: np.zeros_like(labels))
    assert _found(blank) == [], "images of nothing, each class numbered anew"


@pytest.mark.parametrize(
    ("image", "mask"), [("f_{}.png", "f_{}_a.png"), ("{}.tif", "out-{}.tif"), ("{}/ct.png", "{}/tumour.png")]
)
def test_masks_beside_images_in_folders_of_classes_stop(tmp_path: Path, image: str, mask: str) -> None:
    for kind in ("benign", "malignant"):
        _two(
            tmp_path,
            f"{kind}/{image}",
            f"{kind}/{mask}",
            lambda labels, _: np.where(labels > 0, 255, 0).astype(np.uint8),
        )
    (said,) = [p for p in verbs.check(tmp_path).problems if p.severity == "error"]
    assert (said.code, said.values["count"]) == ("audit.masks_among_images", 12)
    assert (said.where, said.values["of"]) == (f"benign/{mask.format(0)}", f"benign/{image.format(0)}")
    asked = verbs.check(tmp_path, overrides=["data.layout=class_folders"]).problems
    assert not any(p.code == "audit.masks_among_images" for p in asked)
    for path in [p for p in tmp_path.rglob("*.*") if p.name.startswith(("out", "tumour")) or p.stem.endswith("_a")]:
        stem = path.stem.removeprefix("out-").removesuffix("_a").replace("tumour", "ct")
        path.rename(path.with_name(f"{stem}_mask{path.suffix}"))
    assert task_of(plan.read_data(tmp_path, {})) == "segment"


def test_a_few_flat_images_among_many_are_images(tmp_path: Path) -> None:
    root = tmp_path / "d"
    for kind in "ab":
        _two(root, f"{kind}/f_{{}}.png", f"{kind}/g_{{}}.png", lambda labels, g: _picture(labels, g))
        _two(root, f"{kind}/h_{{}}.png", f"{kind}/i_{{}}.png", lambda labels, g: _picture(labels, g))
    for i in (0, 1):
        Image.fromarray(np.eye(96, dtype=np.uint8) * 255).save(root / "a" / f"f_{i}_2.png")
    assert not any(p.code.startswith("audit.masks_") for p in verbs.check(root).problems)
