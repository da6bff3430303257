"""Tables of which several columns name files: images with their masks, two views, masks alone."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from layout_reading import masks_of, read_index
from PIL import Image

from lamelle.errors import RequestError, sentence
from lamelle.tasks.table import task_of
from lamelle.types import Index, Problem

Fill = Callable[..., Path]
NAMES = [f"{i:03}" for i in range(6)]
LABELS = ["benign", "malignant"] * 3


@pytest.fixture
def fill(tmp_path: Path) -> Fill:
    """Write images (many values), masks (two) and a table of rows."""

    def write(images: Sequence[str], masks: Sequence[str], header: str, rows: Sequence[Sequence[str]]) -> Path:
        pixels = [np.arange(192, dtype=np.uint8).reshape(12, 16), np.eye(12, 16, dtype=np.uint8) * 255]
        for names, array in ((images, pixels[0]), (masks, pixels[1])):
            for name in names:
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(tmp_path / name)
        (tmp_path / "data.csv").write_text("\n".join([header, *(",".join(r) for r in rows)]) + "\n")
        return tmp_path

    return write


def _said(index: Index, code: str) -> Problem:
    return next(p for p in index.problems if p.code == f"layouts.{code}")


def _pasted(said: str) -> dict[str, str]:
    """The keys of the data that a sentence gives, as a shell reads them."""
    words = [w.strip(".;)") for w in shlex.split(said.replace("’", " ")) if w.startswith("data.") or w[:5] == "task="]
    return {k.removeprefix("data."): v for k, _, v in (w.partition("=") for w in words) if v not in ("COLUMN", "")}


IMAGES = [f"p/{n}a.png" for n in NAMES]
MASKS = [f"p/{n}b.png" for n in NAMES]


@pytest.mark.parametrize(
    ("header", "image", "mask"),
    [
        ("image_path,mask_path", "p/{}a.png", "p/{}b.png"),
        ("Bild,Maske", "./p/{}a.png", "./p/{}b.png"),
        ("image,label", r"C:\data\me\p\{}a.png", r"C:\data\me\p\{}b.png"),
        ("image,annotation", "{}a", "{}b"),
        ("A,B", "{}a.png", "{}b.png"),
        ("url,ground truth", "https://example.org/d/p/{}a.png?raw=1", "https://example.org/d/p/{}b.png?raw=1"),
    ],
)
def test_a_table_of_images_and_masks_is_read_as_pairs(fill: Fill, header: str, image: str, mask: str) -> None:
    index = read_index(fill(IMAGES, MASKS, header, [(image.format(n), mask.format(n)) for n in NAMES]))
    assert (index.layout, task_of(index)) == ("table_pairs", "segment")
    assert masks_of(index) == {i: [m] for i, m in zip(IMAGES, MASKS, strict=True)}
    assert [p for p in index.problems if p.severity != "note"] == []
    assert _said(index, "columns_of_pairs").values["mask"] == header.split(",")[1]


def test_the_columns_decide_and_not_the_names_of_the_files(fill: Fill) -> None:
    images, masks = ([f"{f}/{n}.png" for n in NAMES] for f in ("images", "masks"))
    index = read_index(fill(images, masks, "image,mask,patient", list(zip(images, masks[::-1], "aabbcc", strict=True))))
    assert masks_of(index) == {i: [m] for i, m in zip(images, masks[::-1], strict=True)}
    assert [r.group for r in index.records] == list("aabbcc")


@pytest.mark.parametrize("rows", ["cell", "several"])
def test_several_masks_of_an_image(fill: Fill, rows: str) -> None:
    more = [f"q/{n}c.png" for n in NAMES]
    table = list(zip(IMAGES, MASKS, strict=True)) + list(zip(IMAGES, more, strict=True))
    if rows == "cell":
        table = [(i, f"{m};{n}") for i, m, n in zip(IMAGES, MASKS, more, strict=True)]
    index = read_index(fill(IMAGES, [*MASKS, *more], "image,mask", table))
    assert masks_of(index) == {i: [m, n] for i, m, n in zip(IMAGES, MASKS, more, strict=True)}


def test_classes_are_learned_from_the_images_and_never_from_their_masks(fill: Fill) -> None:
    folder = fill(IMAGES, MASKS, "path,picture,label", list(zip(MASKS, IMAGES, LABELS, strict=True)))
    index = read_index(folder)
    assert (task_of(index), [r.id for r in index.records]) == ("classify", IMAGES)
    assert index.records[0].columns == {}
    said = _said(index, "masks_of_table")
    assert (said.values["masks"], said.severity) == ("path", "note")
    keys = _pasted(sentence(said))
    assert keys == {"task": "segment"}
    index = read_index(folder, **keys)
    assert masks_of(index) == {i: [m] for i, m in zip(IMAGES, MASKS, strict=True)}
    assert [r.stratum for r in index.records] == LABELS


def test_two_columns_of_masks_are_asked_about(fill: Fill) -> None:
    more = [f"q/{n}c.png" for n in NAMES]
    folder = fill(IMAGES, [*MASKS, *more], "image,lung_mask,heart_mask", list(zip(IMAGES, MASKS, more, strict=True)))
    with pytest.raises(RequestError) as caught:
        read_index(folder)
    assert caught.value.code == "layouts.several_mask_columns"
    assert _pasted(str(caught.value)) == {"masks": "heart_mask"}
    index = read_index(folder, masks="heart_mask")
    assert masks_of(index) == {i: [m] for i, m in zip(IMAGES, more, strict=True)}
    assert [p.severity for p in index.problems] == ["note"]


def test_the_images_go_with_the_masks_that_are_named(fill: Fill) -> None:
    (a, b), (c, d) = (([f"{f}/{n}.png" for n in NAMES] for f in fs) for fs in ("ab", "cd"))
    folder = fill([*a, *b], [*c, *d], "left image,right image,left mask,right mask", list(zip(a, b, c, d, strict=True)))
    assert masks_of(read_index(folder, masks="right mask")) == {i: [m] for i, m in zip(b, d, strict=True)}


def test_two_columns_of_images_are_said(fill: Fill) -> None:
    other = [f"p/{n}z.png" for n in NAMES]
    folder = fill([*IMAGES, *other], [], "left,right,label", list(zip(IMAGES, other, LABELS, strict=True)))
    said = _said(read_index(folder), "other_images")
    assert said.severity == "warning"
    assert _pasted(sentence(said)) == {"image": "right"}
    assert [r.id for r in read_index(folder, image="right").records] == other


def test_two_columns_of_images_without_labels_ask_for_the_masks(fill: Fill) -> None:
    other = [f"p/{n}z.png" for n in NAMES]
    folder = fill([*IMAGES, *other], [], "t1,t2", list(zip(IMAGES, other, strict=True)))
    with pytest.raises(RequestError, match="both name images") as caught:
        read_index(folder)
    keys = _pasted(str(caught.value).split("Each layout")[0])
    assert keys["masks"] == "t2"
    assert masks_of(read_index(folder, masks="t2")) == {i: [m] for i, m in zip(IMAGES, other, strict=True)}


def test_a_table_of_masks_alone_trains_no_classifier(fill: Fill) -> None:
    images, masks = ([f"{f}/{n}.png" for n in NAMES] for f in ("scan", "out"))
    folder = fill(images, masks, "path,label", list(zip(masks, LABELS, strict=True)))
    index = read_index(folder, layout="table")
    said = _said(index, "table_of_masks")
    assert (said.severity, said.values["mask"], said.values["of"]) == ("error", masks[0], images[0])
    meant = read_index(folder, layout="table", **_pasted(sentence(said)))
    assert [p.code for p in meant.problems if p.severity == "error"] == []


def test_rows_without_a_mask_are_errors(fill: Fill) -> None:
    rows = [*zip(IMAGES[1:], MASKS[1:], strict=True), (IMAGES[0], ""), (IMAGES[0], "p/none.png")]
    index = read_index(fill(IMAGES, MASKS, "image,mask", rows))
    errors = [(p.code.removeprefix("layouts."), p.where) for p in index.problems if p.severity == "error"]
    assert errors == [("blank_mask", "data.csv:7"), ("listed_missing", "data.csv:8")]
    assert [r.id for r in index.records] == IMAGES[1:]


def test_columns_that_name_the_same_files_or_numbers_are_no_second_column(fill: Fill) -> None:
    images = [f"p/{n}.png" for n in range(40, 46)]
    rows = [(f"{n}.png", str(n), str(85 - n), c) for n, c in zip(range(40, 46), LABELS, strict=True)]
    index = read_index(fill(images, [], "image,stem,age,label", rows))
    assert index.layout == "table"
    assert index.classes == ("benign", "malignant")
    assert [p.code for p in index.problems if "image" in p.code or "mask" in p.code] == []


def test_classes_that_are_called_like_images_are_classes(fill: Fill) -> None:
    rows = [(f"p/{n}.png", "ab"[i % 2]) for i, n in enumerate("abcdef")]
    index = read_index(fill([name for name, _ in rows], [], "image,label", rows))
    assert (index.layout, index.classes) == ("table", ("a", "b"))


def test_names_are_found_in_whatever_folder_they_are_of_one_file(fill: Fill) -> None:
    images = [f"X_images_part_{1 + i // 3}/{n}.png" for i, n in enumerate(NAMES)]
    index = read_index(fill(images, [], "image_id,dx", list(zip(NAMES, LABELS, strict=True))))
    assert [r.id for r in index.records] == images


def test_the_label_that_is_named_is_learned_though_the_table_names_masks(fill: Fill) -> None:
    rows = [[f"full/{n}.png", f"roi/{n}.png", label] for n, label in zip(NAMES, LABELS, strict=True)]
    root = fill([r[0] for r in rows], [r[1] for r in rows], "image file path,ROI mask file path,pathology", rows)
    index = read_index(root)
    assert (task_of(index), len(index.records)) == ("segment", 6)
    key = str(_said(index, "classes_beside_pairs").values["key"])
    assert key == "data.label=pathology"
    index = read_index(root, label="pathology")
    assert (task_of(index), index.classes) == ("classify", ("benign", "malignant"))
    assert {r.image.path.parent.name for r in index.records} == {"full"}


@pytest.mark.parametrize("said", [{"task": "segment"}, {"masks": "ROI mask file path"}])
def test_a_label_beside_masks_that_are_asked_for_is_said_not_to_be_learned(fill: Fill, said: dict[str, str]) -> None:
    rows = [[f"full/{n}.png", f"roi/{n}.png", label] for n, label in zip(NAMES, LABELS, strict=True)]
    root = fill([r[0] for r in rows], [r[1] for r in rows], "image file path,ROI mask file path,pathology", rows)
    index = read_index(root, label="pathology", **said)
    assert task_of(index) == "segment"
    assert _said(index, "label_not_learned").severity == "warning"
