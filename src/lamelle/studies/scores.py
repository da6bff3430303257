"""Which scores a plan's runs will have, known before any is trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamelle.data.preparation import Preparation
from lamelle.data.samples import Reader
from lamelle.data.store import Store
from lamelle.runs.plan import Plan


def known_scores(plan: Plan, store: Store) -> list[str]:
    """The scores that a run of this plan will have, from one image and an answer that says nothing."""
    data = plan.recipe.data
    reader = Reader(
        store, plan.task.targets, Preparation(data.channels or 1, data.resize, "unit", (), (), data.context)
    )
    first = plan.of("validation")[0]
    target = reader.target(first)
    shape: Sequence[int] = target.shape if plan.task.output == "map" else ()
    nothing = np.full((plan.task.outputs, *shape), 1 / max(2, plan.task.outputs), np.float32)
    rows = [plan.task.row(nothing, target, {}, store.spacing(first.image))]
    return list(plan.task.summarise(plan.task.table(rows), np.ones((1, 1))))
