"""The page of a search: the best trial and what its score is worth, all trials, and which keys matter."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from lamelle.messages import labelled, text
from lamelle.messages.numbers import unit_of
from lamelle.metrics.intervals import few_units, why_none
from lamelle.metrics.names import name_of
from lamelle.reports import figures, search_figures
from lamelle.reports.html import number, percent, render, short
from lamelle.results.scores import MeanScore, Score

_ONE_SIDED = ("recall", "precision", "specificity")
"""Scores that are perfect if one thing is said always, or hardly ever."""
LOSS = "validation_loss"
"""Name of the loss beside the scores of a trial."""
_TERMINAL = 12
"""Trials that the terminal shows; the table has them all."""


def page(name: str, content: Mapping[str, Any], command: Sequence[str]) -> str:
    """The page as text."""
    done = [row for row in content["trials"] if row["state"] == "done"]
    score, shares = name_of(content["objective"]), content["importance"]
    shown = ["summary", *(["course", "where"] if done else []), *(["importance"] if shares else [])]
    return render(
        "search.html",
        title=text("tune.title", name=name),
        kicker=text("tune.kicker"),
        heading=name,
        tags=[text("tune.tag_trials", n=len(content["trials"])), text(f"tune.sampler_{content['sampler']}"), score],
        sections=[(s, text(f"tune.section_{s}")) for s in (*shown, "trials", "repeat")],
        sentences=sentences(content),
        history=_history(content, score) if done else "",
        history_legend=_legend(content),
        parallel=search_figures.parallel(content, score=score) if done else "",
        importance=search_figures.importance(shares) if shares else "",
        test=_test(content),
        columns=_columns(content, beside := content["beside"]),
        rows=[(row["trial"] == content["best"], _cells(row, content, beside)) for row in _ranked(content)],
        links=[(run, quote(f"{run}/report.html")) for run in content.get("runs", ())],
        command=shlex.join(["lamelle", *(command or ["tune"])]),
    )


def sentences(content: Mapping[str, Any]) -> list[str]:
    """What came of the search, and how far it is to be trusted."""
    rows, score = content["trials"], name_of(content["objective"])
    states = [row["state"] for row in rows]
    counts = {state: states.count(state) for state in ("done", "stopped", "failed", "running", "waiting")}
    said = [text("tune.counts", n=len(rows), **counts)]
    if counts["running"] or counts["waiting"]:
        said.append(text("tune.unfinished"))
    best = next((row for row in rows if row["trial"] == content["best"]), None)
    if best is None:
        return [*said, text("tune.none_done")]
    bounds = {k: number(best[k]) for k in ("value", "low", "high")} | {"why": _why(best)}
    code = "tune.best_alone" if bounds["why"] else "tune.best"
    said.append(text(code, score=score, trial=best["trial"], params=_params(best), **bounds, **_drawn_from(best)))
    if best["n"] is not None and few_units(best["n"]):
        said.append(text("report.few_units", n=best["n"]))
    said.append(text("tune.optimistic", n=counts["done"]))
    if content["objective"].partition("/")[0] in _ONE_SIDED:
        balanced = {k: v for k, v in best["beside"].items() if "/" not in k and k not in (LOSS, *_ONE_SIDED)}
        beside = ", ".join(f"{name_of(k)} {_shown(v)}" for k, v in balanced.items())
        said.append(text("tune.one_sided", score=score, beside=beside or "–"))
    tied = [row["trial"] for row in rows if row["state"] == "done" and math.isclose(row["value"], best["value"])]
    if len(tied) > 1:
        said.append(text("tune.tied", trials=", ".join(map(str, sorted(tied)))))
    if content["alike"] > 1:
        said.append(text("tune.alike", n=content["alike"], done=counts["done"]))
    shares = content["importance"]
    if shares and (key := max(shares, key=lambda k: shares[k])):
        said.append(text("tune.matters", key=key, share=percent(shares[key])))
    test = content["test"]
    if test is None:
        return [*said, text("tune.advice", folder=f"trials/{best['folder']}")]
    for name, one in _tested(content).items():
        if "/" in name and name != content["objective"]:
            continue  # of single classes: in the table
        values = {k: number(one[k]) for k in ("value", "low", "high")} | {"why": why_none(MeanScore.read(one))}
        code = "tune.tested_alone" if values["why"] else "tune.tested"
        said.append(text(code, score=name_of(name), seeds=content["seeds"], **values, **_drawn_from(one)))
    return said


def terminal(content: Mapping[str, Any]) -> list[str]:
    """The best trials and the sentences as lines of text."""
    beside = _narrow(content["beside"])
    rows = [_columns(content, beside), *(_cells(row, content, beside) for row in _ranked(content)[:_TERMINAL])]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    table = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    if (left := len(content["trials"]) - _TERMINAL) > 0:
        table.append(text("tune.more", n=left))
    return [*table, "", *sentences(content)]


def _ranked(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The best first; then those that were stopped, failed, or are not done."""
    sign, order = (1 if content["less"] else -1), ("done", "stopped", "failed", "running", "waiting")
    return sorted(content["trials"], key=lambda r: (order.index(r["state"]), sign * (r["value"] or 0), r["point"]))


