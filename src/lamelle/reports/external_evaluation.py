"""A model on another folder: its scores beside those of its own test set, and what was left out."""

from __future__ import annotations

from pathlib import Path

from lamelle.messages import text
from lamelle.metrics.names import name_of
from lamelle.reports import scores as shown
from lamelle.reports.blocks import Block, Cell, Column, Details, Paragraph, Strip, Strips, TableBlock, numeric
from lamelle.reports.html import number, whole
from lamelle.reports.pictures import embedded
from lamelle.results.scores import Elsewhere, Score, Scores
from lamelle.runs.bundle import RunBundle

_OPEN = 12
"""Images that the model has seen up to which their list is open."""


def in_words(scores: Scores) -> str:
    """The first score on another folder beside that of the model's own test set, in one sentence."""
    if not scores.headline:
        return ""
    key, about = scores.headline[0], _about(scores)
    here = shown.headline(scores)[0]
    values = {"data": Path(about.data).name, "score": here.name, "here": here.shown, "n": whole(here.n)}
    values |= {"unit": here.unit}
    row = about.beside.get(key)
    if row is None or not row.difference.defined:
        return text("report.elsewhere_alone", **values)
    if about.own_test:
        return text("report.elsewhere_same", **values, own=number(row.own.value), same=whole(about.own_test))
    if absent := _absent(scores):
        return text("report.elsewhere_absent", **values, own=number(row.own.value), classes=absent)
    values |= {"own": number(row.own.value), "by": _signed(row.difference.value)}
    return text(f"report.elsewhere_{_direction(row.difference)}", **values, interval=_range(row.difference))


def _absent(scores: Scores) -> str:
    """Classes without an example here, without which a score over all classes measures something else."""
    return next((str(n.values["classes"]) for n in scores.notes if n.code == "evaluate.absent_classes"), "")


def _about(scores: Scores) -> Elsewhere:
    """The other folder."""
    assert scores.elsewhere is not None
    return scores.elsewhere


def _direction(difference: Score) -> str:
    """``lower`` or ``higher`` where the interval leaves no doubt, else ``chance``; ``unsure`` without an interval."""
    if not difference.bounded:
        return "unsure"
    return "higher" if difference.low > 0 else "lower" if difference.high < 0 else "chance"


def _range(difference: Score) -> str:
    if _direction(difference) == "unsure":
        return "–"
    return f"{_signed(difference.low)} … {_signed(difference.high)}"


def _signed(value: float) -> str:
    return ("+" if value > 0 else "−" if value < 0 else "") + number(abs(value))


def beside(bundle: RunBundle) -> list[Block]:
    """Every score that is not of one class, and then those of each class, here and on the model's own test set."""
    scores = bundle.scores
    if scores is None or not (rows := _about(scores).beside):
        return []
    overall = [key for key in (s.key for s in shown.overall(scores)) if key in rows]
    level = f"{round(100 * next(iter(rows.values())).own.level)} %"
    each = _compared(scores, [key for key in rows if "/" in key], text("report.by_class"))
    return [
        Paragraph(text("report.beside_caption", level=level), "muted"),
        _compared(scores, overall),
        *([Details(text("report.by_class"), [each])] if each.rows else []),
    ]


def _compared(scores: Scores, keys: list[str], label: str = "") -> TableBlock:
    heads: list[Column | str] = [
        text("report.score"),
        *numeric(text("report.beside_here"), "n", text("report.beside_own"), "n", text("report.beside_difference")),
        text("report.beside_verdict"),
    ]
    return TableBlock(heads, [_row(scores, key) for key in keys], label=label)


def _row(scores: Scores, key: str) -> list[Cell | str]:
    """One score here and on the model's own test set."""
    row, absent = _about(scores).beside[key], _absent(scores)
    difference = row.difference
    here, own = shown.score(key, scores.scores[key]), shown.score(key, row.own)
    direction = "absent" if absent and "/" not in key else _direction(difference)
    verdict = here.why or own.why or text(f"report.beside_{direction}")
    value = _signed(difference.value) if difference.defined else "–"
    cells: list[Cell | str] = [name_of(key)]
    for one in (here, own):
        cells += [Cell(one.shown, "n", below=one.interval), whole(one.n)]
    return [*cells, Cell(value, "n", below=_range(difference)), verdict]


def seen(bundle: RunBundle) -> list[Block]:
    """The images that had trained the model, some of them beside the small picture that the Run has kept."""
    about = bundle.elsewhere
    if about is None or not about.seen:
        return []
    like, strips = {one.id: one for one in about.seen}, []
    for one in bundle.pictures.scored.twins:
        twin = like[one.id]
        names = ((one.here, one.id), (one.there, twin.like))
        both = [embedded(bundle, d, alt=text("report.alt_image", name=name)) for d, name in names]
        strips.append(Strip(both, f"{one.id} {'=' if twin.kind == 'same' else '≈'} {twin.like}"))
    kind = "kept" if about.kept_seen else "left_out"
    rows = [
        [Cell(one.id, "file", head=True), Cell(one.like, "file"), text(f"report.seen_{one.kind}")] for one in about.seen
    ]
    table = TableBlock([text(f"report.seen_{name}") for name in ("here", "there", "how")], rows)
    return [
        Paragraph(text(f"report.seen_{kind}", n=whole(len(like)), all=whole(about.images))),
        Strips(strips),
        Details(text("report.seen_all", n=len(rows)), [table], open=len(rows) <= _OPEN),
    ]


def matched(bundle: RunBundle) -> list[Block]:
    """Their classes and ours; nothing where each has the name that it has in the model."""
    rows = bundle.elsewhere.classes if bundle.elsewhere else ()
    if all(row.how == "same" for row in rows):
        return []
    counted = any(row.images is not None for row in rows)
    cells = []
    for r in rows:
        images = ["–" if r.images is None else whole(r.images)] if counted else []
        cells.append([r.theirs, r.ours, text(f"report.matched_{r.how}"), *images])
    heads = [text(f"report.matched_{name}") for name in ("theirs", "ours", "how")]
    return [
        TableBlock(
            [*heads, *(numeric(text("report.images")) if counted else ())], cells, text("report.matched_caption")
        )
    ]
