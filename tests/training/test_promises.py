"""What the loop promises: when it stops, what it keeps, and that nothing that is not finite gets through."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from support import Quiet, Trainer
from torch import Tensor

from lamelle.models.deep_supervision import full
from lamelle.runs.folder import RunFolder
from lamelle.training import checkpoint, loop
from lamelle.training.loop import NonFinite, Training

Patch = pytest.MonkeyPatch


def epochs(run: RunFolder) -> list[dict[str, str]]:
    return run.read_table(run.history)


def validations(monkeypatch: Patch, *found: tuple[float, float]) -> None:
    """Each epoch's validation finds these (loss, score)."""
    values: Iterator[tuple[float, float]] = iter(found)

    def validate(*_: object) -> tuple[float, dict[str, float | None]]:
        loss, score = next(values)
        return loss, {"dice": score}

    monkeypatch.setattr(Training, "_validate", validate)


def losses(monkeypatch: Patch, change: Callable[[Training, Tensor, Tensor], Tensor]) -> None:
    """The loss is what ``change`` makes of the training, the loss and the output."""
    whole = Training._loss

    def changed(self: Training, output: Tensor | list[Tensor], *rest: Any) -> Tensor:
        return change(self, whole(self, output, *rest), full(output))

    monkeypatch.setattr(Training, "_loss", changed)


@pytest.mark.parametrize(
    ("patience", "scores", "last"),
    [
        (1, (0.5, 0.6, 0.6), 3),
        (2, (0.5, 0.4, 0.6, 0.5, 0.5), 5),
        (3, (0.5, 0.4, 0.4, 0.4), 4),
        (0, (0.5, 0.4, 0.4, 0.4, 0.4, 0.4), 6),
    ],
)
def test_training_stops_after_so_many_epochs_without_a_better_one(
    trained: Trainer, monkeypatch: Patch, patience: int, scores: tuple[float, ...], last: int
) -> None:
    validations(monkeypatch, *((1.0, score) for score in (*scores, *[0.1] * 6)))
    run, _ = trained("epochs=6", f"train.patience={patience}")
    assert len(epochs(run)) == last


def test_the_training_loss_of_an_epoch_is_the_mean_over_its_images(trained: Trainer, monkeypatch: Patch) -> None:
    losses(monkeypatch, lambda self, loss, _: loss * 0 + 2.0**self.state.step)
    run, _ = trained("epochs=2", "samples=12", "batch=4")
    assert [float(row["train_loss"]) for row in epochs(run)] == pytest.approx([(1 + 2 + 4) / 3, (8 + 16 + 32) / 3])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_before_the_weights_change(
    trained: Trainer, monkeypatch: Patch, value: float
) -> None:
    losses(monkeypatch, lambda self, loss, _: loss * value if self.state.step == 4 else loss)
    stops(trained, monkeypatch, "train.nan_loss")


def test_a_training_that_stops_before_a_checkpoint_says_that_nothing_was_kept(
    trained: Trainer, monkeypatch: Patch, tmp_path: Any
) -> None:
    losses(monkeypatch, lambda self, loss, _: loss * math.nan)
    with pytest.raises(NonFinite, match="Nothing was kept: no checkpoint") as caught:
        trained()
    assert "--resume" not in str(caught.value)
    assert list(RunFolder(tmp_path / "run").checkpoints.glob("*")) == []


def test_a_gradient_that_is_not_finite_stops_before_the_weights_change(trained: Trainer, monkeypatch: Patch) -> None:
    """The square root of the square of nought is nought; its slope is not defined."""

    def steep(self: Training, loss: Tensor, out: Tensor) -> Tensor:
        return loss + (out - out.detach()).square().sum().sqrt() if self.state.step == 4 else loss

    losses(monkeypatch, steep)
    stops(trained, monkeypatch, "train.nan_gradient")


def test_a_first_gradient_that_is_not_finite_names_the_size_and_no_learning_rate(
    trained: Trainer, monkeypatch: Patch
) -> None:
    losses(monkeypatch, lambda self, loss, out: loss + (out - out.detach()).square().sum().sqrt())
    with pytest.raises(NonFinite, match=r"images of 32 × 32 .*train\.precision=32.*train\.patch=\[64, ?64\]") as caught:
        trained("patch=32")
    assert "train.lr" not in str(caught.value)


