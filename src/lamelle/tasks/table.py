"""The one table of tasks."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from lamelle.errors import RequestError
from lamelle.tasks.base import Task
from lamelle.tasks.classify import Classify
from lamelle.tasks.instances import Instances
from lamelle.tasks.segment import Segment

TASKS: dict[str, type[Task]] = {"classify": Classify, "segment": Segment, "instances": Instances}


def find(name: str) -> type[Task]:
    """The class of a task.

    Raises:
        RequestError: If there is no such task.
    """
    if name not in TASKS:
        near = ", ".join(difflib.get_close_matches(name, TASKS) or TASKS)
        raise RequestError("tasks.unknown", name=name, near=near)
    return TASKS[name]


def restore(name: str, described: Mapping[str, Any]) -> Task:
    """The task that `Task.describe` described."""
    return find(name).restore(described)
