"""What ``lamelle check`` found, in the terminal: a table, or plain lines where nobody is looking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lamelle.data.audit.results import Audit
from lamelle.errors import printable, sentence
from lamelle.messages import text
from lamelle.reports import describing
from lamelle.types import Index, Problem

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from lamelle.splitting import Outlook

EACH = 10
"""Places of one problem that the table lists; plain lines list all."""
_ORDER = {"error": 0, "warning": 1, "note": 2}
_STYLE = {"error": "bold red", "warning": "yellow", "note": "blue"}


def print_check(index: Index, audit: Audit, outlook: Outlook, console: Console | None = None) -> None:
    """Print what is in a folder, how a training would split it, and what is wrong with it.

    Args:
        console: Where to; None = standard output.
    """
    from rich.console import Console

    out = console or Console()
    problems = sorted(audit.problems, key=lambda p: _ORDER[p.severity])
    for label, value in describing.facts(audit, layout=index.layout):
        out.print(f"{label}: {printable(value)}", markup=False, highlight=False, soft_wrap=True)
    if classes := audit.totals.get("classes"):
        listed = ", ".join(f"{printable(name)} ({n})" for name, n in classes.items())
        out.print(f"{text('report.classes')}: {listed}", markup=False, highlight=False, soft_wrap=True)
    if index.skipped:
        listed = ", ".join(f"{printable(reason)} ({n})" for reason, n in index.skipped.items())
        out.print(f"{text('report.skipped')}: {listed}", markup=False, highlight=False, soft_wrap=True)
    for line in _planned(outlook):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    if problems and out.is_terminal:
        out.print(problem_table(problems))
    elif problems:
        for problem in problems:
            line = f"{text(f'report.severity_{problem.severity}')}: {sentence(problem)}"
            out.print(line, markup=False, highlight=False, soft_wrap=True)
    n = Counter(p.severity for p in problems)
    out.print(text("report.counts", errors=n["error"], warnings=n["warning"], notes=n["note"]), highlight=False)


def _planned(outlook: Outlook) -> list[str]:
    """The split that a training would make, a line each."""
    if not outlook.records:
        return []
    columns, rows = describing.outlook(outlook)
    lines = [text("report.outlook_by", by=text(f"verbs.by_{outlook.by}"))]
    for name, values in rows:
        said = ", ".join(f"{printable(c)}: {v}" for c, v in zip(columns, values, strict=True))
        lines.append(f"  {name} – {said}")
    smallest = describing.smallest_class(outlook)
    return [*lines, f"  {printable(smallest)}"] if smallest else lines


def problem_table(problems: Sequence[Problem]) -> Table:
    """Problems as a table of severity, place and sentence; of each kind the first ones, and how many more there are."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(text("report.severity"), no_wrap=True)
    table.add_column(text("report.place"), overflow="fold", ratio=2)
    table.add_column(text("report.problem"), ratio=5)
    seen: Counter[str] = Counter()
    kinds = Counter(p.code for p in problems)
    for problem in problems:
        seen[problem.code] += 1
        if seen[problem.code] > EACH:
            continue
        word = Text(text(f"report.severity_{problem.severity}"), style=_STYLE[problem.severity])
        said = text(problem.code, **problem.values)
        if seen[problem.code] == EACH and kinds[problem.code] > EACH:
            said += "\n" + text("report.more_of_kind", n=kinds[problem.code] - EACH)
        table.add_row(word, Text(printable(problem.where)), Text(said))
    return table
