"""Tables of predictions as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

Row = dict[str, object]
"""One line of a table: column → cell."""


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
    return f"'{value}" if isinstance(value, str) and value[:1] in {*"=+-@\t\r"} else value
