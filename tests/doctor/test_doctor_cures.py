"""What the doctor says to change next follows from what was tried."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from lamelle.doctor import cures
from lamelle.doctor.facts import RunFacts


@pytest.mark.parametrize(
    ("remedy", "threshold", "change"),
    [
        ("none", "argmax", "task.remedy=weights"),
        ("weights", "argmax", "task.remedy=oversample"),
        ("oversample", "argmax", "task.threshold=f1"),
        ("both", "f1", "train.lr=0.0001"),
    ],
)
def test_a_remedy_for_a_rare_class_that_did_not_help_is_followed_by_another(
    remedy: str, threshold: str, change: str
) -> None:
    known = {"task.remedy.name": remedy, "task.threshold": threshold, "train.optimizer": "adamw"}
    facts = cast(RunFacts, SimpleNamespace(spatial=False, lr=0.001, get=known.get))
    assert cures.both_classes(facts) == (change,)
