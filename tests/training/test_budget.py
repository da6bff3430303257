"""A budget is wall-clock time, all of it; what it did not allow is said, and what was not trained is not scored."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support import Quiet, Trainer

from lamelle import verbs
from lamelle.durations import enough, seconds, spelled
from lamelle.errors import RequestError, WorkError
from lamelle.runs import layers, recipe
from lamelle.runs.folder import RunFolder
from lamelle.specimens.write import write_demo
from lamelle.training import budget
from lamelle.training.budget import Clock
from lamelle.training.checkpoint import State
from lamelle.training.features import Features
from lamelle.training.loop import Training, Untrained
from lamelle.training.options import Train

Go = Callable[[float], None]


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Go:
    """Time stands still for the clock of a training, but for what a test lets pass."""
    now = SimpleNamespace(wall=0.0)
    monkeypatch.setattr(budget, "time", SimpleNamespace(monotonic=lambda: now.wall, thread_time=lambda: now.wall))

    def go(seconds: float) -> None:
        now.wall += seconds

    return go


def costing(monkeypatch: pytest.MonkeyPatch, name: str, go: Go, seconds: float) -> None:
    """From here on a method of the training takes so long."""
    whole = getattr(Training, name)

    def slow(self: Training, *rest: Any) -> Any:
        go(seconds)
        return whole(self, *rest)

    monkeypatch.setattr(Training, name, slow)


def history(run: RunFolder) -> np.ndarray:
    return np.atleast_1d(np.genfromtxt(run.history, delimiter=",", names=True))


@pytest.mark.parametrize(
    ("said", "number"),
    [
        *(("2minutes", 120), ("1h30", 5400), ("90 s", 90), ("2 min", 120), ("1h 30m", 5400), ("1.5h", 5400)),
        *(("90", 90), ("90.5", 90.5), ("1,5h", 5400), ("2min30", 150), ("1 heure et 30 minutes", 5400), ("1d", 86400)),
        *((value, None) for value in ("2 parsecs", "-5min", "30m1h", "1h90", "1:30", "1.5.2h", "true", "[1]", ".inf")),
    ],
)
def test_times_as_people_write_them(said: str, number: float | None) -> None:
    asked = layers.parse_overrides([f"train.budget={said}"])
    if number is not None:
        assert recipe.validate(asked).train.budget == number
        return
    with pytest.raises(RequestError, match=r"train\.budget=.*(90s, 15min, 2h, 1h30|must be a number)"):
        recipe.validate(asked)


@given(st.floats(1e-3, 1e8))
def test_times_are_written_as_they_are_read(number: float) -> None:
    assert seconds(spelled(number)) == pytest.approx(number)
    more = seconds(enough(number))
    assert more is not None
    assert number * (1 - 1e-9) <= more <= max(2 * number, 1)


def test_all_that_a_training_does_counts(trained: Trainer, pass_time: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three steps of 1 s and a validation of 4 s: 20 s are two epochs, for a third there is no time."""
    costing(monkeypatch, "_step", pass_time, 1.0)
    costing(monkeypatch, "_validate", pass_time, 4.0)
    quiet = Quiet()
    monkeypatch.setattr("lamelle.training.loop.time", budget.time)
    run, package = trained("train.budget=20s", quiet=quiet)
    assert history(run)["step"].tolist() == [3, 6, 8], "at 14 s; two more steps leave the time of a validation"
    assert package.provenance["seconds"] == 20
    assert any("train.budget=20s of wall-clock time ended" in line and "8 step" in line for line in quiet.lines)
    assert "20s of wall-clock" in run.log.read_text()
    knots = recipe.load(run.recipe)["train"]["schedule_points"]
    assert knots[-1] == [8, 8]