def _narrow(beside: Sequence[str]) -> list[str]:
    """What a terminal has room for: the score that tells the best epoch, F1 of two classes, validation loss."""
    each = [name for name in beside if name.startswith("f1/")]
    return [*beside[:1], *(each if len(each) <= 2 else ()), *(name for name in beside[1:] if name == LOSS)]


def _columns(content: Mapping[str, Any], beside: Sequence[str]) -> list[str]:
    keys = [d["key"] for d in content["dimensions"]]
    heads = [text(f"tune.column_{c}") for c in ("epochs", "best_epoch", "seconds", "state")]
    scores = [text("tune.column_loss") if name == LOSS else name_of(name) for name in (content["objective"], *beside)]
    return [text("tune.column_trial"), *keys, *scores, *heads]


def _cells(row: Mapping[str, Any], content: Mapping[str, Any], beside: Sequence[str]) -> list[str]:
    values = [_written(row["params"].get(d["key"])) for d in content["dimensions"]]
    score = "–" if row["value"] is None else f"{number(row['value'])} {_interval(row)}"
    state = text(f"tune.state_{row['state']}")
    known = row.get("beside") or {}
    shown = ["–" if known.get(name) is None else _shown(known[name]) for name in beside]
    counts = ["–" if row.get(k) is None else str(row[k]) for k in ("epochs", "best_epoch")]
    why = labelled(state, row["reason"]) if row.get("reason") else state
    trial = "–" if row["trial"] is None else str(row["trial"])
    return [trial, *values, score, *shown, *counts, number(row.get("seconds"), 1), why]


def _shown(one: Mapping[str, Any]) -> str:
    """A score with its interval or the reason why there is none; a loss, which has neither, alone."""
    if "n" not in one:
        return number(one["value"])
    why = why_none(Score.read(one))
    return f"{number(one['value'])} " + (f"({why})" if why else f"[{number(one['low'])}, {number(one['high'])}]")


def _why(row: Mapping[str, Any]) -> str:
    """Why a trial's score has no interval; ``reason`` of a trial is why it failed."""
    return why_none(Score.read({**row, "reason": row.get("without")}))


def _interval(row: Mapping[str, Any]) -> str:
    why = _why(row)
    return f"({why})" if why else f"[{number(row['low'])}, {number(row['high'])}]"


def _written(value: object) -> str:
    return "–" if value is None else short(value) if isinstance(value, float) else str(value)


def _params(row: Mapping[str, Any]) -> str:
    return " ".join(
        f"{key}={value!r}" if isinstance(value, float) else f"{key}={value}" for key, value in row["params"].items()
    )


def _drawn_from(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"n": one["n"], "unit": unit_of(one["unit"], one["n"]), "level": f"{round(100 * one['level'])} %"}


def _history(content: Mapping[str, Any], score: str) -> str:
    return search_figures.history(content["trials"], best=content["best"], less=content["less"], score=score)


def _legend(content: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    states = {row["state"] for row in content["trials"]}
    names = ["one", "so_far", *(s for s in ("stopped", "failed") if s in states)]
    places = {"one": 0, "so_far": 1, "stopped": 2, "failed": 3}
    return [(text(f"tune.legend_{n}"), *figures.legend(places[n], dash=0)) for n in names]


def _tested(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Scores of the test set, that of the search first."""
    scores = content["test"]["lines"][0]["scores"]
    names = [content["objective"], *scores]
    return {name: scores[name] for name in dict.fromkeys(names) if name in scores}


def _range(one: Mapping[str, Any]) -> str:
    return f"{number(one['low'])} – {number(one['high'])}"


def _test(content: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    if content["test"] is None:
        return []
    return [
        (name_of(name), number(one["value"]), why_none(MeanScore.read(one)) or _range(one), number(one["spread"]))
        for name, one in _tested(content).items()
    ]
