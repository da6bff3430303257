"""Tables of images: CSV and TSV files, the meaning of their columns, and what can be wrong with their rows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lamelle.data.class_spelling import folded
from lamelle.data.column_words import FINDING_COLUMNS, IMAGE_COLUMNS, LABEL_COLUMNS, plain
from lamelle.data.split_columns import split_columns
from lamelle.errors import FileError, RequestError, printable, setting
from lamelle.io.files import is_image_name
from lamelle.types import Problem

LABEL, NONE = "label", "none"
"""The column that stands for several, and the class of an image that is of none of them."""
POSITION_COLUMNS = (
    "slice", "z", "plane", "slice_number", "slice_no", "slice_index", "slice_idx", "z_index", "coupe", "schicht",
    "corte",
)  # fmt: skip
BLANK = ("", "na", "n/a", "nan", "null", "#n/a", "<na>")
_SHOWN = 6
_LOOKED_AT = 40
"""Lines among which the header is looked for."""
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_DELIMITERS = (",", ";", "\t")
_SEVERAL = re.compile(r"[|;]")


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row, and the line of the file where it ends."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """A table as text."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    problems: tuple[Problem, ...] = ()
    folded: bool = False
    """Its column of labels stands for several of 0 and 1, which may be meant otherwise."""
    doubt: Problem | None = None
    """Why its columns of 0 and 1 are not taken for classes."""

    def at(self, row: TableRow) -> str:
        """The place of a row, for people."""
        return f"{self.path.name}:{row.line}"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column means what."""

    image: str | None
    label: str | None = None
    split: str | None = None
    splits: Mapping[str, str] = field(default_factory=dict)
    """Cell of the column ``split`` → split."""
    fold: str | None = None
    folds: Mapping[str, int] = field(default_factory=dict)
    """Cell of the column ``fold`` → number of the fold, from 0."""
    position: str | None = None
    problems: tuple[Problem, ...] = ()


def read_table(path: Path) -> Table:
    """Read a table with commas, semicolons or tabs, in UTF-8, or as a spreadsheet saves it: UTF-16 or Windows-1252.

    Raises:
        FileError: If the file is empty, in none of these (the line is named), or no table.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "labels.csv")
        >>> _ = path.write_text("image;label\\na.png;cat\\n")
        >>> table = read_table(path)
        >>> table.columns, dict(table.rows[0].cells), table.problems[0].values["delimiter"]
        (('image', 'label'), {'image': 'a.png', 'label': 'cat'}, ';')
    """
    text, encoding = _decode(path)
    above = _above_header(text)
    lines = text.splitlines(keepends=True)[above:]
    delimiter = max(_DELIMITERS, key=lines[0].count)
    problems: list[Problem] = []
    if above:
        problems.append(Problem("layouts.title_skipped", path.name, "note", {"count": above, "header": above + 1}))
    if encoding:
        problems.append(Problem("layouts.encoding", path.name, "note", {"encoding": encoding}))
    if delimiter != ",":
        problems.append(Problem("layouts.dialect", path.name, "note", {"delimiter": delimiter.replace("\t", "\\t")}))
    reader = csv.reader(io.StringIO("".join(lines), newline=""), delimiter=delimiter, strict=True)
    try:
        read = [(reader.line_num + above, [_cell(c) for c in cells]) for cells in reader]
    except csv.Error as error:
        raise FileError("layouts.not_a_table", path, line=reader.line_num + above, reason=error) from error
    return _filled(path, read, problems)


def _filled(path: Path, read: Sequence[tuple[int, list[str]]], problems: list[Problem]) -> Table:
    """The table of its lines, without columns that are empty with their header, as spreadsheets leave them behind."""
    (_, header), *rest = read
    filled = [(line, cells) for line, cells in rest if any(cells)]
    kept = [i for i, c in enumerate(header) if c or any(cells[i : i + 1] not in ([], [""]) for _, cells in filled)]
    columns = tuple(header[i] for i in kept)
    _check_header(path, columns, [(filled[0][1][i : i + 1] or [""])[0] for i in kept] if filled else [])
    rows: list[TableRow] = []
    for line, cells in filled:
        whole = [*cells, *[""] * (len(header) - len(cells))]
        short = len(cells) < len(header) and any(i >= len(cells) for i in kept)
        if short or any(whole[len(header) :]):
            values = {"cells": len(cells), "columns": len(header)}
            problems.append(Problem("layouts.ragged", f"{path.name}:{line}", "error", values))
            continue
        rows.append(TableRow(line, {header[i]: whole[i] for i in kept}))
    return Table(path, columns, tuple(rows), tuple(problems))


def _cell(cell: str) -> str:
    """What a cell says, without spaces and single quotes around it."""
    cell = cell.strip()
    return cell[1:-1].strip() if len(cell) > 1 and cell[0] == cell[-1] == "'" else cell


def _above_header(text: str) -> int:
    """Lines above the header: blank, comments, or a title of one cell where the lines below have several."""
    lines = text.splitlines()[:_LOOKED_AT]
    parted = [any(sign in line.rstrip("".join(_DELIMITERS)) for sign in _DELIMITERS) for line in lines]
    if sum(parted) < 2:
        return 0
    return next(i for i, line in enumerate(lines) if parted[i] and not line.lstrip().startswith("#"))


def _decode(path: Path) -> tuple[str, str]:
    """The text, and its encoding where that is not UTF-8."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileError("layouts.unreadable", path, reason=error.strerror) from error
    try:
        text = data.decode("utf-16" if data[:2] in _UTF16 else "utf-8-sig")
        encoding = "UTF-16" if data[:2] in _UTF16 else ""
    except UnicodeDecodeError as error:
        try:
            text, encoding = data.decode("cp1252"), "Windows-1252"
        except UnicodeDecodeError:
            line = data.count(b"\n", 0, error.start) + 1
            raise FileError("layouts.not_utf8", path, line=line, byte=f"0x{data[error.start]:02x}") from error
    if not text.strip():
        raise FileError("layouts.empty_table", path)
    return text, encoding


