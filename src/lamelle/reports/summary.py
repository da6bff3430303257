"""The top of a page: what must be known before the scores are read, and the first of them."""

from __future__ import annotations

from pathlib import Path

from lamelle.messages import text
from lamelle.reports import scores
from lamelle.reports.again import command
from lamelle.reports.blocks import Block, Cards, Note, Notes, Paragraph
from lamelle.reports.external_evaluation import in_words
from lamelle.results.scores import Scores
from lamelle.runs.bundle import RunBundle

_REASONS, _MANY = 4, 50


def draw(bundle: RunBundle) -> list[Block]:
    """Notes, cards of the first scores, and what the model is for."""
    found = bundle.scores
    blocks: list[Block] = []
    if bundle.elsewhere is not None and found is not None and (lead := in_words(found)):
        blocks.append(Paragraph(lead, "lead"))
    if notes := _notes(bundle) if bundle.elsewhere is None else _noted(found):
        blocks.append(Notes(notes))
    if found is not None and found.headline:
        blocks.append(Cards([scores.card(one) for one in scores.headline(found)]))
    data = Path(bundle.elsewhere.data if bundle.elsewhere else bundle.recipe.data.path).name or "–"
    classes = ", ".join((found.classes if found else ()) or bundle.classes) or "–"
    intended = text("report.intended", task=bundle.recipe.task.name, classes=classes, data=data)
    words = f"{intended} {text('report.not_for_diagnosis')}"
    return [*blocks, Paragraph(words, "small muted", strong=text("report.use_title"))]


def _notes(bundle: RunBundle) -> list[Note]:
    """What must be known of a Run."""
    found, leaks, notes = bundle.scores, bundle.leaks(), list[Note]()
    if found is None:
        again = command("train", "--resume", str(bundle.run.path))
        notes.append(Note(text("report.unfinished", command=again), "warning"))
    elif found.split == "folds":
        notes.append(Note(text("report.folds", folds=bundle.recipe.split.folds or "–"), "note"))
    if n := _one_of_many(found):
        again = command("train", "--recipe", str(bundle.run.recipe), "split.folds=5")
        notes.append(Note(text("report.one_of_many", n=n, command=again), "note"))
    if bundle.recipe.data.allow_leakage:
        notes.append(Note(text("report.leakage", n=len(leaks)), "error"))
    notes += _noted(found)
    if warned := len(leaks) + (sum(p.severity != "note" for p in bundle.audit.problems) if bundle.audit else 0):
        notes.append(Note(text("report.warned", n=warned), "note"))
    return notes


def _noted(found: Scores | None) -> list[Note]:
    """What must be known of scores."""
    if found is None:
        return []
    notes = [Note(text(n.code, **n.values), "warning") for n in found.notes]
    if reasons := scores.without(found, most=_REASONS):
        notes.append(Note(text("report.no_interval", reasons=reasons), "note"))
    return notes


def _one_of_many(found: Scores | None) -> int:
    """Units of a test set that is so small that another one would give another score; 0 where it is not."""
    if found is None or found.split != "test":
        return 0
    n = min((found.scores[name].n for name in found.headline), default=0)
    return n if n < _MANY else 0
