"""A run never overwrites another, knows its files, and notices when one is changed."""

from __future__ import annotations

import json
import math
import stat
from pathlib import Path

import pytest

from lamelle.errors import RequestError
from lamelle.run import RunFolder, environment


def test_a_taken_name_is_numbered(tmp_path: Path) -> None:
    names = [RunFolder.create(tmp_path / "runs", "a").path.name for _ in range(3)]
    assert names == ["a", "a-2", "a-3"]
    (tmp_path / "runs" / "b").write_text("a file")
    assert RunFolder.create(tmp_path / "runs", "b").path.name == "b-2"


def test_where_no_folder_can_be_made_another_place_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RequestError, match="--runs"):
            RunFolder.create(place, "a")


def test_a_run_is_private_to_its_owner(tmp_path: Path) -> None:
    assert stat.S_IMODE(RunFolder.create(tmp_path, "a").path.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "/tmp/a", "a/"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError, match="one plain folder name"):
        RunFolder.create(tmp_path / "runs", name)
    assert not list(tmp_path.rglob("*")) or [p.name for p in tmp_path.rglob("*")] == ["runs"]


def test_the_manifest_notices_what_changed(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "a")
    run.write_text(run.recipe, "task: segment\n")
    run.write_json(run.scores, {"dice": math.nan})
    run.write_text(run.predictions / "labels" / "a.csv", "x\n")
    assert run.altered() == {}
    assert set(json.loads(run.manifest.read_text())) == {"recipe.yaml", "scores.json", "predictions/labels/a.csv"}
    run.recipe.write_text("task: classify\n")
    run.scores.unlink()
    assert run.altered() == {"recipe.yaml": "changed", "scores.json": "missing"}
    run.write_text(run.recipe, "task: classify\n")
    assert "recipe.yaml" not in run.altered(), "what Lamelle itself writes anew is no change"


def test_what_is_not_finite_is_null_in_json(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "a")
    run.write_json(run.scores, {"dice": math.nan, "low": -math.inf})
    assert run.read_json(run.scores) == {"dice": None, "low": None}


def test_what_is_missing_names_the_cure(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "a")
    with pytest.raises(RequestError, match="--resume"):
        run.read_json(run.scores)
    with pytest.raises(RequestError, match="not a run"):
        RunFolder.open(run.path)
    run.write_text(run.recipe, "")
    assert RunFolder.open(str(run.path)).path == run.path


def test_the_log_has_a_time_on_every_line(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "a")
    run.note("one")
    run.note("zwei: ü")
    lines = run.log.read_text(encoding="utf-8").splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["one", "zwei: ü"]
    assert all("T" in line.split(" ")[0] for line in lines)


def test_the_environment_says_versions_and_what_was_resolved() -> None:
    found = environment(resolved={"seed": 3}, argv=["train", "x"])
    assert found["resolved"] == {"seed": 3}
    assert found["command"] == ["train", "x"]
    libraries = found["libraries"]
    assert isinstance(libraries, dict)
    assert {"torch", "numpy", "timm"} <= set(libraries)
    assert json.dumps(found)
