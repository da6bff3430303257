"""``plan.json`` of a Run: the split of its records, the settled task, and what else followed from the data.

Whoever needs the plan of a Run reads it here. The folder of images is read again only to say what has changed in it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamelle.data import split
from lamelle.data.audit.duplicates import listed
from lamelle.data.changed_files import Changes, Content, changes
from lamelle.data.layouts.table_spelling import Naming
from lamelle.data.store import Store
from lamelle.errors import RequestError
from lamelle.io.atomic import plain
from lamelle.results.saved_task import SavedTask
from lamelle.runs import recipe as recipes
from lamelle.runs.folder import RunFolder, environment
from lamelle.runs.plan import Plan, read_data
from lamelle.runs.recipe import Recipe
from lamelle.tasks.table import restore
from lamelle.types import Index, Problem, Record

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FORMAT = 1


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """The content of ``plan.json``; paths below the folder of the data are written from there."""

    format: int
    index: Index
    """What was found in the folder; its records are those below."""
    records: tuple[Record, ...]
    """All records, each with its split."""
    contents: Mapping[str, Content]
    """SHA-256 of the image and the labels of each record."""
    task: SavedTask
    split_by: str
    planned: Mapping[str, object]
    problems: tuple[Problem, ...]
    naming: Naming | None


@cache
def _schema() -> TypeAdapter[SavedPlan]:
    from pydantic import TypeAdapter

    return TypeAdapter(SavedPlan)


def save_plan(run: RunFolder, plan: Plan) -> None:
    """Write what a Run is about, before it starts: recipe, plan, audit, environment, and ``split.csv`` for people."""
    run.write_text(run.recipe, plan.recipe.to_yaml())
    save_data_of(run, plan, resolved={"seed": plan.recipe.train.seed})


def save_data_of(run: RunFolder, plan: Plan, *, resolved: Mapping[str, object]) -> None:
    """Write all of a plan but the recipe.

    Args:
        resolved: Values that were settled on this machine.
    """
    saved = SavedPlan(
        FORMAT,
        replace(plan.index, records=(), problems=()),
        plan.records,
        plan.contents,
        plan.task.describe(),
        plan.split_by,
        plan.planned,
        plan.problems,
        plan.naming,
    )
    content = plain(saved)
    content["records"] = _moved(content["records"], lambda path: _below(path, plan.index.root))
    run.write_json(run.plan, content)
    run.write_text(run.split, split.to_csv(plan.records, plan.contents))
    run.write_audit(plan.audit)
    run.write_json(run.environment, environment(resolved=resolved, argv=sys.argv[1:]))


def read_saved(run: RunFolder) -> SavedPlan:
    """The content of ``plan.json``.

    Raises:
        RequestError: If it is missing, or not what was written.
    """
    run.check(run.split)  # nobody reads it back; who has edited it must hear that
    content = run.read_json(run.plan)
    root = Path(content["index"]["root"])
    content["records"] = _moved(content["records"], lambda path: str(root / path))
    return _schema().validate_python(content)


def open_plan(run: RunFolder, recipe: Recipe | None = None) -> Plan:
    """The plan of a Run, from its files alone.

    Args:
        recipe: Of an evaluation on another folder, which has no file of it.

    Raises:
        RequestError: If a file is missing, or not what was written.
    """
    run.refuse_older()
    saved = read_saved(run)
    return Plan(
        recipe=recipe or recipes.validate(run.read_recipe()),
        index=replace(saved.index, records=saved.records),
        audit=run.read_audit(),
        records=saved.records,
        task=restore(saved.task),
        split_by=saved.split_by,
        planned=saved.planned,
        problems=saved.problems,
        contents=saved.contents,
        naming=saved.naming,
    )


def data_changes(run: RunFolder, plan: Plan, store: Store) -> Changes:
    """What is no longer as it was in the data of a Run since they were split; they are read again for it.

    Raises:
        RequestError: If the data are gone, or no longer hold what was split; then what else has changed is named too.
    """
    there = read_data(Path(plan.recipe.data.path), plan.recipe.model_dump(mode="json")).records
    changed = changes(plan.contents, plan.records, there, plan.audit.rows, store)
    if not changed.gone:
        return changed
    values = {"count": len(changed.gone), "first": ", ".join(changed.gone[:3]), "path": run.split}
    if changed.altered:
        more = {"changed": len(changed.altered), "changed_names": listed(changed.altered)}
        raise RequestError("split.records_gone_changed", **values, **more)
    raise RequestError("split.records_gone", **values)


def _moved(value: Any, move: Callable[[str], str]) -> Any:
    """The same JSON with another text at each ``path`` of a source; the columns of the user's table stay."""
    if isinstance(value, dict):
        fields = {k: v for k, v in value.items() if k != "columns"}
        return value | {k: move(v) if k == "path" else _moved(v, move) for k, v in fields.items()}
    return [_moved(one, move) for one in value] if isinstance(value, list) else value


def _below(path: str, root: Path) -> str:
    """A path from the folder of the data where it lies below, with ``/``; else as it is."""
    return Path(path).relative_to(root).as_posix() if Path(path).is_relative_to(root) else path