def _check_header(path: Path, columns: Sequence[str], first: Sequence[str]) -> None:
    """Raise a FileError where a header is none, as the first row tells, or names two columns alike."""
    if any(is_image_name(c) and is_image_name(cell) for c, cell in zip(columns, first, strict=False)):
        raise FileError("layouts.no_header", path, first=", ".join(map(printable, columns[:_SHOWN])))
    if twice := sorted({c for c in columns if columns.count(c) > 1}):
        raise FileError("layouts.twice_in_header", path, columns=", ".join(repr(c) for c in twice))


def choose_columns(
    table: Table, *, image: str | None, label: str | None, group: str | None, split: str | None
) -> Columns:
    """Say what each column means: as named, else by the usual names.

    What a group is, `lamelle.data.groups` decides; what says the split, `lamelle.data.split_columns`.

    Raises:
        RequestError: If a named column is not in the table, or is one of several that are spelt nearly so.
    """
    requested = {"image": image, "label": label, "group": group, "split": split}
    meant = {option: name and _meant(table, option, name) for option, name in requested.items()}
    image, label, split = meant["image"], meant["label"], meant["split"]
    read_as = [
        Problem("layouts.column_read_as", table.path.name, "note", {"option": option, "given": name, "column": column})
        for option, name in requested.items()
        if name and (column := meant[option]) != name
    ]
    image = image or _first(table, IMAGE_COLUMNS) or _by_content(table)
    chosen = label or _first(table, (*LABEL_COLUMNS, *FINDING_COLUMNS))
    cells = {c: [r.cells[c] for r in table.rows] for c in table.columns if c == split or c not in (image, chosen)}
    splits = split_columns(cells, named=split, table=table.path.name)
    problems = [*splits.problems, *([] if label else _several_labels(table))]
    position = _first(table, POSITION_COLUMNS)
    if position and not all(r.cells[position].isdecimal() for r in table.rows):
        position = None
    return Columns(
        image,
        chosen,
        splits.split,
        splits.splits,
        splits.fold,
        splits.folds,
        position,
        (*read_as, *problems),
    )


def column_like(name: str, columns: Iterable[str]) -> str | None:
    """The column that is meant: of this name, or the only one that differs in capitals, accents or signs alone.

    Example:
        >>> column_like("patient id", ["image", "Patient_ID"]), column_like("id", ["Id", "ID"])
        ('Patient_ID', None)
    """
    columns = list(columns)
    alike = [name] if name in columns else [c for c in columns if folded(c) == folded(name)]
    return alike[0] if len(alike) == 1 else None


def _meant(table: Table, option: str, name: str) -> str:
    """The column that the user named."""
    if (column := column_like(name, table.columns)) is None:
        values = {"option": option, "column": name, "table": table.path.name, "columns": ", ".join(table.columns)}
        raise RequestError("layouts.no_such_column", **values)
    return column


def _several_labels(table: Table) -> list[Problem]:
    """A note where more than one column is called after what images are of."""
    words = (*LABEL_COLUMNS, *FINDING_COLUMNS)
    label_columns = [c for n in words for c in table.columns if plain(c) == n and holds_classes(table, c)]
    if len(label_columns) < 2:
        return []
    values = {
        "column": printable(label_columns[0]),
        "others": printable(", ".join(label_columns[1:])),
        "key": label_columns[1],
    }
    values["key"] = setting("data.label", label_columns[1])
    return [Problem("layouts.label_taken", table.path.name, "note", values)]


def holds_classes(table: Table, column: str) -> bool:
    """Whether the cells of a column may be classes: several, and each of more than one row on average."""
    cells = [row.cells[column] for row in table.rows if not is_blank(row.cells[column])]
    return 2 <= len(set(cells)) <= len(cells) / 2


def _first(table: Table, names: Sequence[str]) -> str | None:
    by_name = {plain(c): c for c in reversed(table.columns)}
    return next((by_name[n] for n in names if n in by_name), None)


def _by_content(table: Table) -> str | None:
    if not table.rows:
        return None
    return next((c for c in table.columns if is_image_name(table.rows[0].cells[c])), None)


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
