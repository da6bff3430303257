"""The split that a training would make of a folder, before anything is planned: what `lamelle check` shows."""

from __future__ import annotations

from copy import deepcopy

from lamelle.data.audit.leaks import torn_groups
from lamelle.errors import LamelleError
from lamelle.results.audit import Audit
from lamelle.runs import recipe as recipes
from lamelle.runs.plan import class_values
from lamelle.runs.recipe import Section
from lamelle.runs.splitting import Outlook, check_parts, cut, judged_by_few, only_split, parts_made, place, present
from lamelle.tasks.table import task_of
from lamelle.types import Index, Problem


def outlook(index: Index, audit: Audit, request: Section) -> Outlook:
    """The split that `make_plan` would make of a folder that was looked at, or why there can be none.

    Args:
        request: What the command line says.
    """
    request = deepcopy(request)
    try:
        request.setdefault("task", {}).setdefault("name", task_of(index))
        recipe = recipes.validate(only_split(request))
        check_parts(index.records, recipe)
        records, by = place(cut(index, recipe).records, recipe)
    except LamelleError as error:
        return Outlook((), "", {}, (Problem("plan.no_split", severity="warning", values={"reason": str(error)}),))
    classes = {} if audit.errors else present(records, audit, class_values(recipe, index, audit))
    torn = torn_groups(records) if by == "given" else ()
    problems = (*torn, *parts_made(index.records, records, by, recipe), *judged_by_few(records, classes, recipe))
    return Outlook(records, by, classes, problems)
