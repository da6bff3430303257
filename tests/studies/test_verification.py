"""``lamelle runs verify``: every file of runs, evaluations and packages, read to the last byte."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from lamelle import verbs
from lamelle.cli.main import main
from lamelle.errors import RequestError
from lamelle.prediction.package import DESCRIPTION
from lamelle.results.base import Result
from lamelle.runs.folder import RunFolder
from lamelle.runs.model import load_model
from lamelle.studies.folder import StudyFolder
from lamelle.studies.verification import Verified
from lamelle.training import checkpoint
from lamelle.training.checkpoint import State


class Seeds(Result):
    """A request of a study, as small as it can be."""

    seeds: int


def call(*words: object) -> int:
    """The exit code of a command."""
    try:
        main([str(word) for word in words])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run with two checkpoints, a fold and an evaluation."""
    run = RunFolder.create(tmp_path / "runs", "a")
    for one in (run, RunFolder.create(run.path, "fold0")):
        one.write_text(one.recipe, "task: segment\n")
        one.write_json(one.scores, {"dice": 0.75})
    network = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    first = State(step=3)
    checkpoint.save(run.checkpoints, first, network, optimizer, checkpoint.weights(network), None)
    second = State(step=6, best_file=first.best_file, best_digest=first.best_digest)
    checkpoint.save(run.checkpoints, second, network, optimizer, None, None)
    elsewhere = RunFolder.create(run.evaluations, "site")
    elsewhere.write_json(elsewhere.scores, {"dice": 0.5})
    return run


@pytest.fixture
def study(tmp_path: Path) -> StudyFolder:
    """A study with one run."""
    study = StudyFolder.start(tmp_path / "runs" / "s", Seeds(seeds=1))
    for path in (study.table, study.scores, study.report, study.trials):
        study.write_text(path, f"content of {path.name}")
    run = RunFolder.create(study.path / "lr=1", "seed0")
    run.write_text(run.recipe, "task: segment\n")
    (study.path / "lr=1-seed0.log").write_text("epoch 1\n")
    study.seal(*study.path.glob("*.log"))
    return study


