"""Remarks about the errors of a segmenter, in words, each with the numbers that prove it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lamelle.messages import text
from lamelle.reports.blocks import Block, Box, Paragraph
from lamelle.reports.html import number, percent, whole
from lamelle.results.pictures import ErrorPattern
from lamelle.runs.bundle import RunBundle

Value = float | int | str | tuple[int, ...]
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


def draw(bundle: RunBundle) -> list[Block]:
    """The remarks, and what they rest on; nothing if there are no predictions to look at."""
    errors = bundle.pictures.scored.errors
    if bundle.scores is None or errors is None:
        return []
    about = text("report.remarks_about", n=errors.images, all=len(bundle.scores.items))
    boxes = remarks(errors.patterns, touching=errors.touching)
    return [Paragraph(about, "muted"), *(boxes or [Paragraph(text("report.remarks_none"))])]


def remarks(patterns: Sequence[ErrorPattern], *, touching: bool) -> list[Box]:
    """Patterns in words.

    Args:
        touching: The truth numbers its objects, but the prediction only names classes.
    """
    boxes = []
    for pattern in sorted(patterns, key=lambda p: list(_SHOWN).index(p.kind)):
        kind = "touching" if touching and pattern.kind == "merges" else pattern.kind
        values = {name: _shown(name, pattern.values[name]) for name in _SHOWN[kind]}
        evidence = text(f"report.evidence_{kind}", **values)
        boxes.append(Box(text(f"report.remark_{kind}", **values), f"remark-{kind}", lines=[evidence]))
    return boxes


def _shown(name: str, value: Value) -> str:
    words: dict[str, Callable[..., str]] = {
        **dict.fromkeys(("share", "all", "wrong", "small", "large", "labelled", "worst", "mean"), percent),
        "ratio": lambda v: number(v, 2),
        "part": lambda v: text(f"report.part_{v}"),
        "slices": lambda v: ", ".join(map(str, v)),
        **dict.fromkeys(("median", "true_median"), lambda v: whole(round(v))),
    }
    if name in words:
        return words[name](value)
    return whole(int(value)) if isinstance(value, int | float) else str(value)
