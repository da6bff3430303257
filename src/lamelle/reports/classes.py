"""What each class of a classifier's data looks like: counts, sizes, grey levels and some of its images."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamelle.messages import text
from lamelle.reports import figures
from lamelle.reports.html import percent, short
from lamelle.reports.pictures import Picture, embedded
from lamelle.results.audit import Audit, ImageMeasures
from lamelle.runs.bundle import RunBundle
from lamelle.types import SPLITS, Record

SHOWN = 40
"""Classes that are described; the number of the others is said."""
DRAWN = 8
"""Classes of which lines are drawn: more could not be told apart."""


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


def names_of(record: Record, classes: Sequence[str]) -> tuple[str, ...]:
    """The classes of a record that are among these."""
    return tuple(name for name in record.names if name in classes)


def table(records: Sequence[Record], audit: Audit, classes: Sequence[str]) -> list[Described]:
    """Every class with its images in each split, their sizes and their grey levels in native units.

    Args:
        records: All of the Run, each with its split.
        audit: What a look at every pixel showed.
        classes: Names in order.
    """
    measured = {row.id: row for row in audit.rows}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    seen: dict[str, list[ImageMeasures]] = defaultdict(list)
    for record in records:
        for name in names_of(record, classes):
            counts[name][record.split or ""] += 1
            if found := measured.get(record.id):
                seen[name].append(found)
    most = max((sum(c.values()) for c in counts.values()), default=1)
    return [_described(name, counts[name], seen[name], most, len(records)) for name in classes[:SHOWN]]


def _described(name: str, counts: Counter[str], rows: Sequence[ImageMeasures], most: int, records: int) -> Described:
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


def _pooled(rows: Sequence[ImageMeasures]) -> tuple[float, float]:
    """Mean and standard deviation over all pixels of the images, each image weighing the same."""
    if not rows:
        return math.nan, math.nan
    mean = _average([r.mean for r in rows])
    square = _average([tuple(m * m + s * s for m, s in zip(r.mean, r.std, strict=True)) for r in rows])
    return mean, math.sqrt(max(square - mean * mean, 0.0))


def _average(each: Sequence[tuple[float, ...]]) -> float:
    """Over channels, then over images."""
    return float(np.mean([np.mean(e) for e in each])) if each else math.nan


def _size(rows: Sequence[ImageMeasures]) -> str:
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


def brightness(records: Sequence[Record], audit: Audit, classes: Sequence[str]) -> str:
    """Mean grey level of each image as one box a class, in the order given; empty if nothing was measured."""
    measured = {row.id: _average([row.mean]) for row in audit.rows}
    groups: dict[str, list[float]] = {name: [] for name in classes}
    for record in records:
        for name in names_of(record, classes):
            if name in groups and record.id in measured:
                groups[name].append(measured[record.id])
    return figures.brightness(list(groups.values())) if any(groups.values()) else ""


def histograms(bundle: RunBundle) -> str:
    """Share of the pixels at each grey level, one line a class; empty if no image was read."""
    found = bundle.pictures.data.grey_levels
    return figures.histogram(list(found.edges), [list(s) for s in found.shares.values()]) if found else ""


def previews(bundle: RunBundle) -> list[tuple[str, list[Picture]]]:
    """Some images of each class, under its name."""
    found: dict[str, list[Picture]] = {}
    for one in bundle.pictures.data.classes:
        alt = text("report.alt_label", name=one.id, label=one.label)
        found.setdefault(one.name, []).append(embedded(bundle, one.image, alt=alt, caption=one.id, detail=one.label))
    return list(found.items())
