"""Every packaged recipe runs, from synthetic data to a report, with a narrow network and a few steps."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import Quiet

from lamelle import recipe as recipes
from lamelle import verbs

FEW = (
    "epochs=1",
    "train.samples=4",
    "train.batch=2",
    "threads=1",
    "workers=0",
    "precision=32",
    "evaluate.resamples=100",
)
BLOCKS = "split.blocks={train: 0-5, validation: 7-8, test: 10-11}"
# recipe → kind of specimens, how many, how large, and what makes the recipe small
SMALL = {
    "isbi2012-membranes": ("em-stack", 12, 96, ("filters=[4,8]", "patch=32", BLOCKS)),
    "nuclei-unet": ("nuclei", 12, 96, ("filters=[4,8,8]", "resize=32")),
    "covid-xray": ("thorax-classes", 28, 96, ("resize=32",)),
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in the form that timm's are published in."""
    import timm
    from safetensors.torch import save_file

    path = tmp_path_factory.mktemp("weights") / "mobilenetv2_100.backbone.safetensors"
    model = timm.create_model("mobilenetv2_100", pretrained=False, num_classes=0)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, path)
    return path


def test_every_packaged_recipe_is_tried() -> None:
    assert set(SMALL) == set(recipes.packaged())


@pytest.mark.parametrize("name", SMALL)
def test_a_packaged_recipe_runs(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    kind, count, size, small = SMALL[name]
    data = verbs.demo(kind, tmp_path / kind, seed=3, count=count, size=size)
    needs = recipes.load(name).get("model", {}).get("weights") is not None
    quiet = Quiet()
    run = verbs.train(
        data,
        recipe=name,
        overrides=(*small, *FEW),
        weights=request.getfixturevalue("weights") if needs else None,
        runs=tmp_path / "runs",
        progress=quiet,
    )
    assert run.path.name == name
    assert quiet.steps == 2
    assert set(run.scores["headline"]) <= set(run.scores["scores"])
    assert run.scores["n"] == len(run.scores["items"]) > 0
    assert run.folder.altered() == {}
    page = run.folder.report.read_text(encoding="utf-8")
    assert all(item["id"] in page for item in run.scores["items"][:1])
    asked = recipes.load(name)
    meant, used = recipes.validate(asked), recipes.validate(recipes.load(run.folder.recipe))
    kept = {(s, k) for s in asked for k in asked[s]} - {("model", "filters"), ("model", "weights"), ("data", "resize")}
    kept -= {("split", "blocks"), *(("train", k) for k in ("epochs", "samples", "batch", "patch"))}
    for section, key in kept:
        found, said = (getattr(getattr(r, section), key) for r in (used, meant))
        assert found == said, f"{section}.{key} is as the recipe says"
