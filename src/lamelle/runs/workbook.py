"""Scores, predictions and history of a Run as one Excel workbook."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lamelle.errors import RequestError
from lamelle.io.workbook import Sheet, typed, write_workbook
from lamelle.messages import text
from lamelle.messages.numbers import unit_of
from lamelle.metrics.names import name_of
from lamelle.prediction.tables import unquoted
from lamelle.runs.folder import RunFolder

_NAMES = ("image", "file", "label", "class", "truth", "predicted", "group", "unit")
"""Columns that hold names, also where these look like numbers."""


def write_run_workbook(run: RunFolder, path: Path) -> None:
    """Write what a Run has scored as a workbook: its scores, those of each class, its predictions, its history.

    Raises:
        RequestError: If there is such a file already, it has another suffix, or the Run was not scored yet.
    """
    if path.suffix.lower() != ".xlsx":
        raise RequestError("run.no_xlsx", path=path)
    if path.exists():
        raise RequestError("run.workbook_exists", path=path)
    tables = {
        text("run.sheet_classes"): run.classes,
        text("run.sheet_predictions"): run.predictions / "predictions.csv",
        text("run.sheet_objects"): run.predictions / "objects.csv",
        text("run.sheet_history"): run.history,
    }
    sheets = [_scores(run), *(sheet for name, file in tables.items() for sheet in _table(run, name, file))]
    write_workbook(path, sheets)


def _scores(run: RunFolder) -> Sheet:
    header = [text(f"run.column_{name}") for name in ("score", "value", "low", "high", "level", "n", "unit")]
    scores = run.read_scores().scores
    rows = [[name_of(name), s.value, s.low, s.high, s.level, s.n, unit_of(s.unit, s.n)] for name, s in scores.items()]
    return Sheet(text("run.sheet_scores"), header, rows)


def _table(run: RunFolder, name: str, file: Path) -> Iterator[Sheet]:
    """The sheet of a table, if the Run has it."""
    if file.is_file() and (rows := run.read_table(file)):
        plain = ({column: unquoted(cell) for column, cell in row.items()} for row in rows)
        yield Sheet(name, list(rows[0]), [typed(row, text=_NAMES) for row in plain])
