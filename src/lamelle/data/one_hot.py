"""Tables with one column for each class, 1 where an image is of it: read as one column of classes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from lamelle.data.column_words import names_class, names_label, states_fact
from lamelle.data.groups.words import maybe_group, rank_of
from lamelle.data.split_columns import says_split
from lamelle.data.tables import LABEL, NONE, Table, column_like, holds_classes, is_blank
from lamelle.errors import printable, setting
from lamelle.types import Problem

_YES, _NO = ("1", "1.0", "true"), ("0", "0.0", "false")
_MIN_COLUMNS, _MIN_COLUMNS_SEVERAL = 2, 3
"""Columns from which they are taken for classes: where each image has exactly one, and where it has any number."""
_SHOWN = 8
FINDING = rank_of("lesion")
"""Of words for what a patient has several of, and of which a column of 0 and 1 says whether there is any."""


def one_column(table: Table, *, named: Collection[str | None] = (), classes: Collection[str] = ()) -> Table:
    """The table with its columns of 0 and 1 as one column ``label``, unless it has one.

    Exactly one 1 in each row makes them classes; otherwise an image may be of several, or of none of them. Columns
    that name a group are left, and so is what stands beside a run of columns with one 1 in each row. Where some state
    facts about patients, or another column may be the label, the table is left with its doubt.

    Args:
        named: Columns that the user has named as something else.
        classes: Classes that the user has listed: columns of these names are meant.

    Example:
        >>> from pathlib import Path
        >>> from lamelle.data.tables import TableRow
        >>> rows = tuple(TableRow(i, {"image": f"{i}", "MEL": f"{i % 2}.0", "NV": f"{1 - i % 2}.0"}) for i in range(4))
        >>> folded = one_column(Table(Path("t.csv"), ("image", "MEL", "NV"), rows))
        >>> folded.columns, [row.cells["label"] for row in folded.rows]
        (('image', 'label'), ['NV', 'MEL', 'NV', 'MEL'])
    """
    listed = [column for c in classes if (column := column_like(c, table.columns)) and _is_binary(table, column)]
    meant = len(listed) >= _MIN_COLUMNS and len(listed) == len([c for c in classes if c != NONE])
    if not table.rows or (any(map(names_label, table.columns)) and not meant):
        return table
    others = [c for c in table.columns if c not in named and rank_of(c) in (None, FINDING) and not maybe_group(c)]
    others = [c for c in others if not says_split(c, [row.cells[c] for row in table.rows])]
    binary = listed if meant else [c for c in others if _is_binary(table, c)]
    single = _run_of_one(table, binary)
    folded = single or (binary if meant or len(binary) >= _MIN_COLUMNS_SEVERAL else [])
    if not folded:
        return table
    if not meant and (doubt := _doubt(table, others, folded, single=bool(single))):
        return replace(table, doubt=doubt)
    rest = tuple(c for c in table.columns if c not in folded and c != LABEL)
    rows = tuple(
        replace(row, cells={**{c: row.cells[c] for c in rest}, LABEL: "|".join(_ones(row.cells, folded)) or NONE})
        for row in table.rows
    )
    values = {"columns": _shown(folded), "none": NONE}
    values["count"] = str(sum(row.cells[LABEL] == NONE for row in rows))
    place = table.path.name
    note = (
        Problem("layouts.one_hot", place, "note", values)
        if single
        else Problem("layouts.several_hot", place, "note" if meant else "warning", values)
    )
    return replace(table, columns=(*rest, LABEL), rows=rows, problems=(*table.problems, note), folded=True)


def _doubt(table: Table, others: Sequence[str], binary: Sequence[str], *, single: bool) -> Problem | None:
    """Why columns of 0 and 1 may be no classes, and what to say if they are, or if they are not."""
    rivals = [c for c in others if c not in binary and names_class(c) and holds_classes(table, c)]
    facts = [c for c in binary if states_fact(c)]
    if not facts and (single or not rivals):
        return None
    empty = any(not _ones(row.cells, binary) for row in table.rows)
    values = {"table": printable(table.path.name), "columns": _shown(binary), "facts": _shown(facts)}
    values |= {"rivals": _shown(rivals), "classes": setting("data.classes", [*binary, *([NONE] if empty else [])])}
    rest = [c for c in binary if c not in facts]
    values["label"] = setting("data.label", (rivals or (rest if len(rest) == 1 else []) or ["COLUMN"])[0])
    return Problem(f"layouts.lacks_{'rival_of_columns' if rivals else 'facts_in_columns'}", "", "note", values)


def _shown(columns: Sequence[str]) -> str:
    more = f" … (+{len(columns) - _SHOWN})" if len(columns) > _SHOWN else ""
    return printable(", ".join(columns[:_SHOWN])) + more


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
        for stop in range(len(binary), start + max(_MIN_COLUMNS, len(best) + 1) - 1, -1):
            run = list(binary[start:stop])
            beside = places[stop - 1] - places[start] == len(run) - 1
            if beside and all(len(_ones(row.cells, run)) == 1 for row in table.rows):
                best = run
                break
    return best
