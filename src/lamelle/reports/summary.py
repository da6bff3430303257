"""The top of a page: what must be known before the scores are read, and the first of them."""

from __future__ import annotations

from pathlib import Path

from lamelle.messages import text
from lamelle.reports import scores
from lamelle.reports.again import command
from lamelle.reports.blocks import Block, Cards, Notice, Notices, Paragraph
from lamelle.reports.external_evaluation import in_words
from lamelle.results.scores import Scores
from lamelle.runs.bundle import RunBundle

_MAX_REASONS, _MAX_SMALL = 4, 50


def draw(bundle: RunBundle) -> list[Block]:
    """Notes, cards of the first scores, and what the model is for."""
    scored = bundle.scores
    blocks: list[Block] = []
    if bundle.elsewhere is not None and scored is not None and (lead := in_words(scored)):
        blocks.append(Paragraph(lead, "lead"))
    if notes := _notes(bundle) if bundle.elsewhere is None else _noted(scored):
        blocks.append(Notices(notes))
    if scored is not None and scored.headline:
        blocks.append(Cards([scores.card(one) for one in scores.headline(scored)]))
    data = Path(bundle.elsewhere.data if bundle.elsewhere else bundle.recipe.data.path).name or "–"
    classes = ", ".join((scored.classes if scored else ()) or bundle.classes) or "–"
    intended = text("report.intended", task=bundle.recipe.task.name, classes=classes, data=data)
    words = f"{intended} {text('report.not_for_diagnosis')}"
    return [*blocks, Paragraph(words, "small muted", strong=text("report.use_title"))]


def _notes(bundle: RunBundle) -> list[Notice]:
    """What must be known of a Run."""
    scored, leaks, notes = bundle.scores, bundle.leaks(), list[Notice]()
    if scored is None:
        again = command("train", "--resume", str(bundle.run.path))
        notes.append(Notice(text("report.unfinished", command=again), "warning"))
    elif scored.split == "folds":
        notes.append(Notice(text("report.folds", folds=bundle.recipe.split.folds or "–"), "note"))
    if n := _one_of_many(scored):
        again = command("train", "--recipe", str(bundle.run.recipe), "split.folds=5")
        notes.append(Notice(text("report.one_of_many", n=n, command=again), "note"))
    if bundle.recipe.data.allow_leakage:
        notes.append(Notice(text("report.leakage", n=len(leaks)), "error"))
    notes += _noted(scored)
    if warned := len(leaks) + (sum(p.severity != "note" for p in bundle.audit.problems) if bundle.audit else 0):
        notes.append(Notice(text("report.warned", n=warned), "note"))
    return notes


def _noted(scored: Scores | None) -> list[Notice]:
    """What must be known of scores."""
    if scored is None:
        return []
    notes = [Notice(text(n.code, **n.values), "warning") for n in scored.notes]
    if reasons := scores.without(scored, most=_MAX_REASONS):
        notes.append(Notice(text("report.no_interval", reasons=reasons), "note"))
    return notes


def _one_of_many(scored: Scores | None) -> int:
    """Units of a test set that is so small that another one would give another score; 0 where it is not."""
    if scored is None or scored.split != "test":
        return 0
    n = min((scored.scores[name].n for name in scored.headline), default=0)
    return n if n < _MAX_SMALL else 0
