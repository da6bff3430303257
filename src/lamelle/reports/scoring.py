"""Scores as a page shows them: names, values, intervals, tables by class, definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lamelle.messages import text
from lamelle.messages.numbers import unit_of
from lamelle.metrics.intervals import why_none
from lamelle.metrics.names import is_share, meaning_of, metric_of, name_of, place_of
from lamelle.reports.html import number
from lamelle.tasks import by_class as table

LARGEST_MATRIX = 40
"""Classes up to which the confusion matrix is shown whole."""


@dataclass(frozen=True, slots=True)
class Score:
    """One score, ready to be shown."""

    key: str
    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    unit: str
    level: str
    why: str
    """Why there is no interval; empty where there is one."""

    @property
    def shown(self) -> str:
        """The value; distances with one decimal."""
        return number(self.value, self._digits)

    @property
    def _digits(self) -> int:
        metric, _ = metric_of(self.key)
        return 3 if metric is None else metric.digits

    @property
    def bar(self) -> tuple[float, float, float] | None:
        """Left end, width and point of the interval in percent, for scores that lie between 0 and 1."""
        numbers = (self.value, self.low, self.high)
        if not is_share(self.key) or any(x is None or not 0 <= x <= 1 for x in numbers):
            return None
        value, low, high = (100 * float(x or 0) for x in numbers)
        return low, max(high - low, 0.6), value

    @property
    def interval(self) -> str:
        """Both bounds, or a dash; ``why`` tells the reason."""
        return (
            "–"
            if self.low is None or self.high is None
            else f"{number(self.low, self._digits)} – {number(self.high, self._digits)}"
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a confusion matrix."""

    count: int
    share: float | None
    """Of its row."""
    right: bool


def headline(scores: Mapping[str, Any]) -> list[Score]:
    """The scores that a reader sees first."""
    return [score(name, scores["scores"][name]) for name in scores["headline"]]


def overall(scores: Mapping[str, Any]) -> list[Score]:
    """Every score that is not of one class, those with a name first."""
    keys = [k for k in scores["scores"] if "/" not in k]
    keys.sort(key=place_of)
    return [score(k, scores["scores"][k]) for k in keys]


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One row of the table by class."""

    name: str
    average: bool
    """Whether it is an average over the classes."""
    n: int | None
    scores: list[Score | None]


def by_class(scores: Mapping[str, Any]) -> tuple[list[str], list[ClassRow]]:
    """Names of the columns, and a row for each class and each average over the classes."""
    columns = sorted(table.columns(scores), key=place_of)
    rows = []
    for line in table.lines(scores):
        each = [scores["scores"][line.keys[c]] if c in line.keys else None for c in columns]
        shown = [score(c, one) if one else None for c, one in zip(columns, each, strict=True)]
        average = line.kind != "class"
        name = text(f"report.average_{line.kind}") if average else line.name
        rows.append(ClassRow(name, average, line.support, shown))
    return [name_of(c) for c in columns], rows


def without(scores: Mapping[str, Any], *, most: int | None = None) -> str:
    """Why some scores have no interval or no value, each reason once, in sentences; empty where all have both.

    Args:
        most: Reasons that are said.
    """
    reasons = list(dict.fromkeys(why for found in scores["scores"].values() if (why := why_none(found))))
    return ". ".join(why[:1].upper() + why[1:] for why in reasons[:most])


def area(scores: Mapping[str, Any], key: str, name: str) -> str:
    """The area under a curve of one class with its interval, such as ``0.91 [0.85, 0.96]``; a dash if unknown."""
    found = scores["scores"].get(f"{key}/{name}")
    if found is None:
        return "–"
    shown = score(key, found)
    return shown.shown if shown.low is None else f"{shown.shown} [{shown.interval}]"


def yes_no(scores: Mapping[str, Any]) -> list[tuple[str, list[Cell]]]:
    """Right and wrong answers for each class, of classes that may hold together; empty if they exclude each other.

    Returns:
        Name, and true positives, false negatives, false positives and true negatives with their shares of the truth.
    """
    each = scores.get("figures", {}).get("confusion_each") or []
    rows = []
    for name, ((tn, fp), (fn, tp)) in list(zip(scores["classes"], each, strict=False))[:LARGEST_MATRIX]:
        cells = ((tp, tp + fn, True), (fn, tp + fn, False), (fp, fp + tn, False), (tn, fp + tn, True))
        rows.append((name, [Cell(int(n), n / of if of else None, right) for n, of, right in cells]))
    return rows


def matrix(scores: Mapping[str, Any]) -> list[tuple[str, list[Cell]]]:
    """Rows of the confusion matrix: true class, and how often each class was predicted; empty if there is none."""
    counts = scores.get("figures", {}).get("confusion") or []
    if not counts or len(counts) > LARGEST_MATRIX:
        return []
    rows = []
    for i, (name, row) in enumerate(zip(scores["classes"], counts, strict=True)):
        total = sum(row)
        rows.append((name, [Cell(int(n), n / total if total else None, i == j) for j, n in enumerate(row)]))
    return rows


def confusions(scores: Mapping[str, Any], most: int) -> list[tuple[str, str, int, float]]:
    """The most frequent mistakes of many classes: truth, prediction, count, share of the truth."""
    counts = scores.get("figures", {}).get("confusion") or []
    if len(counts) <= LARGEST_MATRIX:
        return []
    names = scores["classes"]
    wrong = [(n, i, j) for i, row in enumerate(counts) for j, n in enumerate(row) if i != j and n]
    wrong.sort(key=lambda w: -w[0])
    return [(names[i], names[j], int(n), n / sum(counts[i])) for n, i, j in wrong[:most]]


def glossary(scores: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and definition of every score that is shown."""
    used = dict.fromkeys(k.partition("/")[0] for k in sorted(scores["scores"], key=place_of))
    return [(name_of(k), meaning_of(k)) for k in used if meaning_of(k)]


def best_and_worst(items: Sequence[Mapping[str, Any]], each: int) -> tuple[list[Any], list[Any]]:
    """The items with the highest and with the lowest quality; no item is in both."""
    known = sorted((i for i in items if i.get("quality") is not None), key=lambda i: (-i["quality"], i["id"]))
    each = min(each, len(known) // 2) or len(known[:1])
    worst = known[each:][::-1][:each]
    return known[:each], worst


def score(key: str, found: Mapping[str, Any]) -> Score:
    """One score of ``scores.json``, ready to be shown."""
    level, low, high = f"{round(100 * found['level'])} %", found["low"], found["high"]
    why = why_none(found)
    return Score(
        key, name_of(key), found["value"], low, high, found["n"], unit_of(found["unit"], found["n"]), level, why
    )
