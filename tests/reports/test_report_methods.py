"""What was done: every key that changes a training has its words."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from lamelle.data.augment.options import AUGMENT, Augment
from lamelle.reports.methods import augmentation, method
from lamelle.reports.page import write_report
from lamelle.runs.bundle import open_bundle
from lamelle.runs.folder import RunFolder
from lamelle.tasks.remedies import REMEDIES
from lamelle.tasks.segment import Segment

OFF = AUGMENT.options.none()
HELPERS = {"elastic_spacing", "elastic_probability", "noise_probability", "blur_probability", "policy_strength"}


@pytest.fixture
def copied(classify_run: RunFolder, tmp_path: Path) -> RunFolder:
    shutil.copytree(classify_run.path, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def change(run: RunFolder, section: str, **keys: object) -> None:
    recipe = yaml.safe_load(run.recipe.read_text())
    recipe[section] |= keys
    run.write_text(run.recipe, yaml.safe_dump(recipe))


def provenance(run: RunFolder, **values: object) -> None:
    path = run.model / "model.json"
    about = json.loads(path.read_text())
    about["provenance"] |= values
    run.write_text(path, json.dumps(about))


def said(run: RunFolder) -> dict[str, str]:
    return dict(method(open_bundle(run)))


@pytest.mark.parametrize("name", sorted(Augment.model_fields.keys() - HELPERS))
def test_each_change_of_the_images_has_its_words(name: str) -> None:
    value = (0.8, 1.0) if name == "zoom" else True if name in {"flip", "rot90"} else 2 if name == "policy" else 0.25
    assert augmentation(OFF, draws=0) == "none"
    changed = augmentation(OFF.model_copy(update={name: value}), draws=0)
    assert changed not in {"", "none"}
    assert "augment" not in changed


def test_changes_are_listed_with_their_bounds_and_shares() -> None:
    keys = {"flip": ("x",), "zoom": (0.8, 1.0), "shift": 0.05, "noise": 0.1, "noise_probability": 0.5}
    wanted = "flipped (x); zoomed 0.8 to 1 times; shifted by up to ±5.0 % of the size; noise up to 0.1 (50 %); "
    assert augmentation(OFF.model_copy(update=keys), draws=8) == wanted + "8 fixed draws of each image, used in turn"


def test_counts_and_times_are_those_of_the_package(copied: RunFolder) -> None:
    counts = {"trainable": 250, "parameters": 1000, "parameters_with_statistics": 1200}
    provenance(copied, **counts, seconds=75, epochs=5, seconds_per_epoch=12.5)
    found = said(copied)
    wanted = "250 learn of 1\u202f000 in all (25 %)"
    assert found["Parameters"] == wanted + "; with the statistics of batch norms 1\u202f200"
    provenance(copied, **counts | {"parameters_with_statistics": 1000})
    assert said(copied)["Parameters"] == wanted, "there are none"
    assert found["Time"] == "1 min 15 s (12.5 s an epoch)"


def test_an_older_package_says_what_it_can(copied: RunFolder) -> None:
    path = copied.model / "model.json"
    about = json.loads(path.read_text())
    about["provenance"] = {"precision": "32", "seconds": 30.0, "epochs": 4}
    copied.write_text(path, json.dumps(about))
    found = said(copied)
    assert found["Time"] == "30.0 s (7.5 s an epoch)"
    assert "learn" not in found["Parameters"]
    assert "; with the statistics of batch norms" in found["Parameters"], "counted from the file"
    assert found["Initial weights"] == "random weights"
    assert "Licence of the weights" not in found


def test_the_licence_of_pretrained_weights_is_named_or_said_to_be_unknown(copied: RunFolder) -> None:
    change(copied, "model", weights="somewhere/mobilenetv2_100.safetensors")
    provenance(copied, weights=None)
    assert said(copied)["Initial weights"] == "pretrained weights: mobilenetv2_100.safetensors"
    assert "not known" in said(copied)["Licence of the weights"]
    provenance(copied, weights={"file": "/x/net.safetensors", "licence": "apache-2.0"})
    assert (said(copied)["Initial weights"], said(copied)["Licence of the weights"]) == (
        "pretrained weights: net.safetensors",
        "apache-2.0",
    )


@pytest.mark.parametrize("depth", ["none", "head", "last_conv", "last_two_convs", "stage:2"])
def test_each_depth_says_what_is_frozen(copied: RunFolder, depth: str) -> None:
    change(copied, "model", freeze=depth, bn_frozen=True)
    frozen = said(copied)["Frozen"]
    assert frozen.startswith("nothing" if depth == "none" else "everything but")
    assert ("2 stage" in frozen) == (depth == "stage:2")
    assert frozen.endswith("keep their statistics")


@pytest.mark.parametrize("remedy", REMEDIES)
def test_each_remedy_and_decision_is_a_sentence(copied: RunFolder, remedy: str) -> None:
    options = REMEDIES[remedy].model_validate({"alpha": 0.25} if remedy == "both" else {})
    change(copied, "task", remedy=options.model_dump(), threshold=0.3)
    assert len(said(copied)["Class imbalance"]) > 8
    assert ("α = 0.25" in said(copied)["Class imbalance"]) == (remedy == "both")
    assert said(copied)["Decision rule"] == "a fixed threshold of 0.300"


def test_a_fixed_threshold_of_pixels_is_said_as_that_of_images_is(copied: RunFolder) -> None:
    bundle = open_bundle(copied)
    recipe = bundle.recipe.model_copy(update={"task": Segment.Options(threshold=0.25)})
    assert dict(method(replace(bundle, recipe=recipe)))["Decision rule"] == "a fixed threshold of 0.250"


def test_the_table_stands_under_the_curves_of_the_training(copied: RunFolder) -> None:
    page = write_report(copied).read_text()
    training = page[page.index('id="training"') : page.index('id="repeat"')]
    assert all(f">{name}</th>" in training for name in said(copied))
    copied.forget(copied.history)
    copied.history.unlink()
    page = write_report(copied).read_text()
    assert ">Class imbalance</th>" in page[page.index('id="repeat"') :]
