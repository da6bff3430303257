"""The page about a Run: it draws what the Run holds and computes no score."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lamelle.data.store import Store
from lamelle.messages import text
from lamelle.prediction.overlay import CONFUSION, colour
from lamelle.reports import describing, figures, pictures, scoring
from lamelle.reports.held import Held, open_held, parameters, probability
from lamelle.reports.html import number, render, short, whole
from lamelle.run import RunFolder
from lamelle.tasks.table import find
from lamelle.types import SPLITS

SECTIONS = (
    "summary",
    "scores",
    "confusion",
    "curves",
    "cases",
    "errors",
    "training",
    "data",
    "split",
    "warnings",
    "repeat",
)
"""In the order of the page; a section with nothing to show is left out."""
_BEST, _ERRORS, _PREVIEWS, _CURVES, _STRIPS, _MISTAKES = 3, 12, 12, 10, 4, 30
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
    held = open_held(run)
    run.write_text(run.report, page(held, store))
    return run.report


def page(held: Held, store: Store) -> str:
    """The page as text; the same for the same Run."""
    parts = {
        "summary": _summary(held),
        "scores": _scores(held),
        "confusion": _confusion(held),
        "curves": _curves(held),
        "cases": _cases(held, store),
        "errors": _errors(held, store),
        "training": _training(held),
        "data": _data(held, store),
        "split": _split(held),
        "warnings": _warnings(held),
        "repeat": _repeat(held),
    }
    shown = [(name, text(f"report.section_{name}")) for name in SECTIONS if parts[name]]
    values = {name: value for part in parts.values() for name, value in part.items()}
    task = str(held.recipe["task"]["name"])
    return render(
        "run.html",
        title=text("report.title", name=held.name),
        kicker=text("report.kicker"),
        heading=held.name,
        tags=[t for t in (task, _network(held), held.environment.get("created", "")[:10]) if t],
        sections=shown,
        severity=severities(),
        **values,
    )


def severities() -> dict[str, str]:
    """Severity → its word."""
    return {name: text(f"report.severity_{name}") for name in ("error", "warning", "note")}


def _network(held: Held) -> str:
    keys = held.recipe.get("model", {})
    return " ".join(str(v) for v in (keys.get("kind"), keys.get("name")) if v)


def _summary(held: Held) -> Values:
    notes: list[tuple[str, str]] = []
    if held.scores is None:
        notes.append(("warning", text("report.unfinished", command=_command("train", "--resume", str(held.run.path)))))
    if held.scores is not None and held.scores["split"] == "folds":
        notes.append(("note", text("report.folds", folds=held.recipe.get("split", {}).get("folds", "–"))))
    leaks = held.leaks()
    if held.recipe.get("data", {}).get("allow_leakage"):
        notes.append(("error", text("report.leakage", n=len(leaks))))
    scores = held.scores or {"notes": [], "headline": [], "classes": []}
    notes += [("warning", text(n["code"], **n["values"])) for n in scores["notes"]]
    if warned := sum(p.severity != "note" for p in held.audit.problems) if held.audit else 0:
        notes.append(("note", text("report.warned", n=warned)))
    task = str(held.recipe["task"]["name"])
    classes = ", ".join(scores["classes"] or held.recipe.get("data", {}).get("classes") or ()) or "–"
    data = Path(str(held.recipe.get("data", {}).get("path", ""))).name or "–"
    return {
        "notes": notes,
        "cards": scoring.headline(scores) if held.scores else [],
        "intended": text("report.intended", task=task, classes=classes, data=data),
    }


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
    return {"matrix": matrix, "confusions": mistakes, "counted": _support(held).lower()} if matrix or mistakes else {}


def _curves(held: Held) -> Values:
    if held.scores is None:
        return {}
    each = dict(held.scores["figures"].get("curves") or {})
    curve, chosen = held.scores["fitted"].get("threshold_curve"), held.scores["fitted"].get("threshold")
    if not each and not curve:
        return {}
    support = dict(zip(held.scores["classes"], held.scores["figures"].get("support", ()), strict=False))
    known = [name for name in each if each[name]["roc"]["x"]]
    most = sorted(known, key=lambda c: -support.get(c, 0))[:_CURVES]
    drawn = {name: each[name] for name in known if name in most}
    caption = text("report.roc_caption")
    if len(drawn) < len(each):
        caption += " " + text("report.roc_some", n=len(drawn), all=len(each))
    return {
        "roc": figures.curves(drawn) if drawn else "",
        "roc_caption": caption,
        "roc_legend": [(name, *figures.legend(i)) for i, name in enumerate(drawn)],
        "threshold": figures.threshold(curve, chosen) if curve else "",
        "chosen": number(chosen),
        "threshold_legend": [
            (scoring.name_of(n), *figures.legend(i, dash=i)) for i, n in enumerate(("precision", "recall", "f1"))
        ],
    }


def _cases(held: Held, store: Store) -> Values:
    if held.scores is None or held.plan is None or not held.plan.task.spatial:
        return {}
    best, worst = scoring.best_and_worst(held.scores["items"], _BEST)
    found = [
        (text("report.worst"), pictures.cases(held, held.plan, worst, store)),
        (text("report.best"), pictures.cases(held, held.plan, best, store)),
    ]
    found = [(heading, some) for heading, some in found if some]
    if not found:
        return {}
    classes = held.scores["classes"]
    names = [n for n in CONFUSION if n != "other" or len(classes) > 2]
    return {
        "cases": found,
        "case_score": scoring.name_of("dice"),
        "confusion_legend": [(text(f"report.{n}"), _hex(CONFUSION[n])) for n in names],
        "class_legend": [(c, _hex(colour(i))) for i, c in enumerate(classes)] if len(classes) > 2 else [],
    }


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
    said = probability(held, item["id"], str(item["predicted"]))
    return said if said is not None else 1 - (item.get("quality") or 0.0)


def _training(held: Held) -> Values:
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
    legend = [
        (text("report.on_training"), *figures.legend(0, dash=1)),
        (text("report.on_validation"), *figures.legend(1)),
    ]
    drawn = figures.training(held.history, score=score, best=best["epoch"] if best else None)
    return {"training": drawn, "training_caption": caption, "training_legend": legend}


def _data(held: Held, store: Store) -> Values:
    if held.audit is None:
        return {}
    task = (held.model or {}).get("task", {}).get("options", {})
    plan = held.plan
    return {
        "facts": describing.facts(held.audit, layout=plan.index.layout if plan else None),
        "classes": describing.counted(held.audit.totals.get("classes", {}))[: describing.SHOWN],
        "label_values": describing.label_values(held.audit, task.get("values")),
        "pixels": describing.pixels(held.audit),
        "value_range": describing.value_range(held.audit),
        "gone": held.gone,
        "previews": pictures.previews(plan.records, store, number=_PREVIEWS, task=plan.task) if plan else [],
    }


def _split(held: Held) -> Values:
    if not held.split:
        return {}
    columns, rows = describing.splits(held.split)
    by = held.environment.get("split_by", "")
    how = text(f"report.by_{by}") if by in {"given", "block", "group", "record"} else str(by)
    if folds := held.recipe.get("split", {}).get("folds"):
        how += " " + text("report.by_fold", folds=folds)
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


def _repeat(held: Held) -> Values:
    folder, data = str(held.run.path), str(held.recipe.get("data", {}).get("path", ""))
    commands = [(text("report.to_train"), _command("train", data, "--recipe", str(held.run.recipe)))]
    if held.model is not None:
        new, out = text("report.new_images"), text("report.new_folder")
        commands += [
            (text("report.to_evaluate"), _command("evaluate", folder)),
            (text("report.to_predict"), f"{_command('predict', folder)} {new} -o {out}"),
        ]
    return {
        "commands": commands,
        "how": _how(held),
        "machine": _machine(held.environment),
        "recipe": held.run.recipe.read_text(encoding="utf-8"),
    }


def _how(held: Held) -> list[tuple[str, str]]:
    """What was trained, and with which numbers."""
    recipe, done = held.recipe, (held.model or {}).get("provenance", {})
    training, count = recipe.get("train", {}), parameters(held.run)
    said = held.environment.get("command") or []
    rows = [
        ("command", f"lamelle {shlex.join(map(str, said))}" if said else None),
        ("data", recipe.get("data", {}).get("path")),
        ("network", _network(held)),
        ("parameters", None if count is None else whole(count)),
        ("trained_on", _optional(done.get("records"), text("report.images").lower())),
        ("epochs_done", _optional(done.get("epochs"))),
        ("steps", _optional(done.get("steps"))),
        ("seconds", None if done.get("seconds") is None else _duration(float(done["seconds"]))),
        ("device", training.get("device")),
        ("precision", training.get("precision")),
        ("threads", _optional(training.get("threads"))),
        ("seed", f"{training.get('seed')} / {recipe.get('split', {}).get('seed')}"),
        ("patch", " × ".join(str(s) for s in training.get("patch") or ()) or None),
        ("batch", _optional(training.get("batch"))),
        ("lr", None if training.get("lr") is None else short(float(training["lr"]))),
        ("loss_function", recipe["task"].get("loss")),
    ]
    return [(text(f"report.how_{name}"), str(value)) for name, value in rows if value not in (None, "")]


def _machine(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("lamelle", about.get("lamelle")),
        ("python", about.get("python")),
        ("system", about.get("system")),
        ("cores", about.get("cores")),
        ("created", about.get("created")),
        ("variables", ", ".join(f"{k}={v}" for k, v in (about.get("variables") or {}).items())),
        ("libraries", ", ".join(f"{k} {v}" for k, v in (about.get("libraries") or {}).items())),
    ]
    return [(text(f"report.machine_{name}"), str(value)) for name, value in rows if value not in (None, "")]


def _optional(value: int | None, unit: str = "") -> str | None:
    return None if value is None else f"{whole(int(value))} {unit}".strip()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.1f} s"


def _command(*words: str) -> str:
    return shlex.join(["lamelle", *(w for w in words if w)])


def _hex(rgb: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)
