"""Workbooks: numbers are numbers, text is text, and nothing is a formula."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from lamelle.io.workbook import Sheet, typed, write_workbook

openpyxl = pytest.importorskip("openpyxl")


def test_what_is_written_is_read_back_with_its_type(tmp_path: Path):
    rows = [["=1+1", 0.5, 3], ["é", math.nan, None], ["'a", -1e-9, True]]
    write_workbook(tmp_path / "a.xlsx", [Sheet("scores", ["name", "value", "n"], rows), Sheet("a/b?", ["x"], [])])
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert book.sheetnames == ["scores", "a_b_"]
    read = [[cell.value for cell in row] for row in book["scores"].rows]
    assert read == [["name", "value", "n"], ["=1+1", 0.5, 3], ["é", None, None], ["'a", -1e-9, True]]
    assert {cell.data_type for row in book["scores"].rows for cell in row} <= {"s", "n", "b"}
    assert book["scores"].freeze_panes == "A2"
    assert book["scores"].auto_filter.ref == "A1:C4"
    assert book["scores"]["A1"].font.bold


@pytest.mark.parametrize(
    ("written", "cell"),
    [
        ("12", 12),
        ("-0.5", -0.5),
        ("1e-3", 1e-3),
        ("007", "007"),
        ("nan", "nan"),
        ("", None),
        ("=A1", "=A1"),
        ("1_0", "1_0"),
        ("True", True),
        ("False", False),
    ],
)
def test_cells_of_a_table_become_numbers_only_where_they_are(written: str, cell: object):
    [made] = typed({"a": written})
    assert (made, type(made)) == (cell, type(cell))
    assert typed({"a": "12"}, text=["a"]) == ["12"]
