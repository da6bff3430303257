"""Tables beside images that are not of classes: boxes, run lengths, findings that are left open."""

from __future__ import annotations

from collections.abc import Sequence

from lamelle.data.column_words import names_label
from lamelle.data.groups.words import tokens
from lamelle.data.tables import Table, is_blank
from lamelle.errors import printable
from lamelle.types import Problem

_BOXES = (
    {"xmin", "ymin", "xmax", "ymax"}, {"x_min", "y_min", "x_max", "y_max"}, {"x1", "y1", "x2", "y2"}, {"bbox"},
    {"x", "y", "width", "height"}, {"x", "y", "w", "h"}, {"left", "top", "width", "height"}, {"bounding_box"},
    {"x_1", "y_1", "x_2", "y_2"}, {"xtl", "ytl", "xbr", "ybr"}, {"bbox_x", "bbox_y"},
)  # fmt: skip
_RUNS = {"encodedpixels", "encoded_pixels", "rle", "rle_mask", "mask_rle", "segmentation_rle", "run_length"}
_YES, _NO, _OPEN = {"1", "1.0"}, {"0", "0.0"}, {"-1", "-1.0", ""}
_MIN_CELLS, _SHOWN = 3, 8
_FORMS = {"submission", "submit", "soumission", "einreichung", "envio"}


def other_kind(table: Table) -> Problem | None:
    """What a table holds instead of classes, and the way out; None where nothing says so.

    Example:
        >>> from pathlib import Path
        >>> other_kind(Table(Path("a.csv"), ("image", "xmin", "ymin", "xmax", "ymax", "label"), ())).code
        'layouts.lacks_classes_of_boxes'
    """
    plain = {"_".join(tokens(c)): c for c in table.columns}
    place = {"table": printable(table.path.name)}
    for names in _BOXES:
        if names <= plain.keys():
            return Problem("layouts.lacks_classes_of_boxes", "", "note", place | {"columns": _listed(plain, names)})
    if any(map(names_label, table.columns)):
        return None
    if runs := _RUNS & plain.keys():
        return Problem("layouts.lacks_masks_of_runs", "", "note", place | {"columns": _listed(plain, runs)})
    open_ = [c for c in table.columns if _is_open(table, c)]
    if len(open_) >= _MIN_CELLS and any(_states(table, c) & _OPEN for c in open_):
        columns = {"columns": ", ".join(map(printable, open_[:_SHOWN]))}
        return Problem("layouts.lacks_answers", "", "note", place | columns)
    return None


def is_form(name: str) -> bool:
    """Whether a table is called after what a competition wants to be sent: what it says of images is no truth.

    Example:
        >>> is_form("sample_submission.csv"), is_form("SampleSubmission"), is_form("train.csv")
        (True, True, False)
    """
    return not _FORMS.isdisjoint(tokens(name))


def one_for_all(name: str, labels: Sequence[str], others: set[str]) -> list[Problem]:
    """A warning where one of several tables says the same of all its images, as a form that is not filled in.

    Args:
        labels: What the table says, image by image.
        others: What all tables say.
    """
    if len(set(labels)) != 1 or len(labels) < _MIN_CELLS or len(others) < 2:
        return []
    values = {"value": printable(labels[0]), "count": len(labels)}
    return [Problem("layouts.one_label_of_table", printable(name), "warning", values)]


def _listed(plain: dict[str, str], names: set[str]) -> str:
    return ", ".join(printable(column) for name, column in plain.items() if name in names)


def _states(table: Table, column: str) -> set[str]:
    return {"" if is_blank(row.cells[column]) else row.cells[column] for row in table.rows}


def _is_open(table: Table, column: str) -> bool:
    """Whether the cells say yes, no, or leave it open."""
    cells = _states(table, column)
    return bool(cells & _YES) and cells <= _YES | _NO | _OPEN
