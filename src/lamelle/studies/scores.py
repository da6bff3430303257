"""Which scores a plan's runs will have, known before any is trained."""

from __future__ import annotations

import numpy as np

from lamelle.data.preparation import Preparation
from lamelle.data.samples import Reader
from lamelle.data.store import Store
from lamelle.errors import RequestError
from lamelle.runs.plan import Plan


def require_score(name: str, plan: Plan, store: Store) -> None:
    """Refuse the name of a score that the runs of this plan will not have.

    Raises:
        RequestError: With the scores that they will have.
    """
    if name not in (names := score_names(plan, store)):
        raise RequestError("tune.objective", objective=name, known=", ".join(names))


def score_names(plan: Plan, store: Store) -> list[str]:
    """The scores that a run of this plan will have, from one image and a prediction that says nothing."""
    data = plan.recipe.data
    reader = Reader(
        store, plan.task.targets, Preparation(data.channels or 1, data.resize, "unit", (), (), data.context)
    )
    first = plan.of("validation")[0]
    target = reader.target(first)
    rows = [plan.task.row(plan.task.undecided(target), target, spacing=store.spacing(first.image))]
    return list(plan.task.summarise(plan.task.table(rows), np.ones((1, 1))))
