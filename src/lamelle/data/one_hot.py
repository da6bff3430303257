"""Tables with one column for each class, 1 where an image is of it: read as one column of classes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from lamelle.data.groups.words import maybe_group, rank_of
from lamelle.data.tables import LABEL, NONE, Table, is_blank, names_label
from lamelle.errors import printable
from lamelle.types import Problem

_YES, _NO = ("1", "1.0", "true"), ("0", "0.0", "false")
_LEAST, _LEAST_SEVERAL = 2, 3
"""Columns from which they are taken for classes: where each image has exactly one, and where it has any number."""
_SHOWN = 8


def one_column(table: Table, *, named: Collection[str | None] = ()) -> Table:
    """The table with its columns of 0 and 1 as one column ``label``, unless it has one.

    Exactly one 1 in each row makes them classes; otherwise an image may be of several, or of none of them. Columns
    that name a group are left, and so is what stands beside a run of columns with one 1 in each row.

    Args:
        named: Columns that the user has named as something else.

    Example:
        >>> from pathlib import Path
        >>> from lamelle.data.tables import Row
        >>> rows = tuple(Row(i, {"image": f"{i}", "MEL": f"{i % 2}.0", "NV": f"{1 - i % 2}.0"}) for i in range(4))
        >>> folded = one_column(Table(Path("t.csv"), ("image", "MEL", "NV"), rows))
        >>> folded.columns, [row.cells["label"] for row in folded.rows]
        (('image', 'label'), ['NV', 'MEL', 'NV', 'MEL'])
    """
    if any(map(names_label, table.columns)) or not table.rows:
        return table
    others = [c for c in table.columns if c not in named and rank_of(c) is None and not maybe_group(c)]
    binary = [c for c in others if _is_binary(table, c)]
    single = _run_of_one(table, binary)
    classes = single or (binary if len(binary) >= _LEAST_SEVERAL else [])
    if not classes:
        return table
    rest = tuple(c for c in table.columns if c not in classes)
    rows = tuple(
        replace(row, cells={**{c: row.cells[c] for c in rest}, LABEL: "|".join(_ones(row.cells, classes)) or NONE})
        for row in table.rows
    )
    more = f" … (+{len(classes) - _SHOWN})" if len(classes) > _SHOWN else ""
    values = {"columns": printable(", ".join(classes[:_SHOWN])) + more, "none": NONE}
    values["count"] = str(sum(row.cells[LABEL] == NONE for row in rows))
    place = table.path.name
    said = (
        Problem("layouts.one_hot", place, "note", values)
        if single
        else Problem("layouts.several_hot", place, "warning", values)
    )
    return replace(table, columns=(*rest, LABEL), rows=rows, problems=(*table.problems, said), folded=True)


def _is_binary(table: Table, column: str) -> bool:
    cells = {row.cells[column].lower() for row in table.rows}
    return cells <= {*_YES, *_NO} and not any(map(is_blank, cells))


def _ones(cells: Mapping[str, str], classes: Sequence[str]) -> list[str]:
    return [c for c in classes if cells[c].lower() in _YES]


def _run_of_one(table: Table, binary: Sequence[str]) -> list[str]:
    """The longest run of columns beside each other of which each row has exactly one 1."""
    places = [table.columns.index(c) for c in binary]
    best: list[str] = []
    for start in range(len(binary)):
        for stop in range(len(binary), start + max(_LEAST, len(best) + 1) - 1, -1):
            run = list(binary[start:stop])
            beside = places[stop - 1] - places[start] == len(run) - 1
            if beside and all(len(_ones(row.cells, run)) == 1 for row in table.rows):
                best = run
                break
    return best
