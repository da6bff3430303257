"""Remarks about the errors of a segmenter, in words, each with the numbers that prove it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamelle.data.store import Store
from lamelle.errors import FileError
from lamelle.messages import text
from lamelle.metrics.error_patterns import Pattern, patterns
from lamelle.metrics.errors_in_space import ErrorRow, error_row
from lamelle.reports.held import Held, predicted_labels
from lamelle.reports.html import number, percent, whole
from lamelle.runs.plan import Plan
from lamelle.types import Record

MOST, PIXELS = 60, 30_000_000
"""Images that are looked at, evenly spread over those that were scored, and their pixels in all."""
_SHOWN = {
    "never": ("name", "pixels", "n"),
    "over": ("name", "ratio", "images", "n"),
    "under": ("name", "ratio", "images", "n"),
    "merges": ("name", "cases", "n", "share"),
    "touching": ("name", "cases", "n", "share"),
    "splits": ("name", "cases", "n", "share"),
    "small": ("name", "small", "large", "n_small", "n_large", "below", "above"),
    "false": ("name", "cases", "n", "median", "true_median"),
    "blur": ("share", "distance", "all", "wrong"),
    "regions": ("share", "distance", "wrong"),
    "place": ("part", "share", "ratio", "labelled", "images", "n"),
    "slices": ("volume", "slices", "worst", "mean", "n"),
}
"""Kinds of patterns in the order of the page, and the numbers that their sentences show."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that holds."""

    kind: str
    said: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Scored:
    """An image's truth and what was predicted for it; classes, and numbers of objects where these are known."""

    record: Record
    target: np.ndarray
    labels: np.ndarray
    numbers: np.ndarray | None = None
    predicted_numbers: np.ndarray | None = None


def section(held: Held, store: Store) -> dict[str, Any]:
    """The remarks, and what they rest on; empty if there are no predictions to look at."""
    if held.scores is None or held.plan is None or not held.plan.task.spatial:
        return {}
    rows, places, touching = _looked_at(held, held.plan, store)
    if not rows:
        return {}
    found = patterns(rows, classes=held.plan.task.classes, places=places)
    about = text("report.remarks_about", n=len(rows), all=len(held.scores["items"]))
    return {"remarks": remarks(found, touching=touching), "remarks_about": about}


def remarks(found: Sequence[Pattern], *, touching: bool) -> list[Remark]:
    """Patterns in words.

    Args:
        touching: The truth numbers its objects, but the prediction only names classes.
    """
    said = []
    for pattern in sorted(found, key=lambda p: list(_SHOWN).index(p.kind)):
        kind = "touching" if touching and pattern.kind == "merges" else pattern.kind
        values = {name: _shown(name, pattern.values[name]) for name in _SHOWN[kind]}
        said.append(Remark(kind, text(f"report.remark_{kind}", **values), text(f"report.evidence_{kind}", **values)))
    return said


def _shown(name: str, value: Any) -> str:
    words: dict[str, Callable[[Any], str]] = {
        **dict.fromkeys(("share", "all", "wrong", "small", "large", "labelled", "worst", "mean"), percent),
        "ratio": lambda v: number(v, 2),
        "part": lambda v: text(f"report.part_{v}"),
        "slices": lambda v: ", ".join(map(str, v)),
        **dict.fromkeys(("median", "true_median"), lambda v: whole(round(v))),
    }
    if name in words:
        return words[name](value)
    return value if isinstance(value, str) else whole(int(value))


def _looked_at(held: Held, plan: Plan, store: Store) -> tuple[list[ErrorRow], list[tuple[str, int | None]], bool]:
    """Rows of a bounded sample of the images, the volume and the slice of each, and whether objects could touch."""
    rows, places, touching = [], [], False
    classes = len(plan.task.classes)
    objects = range(0 if "cells" in plan.task.describe()["settled"].get("also", ()) else 1, classes)
    for found in scored(held, plan, store):
        numbers = {"numbers": found.numbers, "predicted_numbers": found.predicted_numbers}
        rows.append(error_row(found.target, found.labels, classes=classes, objects=objects, **numbers))
        places.append(place(found.record))
        touching |= found.numbers is not None and found.predicted_numbers is None
    return rows, places, touching


def place(record: Record) -> tuple[str, int | None]:
    """The volume and the slice that a record is; the record itself if it is no slice."""
    volume = record.columns.get("volume")
    return (volume, record.position) if volume and record.position is not None else (record.id, None)


def scored(held: Held, plan: Plan, store: Store) -> Iterator[Scored]:
    """Truth and prediction of a bounded sample of the images that were scored; what cannot be read is left out."""
    known = {r.id: r for r in plan.records}
    ids = [item["id"] for item in (held.scores or {}).get("items", ()) if item["id"] in known]
    places = np.linspace(0, len(ids) - 1, min(MOST, len(ids))).round().astype(int)
    left = PIXELS
    for i in dict.fromkeys(places.tolist()):
        try:
            found = read(held, plan, known[ids[i]], store, most=left)
        except FileError:
            continue  # a file that is gone or changed since the run
        if found is None:
            continue
        left -= found.target.size
        yield found


def read(held: Held, plan: Plan, record: Record, store: Store, *, most: int | None = None) -> Scored | None:
    """Truth and prediction of one record; None if it has none, or they do not fit.

    Args:
        most: Pixels; of a larger volume the middle slices are taken, a larger image is left out. None = all.

    Raises:
        FileError: If a file cannot be read.
    """
    labels = predicted_labels(held, record)
    raw = plan.task.targets.read(record, store) if labels is not None else None
    if labels is None or raw is None or tuple(raw.shape) != labels.shape:
        return None
    if most is not None and labels.size > most:
        planes = most // max(labels[0].size, 1) if labels.ndim == 3 else 0
        first = (len(labels) - planes) // 2
        raw, labels = raw[first : first + planes], labels[first : first + planes]
        if not planes:
            return None
    raw = np.asarray(raw)
    target, said = plan.task.targets.window(raw, None, None), labels.astype(np.int64)
    return Scored(record, *_numbered(target, said, raw, plan))


def _numbered(
    target: np.ndarray, said: np.ndarray, raw: np.ndarray, plan: Plan
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Classes of truth and prediction, and their numbers where they count objects."""
    most, numbers = len(plan.task.classes) - 1, raw if plan.index.numbers_objects else None
    said_as_classes = plan.task.describe()["settled"].get("objects", False)  # even where the truth counts objects
    if said_as_classes or max(target.max(initial=0), said.max(initial=0)) <= most:
        return np.minimum(target, most), said, numbers, None
    return np.sign(target), np.sign(said), target, said
