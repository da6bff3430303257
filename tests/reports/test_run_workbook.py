"""`lamelle report RUN --xlsx FILE`: what was scored, as a workbook."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from lamelle.errors import RequestError
from lamelle.runs.folder import RunFolder
from lamelle.runs.workbook import write_run_workbook

openpyxl = pytest.importorskip("openpyxl")


def test_the_workbook_holds_the_scores_and_tables_of_the_run(segment_run: RunFolder, tmp_path: Path):
    write_run_workbook(segment_run, tmp_path / "a.xlsx")
    book, scores = openpyxl.load_workbook(tmp_path / "a.xlsx"), segment_run.read_scores().scores
    rows = [[cell.value for cell in row] for row in book["scores"].rows]
    assert len(rows) == 1 + len(scores)
    for row, one in zip(rows[1:], scores.values(), strict=True):
        assert row[1] == (pytest.approx(one.value, rel=1e-14) if one.defined else None)
        assert row[5] == one.n
    with (segment_run.predictions / "predictions.csv").open(encoding="utf-8", newline="") as lines:
        written = list(csv.DictReader(lines))
    shown = [[cell.value for cell in row] for row in book["predictions"].rows]
    assert shown[0] == list(written[0])
    assert [row[0] for row in shown[1:]] == [row["image"] for row in written]
    for name in ("quality", "share:background"):
        assert {type(row[shown[0].index(name)]) for row in shown[1:]} <= {float, int}
    assert len(list(book["history"].rows)) == 1 + len(segment_run.read_history())


def test_a_workbook_is_never_overwritten(segment_run: RunFolder, tmp_path: Path):
    (tmp_path / "a.xlsx").write_text("mine")
    with pytest.raises(RequestError, match="already"):
        write_run_workbook(segment_run, tmp_path / "a.xlsx")
    assert (tmp_path / "a.xlsx").read_text() == "mine"
    with pytest.raises(RequestError, match=r"\.xlsx"):
        write_run_workbook(segment_run, tmp_path / "a.csv")
