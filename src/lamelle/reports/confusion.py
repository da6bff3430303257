"""The confusion matrix, or the right and wrong answers of classes that may hold together."""

from __future__ import annotations

from lamelle.messages import text
from lamelle.reports.blocks import Block, Cell, Paragraph, TableBlock, numeric
from lamelle.reports.html import percent, whole
from lamelle.reports.scores import counted
from lamelle.results.scores import Confusion, Scores

LARGEST_MATRIX = 40
"""Classes up to which the confusion matrix is shown whole."""
_MISTAKES = 30
_NARROW = 8
"""Classes up to which a matrix has wide columns."""


def draw(figure: Confusion, scores: Scores) -> list[Block]:
    """The matrix, of many classes the most frequent mistakes; or the answers to each class."""
    unit = counted(scores).lower()
    answers, rows, mistakes = yes_no(figure, scores), matrix(figure, scores), confusions(figure, scores, _MISTAKES)
    if answers:
        heads = [text("report.class"), *(text(f"report.{name}") for name in ("tp", "fn", "fp", "tn"))]
        return [Paragraph(text("report.yes_no_caption", unit=unit), "muted"), TableBlock(heads, answers, look="matrix")]
    if not rows and not mistakes:
        return []
    blocks: list[Block] = [Paragraph(text("report.confusion_caption", unit=unit), "muted")]
    if rows:
        corner = f"{text('report.truth')} ↓ \u00a0 {text('report.prediction')} →"
        look = "matrix many" if len(rows) > _NARROW else "matrix"
        blocks.append(TableBlock([corner, *scores.classes], rows, look=look))
    if mistakes:
        heads = [text("report.truth"), text("report.prediction"), *numeric(text("report.times"), text("report.share"))]
        blocks.append(TableBlock(heads, mistakes))
    return blocks


def yes_no(figure: Confusion, scores: Scores) -> list[list[Cell | str]]:
    """Right and wrong answers for each class, of classes that may hold together; empty if they exclude each other.

    Returns:
        Name, and true positives, false negatives, false positives and true negatives with their shares of the truth.
    """
    rows: list[list[Cell | str]] = []
    for name, ((tn, fp), (fn, tp)) in list(zip(scores.classes, figure.each, strict=False))[:LARGEST_MATRIX]:
        cells = ((tp, tp + fn, True), (fn, tp + fn, False), (fp, fp + tn, False), (tn, fp + tn, True))
        rows.append([name, *(_cell(n, of, right=right) for n, of, right in cells)])
    return rows


def matrix(figure: Confusion, scores: Scores) -> list[list[Cell | str]]:
    """Rows of the confusion matrix: true class, and how often each class was predicted; empty if there is none."""
    if not figure.counts or len(figure.counts) > LARGEST_MATRIX:
        return []
    return [
        [name, *(_cell(n, sum(row), right=i == j) for j, n in enumerate(row))]
        for i, (name, row) in enumerate(zip(scores.classes, figure.counts, strict=True))
    ]


def _cell(n: int, of: int, *, right: bool) -> Cell:
    """A count, and its share of those that are in truth like it."""
    share = n / of if of else None
    words = "–" if share is None else percent(share)
    return Cell(whole(n), "right" if right else "wrong", small=(words,), shade=share or 0.0)


def confusions(figure: Confusion, scores: Scores, most: int) -> list[list[str]]:
    """The most frequent mistakes of many classes: truth, prediction, count, share of the truth."""
    counts, names = figure.counts, scores.classes
    if len(counts) <= LARGEST_MATRIX:
        return []
    wrong = [(n, i, j) for i, row in enumerate(counts) for j, n in enumerate(row) if i != j and n]
    wrong.sort(key=lambda w: -w[0])
    return [[names[i], names[j], whole(n), percent(n / sum(counts[i]))] for n, i, j in wrong[:most]]
