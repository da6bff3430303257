"""The page about a model on another folder: its scores beside those of its own test set, and what was left out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamelle.data.training_overlap import twins
from lamelle.messages import text
from lamelle.reports import page, pictures, scoring
from lamelle.reports.html import number, whole
from lamelle.reports.repeating import command, machine
from lamelle.results.scores import Elsewhere, Score, Scores
from lamelle.runs.bundle import RunBundle, open_bundle
from lamelle.runs.folder import RunFolder
from lamelle.runs.recipe import Recipe

SECTIONS = (
    *("summary", "beside", "seen", "matched", "data", "scores", "confusion", "curves", "calibration", "remarks"),
    *("cases", "slices", "errors", "warnings", "repeat"),
)
"""In the order of the page; a section with nothing to show is left out."""
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ComparedScore:
    """One score here and on the model's own test set."""

    name: str
    here: scoring.ShownScore
    own: scoring.ShownScore
    difference: str
    interval: str
    verdict: str


def write_page(folder: RunFolder, recipe: Recipe) -> Path:
    """Write ``report.html`` of an evaluation on another folder, from what that folder holds.

    Args:
        folder: Where its scores and predictions lie.
        recipe: What was asked for of the data.

    Returns:
        Path of the page.
    """
    folder.write_text(folder.report, _page(open_bundle(folder, recipe=recipe)))
    return folder.report


def _page(bundle: RunBundle) -> str:
    scores = bundle.scores
    assert scores is not None
    about = _about(scores)
    name, model = Path(about.data).name, Path(about.model).resolve().name
    parts = page.results(bundle)
    if parts["data"]:
        parts["data"] |= {"described": []}  # which counts the splits of a training
    parts["scores"] |= {"scored": text("report.elsewhere_scored", n=whole(scores.n), data=about.data)}
    parts |= {
        "summary": _summary(scores, name),
        "beside": _beside(scores),
        "seen": _seen(bundle, about),
        "matched": _matched(about),
        "repeat": _repeat(bundle, about),
    }
    return page.draw(
        parts,
        SECTIONS,
        title=text("report.elsewhere_title", name=model, data=name),
        kicker=text("report.elsewhere_kicker"),
        heading=text("report.elsewhere_heading", name=model, data=name),
        tags=[str(scores.task), str(bundle.environment.get("created", ""))[:10]],
    )


def _summary(scores: Scores, name: str) -> Values:
    notes = [("warning", text(n.code, **n.values)) for n in scores.notes]
    if reasons := scoring.without(scores, most=page.REASONS):
        notes.append(("note", text("report.no_interval", reasons=reasons)))
    classes = ", ".join(scores.classes) or "–"
    return {
        "lead": in_words(scores),
        "notes": notes,
        "cards": scoring.headline(scores),
        "intended": text("report.intended", task=scores.task, classes=classes, data=name),
    }


def in_words(scores: Scores) -> str:
    """The first score on another folder beside that of the model's own test set, in one sentence."""
    if not scores.headline:
        return ""
    key, about = scores.headline[0], _about(scores)
    here = scoring.headline(scores)[0]
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


def _beside(scores: Scores) -> Values:
    """Every score that is not of one class, and then those of each class."""
    found = _about(scores).beside
    rows, absent = dict[str, ComparedScore](), _absent(scores)
    for key in [*(s.key for s in scoring.overall(scores) if s.key in found), *(k for k in found if "/" in k)]:
        difference = found[key].difference
        name, _, of = key.partition("/")
        title = scoring.name_of(name) + (f" ({of})" if of else "")
        shown = _signed(difference.value) if difference.defined else "–"
        here, own = scoring.score(key, scores.scores[key]), scoring.score(key, found[key].own)
        direction = "absent" if absent and not of else _direction(difference)
        verdict = here.why or own.why or text(f"report.beside_{direction}")
        rows[key] = ComparedScore(title, here, own, shown, _range(difference), verdict)
    level = next(iter(found.values())).own.level if found else 0.95
    each = [row for key, row in rows.items() if "/" in key]
    over_all = [row for key, row in rows.items() if "/" not in key]
    return {"beside": over_all, "beside_classes": each, "beside_level": f"{round(100 * level)} %"} if rows else {}


def _seen(bundle: RunBundle, about: Elsewhere) -> Values:
    """The images that had trained the model, some of them beside the small picture that the Run has kept."""
    if not about.seen:
        return {}
    like = {one.id: one for one in about.seen}
    pairs = []
    for one in bundle.pictures.scored.twins:
        names = ((one.here, one.id), (one.there, like[one.id].like))
        both = [pictures.embedded(bundle, d, alt=text("report.alt_image", name=name)) for d, name in names]
        pairs.append((twins(like[one.id].model_dump()), both[0], both[1]))
    kind = "kept" if about.kept_seen else "left_out"
    values = {"n": whole(len(like)), "all": whole(about.images)}
    rows = [(one.id, one.like, text(f"report.seen_{one.kind}")) for one in about.seen]
    return {"seen_said": text(f"report.seen_{kind}", **values), "seen_pairs": pairs, "seen_rows": rows}


def _matched(about: Elsewhere) -> Values:
    """Their classes and ours; empty where each has the name that it has in the model, and so nothing is to be said."""
    rows = about.classes
    if all(row.how == "same" for row in rows):
        return {}
    counted = any(row.images is not None for row in rows)
    said = [
        (r.theirs, r.ours, text(f"report.matched_{r.how}"), "–" if r.images is None else whole(r.images)) for r in rows
    ]
    return {"matched": said, "matched_counted": counted}


def _repeat(bundle: RunBundle, about: Elsewhere) -> Values:
    asked = [f"{section}.{key}" for section, keys in about.asked.items() for key in keys]
    words = bundle.environment.get("command") or ["evaluate", about.model, about.data, *asked]
    return {
        "commands": [(text("report.to_evaluate"), command(*map(str, words)))],
        "how": [
            (text("report.elsewhere_data"), str(about.data)),
            (text("report.elsewhere_model"), str(about.model)),
            (text("report.elsewhere_sha256"), str(about.sha256)),
        ],
        "machine": machine(bundle.environment),
        "planned": [],
        "also_done": [],
        "recipe": "",
    }
