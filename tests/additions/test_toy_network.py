"""A network is added by its module and one class in the table, and then stands wherever networks do."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from additions.toy_runs import trained
from pydantic import Field
from support import Quiet
from torch import Tensor, nn

import lamelle
from lamelle import verbs
from lamelle.errors import FileError, RequestError
from lamelle.messages import text
from lamelle.models.freezable import Freezable
from lamelle.models.options import MODELS, Network, Size, Width
from lamelle.prediction import package
from lamelle.reports.methods import method
from lamelle.runs import layers, recipe, request
from lamelle.runs.bundle import open_bundle

# ---- the file: models/stripes.py


class Stripes(Freezable):
    """Means of rows and columns of one convolution: logits [N, classes] of images [N, in, Y, X]."""

    def __init__(self, inputs: int, outputs: int, *, width: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(2 * width, outputs)

    def forward(self, image: Tensor) -> Tensor:
        features = self.encoder(image)
        return self.head(torch.cat((features.mean(3).amax(2), features.mean(2).amax(2)), dim=1))


# ---- the row: models/options.py


class StripesOptions(Network):
    """A network that looks for stripes."""

    kind: Literal["stripes"] = "stripes"
    output = "vector"
    width: Width = Field(default=8, description="number of kinds of stripes")

    def build(self, *, inputs: int, outputs: int, dims: int, size: Size | None) -> Freezable:
        return Stripes(inputs, outputs, width=self.width)


def test_a_network_is_one_row(tmp_path: Path) -> None:
    with MODELS.added(StripesOptions):
        asked = layers.parse_overrides(["task=classify", "model=stripes", "model.width=6"])
        assert recipe.validate(asked).model == StripesOptions(width=6)
        with pytest.raises(RequestError, match=r"model\.width=0: must be ≥ 1"):
            recipe.validate(layers.merge(asked, layers.parse_overrides(["model.width=0"])))
        assert "stripes: number of kinds of stripes [8; ≥ 1 and ≤ 65536]" in str(verbs.recipes(keys=True))
        assert MODELS.listing()["stripes"] == "A network that looks for stripes."
        assert "number of kinds of stripes" in str(recipe.Recipe.model_json_schema()), "in the form of the studio"
        with trained(tmp_path, "model.width=6", model="stripes") as (run, page):
            assert run.read_recipe()["model"] == {"kind": "stripes", "width": 6}
            assert dict(method(open_bundle(run)))[text("report.how_network")] == "stripes"
            assert "stripes" in page
            loaded = package.load(run.model)
            assert isinstance(loaded.model, Stripes)
            assert loaded.architecture.options == StripesOptions(width=6)
            table = lamelle.predict(run.path, tmp_path / "shades" / "dark", tmp_path / "out").table
            assert table.read_text().count("\n") == 31
            for start in (run.path, run.model):
                known: dict[str, Any] = request.build_request(None, [], None, start, False, print)
                assert recipe.validate(known).model == StripesOptions(width=6)
            more = verbs.train(
                tmp_path / "shades", start=run.path, runs=tmp_path / "more", name="toy", progress=Quiet()
            )
            assert package.load(more.folder.model).architecture == loaded.architecture
            assert str(lamelle.diagnose(run.path))
        again = layers.merge(run.read_recipe(), layers.parse_overrides(["model=cnn2"]))
        assert again["model"] == {"kind": "cnn", "name": "cnn2"}
        with pytest.raises(RequestError, match=r"unet cannot classify; this task takes: timm, cnn, stripes"):
            verbs.train(tmp_path / "shades", overrides=["model=unet"], runs=tmp_path / "no", progress=Quiet())
    with pytest.raises(RequestError, match="stripes"):
        recipe.validate(asked)
    with pytest.raises(FileError, match=r"'stripes'.*unet, timm, cnn, timm-unet"):
        package.load(run.model)
