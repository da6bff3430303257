"""The one table of tasks."""

from __future__ import annotations

from lamelle.data.layouts.detect import LAYOUTS
from lamelle.errors import RequestError
from lamelle.registry import Registry
from lamelle.results.saved_task import SavedTask
from lamelle.tasks.base import Task
from lamelle.tasks.classify import Classify
from lamelle.tasks.instances import Instances
from lamelle.tasks.segment import Segment
from lamelle.types import Index

TASKS: Registry[type[Task]] = Registry("task", Classify, Segment, Instances)


def find(name: str) -> type[Task]:
    """The class of a task.

    Raises:
        RequestError: If there is no such task.
    """
    return TASKS.find(name)


def task_of(index: Index) -> str:
    """The first task that can learn from the targets of a folder.

    Raises:
        RequestError: If there is none.
    """
    if not (names := tasks_for(index)):
        raise RequestError("tasks.none_for_boxes", layout=index.layout)
    return names[0]


def tasks_for(index: Index) -> tuple[str, ...]:
    """The tasks that can learn from all targets of a folder."""
    return tuple(name for name, task in TASKS.items() if can_learn(task, index))


def can_learn(task: type[Task] | Task, index: Index) -> bool:
    """Whether a task can learn from all targets of a folder; where there is none, from those of its layout."""
    targets = [r.target for r in index.records if r.target is not None]
    return all(map(task.view.can_see, targets)) if targets else LAYOUTS[index.layout].yields[0] in task.view.sees


def restore(saved: SavedTask) -> Task:
    """The task that `Task.describe` described.

    Raises:
        RequestError: If there is no such task.
    """
    return TASKS.find(saved.name).restore(saved)