def test_the_files_of_a_study_are_known_too(study: StudyFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("runs", "verify", study.path.parent) == 0
    own = {"study.json", "table.csv", "scores.json", "report.html", "trials.db", "lr=1-seed0.log", "manifest.json"}
    said = capsys.readouterr().out
    assert all(name in said for name in (*own, "recipe.yaml"))
    for name in own:
        path = study.path / name
        before = path.read_bytes()
        flip(path)
        assert call("runs", "verify", study.path) == 1
        assert wrong(verbs.verify_runs(study.path))[name] == "changed"
        path.unlink()
        assert wrong(verbs.verify_runs(study.path))[name] == "missing"
        path.write_bytes(before)
    assert wrong(verbs.verify_runs(study.path)) == {}


def test_a_study_is_not_gone_on_with_if_it_is_not_what_was_written(study: StudyFolder) -> None:
    def again() -> StudyFolder:
        study_again = StudyFolder.start(study.path, Seeds(seeds=1))
        study_again.open(study_again.trials)
        return study_again

    for path in (study.request, study.path / "lr=1-seed0.log", study.trials):
        before = path.read_bytes()
        flip(path)
        with pytest.raises(RequestError, match=re.escape(str(path))) as caught:
            again()
        assert f"lamelle runs verify {study.path}" in str(caught.value)
        path.write_bytes(before)
    study.trials.unlink()
    with pytest.raises(RequestError, match=r"trials\.db: this file is missing"):
        again()
    study.write_text(study.trials, "trials")
    assert again().states()["trials.db"] == "unknown", "others write to it now"
    study.manifest.unlink()
    with pytest.raises(RequestError, match=r"manifest\.json: the list of what belongs to this study is missing"):
        again()


def test_a_study_that_was_killed_as_it_began_is_begun(tmp_path: Path) -> None:
    study = StudyFolder.start(tmp_path / "s", Seeds(seeds=1))
    study.request.unlink()
    assert StudyFolder.start(tmp_path / "s", Seeds(seeds=2)).read_json(study.request) == {"seeds": 2}
    study.request.unlink()
    (study.path / "other").write_text("mine")
    with pytest.raises(RequestError, match=r"study\.json: this file is missing"):
        StudyFolder.start(tmp_path / "s", Seeds(seeds=2))


def wrong(found: list[Verified]) -> dict[str, str]:
    return {(one.path / name).name: s for one in found for name, s in one.files.items() if s in ("changed", "missing")}


def test_without_its_manifest_nothing_of_a_run_is_believed(run: RunFolder) -> None:
    run.manifest.unlink()
    run.scores.write_text('{"dice": 0.99}')
    for read in (run.read_recipe, lambda: run.read_json(run.scores), lambda: run.check(run.scores)):
        with pytest.raises(RequestError, match=r"manifest\.json: .* missing"):
            read()
    (found,) = [one for one in verbs.list_runs(run.path) if one.path == run.path]
    assert found.state == "damaged"
    assert "manifest.json" in found.why
    with pytest.raises(RequestError, match=r"manifest\.json: .* missing"):
        verbs.compare_runs([run.path, run.path / "fold0"])


def test_the_package_of_another_run_is_no_package_of_this_one(run: RunFolder) -> None:
    for folder, other in ((run, b"{}"), (RunFolder(run.path / "fold0"), b"[]")):
        folder.write_bytes(folder.model / DESCRIPTION, other)
    (RunFolder(run.path / "fold0").model / DESCRIPTION).replace(run.model / DESCRIPTION)
    with pytest.raises(RequestError, match=r"model\.json: this file is no longer what the run wrote"):
        load_model(run.path)


def test_every_file_of_a_run_its_folds_and_evaluations_is_looked_at(run: RunFolder) -> None:
    found = verbs.verify_runs(run.path)
    assert [one.path.name for one in found] == ["a", "site", "fold0"]
    assert all(one.whole for one in found)
    every = {p for p in run.path.rglob("*") if p.is_file() and p.stat().st_size}
    assert {one.path / name for one in found for name in one.files} == every
    for path in every:
        whole = path.read_bytes()
        flip(path)
        assert wrong(verbs.verify_runs(run.path)) == {path.name: "changed"}
        path.write_bytes(whole)
    assert [one.path for one in verbs.verify_runs(run.path.parent)] == [one.path for one in found]
    with pytest.raises(RequestError, match="no run and no package"):
        verbs.verify_runs(run.path.parent.parent / "nothing")


@pytest.mark.parametrize("ending", ["json", "safetensors"])
def test_a_damaged_checkpoint_is_said_and_the_one_before_it_taken(run: RunFolder, ending: str) -> None:
    path, heard = run.checkpoints / f"step-00000006.{ending}", list[Path]()
    flip(path)
    found = checkpoint.newest(run.checkpoints, heard.append)
    assert found is not None
    assert (found[0].step, heard) == (3, [path])


def test_the_command_lists_every_file_and_its_exit_code_tells(
    run: RunFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.path.parents[1])
    assert call("runs", "verify") == 0
    shown = capsys.readouterr().out
    assert "scores.json" in shown
    assert "13 files: 13 whole" in shown
    flip(run.scores)
    (run.path / "mine.txt").write_text("notes")
    (run.checkpoints / "best-00000003.safetensors").unlink()
    assert call("runs", "verify", run.path) == 1
    told = capsys.readouterr()
    assert "14 files: 11 whole, 1 changed, 1 missing, 1 unknown" in told.out
    assert str(run.scores) in told.err
    assert call("runs", "verify", run.path, "--csv") == 2
    assert "verify has no options" in capsys.readouterr().err


def test_a_damaged_run_is_listed_with_what_is_wrong(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    flip(run.scores)
    assert call("runs", run.path.parent) == 0
    assert f"{run.path / 'scores.json'}: this file is no longer" in capsys.readouterr().out
