"""Folders of patients are no classes, and files that scanners write without a suffix are images."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from layout_reading import read_index
from PIL import Image

from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.errors import RequestError
from lamelle.types import Index

ROWS = {"P{:02}": "patient", "{}": "PatientID", "Fall {:03}": "Case ID"}


def _put(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)).save(path)
    return root


def _codes(index: Index) -> list[str]:
    return [p.code for p in index.problems]


@pytest.mark.parametrize("above", ["", "images/"])
@pytest.mark.parametrize("pattern", ROWS)
def test_folders_that_a_table_calls_patients_are_no_classes(tmp_path: Path, pattern: str, above: str) -> None:
    ids = [pattern.format(1033 + 7 * p) for p in range(4)]
    root = _put(tmp_path, *(f"{above}{i}/{k}.png" for i in ids for k in range(2)))
    column = ROWS[pattern]
    (root / "clinical.csv").write_text("\n".join([f"{column},label", *(f"{i},ab" for i in ids)]))
    with pytest.raises(RequestError) as refused:
        read_index(root)
    told = str(refused.value)
    assert f"the column {column} of clinical.csv" in told
    assert "One folder deeper" not in told
    level = f"folder:{above.count('/') + 1}"
    assert f"data.label={level}" in told
    assert set(read_index(root, label=level).classes) == set(ids)
    first = f"{above}{ids[0]}/0.png"
    assert first in told
    rows = [f"{above}{i}/{k}.png,{'ab'[n % 2]},{i}" for n, i in enumerate(ids) for k in range(2)]
    (root / "clinical.csv").write_text("\n".join([f"image,label,{column}", *rows]))
    index = read_index(root)
    assert (index.layout, index.classes, {r.group for r in index.records}) == ("table", ("a", "b"), set(ids))


@pytest.mark.parametrize("column", ["animal", "lesion", "group", "eye"])
def test_a_column_that_holds_the_classes_leaves_them_classes(tmp_path: Path, column: str) -> None:
    root = _put(tmp_path, *(f"{c}/{k}.png" for c in ("cat", "dog", "rat") for k in range(3)))
    (root / "about.csv").write_text("\n".join([f"file,{column}", *(f"x{c}.png,{c}" for c in ("cat", "dog", "rat"))]))
    assert read_index(root).classes == ("cat", "dog", "rat")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([f"P{i:02}" for i in range(8)], True),
        ([str(10233 + 7 * i) for i in range(8)], True),
        ([f"Grade {i}" for i in range(8)], False),
        ([f"chr{i}" for i in range(1, 23)], False),
        (["CD3", "CD4", "CD8", "CD19", "CD20", "CD56"], False),
        ([str(i) for i in range(10)], False),
    ],
)
def test_classes_that_are_called_like_patients_are_named(tmp_path: Path, names: list[str], said: bool) -> None:
    root = _put(tmp_path, *(f"{n}/{k}.png" for n in names for k in range(2)))
    index = read_index(root)
    assert len(index.classes) == len(names)
    assert ("layouts.ids_as_classes" in _codes(index)) is said
    assert "layouts.ids_as_classes" not in _codes(read_index(root, label="folder:1"))


def test_dicom_without_a_suffix_is_read(tmp_path: Path) -> None:
    files = pytest.importorskip("pydicom.data").get_testdata_file("CT_small.dcm")
    names = ("cov/IM00001", "cov/1.2.840.10008.7", "non/ST0/SE0/IM1", "non/ST0/SE0/1.2.840.10008.8")
    for name in (*names, "cov/DICOMDIR", "cov/report.sr"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(files, tmp_path / name)
    (tmp_path / "cov" / "README").write_text("a note")
    index = read_index(tmp_path)
    assert {r.id: r.names for r in index.records} == {name: (name[:3],) for name in names}
    assert index.skipped == {"DICOMDIR": 1, "*.sr": 1, "README": 1}
    assert "layouts.twins" not in _codes(index)
    alone = read_folder(_put(tmp_path / "seg", "images/a.png", "masks/a.png"), options=LayoutOptions())
    assert len(alone.records) == 1
