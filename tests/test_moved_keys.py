"""Every key of before is a key still, or is read under its new name with a note."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from lamelle.errors import KeyMoved, RequestError
from lamelle.runs import layers, recipe
from lamelle.runs.moved_keys import MOVED, renewed

BEFORE = {
    "task": "name loss gamma imbalance alpha beta tau threshold smoothing calibrate weights tversky_gamma cldice_alpha "
    "cldice_iterations w0 sigma between exclusive threshold_by min_size fill_holes largest tolerance cells lines "
    "mask_threshold seed_threshold",
    "data": "path layout image label images masks group split axes dims labels classes ignore instances channels "
    "context resize normalise range allow_leakage",
    "split": "train validation test by gap blocks folds fold seed",
    "model": "kind filters up norm dropout residual deep_supervision kernel pool name hidden weights freeze "
    "bn_momentum bn_frozen",
    "augment": "flip rot90 rotate zoom shift shear elastic elastic_spacing elastic_probability brightness contrast "
    "gamma saturation tint invert noise noise_probability blur blur_probability policy policy_strength mixup cutmix",
    "train": "start epochs budget knots samples patch foreground batch optimizer lr weight_decay momentum layer_decay "
    "unfreeze_every ema draws features schedule warmup clip patience monitor validate_every seed device precision "
    "threads workers checkpoint_every tensorboard",
    "evaluate": "level resamples flips overlap keep_seen tile",
}
"""The keys of version 0.1 before options were nested."""
CLASSIFY: dict[str, Any] = {
    "name": "classify",
    "loss": "focal",
    "gamma": 1.5,
    "imbalance": "both",
    "alpha": 0.25,
    "beta": 0.999,
    "tau": 1.0,
}
NONE = {"name": "none"}
SEGMENT: dict[str, Any] = {"name": "segment", "loss": "focal_tversky", "gamma": 2.0, "alpha": 0.2, "beta": 0.8}
SEGMENT |= {"tversky_gamma": 1.5, "cldice_alpha": 0.5, "cldice_iterations": 3, "w0": 10.0, "sigma": 5.0, "between": 0}
SEGMENT |= {"cells": True, "lines": True}


def heard(values: dict[str, Any], **more: Any) -> tuple[dict[str, Any], list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = renewed(values, **more)
    return found, [str(w.message) for w in caught if issubclass(w.category, KeyMoved)]


def test_every_key_of_before_is_a_key_or_moved_to_one() -> None:
    known = recipe.every_key()
    assert {place.to for places in MOVED.values() for place in places} <= set(known)
    assert not set(MOVED) & set(known)
    for section, names in BEFORE.items():
        for name in names.split():
            assert f"{section}.{name}" in known or f"{section}.{name}" in MOVED, f"{section}.{name}"


def test_a_written_recipe_of_before_says_the_same_and_makes_no_noise(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"task: {CLASSIFY}\ndata: {{instances: null}}\ntrain: {{knots: [[0, 9]]}}\n".replace("None", "null")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = recipe.validate(recipe.load(path, quiet=True))
    task: Any = found.task
    assert (task.loss.name, task.loss.gamma, task.remedy.name, task.remedy.alpha) == ("focal", 1.5, "both", 0.25)
    assert (found.train.schedule_points, found.data.label_values) == (((0, 9),), None)
    whole: Any = recipe.validate(heard({"task": SEGMENT})[0])
    assert (whole.task.loss.alpha, whole.task.loss.beta, whole.task.loss.gamma) == (0.2, 0.8, 1.5)
    assert whole.evaluate.also == ("cells", "lines")


@pytest.mark.parametrize(
    ("pairs", "found"),
    [
        (["loss=focal", "task.gamma=3"], {"task": {"loss": {"name": "focal", "gamma": 3}}}),
        (["imbalance=both", "alpha=0.2"], {"task": {"remedy": {"name": "both", "alpha": 0.2}}}),
        (["alpha=0.2", "loss=tversky"], {"task": {"loss": {"name": "tversky", "alpha": 0.2}}}),
        (["cells=true", "lines=true"], {"task": {}, "evaluate": {"also": ["cells", "lines"]}}),
        (["data.instances=true"], {"data": {"label_values": "objects"}}),
        (["instances=false"], {"data": {"label_values": "classes"}}),
        (["train.knots=[[0, 4]]"], {"train": {"schedule_points": [[0, 4]]}}),
    ],
)
def test_old_pairs_are_read_with_a_note(pairs: list[str], found: dict[str, Any]) -> None:
    with pytest.warns(KeyMoved, match="is called .* now"):
        assert layers.parse_overrides(pairs) == found


def test_what_kind_is_meant_may_be_said_by_the_layer_below() -> None:
    over = layers.parse_overrides(["alpha=0.4"])
    assert over == {"task": {"alpha": 0.4}}, "of a loss, or of a remedy"
    for below, key in (({"loss": "tversky"}, "loss"), ({"name": "classify", "remedy": {"name": "both"}}, "remedy")):
        with pytest.warns(KeyMoved, match=f"task.alpha is called task.{key}.alpha now"):
            assert layers.merge({"task": dict(below)}, over)["task"][key]["alpha"] == 0.4
    with pytest.warns(KeyMoved, match=r"task\.alpha is left out: .* of tversky, focal_tversky, both alone"):
        assert recipe.validate({"task": {"name": "segment", "alpha": 0.4}}) == recipe.validate({})


def test_the_note_is_one_sentence_on_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lamelle", "check", str(tmp_path), "data.instances=true"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr.splitlines()
    notes = [line for line in said if "data.instances" in line]
    assert notes == ["data.instances is called data.label_values now; the old name is read for two more minor versions"]


def test_the_recipe_knows_no_torch() -> None:
    code = "import sys, lamelle.runs.layers; print([m for m in ('torch', 'timm') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"


@pytest.mark.parametrize(
    "pairs", [["loss=focal", "loss=ce"], ["model.kind=unet", "model.kind=cnn"], ["task=segment", "task=classify"]]
)
def test_two_kinds_in_one_layer_are_refused(pairs: list[str]) -> None:
    with pytest.raises(RequestError, match="is given twice"):
        layers.parse_overrides(pairs)


@pytest.mark.parametrize(
    ("below", "pairs", "left", "lost"),
    [
        ({"loss": {"name": "focal", "gamma": 3}}, ["loss=ce"], {"loss": {"name": "ce"}}, ["task.loss.gamma=3"]),
        ({"loss": {"name": "focal", "gamma": 3}}, ["loss=focal"], {"loss": {"name": "focal", "gamma": 3}}, []),
        ({"loss": "focal"}, ["task.loss.gamma=1"], {"loss": {"name": "focal", "gamma": 1}}, []),
        ({"remedy": {"name": "both", "alpha": 1}}, ["remedy=none"], {"remedy": NONE}, ["task.remedy.alpha=1"]),
        ({"name": "segment", "min_size": 4}, ["task=instances"], {"name": "instances"}, ["task.min_size=4"]),
    ],
)  # fmt: skip
def test_another_kind_drops_the_keys_of_the_one_below(below: Any, pairs: list[str], left: Any, lost: list[str]) -> None:
    before: dict[str, Any] = {"task": below}
    after = layers.merge({"task": dict(below)}, layers.parse_overrides(pairs))
    assert after["task"] == left
    assert layers.left_behind(before, after) == lost


def test_a_key_of_another_kind_is_refused() -> None:
    with pytest.raises(RequestError, match=r"task\.loss\.gamma=3: what was chosen for task\.loss has no such key"):
        recipe.validate(layers.parse_overrides(["task=segment", "loss=ce", "task.loss.gamma=3"]))
    with pytest.raises(RequestError, match=r"task\.loss='dicee': must be one of"):
        recipe.validate(layers.parse_overrides(["task=segment", "loss=dicee"]))


def test_keys_are_listed_with_defaults_bounds_and_choices() -> None:
    known = recipe.known_keys()
    assert known["task.loss.sigma"] == "boundary_ce: width of these weights in pixels [5; > 0]"
    assert known["train.optimizer"] == "optimiser [adamw; adam, adamw, sgd]"
    assert "focal: exponent [2; ≥ 0]" in known["task.loss.gamma"]
    assert known["task.remedy"].startswith("classify: remedy for rare classes")
