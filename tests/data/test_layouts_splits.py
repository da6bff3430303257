"""What says the split beside tables: folders with and without such a name, lists of names, nnU-Net's test set."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.errors import sentence
from lamelle.types import Index, Problem

Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Write small planes at paths below the folder."""

    def write(*names: str) -> Path:
        for i, name in enumerate(names):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((6, 8), i, np.uint8)).save(tmp_path / name)
        return tmp_path

    return write


def _read(folder: Path, **options: str) -> Index:
    return read_folder(folder, options=LayoutOptions(**options))  # type: ignore[arg-type]


def _splits(index: Index) -> Counter[str | None]:
    return Counter(r.split for r in index.records)


def _said(index: Index, code: str) -> list[Problem]:
    return [p for p in index.problems if p.code == f"layouts.{code}"]


def _set(folder: str, *, inside: bool) -> list[str]:
    """An image and its mask in ``folder/images`` or ``images/folder``."""
    kinds = ("images", "masks")
    return [f"{k}/{folder}/{folder}{i}.png" if inside else f"{folder}/{k}/{folder}{i}.png" for k in kinds for i in "12"]


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("word", ["external", "new", "hôpital B"])
def test_a_folder_beside_those_of_splits_is_left_out_and_said(put: Put, word: str, inside: bool) -> None:
    root = put(*(name for f in ("Train", "Valid", word) for name in _set(f, inside=inside)))
    index = _read(root)
    assert _splits(index) == {"train": 2, "validation": 2}
    (said,) = _said(index, "beside_splits")
    place = f"images/{word}" if inside else word
    assert (said.severity, said.values["folder"], said.values["count"]) == ("warning", f"{place}/", 2)
    assert _splits(_read(root, split="none")) == {None: 6}
    for kind in ("images", "masks") if inside else ("",):
        (root / kind / word).rename(root / kind / "test")
    index = _read(root)
    assert _splits(index) == {"train": 2, "validation": 2, "test": 2}
    assert _said(index, "beside_splits") == []


def test_the_folder_that_is_left_out_is_given_to_evaluate_as_it_is(put: Put) -> None:
    root = put(*(name for f in ("train", "val", "new scans") for name in _set(f, inside=False)))
    (said,) = _said(_read(root), "beside_splits")
    assert sentence(said).endswith(f"lamelle evaluate RUN '{root / 'new scans'}'")
    assert len(_read(root / "new scans").records) == 2


@pytest.mark.parametrize("folder", ["prüfung", "Essai", "Test2017"])
def test_more_words_of_test_sets(put: Put, folder: str) -> None:
    index = _read(put(*(name for f in ("train2017", "val2017", folder) for name in _set(f, inside=False))))
    assert _splits(index) == {"train": 2, "validation": 2, "test": 2}


def test_the_labelled_test_set_of_nnunet_tests(put: Put) -> None:
    names = [f"{k}{part}/c{i}{end}.png" for part, ids in (("Tr", "123"), ("Ts", "45")) for i in ids
             for k, end in (("images", "_0000"), ("labels", ""))]  # fmt: skip
    root = put(*names)
    (root / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "liver": 1}}))
    index = _read(root)
    assert (index.layout, _splits(index)) == ("nnunet", {"train": 3, "test": 2})
    assert [r.id for r in index.records if r.split == "test"] == ["imagesTs/c4_0000.png", "imagesTs/c5_0000.png"]
    assert _said(index, "not_used") == []
    for i in "45":
        (root / f"labelsTs/c{i}.png").unlink()
    index = _read(root)
    assert _splits(index) == {None: 3}
    assert [p.values["count"] for p in _said(index, "not_used")] == [2]


CLASSES = [f"{c}/{c}{i}.png" for c in "ab" for i in range(4)]
BARE = [name.rpartition("/")[2] for name in CLASSES]


@pytest.mark.parametrize(
    ("lists", "form"),
    [
        (("train.txt", "val.txt", "test.txt"), "{}"),
        (("lists/training.txt", "lists/validation.txt", "lists/testing.txt"), "{stem}"),
        (("train_list.lst", "val_list.lst", "test_list.lst"), "./{rel} 1"),
        (("ImageSets/Train.txt", "ImageSets/Val.txt", "ImageSets/Test.txt"), "{stem}.tif"),
    ],
)
def test_lists_of_names_are_the_split(put: Put, lists: tuple[str, ...], form: str) -> None:
    root = put(*CLASSES)
    parts = [CLASSES[::4] + CLASSES[1::4], CLASSES[2::4], CLASSES[3::4]]
    for name, part in zip(lists, parts, strict=True):
        lines = [form.format(Path(rel).name, stem=Path(rel).stem, rel=rel) for rel in part]
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("\n".join(lines) + "\n")
    index = _read(root)
    found = {r.id: r.split for r in index.records}
    assert found == {r: s for s, part in zip(("train", "validation", "test"), parts, strict=True) for r in part}
    (said,) = _said(index, "lists_taken")
    assert [said.values[s] for s in ("train", "validation", "test")] == [4, 2, 2]
    assert [p.code for p in index.problems if p.severity != "note"] == []
    assert index.skipped == {}
    assert _splits(_read(root, split="none")) == {None: 8}


