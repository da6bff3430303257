"""What is asked and changes nothing beside what else is asked is warned of; what a run writes down is not."""

from __future__ import annotations

from typing import Any

import pytest

from lamelle.errors import sentence
from lamelle.runs import compatibility, recipe
from lamelle.tasks.table import TASKS


def said_of(**task: Any) -> str:
    return "\n".join(sentence(p) for p in compatibility.idle(recipe.validate({"task": {"name": "segment"} | task})))


@pytest.mark.parametrize(
    ("split", "said"), [({"test": 0}, False), ({"folds": 5}, False), ({"folds": 5, "test": 0}, True)]
)
def test_no_test_set_beside_folds_is_said_to_be_without_effect(split: dict[str, Any], said: bool) -> None:
    found = [p.code for p in compatibility.idle(recipe.validate({"task": {"name": "classify"}, "split": split}))]
    assert ("plan.test_in_folds" in found) is said


@pytest.mark.parametrize("name", TASKS)
def test_recipe_that_writes_every_default_is_taken(name: str) -> None:
    assert said_of(**TASKS[name].Options().model_dump()) == ""


def test_how_to_search_a_fixed_threshold_is_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    said = said_of(threshold=0.4, threshold_by="image")
    assert "task.threshold_by=image" in said
    assert "task.threshold=0.4" in said
    assert said_of(threshold_by="image") == said_of(threshold=0.4) == ""
    assert said_of(threshold=0.4, threshold_by="image", min_size="auto") == ""  # cleaning is chosen by it
    monkeypatch.setenv("LAMELLE_LANG", "fr")
    assert "task.threshold=0.4 est fixé" in said_of(threshold=0.4, threshold_by="image")
