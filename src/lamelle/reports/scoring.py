"""Scores as a page shows them: names, values, intervals, tables by class, definitions."""

from __future__ import annotations

from dataclasses import dataclass

from lamelle.messages import text
from lamelle.messages.numbers import unit_of
from lamelle.metrics import by_class as table
from lamelle.metrics.intervals import why_none
from lamelle.metrics.names import is_share, meaning_of, metric_of, name_of, place_of
from lamelle.reports.html import number
from lamelle.results.scores import Confusion, Score, Scores

LARGEST_MATRIX = 40
"""Classes up to which the confusion matrix is shown whole."""


@dataclass(frozen=True, slots=True)
class ShownScore:
    """One score, ready to be shown."""

    key: str
    name: str
    score: Score
    unit: str
    level: str
    why: str
    """Why there is no interval; empty where there is one."""

    @property
    def n(self) -> int:
        return self.score.n

    @property
    def shown(self) -> str:
        """The value, with the decimals of its metric."""
        return number(self.score.value, self._digits)

    @property
    def _digits(self) -> int:
        metric, _ = metric_of(self.key)
        return 3 if metric is None else metric.digits

    @property
    def bar(self) -> tuple[float, float, float] | None:
        """Left end, width and point of the interval in percent, for scores that lie between 0 and 1."""
        numbers = (self.score.value, self.score.low, self.score.high)
        if not is_share(self.key) or not all(0 <= x <= 1 for x in numbers):
            return None
        value, low, high = (100 * x for x in numbers)
        return low, max(high - low, 0.6), value

    @property
    def interval(self) -> str:
        """Both bounds, or a dash; ``why`` tells the reason."""
        if not self.score.bounded:
            return "–"
        return f"{number(self.score.low, self._digits)} – {number(self.score.high, self._digits)}"

    @property
    def in_brackets(self) -> str:
        """The value, and its interval if it has one, such as ``0.91 [0.85 – 0.96]``."""
        return f"{self.shown} [{self.interval}]" if self.score.bounded else self.shown


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a confusion matrix."""

    count: int
    share: float | None
    """Of its row."""
    right: bool


def headline(scores: Scores) -> list[ShownScore]:
    """The scores that a reader sees first."""
    return [score(name, scores.scores[name]) for name in scores.headline]


def overall(scores: Scores) -> list[ShownScore]:
    """Every score that is not of one class, those with a name first."""
    keys = [k for k in scores.scores if "/" not in k]
    keys.sort(key=place_of)
    return [score(k, scores.scores[k]) for k in keys]


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One row of the table by class."""

    name: str
    average: bool
    """Whether it is an average over the classes."""
    n: int | None
    scores: list[ShownScore | None]


def by_class(scores: Scores) -> tuple[list[str], list[ClassRow]]:
    """Names of the columns, and a row for each class and each average over the classes."""
    columns = sorted(table.columns(scores), key=place_of)
    rows = []
    for line in table.lines(scores):
        each = [scores.scores[line.keys[c]] if c in line.keys else None for c in columns]
        shown = [score(c, one) if one else None for c, one in zip(columns, each, strict=True)]
        average = line.kind != "class"
        name = text(f"report.average_{line.kind}") if average else line.name
        rows.append(ClassRow(name, average, line.support, shown))
    return [name_of(c) for c in columns], rows


def without(scores: Scores, *, most: int | None = None) -> str:
    """Why some scores have no interval or no value, each reason once, in sentences; empty where all have both.

    Args:
        most: Reasons that are said.
    """
    reasons = list(dict.fromkeys(why for found in scores.scores.values() if (why := why_none(found))))
    return ". ".join(why[:1].upper() + why[1:] for why in reasons[:most])


def area(scores: Scores, key: str, name: str) -> str:
    """The area under a curve of one class with its interval, such as ``0.91 [0.85, 0.96]``; a dash if unknown."""
    found = scores.scores.get(f"{key}/{name}")
    if found is None:
        return "–"
    return score(key, found).in_brackets


def yes_no(scores: Scores) -> list[tuple[str, list[Cell]]]:
    """Right and wrong answers for each class, of classes that may hold together; empty if they exclude each other.

    Returns:
        Name, and true positives, false negatives, false positives and true negatives with their shares of the truth.
    """
    each = _confusion(scores).each
    rows = []
    for name, ((tn, fp), (fn, tp)) in list(zip(scores.classes, each, strict=False))[:LARGEST_MATRIX]:
        cells = ((tp, tp + fn, True), (fn, tp + fn, False), (fp, fp + tn, False), (tn, fp + tn, True))
        rows.append((name, [Cell(int(n), n / of if of else None, right) for n, of, right in cells]))
    return rows


def matrix(scores: Scores) -> list[tuple[str, list[Cell]]]:
    """Rows of the confusion matrix: true class, and how often each class was predicted; empty if there is none."""
    counts = _confusion(scores).counts
    if not counts or len(counts) > LARGEST_MATRIX:
        return []
    rows = []
    for i, (name, row) in enumerate(zip(scores.classes, counts, strict=True)):
        total = sum(row)
        rows.append((name, [Cell(int(n), n / total if total else None, i == j) for j, n in enumerate(row)]))
    return rows


def confusions(scores: Scores, most: int) -> list[tuple[str, str, int, float]]:
    """The most frequent mistakes of many classes: truth, prediction, count, share of the truth."""
    counts = _confusion(scores).counts
    if len(counts) <= LARGEST_MATRIX:
        return []
    names = scores.classes
    wrong = [(n, i, j) for i, row in enumerate(counts) for j, n in enumerate(row) if i != j and n]
    wrong.sort(key=lambda w: -w[0])
    return [(names[i], names[j], int(n), n / sum(counts[i])) for n, i, j in wrong[:most]]


def glossary(scores: Scores) -> list[tuple[str, str]]:
    """Name and definition of every score that is shown."""
    used = dict.fromkeys(k.partition("/")[0] for k in sorted(scores.scores, key=place_of))
    return [(name_of(k), meaning_of(k)) for k in used if meaning_of(k)]


def score(key: str, found: Score) -> ShownScore:
    """One score, ready to be shown."""
    level, why = f"{round(100 * found.level)} %", why_none(found)
    return ShownScore(key, name_of(key), found, unit_of(found.unit, found.n), level, why)


def _confusion(scores: Scores) -> Confusion:
    return scores.figure(Confusion) or Confusion()
