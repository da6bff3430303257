"""Packages of formats 1 to 3 are read for ever: they answer as they did, and mean what they meant."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from lamelle.models.build import Architecture
from lamelle.models.options import CnnOptions, TimmOptions, TimmUNetOptions, UNetOptions
from lamelle.prediction import package
from lamelle.prediction.fitted_before import fitted_before
from lamelle.prediction.migration import migrated
from lamelle.results.fitted import Sweep
from lamelle.results.saved_task import SavedTask
from lamelle.tasks.table import restore

FROZEN = Path(__file__).parents[1] / "frozen"


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(tmp_path_factory.mktemp("frozen1"), "format1.zip")


@pytest.fixture(scope="module")
def frozen3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(tmp_path_factory.mktemp("frozen3"), "format3.zip")


def unpacked(folder: Path, name: str) -> Path:
    with zipfile.ZipFile(FROZEN / name) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize(
    ("made", "name"),
    [
        *((1, name) for name in ("classify", "segment", "instances")),
        *((3, n) for n in ("segment", "sigmoid", "instances")),
    ],
)
def test_an_older_package_answers_as_it_did_and_is_written_as_one_of_format_4(
    frozen: Path, frozen3: Path, tmp_path: Path, made: int, name: str
) -> None:
    folder = {1: frozen, 3: frozen3}[made]
    assert described(folder, name)["format"] == made
    old = package.load(folder / name)  # its self-test compares an answer of then with one of now
    package.save(old, tmp_path)
    assert json.loads((tmp_path / package.DESCRIPTION).read_text())["format"] == 4
    again = package.load(tmp_path)
    assert (again.task.describe(), again.fitted, again.tile) == (old.task.describe(), old.fitted, old.tile)
    assert again.sweeps == old.sweeps
    assert again.architecture == old.architecture


def described(frozen: Path, name: str) -> dict[str, Any]:
    return json.loads((frozen / name / package.DESCRIPTION).read_text())


def test_options_mean_what_they_meant(frozen: Path) -> None:
    tasks = {}
    for folder in frozen.iterdir():
        task = restore(SavedTask(**migrated(described(frozen, folder.name))["task"]))
        tasks[folder.name] = (task.describe().options, task.describe().settled)
    options, settled = tasks["classify"]
    assert options["loss"] == {"name": "focal", "gamma": 1.5}
    assert (options["remedy"], options["threshold"], options["calibrate"]) == (
        {"name": "both", "alpha": 0.25},
        "f1",
        True,
    )
    assert settled == {"classes": ["a", "b"], "class_counts": [7, 4], "multi_label": False}
    assert tasks["vit"][0]["remedy"] == {"name": "logit_adjustment", "tau": 2.0}
    assert (tasks["timm"][0]["threshold"], tasks["timm"][1]["multi_label"]) == (0.3, True)
    options, settled = tasks["segment"]
    assert options["loss"] == {"name": "focal_tversky", "alpha": 0.2, "beta": 0.8, "gamma": 1.5}
    assert (options["tolerance"], options["threshold_by"], options["min_size"]) == (3.0, "image", 4)
    assert (settled["also"], settled["weights"]) == (["cells"], None)
    options, settled = tasks["volume"]
    assert options["loss"] == {"name": "boundary_ce", "w0": 9.0, "sigma": 4.0, "between": 1}
    assert (settled["weights"], settled["also"], options["exclusive"]) == ([1.0, 2.0, 3.0], ["lines"], False)
    options, settled = tasks["instances"]
    assert (options["mask_threshold"], options["min_size"], settled["parts"]) == (0.5, "auto", True)
    assert tasks["timm-unet"][0]["min_size"] == 16


NETWORKS: dict[str, dict[str, Any]] = {
    "classify": {"options": CnnOptions(name="cnn1"), "inputs": 1, "outputs": 2, "size": (16, 16)},
    "segment": {"options": UNetOptions(filters=(2, 4), dropout=0.25, residual=True), "inputs": 1, "outputs": 1},
    "timm": {"options": TimmOptions(hidden=(8,)), "inputs": 3, "outputs": 2},
    "vit": {
        **{"options": TimmOptions(name="vit_tiny_patch16_224", dropout=0.0), "inputs": 1, "outputs": 2},
        "size": (96, 96),
    },
    "timm-unet": {"options": TimmUNetOptions(), "inputs": 1, "outputs": 3},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_what_they_were(frozen: Path, name: str) -> None:
    old = described(frozen, name)
    assert Architecture.model_validate(migrated(old)["model"]) == Architecture(**NETWORKS[name])
    before = migrated(old) | {"format": 2, "model": old["model"], "fitted": old["fitted"]}  # networks as in format 1
    assert migrated(before) == migrated(old)


def test_the_network_of_volumes_is_what_it_was(frozen: Path) -> None:
    model = Architecture.model_validate(migrated(described(frozen, "volume"))["model"])
    assert (model.dims, model.outputs, getattr(model.options, "pool", None)) == (3, 2, ((1, 2, 2),))
    assert getattr(model.options, "kernel", None) == ((1, 3, 3), (3, 3, 3))


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.update(evil=1),
        lambda model: model.pop("in_channels"),
        lambda model: model.update(dropout=[0.5, 0.5]),
        lambda model: model.update(arguments={"checkpoint_path": "x"}),
        lambda model: model.update(kind="os.system"),
    ],
)
def test_networks_that_none_of_format_1_had_are_refused(frozen: Path, change: Any) -> None:
    old = described(frozen, "segment")
    change(old["model"])
    with pytest.raises((ValueError, KeyError)):
        Architecture.model_validate(migrated(old)["model"])


@pytest.mark.parametrize(
    "change",
    [
        lambda task: task.update(name="detect"),
        lambda task: task["options"].update(evil=1),
        lambda task: task["options"].pop("imbalance"),
        lambda task: task["options"].update(gamma=-1.0),
    ],
)
def test_what_none_of_format_1_had_is_refused(frozen: Path, change: Any) -> None:
    old = described(frozen, "classify")
    change(old["task"])
    with pytest.raises((ValueError, KeyError)):
        restore(SavedTask(**migrated(old)["task"]))


def decided(frozen: Path, name: str) -> tuple[dict[str, Any], dict[str, Sweep], dict[str, Any]]:
    """What was decided, what was tried for it by ``name/class``, and both as they stood there."""
    new, old = migrated(described(frozen, name)), described(frozen, name)["fitted"]
    sweeps = [Sweep.model_validate(one) for one in new["sweeps"]]
    assert restore(SavedTask(**new["task"])).restore_fitted(new["fitted"])
    return new["fitted"], {f"{one.name}/{one.of}": one for one in sweeps}, old


def test_thresholds_of_classes_and_their_curve_are_what_they_were(frozen3: Path) -> None:
    fitted, sweeps, old = decided(frozen3, "classify")
    assert fitted == {name: old[name] for name in ("temperature", "thresholds")}
    curve = sweeps["threshold/b"]
    assert (curve.points, curve.chosen, curve.by) == (
        tuple(old["threshold_curve"]["threshold"]),
        old["thresholds"][1],
        "macro_f1",
    )
    rarer = "ab"[int(old["threshold_curve"]["class"][0])]
    assert curve.scores[f"recall/{rarer}"] == tuple(old["threshold_curve"]["recall"])
    assert sweeps["temperature/"].scores["ece"] == tuple(old["temperature_scores"]["ece"])
    assert sweeps["temperature/"].n == old["temperature_scores"]["n"] == 60
    _, sweeps, old = decided(frozen3, "several")
    assert sweeps["threshold/c"].scores["f1"] == (
        old["threshold_scores"]["f1_before"][2],
        old["threshold_scores"]["f1"][2],
    )


def test_thresholds_of_pixels_and_what_cleaning_was_chosen_by_are_what_they_were(frozen3: Path) -> None:
    fitted, sweeps, old = decided(frozen3, "segment")
    assert fitted == {name: old[name] for name in ("temperature", "threshold", "cell_threshold")} | {"largest": True}
    curve = sweeps["threshold/cell"]
    assert (len(curve.points), curve.points[0], curve.points[-1], curve.by) == (101, 0.0, 1.0, "f1")
    assert curve.scores["image_dice"][1:100] == tuple(old["threshold_curve"]["image_f1"])
    assert curve.scores["f1"][::10] == tuple(old["threshold_grid"]["f1"])
    assert sweeps["fill_holes/"].scores["dice"] == tuple(old["fill_holes_curve"]["dice"])
    fitted, sweeps, old = decided(frozen3, "sigmoid")
    assert (fitted["thresholds"], fitted["min_size"]) == (old["thresholds"], 2)
    assert [one.of for one in sweeps.values() if one.undecided] == ["wall"]


def test_what_objects_were_made_by_is_what_it_was(frozen3: Path) -> None:
    fitted, sweeps, old = decided(frozen3, "instances")
    assert fitted == {name: old[name] for name in ("mask_threshold", "seed_threshold", "min_size")}
    assert sweeps["min_size/cell"].scores["ap50"] == tuple(old["min_size_curve"]["ap50"])
    nothing = fitted_before({**fitted, "unsearched": [1]}, {"name": "instances"}, ("background", "cell"))[1]
    assert [Sweep.model_validate(one).undecided for one in nothing] == [True] * 3


@pytest.mark.parametrize(
    "change",
    [
        {"evil": 1.0},
        {"thresholds": "high"},
        {"unsearched": [9]},
        {"threshold_curve": 0.5},
        {"threshold_curve": {"threshold": [0.5], "macro_f1": [0.1, 0.2]}},
        {"threshold_curve": {"macro_f1": [0.1]}},
        {"temperature_scores": {"ece": [0.5]}},
    ],
)
def test_what_was_never_decided_is_refused(frozen3: Path, change: dict[str, Any]) -> None:
    old = described(frozen3, "classify")
    with pytest.raises(ValueError):  # noqa: PT011
        migrated(old | {"fitted": old["fitted"] | change})
