"""The table of scores by class: a line for each class, and of a classification its macro and weighted averages.

Lines name scores and hold none, so that page and ``classes.csv`` show the same ones.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lamelle.io.atomic import cell
from lamelle.metrics.intervals import COLUMNS, cells
from lamelle.results.scores import Confusion, Scores

_AVERAGED = ("precision", "recall", "f1")
_AREAS = ("roc_auc", "pr_auc")
"""Scores whose mean over the classes has the name of the score itself."""
_SAME = {"macro_recall": "balanced_accuracy", "weighted_recall": "accuracy"}
"""Averages that have a name of their own where classes exclude each other."""


@dataclass(frozen=True, slots=True)
class ClassLine:
    """One line of the table."""

    kind: str
    """``class``, ``macro`` or ``weighted``."""
    name: str
    """Of the class; empty for an average."""
    support: int | None
    """What the truth has of it (images or pixels); of an average, of all classes together."""
    keys: Mapping[str, str]
    """Column → name of the score."""


def columns(scores: Scores) -> list[str]:
    """The scores that classes have, in the order of ``scores.json``."""
    return list(dict.fromkeys(key.partition("/")[0] for key in scores.scores if "/" in key))


def lines(scores: Scores) -> list[ClassLine]:
    """The lines of the content of a ``scores.json``; none if no class has a score.

    Example:
        >>> from lamelle.results.scores import Score
        >>> known = dict.fromkeys(("recall/a", "recall/b", "accuracy", "balanced_accuracy", "macro_f1"), Score.read({}))
        >>> about = {"task": "classify", "classes": ["a", "b"], "split": "test", "n": 4, "monitor": "macro_f1"}
        >>> counted = [Confusion(support=(3, 1))]
        >>> for line in lines(Scores(**about, headline=(), scores=known, figures=counted)):
        ...     print(line.kind, line.name, line.support, dict(line.keys))
        class a 3 {'recall': 'recall/a'}
        class b 1 {'recall': 'recall/b'}
        macro  4 {'recall': 'balanced_accuracy'}
        weighted  4 {'recall': 'accuracy'}
    """
    named, heads = scores.scores, columns(scores)
    if not heads:
        return []
    confusion = scores.figure(Confusion)
    counted = [int(n) for n in confusion.support] if confusion else []
    support: Sequence[int | None] = counted or [None] * len(scores.classes)
    by_class = [
        ClassLine("class", name, n, {c: key for c in heads if (key := f"{c}/{name}") in named})
        for name, n in zip(scores.classes, support, strict=False)
    ]
    if "macro_f1" not in named:  # the average of pixels is that of all, which a class of background leads
        return by_class
    total = None if None in support else sum(n or 0 for n in support)
    return [*by_class, *(ClassLine(kind, "", total, _average(kind, heads, scores)) for kind in ("macro", "weighted"))]


def _average(kind: str, heads: Sequence[str], scores: Scores) -> dict[str, str]:
    """Column → name of the average."""
    confusion = scores.figure(Confusion)
    same = {} if confusion and confusion.each else _SAME
    names = {c: f"{kind}_{c}" for c in heads if c in _AVERAGED}
    names = {c: same.get(name, name) for c, name in names.items()}
    names |= {c: c for c in heads if c in _AREAS and kind == "macro"}
    return {c: name for c, name in names.items() if name in scores.scores}


def to_csv(scores: Scores) -> str:
    """``classes.csv``: each score with the bounds of its interval, n and unit of it, and why there is none."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    heads = columns(scores)
    writer.writerow(["kind", "class", "support", *(f"{c}{end}" for c in heads for end in COLUMNS)])
    for line in lines(scores):
        row: list[Any] = [line.kind, line.name, line.support]
        for column in heads:
            row += cells(scores.scores.get(line.keys.get(column, "")))
        writer.writerow([cell(v) for v in row])
    return out.getvalue()
