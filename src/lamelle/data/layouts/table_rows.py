"""From the rows of a table to records: one for each image, with its classes and every other column as text."""

from __future__ import annotations

from lamelle.data.class_spelling import same_names
from lamelle.data.layouts.listing import FileEntry, Listing
from lamelle.data.layouts.pairing import names_of
from lamelle.data.layouts.table_files import ImageTable
from lamelle.data.tables import (
    TableRow,
    is_blank,
    labels_of,
)
from lamelle.errors import printable
from lamelle.types import ClassNames, Problem, Record, Source


def records_of(listing: Listing, named: ImageTable, *, labelled: bool) -> tuple[list[Record], list[Problem]]:
    """One record per image; rows that say the same image again are compared with the first."""
    table, columns = named.table, named.columns
    problems = [*table.problems, *columns.problems]
    if named.files.elsewhere:
        elsewhere = {"begin": printable(named.files.elsewhere)}
        problems.append(Problem("layouts.listed_elsewhere", named.entry.rel, "note", elsewhere))
    records: dict[FileEntry, Record] = {}
    lines: dict[FileEntry, int] = {}
    for row in table.rows:
        record, wrong = _record(listing, named, row, labelled=labelled)
        problems += wrong
        if record is None:
            continue
        entry = named.files.entries[row.cells[columns.image or ""]]
        first = records.setdefault(entry, record)
        if first is not record:
            same = same_names(first.names, record.names)
            code, severity = ("same_row", "warning") if same else ("conflict", "error")
            values = {"file": entry.id, "line": lines[entry], "first": _shown(first), "second": _shown(record)}
            problems.append(Problem(f"layouts.{code}", table.at(row), severity, values))
        lines.setdefault(entry, row.line)
    return list(records.values()), problems


def _record(
    listing: Listing, named: ImageTable, row: TableRow, *, labelled: bool
) -> tuple[Record | None, list[Problem]]:
    table, columns = named.table, named.columns
    name = row.cells[columns.image or ""]
    entry = named.files.entries.get(name)
    problems: list[Problem] = []
    if name in named.files.doubtful:
        values = {"file": printable(name), "names": names_of(named.files.doubtful[name])}
        problems.append(Problem("layouts.listed_doubtful", table.at(row), "error", values))
    elif entry is None:
        problems.append(Problem("layouts.listed_missing", table.at(row), "error", {"file": printable(name)}))
    names: tuple[str, ...] = ()
    if labelled:
        cell = row.cells[columns.label or ""]
        names = () if is_blank(cell) else labels_of(cell)
        if not names:
            values = {"file": printable(name), "column": columns.label, "value": cell}
            problems.append(Problem("layouts.blank_label", table.at(row), "error", values))
    split_cell = row.cells[columns.split] if columns.split else ""
    split = columns.splits.get(split_cell)
    if split_cell and split is None:
        values = {"column": columns.split, "value": printable(split_cell)}
        problems.append(Problem("layouts.bad_split", table.at(row), "error", values))
    if entry is None or (labelled and not names):
        return None, problems
    others = {c: v for c, v in row.cells.items() if c != columns.image and not (labelled and c == columns.label)}
    record = Record(
        entry.id,
        Source(listing.path(entry)),
        ClassNames(names) if names else None,
        split=split,
        fold=columns.folds.get(row.cells[columns.fold]) if columns.fold else None,
        position=int(row.cells[columns.position]) if columns.position else None,
        stratum="|".join(names) or None,
        columns=others,
    )
    return record, problems


def _shown(record: Record) -> str:
    return "|".join(record.names)
