"""A recipe takes a network of another family: nothing of the former one is left, and what was dropped is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_recipes_run import SMALL

from lamelle import verbs
from lamelle.errors import RequestError
from lamelle.runs import layers
from lamelle.runs import plan as plans
from lamelle.runs import recipe as recipes
from lamelle.runs.recipe import Recipe
from lamelle.runs.request import build_request
from lamelle.specimens.write import write_demo

FAMILIES = {"unet": "unet", "timm-unet": "timm-unet", "resnet18": "", "cnn2": "cnn", "cnn": "cnn", "timm": "timm"}
"""A value of ``model`` and the kind it asks for; of an encoder's name, the one of the task."""
OWN = {
    "unet": {"model": {"kind": "unet", "filters": [4, 8], "dropout": 0.3, "deep_supervision": True}},
    "timm": {"model": {"kind": "timm", "name": "resnet10t", "hidden": [8], "freeze": "stage:2", "weights": "/w.st"}},
    "timm-unet": {"model": {"kind": "timm-unet", "name": "resnet10t", "freeze": "head", "weights": "/w.st"}},
    "cnn": {"model": {"kind": "cnn", "name": "cnn1"}},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("families")
    wanted = {kind: (count, size) for kind, count, size, _ in SMALL.values()}
    return {kind: write_demo(kind, root / kind, seed=3, count=n, size=size) for kind, (n, size) in wanted.items()}


@pytest.mark.parametrize("name", SMALL)
def test_a_packaged_recipe_takes_every_family(name: str, folders: dict[str, Path]) -> None:
    kind, _, _, small = SMALL[name]
    task = recipes.load(name)["task"]["name"]
    pairs = [pair for pair in small if not pair.startswith(("filters", "model", "weights"))]
    for given, wanted in FAMILIES.items():
        expected = wanted or ("timm" if task == "classify" else "timm-unet")
        said: list[str] = []
        asked = build_request(name, [*pairs, f"model={given}"], None, None, False, said.append)
        lost = [
            key for key, value in recipes.load(name)["model"].items() if key not in (*asked["model"], "name") and value
        ]
        assert all(any(f"model.{key}=" in line for line in said) for key in lost), "what was dropped is said"
        assert recipes.validate(asked).model.kind in (expected, "unet")  # the kind of an encoder's name is the task's
        if given == "resnet18" or given == ("cnn" if task == "classify" else "unet"):
            plan = plans.make_plan(folders[kind], asked, verbs.open_store(), accelerator=False)
            assert plan.recipe.model.kind == expected
            assert getattr(plan.recipe.model, "name", given) in (given, "cnn2")


@pytest.mark.parametrize(("name", "given"), [("histology-imbalance", "unet"), ("nuclei-unet", "cnn1")])
def test_a_family_that_cannot_do_the_task_is_refused(name: str, given: str, folders: dict[str, Path]) -> None:
    task = recipes.load(name)["task"]["name"]
    asked = build_request(name, [f"model={given}"], None, None, False, print)
    with pytest.raises(RequestError, match=rf"model\.kind=(unet|cnn) cannot {task}; this task takes: .*timm"):
        plans.make_plan(folders[SMALL[name][0]], asked, verbs.open_store(), accelerator=False)


@pytest.mark.parametrize("given", FAMILIES)
@pytest.mark.parametrize("before", OWN)
def test_a_complete_recipe_takes_every_family(before: str, given: str) -> None:
    """As the recipe of a run has them: every key of the former network is there."""
    under = recipes.validate(OWN[before]).model_dump(mode="json")
    asked = layers.merge(under, layers.parse_overrides([f"model={given}"]))
    found = recipes.validate(asked).model
    assert found.kind == (FAMILIES[given] or {"unet": "timm-unet", "cnn": "timm"}.get(before, before))
    if given == "resnet18":
        assert (getattr(found, "name", ""), getattr(found, "weights", "")) == ("resnet18", None), "weights of another"


def test_a_key_of_another_family_that_is_given_is_refused_by_name() -> None:
    under = recipes.load("fibsem-patches")
    asked = layers.merge(under, layers.parse_overrides(["model=cnn2", "model.dropout=0.5"]))
    with pytest.raises(RequestError, match=r"model\.dropout=0\.5: what was chosen for model has no such key"):
        recipes.validate(asked)
    assert set(Recipe.model_fields) >= set(asked)
