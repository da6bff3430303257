"""What ``lamelle check`` found, in the terminal: a table, or plain lines where nobody is looking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lamelle.errors import graded, kinds, printable
from lamelle.messages import labelled, text
from lamelle.reports import dataset, splits
from lamelle.results.audit import Audit
from lamelle.types import Index, Problem

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from lamelle.runs.splitting import Outlook

EACH = 4
"""Places of one kind of problem that the table lists."""
_STYLE = {"error": "bold red", "warning": "yellow", "note": "blue"}


def print_check(index: Index, audit: Audit, outlook: Outlook, console: Console | None = None) -> None:
    """Print what is in a folder, how a training would split it, and what is wrong with it.

    Args:
        console: Where to; None = standard output.
    """
    from rich.console import Console

    out = console or Console()
    for label, value in dataset.facts(audit, layout=index.layout).rows:
        out.print(labelled(label, printable(value)), markup=False, highlight=False, soft_wrap=True)
    if classes := audit.totals.get("classes"):
        listed = ", ".join(f"{printable(name)} ({n})" for name, n in classes.items())
        out.print(labelled(text("report.classes"), listed), markup=False, highlight=False, soft_wrap=True)
    if index.skipped:
        listed = ", ".join(f"{printable(reason)} ({n})" for reason, n in index.skipped.items())
        out.print(labelled(text("report.skipped"), listed), markup=False, highlight=False, soft_wrap=True)
    for line in _planned(outlook):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    if audit.problems and out.is_terminal:
        out.print(problem_table(audit.problems))
    elif audit.problems:
        for line in graded(audit.problems):
            out.print(line, markup=False, highlight=False, soft_wrap=True)
    if any(len(kind) > 1 for kind in kinds(audit.problems)):
        out.print(text("report.all_places"), markup=False, highlight=False, soft_wrap=True)
    n = Counter(p.severity for p in audit.problems)
    out.print(text("report.counts", errors=n["error"], warnings=n["warning"], notes=n["note"]), highlight=False)


def _planned(outlook: Outlook) -> list[str]:
    """The split that a training would make, a line each."""
    if not outlook.records:
        return []
    columns, rows = splits.outlook(outlook)
    lines = [text("report.outlook_by", by=text(f"verbs.by_{outlook.by}"))]
    for name, values in rows:
        cells = ", ".join(labelled(printable(c), v) for c, v in zip(columns, values, strict=True))
        lines.append(f"  {name} – {cells}")
    smallest = splits.smallest_class(outlook)
    return [*lines, f"  {printable(smallest)}"] if smallest else lines


def problem_table(problems: Sequence[Problem]) -> Table:
    """A row for each kind of problem: severity, the first places, and what is wrong at the first of them."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(text("report.severity"), no_wrap=True)
    table.add_column(text("report.place"), overflow="fold", ratio=2)
    table.add_column(text("report.problem"), ratio=5)
    for kind in kinds(problems):
        first, severity = kind[0], kind[0].severity
        places = list(dict.fromkeys(printable(p.where) for p in kind))
        sentence, more = text(first.code, **first.values), len(kind) - 1
        if more:
            sentence += "\n" + text("report.more_of_kind", n=more)
        if len(places) > EACH:
            places = [*places[:EACH], f"… (+{len(places) - EACH})"]
        word = Text(text(f"report.severity_{severity}"), style=_STYLE[severity])
        table.add_row(word, Text("\n".join(places)), Text(sentence))
    return table
