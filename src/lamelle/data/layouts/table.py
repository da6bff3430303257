"""A table beside a folder of images: ``labels.csv`` with a column of files and a column of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lamelle.data.column_words import FINDING_COLUMNS, names_class, plain, states_fact
from lamelle.data.groups.id_columns import id_columns
from lamelle.data.groups.words import maybe_group, rank_of
from lamelle.data.layouts.common import Layout, LayoutMatch, LayoutOptions, lacks
from lamelle.data.layouts.listing import Listing
from lamelle.data.layouts.pairing import names_of, unused
from lamelle.data.layouts.path_columns import masks_alone
from lamelle.data.layouts.split_words import splits_of
from lamelle.data.layouts.table_files import ImageTable, tables_of
from lamelle.data.layouts.table_join import with_columns
from lamelle.data.layouts.table_rows import records_of
from lamelle.data.one_hot import FINDING
from lamelle.data.table_kinds import is_form, one_for_all, other_kind
from lamelle.data.tables import (
    Table,
    holds_classes,
    is_blank,
)
from lamelle.errors import FileError, RequestError, printable, setting
from lamelle.types import ClassNames, Index, Problem, Record

NAME = "table"
_KEYS = 3
"""Columns that are proposed as the label."""
_TEST_FOLDERS = ("test", "test/images", "test_images")


def match(listing: Listing, options: LayoutOptions) -> LayoutMatch:
    """A table with a column of files that are there, and a column of labels."""
    try:
        tables = tables_of(listing, options, labelled=True)
    except FileError:
        return LayoutMatch(0.6)  # read() tells what is wrong with it
    if not tables:
        return lacks(0.05, "table")
    if options.label is None and not any(t.table.folded for t in tables):
        with_files = [t.table for t in tables if t.files.entries]
        if other := next((kind_name for table in with_files if (kind_name := other_kind(table))), None):
            return LayoutMatch(0.47, other)
    if all(t.columns.image is None for t in tables):
        table, rank = tables[0].table, next((c for c in tables[0].table.columns if rank_of(c) is not None), None)
        if rank and tables[0].columns.label:
            details = {"group": printable(rank), "label": printable(tables[0].columns.label)}
            details["first"] = printable(listing.images[0].rel)
            return lacks(0.47, "rows_of_images", table=table.path.name, **details)
        return lacks(0.2, "image_column", table=table.path.name, columns=_columns(tables[0]))
    labelled = [t for t in tables if t.columns.image and t.columns.label]
    if not labelled:
        if doubt := next((t.table.doubt for t in tables if t.table.doubt and t.columns.image), None):
            return LayoutMatch(0.47, doubt)
        first = next((t for t in tables if t.files.entries), tables[0])
        if others := [c for t in tables for c in t.paths.others]:
            details = {"table": first.table.path.name, "columns": _columns(first), "image": first.columns.image}
            details |= {"other": ", ".join(map(printable, others)), "masks": setting("data.masks", others[0])}
            return lacks(0.47, "labels_or_masks", key=_label_keys(first), **details)
        if alone := {c: only for c in first.table.columns if names_class(c) and (only := _only(first.table, c))}:
            column, only = next(iter(alone.items()))
            values = {"table": first.table.path.name, "column": printable(column), "value": printable(only)}
            return lacks(0.46 if first.files.entries else 0.3, "second_label", **values)
        details = {"table": first.table.path.name, "columns": _columns(first), "key": _label_keys(first)}
        return lacks(0.46 if first.files.entries else 0.3, "label_column", **details)
    if any(t.files.entries or t.files.doubtful for t in labelled):
        return LayoutMatch(1.0 if options.label or any(is_sure(t) for t in labelled) else 0.9)
    first = labelled[0]
    name = first.table.rows[0].cells[first.columns.image or ""] if first.table.rows else ""
    return lacks(0.45, "listed_images", table=first.table.path.name, count=len(first.table.rows), name=printable(name))


def _only(table: Table, column: str) -> str | None:
    """What a column says in every row; None where it says several things, or nothing in some."""
    cells = {row.cells[column] for row in table.rows}
    return next(iter(cells)) if len(cells) == 1 and not any(map(is_blank, cells)) else None


def is_sure(table: ImageTable) -> bool:
    """Whether a table labels images even where masks lie beside them."""
    return not table.table.folded and plain(table.columns.label or "") not in FINDING_COLUMNS


def read(listing: Listing, options: LayoutOptions) -> Index:
    """Each row's image with its classes, and every other column as text.

    Raises:
        FileError: If a table cannot be read.
        RequestError: If several tables have labels, and their names are not those of splits.
    """
    tables = tables_of(listing, options, labelled=True)
    labelled = [t for t in tables if t.columns.image and t.columns.label]
    if forms := [t for t in labelled if is_form(t.entry.stem) and len(labelled) > 1]:
        tables, labelled = ([t for t in ts if t not in forms] for ts in (tables, labelled))
    split_of_name = splits_of([t.entry.stem for t in labelled])
    splits = [split_of_name.get(t.entry.stem) for t in labelled]
    if len(labelled) > 1 and (None in splits or len(set(splits)) < len(splits)):
        raise RequestError("layouts.several_tables", names=names_of([t.entry for t in labelled]))
    problems = [Problem("layouts.form_left_out", t.entry.rel, "note", {"count": len(t.table.rows)}) for t in forms]
    records: list[Record] = []
    for table, split in zip(labelled, splits, strict=True):
        made, wrong = records_of(listing, table, labelled=True)
        problems += [*wrong, *_beside(listing, table, options)]
        if len(labelled) > 1:
            made = [replace(r, split=r.split or split) for r in made]
        records += made
    problems += [*_in_two_tables(records), *_one_label(records, labelled), *_forms(listing, records, labelled)]
    problems += _unlisted(listing, labelled)
    joined, wrong = with_columns(listing, records, [t for t in tables if t not in labelled])
    return Index(listing.root, NAME, joined, problems=(*problems, *wrong))


def _beside(listing: Listing, table: ImageTable, options: LayoutOptions) -> list[Problem]:
    """What is said of other columns that name files; an error where the images themselves are masks."""
    taken = {"image": printable(table.columns.image or ""), "label": printable(table.columns.label or "")}
    problems = []
    if masks := list(table.paths.masks):
        values = {**taken, "masks": printable(", ".join(masks)), "key": setting("task", "segment")}
        problems.append(Problem("layouts.masks_of_table", table.entry.rel, "note", values))
    if others := list(table.paths.others):
        values = {**taken, "others": printable(", ".join(others)), "key": setting("data.image", others[0])}
        problems.append(Problem("layouts.other_images", table.entry.rel, "warning", values))
    if options.image is None and (of := masks_alone(listing, list(table.files.entries.values()))):
        mask, image = of
        values = {**taken, "mask": mask.id, "of": image.id}
        values["key"] = setting("data.image", table.columns.image)
        problems.append(Problem("layouts.table_of_masks", table.entry.rel, "error", values))
    return problems


def read_rows(listing: Listing, options: LayoutOptions) -> tuple[list[tuple[str, Record]], list[Problem]]:
    """The one table asked for, to predict on: each row's name as it is spelt there, with a record without target.

    Images that lie in the table's folder in none of the usual places are also looked for in ``test/``.

    Raises:
        FileError: If the table cannot be read, or has no column of images.
    """
    table = tables_of(listing, options, also=_TEST_FOLDERS)[0]
    if table.columns.image is None:
        raise FileError("layouts.no_image_column", table.table.path, columns=_columns(table))
    records, problems = records_of(listing, table, labelled=False)
    by_path = {r.image.path: r for r in records}
    rows = []
    for name in dict.fromkeys(row.cells[table.columns.image] for row in table.table.rows):
        entry = table.files.entries.get(name)
        if entry is not None and (record := by_path.get(listing.path(entry))):
            rows.append((name, record))
    return rows, problems


def spelt(listing: Listing, options: LayoutOptions) -> tuple[str, str, list[str], list[str]] | None:
    """The columns of images and of labels of the table that labels a folder, their names first; None without one.

    Raises:
        FileError: If a table cannot be read.
    """
    for table in tables_of(listing, options):
        image, label = table.columns.image, table.columns.label
        if image and label:
            cells = [row.cells for row in table.table.rows]
            return image, label, [c[image] for c in cells], [c[label] for c in cells]
    return None


def _label_keys(table: ImageTable) -> str:
    """What to say for each column that may hold the classes."""
    used = (table.columns.image, table.columns.split, table.columns.fold, table.columns.position)
    others = [c for c in table.table.columns if c not in used]
    fit = [c for c in others if holds_classes(table.table, c) and not _are_groups(table.table, c)]
    ids = id_columns({c: [row.cells[c] for row in table.table.rows] for c in fit}, [""] * len(table.table.rows))
    fit = [c for c in fit if c not in ids]
    fit = sorted([c for c in fit if not maybe_group(c)] or fit, key=lambda c: (not names_class(c), states_fact(c)))
    return " / ".join(setting("data.label", c) for c in fit[:_KEYS]) or "data.label=COLUMN"


def _are_groups(table: Table, column: str) -> bool:
    """Whether a column says what belongs together; one of what a patient has may say which kind, or if any."""
    different = {row.cells[column] for row in table.rows}
    numbered = len(different) > len("01") and all(any(map(str.isdecimal, cell)) for cell in different)
    return rank_of(column) not in (None, FINDING) or (rank_of(column) == FINDING and numbered)


def _columns(table: ImageTable) -> str:
    return ", ".join(printable(c) for c in table.table.columns)


def _in_two_tables(records: Sequence[Record]) -> list[Problem]:
    seen: set[str] = set()
    twice = [r.id for r in records if r.id in seen or seen.add(r.id)]
    return [Problem("layouts.in_two_tables", i, "error") for i in twice]


def _one_label(records: Sequence[Record], tables: Sequence[ImageTable]) -> list[Problem]:
    """An error where the column of labels says the same of every image."""
    names = {t for r in records for t in r.names}
    if len(names) != 1 or not tables[0].columns.label:
        return []
    values = {"column": printable(tables[0].columns.label), "value": printable(next(iter(names)))}
    return [Problem("layouts.one_label", tables[0].entry.rel, "error", {**values, "count": len(records)})]


def _forms(listing: Listing, records: Sequence[Record], tables: Sequence[ImageTable]) -> list[Problem]:
    """A warning for each of several tables that says the same of all its images."""
    of = {r.image.path: "|".join(r.names) for r in records}
    labels_of = {t.entry.rel: [of[p] for e in t.files.all if (p := listing.path(e)) in of] for t in tables}
    return [
        p
        for name, labels in labels_of.items()
        for p in one_for_all(name, labels, set(of.values()))
        if len(labels_of) > 1
    ]


def _unlisted(listing: Listing, tables: Sequence[ImageTable]) -> list[Problem]:
    """A warning per folder of which only some images are listed, a note per folder of which none is."""
    listed = {e for t in tables for e in t.files.all}
    folders = {e.folder for e in listed}
    beside = {e for t in tables for files in t.paths.files for e in files.all}
    rest = [e for e in listing.images if e not in listed | beside]
    return unused([e for e in rest if e.folder in folders], "layouts.unlisted", "warning") + unused(
        [e for e in rest if e.folder not in folders], "layouts.not_used", "note"
    )


LAYOUT = Layout(name=NAME, yields=(ClassNames,), match=match, read=read, of_one_file=True, own_columns=True)
