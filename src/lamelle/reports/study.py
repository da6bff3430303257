"""The page of a comparison: one table, what differs by more than noise, and how to repeat it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lamelle.io import atomic
from lamelle.messages import text
from lamelle.messages.numbers import unit_of
from lamelle.metrics.intervals import few_units, why_none
from lamelle.metrics.names import is_share, less_is_better, name_of
from lamelle.reports import figures, study_figures
from lamelle.reports.html import number, render, whole
from lamelle.results.scores import MeanScore

_HISTORY = ("train_accuracy", "accuracy", "train_loss", "loss")
_DRAWN = 4
"""Scores that the figure shows at most."""
_COUNTS = ("trainable", "parameters", "parameters_with_statistics")


def write_study(path: Path, *, name: str, scores: Mapping[str, Any], request: Mapping[str, Any]) -> Path:
    """Write the self-contained page of a study.

    Args:
        path: The page.
        scores: Content of the study's ``scores.json``.
        request: What was asked for.

    Returns:
        Path of the page.
    """
    atomic.write_text(path, page(name, scores, request))
    return path


def page(name: str, scores: Mapping[str, Any], request: Mapping[str, Any]) -> str:
    """The page as text."""
    names = _overall(scores)
    listed = [f"{i + 1}: {line['name']}" for i, line in enumerate(scores["lines"])]
    return render(
        "study.html",
        title=text("report.study_title", name=name),
        kicker=text("report.study_kicker"),
        heading=name,
        tags=[text("report.study_tag", variants=len(scores["lines"]), runs=sum(x["seeds"] for x in scores["lines"]))],
        sections=[(s, text(f"report.section_{s}")) for s in ("summary", "scores", "training", "repeat")],
        sentences=sentences(scores),
        columns=[name_of(s) for s in names],
        rows=[
            (line["name"], line["seeds"], _links(line), [_cell(line["scores"][s]) for s in names])
            for line in scores["lines"]
        ],
        drawing=study_figures.side_by_side(scores["lines"], _drawn(scores)),
        legend=[(name, *figures.legend(i, dash=0)) for i, name in enumerate(listed)],
        class_columns=[name_of(s) for s in _of_classes(scores)],
        class_rows=_by_class(scores),
        caption=text("report.study_caption", **_resampled(scores)),
        heads=[text(f"report.study_{key}") for key in (*_HISTORY, "seconds", "epochs", *_COUNTS)],
        training=[_training(line) for line in scores["lines"]],
        command=shlex.join(["lamelle", *map(str, request.get("command") or ["compare"])]),
    )


def sentences(scores: Mapping[str, Any]) -> list[str]:
    """Which variant scores best, and for each whether it differs from the first by more than noise."""
    score, lines = scores["score"], scores["lines"]
    sign = -1 if less_is_better(score) else 1
    known = [line for line in lines if line["scores"][score]["value"] is not None]
    said = []
    if known:
        best = max(known, key=lambda line: sign * line["scores"][score]["value"])
        value, interval, _ = _cell(best["scores"][score])
        code = "study_alone" if len(lines) == 1 else "study_best" if sign > 0 else "study_lowest"
        highest = best["scores"][score]["value"]
        alike = [line["name"] for line in known if math.isclose(line["scores"][score]["value"], highest)]
        if len(alike) > 1:
            said.append(text("report.study_tied", names=", ".join(alike), score=name_of(score), value=value))
        else:
            said.append(text(f"report.{code}", name=best["name"], score=name_of(score), value=value, interval=interval))
    for d in scores["differences"]:
        if d["p"] is None:
            about = {
                "name": d["name"],
                "reference": d["reference"],
                "n": d["n"],
                "unit": unit_of(scores["unit"], scores["n"]),
            }
            code = "study_without" if d["value"] is None else "study_no_verdict"
            said.append(text(f"report.{code}", score=name_of(d["score"]), **about))
            continue
        code = "study_noise" if d["noise"] else "study_better" if sign * d["value"] > 0 else "study_worse"
        values = {"name": d["name"], "reference": d["reference"], "score": name_of(d["score"])}
        shown = _bounds(d | {"value": abs(d["value"]) if code != "study_noise" else d["value"]})
        if code != "study_noise" and d["value"] < 0:
            shown |= {"low": number(-d["high"]), "high": number(-d["low"])}
        said.append(text(f"report.{code}", **values, **shown, p=_p(d["p"])))
        if not d["noise"] and d["low"] <= 0 <= d["high"]:
            said.append(text("report.study_how_large", p=_p(d["p"])))
    if scores["differences"]:
        said.append(text("report.study_corrected", m=len(scores["differences"]), **_resampled(scores)))
    if few_units(scores["n"]):
        said.append(text("report.few_units", n=scores["n"]))
    return said


def _overall(scores: Mapping[str, Any]) -> list[str]:
    """The scores that are not of one class, and the one that decides."""
    return [s for s in scores["lines"][0]["scores"] if "/" not in s or s == scores["score"]]


def _drawn(scores: Mapping[str, Any]) -> list[str]:
    """The scores of the figure: the one that decides, then others between 0 and 1."""
    others = [s for s in _overall(scores) if is_share(s)]
    return list(dict.fromkeys([scores["score"], *others]))[:_DRAWN]


def _of_classes(scores: Mapping[str, Any]) -> list[str]:
    """The scores that the table by class has."""
    return list(dict.fromkeys(s.partition("/")[0] for s in scores["lines"][0]["scores"] if "/" in s))


def _by_class(scores: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, list[tuple[str, str, str]]]]]]:
    """For each class, and each variant: the scores of that class."""
    columns, known = _of_classes(scores), scores["lines"][0]["scores"]
    classes = dict.fromkeys(s.partition("/")[2] for s in known if "/" in s)
    keys = {name: [f"{c}/{name}" for c in columns] for name in classes}
    nothing = {"value": None, "low": None, "high": None, "spread": None, "reason": "undefined", "n": 0, "unit": "image"}
    return [
        (name, [(line["name"], [_cell(line["scores"].get(k, nothing)) for k in each]) for line in scores["lines"]])
        for name, each in keys.items()
    ]


def _links(line: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and address of the report of each run of a variant."""
    return [(run.rpartition("/")[2], quote(f"{run}/report.html")) for run in line.get("runs", ())]


