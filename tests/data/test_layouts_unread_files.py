"""What is in a folder and not read is said, with its number and a cure."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import look

from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.layouts.listing import FileEntry, Listing
from lamelle.data.layouts.unread_files import passed_over
from lamelle.errors import RequestError, sentence
from lamelle.reports.terminal import print_check
from lamelle.types import Problem


def _put(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".png":
            Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)).save(path)
        else:
            path.write_bytes(b"")
    return root


def _passed(root: Path) -> list[Problem]:
    index = read_folder(root, options=LayoutOptions())
    return [p for p in index.problems if p.code.startswith("layouts.passed_")]


CLASSES = ("a/1.png", "a/2.png", "b/1.png", "b/2.png")


@pytest.mark.parametrize(
    ("name", "said"),
    [("x.czi", "bfconvert"), ("x.LIF", "Fiji"), ("x.svs", "QuPath"), ("x.gif", "PNG or TIFF"), ("x.h5", "NPY"),
     ("x.mha", "NIfTI"), ("x.xlsx", "CSV"), ("x.mrc", "TIFF"), ("x.avi", "TIFF stack"), ("RoiSet.zip", "ROI Manager"),
     ("0001-0002.roi", "a_mask.tif"), ("x.geojson", "-labelled.tif")],
)  # fmt: skip
def test_pictures_that_are_not_read_are_named_with_number_and_cure(tmp_path: Path, name: str, said: str) -> None:
    (found,) = _passed(_put(tmp_path, *CLASSES, f"a/{name}"))
    if Path(name).suffix.lower() in (".czi", ".svs"):
        assert _passed(_put(tmp_path, f"b/second{Path(name).suffix}"))[0].values["count"] == 2
    assert (found.severity, found.values["count"]) == ("warning", 1)
    assert name in sentence(found)
    assert said in sentence(found)


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [("annotations.json", json.dumps({"images": [], "annotations": []}), "polygons"),
     ("a/1.json", json.dumps({"shapes": [], "imagePath": "1.png"}), "polygons"),
     ("a/1.xml", "<annotation><object/></annotation>", "xml"), ("a/1.txt", "0 0.5 0.5 0.1 0.1\n", "boxes")],
)  # fmt: skip
def test_outlines_are_named_unless_masks_were_read(tmp_path: Path, name: str, text: str, code: str) -> None:
    for root, names in ((tmp_path / "1", CLASSES), (tmp_path / "2", ("a/1.png", "a/1_mask.png"))):
        (_put(root, *names) / name).write_text(text, encoding="utf-8")
    assert [p.code for p in _passed(tmp_path / "1")] == [f"layouts.passed_{code}"]
    assert _passed(tmp_path / "2") == []


def test_notes_and_metadata_are_only_counted(tmp_path: Path) -> None:
    root = _put(tmp_path, *CLASSES, "README.txt", "a/1.txt", "settings.json", "LICENSE", ".DS_Store", "report.docx")
    assert _passed(root) == []
    assert read_folder(root, options=LayoutOptions()).skipped["*.txt"] == 2


def test_a_refusal_says_what_was_passed_over(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"no image in it.*\n2 file\(s\) \.nd2 of a microscope are not read"):
        read_folder(_put(tmp_path / "1", "x.nd2", "y.nd2"), options=LayoutOptions())
    with pytest.raises(RequestError, match=r"(?s)laid out in no way.*1 file\(s\) of ROIs of Fiji are not read"):
        read_folder(_put(tmp_path / "2", "x.png", "y.png", "RoiSet.zip"), options=LayoutOptions())


def test_check_prints_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_check(*look(_put(tmp_path, *CLASSES, "x.czi", ".DS_Store", "notes.docx")))
    said = capsys.readouterr().out
    assert "1 file(s) .czi of a microscope are not read (x.czi)" in said
    (line,) = [one for one in said.splitlines() if one.startswith("Files passed over: ")]
    assert set(line.partition(": ")[2].split(", ")) == {".DS_Store (1)", "*.docx (1)", "*.czi (1)"}


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("labels.txt", "1.png a\n2.png b\n", "lists"),
        ("labels.json", '{"1.png": "a", "2.png": "b"}', "lists"),
        ("train.lst", "a/1.png 0\na/2.png 0\nb/1.png 1\n", "lists"),
        ("notes.txt", "1.png is odd\n", None),
        ("notes.txt", "made on Monday\n", None),
        ("dataset.json", '{"training": ["1.png", "2.png"]}', None),
        ("all.zip", "", "archives"),
        ("images.tar", "", "archives"),
        ("RoiSet.zip", "", "rois"),
    ],
)
def test_lists_of_images_and_archives_are_named(tmp_path: Path, name: str, text: str, code: str | None) -> None:
    root = _put(tmp_path, *CLASSES, name)
    (root / name).write_text(text)
    assert [p.code for p in _passed(root)] == ([f"layouts.passed_{code}"] if code else [])


@pytest.mark.parametrize(
    ("stems", "words"),
    [
        (["benign_001", "benign_002", "malignant 1", "malignant 2"], "benign, malignant"),
        (["non tumoral (1)", "non tumoral (2)", "tumoral-3", "tumoral-4"], "non tumoral, tumoral"),
        (["img_1", "img_2", "img_3"], None),
        (["a1", "a2", "b1", "b2"], None),
    ],
)
def test_words_in_names_that_may_be_classes_are_named(tmp_path: Path, stems: list[str], words: str | None) -> None:
    with pytest.raises(RequestError) as refused:
        _passed(_put(tmp_path, *(f"{stem}.png" for stem in stems)))
    assert (f"({words})" in str(refused.value)) == (words is not None)
    assert ("may be classes" in str(refused.value)) == (words is not None)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("cell", ["{}", "{}.png"])
def test_a_table_saved_as_text_is_named(tmp_path: Path, encoding: str, cell: str) -> None:
    images = [FileEntry("p", f"{1000 + i}.png") for i in range(4)]
    listing = Listing(tmp_path, (*images, FileEntry("", "list.txt")), ("p",))
    rows = "".join(f"{cell.format(1000 + i)}\t{i % 2}\n" for i in range(4))
    (tmp_path / "list.txt").write_text(f"uid\tbirads\n{rows}", encoding=encoding)
    assert [p.code for p in passed_over(listing)] == ["layouts.passed_lists"]
    (tmp_path / "list.txt").write_text("uid\tbirads\n21000\t1\n", encoding=encoding)
    assert passed_over(listing) == []


def test_a_table_in_a_folder_inside_is_named_with_what_to_do(tmp_path: Path) -> None:
    for kind in ("benign", "malignant"):
        (tmp_path / "BUSI" / kind).mkdir(parents=True)
        for i in range(3):
            for ending in ("", "_mask"):
                Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / "BUSI" / kind / f"{kind} ({i}){ending}.png")
    rows = [(f"{k} ({i}).png", f"{k} ({i})_mask.png", f"P{i}") for k in ("benign", "malignant") for i in range(3)]
    table = "\n".join(["image,mask,patient", *map(",".join, rows)])
    (tmp_path / "BUSI" / "list.csv").write_text(table)
    (tmp_path / "BUSI" / "sizes.csv").write_text("organ,mm\nliver,3\nheart,4\n")
    index = read_folder(tmp_path, options=LayoutOptions())
    assert [r.group for r in index.records] == [None] * 6
    (said,) = [p for p in index.problems if p.code == "layouts.table_below"]
    assert (said.where, said.severity, said.values["column"]) == ("BUSI/list.csv", "warning", "image")
    assert said.values["folder"] == str(tmp_path / "BUSI")
    for data in (tmp_path / "BUSI", tmp_path):
        (tmp_path / "BUSI" / "list.csv").replace(data / "list.csv")
        index = read_folder(data, options=LayoutOptions())
        assert (index.layout, {r.group for r in index.records}) == ("table_pairs", {"P0", "P1", "P2"})
        assert [p for p in index.problems if p.severity != "note"] == []
