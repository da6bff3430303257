"""Tables: dialects, encodings, and what each column is taken for."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamelle.data.tables import choose_columns, is_blank, labels_of, read_table
from lamelle.errors import FileError, RequestError, sentence

FREE = {"image": None, "label": None, "group": None, "split": None}


def _table(folder: Path, content: bytes | str):
    path = folder / "labels.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path)


@pytest.mark.parametrize(
    "content", [b"image,label\r\na.png,x\r\n", b"\xef\xbb\xbfimage,label\na.png,x", "image\tlabel\na.png\tx\n"]
)
def test_the_same_table_in_every_dialect(tmp_path: Path, content: bytes | str) -> None:
    table = _table(tmp_path, content)
    assert table.columns == ("image", "label")
    assert [dict(r.cells) for r in table.rows] == [{"image": "a.png", "label": "x"}]


@pytest.mark.parametrize(("delimiter", "said"), [(";", ";"), ("\t", "\\t")])
def test_another_delimiter_is_echoed(tmp_path: Path, delimiter: str, said: str) -> None:
    table = _table(tmp_path, f"image{delimiter}label\na.png{delimiter}1,5\n")
    assert table.rows[0].cells["label"] == "1,5"
    assert [(p.code, p.severity, p.values["delimiter"]) for p in table.problems] == [("layouts.dialect", "note", said)]


def test_quoted_cells_and_line_numbers(tmp_path: Path) -> None:
    table = _table(tmp_path, 'image,label,remark\n"a,1.png",x,"two\nlines"\n\nb.png,y,\n')
    assert [(r.line, r.cells["image"]) for r in table.rows] == [(3, "a,1.png"), (5, "b.png")]


def test_bytes_that_are_not_utf8_name_their_line(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"labels\.csv: line 3 is not UTF-8 \(byte 0xe9\)"):
        _table(tmp_path, "image,label\na.png,x\nb.png,gelé\n".encode("latin-1"))


@pytest.mark.parametrize(
    ("content", "code"),
    [("", "empty_table"), ("image,image\n", "twice_in_header"), ('image,label\na.png,"x\n', "not_a_table")],
)
def test_what_is_no_table(tmp_path: Path, content: str, code: str) -> None:
    with pytest.raises(FileError) as caught:
        _table(tmp_path, content)
    assert caught.value.code == f"layouts.{code}"
    assert "labels.csv" in str(caught.value)


def test_rows_with_other_numbers_of_cells_are_errors(tmp_path: Path) -> None:
    table = _table(tmp_path, "image,label\na.png\nb.png,x\nc.png,x,y\n")
    assert [r.cells["image"] for r in table.rows] == ["b.png"]
    assert [(p.where, p.severity) for p in table.problems] == [("labels.csv:2", "error"), ("labels.csv:4", "error")]
    assert "1 cells, but there are 2 columns" in sentence(table.problems[0])


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("image,label", ("image", "label", None)),
        ("File Name,Class,Patient ID", ("File Name", "Class", "Patient ID")),
        ("label,path,animal", ("path", "label", "animal")),
        ("image,label,group", ("image", "label", None)),
        ("a,b", (None, None, None)),
    ],
)
def test_columns_by_their_usual_names(tmp_path: Path, header: str, expected: tuple[str | None, ...]) -> None:
    columns = choose_columns(_table(tmp_path, f"{header}\n"), **FREE)
    assert (columns.image, columns.label, columns.group) == expected


def test_a_group_taken_unasked_is_said_and_a_named_one_is_not(tmp_path: Path) -> None:
    table = _table(tmp_path, "image,label,patient,group\na.png,x,1,2\n")
    assert [p.code for p in choose_columns(table, **FREE).problems] == ["layouts.group_taken"]
    named = choose_columns(table, **{**FREE, "group": "group"})
    assert named.group == "group"
    assert named.problems == ()


def test_a_column_that_may_be_a_group_is_only_told(tmp_path: Path) -> None:
    columns = choose_columns(_table(tmp_path, "image,label,group\n"), **FREE)
    assert columns.group is None
    assert [(p.code, p.values["column"]) for p in columns.problems] == [("layouts.group_maybe", "group")]


def test_the_image_column_by_what_is_in_it(tmp_path: Path) -> None:
    assert choose_columns(_table(tmp_path, "tile,label\na.png,x\n"), **FREE).image == "tile"


def test_fold_numbers_are_no_split_but_words_are(tmp_path: Path) -> None:
    assert choose_columns(_table(tmp_path, "image,label,fold\na.png,x,0\n"), **FREE).split is None
    assert choose_columns(_table(tmp_path, "image,label,fold\na.png,x,Val\n"), **FREE).split == "fold"


def test_only_whole_slices_are_a_position(tmp_path: Path) -> None:
    assert choose_columns(_table(tmp_path, "image,label,z\na.png,x,4\n"), **FREE).position == "z"
    assert choose_columns(_table(tmp_path, "image,label,z\na.png,x,4.5\n"), **FREE).position is None


def test_a_named_column_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"data\.group=mouse: labels\.csv has no such column; it has: image, label"):
        choose_columns(_table(tmp_path, "image,label\n"), **{**FREE, "group": "mouse"})


def test_blank_cells_and_several_labels() -> None:
    assert [is_blank(c) for c in ("", " ", "NA", "nan", "N/A", "none", "0")] == [True] * 5 + [False] * 2
    assert labels_of("a | b|a") == ("a", "b")
    assert labels_of("a;b") == ("a", "b")
    assert labels_of("|") == ()
