"""Columns of 0 and 1 are classes; files are found by any column; spreadsheets of other languages are read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.errors import RequestError
from lamelle.messages import text
from lamelle.tasks.table import task_of
from lamelle.types import Index


def _read(root: Path, table: str, *, name: str = "labels.csv", folder: str = "images", **options: Any) -> Index:
    (root / folder).mkdir()
    for i in range(6):
        Image.fromarray(np.zeros((6, 8), np.uint8)).save(root / folder / f"im{i}.png")
    (root / name).write_text(table, encoding="utf-8")
    return read_folder(root, options=LayoutOptions(**options))  # type: ignore[arg-type]


def _table(header: str, cells: list[str]) -> str:
    return "\n".join([header, *(f"im{i},{c}" for i, c in enumerate(cells))]) + "\n"


def _said(index: Index) -> dict[str, str]:
    return {p.code.removeprefix("layouts."): p.severity for p in index.problems}


ONE = ["1.0,0.0,0.0", "0.0,1.0,0.0", "0.0,0.0,1.0"] * 2


def test_one_1_in_each_row_makes_classes(tmp_path: Path) -> None:
    index = _read(tmp_path, _table("image,MEL,NV,BCC", ONE))
    assert (index.layout, index.classes) == ("table", ("BCC", "MEL", "NV"))
    assert [r.names for r in index.records[:3]] == [("MEL",), ("NV",), ("BCC",)]
    assert _said(index) == {"one_hot": "note"}


def test_other_columns_of_0_and_1_are_left_beside_the_classes(tmp_path: Path) -> None:
    smoker = [f"{i % 2},{c},{(i + 1) // 2 % 2}" for i, c in enumerate(ONE)]
    index = _read(tmp_path, _table("image,smoker,MEL,NV,BCC,male", smoker))
    assert index.classes == ("BCC", "MEL", "NV")
    assert {"smoker", "male"} <= set(index.records[0].columns)


def test_several_or_none_are_several_classes_and_said(tmp_path: Path) -> None:
    index = _read(tmp_path, _table("image,edema,effusion,mass", ["1,1,0", "0,0,0", "0,1,1", "1,0,0", "0,0,1", "0,0,0"]))
    assert [r.names for r in index.records[:3]] == [("edema", "effusion"), ("none",), ("effusion", "mass")]
    assert _said(index) == {"several_hot": "warning"}


@pytest.mark.parametrize("header", ["image,label,b,c", "image,Diagnose,b,c"])
def test_a_column_of_labels_goes_before(tmp_path: Path, header: str) -> None:
    assert _read(tmp_path, _table(header, ONE)).classes == ("0.0", "1.0")


def test_a_named_column_goes_before(tmp_path: Path) -> None:
    index = _read(tmp_path, _table("image,MEL,NV,BCC", ONE), label="MEL")
    assert (index.classes, set(index.records[0].columns)) == (("0.0", "1.0"), {"NV", "BCC"})


def test_groups_and_two_columns_of_facts_are_no_classes(tmp_path: Path) -> None:
    rows = ["1,1,0", "1,0,0", "0,1,1", "1,1,0", "0,1,1", "0,0,0"]
    with pytest.raises(RequestError, match="lacks a column of classes named label"):
        _read(tmp_path, _table("image,patient,male,smoker", rows))


def test_a_manifest_beside_masks_keeps_its_facts(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    for i in range(6):
        Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / "masks" / f"im{i}.png")
    index = _read(tmp_path, _table("image,MEL,NV,BCC", ONE), name="manifest.csv")
    assert task_of(index) == "segment"
    assert dict(index.records[0].columns) == {"MEL": "1.0", "NV": "0.0", "BCC": "0.0"}


def test_files_are_found_by_a_column_of_any_name(tmp_path: Path) -> None:
    table = "row,id_code,diagnosis\n" + "".join(f"{i + 7},im{i},{i % 2}\n" for i in range(6))
    index = _read(tmp_path, table, name="train.csv", folder="train_images")
    assert (len(index.records), index.classes) == (6, ("0", "1"))


@pytest.mark.parametrize(
    "header", ["Fichier;Étiquette", "Dateiname;Klasse", "Archivo;Clase", "Nom du fichier;Diagnostic"]
)
def test_columns_in_other_languages(tmp_path: Path, header: str) -> None:
    table = header + "\n" + "".join(f"im{i}.png;{'ab'[i % 2]}\n" for i in range(6))
    index = _read(tmp_path, table, name="étiquettes.csv", folder="Images à classer")
    assert (index.layout, index.classes, len(index.records)) == ("table", ("a", "b"), 6)


SEVERAL = ["1,1,0", "0,0,0", "0,1,1", "1,0,0", "0,0,1", "0,1,0"]


@pytest.mark.parametrize(
    ("header", "cells", "says"),
    [
        ("image,smoker,male,diabetic,outcome", ["ill", "well"] * 3, "data.label=outcome"),
        ("image,edema,effusion,mass,grade", ["low", "high", "low"] * 2, "data.label=grade"),
        ("image,smoker,male,tumour,age", [str(40 + i) for i in range(6)], "data.label=tumour"),
        ("image,Fumeur,Sexe_masculin,HTA,age", [str(40 + i) for i in range(6)], "data.label=COLUMN"),
    ],
)
def test_facts_are_asked_about_and_are_no_classes(tmp_path: Path, header: str, cells: list[str], says: str) -> None:
    rows = [f"{a},{b}" for a, b in zip(SEVERAL, cells, strict=True)]
    with pytest.raises(RequestError, match=says) as refused:
        _read(tmp_path, _table(header, rows))
    names = header.split(",")[1:4]
    ways = str(refused.value.values["missing"])
    assert f"data.classes=[{', '.join(names)}, none]" in ways
    both = [name for name in names if name in ways.partition("say")[2]]
    assert both == names
    options = LayoutOptions(classes=(*names, "none"))
    assert read_folder(tmp_path, options=options).records[0].names == tuple(names[:2])
    if says != "data.label=COLUMN":
        column = says.removeprefix("data.label=")
        assert len(read_folder(tmp_path, options=LayoutOptions(label=column)).classes) == 2


@pytest.mark.parametrize("beside", ["sex,M,F", "view,AP,PA", "diagnosis_date,2020,2021", "status,a,a"])
def test_other_columns_do_not_hinder_classes(tmp_path: Path, beside: str) -> None:
    name, one, other = beside.split(",")
    rows = [f"{c},{(one, other)[i % 2]}" for i, c in enumerate(SEVERAL)]
    assert _read(tmp_path, _table(f"image,edema,effusion,mass,{name}", rows)).classes[:2] == ("edema", "effusion")


def test_listed_classes_choose_the_columns_though_there_is_a_label(tmp_path: Path) -> None:
    rows = [f"{c},{'ab'[i % 2]}" for i, c in enumerate(SEVERAL)]
    index = _read(tmp_path, _table("image,Edema,Mass,c,label", rows), classes=("edema", "mass", "none"))
    assert index.records[0].names == ("edema", "mass")
    assert _said(index)["several_hot"] == "note"


def test_findings_that_are_also_words_for_specimens_are_classes(tmp_path: Path) -> None:
    index = _read(tmp_path, _table("image,polyp,ulcer,tumor", SEVERAL))
    assert index.classes == ("none", "polyp", "tumor", "ulcer")


@pytest.mark.parametrize(
    ("header", "cells", "says"),
    [
        (
            "image,tumour,age",
            ["oui,41", "non,52", "oui,63", "non,74", "oui,35", "non,46"],
            "name it with data.label=tumour$",
        ),
        ("image,age", ["41", "52", "63", "74", "35", "46"], "name it with data.label=COLUMN$"),
        ("image,arm,sex", ["a,m", "b,f"] * 3, "data.label=arm / data.label=sex$"),
        (
            "image,Metadata_Plate,Metadata_Site,arm,Metadata_Treatment",
            ["1,1,a,x", "1,2,b,y", "2,1,a,y"] * 2,
            "data.label=Metadata_Treatment / data.label=arm$",
        ),
        ("image,IDC,Biopsienummer", [f"nein,{k // 2 + 1}" for k in range(6)], "name it with data.label=COLUMN$"),
        ("image,group", ["a", "b"] * 3, "data.label=group$"),
    ],
)
def test_columns_that_may_be_the_label_are_proposed(tmp_path: Path, header: str, cells: list[str], says: str) -> None:
    with pytest.raises(RequestError) as refused:
        _read(tmp_path, _table(header, cells))
    assert re.search(says, str(refused.value.values["missing"]))


def test_a_table_of_patients_is_asked_for_a_row_for_each_image(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as refused:
        _read(tmp_path, "patient,diagnosis\nim0,a\nim1,b\nP3,a\n")
    missing = str(refused.value.values["missing"])
    assert "has a row for each patient" in missing
    assert "images/im0.png" in missing


@pytest.mark.parametrize(
    ("header", "rows", "code"),
    [
        (
            "image,xmin,ymin,xmax,ymax,label",
            [f"im{i},1,2,9,{k},a" for i in range(6) for k in (7, 8)],
            "classes_of_boxes",
        ),
        ("image,label,bbox", [f'im{i},a,"1 2 3 4"' for i in range(6)], "classes_of_boxes"),
        ("ImageId,EncodedPixels", [f"im{i},1 3 10 5" for i in range(6)], "masks_of_runs"),
        ("Path,Edema,Mass,Nodule", [f"im{i},{a}" for i, a in enumerate(["1.0,,0.0", "-1.0,1.0,1.0"] * 3)], "answers"),
    ],
)
def test_tables_of_other_kinds_are_named_and_not_read_as_classes(
    tmp_path: Path, header: str, rows: list[str], code: str
) -> None:
    with pytest.raises(RequestError) as refused:
        _read(tmp_path, "\n".join([header, *rows]) + "\n")
    missing = str(refused.value.values["missing"])
    assert missing == text(f"layouts.lacks_{code}", table="labels.csv", columns=", ".join(_columns(header, code)))


def _columns(header: str, code: str) -> list[str]:
    names = header.split(",")
    return [n for n in names if n.lower() not in ("image", "label", "imageid", "path")]


def test_a_named_label_goes_before_boxes(tmp_path: Path) -> None:
    rows = [f"im{i},1,2,9,9,{'ab'[i % 2]}" for i in range(6)]
    index = _read(tmp_path, "\n".join(["image,x,y,w,h,label", *rows]) + "\n", label="label")
    assert index.classes == ("a", "b")


def test_facts_that_are_not_known_of_all_do_not_hinder_a_label(tmp_path: Path) -> None:
    rows = [f"im{i},{a},{'ab'[i % 2]}" for i, a in enumerate(["1,,0", "-1,1,1"] * 3)]
    assert _read(tmp_path, "\n".join(["image,smoker,asthma,fever,diagnosis", *rows]) + "\n").classes == ("a", "b")


def test_pairs_among_other_folders_come_with_the_keys_that_take_them(tmp_path: Path) -> None:
    for kind in ("images", "masks", "others"):
        (tmp_path / kind).mkdir()
        for i in range(3):
            Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / kind / f"{i}.png")
    with pytest.raises(RequestError, match=r"data\.images=images data\.masks=masks"):
        read_folder(tmp_path, options=LayoutOptions())
    assert len(read_folder(tmp_path, options=LayoutOptions(images="images", masks="masks")).records) == 3
