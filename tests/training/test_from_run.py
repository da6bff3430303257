"""Fine-tuning keeps every setting of the run that it starts from, but for those that are given, and says which."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import TINY, Quiet

from lamelle import verbs
from lamelle.runs import recipe as recipes
from lamelle.runs import request
from lamelle.runs.folder import RunFolder
from lamelle.runs.train import folds_of

OWN = (
    *("task.loss=bce", "augment.rotate=0", "train.optimizer=sgd", "train.batch=3", "model.dropout=0.3", "epochs=1"),
    *("model.deep_supervision=true", "split.seed=3", "evaluate.resamples=150", "threads=1", "train.ema=0.5"),
)


def settings(run: RunFolder) -> dict[str, Any]:
    values = yaml.safe_load(run.recipe.read_text(encoding="utf-8"))
    return {f"{section}.{key}": value for section, keys in values.items() for key, value in keys.items()}


@pytest.fixture(scope="module")
def first(nuclei: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("first")
    return verbs.train(nuclei, overrides=(*TINY, *OWN), runs=folder, name="first", progress=Quiet()).folder


def test_nothing_differs_but_what_is_given(first: RunFolder, nuclei: Path, tmp_path: Path) -> None:
    quiet = Quiet()
    again = verbs.train(nuclei, start=first.path, overrides=["train.epochs=2"], runs=tmp_path, progress=quiet).folder
    was, now = settings(first), settings(again)
    assert was.keys() == now.keys()
    assert {key for key in was if was[key] != now[key]} == {"train.epochs", "train.start"}
    (line,) = [line for line in quiet.lines if line.startswith("settings:")]
    assert "train.epochs=2 (was 1)" in line
    assert all(key in line for key in ("data.path", "train.start", "train.schedule_points"))
    assert line in again.log.read_text(encoding="utf-8")


def test_by_its_key_it_is_the_same(first: RunFolder) -> None:
    heard: list[str] = []
    asked = request.build_request(None, [f"train.start={first.path}", "lr=0.5"], None, None, False, heard.append)
    option = request.build_request(None, ["lr=0.5"], None, first.path, False, heard.append)
    assert asked == option
    assert asked["train"] | {"lr": 0} == settings_of(first)["train"] | {"lr": 0, "start": str(first.path)}
    assert heard == []


def settings_of(run: RunFolder) -> dict[str, Any]:
    return request.settings_of(run.path)


def test_another_network_leaves_the_former_behind_and_says_it(first: RunFolder) -> None:
    heard: list[str] = []
    asked = request.build_request(None, ["model=resnet18"], None, first.path, False, heard.append)
    assert recipes.validate(asked).model.kind == "timm-unet"
    assert any("model.deep_supervision=True" in line and "model.filters=[4, 8]" in line for line in heard)


def test_what_the_machine_lacks_is_resolved_anew(first: RunFolder, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    shutil.copytree(first.path, other)
    values = recipes.load(other / "recipe.yaml")
    values["train"] |= {"device": "cuda:77", "precision": "16", "threads": 4096}
    RunFolder(other).write_text(other / "recipe.yaml", yaml.safe_dump(values))
    train = request.settings_of(other)["train"]
    assert (train["precision"], train["threads"]) in (("auto", 0), ("16", 0))
    assert train["device"] in ("auto", "cuda:77")
    assert request.settings_of(first.path)["train"]["threads"] == 1


def test_epochs_take_the_place_of_a_budget_and_a_budget_begins_anew(first: RunFolder, tmp_path: Path) -> None:
    other = tmp_path / "budgeted"
    shutil.copytree(first.path, other)
    values = recipes.load(other / "recipe.yaml")
    values["train"] |= {"budget": 60.0, "schedule_points": [[0, 9]]}
    RunFolder(other).write_text(other / "recipe.yaml", yaml.safe_dump(values))
    heard: list[str] = []
    kept = request.build_request(None, [], None, other, False, heard.append)["train"]
    assert (kept["budget"], kept.get("schedule_points")) == (60.0, None)
    asked = request.build_request(None, ["train.epochs=2"], None, other, False, heard.append)["train"]
    assert (asked["epochs"], asked["budget"]) == (2, None)
    repeat = request.build_request(other / "recipe.yaml", ["train.epochs=2"], None, None, False, heard.append)["train"]
    assert (repeat["epochs"], repeat["budget"], repeat["schedule_points"]) == (2, None, [])
    assert heard == ["train.epochs=2 replaces train.budget=60.0"] * 2


def test_a_package_gives_its_network_and_preparation(first: RunFolder, tmp_path: Path) -> None:
    package = tmp_path / "package"
    shutil.copytree(first.model, package)
    asked = request.settings_of(package)
    keys, was = recipes.validate(asked), recipes.validate(recipes.load(first.recipe))
    assert keys.model == was.model
    assert (keys.data.resize, keys.data.normalise, keys.data.channels) == (was.data.resize, "image", was.data.channels)
    assert keys.task.name == "segment"


def test_a_fold_is_kept(first: RunFolder) -> None:
    asked = request.build_request(None, ["split.folds=3", "split.fold=1"], None, first.path, False, print)
    assert folds_of(asked) == 0
    assert asked["split"]["fold"] == 1
