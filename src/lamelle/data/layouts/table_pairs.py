"""A table that names images and their masks: ``data.csv`` with the columns image and mask."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lamelle.data.layouts.common import Layout, LayoutMatch, LayoutOptions, label_target, lacks
from lamelle.data.layouts.listing import FileEntry, Listing
from lamelle.data.layouts.pairing import names_of, unused
from lamelle.data.layouts.path_columns import names_in
from lamelle.data.layouts.table import is_sure
from lamelle.data.layouts.table_files import ImageTable, tables_of
from lamelle.data.layouts.table_join import with_columns
from lamelle.data.layouts.table_rows import records_of
from lamelle.data.layouts.volumes import is_volume, pair_records
from lamelle.data.tables import is_blank
from lamelle.errors import FileError, RequestError, printable, setting
from lamelle.types import Index, LabelImage, ObjectMasks, Problem, Record, Source

NAME = "table_pairs"


def match(listing: Listing, options: LayoutOptions) -> LayoutMatch:
    """A table of which one column names images and another one masks; less sure where it has labels for them, too."""
    try:
        tables = _paired(listing, options)
    except FileError:
        return lacks(0.05, "table")  # who reads the table says what is wrong with it
    if not tables:
        return lacks(0.1, "mask_column")
    classes = any(t.columns.label and (options.label or is_sure(t)) for t in tables)
    return LayoutMatch(0.95 if classes and not (options.of_pixels or options.masks) else 1.0)


def read(listing: Listing, options: LayoutOptions) -> Index:
    """Each row's image with its masks: several in one cell, or in several rows, are taken together.

    Raises:
        FileError: If a table cannot be read.
        RequestError: If a table has several columns of masks.
    """
    records: list[Record] = []
    problems: list[Problem] = []
    tables = _paired(listing, options)
    for table in tables:
        made, wrong = _pairs(listing, table, options)
        records += made
        problems += wrong
    problems += _unlisted(listing, tables)
    rest = [t for t in tables_of(listing, options) if not t.paths.masks]
    joined, wrong = with_columns(listing, records, rest)
    return Index(listing.root, NAME, joined, problems=(*problems, *wrong))


def _paired(listing: Listing, options: LayoutOptions) -> list[ImageTable]:
    return [t for t in tables_of(listing, options) if t.paths.masks]


def _pairs(listing: Listing, table: ImageTable, options: LayoutOptions) -> tuple[list[Record], list[Problem]]:
    """The records of one table; a row whose masks are not there is an error."""
    column = _column(table)
    of, problems = _masks(table, column)
    rows, wrong = records_of(listing, table, labelled=False)
    problems += [p for p in wrong if p.code != "layouts.same_row"]
    entries = {listing.path(e): e for e in table.files.entries.values()}
    records: list[Record] = []
    for row in rows:
        entry = entries[row.image.path]
        if not (masks := of.get(entry)):
            continue
        group = entry.id if is_volume(listing, entry) else None
        made, wrong = pair_records(listing, entry, masks[0], dims=options.dims or 3, split=row.split, group=group)
        problems += wrong
        if len(masks) > 1:
            made = [replace(r, target=label_target([Source(listing.path(m)) for m in masks])) for r in made]
        label = row.columns.get(table.columns.label or "")
        records += [
            replace(r, fold=row.fold, stratum=label or None, columns={**row.columns, **r.columns}) for r in made
        ]
    details = {"image": printable(table.columns.image or ""), "mask": printable(column)}
    details["others"] = ", ".join(map(printable, table.paths.others)) or "–"
    details["key"] = f"{setting('data.image', 'COLUMN')} {setting('data.masks', 'COLUMN')}"
    problems = [Problem("layouts.columns_of_pairs", table.entry.rel, "note", details), *problems]
    if table.columns.label and not (options.label or options.learnt or options.masks):
        values = {"column": printable(table.columns.label), "key": setting("data.label", table.columns.label)}
        problems.append(Problem("layouts.classes_beside_pairs", table.entry.rel, "note", values))
    return records, problems


def _column(source: ImageTable) -> str:
    """The one column of masks.

    Raises:
        RequestError: If there are several.
    """
    columns = list(source.paths.masks)
    if len(columns) > 1:
        keys = " / ".join(setting("data.masks", c) for c in columns)
        table, names = printable(source.table.path.name), ", ".join(map(printable, columns))
        raise RequestError("layouts.several_mask_columns", table=table, columns=names, keys=keys)
    return columns[0]


def _masks(table: ImageTable, column: str) -> tuple[dict[FileEntry, list[FileEntry]], list[Problem]]:
    """The masks of each image, once each."""
    files = table.paths.masks[column]
    of: dict[FileEntry, list[FileEntry]] = {}
    problems: list[Problem] = []
    for row in table.whole.rows:
        image, cell = row.cells[table.columns.image or ""], row.cells[column]
        place = table.table.at(row)
        if is_blank(cell):
            values = {"file": printable(image), "column": printable(column), "value": cell}
            problems.append(Problem("layouts.blank_mask", place, "error", values))
        for name in names_in(cell):
            if name in files.doubtful:
                values = {"file": printable(name), "names": names_of(files.doubtful[name])}
                problems.append(Problem("layouts.listed_doubtful", place, "error", values))
            elif name not in files.entries:
                problems.append(Problem("layouts.listed_missing", place, "error", {"file": printable(name)}))
            elif entry := table.files.entries.get(image):
                masks = of.setdefault(entry, [])
                masks += [m for m in [files.entries[name]] if m not in masks]
    return of, problems


def _unlisted(listing: Listing, tables: Iterable[ImageTable]) -> list[Problem]:
    """A warning per folder of files that no table names as image or mask."""
    listed = {e for t in tables for files in (t.files, *t.paths.files) for e in files.all}
    return unused([e for e in listing.images if e not in listed], "layouts.unlisted", "warning")


LAYOUT = Layout(
    name=NAME,
    yields=(LabelImage, ObjectMasks),
    match=match,
    read=read,
    of_one_file=True,
    own_columns=True,
    described=True,
)
