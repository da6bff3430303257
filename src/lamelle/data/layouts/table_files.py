"""The tables of a folder: what their columns mean, and which files they name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.listing import FileEntry, Listing
from lamelle.data.layouts.locate import Located, locate
from lamelle.data.layouts.path_columns import PathColumns, path_columns, without
from lamelle.data.one_hot import one_column
from lamelle.data.tables import Columns, Table, choose_columns, column_like, read_table


@dataclass(frozen=True, slots=True)
class ImageTable:
    """A table of the folder, its columns and its files."""

    entry: FileEntry
    table: Table
    """Without the columns of masks and of further images."""
    columns: Columns
    files: Located
    paths: PathColumns
    """What more of its columns names files."""
    whole: Table
    """With all columns."""


def tables_of(
    listing: Listing, options: LayoutOptions, *, also: Sequence[str] = (), labelled: bool = False
) -> list[ImageTable]:
    """The tables of the root, or the one asked for; a named column must be in one of them.

    Args:
        also: Folders where files are looked for last.
        labelled: Classes are wanted, so that columns of 0 and 1 may be one each.
    """
    entries = [e for e in listing.tables if listing.only in (None, e.name)]
    tables = [(e, read_table(listing.path(e))) for e in entries]
    named = options.columns
    if labelled and options.label is None:
        tables = [
            (e, one_column(t, named=[column_like(n, t.columns) for n in named.values() if n], classes=options.classes))
            for e, t in tables
        ]
    having = [(e, t) for e, t in tables if all(n is None or column_like(n, t.columns) for n in named.values())]
    tables_read = []
    for entry, table in having or tables:
        columns, files = _chosen(listing, entry, table, options, also)
        locate_ = partial(locate, listing=listing, table=entry, also=also)
        paths = path_columns(listing, table, options, first=columns.image, locate=locate_)
        rest = without(table, paths.beside)
        if paths.beside:
            columns, files = _chosen(listing, entry, rest, replace(options, image=paths.image), also)
        tables_read.append(ImageTable(entry, rest, columns, files, paths, table))
    return tables_read


def _chosen(
    listing: Listing, entry: FileEntry, table: Table, options: LayoutOptions, also: Sequence[str]
) -> tuple[Columns, Located]:
    """What the columns of a table mean, and its files."""
    columns = choose_columns(table, **options.columns)
    files = _files(listing, entry, table, columns.image, also)
    if options.image is None and not (files.entries or files.doubtful):
        columns, files = _by_files(listing, entry, table, columns, also)
    return columns, files


def _files(listing: Listing, entry: FileEntry, table: Table, column: str | None, also: Sequence[str]) -> Located:
    names = [r.cells[column] for r in table.rows] if column else []
    return locate(names, listing, table=entry, also=also)


def _by_files(
    listing: Listing, entry: FileEntry, table: Table, columns: Columns, also: Sequence[str]
) -> tuple[Columns, Located]:
    """The column of whatever name whose cells are all files; else what the names of the columns say."""
    for column in table.columns:
        if len({r.cells[column] for r in table.rows}) == len(table.rows) > 1 and column != columns.label:
            files = _files(listing, entry, table, column, also)
            if len(files.entries) == len(table.rows):
                return replace(columns, image=column), files
    return columns, _files(listing, entry, table, columns.image, also)
