"""``lamelle runs``: which verb its options ask for, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from lamelle import verbs
from lamelle.errors import RequestError, WorkError, printable
from lamelle.messages import text

_FILTERS = ("task", "data", "since", "state", "score", "least", "sort")
_NAMED = 5
"""Files that are named where some are not whole."""


def answer(folders: Sequence[Path], pairs: Sequence[str], options: Mapping[str, Any]) -> None:
    """List, compare, prune or export."""
    asked = [name for name in ("side_by_side", "prune", "to") if options[name]]
    if len(asked) > 1:
        raise RequestError("runs.prune_or")
    if not options["prune"] and (options["yes"] or options["keep"] is not None):
        raise RequestError("runs.only_prune")
    if options["side_by_side"]:
        _compare(folders, options["report"])
        return
    if options["to"]:
        for run in folders:
            where = verbs.export_run(run, to=options["to"], store=options["store"])
            click.echo(text("runs.exported", path=run, where=where))
        return
    if len(folders) > 1:
        raise RequestError("runs.one_folder", n=len(folders))
    root, filters = folders[0] if folders else Path("runs"), {name: options[name] for name in _FILTERS}
    if options["prune"]:
        _prune(root, filters | {"pairs": pairs}, options)
        return
    _list(verbs.list_runs(root, pairs=pairs, **filters), as_csv=options["as_csv"])


def verify(paths: Sequence[Path]) -> None:
    """Say of every file what was found.

    Raises:
        WorkError: If one has changed or is missing.
    """
    from lamelle.studies.terminal import verified

    found = verbs.verify_runs(*paths)
    for line in verified(found):
        click.echo(line)
    if wrong := [one.path / name for one in found for name, s in one.files.items() if s in ("changed", "missing")]:
        names = ", ".join(printable(str(path)) for path in wrong[:_NAMED]) + (" …" if len(wrong) > _NAMED else "")
        raise WorkError("runs.not_whole", n=len(wrong), names=names)


def _list(found: Sequence[Any], *, as_csv: bool) -> None:
    from lamelle.studies import listing, terminal

    if as_csv:
        click.echo(listing.to_csv(found), nl=False)
        return
    for line in terminal.table(found):
        click.echo(line)


def _compare(folders: Sequence[Path], page: Path | None) -> None:
    from dataclasses import asdict

    from lamelle.io.atomic import plain
    from lamelle.reports.study import terminal, write_study

    found = plain(asdict(verbs.compare_runs(folders, seen_from=page.parent if page else ".")))
    for line in terminal(found):
        click.echo(line)
    if page is not None:
        command = ["runs", "--compare", *map(str, folders)]
        write_study(page, name=page.stem, scores=found, request={"command": command})
        click.echo(text("cli.report_at", path=page.resolve()))


def _prune(root: Path, filters: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    from lamelle.studies import terminal

    plan = verbs.prune_runs(root, mode=options["prune"], keep=options["keep"], yes=options["yes"], **filters)
    for line in terminal.pruned(plan, done=options["yes"]):
        click.echo(line)
