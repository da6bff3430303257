"""The page about a Run: it draws what the Run holds and computes no score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lamelle.data.groups.decide import said_of_split
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
from lamelle.reports.html import number, render, whole
from lamelle.reports.methods import method, network
from lamelle.reports.repeating import command
from lamelle.results.audit import Audit
from lamelle.results.scores import Scores
from lamelle.runs.bundle import RunBundle, open_bundle
from lamelle.runs.data_pictures import SAMPLED
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
_STRIPS, _MISTAKES, REASONS, _MANY = 4, 30, 4, 50
Values = dict[str, Any]


def write_report(run: RunFolder) -> Path:
    """Write ``report.html`` of a Run, of the folds of a Run, or of a Run that was interrupted.

    Args:
        run: Where it lies; what it does not hold (yet) is left out of the page. No file outside of it is opened.

    Returns:
        Path of the page.

    Raises:
        FileError: If the page cannot be written.
    """
    run.write_text(run.report, page(open_bundle(run)))
    return run.report


def page(bundle: RunBundle) -> str:
    """The page as text; the same for the same Run."""
    doctor = verdict.section(bundle)
    parts = results(bundle) | {
        "summary": _summary(bundle),
        "split": _split(bundle),
        "doctor": doctor,
        "training": _training(bundle, verdict.turned(doctor.get("diagnoses", []))),
        "repeat": repeating.section(bundle),
    }
    task = str(bundle.recipe["task"]["name"])
    return draw(
        parts,
        SECTIONS,
        title=text("report.title", name=bundle.name),
        kicker=text("report.kicker"),
        heading=bundle.name,
        tags=[t for t in (task, network(bundle.recipe), bundle.environment.get("created", "")[:10]) if t],
    )


def results(bundle: RunBundle) -> dict[str, Values]:
    """The sections about the data and the scores, of whatever was scored."""
    return {
        "data": _data(bundle),
        "scores": _scores(bundle),
        "confusion": _confusion(bundle),
        "curves": curving.section(bundle.scores) if bundle.scores else {},
        "calibration": calibrating.section(bundle.scores) if bundle.scores else {},
        "remarks": remarks.section(bundle),
        "cases": segmenting.section(bundle),
        "slices": _slices(bundle),
        "errors": _errors(bundle),
        "warnings": _warnings(bundle),
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


def _summary(bundle: RunBundle) -> Values:
    notes: list[tuple[str, str]] = []
    if bundle.scores is None:
        notes.append(("warning", text("report.unfinished", command=command("train", "--resume", str(bundle.run.path)))))
    if bundle.scores is not None and bundle.scores.split == "folds":
        notes.append(("note", text("report.folds", folds=bundle.recipe.get("split", {}).get("folds", "–"))))
    if n := _one_of_many(bundle.scores):
        again = command("train", "--recipe", str(bundle.run.recipe), "split.folds=5")
        notes.append(("note", text("report.one_of_many", n=n, command=again)))
    leaks = bundle.leaks()
    if bundle.recipe.get("data", {}).get("allow_leakage"):
        notes.append(("error", text("report.leakage", n=len(leaks))))
    scores = bundle.scores
    notes += [("warning", text(n.code, **n.values)) for n in (scores.notes if scores else ())]
    if scores and (reasons := scoring.without(scores, most=REASONS)):
        notes.append(("note", text("report.no_interval", reasons=reasons)))
    if warned := len(leaks) + (sum(p.severity != "note" for p in bundle.audit.problems) if bundle.audit else 0):
        notes.append(("note", text("report.warned", n=warned)))
    task = str(bundle.recipe["task"]["name"])
    classes = ", ".join((scores.classes if scores else ()) or bundle.recipe.get("data", {}).get("classes") or ()) or "–"
    data = Path(str(bundle.recipe.get("data", {}).get("path", ""))).name or "–"
    return {
        "lead": "",
        "notes": notes,
        "cards": scoring.headline(scores) if scores else [],
        "intended": text("report.intended", task=task, classes=classes, data=data),
    }


def _one_of_many(scores: Scores | None) -> int:
    """Units of a test set that is so small that another one would give another score; 0 where it is not."""
    if scores is None or scores.split != "test":
        return 0
    n = min((scores.scores[name].n for name in scores.headline), default=0)
    return n if n < _MANY else 0


def _scores(bundle: RunBundle) -> Values:
    if bundle.scores is None:
        return {}
    overall = scoring.overall(bundle.scores)
    columns, rows = scoring.by_class(bundle.scores)
    split = bundle.scores.split
    return {
        "overall": overall,
        "class_columns": columns,
        "class_rows": rows,
        "support": _support(bundle),
        "level": overall[0].level if overall else "",
        "glossary": [*scoring.glossary(bundle.scores), *((text(f"report.{n}_title"), text(f"report.{n}_text"))
                     for n in ("interval", "units", "pooled", "empty"))],
        "scored": text("report.scored", n=whole(bundle.scores.n), 
                       split=text("report.split_folds") if split == "folds" else describing.split_name(split)),
    }  # fmt: skip


def _support(bundle: RunBundle) -> str:
    """What one count of the confusion matrix is."""
    return text("report.pixels") if find(bundle.recipe["task"]["name"]).output == "map" else text("report.images")


def _confusion(bundle: RunBundle) -> Values:
    if bundle.scores is None:
        return {}
    matrix, mistakes = scoring.matrix(bundle.scores), scoring.confusions(bundle.scores, _MISTAKES)
    found = {"matrix": matrix, "confusions": mistakes, "yes_no": scoring.yes_no(bundle.scores)}
    return {**found, "counted": _support(bundle).lower()} if any(found.values()) else {}


def _slices(bundle: RunBundle) -> Values:
    found = segmenting.browsers(bundle)
    return {"browsers": found, **segmenting.legends(bundle)} if found else {}


def _errors(bundle: RunBundle) -> Values:
    if bundle.scores is None or not (shown := pictures.errors(bundle)):
        return {}
    wrong = sum(item.correct is False for item in bundle.scores.items)
    caption = text("report.errors_caption", n=wrong, all=len(bundle.scores.items), shown=len(shown))
    return {"errors": shown, "errors_caption": caption}


def _training(bundle: RunBundle, turned: int | None) -> Values:
    if not bundle.history:
        return {}
    task = find(bundle.recipe["task"]["name"])
    best = next((row for row in reversed(bundle.history) if row.best), None)
    score = scoring.name_of(task.monitor)
    caption = text("report.epochs", n=len(bundle.history))
    if best is not None:
        values = {
            "epoch": best.epoch,
            "score": score,
            "value": number(best.score(task.monitor)),
            "loss": number(best.loss),
        }
        caption += " " + text("report.best_epoch", **values)
    if turned is not None:
        caption += " " + text("report.turned", epoch=turned)
    legend = [
        (text("report.on_training"), *figures.legend(0, dash=1)),
        (text("report.on_validation"), *figures.legend(1, dash=0)),
    ]
    epoch = best.epoch if best else None
    return {
        "training": figures.training(bundle.history, monitor=task.monitor, best=epoch, turned=turned),
        "training_caption": caption,
        "training_legend": legend,
        "done": method(bundle),
        **epochs.curves(bundle.history, monitor=task.monitor, classes=_class_names(bundle), best=epoch),
    }


def _data(bundle: RunBundle) -> Values:
    if bundle.audit is None:
        return {}
    settled = (bundle.model or {}).get("task", {}).get("settled", {})
    plan = bundle.plan
    spatial = find(bundle.recipe["task"]["name"]).output == "map"
    return {
        "facts": describing.facts(bundle.audit, layout=plan.index.layout if plan else None),
        "classes": describing.counted(bundle.audit.totals.get("classes", {}))[: describing.SHOWN] if spatial else [],
        "label_values": describing.label_values(bundle.audit, settled.get("values")),
        "pixels": describing.pixels(bundle.audit),
        "value_range": describing.value_range(bundle.audit),
        "previews": segmenting.previews(bundle),
        "preview_legend": segmenting.legends(bundle)["class_legend"] if spatial else [],
        **_classes(bundle, bundle.audit, shown=not spatial),
    }


def _classes(bundle: RunBundle, audit: Audit, *, shown: bool) -> Values:
    """What each class of a classifier looks like."""
    names = _class_names(bundle) if shown else []
    counts = Counter(name for r in bundle.records for name in classes.names_of(r, names))
    most = {name for name, _ in counts.most_common(classes.DRAWN)}
    drawn = [name for name in names if name in most]
    levels = bundle.pictures.data.grey_levels
    return {
        "described": classes.table(bundle.records, audit, names) if names else [],
        "sampled": SAMPLED,
        "described_more": max(0, len(names) - classes.SHOWN),
        "split_names": [describing.split_name(name) for name in SPLITS],
        "histogram": classes.histograms(bundle) if names else "",
        "brightness": classes.brightness(bundle.records, audit, drawn) if drawn else "",
        "histogram_legend": [(name, *figures.legend(i)) for i, name in enumerate(levels.shares if levels else ())],
        "brightness_legend": [(f"{i + 1}: {name}", *figures.legend(i, dash=0)) for i, name in enumerate(drawn)],
        "undrawn": text("report.roc_some", n=len(drawn), all=len(names)) if len(drawn) < len(names) else "",
        "class_previews": classes.previews(bundle) if names else [],
    }


def _class_names(bundle: RunBundle) -> list[str]:
    """Classes in the order of their numbers."""
    if bundle.plan is not None:
        return list(bundle.plan.task.classes)
    named = (bundle.scores.classes if bundle.scores else ()) or bundle.recipe.get("data", {}).get("classes")
    return list(named or ())


def _split(bundle: RunBundle) -> Values:
    if bundle.plan is None:
        return {}
    columns, rows = describing.splits(bundle.records, strata=find(bundle.recipe["task"]["name"]).output == "map")
    by = bundle.plan.split_by
    if by == "record" and not any(r.stratum for r in bundle.records):
        by = "record_plain"
    how = text(f"report.by_{by}") if by in {"given", "block", "group", "record", "record_plain"} else str(by)
    if folds := bundle.recipe.get("split", {}).get("folds"):
        how += " " + text("report.by_fold", folds=folds)
    if bundle.audit:
        how = " ".join([how, *(sentence(p) for p in said_of_split(bundle.audit.problems))])
    return {
        "split_how": how,
        "split_columns": columns,
        "split_rows": [(describing.split_name(name), values) for name, values in rows],
        "strips": describing.strips(bundle.records, _STRIPS),
        "split_legend": [
            *((describing.split_name(name), f"var(--c{i + 1})") for i, name in enumerate(SPLITS)),
            (describing.split_name("gap"), "var(--line)"),
        ],
    }


def _warnings(bundle: RunBundle) -> Values:
    problems = [*bundle.leaks(), *(bundle.audit.problems if bundle.audit else ())]
    groups = describing.problem_groups(problems, least="warning")
    return {"warnings": groups} if groups else {}
