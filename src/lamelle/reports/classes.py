"""What each class of a classifier's data looks like: counts, sizes, grey levels and some of its images."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lamelle.data.audit.results import Audit
from lamelle.data.audit.results import Row as Measured
from lamelle.data.store import Store
from lamelle.errors import FileError
from lamelle.reports import figures, pictures
from lamelle.reports.html import percent, short
from lamelle.reports.pictures import Picture
from lamelle.runs.plan import Plan
from lamelle.types import SPLITS, Record

SHOWN = 40
"""Classes that are described; the number of the others is said."""
DRAWN = 8
"""Classes of which lines are drawn: more could not be told apart."""
_PICTURES, _ALL_PICTURES = 6, 48
SAMPLED = 24
"""Images of a class that its histogram looks at."""
_BINS, _SIDE = 64, 256


@dataclass(frozen=True, slots=True)
class Described:
    """One class, ready to be shown."""

    name: str
    counts: tuple[int, ...]
    """Images in each of ``SPLITS``."""
    total: int
    share: float
    """Length of its bar, 0 to 1."""
    percent: str
    size: str
    """Median size, and the range where sizes differ."""
    mean: str
    std: str
    low: str
    """1st percentile; mean over the images."""
    high: str


def names_of(label: str, classes: Sequence[str]) -> tuple[str, ...]:
    """The classes that a record's stratum names.

    Example:
        >>> names_of("a|b", ["a", "b"]), names_of("a|b", ["a|b", "c"]), names_of("", ["a"])
        (('a', 'b'), ('a|b',), ())
    """
    if label in classes:
        return (label,)
    return tuple(name for name in label.split("|") if name in classes)


def table(rows: Sequence[Mapping[str, str]], audit: Audit, classes: Sequence[str]) -> list[Described]:
    """Every class with its images in each split, their sizes and their grey levels in native units.

    Args:
        rows: Rows of ``split.csv``.
        audit: What a look at every pixel showed.
        classes: Names in order.
    """
    measured = {row.id: row for row in audit.rows}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    seen: dict[str, list[Measured]] = defaultdict(list)
    for row in rows:
        for name in names_of(row.get("stratum") or "", classes):
            counts[name][row["split"]] += 1
            if found := measured.get(row["id"]):
                seen[name].append(found)
    most = max((sum(c.values()) for c in counts.values()), default=1)
    return [_described(name, counts[name], seen[name], most, len(rows)) for name in classes[:SHOWN]]


def _described(name: str, counts: Counter[str], rows: Sequence[Measured], most: int, records: int) -> Described:
    total = sum(counts.values())
    mean, std = _pooled(rows)
    low, high = (_average([getattr(r, which) for r in rows]) for which in ("low", "high"))
    return Described(
        name,
        tuple(counts[s] for s in SPLITS),
        total,
        total / most if most else 0.0,
        percent(total / records) if records else "–",
        _size(rows),
        *(short(value) for value in (mean, std, low, high)),
    )


def _pooled(rows: Sequence[Measured]) -> tuple[float, float]:
    """Mean and standard deviation over all pixels of the images, each image weighing the same."""
    if not rows:
        return math.nan, math.nan
    mean = _average([r.mean for r in rows])
    square = _average([tuple(m * m + s * s for m, s in zip(r.mean, r.std, strict=True)) for r in rows])
    return mean, math.sqrt(max(square - mean * mean, 0.0))


def _average(each: Sequence[tuple[float, ...]]) -> float:
    """Over channels, then over images."""
    return float(np.mean([np.mean(e) for e in each])) if each else math.nan


def _size(rows: Sequence[Measured]) -> str:
    sizes = [row.size for row in rows]
    if not sizes:
        return "–"
    if len(set(sizes)) == 1:
        return "×".join(map(str, sizes[0]))
    if len({len(s) for s in sizes}) > 1:
        return "…"
    array = np.array(sizes)
    low, median, high = ("×".join(f"{v:.0f}" for v in f(array)) for f in (_least, _median, _greatest))
    return f"{median} ({low} … {high})"


def _least(sizes: np.ndarray) -> np.ndarray:
    return sizes.min(0)


def _median(sizes: np.ndarray) -> np.ndarray:
    return np.median(sizes, axis=0)


def _greatest(sizes: np.ndarray) -> np.ndarray:
    return sizes.max(0)


def brightness(rows: Sequence[Mapping[str, str]], audit: Audit, classes: Sequence[str]) -> str:
    """Mean grey level of each image as one box a class, in the order given; empty if nothing was measured."""
    measured = {row.id: _average([row.mean]) for row in audit.rows}
    groups: dict[str, list[float]] = {name: [] for name in classes}
    for row in rows:
        for name in names_of(row.get("stratum") or "", classes):
            if name in groups and row["id"] in measured:
                groups[name].append(measured[row["id"]])
    return figures.brightness(list(groups.values())) if any(groups.values()) else ""


def histograms(plan: Plan, store: Store, classes: Sequence[str]) -> str:
    """Share of the pixels at each grey level, one line a class, from a sample of its images; empty if none is read."""
    low, high = _range(plan.audit)
    if not low < high:
        return ""
    edges = np.linspace(low, high, _BINS + 1)
    shares = []
    for name in classes:
        counts = np.zeros(_BINS)
        for record in pictures.spread([_alone(r) for r in plan.records if name in r.names], SAMPLED):
            try:
                found = np.histogram(_grey(store.image(record.image)), edges)[0]
            except FileError:
                continue  # the audit names the file
            counts += found / max(found.sum(), 1)
        shares.append((counts / counts.sum()).tolist() if counts.sum() else [])
    return figures.histogram(edges.tolist(), shares) if any(shares) else ""


def _alone(record: Record) -> Record:
    """The record, to be spread over the folder whatever other classes it has."""
    return replace(record, stratum=None)


def _range(audit: Audit) -> tuple[float, float]:
    """Grey levels to draw: all of 8 bits; else between the outer percentiles."""
    s = audit.statistics
    if set(s.dtypes) == {"uint8"}:
        return -0.5, 255.5
    if not s.low or not s.high:
        return 0.0, 0.0
    return float(min(s.low)), float(max(s.high))


def _grey(image: np.ndarray) -> np.ndarray:
    """Mean over channels of some pixels of an image [C, (Z,) Y, X], of its middle plane if it has several."""
    flat = image if image.ndim == 3 else image[:, image.shape[1] // 2]
    step = max(1, max(flat.shape[1:]) // _SIDE)
    return np.asarray(flat[:, ::step, ::step]).astype(np.float64).mean(0)


def previews(plan: Plan, store: Store, classes: Sequence[str]) -> list[tuple[str, list[Picture]]]:
    """Some images of each class, under its name."""
    shown = list(classes)[:SHOWN]
    each = max(1, min(_PICTURES, _ALL_PICTURES // max(1, len(shown))))
    found = []
    for name in shown:
        members = [_alone(r) for r in plan.records if name in r.names]
        if some := pictures.previews(members, store, number=each):
            found.append((name, some))
    return found