def test_no_step_is_begun_whose_validation_would_end_late(
    trained: Trainer, pass_time: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After two epochs of 3 s and 4 s there are 4 s left of 18: one step and a validation would take 5."""
    costing(monkeypatch, "_step", pass_time, 1.0)
    costing(monkeypatch, "_validate", pass_time, 4.0)
    monkeypatch.setattr("lamelle.training.loop.time", budget.time)
    run, _ = trained("train.budget=18s")
    assert history(run)["step"].tolist() == [3, 6]


def test_reading_counts_as_well(trained: Trainer, pass_time: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Training._batches

    def slow(self: Training, *rest: Any) -> Any:
        for batch in whole(self, *rest):
            pass_time(2.0)
            yield batch

    monkeypatch.setattr(Training, "_batches", slow)
    run, _ = trained("train.budget=8s")
    assert history(run)["step"].tolist() == [3, 4]


def test_every_epoch_has_a_step(trained: Trainer, pass_time: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    """The budget is over while the first epoch is validated: there is no second, empty one."""
    costing(monkeypatch, "_validate", pass_time, 10.0)
    run, _ = trained("train.budget=5s")
    assert history(run)["step"].tolist() == [3]


def test_an_untrained_network_is_not_scored(nuclei: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clock, "seconds", property(lambda self: 7.0))
    with pytest.raises(Untrained) as caught:
        verbs.train(nuclei, overrides=("filters=[4,8]", "patch=32", "train.budget=5s"), runs=tmp_path, progress=Quiet())
    assert "train.budget=30s" in str(caught.value)
    (run,) = map(RunFolder, tmp_path.iterdir())
    assert not any(path.exists() for path in (run.scores, run.report, run.model, run.predictions_table))
    assert verbs.list_runs(tmp_path)[0].state == "interrupted"


def test_features_that_take_all_the_time_end_it(tmp_path: Path, pass_time: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_demo("tissue", tmp_path / "tissue", seed=2, count=48, size=48)
    whole = Features._compute

    def slow(self: Features, *rest: Any) -> Any:
        pass_time(10.0)
        return whole(self, *rest)

    monkeypatch.setattr(Features, "_compute", slow)
    asked = ("model=mobilenetv2_050", "resize=48", "batch=8", "freeze=head", "draws=2", "train.budget=15s")
    with pytest.raises(
        WorkError, match=r"train\.budget=15s.*features.*nothing was trained.*train\.budget=60s"
    ) as caught:
        verbs.train(data, overrides=asked, runs=tmp_path / "runs", progress=Quiet())
    assert "train.features=false" in str(caught.value)
    assert not (tmp_path / "runs" / "tissue" / "scores.json").exists()


def test_less_than_an_epoch_is_said_beside_the_scores(
    nuclei: Path, tmp_path: Path, pass_time: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    costing(monkeypatch, "_step", pass_time, 3.0)
    asked = ("filters=[4,8]", "patch=32", "samples=12", "batch=4", "train.budget=5s", "precision=32", "workers=0")
    quiet = Quiet()
    run = verbs.train(nuclei, overrides=asked, runs=tmp_path, progress=quiet)
    said = "after 2 of 3 steps"
    assert any(said in line and "train.budget=2min" in line for line in quiet.lines)
    assert [note.code for note in run.scores.notes].count("evaluate.too_short") == 1
    assert said in run.folder.report.read_text(encoding="utf-8")
    again = verbs.evaluate(run.path).scores
    assert "evaluate.too_short" in [note.code for note in again.notes]


@pytest.mark.parametrize(("share", "said"), [(0.3, True), (0.95, False)])
def test_a_busy_machine_is_said(share: float, said: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    now = SimpleNamespace(wall=0.0)
    monkeypatch.setattr(
        budget, "time", SimpleNamespace(monotonic=lambda: now.wall, thread_time=lambda: share * now.wall)
    )
    clock = Clock()
    for _ in range(4):
        with clock.step():
            now.wall += 1.0
    keys, state = Train(budget=60), State(step=4, epoch=1)
    lines = budget.remarks(keys, state, clock, on_processor=True)
    assert any("30 %" in line and "train.budget=4min" in line for line in lines) == said
    assert not any("busy" in line for line in budget.remarks(keys, state, clock, on_processor=False))
    assert budget.remarks(Train(budget=60, schedule_points=((0, 8),)), state, clock, on_processor=True) == []


@pytest.mark.parametrize(("share", "code"), [(0.1, "too_short_busy"), (0.95, "too_short")])
def test_a_busy_machine_is_said_where_not_an_epoch_was_done(
    nuclei: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, code: str
) -> None:
    now = SimpleNamespace(wall=0.0)
    times = SimpleNamespace(monotonic=lambda: now.wall, thread_time=lambda: share * now.wall)
    monkeypatch.setattr(budget, "time", times)

    def go(seconds: float) -> None:
        now.wall += seconds

    costing(monkeypatch, "_step", go, 3.0)
    asked = ("filters=[4,8]", "patch=32", "samples=12", "batch=4", "train.budget=5s", "precision=32", "workers=0")
    run = verbs.train(nuclei, overrides=(*asked, "train.device=cpu"), runs=tmp_path, progress=Quiet())
    assert [n.code for n in run.scores.notes if "too_short" in n.code] == [f"evaluate.{code}"]
    page = run.folder.report.read_text(encoding="utf-8")
    assert ("10 % of their time" in page) == (code == "too_short_busy")
    advised = set(re.findall(r"train\.budget=(\w+)", page)) - {"5s"}
    assert advised == {"2min"}, "one budget, whoever advises it"


def test_the_recipe_of_a_budgeted_run_is_read_again(trained: Trainer) -> None:
    run, _ = trained("train.budget=1h", "train.schedule_points=[[0,3]]")
    values = yaml.safe_load(run.recipe.read_text(encoding="utf-8"))
    assert recipe.validate(values).train.budget == 3600
