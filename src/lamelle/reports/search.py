"""The page of a search: the best trial and what its score is worth, all trials, and which keys matter."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from lamelle.messages import labelled, text
from lamelle.messages.numbers import unit_of
from lamelle.metrics.intervals import few_units, why_none
from lamelle.metrics.names import name_of
from lamelle.registry import Registry
from lamelle.reports import figures, search_figures
from lamelle.reports.blocks import Block, Code, Notice, Notices, Paragraph, Plot, TableBlock
from lamelle.reports.html import DrawnPage, interval, number, percent, render, short
from lamelle.reports.sections import Section, drawn
from lamelle.results.scores import MeanScore, Score
from lamelle.results.studies import SearchResult, Trial

_ONE_SIDED = ("recall", "precision", "specificity")
"""Scores that are perfect if one thing is said always, or hardly ever."""
_TERMINAL = 12
"""Trials that the terminal shows; the table has them all."""
_STATES = ("done", "stopped", "failed", "running", "waiting")


def page(name: str, result: SearchResult, command: Sequence[str], *, sampler: str) -> str:
    """The page as text.

    Args:
        command: What repeats it.
        sampler: What people call what chose the points.
    """
    about = _SearchPage(result, shlex.join(["lamelle", *(command or ["tune"])]))
    return render(
        DrawnPage(
            title=text("tune.title", name=name),
            kicker=text("tune.kicker"),
            heading=name,
            tags=[text("tune.tag_trials", n=len(result.trials)), sampler, name_of(result.objective)],
            sections=drawn(SECTIONS, about),
        )
    )


@dataclass(frozen=True, slots=True)
class _SearchPage:
    """What the page is about."""

    result: SearchResult
    command: str

    @property
    def done(self) -> list[Trial]:
        return self.result.done

    @property
    def importance(self) -> Mapping[str, float]:
        return self.result.importance


def _summary(page: _SearchPage) -> list[Block]:
    """What came of it, and the scores on the test set."""
    result = page.result
    notes = Notices([Notice(one) for one in sentences(result)])
    if result.test is None:
        return [notes]
    caption, columns = text("tune.test_caption"), ("score", "value", "interval", "spread")
    table = TableBlock([text(f"tune.column_{c}") for c in columns], _test(result), caption, caption)
    links = [(run, quote(f"{run}/report.html")) for run in result.test.lines[0].runs]
    return [notes, table, Paragraph(look="small", links=links)]


def _history(page: _SearchPage) -> list[Block]:
    svg = search_figures.history(page.result, score=name_of(page.result.objective))
    return [Plot(svg, text("tune.history_alt"), text("tune.history_caption"), _legend(page.result), "w80")]


def _parallel(page: _SearchPage) -> list[Block]:
    svg = search_figures.parallel(page.result, score=name_of(page.result.objective))
    return [Plot(svg, text("tune.parallel_alt"), text("tune.parallel_caption"))]


def _importance(page: _SearchPage) -> list[Block]:
    svg = search_figures.importance(page.importance)
    return [Plot(svg, text("tune.importance_alt"), text("tune.importance_caption"), look="w80")]


def _trials(page: _SearchPage) -> list[Block]:
    """All trials, the best first."""
    result, rows = page.result, []
    for one in _ranked(result):
        trial, *cells = _cells(one, result, result.other_scores)
        rows.append([f"{trial} ★" if one is result.best_trial else trial, *cells])
    return [Paragraph(text("tune.trials_caption"), "muted"), TableBlock(_columns(result, result.other_scores), rows)]


SECTIONS: Registry[Section[_SearchPage]] = Registry(
    "search_section",
    Section("summary", "Summary", _summary),
    Section("course", "Course", _history, needs=("done",)),
    Section("where", "Where the good trials lie", _parallel, needs=("done",)),
    Section("importance", "Which keys matter", _importance, needs=("importance",)),
    Section("trials", "All trials", _trials),
    Section("repeat", "Repeat", lambda found: [Code(found.command)]),
)
"""The sections of the page, in its order."""


def sentences(result: SearchResult) -> list[str]:
    """What came of the search, and how far it is to be trusted."""
    states = Counter(one.state for one in result.trials)
    lines = [text("tune.counts", n=len(result.trials), **{state: states[state] for state in _STATES})]
    if states["running"] or states["waiting"]:
        lines.append(text("tune.unfinished"))
    best = result.best_trial
    if best is None or best.score is None:
        return [*lines, text("tune.none_done")]
    lines += _best(best, best.score, result)
    if result.importance and (key := max(result.importance, key=lambda k: result.importance[k])):
        lines.append(text("tune.matters", key=key, share=percent(result.importance[key])))
    if result.test is None:
        return [*lines, text("tune.advice", folder=f"trials/{best.folder}")]
    for name, one in _tested(result).items():
        if "/" not in name or name == result.objective:  # those of single classes stand in the table
            code = "tune.tested_alone" if why_none(one) else "tune.tested"
            lines.append(text(code, score=name_of(name), seeds=result.test.lines[0].seeds, **_values(one)))
    return lines


def _best(best: Trial, score: Score, result: SearchResult) -> list[str]:
    """The best trial, and what speaks against taking its score for more than it is."""
    objective, done = name_of(result.objective), result.done
    code = "tune.best_alone" if why_none(score) else "tune.best"
    lines = [text(code, score=objective, trial=best.trial, params=_params(best), **_values(score))]
    if few_units(score.n):
        lines.append(text("report.few_units", n=score.n))
    lines.append(text("tune.optimistic", n=len(done)))
    if result.objective.partition("/")[0] in _ONE_SIDED:
        balanced = {k: v for k, v in best.other_scores.items() if "/" not in k and k not in _ONE_SIDED}
        others = ", ".join(f"{name_of(k)} {_shown(v)}" for k, v in balanced.items())
        lines.append(text("tune.one_sided", score=objective, beside=others or "–"))
    tied = [one.trial for one in done if one.score is not None and math.isclose(one.score.value, score.value)]
    if len(tied) > 1:
        lines.append(text("tune.tied", trials=", ".join(map(str, tied))))
    if result.within_interval > 1:
        lines.append(text("tune.within_interval", n=result.within_interval, done=len(done)))
    return lines


def terminal(result: SearchResult) -> list[str]:
    """The best trials and the sentences as lines of text."""
    others = _narrow(result.other_scores)
    rows = [_columns(result, others), *(_cells(one, result, others) for one in _ranked(result)[:_TERMINAL])]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    table = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    if (left := len(result.trials) - _TERMINAL) > 0:
        table.append(text("tune.more", n=left))
    return [*table, "", *sentences(result)]


def _ranked(result: SearchResult) -> list[Trial]:
    """The best first; then those that were stopped, failed, or are not done."""
    sign = 1 if result.direction == "minimize" else -1

    def place(one: Trial) -> tuple[int, float, int]:
        return _STATES.index(one.state), sign * one.score.value if one.score is not None else 0.0, one.point

    return sorted(result.trials, key=place)


def _narrow(others: Sequence[str]) -> list[str]:
    """What a terminal has room for: the score that tells the best epoch, and F1 of two classes."""
    each = [name for name in others if name.startswith("f1/")]
    return [*others[:1], *(each if len(each) <= 2 else ())]


def _columns(result: SearchResult, others: Sequence[str]) -> list[str]:
    keys = [d.key for d in result.dimensions]
    scores = [name_of(name) for name in (result.objective, *others)]
    heads = [text(f"tune.column_{c}") for c in ("loss", "epochs", "best_epoch", "seconds", "state")]
    return [text("tune.column_trial"), *keys, *scores, *heads]


def _cells(one: Trial, result: SearchResult, others: Sequence[str]) -> list[str]:
    values = [_written(one.params.get(d.key)) for d in result.dimensions]
    scores = [_shown(score) for score in (one.score, *(one.other_scores.get(name) for name in others))]
    counts = ["–" if count is None else str(count) for count in (one.epochs, one.best_epoch)]
    state = text(f"tune.state_{one.state}")
    why = labelled(state, one.reason) if one.reason else state
    trial = "–" if one.trial is None else str(one.trial)
    return [trial, *values, *scores, number(one.loss), *counts, number(one.seconds, 1), why]


def _shown(one: Score | None) -> str:
    """A score with its interval or the reason why there is none."""
    return "–" if one is None else f"{number(one.value)} {interval(one)}"


def _written(value: str | int | float | None) -> str:
    return "–" if value is None else short(value) if isinstance(value, float) else str(value)


def _params(one: Trial) -> str:
    return " ".join(
        f"{key}={value!r}" if isinstance(value, float) else f"{key}={value}" for key, value in one.params.items()
    )


def _values(one: Score) -> dict[str, str | int]:
    """A score as the sentences take it."""
    numbers = {"value": number(one.value), "low": number(one.low), "high": number(one.high), "why": why_none(one)}
    return {**numbers, "n": one.n, "unit": unit_of(one.unit, one.n), "level": f"{round(100 * one.level)} %"}


def _legend(result: SearchResult) -> list[tuple[str, str, str]]:
    states = {one.state for one in result.trials}
    names = ["one", "so_far", *(s for s in ("stopped", "failed") if s in states)]
    places = {"one": 0, "so_far": 1, "stopped": 2, "failed": 3}
    return [(text(f"tune.legend_{n}"), *figures.legend(places[n], dash=0)) for n in names]


def _tested(result: SearchResult) -> dict[str, MeanScore]:
    """Scores of the test set, that of the search first."""
    if result.test is None:
        return {}
    scores = result.test.lines[0].scores
    return {name: scores[name] for name in dict.fromkeys([result.objective, *scores]) if name in scores}


def _test(result: SearchResult) -> list[list[str]]:
    """Name, value, interval and spread of each score of the test set."""
    rows = []
    for name, one in _tested(result).items():
        bounds = why_none(one) or f"{number(one.low)} – {number(one.high)}"
        rows.append([name_of(name), number(one.value), bounds, number(one.spread)])
    return rows
