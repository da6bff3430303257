"""Runs are listed as they are, filtered, ordered; making room touches what it says, and only when it is told to."""

from __future__ import annotations

import csv
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import made_scores

from lamelle import verbs
from lamelle.errors import RequestError
from lamelle.results.scores import Score
from lamelle.runs.folder import RunFolder
from lamelle.runs.recipe import Recipe
from lamelle.studies import listing, pruning, terminal
from lamelle.tasks.classify import Classify
from lamelle.tasks.segment import Segment

Maker = Callable[..., RunFolder]
HOLDS = """
import sys, time
from pathlib import Path
from lamelle.runs.folder import RunFolder
with RunFolder(Path(sys.argv[1])).locked():
    print(1, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def made(tmp_path: Path) -> Maker:
    """Writes a run as a training leaves it; ``score=None``: it is not finished."""

    def make(
        name: str, *, score: float | None = 0.8, task: str = "classify", created: str = "01", **keys: Any
    ) -> RunFolder:
        run = RunFolder(tmp_path / "runs" / name)
        run.path.mkdir(parents=True)
        recipe = Recipe(task=Classify.Options() if task == "classify" else Segment.Options())
        recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update=keys)})
        data = keys.pop("data", "histology")
        recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"path": f"/images/{data}"})})
        run.write_text(run.recipe, recipe.to_yaml())
        run.write_json(run.environment, {"created": f"2026-11-{created}T08:00:00+00:00", "lamelle": "0"})
        run.write_text(run.history, "epoch,step,lr,train_loss,loss,seconds\n1,1,1,0.5,0.6,2\n2,2,1,0.4,0.5,2\n")
        run.checkpoints.mkdir()
        (run.checkpoints / "step-00000002.safetensors").write_bytes(b"x" * 5000)
        if score is not None:
            one = Score(score, score - 0.1, score + 0.1, 9, "image")
            scores = {"accuracy": one, "brier": replace(one, value=1 - score)}
            run.write_scores(made_scores(task=task, headline=("accuracy",), scores=scores))
            run.model.mkdir()
            run.write_json(run.model / "model.json", {"provenance": {"epochs": 2, "seconds": 4.5, "parameters": 1234}})
            (run.model / "model.safetensors").write_bytes(b"w" * 300)
        return run

    return make


def old(run: RunFolder) -> None:
    """Nothing in it was changed for two days."""
    then = time.time() - 2 * listing.LONG
    for path in [run.path, *run.path.rglob("*")]:
        os.utime(path, (then, then), follow_symlinks=False)


def listed(run: RunFolder, **options: Any) -> list[str]:
    return [r.name for r in verbs.list_runs(run.path.parent, **options)]


def test_a_run_is_listed_as_it_is(made: Maker) -> None:
    run = made("first", score=0.8)
    (found,) = verbs.list_runs(run.path.parent)
    assert (found.name, found.state, found.task, found.data) == ("first", "done", "classify", "/images/histology")
    assert (found.score, found.value, found.low, found.n, found.unit) == (
        "accuracy",
        0.8,
        pytest.approx(0.7),
        9,
        "image",
    )
    assert (found.epochs, found.seconds, found.parameters) == (2, 4.5, 1234)
    files = sum(p.stat().st_size for p in run.path.rglob("*") if p.is_file())
    assert found.bytes == files > 5000
    lines = terminal.table([found])
    assert "accuracy 0.800 [0.700, 0.900]" in lines[1]
    assert lines[-1].startswith("1 run, ")
    (row,) = csv.DictReader(listing.to_csv([found]).splitlines())
    assert (row["name"], float(row["value"]), row["created"]) == ("first", 0.8, "2026-11-01T08:00:00+00:00")
    assert (row["n"], row["unit"], row["reason"]) == ("9", "image", "")
    few = Score(0.8, math.nan, math.nan, 3, "image", reason="few")
    run.write_scores(made_scores(headline=("accuracy",), scores={"accuracy": few}))
    (row,) = csv.DictReader(listing.to_csv(verbs.list_runs(run.path.parent)).splitlines())
    assert (row["low"], row["n"], row["reason"]) == ("", "3", "no interval: 3 images; 5 are needed")
    assert listing.to_csv([]) == "path\n"
    assert terminal.table([]) == ["0 runs, 0 B"]


def test_runs_are_filtered(made: Maker) -> None:
    runs = [
        made("a", score=0.7, lr=0.01, created="01"),
        made("b", score=0.9, lr=0.1, created="05"),
        made("c", score=None, data="nuclei", task="segment", created="09"),
    ]
    old(runs[2])
    one = runs[0]
    assert listed(one) == ["a", "b", "c"]
    assert listed(one, task="segment") == listed(one, data="nuc") == listed(one, state="interrupted") == ["c"]
    assert listed(one, since="2026-11-05") == ["b", "c"]
    assert listed(one, min_score=0.8) == ["b"]
    assert listed(one, overrides=["lr=1e-2"]) == ["a"], "as the recipe reads a number, not as it is spelt"
    assert listed(one, overrides=["remedy=none"]) == ["a", "b"], "a key that a task does not have, it does not match"
    assert listed(one, overrides=["lr=0.5"]) == []
    wrong: list[dict[str, Any]] = [
        {"state": "odd"},
        {"since": "soon"},
        {"sort": "luck"},
        {"task": "paint"},
        {"overrides": ["x=1"]},
    ]
    for asked in wrong:
        with pytest.raises(RequestError):
            listed(one, **asked)
    with pytest.raises(RequestError, match="no such folder"):
        verbs.list_runs(one.path / "nowhere")


def test_runs_are_ordered_and_those_of_a_study_stand_together(made: Maker) -> None:
    made("s/lr_1/seed0", score=0.9, created="02")
    run = made("b", score=0.8, created="01")
    made("s/lr_2/seed0", score=0.5, created="03")
    made("c", score=None, created="04")
    (run.path.parent / "s" / "study.json").write_text("{}")
    root = run.path.parent
    by = {key: [r.name for r in verbs.list_runs(root, sort=key)] for key in listing.SORTS}
    assert by["date"] == ["b", "s/lr_1/seed0", "s/lr_2/seed0", "c"]
    assert by["score"] == ["s/lr_1/seed0", "s/lr_2/seed0", "b", "c"]
    assert by["name"] == ["b", "c", "s/lr_1/seed0", "s/lr_2/seed0"]
    less = [r.name for r in verbs.list_runs(root, sort="score", score="brier", state="done")]
    assert less == ["s/lr_1/seed0", "s/lr_2/seed0", "b"], "of the Brier score less is better"
    lines = terminal.table(verbs.list_runs(root, sort="score"))
    assert lines[1] == "s/"
    assert lines[2].startswith("  lr_1/seed0")
    assert {r.study for r in verbs.list_runs(root)} == {"", "s"}


def test_folds_lie_under_the_run_of_all(made: Maker) -> None:
    whole = made("x-folds")
    made("x-folds/fold0")
    found = verbs.list_runs(whole.path.parent, sort="name")
    assert [(r.name, r.study) for r in found] == [("x-folds", ""), ("x-folds/fold0", "x-folds")]
    made("x-folds/fold1", score=0.9)  # better than all, and still below its run
    for name, score in (("s/a/seed0", 0.5), ("s/a/seed0/fold0", 0.6), ("s/b/seed0", 0.7)):
        made(name, score=score)
    (whole.path.parent / "s" / "study.json").write_text("{}")
    lines = terminal.table(verbs.list_runs(whole.path.parent, sort="score"))
    begins = [line[: len(line) - len(line.lstrip())] + line.split()[0] for line in lines[1:-1]]
    tree = ["x-folds", "  fold1", "  fold0", "s/", "  b/seed0", "  a/seed0", "    fold0"]
    assert begins == tree
    assert found[0].bytes == found[1].bytes, "each counts what is its own"


def test_what_is_no_run_and_what_lies_behind_links_is_not_listed(made: Maker, tmp_path: Path) -> None:
    run = made("a")
    elsewhere = tmp_path / "elsewhere"
    run.path.rename(elsewhere)
    run.path.symlink_to(elsewhere)
    (run.path.parent / "notes").mkdir()
    (run.path.parent / "notes" / "recipe.yml").write_text("")
    assert len(verbs.list_runs(run.path.parent)) == 0


@pytest.mark.parametrize("how", ["recipe", "scores", "model"])
def test_a_damaged_run_is_listed_as_such(made: Maker, how: str) -> None:
    run = made("a")
    {"recipe": run.recipe, "scores": run.scores, "model": run.model / "model.json"}[how].write_text("{")
    (found,) = verbs.list_runs(run.path.parent)
    assert found.state == "damaged"
    assert "damaged" in terminal.table([found])[1]
    assert verbs.prune_runs(run.path.parent, mode="runs", keep=0).going == ()


def test_a_run_that_is_being_trained_is_known_by_its_lock(made: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made("a", score=None)
    state = lambda: verbs.list_runs(run.path.parent)[0].state  # noqa: E731
    assert state() == "running", "an older version held nothing, and something changed just now"
    other = subprocess.Popen([sys.executable, "-c", HOLDS, str(run.path)], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        other.stdout.readline()
        old(run)
        assert state() == "running"
        assert verbs.prune_runs(run.path.parent, mode="runs", keep=0).going == ()
        with pytest.raises(RequestError, match="another process"), run.locked():
            pass
    finally:
        other.kill()
        other.wait()
    run.history.touch()
    assert state() == "interrupted", "the lock dies with its holder"
    monkeypatch.setattr(listing, "network_disk", lambda _: "nfs")
    assert state() == "running", "another machine may train it"
    old(run)
    assert state() == "interrupted"


def test_checkpoints_go_only_when_told_to_and_models_stay(made: Maker) -> None:
    done, begun = made("done"), made("begun", score=None)
    bare = made("bare")
    (bare.model / "model.safetensors").unlink()
    root = done.path.parent
    plan = verbs.prune_runs(root, mode="checkpoints")
    assert [g.run.name for g in plan.going] == ["done"]
    assert plan.bytes == 5000
    assert {r.name: why for r, why in plan.staying} == {"begun": "it is running", "bare": "its model is not complete"}
    assert list(done.checkpoints.iterdir()), "nothing is touched yet"
    assert "--yes" in terminal.pruned(plan, done=False)[-1]
    verbs.prune_runs(root, mode="checkpoints", yes=True)
    assert list(done.checkpoints.iterdir()) == []
    assert (done.model / "model.safetensors").is_file()
    assert list(begun.checkpoints.iterdir())
    assert done.altered() == {}
    assert verbs.prune_runs(root, mode="checkpoints").going == (), "there is nothing more to free"


def test_all_but_the_best_runs_go(made: Maker) -> None:
    runs = {name: made(name, score=s) for name, s in {"good": 0.9, "bad": 0.6, "fair": 0.8}.items()}
    inner = made("study/v/seed0", score=0.1)
    (inner.path.parents[1] / "study.json").write_text("{}")
    root = runs["good"].path.parent
    (runs["bad"].path / "my notes.txt").write_text("mine")
    plan = verbs.prune_runs(root, mode="runs", keep=1)
    assert [g.run.name for g in plan.going] == ["fair"]
    why = {r.name: w for r, w in plan.staying}
    assert "my notes.txt" in why["bad"]
    assert "study" in why["study/v/seed0"]
    assert "best 1" in why["good"]
    assert runs["fair"].path.is_dir()
    verbs.prune_runs(root, mode="runs", keep=1, yes=True)
    assert not runs["fair"].path.exists()
    assert all(runs[name].recipe.is_file() for name in ("good", "bad"))
    assert inner.recipe.is_file()


def test_a_run_that_others_lie_in_stays(made: Maker) -> None:
    whole = made("x-folds")
    made("x-folds/fold0")
    plan = verbs.prune_runs(whole.path.parent, mode="runs", keep=0)
    assert plan.going == ()
    assert {why for _, why in plan.staying} == {"other runs lie in it", "it belongs to x-folds"}
    made("x-folds/x-folds")  # a name again
    assert len(verbs.list_runs(whole.path)) == 3
    for root in (whole.path, whole.path / "x-folds", whole.path / "fold0"):  # wherever one looks from
        assert verbs.prune_runs(root, mode="runs", keep=0).going == ()
    assert terminal.table(verbs.list_runs(whole.path))[2].startswith("  fold0")


def test_links_in_a_run_are_removed_as_links(made: Maker, tmp_path: Path) -> None:
    run = made("a")
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "data.tif").write_bytes(b"1")
    run.pictures.symlink_to(precious)
    (run.checkpoints / "linked").symlink_to(precious)
    verbs.prune_runs(run.path.parent, mode="runs", keep=0, yes=True)
    assert not run.path.exists()
    assert (precious / "data.tif").is_file()
    other = made("b")
    (other.checkpoints / "step-00000002.safetensors").unlink()
    other.checkpoints.rmdir()
    other.checkpoints.symlink_to(precious)
    assert verbs.prune_runs(run.path.parent, mode="checkpoints", yes=True).going == ()
    assert (precious / "data.tif").is_file()


def test_what_began_to_be_trained_meanwhile_is_not_touched(made: Maker) -> None:
    run = made("a", score=None)
    old(run)
    plan = verbs.prune_runs(run.path.parent, mode="runs", keep=0)
    assert len(plan.going) == 1
    run.history.touch()
    with pytest.raises(RequestError, match="another process"):
        pruning.delete(plan)
    assert run.history.is_file()


def test_wrong_requests_to_prune_are_refused(made: Maker) -> None:
    root = made("a").path.parent
    made("b", data="nuclei")
    for options in ({"mode": "all"}, {"mode": "runs"}, {"mode": "runs", "keep": -1}, {"mode": "runs", "keep": 1}):
        with pytest.raises(RequestError):
            verbs.prune_runs(root, **options)  # type: ignore[arg-type]
    assert len(verbs.prune_runs(root, mode="runs", keep=1, data="nuclei").staying) == 1
