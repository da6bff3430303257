"""A change of intensity is added by one class in the table, and then stands wherever changes do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from additions.toy_runs import trained
from augmenting import only
from pydantic import Field
from torch import Tensor

from lamelle import verbs
from lamelle.data.augment.apply import apply
from lamelle.data.augment.change import Change, ChangeOptions, UniformDraws
from lamelle.data.augment.changes import CHANGES
from lamelle.data.augment.options import AUGMENT, Augment
from lamelle.data.augment.parameters import sample
from lamelle.data.randomness import generator
from lamelle.errors import RequestError
from lamelle.messages import text
from lamelle.options import Fraction
from lamelle.reports.methods import method
from lamelle.runs import layers, recipe
from lamelle.runs.bundle import open_bundle


class Haze(Change):
    """A veil of one grey over the image, as on a sooted lens."""

    name = "haze"

    class Options(ChangeOptions):
        haze: float = Field(default=0.0, ge=0, lt=1, description="share of each pixel that is veiled")
        haze_probability: Fraction = Field(default=0.5, description="share of images with a veil")

    @staticmethod
    def draw(options: Options, draws: UniformDraws) -> np.ndarray:
        amount, gate = draws.own("haze", 2)
        return options.haze * amount * (gate < options.haze_probability)

    @staticmethod
    def apply(images: Tensor, amounts: np.ndarray, seeds: np.ndarray) -> Tensor:
        veiled = torch.from_numpy(amounts.astype(np.float32)).view(-1, *(1,) * (images.ndim - 1))
        return images * (1 - veiled)


def test_a_change_is_one_row(tmp_path: Path) -> None:
    keys = [generator(1, "augment", 0, position) for position in range(40)]
    before = sample(only(noise=0.1, rotate=5), generators=keys, size=(8, 8))
    with CHANGES.added(Haze):
        asked = layers.parse_overrides(["task=classify", "haze=0.4", "haze_probability=1"])
        options: Any = recipe.validate(asked).augment
        assert (options.haze, options.haze_probability, options.brightness) == (0.4, 1.0, 0.0)
        assert isinstance(options, Augment)
        assert getattr(recipe.Recipe().augment, "haze", None) == 0.0
        with pytest.raises(RequestError, match=r"augment\.haze=2: must be < 1"):
            recipe.validate(layers.merge(asked, layers.parse_overrides(["haze=2"])))
        assert "share of each pixel that is veiled [0; ≥ 0 and < 1]" in str(verbs.recipes(keys=True))
        assert CHANGES.listing()["haze"].startswith("A veil of one grey")
        schema = recipe.Recipe.model_json_schema()
        assert "share of each pixel that is veiled" in str(schema), "in the form of the studio"
        assert recipe.expanded({"augment": "none"})["augment"]["haze"] == 0

        keys = [generator(1, "augment", 0, position) for position in range(40)]
        on = AUGMENT.options.none(haze=0.4, haze_probability=0.5, noise=0.1, noise_probability=1.0, rotate=5)
        drawn = sample(on, generators=keys, size=(8, 8))
        assert 8 < (drawn.amounts["haze"] > 0).sum() < 32
        assert 0.3 < drawn.amounts["haze"].max() < 0.4
        np.testing.assert_array_equal(drawn.matrices, before.matrices)
        for name, amounts in before.amounts.items():
            np.testing.assert_array_equal(drawn.amounts[name], amounts, err_msg=name)
        veil = sample(AUGMENT.options.none(haze=0.4), generators=keys, size=(8, 8))
        moved, _ = apply(veil, torch.ones(40, 1, 8, 8), None, size=(8, 8), outside="reflect")
        torch.testing.assert_close(moved[:, 0, 0, 0].double(), 1 - torch.from_numpy(veil.amounts["haze"]))

        with trained(tmp_path, "haze=0.4", "haze_probability=1") as (run, page):
            assert run.read_recipe()["augment"]["haze"] == 0.4
            assert "haze 0.4 (100 %)" in dict(method(open_bundle(run)))[text("report.how_augmentation")]
            assert "haze 0.4" in page
        with_haze = (run.model / "model.safetensors").read_bytes()
        with trained(tmp_path / "other", "haze=0") as (run, _):
            assert (run.model / "model.safetensors").read_bytes() != with_haze
    with pytest.raises(RequestError, match="haze"):
        recipe.validate(asked)
