"""Lists of runs, and of what would go, as lines of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lamelle.errors import printable
from lamelle.messages import text
from lamelle.reports.html import number, whole
from lamelle.reports.methods import duration
from lamelle.studies.listing import RunSummary, outer
from lamelle.studies.pruning import PruneList
from lamelle.studies.verification import Verified

_COLUMNS = ("run", "state", "task", "data", "date", "epochs", "score", "time", "parameters", "size")
_UNITS = ("B", "kB", "MB", "GB")


def table(runs: Sequence[RunSummary]) -> list[str]:
    """One line for each run, those of a study below its name, and a line that counts them.

    Example:
        >>> from pathlib import Path
        >>> table([RunSummary(Path("a"), "a", "", "interrupted")])[-1]
        '1 run, 0 B'
    """
    rows = [[text(f"runs.column_{name}") for name in _COLUMNS]]
    by_path, study = {run.path: run for run in runs}, ""
    for run in runs:
        around = outer(run, by_path)
        top = around[-1] if around else run
        if top.study not in ("", study):
            rows.append([printable(top.study) + "/"])
        study = top.study
        rows.append(_row(run, len(around) + bool(study)))
    widths = [max(len(row[i]) for row in rows if len(row) > 1) for i in range(len(_COLUMNS))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=False)).rstrip() for row in rows]
    code = "runs.total_one" if len(runs) == 1 else "runs.total"
    damaged = [text("runs.damaged", run=printable(r.name), why=printable(r.why)) for r in runs if r.why]
    return [*(lines if runs else ()), *damaged, text(code, n=len(runs), size=size(sum(r.bytes for r in runs)))]


def _row(run: RunSummary, depth: int) -> list[str]:
    name = run.name.removeprefix(f"{run.study}/")
    return [
        "  " * depth + printable(name),
        text(f"runs.state_{run.state}"),
        run.task or "–",
        printable(run.data.rstrip("/").rsplit("/", 1)[-1]) or "–",
        run.created[:16].replace("T", " ") or "–",
        "–" if run.epochs is None else str(run.epochs),
        _score(run),
        "–" if run.seconds is None else duration(run.seconds),
        "–" if run.parameters is None else whole(run.parameters),
        size(run.bytes),
    ]


def _score(run: RunSummary) -> str:
    if run.value is None:
        return "–"
    where = f" ({text('report.split_validation').lower()})" if run.split == "validation" else ""
    interval = "" if run.low is None else f" [{number(run.low)}, {number(run.high)}]"
    return f"{run.score} {number(run.value)}{interval}{where}"


def verified(artefacts: Sequence[Verified]) -> list[str]:
    """Each run with a line for each of its files, and how many there are of each kind."""
    words = {state: text(f"runs.file_{state}") for state in ("whole", "changed", "missing", "unknown")}
    width, lines = max(map(len, words.values())), list[str]()
    for one in artefacts:
        lines.append(printable(str(one.path)))
        lines += [f"  {words[state].ljust(width)}  {printable(name)}" for name, state in one.files.items()]
    counts = Counter(state for one in artefacts for state in one.files.values())
    totals = ", ".join(f"{counts[state]} {word}" for state, word in words.items() if counts[state] or state == "whole")
    return [*lines, text("runs.verified", n=counts.total(), counts=totals)]


def pruned(plan: PruneList, *, done: bool) -> list[str]:
    """What goes, what stays and why, and how much room it makes."""
    lines = [text("runs.goes", path=printable(str(one.path)), size=size(one.bytes)) for one in plan.going]
    lines += [text("runs.stays", path=printable(str(run.path)), why=printable(why)) for run, why in plan.staying]
    code = "runs.pruned" if done else "runs.would_prune" if plan.going else "runs.nothing_to_prune"
    return [*lines, text(code, n=len(plan.going), size=size(plan.bytes))]


def size(count: int) -> str:
    """Bytes as people say them.

    Example:
        >>> size(512), size(48_234_567)
        ('512 B', '48.2 MB')
    """
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{number(value, 1 if unit else 0)} {_UNITS[unit]}"
