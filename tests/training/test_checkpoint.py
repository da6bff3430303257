"""What a checkpoint keeps when a signal, a kill or damage comes at an awkward moment."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from support import Quiet, Trainer

from lamelle.io import atomic
from lamelle.runs.folder import RunFolder
from lamelle.training import checkpoint
from lamelle.training.loop import Interrupted, Training


class Killed(Exception):
    """Stands for the end of a process."""


def run_of(error: pytest.ExceptionInfo[Interrupted]) -> RunFolder:
    return RunFolder.open(Path(str(error.value.values["run"])))


def weights(run: RunFolder) -> str:
    return atomic.sha256(run.model / "model.safetensors")


@pytest.mark.parametrize("overrides", [(), ("train.budget=1h", "train.schedule_points=[[0,8]]")])
def test_a_signal_during_a_validation_loses_no_step(
    trained: Trainer, monkeypatch: pytest.MonkeyPatch, overrides: tuple[str, ...]
) -> None:
    whole, _ = trained(*overrides)
    validate, quiet = Training._validate, Quiet()

    def signalled(self: Training, *rest: Any) -> Any:
        if self.state.step >= 6:
            os.kill(os.getpid(), signal.SIGTERM)
        return validate(self, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_validate", signalled)
        with pytest.raises(Interrupted) as caught:
            trained(*overrides, "checkpoint_every=3600", quiet=quiet)
    run = run_of(caught)
    found = checkpoint.newest(run.checkpoints)
    assert found is not None
    assert found[0].step == quiet.steps == 6
    rest = Quiet()
    trained(resume=run, quiet=rest)
    assert rest.steps == (2 if overrides else 3)
    assert weights(run) == weights(whole)


def test_a_signal_during_the_last_validation_takes_no_step_twice(
    trained: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The training ends in the middle of an epoch, and is stopped there."""
    knots = ("train.budget=1h", "train.schedule_points=[[0,8]]")
    whole, _ = trained(*knots)
    validate = Training._validate

    def signalled(self: Training, *rest: Any) -> Any:
        if self.state.step == 8:
            os.kill(os.getpid(), signal.SIGTERM)
        return validate(self, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_validate", signalled)
        with pytest.raises(Interrupted) as caught:
            trained(*knots)
    rest = Quiet()
    run, _ = trained(resume=run_of(caught), quiet=rest)
    assert rest.steps == 0
    assert weights(run) == weights(whole)


def test_the_history_is_whole_after_a_kill_behind_the_last_checkpoint(
    trained: Trainer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    save = checkpoint.save

    def last(folder: Path, state: checkpoint.State, *rest: Any) -> None:
        save(folder, state, *rest)
        if state.done:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", last)
        with pytest.raises(Killed):
            trained()
    run, _ = trained(resume=RunFolder.open(tmp_path / "run"))
    assert [line.split(",")[0] for line in run.history.read_text().splitlines()] == ["epoch", "1", "2", "3"]
    assert run.altered() == {}


def test_new_checkpoints_outlive_damaged_ones_of_later_steps(
    trained: Trainer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Best weights that are gone spoil all checkpoints: the training begins anew, and what it saves must stay."""
    with pytest.raises(Interrupted) as caught:
        trained(
            "checkpoint_every=0.000001", quiet=Quiet(lambda n: os.kill(os.getpid(), signal.SIGTERM) if n == 8 else None)
        )
    run = run_of(caught)
    for path in run.checkpoints.glob("best-*.safetensors"):
        path.unlink()
    assert checkpoint.newest(run.checkpoints) is None
    with pytest.raises(Interrupted):
        trained(resume=run, quiet=Quiet(lambda n: os.kill(os.getpid(), signal.SIGTERM) if n == 2 else None))
    found = checkpoint.newest(run.checkpoints)
    assert found is not None
    assert found[0].step == 2


def test_a_damaged_state_does_not_stop_a_later_save(trained: Trainer) -> None:
    with pytest.raises(Interrupted) as caught:
        trained(
            "checkpoint_every=0.000001", quiet=Quiet(lambda n: os.kill(os.getpid(), signal.SIGTERM) if n == 4 else None)
        )
    run = run_of(caught)
    *_, newest = sorted(run.checkpoints.glob("step-*.json"))
    newest.write_bytes(b"")
    trained(resume=run)


def test_what_a_kill_left_half_written_is_removed(trained: Trainer) -> None:
    with pytest.raises(Interrupted) as caught:
        trained(quiet=Quiet(lambda n: os.kill(os.getpid(), signal.SIGTERM) if n == 2 else None))
    run = run_of(caught)
    for name in (".tmp-0123456789abcdef.json", ".tmp-0123456789abcdef.safetensors"):
        (run.checkpoints / name).write_bytes(b"half")
    trained(resume=run)
    assert not list(run.checkpoints.glob(".tmp-*"))