@pytest.mark.parametrize("form", ["stem", "name", "object"])
@pytest.mark.parametrize("keys", [("train", "val", "test"), ("Training", "validation", "held_out")])
def test_one_json_with_a_list_for_each_split(put: Put, keys: tuple[str, ...], form: str) -> None:
    root = put(*CLASSES)
    parts = [CLASSES[::4] + CLASSES[1::4], CLASSES[2::4], CLASSES[3::4]]
    said = {"stem": lambda rel: Path(rel).stem, "name": lambda rel: rel, "object": lambda rel: {"n": 1, "image": rel}}
    lists = {key: [said[form](rel) for rel in part] for key, part in zip(keys, parts, strict=True)}
    (root / "parts.json").write_text(json.dumps({"version": 2, **lists}))
    index = _read(root)
    assert {r.id: r.split for r in index.records} == {
        rel: s for s, part in zip(("train", "validation", "test"), parts, strict=True) for rel in part
    }
    assert [p.values["lists"] for p in _said(index, "lists_taken")] == ["parts.json"]
    assert index.skipped == {}


@pytest.mark.parametrize(
    "text", ['{"train": ["x", "y"], "test": ["z"]}', '{"train": 3, "test": []}', "[" * 9999, "{", "[]"]
)
def test_other_json_is_no_split(put: Put, text: str) -> None:
    root = put(*CLASSES)
    (root / "train.json").write_text(text)
    assert _splits(_read(root)) == {None: 8}


def test_a_list_of_train_and_val_together_trains_unless_each_has_its_own(put: Put) -> None:
    root = put(*CLASSES)
    (root / "train_val_list.txt").write_text("\n".join(BARE[:3] + BARE[4:7]))
    (root / "test_list.txt").write_text("\n".join((BARE[3], BARE[7])))
    assert _splits(_read(root)) == {"train": 6, "test": 2}
    (root / "train.txt").write_text("\n".join(BARE[:2] + BARE[4:6]))
    (root / "val.txt").write_text("\n".join((BARE[2], BARE[6])))
    assert _splits(_read(root)) == {"train": 4, "validation": 2, "test": 2}


def test_the_sets_of_pascal_voc(put: Put) -> None:
    stems = [f"2007_{i:06}" for i in range(6)]
    root = put(*(f"VOC/{f}/{s}.{e}" for s in stems for f, e in (("JPEGImages", "png"), ("SegmentationClass", "png"))))
    sets = root / "VOC" / "ImageSets" / "Segmentation"
    sets.mkdir(parents=True)
    for name, part in (("train", stems[:4]), ("val", stems[4:]), ("trainval", stems)):
        (sets / f"{name}.txt").write_text("\n".join(part) + "\n")
    index = _read(root)
    assert (index.layout, _splits(index)) == ("image_mask_folders", {"train": 4, "validation": 2})
    assert index.skipped == {}


def test_what_lists_leave_out_or_name_twice(put: Put) -> None:
    root = put(*CLASSES)
    (root / "train.txt").write_text("\n".join(BARE[:6]))
    (root / "test.txt").write_text("\n".join((BARE[0], BARE[6])))
    index = _read(root)
    assert [p.where for p in _said(index, "in_two_lists")] == [CLASSES[0]]
    (rest,) = _said(index, "in_no_list")
    assert (rest.severity, rest.values["count"], rest.values["names"]) == ("warning", 1, CLASSES[7])
    assert len(index.records) == 7


def test_lists_of_other_images_are_not_taken(put: Put) -> None:
    root = put(*CLASSES)
    (root / "train.txt").write_text("x1.png\nx2.png\nx3.png\n" + BARE[0])
    (root / "test.txt").write_text("x4.png\n")
    assert _splits(_read(root)) == {None: 8}


def test_tables_called_after_splits_are_the_split_of_folders(put: Put) -> None:
    root = put(*(f"{k}/{i}.png" for k in ("images", "masks") for i in range(6)))
    for name, part in (("train", range(3)), ("val", (3,)), ("test", (4, 5))):
        rows = "".join(f"{i}.png,P{i}\n" for i in part)
        (root / f"{name}.csv").write_text(f"image,patient\n{rows}")
    index = _read(root)
    assert _splits(index) == {"train": 3, "validation": 1, "test": 2}
    assert _said(index, "no_row") == []
    assert {r.group for r in index.records} == {f"P{i}" for i in range(6)}
