"""Tables of predictions, as text and as sheets of a workbook."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lamelle.io.workbook import Sheet, typed

Row = dict[str, object]
"""One line of a table: column → cell."""
_FORMULA = tuple("=+-@\t\r")
"""What a text begins with that a spreadsheet runs as a formula."""
_NAMES = ("image", "file", "label", "class", "truth", "group")
"""Columns that hold names, also where these look like numbers."""


@dataclass(frozen=True, slots=True)
class PredictionTable:
    """A table that is known when all predictions have come."""

    name: str
    rows: Sequence[Row]
    columns: tuple[str, ...] = ()
    """Those that it has in any case."""

    def csv(self) -> str:
        return items_csv(self.rows, columns=self.columns)

    def sheet(self) -> Sheet:
        names = list(dict.fromkeys([*self.columns, *(name for row in self.rows for name in row)]))
        full = ({name: row.get(name) for name in names} for row in self.rows)
        return Sheet(self.name, names, [typed(row, text=_NAMES) for row in full])


def items_csv(items: Sequence[Mapping[str, object]], columns: Sequence[str] = ()) -> str:
    """A table with one row an item.

    Args:
        columns: Those that it has in any case, first.

    Example:
        >>> items_csv([{"a": 1}, {"a": 2, "b": 3}])
        'a,b\\n1,\\n2,3\\n'
        >>> items_csv([], columns=["image", "class"])
        'image,class\\n'
    """
    out = io.StringIO()
    names = dict.fromkeys([*columns, *(name for row in items for name in row)])
    writer = csv.DictWriter(out, list(names) or ["image"], lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: _safe(v) for k, v in row.items()} for row in items)
    return out.getvalue()


def _safe(value: object) -> object:
    """A text that a spreadsheet would run as a formula is quoted."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def unquoted(cell: str) -> str:
    """A cell of a table without the quote that keeps a spreadsheet from running it as a formula.

    Example:
        >>> unquoted("'=1"), unquoted("'s"), unquoted("-1")
        ('=1', "'s", '-1')
    """
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
