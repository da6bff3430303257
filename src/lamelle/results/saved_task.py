"""A task as it is saved: in ``plan.json`` of a run, and in ``model.json`` of a package."""

from __future__ import annotations

from lamelle.results.base import Result
from lamelle.types import JsonObject


class SavedTask(Result):
    """What was asked of a task and what followed from the data; its class checks both when it is restored."""

    options: JsonObject
    settled: JsonObject
    """What follows from the data."""

    @property
    def name(self) -> object:
        """Of the task; whether there is one of this name is not known here."""
        return self.options.get("name")
