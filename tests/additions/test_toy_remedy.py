"""A remedy for rare classes is added by one class in the table; nothing else is touched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import made_tasks
import numpy as np
import pytest
from additions.toy_runs import trained
from pydantic import Field

from lamelle import verbs
from lamelle.errors import RequestError
from lamelle.reports.methods import method
from lamelle.runs import layers, recipe
from lamelle.runs.bundle import open_bundle
from lamelle.tasks.remedies import REMEDIES, Remedy
from lamelle.types import ClassNames, Record, Source


class Root(Remedy):
    """Weights in the loss by a root of the frequency. Mahajan et al. (2018), doi:10.1007/978-3-030-01216-8_12"""

    name: Literal["root"] = "root"
    power: float = Field(default=0.5, ge=0, le=1, description="0 = all alike, 1 = inverse frequency")

    def weights(self, counts: Sequence[int]) -> np.ndarray:
        weights = np.maximum(np.asarray(counts, float), 1) ** -self.power
        return weights / weights.mean()

    def sampling(self, counts: Sequence[int], members: Sequence[Sequence[int]]) -> np.ndarray:
        return np.arange(1.0, len(members) + 1)


def test_a_remedy_is_one_row(tmp_path: Path) -> None:
    with REMEDIES.added(Root):
        asked = layers.parse_overrides(["task=classify", "remedy=root", "task.remedy.power=0.25"])
        options: Any = recipe.validate(asked).task
        assert options.remedy == Root(power=0.25)
        with pytest.raises(RequestError, match=r"task\.remedy\.power=2: must be ≤ 1"):
            recipe.validate(layers.merge(asked, layers.parse_overrides(["task.remedy.power=2"])))
        assert "root: 0 = all alike, 1 = inverse frequency [0.5; ≥ 0 and ≤ 1]" in str(verbs.recipes(keys=True))
        task = made_tasks.classify(counts=(9, 1), remedy="root")
        records = [Record(c, Source(Path(c)), ClassNames((c,))) for c in "ab"]
        assert task.sampling(records) == pytest.approx([1, 2])
        with trained(tmp_path, "remedy=root", "task.remedy.power=0.25", bright=12) as (run, page):
            assert run.read_recipe()["task"]["remedy"] == {"name": "root", "power": 0.25}
            assert dict(method(open_bundle(run)))["Class imbalance"] == "root, power = 0.25"
            assert "root, power = 0.25" in page
    with pytest.raises(RequestError, match="root"):
        recipe.validate(asked)
