"""Packages that version 0.1 wrote (format 1) are read for ever: they answer as they did, and mean what they meant."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from lamelle.prediction import package
from lamelle.prediction.migration import migrate_1_to_2
from lamelle.tasks.table import restore

FROZEN = Path(__file__).parents[1] / "frozen" / "format1.zip"


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frozen")
    with zipfile.ZipFile(FROZEN) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize("name", ["classify", "segment", "instances"])
def test_a_package_of_format_1_answers_as_it_did_and_is_written_as_one_of_format_2(
    frozen: Path, tmp_path: Path, name: str
) -> None:
    old = package.load(frozen / name)  # its self-test compares an answer of then with one of now
    package.save(old, tmp_path)
    assert json.loads((tmp_path / package.DESCRIPTION).read_text())["format"] == 2
    again = package.load(tmp_path)
    assert (again.task.describe(), again.fitted, again.tile) == (old.task.describe(), old.fitted, old.tile)


def described(frozen: Path, name: str) -> dict[str, Any]:
    return json.loads((frozen / name / package.DESCRIPTION).read_text())


def test_options_mean_what_they_meant(frozen: Path) -> None:
    tasks = {}
    for folder in frozen.iterdir():
        task = restore(**migrate_1_to_2(described(frozen, folder.name))["task"])
        tasks[folder.name] = (task.describe()["options"], task.describe()["settled"])
    options, settled = tasks["classify"]
    assert options["loss"] == {"name": "focal", "gamma": 1.5}
    assert (options["remedy"], options["threshold"], options["calibrate"]) == (
        {"name": "both", "alpha": 0.25},
        "f1",
        True,
    )
    assert settled == {"classes": ("a", "b"), "class_counts": (7, 4), "multi_label": False}
    assert tasks["vit"][0]["remedy"] == {"name": "logit_adjustment", "tau": 2.0}
    assert (tasks["timm"][0]["threshold"], tasks["timm"][1]["multi_label"]) == (0.3, True)
    options, settled = tasks["segment"]
    assert options["loss"] == {"name": "focal_tversky", "alpha": 0.2, "beta": 0.8, "gamma": 1.5}
    assert (options["tolerance"], options["threshold_by"], options["min_size"]) == (3.0, "image", 4)
    assert (settled["also"], settled["weights"]) == (("cells",), None)
    options, settled = tasks["volume"]
    assert options["loss"] == {"name": "boundary_ce", "w0": 9.0, "sigma": 4.0, "between": 1}
    assert (settled["weights"], settled["also"], options["exclusive"]) == ((1.0, 2.0, 3.0), ("lines",), False)
    options, settled = tasks["instances"]
    assert (options["mask_threshold"], options["min_size"], settled["parts"]) == (0.5, "auto", True)
    assert tasks["timm-unet"][0]["min_size"] == 16


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
        restore(**migrate_1_to_2(old)["task"])
