"""A loss is added by one class in the table, and then stands wherever losses do; nothing else is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import made_tasks
import pytest
import torch
from additions.toy_runs import trained
from pydantic import Field
from torch import Tensor

from lamelle import verbs
from lamelle.errors import RequestError
from lamelle.losses.parts import channels, nonzero
from lamelle.losses.table import LOSSES, Loss
from lamelle.messages import text
from lamelle.reports.methods import method
from lamelle.runs import layers, recipe
from lamelle.runs.bundle import open_bundle


class Charbonnier(Loss):
    """A smooth distance between probability and truth. Charbonnier et al. (1994), doi:10.1109/ICIP.1994.413553"""

    name: Literal["charbonnier"] = "charbonnier"
    width: float = Field(default=0.1, gt=0, description="where it turns from a parabola into a line")

    def __call__(self, output: Tensor, target: Tensor, *, weights: Tensor | None = None, **shared: Any) -> Tensor:
        logits, truth, kept = channels(output, target)
        off = ((logits.sigmoid() - truth) ** 2 + self.width**2).sqrt() - self.width
        return (off * kept).sum() / nonzero(kept.expand_as(off).sum())


def test_a_loss_is_one_row(tmp_path: Path) -> None:
    with LOSSES.added(Charbonnier):
        asked = layers.parse_overrides(["task=classify", "loss=charbonnier", "task.loss.width=0.2"])
        task: Any = recipe.validate(asked).task
        assert task.loss == Charbonnier(width=0.2)
        with pytest.raises(RequestError, match=r"task\.loss\.width=-1: must be > 0"):
            recipe.validate(layers.merge(asked, layers.parse_overrides(["task.loss.width=-1"])))
        listed = str(verbs.recipes(keys=True))
        assert "charbonnier: where it turns from a parabola into a line [0.1; > 0]" in listed
        assert LOSSES.listing()["charbonnier"].startswith("A smooth distance")
        schema = recipe.Recipe.model_json_schema()
        assert "where it turns from a parabola" in str(schema), "in the form of the studio"
        for one in (made_tasks.classify("abc", loss="charbonnier"), made_tasks.segment(loss="charbonnier")):
            shape = (2, one.outputs) if one.output == "vector" else (2, one.outputs, 8, 8)
            target = torch.zeros(shape[:1] + shape[2:], dtype=torch.long)
            assert one.loss(torch.zeros(shape), target) > 0
        with trained(tmp_path, "loss=charbonnier", "task.loss.width=0.2") as (run, page):
            assert run.read_recipe()["task"]["loss"] == {"name": "charbonnier", "width": 0.2}
            assert dict(method(open_bundle(run)))[text("report.how_loss_function")] == "charbonnier, width = 0.2"
            assert "charbonnier, width = 0.2" in page
        again = layers.merge(run.read_recipe(), layers.parse_overrides(["loss=ce"]))
        assert again["task"]["loss"] == {"name": "ce"}
    with pytest.raises(RequestError, match="charbonnier"):
        recipe.validate(asked)
