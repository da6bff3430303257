"""The page about a Run: it draws what the Run holds and computes no score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lamelle.data.audit.results import Audit
from lamelle.data.groups.decide import said_of_split
from lamelle.data.store import Store
from lamelle.errors import sentence
from lamelle.messages import text
from lamelle.reports import (
    calibrating,
    classes,
    curving,
    describing,
    epochs,
    figures,
    pictures,
    remarks,
    repeating,
    scoring,
    segmenting,
    verdict,
)
from lamelle.reports.held import Held, open_held
from lamelle.reports.html import number, render, whole
from lamelle.reports.methods import method, network
from lamelle.reports.repeating import command
from lamelle.runs.folder import RunFolder
from lamelle.tasks.table import find
from lamelle.types import SPLITS

SECTIONS = (
    "summary",
    "data",
    "split",
    "scores",
    "confusion",
    "curves",
    "calibration",
    "remarks",
    "cases",
    "slices",
    "errors",
    "doctor",
    "training",
    "warnings",
    "repeat",
)
"""In the order of the page; a section with nothing to show is left out."""
_ERRORS, _STRIPS, _MISTAKES, REASONS, _MANY = 12, 4, 30, 4, 50
Values = dict[str, Any]


def write_report(run: RunFolder, store: Store) -> Path:
    """Write ``report.html`` of a Run, of the folds of a Run, or of a Run that was interrupted.

    Args:
        run: Where it lies; what it does not hold (yet) is left out of the page.
        store: For the pictures; a page without them is written if the data is gone.

    Returns:
        Path of the page.

    Raises:
        FileError: If the page cannot be written.
    """
    return write_held(open_held(run, store), store)


def write_held(held: Held, store: Store) -> Path:
    """Write the page of a Run that was read."""
    held.run.write_text(held.run.report, page(held, store))
    return held.run.report


def page(held: Held, store: Store) -> str:
    """The page as text; the same for the same Run."""
    doctor = verdict.section(held)
    parts = results(held, store) | {
        "summary": _summary(held),
        "split": _split(held),
        "doctor": doctor,
        "training": _training(held, verdict.turned(doctor.get("diagnoses", []))),
        "repeat": repeating.section(held),
    }
    task = str(held.recipe["task"]["name"])
    return draw(
        parts,
        SECTIONS,
        title=text("report.title", name=held.name),
        kicker=text("report.kicker"),
        heading=held.name,
        tags=[t for t in (task, network(held.recipe), held.environment.get("created", "")[:10]) if t],
    )


def results(held: Held, store: Store) -> dict[str, Values]:
    """The sections about the data and the scores, of whatever was scored."""
    return {
        "data": _data(held, store),
        "scores": _scores(held),
        "confusion": _confusion(held),
        "curves": curving.section(held.scores) if held.scores else {},
        "calibration": calibrating.section(held.scores) if held.scores else {},
        "remarks": remarks.section(held, store),
        "cases": segmenting.section(held, store),
        "slices": _slices(held, store),
        "errors": _errors(held, store),
        "warnings": _warnings(held),
    }


def draw(parts: Mapping[str, Values], order: Sequence[str], **about: Any) -> str:
    """The page of these sections, without those that have nothing to show.

    Args:
        about: ``title``, ``kicker``, ``heading`` and ``tags``.
    """
    shown = [(name, text(f"report.section_{name}")) for name in order if parts[name]]
    values = {name: value for part in parts.values() for name, value in part.items()}
    return render("run.html", sections=shown, severity=severities(), **about, **values)


def severities() -> dict[str, str]:
    """Severity → its word."""
    return {name: text(f"report.severity_{name}") for name in ("error", "warning", "note")}


def _summary(held: Held) -> Values:
    notes: list[tuple[str, str]] = []
    if held.scores is None:
        notes.append(("warning", text("report.unfinished", command=command("train", "--resume", str(held.run.path)))))
    if held.scores is not None and held.scores["split"] == "folds":
        notes.append(("note", text("report.folds", folds=held.recipe.get("split", {}).get("folds", "–"))))
    if n := _one_of_many(held.scores):
        again = command("train", "--recipe", str(held.run.recipe), "split.folds=5")
        notes.append(("note", text("report.one_of_many", n=n, command=again)))
    leaks = held.leaks()
    if held.recipe.get("data", {}).get("allow_leakage"):
        notes.append(("error", text("report.leakage", n=len(leaks))))
    scores = held.scores or {"notes": [], "headline": [], "classes": [], "scores": {}}
    notes += [(p.severity, text(p.code, **p.values)) for p in held.changed]
    notes += [("warning", text(n["code"], **n["values"])) for n in scores["notes"]]
    if reasons := scoring.without(scores, most=REASONS):
        notes.append(("note", text("report.no_interval", reasons=reasons)))
    if warned := len(leaks) + (sum(p.severity != "note" for p in held.audit.problems) if held.audit else 0):
        notes.append(("note", text("report.warned", n=warned)))
    task = str(held.recipe["task"]["name"])
    classes = ", ".join(scores["classes"] or held.recipe.get("data", {}).get("classes") or ()) or "–"
    data = Path(str(held.recipe.get("data", {}).get("path", ""))).name or "–"
    return {
        "lead": "",
        "notes": notes,
        "cards": scoring.headline(scores) if held.scores else [],
        "intended": text("report.intended", task=task, classes=classes, data=data),
    }


def _one_of_many(scores: Mapping[str, Any] | None) -> int:
    """Units of a test set that is so small that another one would give another score; 0 where it is not."""
    if scores is None or scores["split"] != "test":
        return 0
    n = min((scores["scores"][name]["n"] for name in scores["headline"]), default=0)
    return n if n < _MANY else 0


def _scores(held: Held) -> Values:
    if held.scores is None:
        return {}
    overall = scoring.overall(held.scores)
    columns, rows = scoring.by_class(held.scores)
    split = held.scores["split"]
    return {
        "overall": overall,
        "class_columns": columns,
        "class_rows": rows,
        "support": _support(held),
        "level": overall[0].level if overall else "",
        "glossary": [*scoring.glossary(held.scores), *((text(f"report.{n}_title"), text(f"report.{n}_text"))
                     for n in ("interval", "units", "pooled", "empty"))],
        "scored": text("report.scored", n=whole(held.scores["n"]), split=text("report.split_folds") if split == "folds"
                       else describing.split_name(split)),
    }  # fmt: skip


def _support(held: Held) -> str:
    """What one count of the confusion matrix is."""
    return text("report.pixels") if find(held.recipe["task"]["name"]).spatial else text("report.images")


def _confusion(held: Held) -> Values:
    if held.scores is None:
        return {}
    matrix, mistakes = scoring.matrix(held.scores), scoring.confusions(held.scores, _MISTAKES)
    found = {"matrix": matrix, "confusions": mistakes, "yes_no": scoring.yes_no(held.scores)}
    return {**found, "counted": _support(held).lower()} if any(found.values()) else {}


def _slices(held: Held, store: Store) -> Values:
    found = segmenting.browsers(held, store)
    return {"browsers": found, **segmenting.legends(held)} if found else {}


def _errors(held: Held, store: Store) -> Values:
    if held.scores is None or held.plan is None:
        return {}
    wrong = [i for i in held.scores["items"] if i.get("correct") is False]
    wrong.sort(key=lambda i: (-_sure(held, i), i["id"]))
    shown = pictures.errors(held, held.plan, wrong[:_ERRORS], store)
    caption = text("report.errors_caption", n=len(wrong), all=len(held.scores["items"]), shown=len(shown))
    return {"errors": shown, "errors_caption": caption} if shown else {}


def _sure(held: Held, item: Mapping[str, Any]) -> float:
    """How sure of its mistake the model was: the probability of what it said, else what it took from the truth."""
    said = pictures.certainty(held, item)
    return said if said is not None else 1 - (item.get("quality") or 0.0)


def _training(held: Held, turned: int | None) -> Values:
    if not held.history:
        return {}
    task = find(held.recipe["task"]["name"])
    best = next((row for row in reversed(held.history) if row.get("best")), None)
    score = scoring.name_of(task.monitor)
    caption = text("report.epochs", n=len(held.history))
    if best is not None:
        values = {
            "epoch": f"{best['epoch']:.0f}",
            "score": score,
            "value": number(best["score"]),
            "loss": number(best["loss"]),
        }
        caption += " " + text("report.best_epoch", **values)
    if turned is not None:
        caption += " " + text("report.turned", epoch=turned)
    legend = [
        (text("report.on_training"), *figures.legend(0, dash=1)),
        (text("report.on_validation"), *figures.legend(1, dash=0)),
    ]
    epoch = best["epoch"] if best else None
    return {
        "training": figures.training(held.history, score=score, best=epoch, turned=turned),
        "training_caption": caption,
        "training_legend": legend,
        "done": method(held),
        **epochs.curves(held.history, monitor=task.monitor, classes=_class_names(held), best=epoch),
    }


def _data(held: Held, store: Store) -> Values:
    if held.audit is None:
        return {}
    settled = (held.model or {}).get("task", {}).get("settled", {})
    plan = held.plan
    spatial = find(held.recipe["task"]["name"]).spatial
    return {
        "facts": describing.facts(held.audit, layout=plan.index.layout if plan else None),
        "classes": describing.counted(held.audit.totals.get("classes", {}))[: describing.SHOWN] if spatial else [],
        "label_values": describing.label_values(held.audit, settled.get("values")),
        "pixels": describing.pixels(held.audit),
        "value_range": describing.value_range(held.audit),
        "gone": held.gone,
        "previews": segmenting.previews(plan, store) if plan and spatial else [],
        "preview_legend": segmenting.legends(held)["class_legend"] if spatial else [],
        **_classes(held, store, held.audit, shown=not spatial),
    }


def _classes(held: Held, store: Store, audit: Audit, *, shown: bool) -> Values:
    """What each class of a classifier looks like."""
    names = _class_names(held) if shown else []
    counts = Counter(name for row in held.split for name in classes.names_of(row.get("stratum") or "", names))
    most = {name for name, _ in counts.most_common(classes.DRAWN)}
    drawn = [name for name in names if name in most]
    plan = held.plan
    return {
        "described": classes.table(held.split, audit, names) if names else [],
        "sampled": classes.SAMPLED,
        "described_more": max(0, len(names) - classes.SHOWN),
        "split_names": [describing.split_name(name) for name in SPLITS],
        "histogram": classes.histograms(plan, store, drawn) if plan and drawn else "",
        "brightness": classes.brightness(held.split, audit, drawn) if drawn else "",
        "histogram_legend": [(name, *figures.legend(i)) for i, name in enumerate(drawn)],
        "brightness_legend": [(f"{i + 1}: {name}", *figures.legend(i, dash=0)) for i, name in enumerate(drawn)],
        "undrawn": text("report.roc_some", n=len(drawn), all=len(names)) if len(drawn) < len(names) else "",
        "class_previews": classes.previews(plan, store, names) if plan and names else [],
    }


def _class_names(held: Held) -> list[str]:
    """Classes in the order of their numbers."""
    if held.plan is not None:
        return list(held.plan.task.classes)
    named = (held.scores or {}).get("classes") or held.recipe.get("data", {}).get("classes")
    return list(named or sorted({row["stratum"] for row in held.split if row.get("stratum")}))


def _split(held: Held) -> Values:
    if not held.split:
        return {}
    columns, rows = describing.splits(held.split, strata=find(held.recipe["task"]["name"]).spatial)
    by = held.plan.split_by if held.plan else ""
    if by == "record" and not any(row.get("stratum") for row in held.split):
        by = "record_plain"
    how = text(f"report.by_{by}") if by in {"given", "block", "group", "record", "record_plain"} else str(by)
    if folds := held.recipe.get("split", {}).get("folds"):
        how += " " + text("report.by_fold", folds=folds)
    if held.audit:
        how = " ".join([how, *(sentence(p) for p in said_of_split(held.audit.problems))])
    return {
        "split_how": how,
        "split_columns": columns,
        "split_rows": [(describing.split_name(name), values) for name, values in rows],
        "strips": describing.strips(held.split, _STRIPS),
        "split_legend": [
            *((describing.split_name(name), f"var(--c{i + 1})") for i, name in enumerate(SPLITS)),
            (describing.split_name("gap"), "var(--line)"),
        ],
    }


def _warnings(held: Held) -> Values:
    problems = [*held.leaks(), *(held.audit.problems if held.audit else ())]
    groups = describing.problem_groups(problems, least="warning")
    return {"warnings": groups} if groups else {}