def terminal(scores: Mapping[str, Any]) -> list[str]:
    """The table and the sentences as lines of text; the scores of single classes are in the table and on the page."""
    names = _overall(scores)
    head = [text(f"report.study_{key}") for key in ("variant", "seeds")] + [name_of(s) for s in names]
    head += [text(f"report.study_{key}") for key in (*_HISTORY, "seconds", "trainable")]
    rows = [head]
    for line in scores["lines"]:
        cells = [" ".join(part for part in _cell(line["scores"][s]) if part) for s in names]
        history = [number(line["history"].get(k)) for k in _HISTORY]
        trainable = "–" if line["trainable"] is None else whole(line["trainable"])
        rows.append([line["name"], str(line["seeds"]), *cells, *history, number(line["seconds"], 1), trainable])
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    table = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*table, "", text("report.study_caption", **_resampled(scores)), *sentences(scores)]


def _cell(one: Mapping[str, Any]) -> tuple[str, str, str]:
    """Value, interval with its n (or why there is none) and spread."""
    spread = "" if one["spread"] is None else f"± {number(one['spread'])}"
    interval = f"[{number(one['low'])}, {number(one['high'])}], n = {whole(one['n'])}"
    why = why_none(MeanScore.read(one))
    return number(one["value"]), f"({why})" if why else interval, spread


def _training(line: Mapping[str, Any]) -> tuple[str, list[str]]:
    history = line["history"]
    cells = [number(history.get(k)) for k in _HISTORY]
    cells += [number(line["seconds"], 1), number(line["epochs"], 1)]
    cells += ["–" if line[k] is None else whole(line[k]) for k in _COUNTS]
    return line["name"], cells


def _bounds(one: Mapping[str, Any]) -> dict[str, str]:
    return {key: number(one[key]) for key in ("value", "low", "high")}


def _resampled(scores: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "n": scores["n"],
        "unit": unit_of(scores["unit"], scores["n"]),
        "level": f"{round(100 * scores['level'])} %",
    }


def _p(value: float | None) -> str:
    return "–" if value is None else f"< {number(0.01, 2)}" if value < 0.01 else f"= {number(value, 2)}"
