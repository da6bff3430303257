"""A table beside folders: what it says of their images, joined by file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from lamelle.data.class_spelling import folded
from lamelle.data.groups.words import named_like_group, rank_of
from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.listing import FileEntry, Listing
from lamelle.data.layouts.split_words import splits_of
from lamelle.data.layouts.table_files import ImageTable, tables_of
from lamelle.data.layouts.table_rows import records_of
from lamelle.data.tables import (
    read_table,
)
from lamelle.errors import FileError, printable
from lamelle.types import Problem, Record

_CASE_RANK = 3
"""Rank of a column up to which it holds what has a folder of its own: a patient, an animal, a case, a study."""


def add_columns(listing: Listing, records: Sequence[Record], options: LayoutOptions) -> tuple[
    tuple[Record, ...], list[Problem]
]:  # fmt: skip
    """Join a table beside the folders (``manifest.csv``) to records by file: columns, group, split and position.

    A table that names none of the images is left alone, and said.
    """
    try:
        tables = tables_of(listing, options)
    except FileError as error:
        return tuple(records), [error.problem]
    return with_columns(listing, records, tables)


def with_columns(
    listing: Listing, records: Sequence[Record], tables: Sequence[ImageTable]
) -> tuple[tuple[Record, ...], list[Problem]]:
    """Join tables to records by file."""
    problems: list[Problem] = []
    joined = list(records)
    paths = {r.image.path for r in records}
    parts = _parts(listing, paths, tables)
    listed: set[Path] = set()
    for table in tables:
        if table.columns.image is None or not any(listing.path(e) in paths for e in table.files.entries.values()):
            problems.append(_unused(listing, table))
            continue
        rows, wrong = records_of(listing, table, labelled=False)
        problems += wrong
        part = parts.get(table.entry)
        by_path = {r.image.path: replace(r, split=r.split or part) for r in rows}
        if part is None:
            problems += _no_rows(records, by_path, table.entry.name)
        listed |= by_path.keys()
        joined = [_joined(r, by_path.get(r.image.path)) for r in joined]
    if parts:
        problems += _no_rows(records, listed, ", ".join(e.name for e in parts))
    return tuple(joined), problems


def _unused(listing: Listing, table: ImageTable) -> Problem:
    """What is said of a table that names none of the images; folders of its rows are named."""
    folders = {f.rpartition("/")[2] for f in listing.folders if named_like_group(f.rpartition("/")[2])}
    column = column_of(listing, folders) if folders else None
    if column is None or column["table"] != table.entry.id or not listing.images:
        return Problem("layouts.table_unused", table.entry.rel, "note")
    values = {"column": column["column"], "first": listing.images[0].id}
    return Problem("layouts.table_of_folders", table.entry.rel, "note", values)


def _parts(listing: Listing, paths: Collection[Path], tables: Sequence[ImageTable]) -> dict[FileEntry, str]:
    """Tables that are called after splits, ``train.csv``, ``test.csv``, and list images here, with the split."""
    split_of_name = splits_of([t.entry.stem for t in tables])
    parts = {
        t.entry: split
        for t in tables
        if (split := split_of_name.get(t.entry.stem))
        and any(listing.path(e) in paths for e in t.files.entries.values())
    }
    return parts if len(set(parts.values())) > 1 else {}


def _no_rows(records: Sequence[Record], listed: Collection[Path], table: str) -> list[Problem]:
    return [Problem("layouts.no_row", r.id, "warning", {"table": table}) for r in records if r.image.path not in listed]


def joins(listing: Listing, options: LayoutOptions) -> bool:
    """Whether a table beside the folders names images in them, and lacks a column of classes that is called so."""
    try:
        tables = tables_of(listing, options, labelled=True)
    except FileError:
        return False  # who reads the table says what is wrong with it
    return any(t.files.entries and not t.columns.label for t in tables)


def column_of(listing: Listing, folders: Collection[str]) -> dict[str, str] | None:
    """The table, and its column of patients, animals or cases, that holds the names of all these folders, if any.

    A name without a number is that of a patient alone: ``cat`` may stand in a column ``animal`` and be a class.
    """
    wanted = {folded(name) for name in folders}
    numbered = all(any(map(str.isdecimal, name)) for name in folders)
    for entry in listing.tables:
        try:
            table = read_table(listing.path(entry))
        except FileError:
            continue  # who reads the table says what is wrong with it
        for column in table.columns:
            rank = rank_of(column)
            holds = rank is not None and rank <= (_CASE_RANK if numbered else 0)
            if holds and wanted <= {folded(row.cells[column]) for row in table.rows}:
                return {"table": entry.id, "column": printable(column)}
    return None


def _joined(record: Record, row: Record | None) -> Record:
    if row is None:
        return record
    return replace(
        record,
        split=row.split or record.split,
        fold=record.fold if row.fold is None else row.fold,
        position=record.position if row.position is None else row.position,
        columns={**record.columns, **row.columns},
    )
