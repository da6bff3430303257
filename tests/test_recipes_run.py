"""Every packaged recipe runs, from synthetic data to a report, with a narrow network and a few steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support import Quiet

from lamelle import verbs
from lamelle.runs import layers
from lamelle.runs import plan as plans
from lamelle.runs import recipe as recipes
from lamelle.runs.initial_model import build

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
    "nuclei-instances": ("nuclei", 12, 96, ("filters=[4,8,8]", "patch=32")),
    "nuclei-unet": ("nuclei", 12, 96, ("filters=[4,8,8]", "resize=32")),
    "isbi2012-membranes-strong": ("em-stack", 12, 96, ("filters=[4,8,8]", "patch=32", BLOCKS)),
    "nuclei-unet-strong": ("nuclei", 12, 96, ("filters=[4,8,8]", "patch=32")),
    "lung-masks": ("thorax", 28, 96, ("filters=[4,8,8]", "resize=32")),
    "lung-masks-strong": ("thorax", 28, 96, ("filters=[4,8,8]", "resize=32")),
    "em-organelles": ("em-organelles", 4, 64, ("filters=[4,8,8]", "patch=32")),
    "em-organelles-3d": ("em-organelles", 4, 64, ("filters=[4,8,8]", "patch=[4,32,32]")),
    "covid-xray": ("thorax-classes", 28, 96, ("resize=32",)),
    "covid-xray-strong": ("thorax-classes", 28, 96, ("resize=32",)),
    "fibsem-patches": ("em-patches", 60, 64, ("resize=32", "split.gap=0")),
    "fibsem-patches-strong": ("em-patches", 60, 64, ("resize=32", "split.gap=0")),
    "histology-imbalance": ("tissue", 48, 64, ("resize=32",)),
    "histology-imbalance-strong": ("tissue", 48, 64, ("resize=32",)),
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Random weights of an encoder, in the form that timm's are published in."""
    import timm
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("weights")

    def make(name: str) -> Path:
        path = folder / f"{name}.safetensors"
        if not path.is_file():
            model = timm.create_model(name, pretrained=False, num_classes=0)
            save_file({k: v.contiguous() for k, v in model.state_dict().items()}, path)
        return path

    return make


@pytest.mark.parametrize(
    ("name", "parameters"), [("isbi2012-membranes", 31_030_593), ("nuclei-unet", 2_158_705), ("lung-masks", 466_529)]
)
def test_the_network_of_an_origin_has_its_published_size(name: str, parameters: int, tmp_path: Path) -> None:
    kind, count, size, small = SMALL[name]
    data = verbs.demo(kind, tmp_path / kind, seed=3, count=count, size=size).path
    pairs = [pair for pair in small if pair == BLOCKS]
    asked = layers.merge(recipes.load(name), layers.parse_overrides(pairs))
    plan = plans.make_plan(data, asked, verbs.open_store(), accelerator=False)
    assert sum(p.numel() for p in build(plan).model.parameters()) == parameters
    assert f"{parameters:,}".replace(",", " ") in recipes.packaged()[name]


def test_every_packaged_recipe_is_tried() -> None:
    assert set(SMALL) == set(recipes.packaged())


@pytest.mark.parametrize("name", SMALL)
def test_a_packaged_recipe_runs(name: str, tmp_path: Path, weights: Callable[[str], Path]) -> None:
    kind, count, size, small = SMALL[name]
    data = verbs.demo(kind, tmp_path / kind, seed=3, count=count, size=size).path
    model = recipes.load(name).get("model", {})
    quiet = Quiet()
    run = verbs.train(
        data,
        recipe=name,
        overrides=(*small, *FEW),
        weights=weights(model["name"]) if "weights" in model else None,
        runs=tmp_path / "runs",
        progress=quiet,
    )
    assert run.path.name == name
    assert quiet.steps == 2
    assert set(run.scores.headline) <= set(run.scores.scores)
    assert run.scores.n == len(run.scores.items) > 0
    assert run.folder.altered() == {}
    page = run.folder.report.read_text(encoding="utf-8")
    assert any(item.id in page for item in run.scores.items)
    planned = run.folder.read_json(run.folder.plan)["planned"]
    assert not [key for key in planned if key.startswith(("augment.", "task."))], (
        "the recipe says what is done to images"
    )
    asked = recipes.load(name)
    meant, used = recipes.validate(asked), recipes.validate(recipes.load(run.folder.recipe))
    kept = {(s, k) for s in asked for k in asked[s]} - {("model", "filters"), ("model", "weights"), ("data", "resize")}
    kept -= {("split", "blocks"), ("split", "gap"), *(("train", k) for k in ("epochs", "samples", "batch", "patch"))}
    for section, key in kept:
        found, said = (getattr(getattr(r, section), key) for r in (used, meant))
        assert found == said, f"{section}.{key} is as the recipe says"
