"""Tables as an Excel workbook: numbers are numbers in every language of Excel, and text is never a formula."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lamelle.errors import RequestError
from lamelle.io import atomic

Cell = str | int | float | bool | None
_WIDEST = 60
"""Characters of the widest column."""
_SHEET = 31
"""Characters that the name of a sheet may have."""
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(?P<fraction>\.\d+)?(?P<exponent>[eE][+-]?\d+)?")
_FORBIDDEN = str.maketrans(dict.fromkeys("[]:*?/\\", "_"))


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table."""

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def typed(row: Mapping[str, object], *, text: Collection[str] = ()) -> list[Cell]:
    """The cells of a row of texts: what is written as a number, or as true or false, becomes one.

    Args:
        text: Columns whose cells are names, even where they look like numbers.

    Example:
        >>> typed({"image": "12", "cells": "12", "area": "0.5", "note": "", "sample": "007"}, text=["image"])
        ['12', 12, 0.5, None, '007']
    """
    return [_typed(value, name in text) for name, value in row.items()]


def _typed(value: object, is_text: bool) -> Cell:
    if value is None or isinstance(value, bool | int | float):
        return value
    written = str(value)
    if written in ("True", "False") and not is_text:
        return written == "True"
    if not is_text and (number := _NUMBER.fullmatch(written)):
        return float(written) if number["fraction"] or number["exponent"] else int(written)
    return written or None


def write_workbook(path: Path, sheets: Iterable[Sheet]) -> None:
    """Write tables as a workbook, one sheet each, with a bold header that stays in sight and can be filtered by.

    Raises:
        RequestError: If the library openpyxl is not installed.
        FileError: If the file cannot be written.
    """
    try:
        from openpyxl import Workbook
    except ImportError:
        raise RequestError("files.no_openpyxl") from None
    book = Workbook(write_only=True)
    for sheet in sheets:
        _add(book, sheet)
    with atomic.writing(path) as temporary:
        book.save(temporary)


def _add(book: object, sheet: Sheet) -> None:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    made = book.create_sheet(sheet.name.translate(_FORBIDDEN)[:_SHEET])  # type: ignore[attr-defined]
    made.freeze_panes = "A2"
    for number, name in enumerate(sheet.header):
        longest = max([len(str(name)), *(len(_shown(row[number])) for row in sheet.rows)])
        made.column_dimensions[get_column_letter(number + 1)].width = min(_WIDEST, longest + 2)
    made.auto_filter.ref = f"A1:{get_column_letter(max(len(sheet.header), 1))}{len(sheet.rows) + 1}"
    bold = Font(bold=True)
    head = []
    for name in sheet.header:
        cell = WriteOnlyCell(made, value=name)
        cell.data_type, cell.font = "s", bold
        head.append(cell)
    made.append(head)
    for row in sheet.rows:
        cells = []
        for value in row:
            cell = WriteOnlyCell(made, value=None if isinstance(value, float) and not math.isfinite(value) else value)
            if isinstance(value, str):
                cell.data_type = "s"
            cells.append(cell)
        made.append(cells)


def _shown(value: Cell) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value or "")
