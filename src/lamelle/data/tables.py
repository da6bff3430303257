"""Tables of images: CSV and TSV files, the meaning of their columns, and what can be wrong with their rows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lamelle.data.layouts.words import SPLIT_NAMES
from lamelle.errors import FileError, RequestError
from lamelle.io.readers import is_image_name
from lamelle.types import Problem

IMAGE_COLUMNS = (
    "image", "images", "img", "path", "file", "filename", "file_name", "image_path", "img_path", "filepath",
    "file_path", "image_name", "image_file", "image_id", "name", "id",
)  # fmt: skip
LABEL_COLUMNS = ("label", "labels", "class", "classes", "class_name", "target", "category", "diagnosis", "dx")
SPLIT_COLUMNS = ("split", "set", "subset", "partition", "fold")
GROUP_COLUMNS = ("patient", "patient_id", "subject", "subject_id", "animal", "case", "volume", "slide")
"""Taken as the group without being asked, since a record of theirs is never independent of the next."""
MAYBE_GROUP_COLUMNS = ("group", "group_id", "animal_id", "case_id", "mouse", "donor", "specimen", "sample", "well")
POSITION_COLUMNS = ("slice", "z", "plane")
BLANK = ("", "na", "n/a", "nan", "null", "#n/a", "<na>")
_DELIMITERS = (",", ";", "\t")
_SEVERAL = re.compile(r"[|;]")


@dataclass(frozen=True, slots=True)
class Row:
    """One row, and the line of the file where it ends."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """A table as text."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    problems: tuple[Problem, ...] = ()

    def at(self, row: Row) -> str:
        """The place of a row, for people."""
        return f"{self.path.name}:{row.line}"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column means what."""

    image: str | None
    label: str | None = None
    group: str | None = None
    split: str | None = None
    position: str | None = None
    problems: tuple[Problem, ...] = ()


def read_table(path: Path) -> Table:
    """Read a table with commas, semicolons or tabs, in UTF-8 with or without a byte order mark.

    Raises:
        FileError: If the file is empty, not UTF-8 (the line is named), or no table.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "labels.csv")
        >>> _ = path.write_text("image;label\\na.png;cat\\n")
        >>> table = read_table(path)
        >>> table.columns, dict(table.rows[0].cells), table.problems[0].values["delimiter"]
        (('image', 'label'), {'image': 'a.png', 'label': 'cat'}, ';')
    """
    text = _decode(path)
    header, _, _ = text.partition("\n")
    delimiter = max(_DELIMITERS, key=header.count)
    problems: list[Problem] = []
    if delimiter != ",":
        problems.append(Problem("layouts.dialect", path.name, "note", {"delimiter": delimiter.replace("\t", "\\t")}))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[Row] = []
    try:
        columns = tuple(c.strip() for c in next(reader, []))
        _check_header(path, columns)
        for cells in reader:
            if not any(c.strip() for c in cells):
                continue
            if len(cells) != len(columns):
                values = {"cells": len(cells), "columns": len(columns)}
                problems.append(Problem("layouts.ragged", f"{path.name}:{reader.line_num}", "error", values))
                continue
            rows.append(Row(reader.line_num, dict(zip(columns, (c.strip() for c in cells), strict=True))))
    except csv.Error as error:
        raise FileError("layouts.not_a_table", path, line=reader.line_num, reason=error) from error
    return Table(path, columns, tuple(rows), tuple(problems))


def _decode(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileError("layouts.unreadable", path, reason=error.strerror) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FileError("layouts.not_utf8", path, line=line, byte=f"0x{data[error.start]:02x}") from error
    if not text.strip():
        raise FileError("layouts.empty_table", path)
    return text


def _check_header(path: Path, columns: Sequence[str]) -> None:
    if twice := sorted({c for c in columns if columns.count(c) > 1}):
        raise FileError("layouts.twice_in_header", path, columns=", ".join(repr(c) for c in twice))


def choose_columns(
    table: Table, *, image: str | None, label: str | None, group: str | None, split: str | None
) -> Columns:
    """Say what each column means: as named, else by the usual names.

    A group is taken unasked only from ``GROUP_COLUMNS``, and said. A split column that was not named counts only
    when it is called ``split`` or all its values are splits.

    Raises:
        RequestError: If a named column is not in the table.
    """
    for option, name in (("image", image), ("label", label), ("group", group), ("split", split)):
        if name is not None and name not in table.columns:
            columns = ", ".join(table.columns)
            raise RequestError(
                "layouts.no_such_column", option=option, column=name, table=table.path.name, columns=columns
            )
    problems: list[Problem] = []
    taken = group or _first(table, GROUP_COLUMNS)
    if taken and not group:
        problems.append(Problem("layouts.group_taken", table.path.name, "note", {"column": taken}))
    elif not taken and (maybe := _first(table, MAYBE_GROUP_COLUMNS)):
        problems.append(Problem("layouts.group_maybe", table.path.name, "note", {"column": maybe}))
    position = _first(table, POSITION_COLUMNS)
    if position and not all(r.cells[position].isdecimal() for r in table.rows):
        position = None
    return Columns(
        image or _first(table, IMAGE_COLUMNS) or _by_content(table),
        label or _first(table, LABEL_COLUMNS),
        taken,
        split or _split_column(table),
        position,
        tuple(problems),
    )


def _plain(column: str) -> str:
    return re.sub(r"[-\s]+", "_", column.strip().lower())


def _first(table: Table, names: Sequence[str]) -> str | None:
    by_name = {_plain(c): c for c in reversed(table.columns)}
    return next((by_name[n] for n in names if n in by_name), None)


def _by_content(table: Table) -> str | None:
    if not table.rows:
        return None
    return next((c for c in table.columns if is_image_name(table.rows[0].cells[c])), None)


def _split_column(table: Table) -> str | None:
    column = _first(table, SPLIT_COLUMNS)
    if column is None or _plain(column) == "split":
        return column
    return column if all(r.cells[column].lower() in SPLIT_NAMES for r in table.rows) else None


def is_blank(cell: str) -> bool:
    """Whether a cell says nothing.

    Example:
        >>> is_blank("NA"), is_blank("0")
        (True, False)
    """
    return cell.strip().lower() in BLANK


def labels_of(cell: str) -> tuple[str, ...]:
    """The classes in a cell: one, or several with ``|`` or ``;`` between.

    Example:
        >>> labels_of("edema|effusion"), labels_of("normal")
        (('edema', 'effusion'), ('normal',))
    """
    return tuple(dict.fromkeys(part.strip() for part in _SEVERAL.split(cell) if part.strip()))
