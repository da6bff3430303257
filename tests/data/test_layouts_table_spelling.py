"""How a table spells is found in its cells; slices of a table without a group are places in one volume."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.layouts.table_spelling import Naming, naming_of
from lamelle.runs.plan import read_data

ROWS = (("a", "x"), ("b", "y"), ("c", "x"), ("d", "y"))


def folder_with(root: Path, header: str, row: str, *, below: str = "", name: str = "labels.csv") -> Path:
    (root / below).mkdir(parents=True, exist_ok=True)
    lines = [header]
    for number, (image, label) in enumerate(ROWS):
        (root / below / f"{image}.png").write_bytes(b"")
        lines.append(row.format(image=image, label=label, number=number))
    (root / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def naming(data: Path, **options: str) -> Naming | None:
    asked = LayoutOptions(**options)  # type: ignore[arg-type]
    return naming_of(read_folder(data, options=asked), data, asked)


CASES = [
    ("image,label", "{image}.png,{label}", "", ("image", "label", False, True, "|")),
    ("id,diagnosis", "{image},{label}", "", ("id", "diagnosis", False, False, "|")),
    ("file;class", "images/{image}.png;{label}", "images", ("file", "class", True, True, "|")),
    ("path,labels", "images\\{image},{label}|z", "images", ("path", "labels", True, False, "|")),
    ("path,labels", "./{image}.png,{label} ; z", "", ("path", "labels", False, True, " ; ")),
    ("image,label", "{image}.png,{label}", "train", ("image", "label", False, True, "|")),
]


@pytest.mark.parametrize(("header", "row", "below", "expected"), CASES)
def test_the_spelling_is_that_of_the_cells(
    tmp_path: Path, header: str, row: str, below: str, expected: tuple[str, str, bool, bool, str]
) -> None:
    name = "train.csv" if below == "train" else "labels.csv"
    data = folder_with(tmp_path, header, row, below=below, name=name)
    assert naming(data) == Naming(*expected)
    assert naming(data / name) == Naming(*expected), "the table itself as data"


def test_columns_that_were_named_count(tmp_path: Path) -> None:
    data = folder_with(tmp_path, "image,scan,label,truth", "no,{image}.png,no,{label}")
    assert naming(data, image="scan", label="truth") == Naming("scan", "truth", False, True, "|")


def test_folders_of_classes_have_no_table_to_spell_like(tmp_path: Path) -> None:
    for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert naming(tmp_path) is None


@pytest.mark.parametrize("suffix", [".tif", ".ome.tif", ".nii.gz", ".PNG"])
def test_a_suffix_is_taken_off_whole_and_a_dot_in_a_name_stays(suffix: str) -> None:
    short = Naming("id", "label", folder=False, suffix=False, separator="|")
    assert short.spell(f"a.b{suffix}", folder="") == "a.b"
    assert short.spell("1.2.840.10008", folder="") == "1.2.840.10008"


VOLUMES = [
    ("image,label,slice,y,x", "{image}.png,{label},{number},1,2", True, None),
    ("image,label,z", "{image}.png,{label},{number}", True, None),
    ("image,label,y,x", "{image}.png,{label},1,2", False, None),
    ("image,label,slice,patient", "{image}.png,{label},{number},P{image}", False, None),
    ("image,label,slice,volume", "{image}.png,{label},{number},v{image}", False, "va"),
    ("image,label,slice,specimen", "{image}.png,{label},{number},{image}", False, None),
]


@pytest.mark.parametrize(("header", "row", "one", "volume"), VOLUMES)
def test_slices_without_a_group_are_of_one_volume(
    tmp_path: Path, header: str, row: str, one: bool, volume: str | None
) -> None:
    data = folder_with(tmp_path / "block", header, row)
    record = read_data(data, {}).records[0]
    assert record.columns.get("volume") == ("block" if one else volume)
    assert (record.group is None) == (one or not {"patient", "volume", "specimen"} & set(header.split(",")))
    grouped = read_data(data, {"data": {"group": r"name:^(.)"}}).records[0]
    assert grouped.columns.get("volume") == volume, "a group that was named is a better one"


@pytest.mark.real
def test_real_tables(real_data: Path) -> None:
    assert naming(real_data / "vnc-patches") == Naming("image", "label", False, True, "|")
    assert naming(real_data / "histology") == Naming("image", "label", True, True, "|")
    assert naming(real_data / "cxr-4class") is None
    records = read_folder(real_data / "vnc-patches", options=LayoutOptions()).records
    assert {r.columns["volume"] for r in records} == {"vnc-patches"}
    assert {r.group for r in records} == {None}
