"""A run never overwrites another, knows its files, and notices when one is changed."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import stat
from pathlib import Path

import pytest

from lamelle.data import file_hashes
from lamelle.errors import FileError, LamelleError, RequestError
from lamelle.io import atomic
from lamelle.runs.folder import RunFolder
from lamelle.runs.saved_plan import environment, open_plan


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
    written = {"recipe.yaml", "scores.json", "predictions/labels/a.csv"}
    assert set(json.loads(run.manifest.read_text())["files"]) == written
    run.recipe.write_text("task: classify\n")
    run.scores.unlink()
    assert run.altered() == {"recipe.yaml": "changed", "scores.json": "missing"}
    run.write_text(run.recipe, "task: classify\n")
    assert "recipe.yaml" not in run.altered(), "what Lamelle itself writes anew is no change"


def filled(folder: Path) -> RunFolder:
    run = RunFolder.create(folder, "a")
    run.write_text(run.recipe, "task: segment\n")
    run.write_text(run.history, "epoch,loss\n1,0.5\n")
    run.write_json(run.scores, {"dice": 0.75})
    run.write_bytes(run.predictions / "labels" / "a.png", bytes(range(200)))
    run.note("trained")
    return run


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def test_a_flipped_bit_in_any_file_is_noticed_and_named(tmp_path: Path) -> None:
    run = filled(tmp_path)
    files = [p for p in run.path.rglob("*") if p.is_file() and p.stat().st_size]
    assert {run.relative(p) for p in files} == {*run.states()}
    for path in files:
        whole = path.read_bytes()
        for bit in range(0, 8 * len(whole), 7):
            flip(path, bit)
            assert RunFolder(run.path).altered() == {run.relative(path): "changed"}
            path.write_bytes(whole)


def test_what_was_changed_is_not_read(tmp_path: Path) -> None:
    run = filled(tmp_path)
    for path, read in (
        (run.recipe, lambda again: again.read_recipe()),
        (run.history, lambda again: again.read_table(again.history)),
        (run.scores, lambda again: again.read_json(again.scores)),
        (run.predictions / "labels" / "a.png", lambda again: again.check(again.predictions / "labels" / "a.png")),
        (run.predictions / "labels" / "a.png", lambda again: again.check(again.predictions)),
        (run.manifest, lambda again: again.read_json(again.scores)),
    ):
        whole = path.read_bytes()
        read(RunFolder(run.path))
        flip(path, 8 * len(whole) // 2)
        with pytest.raises(LamelleError, match=re.escape(path.name)):
            read(RunFolder(run.path))
        path.write_bytes(whole)


def test_a_fold_knows_its_own_files(tmp_path: Path) -> None:
    whole = filled(tmp_path)
    fold = filled(whole.path)
    assert set(whole.states().values()) == {"whole"}, "the fold counts by itself"
    whole.read_json(fold.scores)
    flip(fold.scores, 90)
    with pytest.raises(RequestError, match="a/a/scores"):
        whole.read_json(fold.scores)
    assert whole.altered() == {}


def test_what_is_scored_and_has_no_manifest_is_refused(tmp_path: Path) -> None:
    run = filled(tmp_path)
    fold, evaluation = filled(run.path), RunFolder.create(run.evaluations, "site")
    evaluation.write_json(evaluation.scores, {})
    for inner in (fold, evaluation, run):
        inner.manifest.unlink()
        for reader in (run, inner):
            with pytest.raises(LamelleError, match=re.escape(str(inner.manifest))):
                RunFolder(reader.path).read_json(inner.scores)


def test_scores_that_were_changed_can_be_made_anew(tmp_path: Path) -> None:
    run = filled(tmp_path)
    run.model.mkdir()
    flip(run.scores, 90)
    with pytest.raises(RequestError, match=f"lamelle evaluate {run.path}"):
        run.read_json(run.scores)
    run.write_json(run.scores, {"dice": 0.8})
    assert run.read_json(run.scores) == {"dice": 0.8}
    flip(run.history, 90)
    with pytest.raises(RequestError, match=f"lamelle runs verify {run.path}"):
        run.read_table(run.history)


def test_a_kill_between_the_manifest_and_the_file_leaves_a_whole_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = filled(tmp_path)

    def killed(path: Path, content: bytes) -> None:
        if path.name != "manifest.json":
            raise KeyboardInterrupt
        return write(path, content)

    write = atomic.write_bytes
    for path in (run.history, run.report):  # one that was there, and a new one
        with monkeypatch.context() as patch:
            patch.setattr(atomic, "write_bytes", killed)
            with pytest.raises(KeyboardInterrupt):
                run.write_text(path, "epoch,loss\n1,0.5\n2,0.4\n")
    run = RunFolder(run.path)
    assert len(run.read_table(run.history)) == 1
    assert run.altered() == {"report.html": "missing"}
    for path in (run.history, run.report):
        run.write_text(path, "epoch,loss\n1,0.5\n2,0.4\n3,0.3\n")
    run.write_json(run.scores, {})
    assert (len(run.read_table(run.history)), run.altered()) == (3, {})
    flip(run.history, 90)
    assert run.altered() == {"history.csv": "changed"}


def test_what_is_about_to_be_written_anew_is_unknown_until_it_is_sealed(tmp_path: Path) -> None:
    run = filled(tmp_path)
    label = run.predictions / "labels" / "a.png"
    run.forget(run.predictions)
    label.write_bytes(b"new")
    assert (run.altered(), run.states()["predictions/labels/a.png"]) == ({}, "unknown")
    run.seal(label)
    assert run.states()["predictions/labels/a.png"] == "whole"


def test_a_log_that_was_changed_is_not_made_good_by_another_line(tmp_path: Path) -> None:
    run = filled(tmp_path)
    flip(run.log, 90)
    run.note("more")
    assert run.altered() == {"log.txt": "changed"}


def test_hashes_are_remembered_until_the_file_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = filled(tmp_path)
    label = run.predictions / "labels" / "a.png"
    os.utime(label, (1e9, 1e9))
    run.check(label)
    with monkeypatch.context() as patch:
        patch.setattr(file_hashes.hashlib, "file_digest", None)  # a call would fail
        RunFolder(run.path).check(label)
        status = label.stat()
        flip(label, 90)
        os.utime(label, ns=(status.st_atime_ns, status.st_mtime_ns))
        with pytest.raises(TypeError):
            RunFolder(run.path).check(label)
    with pytest.raises(RequestError, match=re.escape("a.png")):
        RunFolder(run.path).check(label)


def test_a_copy_elsewhere_an_evaluation_and_notes_leave_a_run_whole(tmp_path: Path) -> None:
    run = filled(tmp_path)
    copy = RunFolder(Path(shutil.copytree(run.path, tmp_path / "elsewhere")))
    evaluation = RunFolder.create(copy.evaluations, "site")
    evaluation.write_json(evaluation.scores, {})
    (copy.path / "my notes.txt").write_text("mine")
    assert copy.altered() == {}
    assert copy.states()["my notes.txt"] == "unknown"
    assert copy.read_json(copy.scores) == {"dice": 0.75}
    shutil.rmtree(copy.evaluations)
    assert copy.altered() == {}


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_list_of_hashes_without_its_own_hash_is_refused(tmp_path: Path, wrapped: bool) -> None:
    run = filled(tmp_path)
    files = {"scores.json": hashlib.sha256(run.scores.read_bytes()).hexdigest()}
    run.manifest.write_text(json.dumps({"format": 2, "files": files} if wrapped else files))
    with pytest.raises(FileError, match="relied on") as caught:
        RunFolder(run.path).read_json(run.scores)
    assert caught.value.problem.where == str(run.manifest)


def test_two_processes_that_write_lose_nothing(tmp_path: Path) -> None:
    first = filled(tmp_path)
    second = RunFolder(first.path)
    first.write_text(first.history, "epoch\n1\n")
    second.write_text(second.report, "page")
    first.write_text(first.split, "id\n")
    second.write_text(second.report, "another page")
    assert first.altered() == second.altered() == {}


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


def test_results_of_an_older_lamelle_are_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr("lamelle.io.manifest.FORMAT", 2)
        run = filled(tmp_path)
        run.write_json(run.environment, {"lamelle": "0.0.9"})
    again = RunFolder(run.path)
    assert again.older
    for read in (again.read_scores, again.read_history, again.read_stats, lambda: open_plan(again)):
        with pytest.raises(RequestError, match=r"made by Lamelle 0\.0\.9.*still predicts.*evaluate .* DATA"):
            read()
    again.write_text(again.report, "page")
    assert RunFolder(run.path).older, "what is added to it makes it no newer"
    assert not filled(tmp_path / "new").older
