"""A recipe is checked, and what is wrong is said with its cure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lamelle.errors import RequestError
from lamelle.runs import layers, recipe
from lamelle.runs.recipe import Recipe
from lamelle.runs.request import build_request


def test_defaults_round_trip_through_yaml() -> None:
    whole = Recipe()
    assert recipe.validate(yaml.safe_load(whole.to_yaml())) == whole


@pytest.mark.parametrize("name", sorted(recipe.packaged()))
def test_every_packaged_recipe_is_valid_and_introduces_itself(name: str) -> None:
    assert recipe.packaged()[name].startswith("# ")
    values = recipe.load(name)
    assert recipe.validate(values).task.name == values["task"]["name"]


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (["lr=1e-3"], {"train": {"lr": "1e-3"}}),
        (["train.epochs=3", "batch=4"], {"train": {"epochs": 3, "batch": 4}}),
        (["data.labels={255: 0, 0: 1}"], {"data": {"labels": {255: 0, 0: 1}}}),
        (["task=classify"], {"task": {"name": "classify"}}),
        (["split.by=group"], {"split": {"by": "group"}}),
    ],
)
def test_overrides(pairs: list[str], expected: dict[str, object]) -> None:
    assert layers.parse_overrides(pairs) == expected


def test_numbers_written_as_people_write_them() -> None:
    assert recipe.validate(layers.parse_overrides(["lr=1e-3", "budget=30min"])).train.lr == 0.001
    assert recipe.validate(layers.parse_overrides(["budget=1.5h"])).train.budget == 5400


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("weights=x", "task.weights, model.weights"),
        ("lrr=1", "did you mean train.lr"),
        ("train.bach=1", "train.batch"),
        ("optimiser=sgd", "did you mean train.optimizer\\?"),
        ("lr", "key=value"),
        ("labels={1", "YAML"),
    ],
)
def test_wrong_overrides_say_the_cure(pair: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        layers.parse_overrides([pair])


def test_all_broken_rules_are_named_at_once() -> None:
    with pytest.raises(RequestError) as caught:
        recipe.validate({"train": {"lr": -1, "epochs": "many", "bacth": 2}})
    said = str(caught.value)
    assert "train.lr=-1" in said
    assert "train.epochs='many'" in said
    assert "did you mean train.batch" in said


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(RequestError, match="nuclei-unet"):
        recipe.load("nuclei-net")


def test_a_file_that_is_no_recipe(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("just a sentence")
    with pytest.raises(RequestError, match="sections"):
        recipe.load(path)
    path.write_text("train: {lrr: 1}")
    with pytest.raises(RequestError, match=r"train\.lr"):
        recipe.load(path)
    with pytest.raises(RequestError, match="no such file"):
        recipe.load(tmp_path / "absent.yaml")


def test_augmentation_is_switched_off_by_one_word() -> None:
    asked = layers.parse_overrides(["augment=none", "augment.rotate=5"])
    keys = recipe.validate(asked).augment
    assert (keys.flip, keys.rot90, keys.zoom, keys.rotate) == (False, False, (1.0, 1.0), 5.0)
    with pytest.raises(RequestError, match=r"augment\.KEY=VALUE"):
        layers.parse_overrides(["augment=some"])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"train": {"lr": -1}}, "train.lr=-1: must be > 0"),
        ({"train": {"seed": -1}}, "train.seed=-1: must be ≥ 0"),
        ({"split": {"seed": -1}}, "split.seed=-1: must be ≥ 0"),
        ({"train": {"epochs": "many"}}, "train.epochs='many': must be a whole number"),
        ({"train": {"batch": "1e3"}}, "write 1000"),
        ({"train": {"batch": "1e-3"}}, "train.batch='1e-3': must be a whole number"),
        ({"task": {"name": "classify", "smoothing": 1}}, "task.smoothing=1: must be < 1"),
        ({"train": {"optimizer": "lion"}}, "train.optimizer='lion': must be one of 'adam', 'adamw' or 'sgd'"),
        ({"task": {"name": "classify", "threshold": 2}}, "task.threshold=2: must be < 1"),
        ({"augment": {"zoom": [1.2, 0.8]}}, "augment.zoom=[1.2, 0.8]: must be two factors between 0.1 and 10.0"),
        ({"augment": {"zoom": [80, 120]}}, "above 1 things look larger, below 1 smaller"),
        ({"augment": {"zoom": [-1, 1]}}, "augment.zoom=[-1, 1]: must be two factors"),
        ({"model": {"kind": "cnn", "weights": "a"}}, "what was chosen for model has no such key"),
    ],
)
def test_a_broken_rule_is_said_in_words(values: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError) as caught:
        recipe.validate(values)
    assert said in str(caught.value)


def test_a_section_may_be_given_whole() -> None:
    asked = layers.parse_overrides(["model={kind: timm-unet, name: resnet18}", "task={name: segment, loss: dice}"])
    assert asked["model"] == {"kind": "timm-unet", "name": "resnet18"}
    assert asked["task"] == {"name": "segment", "loss": {"name": "dice"}}
    with pytest.raises(RequestError, match=r"model\.filtres.*model\.filters"):
        layers.parse_overrides(["model={kind: unet, filtres: [4]}"])


@pytest.mark.parametrize("pairs", [["model.kind=timm-unet", "model.name=resnet18"], ["model=resnet18"]])
def test_another_kind_of_model_leaves_the_former_ones_keys_behind(pairs: list[str]) -> None:
    asked = layers.merge(recipe.load("nuclei-instances"), layers.parse_overrides(pairs))
    assert asked["model"] == {"kind": "timm-unet", "name": "resnet18"}
    keys = recipe.validate(asked)
    assert (keys.model.kind, keys.train.patch, keys.task.name) == ("timm-unet", (256, 256), "instances")


def test_the_same_kind_of_model_keeps_what_was_said() -> None:
    said = recipe.load("nuclei-instances")["model"]
    asked = layers.merge(recipe.load("nuclei-instances"), layers.parse_overrides(["model.kind=unet", "filters=[4, 8]"]))
    assert asked["model"] == said | {"filters": [4, 8]}
    task = layers.merge(recipe.load("nuclei-unet"), layers.parse_overrides(["task=instances"]))["task"]
    assert task == {"name": "instances"}


def test_a_share_that_is_given_is_kept_and_the_others_follow() -> None:
    def shares(*pairs: str, before: dict[str, Any] | None = None) -> list[float]:
        asked = recipe.validate(build_request(before, pairs, None, None, False, lambda _: None)).split
        return [asked.train, asked.validation, asked.test]

    lungs = {"split": {"train": 0.6, "validation": 0.1, "test": 0.3}}
    assert shares() == [0.65, 0.15, 0.2]
    assert shares("split.test=0.5") == pytest.approx([0.40625, 0.09375, 0.5])
    assert shares("split.train=0.3", "split.test=0.4", before=lungs) == pytest.approx([0.3, 0.3, 0.4])
    assert shares("split.test=0", before=lungs) == pytest.approx([6 / 7, 1 / 7, 0], abs=1e-5)
    assert shares("split.train=0.7", "split.validation=0.1", "split.test=0.2") == [0.7, 0.1, 0.2]
    assert recipe.validate({"split": {"validation": 0.3}}).split.test == pytest.approx(0.7 * 20 / 85, abs=1e-5)
    with pytest.raises(RequestError, match=r"split\.test=1: nothing is left for split\.train, split\.validation"):
        shares("split.test=1")
