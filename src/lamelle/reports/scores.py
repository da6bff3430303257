"""Scores as a page shows them: names, values, intervals, tables by class, definitions."""

from __future__ import annotations

from dataclasses import dataclass

from lamelle.messages import text
from lamelle.messages.numbers import unit_of
from lamelle.metrics import by_class as lines_by_class
from lamelle.metrics.intervals import why_none
from lamelle.metrics.names import is_share, meaning_of, metric_of, name_of, place_of
from lamelle.reports.blocks import Block, Card, Cell, Column, Details, Glossary, Heading, Paragraph, TableBlock, numeric
from lamelle.reports.html import number, whole
from lamelle.results.scores import Score, Scores
from lamelle.runs.bundle import RunBundle
from lamelle.types import SPLITS


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


def draw(bundle: RunBundle) -> list[Block]:
    """All scores with their intervals, those of each class, and what they mean."""
    scores = bundle.scores
    if scores is None:
        return []
    shown = overall(scores)
    level = shown[0].level if shown else ""
    columns = [text("report.score"), *numeric(text("report.value"), text("report.interval_column", level=level), "n"),
               text("report.unit")]  # fmt: skip
    rows = [[s.name, s.shown, s.interval, whole(s.n), s.unit] for s in shown]
    all_scores = text("report.all_scores")
    terms = ((text(f"report.{n}_title"), text(f"report.{n}_text")) for n in ("interval", "units", "pooled", "empty"))
    return [
        Paragraph(_scored(bundle, scores), "muted"),
        TableBlock(columns, rows, caption=all_scores, label=all_scores),
        *_by_class(scores, level),
        Details(text("report.glossary"), [Glossary([*glossary(scores), *terms])]),
    ]


def _scored(bundle: RunBundle, scores: Scores) -> str:
    """What was scored."""
    if bundle.elsewhere is not None:
        return text("report.elsewhere_scored", n=whole(scores.n), data=bundle.elsewhere.data)
    return text("report.scored", n=whole(scores.n), split=split_name(scores.split))


def _by_class(scores: Scores, level: str) -> list[Block]:
    columns, rows = by_class(scores)
    if not rows:
        return []
    heads: list[Column | str] = [text("report.class"), *numeric(counted(scores), *columns)]
    cells = [
        [row.name, "–" if row.n is None else whole(row.n),
         *("–" if s is None else Cell(s.shown, "n", below=s.interval) for s in row.scores)]
        for row in rows
    ]  # fmt: skip
    title, averages = text("report.by_class"), sum(row.average for row in rows)
    caption = text("report.by_class_caption", level=level)
    return [Heading(title), TableBlock(heads, cells, caption, title, look="tight", averages=averages)]


def split_name(name: str) -> str:
    """A split's name for people."""
    return text(f"report.split_{name}") if name in (*SPLITS, "gap", "folds") else name


def counted(scores: Scores) -> str:
    """What one count of the confusion matrix is."""
    return text(f"report.{scores.counted}s")


def card(one: ShownScore) -> Card:
    """A score as a large number."""
    about = (text("report.interval", level=one.level, interval=one.interval), f"n = {whole(one.n)} {one.unit}")
    return Card(one.name, one.shown, about, one.bar)


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
    columns = sorted(lines_by_class.columns(scores), key=place_of)
    rows = []
    for line in lines_by_class.lines(scores):
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
    reasons = list(dict.fromkeys(why for one in scores.scores.values() if (why := why_none(one))))
    return ". ".join(why[:1].upper() + why[1:] for why in reasons[:most])


def area(scores: Scores, key: str, name: str) -> str:
    """The area under a curve of one class with its interval, such as ``0.91 [0.85, 0.96]``; a dash if unknown."""
    one = scores.scores.get(f"{key}/{name}")
    if one is None:
        return "–"
    return score(key, one).in_brackets


def glossary(scores: Scores) -> list[tuple[str, str]]:
    """Name and definition of every score that is shown."""
    used = dict.fromkeys(k.partition("/")[0] for k in sorted(scores.scores, key=place_of))
    return [(name_of(k), meaning_of(k)) for k in used if meaning_of(k)]


def score(key: str, one: Score) -> ShownScore:
    """One score, ready to be shown."""
    level, why = f"{round(100 * one.level)} %", why_none(one)
    return ShownScore(key, name_of(key), one, unit_of(one.unit, one.n), level, why)
