"""Files that name label values are read, whatever program wrote them; those that do not fit are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import look

from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.layouts.label_names import value_names
from lamelle.data.layouts.listing import list_folder
from lamelle.data.targets.values import infer_values
from lamelle.errors import sentence
from lamelle.results.audit import Audit
from lamelle.types import ValueNames

SNAP = """################################################
# ITK-SnAP Label Description File
# Fields: IDX -R- -G- -B- -A-- VIS MSH LABEL
################################################
    0     0    0    0        0  0  0    "Clear Label"
    1   255    0    0        1  1  1    "nucleus"
    2     0  255    0      0.5  1  1    "cell body"
    3     0    0  255        1  1  1    "Label 3"
"""
EXPECTED = {0: "background", 1: "nucleus", 2: "cell body"}
FILES = {
    "labels.txt": "0: background\n1: nucleus\n2: cell body\n",
    "classes.txt": "0 background\n1 nucleus\n2 cell body\n",
    "class_names.txt": "background\nnucleus\ncell body\n",
    "Classes.TXT": "\ufeffnucleus\r\ncell body\r\n",
    "label names.txt": "# of 2024\nbackground = 0\nnucleus = 1\ncell body = 2\n",
    "labels.csv": "value,name\n0,background\n1,nucleus\n2,cell body\n",
    "masks/classes.tsv": "0\tbackground\n1\tnucleus\n2\tcell body\n",
    "obj.names": "background\nnucleus\ncell body\n",
    "mine.label": SNAP.replace("Clear Label", "background"),
    "labels.lut": '0 background 0 0 0 0\n1 nucleus 255 0 0 255\n2 "cell body" 0 255 0 255\n',
    "dataset.json": json.dumps({"labels": {"background": 0, "nucleus": 1, "cell body": 2}}),
    "classes.json": json.dumps({"0": "background", "1": "nucleus", "2": "cell body"}),
    "labels.json": json.dumps(["background", "nucleus", "cell body"]),
    "categories.json": json.dumps({"categories": [{"id": 1, "name": "nucleus"}, {"id": 2, "name": "cell body"}]}),
}


def folder(root: Path, file: str, text: str, *, values: tuple[int, ...] = (0, 1, 2), n: int = 3) -> Path:
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (root / kind).mkdir()
        for i in range(n):
            mask = np.repeat(np.repeat(rng.choice(values, (4, 4)), 8, 0), 8, 1).astype(np.uint8)
            mask[0, : len(values)] = values
            grey = rng.integers(0, 255, (32, 32)).astype(np.uint8)
            Image.fromarray(mask if kind == "masks" else grey).save(root / kind / f"im{i}.png")
    (root / file).write_text(text, encoding="utf-8")
    return root


def said(audit: Audit) -> dict[str, str]:
    return {p.code.removeprefix("layouts."): sentence(p) for p in audit.problems if "name" in p.code}


@pytest.mark.parametrize("file", FILES)
def test_values_are_called_as_the_file_says(tmp_path: Path, file: str) -> None:
    index, audit, outlook = look(folder(tmp_path, file, FILES[file]))
    assert index.names is not None
    (line,) = said(audit).values()
    assert line.startswith(f"{file}: ")
    assert "0: background, 1: nucleus, 2: cell body" in line
    assert {name for names in outlook.classes.values() for name in names} == set(EXPECTED.values())
    assert not any("*.txt" in reason for reason in index.skipped)
    assert not any(p.code == "layouts.table_unused" for p in audit.problems)
    assert not audit.errors


def test_a_label_description_of_itk_snap_names_what_occurs(tmp_path: Path) -> None:
    _, audit, _ = look(folder(tmp_path, "seg.label", SNAP))
    assert "0: Clear Label, 1: nucleus, 2: cell body;" in said(audit)["values_named"]


@pytest.mark.parametrize(
    ("values", "ordered", "known", "expected"),
    [
        ((0, 255), ("cell",), {}, {0: "background", 255: "cell"}),
        ((0, 255), (), {1: "cell"}, {0: "background", 255: "cell"}),
        ((0, 255), (), {255: "cell"}, {0: "background", 255: "cell"}),
        ((0, 1), ("membrane", "inside"), {}, {0: "membrane", 1: "inside"}),
        ((0, 1, 2), ("nucleus", "cell"), {}, {0: "background", 1: "nucleus", 2: "cell"}),
        ((0, 1, 2), ("background", "a", "b", "c"), {}, {0: "background", 1: "a", 2: "b"}),
        ((0, 3, 7), (), {3: "a", 5: "b", 7: "c"}, {0: "background", 3: "a", 7: "c"}),
        ((0, 1, 2, 3, 4), ("a", "b"), {}, {}),
        ((0, 1, 2), (), {1: "a"}, {}),
    ],
)
def test_names_are_laid_on_values(
    values: tuple[int, ...], ordered: tuple[str, ...], known: dict[int, str], expected: dict[int, str]
) -> None:
    free: dict[str, Any] = {"declared": None, "names": (), "ignore": (), "instances": False}
    rule = infer_values(dict.fromkeys(values, 5), **free, value_names=ValueNames("labels.txt", known, ordered))
    if expected:
        assert {value: rule.classes[c] for value, c in rule.mapping.items()} == expected
        assert [p.code for p in rule.problems] == ["layouts.values_named"]
    else:
        assert [p.code for p in rule.problems] == ["layouts.names_unfit"]
        assert rule.classes == tuple(map(str, values))


def test_the_users_own_names_go_before_a_file(tmp_path: Path) -> None:
    root = folder(tmp_path, "labels.txt", FILES["labels.txt"])
    _, audit, outlook = look(root, overrides=["data.classes=[a, b, c]"])
    assert {name for names in outlook.classes.values() for name in names} == {"a", "b", "c"}
    assert said(audit) == {}
    _, audit, _ = look(root, overrides=["data.labels={0: 0, 1: 1, 2: 1}"])
    assert set(said(audit)) == {"names_unused"}
    _, audit, outlook = look(root, overrides=["data.classes={nucleus: noyau}"])
    assert "1: noyau" in said(audit)["values_named"]


@pytest.mark.parametrize(
    ("file", "text", "code"),
    [
        ("labels.txt", "This folder was annotated by two people, in 2021.\n", "names_unread"),
        ("labels.txt", "0: a\n1: b\n", "names_unfit"),
        ("notes.txt", "nucleus\ncell\n", None),
        ("readme.json", '{"a": 0, "b": 1}', None),
    ],
)
def test_what_does_not_fit_is_named_and_other_texts_are_left(
    tmp_path: Path, file: str, text: str, code: str | None
) -> None:
    _, audit, _ = look(folder(tmp_path, file, text))
    assert list(said(audit)) == ([code] if code else [])
    assert not code or "data.classes=" in said(audit)[code]


def test_two_files_that_differ_are_both_left(tmp_path: Path) -> None:
    root = folder(tmp_path, "labels.txt", FILES["labels.txt"])
    (root / "classes.txt").write_text("x\ny\nz\n")
    _, audit, _ = look(root)
    assert "classes.txt, labels.txt" in said(audit)["names_several"]
    (root / "classes.txt").write_text(FILES["classes.txt"])
    assert set(said(look(root)[1])) == {"values_named"}


def test_numbers_that_are_classes_are_named_with_the_key(tmp_path: Path) -> None:
    for name in ("0/a.png", "0/b.png", "1/c.png", "1/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / name)
    (tmp_path / "classes.txt").write_text("normal\ntumour\n")
    index = read_folder(tmp_path, options=LayoutOptions())
    (key,) = [p.values["key"] for p in index.problems if p.code == "layouts.numbers_named"]
    assert key == """'data.classes={"0": normal, "1": tumour}'"""
    renamed = read_folder(tmp_path, options=LayoutOptions(renamed={"0": "normal", "1": "tumour"}))
    assert renamed.classes == ("normal", "tumour")


@pytest.mark.parametrize("line", ["{}.png,{}", "{}.tif {}", "site/{}.dcm;{}"])
def test_a_table_of_images_names_no_values(tmp_path: Path, line: str) -> None:
    for i in range(6):
        Image.fromarray(np.full((8, 8), i, np.uint8)).save(tmp_path / f"{i}.png")
    rows = [line.format(i, ("1", "01", "2")[i % 3]) for i in range(6)]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    assert value_names(list_folder(tmp_path)) == (None, [])
