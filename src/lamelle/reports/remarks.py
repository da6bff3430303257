"""Remarks about the errors of a segmenter, in words, each with the numbers that prove it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lamelle.messages import text
from lamelle.reports.html import number, percent, whole
from lamelle.results.pictures import ErrorPattern
from lamelle.runs.bundle import RunBundle

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


def section(bundle: RunBundle) -> dict[str, Any]:
    """The remarks, and what they rest on; empty if there are no predictions to look at."""
    found = bundle.pictures.scored.errors
    if bundle.scores is None or found is None:
        return {}
    about = text("report.remarks_about", n=found.images, all=len(bundle.scores.items))
    return {"remarks": remarks(found.patterns, touching=found.touching), "remarks_about": about}


def remarks(found: Sequence[ErrorPattern], *, touching: bool) -> list[Remark]:
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
