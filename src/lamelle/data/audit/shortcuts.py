"""Things that give a class away without looking at what the image shows: format, size, type, colour, sign, spacing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from lamelle.data.audit.mixed_scales import scale_names
from lamelle.results.audit import ImageMeasures
from lamelle.types import Problem, Record

STRONG = 0.4
"""Association from which a network may learn the source instead of the class."""
MIN_RECORDS = 20
"""Records below which nothing is concluded."""
_RARE = 5


def association(classes: Sequence[str], values: Sequence[str]) -> float:
    """Cramér's V, corrected for chance: 0 = independent, 1 = one tells the other.

    Reference: Bergsma (2013), doi:10.1016/j.jkss.2012.10.002

    Example:
        >>> association(["a", "b"] * 50, ["png", "jpg"] * 50)
        1.0
        >>> association(["a", "a", "b", "b"] * 25, ["png", "jpg"] * 50)
        0.0
    """
    _, rows = np.unique(classes, return_inverse=True)
    _, columns = np.unique(values, return_inverse=True)
    r, c, n = rows.max() + 1, columns.max() + 1, len(rows)
    if r < 2 or c < 2 or n < 2:
        return 0.0
    table = np.zeros((r, c))
    np.add.at(table, (rows, columns), 1)
    expected = table.sum(1, keepdims=True) * table.sum(0) / n
    phi = max(0.0, float(((table - expected) ** 2 / expected).sum()) / n - (r - 1) * (c - 1) / (n - 1))
    smaller = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
    return min(1.0, float(phi / smaller) ** 0.5) if smaller > 0 else 0.0


def shortcut_problems(rows: Sequence[ImageMeasures], records: Sequence[Record]) -> list[Problem]:
    """One warning for every property of the files that goes with the class."""
    classed = [(row, record) for row, record in zip(rows, records, strict=True) if len(record.names) == 1]
    if len(classed) < MIN_RECORDS:
        return []
    classes = [record.names[0] for _, record in classed]
    problems = []
    for code, values in _properties([row for row, _ in classed], [record for _, record in classed]).items():
        counts = Counter(values)
        common = [v if counts[v] >= _RARE else "…" for v in values]
        strength = association(classes, common)
        if strength >= STRONG:
            problems.append(Problem(f"audit.class_equals_{code}", "", "warning", _example(classes, common, strength)))
    return problems


def _properties(rows: Sequence[ImageMeasures], records: Sequence[Record]) -> dict[str, list[str]]:
    scales = scale_names(rows, records)
    bits = [scales.get(i, r.bits) for i, r in enumerate(rows)]
    return {
        "format": [r.format for r in rows],
        "size": [" × ".join(map(str, r.size)) for r in rows],
        "dtype": [f"{r.dtype}/{n}" if n else r.dtype for r, n in zip(rows, bits, strict=True)],
        "colour": [
            "R=G=B" if r.channels == 3 and not r.coloured else "RGB" if r.channels == 3 else _count(r) for r in rows
        ],
        "sign": ["< 0" if r.minimum < 0 else "≥ 0" for r in rows],
        "spacing": [" × ".join(f"{s:g}" for s in r.spacing) if r.spacing else "?" for r in rows],
    }


def _count(row: ImageMeasures) -> str:
    return f"C={row.channels}"


def _example(classes: Sequence[str], values: Sequence[str], strength: float) -> dict[str, object]:
    """The class and value where the difference is largest."""
    best = ("", "", 0.0, 0.0)
    named, valued = np.array(classes), np.array(values)
    for name in sorted(set(classes)):
        inside = named == name
        for value in sorted(set(values)):
            here, there = float((valued[inside] == value).mean()), float((valued[~inside] == value).mean())
            if here - there > best[2] - best[3]:
                best = (name, value, here, there)
    name, value, here, there = best
    percent = {"here": round(100 * here), "there": round(100 * there)}
    return {"name": name, "value": value, "association": f"{strength:.2f}", **percent}