def stops(trained: Trainer, monkeypatch: Patch, code: str) -> None:
    """At step 4, by that sentence, with weights that are those after step 3."""
    seen: list[dict[str, Tensor]] = []
    step = Training._step

    def watched(self: Training, batch: Any) -> float:
        seen.append(checkpoint.weights(self._network))
        try:
            return step(self, batch)
        except NonFinite:
            seen.append(checkpoint.weights(self._network))
            raise

    monkeypatch.setattr(Training, "_step", watched)
    with pytest.raises(NonFinite) as caught:
        trained("model.norm=none", "clip=0")
    assert (caught.value.code, caught.value.values["step"]) == (code, 4)
    assert ".png" in str(caught.value.values["files"])
    assert len(seen) == 6
    assert all(torch.equal(seen[-1][name], tensor) for name, tensor in seen[-2].items())


def test_an_epoch_whose_loss_is_not_finite_is_never_best(trained: Trainer, monkeypatch: Patch) -> None:
    validations(monkeypatch, (0.5, 0.4), (math.nan, 0.9), (0.6, 0.5), (math.inf, 0.5))
    run, _ = trained("epochs=4")
    assert [row["best"] for row in epochs(run)] == ["1", "0", "1", "0"]


def test_a_validation_loss_that_is_not_finite_stops_the_training(
    trained: Trainer, monkeypatch: Patch, tmp_path: Any
) -> None:
    measured, count = loop.loss_of, 0

    def broken(*asked: Any) -> float:
        nonlocal count
        count += 1
        return math.nan if count == images + 1 else measured(*asked)

    quiet = Quiet()
    run, _ = trained("epochs=1")
    images = sum(row["split"] == "validation" for row in run.read_table(run.split))
    monkeypatch.setattr(loop, "loss_of", broken)
    with pytest.raises(NonFinite) as caught:
        trained("epochs=3", quiet=quiet)
    assert (caught.value.code, caught.value.values["epoch"]) == ("train.nan_validation", 2)
    assert str(caught.value.values["files"]).count(".png") == 1
    assert [row["best"] for row in quiet.rows] == [True]
    stopped = RunFolder(tmp_path / "run-2")
    found = checkpoint.newest(stopped.checkpoints)
    assert found is not None
    assert (found[0].epoch, found[0].best_epoch) == (1, 1)
    (last,) = stopped.checkpoints.glob("step-*.json")
    assert f"{last}. lamelle train --resume {stopped.path} continues" in str(caught.value)


def test_weights_that_are_not_finite_are_never_saved(trained: Trainer, monkeypatch: Patch, tmp_path: Any) -> None:
    step = Training._step

    def diverges(self: Training, batch: Any) -> float:
        loss = step(self, batch)
        if self.state.step == 4:
            next(self._network.parameters()).data.fill_(math.inf)
        return loss

    monkeypatch.setattr(Training, "_step", diverges)
    with pytest.raises(NonFinite) as caught:
        trained("checkpoint_every=0.0001")
    assert caught.value.code == "train.nan_weights"
    found = checkpoint.newest(RunFolder(tmp_path / "run").checkpoints)
    assert found is not None
    assert found[0].step == 4
    assert all(np.isfinite(v.numpy()).all() for v in found[1].values() if v.is_floating_point())


def test_a_bound_that_is_infinite_by_nature_is_no_weight_gone_wrong(trained: Trainer, monkeypatch: Patch) -> None:
    """As the encoders of timm have that clip what comes in."""
    begin = Training.__init__

    def clipping(self: Training, job: loop.Job, *, resume: bool) -> None:
        job.network.register_buffer("input_min", torch.tensor(-math.inf))
        begin(self, job, resume=resume)

    monkeypatch.setattr(Training, "__init__", clipping)
    run, _ = trained("epochs=1")
    assert len(epochs(run)) == 1
    assert checkpoint.not_finite(torch.nn.Linear(2, 2)) == []


def test_each_stage_learns_at_its_share_of_the_rate_at_each_step(trained: Trainer, monkeypatch: Patch) -> None:
    seen: list[tuple[float, float]] = []
    clip = Training._clip

    def watched(self: Training, batch: Any, size: Any) -> None:
        clip(self, batch, size)
        seen.extend((group["lr"], group["scale"]) for group in self.optimizer.param_groups)

    monkeypatch.setattr(Training, "_clip", watched)
    asked = ("model={kind: timm-unet, name: resnet10t, weights: null}", "layer_decay=0.5", "lr=0.01", "warmup=0")
    trained(*asked, "schedule=constant", "epochs=1", "patch=64", "samples=4")
    assert {scale for _, scale in seen} >= {1.0, 0.5, 0.25}
    assert all(lr == pytest.approx(0.01 * scale) for lr, scale in seen)
