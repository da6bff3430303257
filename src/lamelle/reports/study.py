"""The page of a comparison: one table, what differs by more than noise, and how to repeat it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from lamelle.io import atomic
from lamelle.messages import text
from lamelle.messages.numbers import unit_of
from lamelle.metrics.intervals import few_units, why_none
from lamelle.metrics.names import is_share, less_is_better, name_of
from lamelle.registry import Registry
from lamelle.reports import figures, study_figures
from lamelle.reports.blocks import Block, Cell, Code, Heading, Notice, Notices, Paragraph, Plot, TableBlock
from lamelle.reports.html import DrawnPage, interval, number, render, whole
from lamelle.reports.sections import Section, drawn
from lamelle.results.scores import MeanScore
from lamelle.results.studies import EPOCH_COLUMNS, Comparison, ComparisonLine, Difference

_MAX_DRAWN = 4
"""Scores that the figure shows."""
_COUNTS = ("trainable", "parameters", "parameters_with_statistics")
_NO_SCORE = MeanScore(math.nan, math.nan, math.nan, 0, "image", reason="undefined")


def write_study(path: Path, *, comparison: Comparison, command: Sequence[str]) -> Path:
    """Write the self-contained page of a comparison, named after its file.

    Args:
        path: The page.
        command: What repeats it.

    Returns:
        Path of the page.
    """
    atomic.write_text(path, page(path.stem, comparison, command))
    return path


def page(name: str, comparison: Comparison, command: Sequence[str]) -> str:
    """The page as text."""
    about = _ComparisonPage(comparison, shlex.join(["lamelle", *map(str, command or ["compare"])]))
    variants, runs = len(comparison.lines), sum(line.seeds for line in comparison.lines)
    return render(
        DrawnPage(
            title=text("report.study_title", name=name),
            kicker=text("report.study_kicker"),
            heading=name,
            tags=[text("report.study_tag", variants=variants, runs=runs)],
            sections=drawn(SECTIONS, about),
        )
    )


@dataclass(frozen=True, slots=True)
class _ComparisonPage:
    """What the page is about."""

    result: Comparison
    command: str


def _sentences(page: _ComparisonPage) -> list[Block]:
    return [Notices([Notice(one) for one in sentences(page.result)])]


def _scores(page: _ComparisonPage) -> list[Block]:
    """The variants with their intervals, drawn and in a table; then class by class."""
    comparison, names = page.result, _overall(page.result)
    numbered = [f"{i + 1}: {line.name}" for i, line in enumerate(comparison.lines)]
    svg = study_figures.side_by_side([line.scores for line in comparison.lines], _drawn(comparison))
    legend = [(name, *figures.legend(i, dash=0)) for i, name in enumerate(numbered)]
    heads = [text(f"report.study_{key}") for key in ("variant", "seeds")]
    rows = [
        [Cell(line.name, head=True, links=_links(line)), str(line.seeds), *(_shown(line.scores[s]) for s in names)]
        for line in comparison.lines
    ]
    return [
        Plot(svg, text("report.study_figure_alt"), text("report.study_figure_caption"), legend),
        Paragraph(_caption(comparison), "muted"),
        TableBlock([*heads, *map(name_of, names)], rows),
        *_by_class(comparison),
    ]


def _by_class(comparison: Comparison) -> list[Block]:
    """For each class, and each variant: the scores of that class."""
    columns, rows = _of_classes(comparison), list[list[Cell | str]]()
    for name in dict.fromkeys(s.partition("/")[2] for s in comparison.lines[0].scores if "/" in s):
        for i, line in enumerate(comparison.lines):
            head = [Cell(name, head=True, rows=len(comparison.lines))] if i == 0 else []
            each = (line.scores.get(f"{c}/{name}", _NO_SCORE) for c in columns)
            rows.append([*head, Cell(line.name), *map(_shown, each)])
    heads, title = [text("report.class"), text("report.study_variant")], text("report.by_class")
    table = TableBlock([*heads, *map(name_of, columns)], rows, label=title)
    return [Heading(title), table] if rows else []


def _shown(one: MeanScore) -> Cell:
    value, interval, spread = _cell(one)
    return Cell(value, small=(interval, *([spread] if spread else ())))


def _training(page: _ComparisonPage) -> list[Block]:
    heads = [text(f"report.study_{key}") for key in ("variant", *EPOCH_COLUMNS, "seconds", "epochs", *_COUNTS)]
    rows = []
    for line in page.result.lines:
        cells = [number(line.history.get(k)) for k in EPOCH_COLUMNS]
        cells += [number(line.seconds, 1), number(line.epochs, 1)]
        rows.append([line.name, *cells, *(_count(getattr(line, k)) for k in _COUNTS)])
    return [Paragraph(text("report.study_training_caption"), "muted"), TableBlock(heads, rows)]


SECTIONS: Registry[Section[_ComparisonPage]] = Registry(
    "comparison_section",
    Section("summary", "Summary", _sentences),
    Section("scores", "Scores", _scores),
    Section("training", "Training", _training),
    Section("repeat", "How to reproduce it", lambda found: [Code(found.command)]),
)
"""The sections of the page, in its order."""


def sentences(comparison: Comparison) -> list[str]:
    """Which variant scores best, and for each whether it differs from the first by more than noise."""
    lines = _best(comparison)
    for difference in comparison.differences:
        lines += _verdict(difference, comparison)
    if comparison.differences:
        lines.append(text("report.study_corrected", m=len(comparison.differences), **_resampled(comparison)))
    if few_units(comparison.n):
        lines.append(text("report.few_units", n=comparison.n))
    return lines


def _best(comparison: Comparison) -> list[str]:
    """Which variant scores best, or that several do."""
    score, sign = comparison.score, -1 if less_is_better(comparison.score) else 1
    defined = [line for line in comparison.lines if line.scores[score].defined]
    if not defined:
        return []
    best = max(defined, key=lambda line: sign * line.scores[score].value)
    value, interval, _ = _cell(best.scores[score])
    tied = [line.name for line in defined if math.isclose(line.scores[score].value, best.scores[score].value)]
    if len(tied) > 1:
        return [text("report.study_tied", names=", ".join(tied), score=name_of(score), value=value)]
    code = "study_alone" if len(comparison.lines) == 1 else "study_best" if sign > 0 else "study_lowest"
    return [text(f"report.{code}", name=best.name, score=name_of(score), value=value, interval=interval)]


def _verdict(one: Difference, comparison: Comparison) -> list[str]:
    """Whether a variant differs from the first by more than noise."""
    names = {"name": one.name, "reference": one.reference, "score": name_of(one.score)}
    if math.isnan(one.p):
        code = "study_without" if math.isnan(one.value) else "study_no_verdict"
        return [text(f"report.{code}", **names, n=one.n, unit=unit_of(comparison.unit, comparison.n))]
    sign = -1 if less_is_better(comparison.score) else 1
    code = "study_noise" if one.noise else "study_better" if sign * one.value > 0 else "study_worse"
    value, low, high = one.value, one.low, one.high
    if value < 0 and not one.noise:  # better or worse by how much
        value, low, high = -value, -high, -low
    bounds = {"value": number(value), "low": number(low), "high": number(high)}
    lines = [text(f"report.{code}", **names, **bounds, p=_p(one.p))]
    if not one.noise and one.low <= 0 <= one.high:
        lines.append(text("report.study_how_large", p=_p(one.p)))
    return lines


def _overall(comparison: Comparison) -> list[str]:
    """The scores that are not of one class, and the one that decides."""
    return [s for s in comparison.lines[0].scores if "/" not in s or s == comparison.score]


def _drawn(comparison: Comparison) -> list[str]:
    """The scores of the figure: the one that decides, then others between 0 and 1."""
    others = [s for s in _overall(comparison) if is_share(s)]
    return list(dict.fromkeys([comparison.score, *others]))[:_MAX_DRAWN]


def _of_classes(comparison: Comparison) -> list[str]:
    """The scores that the table by class has."""
    return list(dict.fromkeys(s.partition("/")[0] for s in comparison.lines[0].scores if "/" in s))


def _links(line: ComparisonLine) -> list[tuple[str, str]]:
    """Name and address of the report of each run of a variant."""
    return [(run.rpartition("/")[2], quote(f"{run}/report.html")) for run in line.runs]


def terminal(comparison: Comparison) -> list[str]:
    """The table and the sentences as lines of text; the scores of single classes are in the table and on the page."""
    names = _overall(comparison)
    head = [text(f"report.study_{key}") for key in ("variant", "seeds")] + [name_of(s) for s in names]
    head += [text(f"report.study_{key}") for key in (*EPOCH_COLUMNS, "seconds", "trainable")]
    rows = [head]
    for line in comparison.lines:
        cells = [" ".join(part for part in _cell(line.scores[s]) if part) for s in names]
        history = [number(line.history.get(k)) for k in EPOCH_COLUMNS]
        rows.append([line.name, str(line.seeds), *cells, *history, number(line.seconds, 1), _count(line.trainable)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    table = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*table, "", _caption(comparison), *sentences(comparison)]


def _cell(one: MeanScore) -> tuple[str, str, str]:
    """Value, interval with its n (or why there is none) and spread."""
    spread = "" if math.isnan(one.spread) else f"± {number(one.spread)}"
    return number(one.value), interval(one) + ("" if why_none(one) else f", n = {whole(one.n)}"), spread


def _count(number: int | None) -> str:
    return "–" if number is None else whole(number)


def _caption(comparison: Comparison) -> str:
    return text("report.study_caption", **_resampled(comparison))


def _resampled(comparison: Comparison) -> dict[str, str | int]:
    unit = unit_of(comparison.unit, comparison.n)
    return {"n": comparison.n, "unit": unit, "level": f"{round(100 * comparison.level)} %"}


def _p(value: float) -> str:
    return f"< {number(0.01, 2)}" if value < 0.01 else f"= {number(value, 2)}"
