"""The page of the documentation about scores: ``python -m lamelle.metrics.reference > docs/reference/metrics.md``."""

from __future__ import annotations

import math

from lamelle.metrics.metric import Metric
from lamelle.metrics.scoring import IMAGE
from lamelle.metrics.statistics import STATISTICS
from lamelle.metrics.table import METRICS

_HEAD = """# Scores

Made from the table in `src/lamelle/metrics/table.py` by `python -m lamelle.metrics.reference`; a test compares both.

`name/class` is the score of one class, `image_name` the mean over images that are each scored by themselves. Every
score has n, the unit that was counted and an interval; one that is not defined has no value, and says why.

| name | score | range, better | of | what it means |
|---|---|---|---|---|
"""


def page() -> str:
    """The page as Markdown: a line for each row of the table."""
    return _HEAD + "".join(f"{_line(metric)}\n" for metric in METRICS.values())


def _line(metric: Metric) -> str:
    low, high = metric.bounds
    unit = f" {metric.unit}" if metric.unit else ""
    span = f"{low:g} to {high:g}{unit}" if math.isfinite(high) else f"from {low:g}{unit}"
    views = [v for v in metric.views if any(v in STATISTICS[s].of for s in metric.statistics)]
    names = [f"`{metric.name}`"]
    if metric.per_class or metric.each_of:
        names.append(f"`{metric.name}/class`")
    if metric.means:
        names.append(f"`{IMAGE}{metric.name}`")
    about = metric.about + (f" {metric.reference}." if metric.reference else "")
    cells = (", ".join(names), metric.label, f"{span}, {metric.better}", ", ".join(views), about)
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


if __name__ == "__main__":
    print(page(), end="")
