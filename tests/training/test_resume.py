"""A training that was stopped goes on to the same weights, bit for bit; and what would break that is seen."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from support import TINY, Quiet, Trainer

from lamelle import verbs
from lamelle.io import atomic
from lamelle.results.history import Epoch
from lamelle.runs.folder import RunFolder
from lamelle.training import checkpoint
from lamelle.training.checkpoint import State
from lamelle.training.loop import Interrupted

STEPS = 9


def digest(run: RunFolder) -> str:
    """SHA-256 of the final weights."""
    return atomic.sha256(run.model / "model.safetensors")


def history(run: RunFolder) -> list[list[str]]:
    """The history without its times."""
    return [[value for name, value in row.items() if name != "seconds"] for row in run.read_table(run.history)]


def interrupted_at(step: int) -> Quiet:
    """Sends this process a signal after a step, as a user or a scheduler would."""
    return Quiet(lambda n: os.kill(os.getpid(), signal.SIGTERM) if n == step else None)


def stopped(trained: Trainer, step: int, *overrides: str) -> RunFolder:
    runs: list[RunFolder] = []
    with pytest.raises(Interrupted, match="--resume") as caught:
        trained(*overrides, quiet=interrupted_at(step))
    runs.append(RunFolder.open(Path(str(caught.value.values["run"]))))
    return runs[0]


@pytest.mark.parametrize("step", [1, 4, 6])
def test_interrupted_and_resumed_is_bit_identical(trained: Trainer, step: int) -> None:
    whole, _ = trained()
    run = stopped(trained, step)
    again, _ = trained(resume=run)
    assert digest(again) == digest(whole)
    assert history(again) == history(whole)


def test_a_run_that_was_killed_before_it_was_written_down_begins_anew(
    nuclei: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = (*TINY, "epochs=1")
    whole = verbs.train(nuclei, overrides=few, runs=tmp_path, name="whole", progress=Quiet())

    def killed(self: RunFolder, path: Path, content: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as once:
        once.setattr(RunFolder, "write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            verbs.train(nuclei, overrides=few, runs=tmp_path, name="run", progress=Quiet())
    run = RunFolder(tmp_path / "run")
    assert run.recipe.is_file()
    assert not run.audit.exists()
    verbs.train(resume=run.path, progress=Quiet())
    assert digest(run) == digest(RunFolder(whole.path))
    assert run.altered() == {}


def test_the_number_of_reading_threads_changes_nothing(trained: Trainer) -> None:
    assert digest(trained("workers=0")[0]) == digest(trained("workers=3")[0])


def test_another_seed_is_another_training(trained: Trainer) -> None:
    assert digest(trained()[0]) != digest(trained("train.seed=1")[0])


def test_control_position_reset(trained: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the place in the epoch were forgotten, the weights would differ: the test above can fail."""
    whole, _ = trained()
    run = stopped(trained, 4)
    newest = checkpoint.newest

    def forgetful(folder: Path, *_: object) -> object:
        found = newest(folder)
        assert found is not None
        found[0].batch = 0
        return found

    monkeypatch.setattr(checkpoint, "newest", forgetful)
    assert digest(trained(resume=run)[0]) != digest(whole)


def test_control_optimiser_not_restored(trained: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = trained()
    run = stopped(trained, 4)
    restore = checkpoint.restore

    def partial(tensors: dict, groups: list, model: object, optimizer: object) -> None:
        groups_now = optimizer.state_dict()  # type: ignore[attr-defined]
        restore(tensors, groups, model, optimizer)  # type: ignore[arg-type]
        optimizer.load_state_dict(groups_now)  # type: ignore[attr-defined]

    monkeypatch.setattr(checkpoint, "restore", partial)
    assert digest(trained(resume=run)[0]) != digest(whole)


def test_a_damaged_checkpoint_is_passed_over(trained: Trainer) -> None:
    whole, _ = trained()
    run = stopped(trained, 7, "checkpoint_every=0.000001")
    files = sorted(run.checkpoints.glob("step-*.safetensors"))
    assert len(files) == 2
    blob = bytearray(files[-1].read_bytes())
    blob[len(blob) // 2] ^= 1
    files[-1].write_bytes(blob)
    found = checkpoint.newest(run.checkpoints)
    assert found is not None
    assert found[0].step == 6
    again, _ = trained(resume=run)
    assert digest(again) == digest(whole)


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty"])
def test_a_damaged_state_does_not_verify(trained: Trainer, damage: str) -> None:
    run = stopped(trained, 2)
    (path,) = run.checkpoints.glob("step-*.json")
    content = path.read_bytes()
    at = content.index(b'"step": 2')
    path.write_bytes(
        {"truncate": content[:-9], "flip": content[: at + 8] + b"3" + content[at + 9 :], "empty": b""}[damage]
    )
    assert checkpoint.newest(run.checkpoints) is None


def test_resuming_a_finished_run_changes_nothing(trained: Trainer) -> None:
    run, _ = trained()
    before = digest(run)
    quiet = Quiet()
    trained(resume=run, quiet=quiet)
    assert quiet.steps == 0
    assert any("already finished" in line for line in quiet.lines)
    assert digest(run) == before


def test_the_state_survives_json() -> None:
    epoch = Epoch(
        epoch=2, step=9, lr=0.1, seconds=1.5, best=True, train_loss=0.7, loss=1 / 3, validation={"dice": 1 / 7}
    )
    state = State(
        epoch=3, loss_sum=0.1 + 0.2, best=1 / 3, history=[epoch], rows=[{"confusion": np.eye(2)}], knots=[(0, 10)]
    )
    again = State.from_json(json.loads(state.to_json()))
    assert (again.loss_sum, again.best, again.history, again.knots) == (state.loss_sum, 1 / 3, [epoch], [(0, 10)])
    assert np.array_equal(again.rows[0]["confusion"], np.eye(2))
