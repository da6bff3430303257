"""Options of the loop: averaged weights, rates by stage, gradual unfreezing, mixed images, and what epoch is kept."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import network
from safetensors.numpy import load_file
from support import Quiet, Trainer

from lamelle.models.freeze import freeze_encoder
from lamelle.runs.folder import RunFolder
from lamelle.training import checkpoint
from lamelle.training.loop import Interrupted, Training
from lamelle.training.optimiser import Average, make_optimizer
from lamelle.training.options import Train


def weights(run: RunFolder) -> dict[str, np.ndarray]:
    return load_file(run.model / "model.safetensors")


def history(run: RunFolder) -> np.ndarray:
    return np.genfromtxt(run.history, delimiter=",", names=True)


def test_stages_learn_at_their_share_of_the_rate() -> None:
    model = network("timm", name="resnet10t")
    groups = make_optimizer(model, Train(layer_decay=0.5)).param_groups
    scale = {id(p): g["scale"] for g in groups for p in g["params"]}
    by_name = {name: scale[id(p)] for name, p in model.named_parameters()}
    assert by_name["head.1.weight"] == 1
    assert by_name["encoder.layer4.0.conv1.weight"] == 0.5
    assert by_name["encoder.layer1.0.conv1.weight"] == 0.5**4
    assert by_name["encoder.conv1.0.weight"] == 0.5**5
    assert len(scale) == len(by_name)
    decayed = {id(p) for g in groups if g["weight_decay"] for p in g["params"]}
    assert all((id(p) in decayed) == (p.ndim > 1) for p in model.parameters())


def test_what_is_frozen_is_not_in_the_optimiser() -> None:
    model = network("timm", name="resnet10t")
    freeze_encoder(model, "head")
    held = [p for g in make_optimizer(model, Train()).param_groups for p in g["params"]]
    assert {id(p) for p in held} == {id(p) for p in model.get_submodule("head").parameters()}


def test_an_average_is_that_of_its_formula() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(0.0)
        average = Average(model, 0.5, None)
        expected = 0.0
        for step, value in enumerate([1.0, 4.0, 2.0], start=1):
            model.weight.fill_(value)
            average.update(model, step)
            decay = min(0.5, (1 + step) / (10 + step))
            expected = decay * expected + (1 - decay) * value
        with average.applied(model):
            assert model.weight.item() == pytest.approx(expected)
        assert model.weight.item() == 2.0


@pytest.mark.parametrize("at", [5, 6])
def test_averaged_weights_survive_a_stop(trained: Trainer, at: int) -> None:
    """At step 6 of 3 per epoch the stop falls behind the last step of an epoch."""
    options = ("ema=0.9", "checkpoint_every=3600")
    whole, _ = trained(*options)
    plain, _ = trained("ema=0")
    assert any((weights(whole)[k] != v).any() for k, v in weights(plain).items()), "the average is what is kept"

    def stop(step: int) -> None:
        if step == at:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted) as caught:
        trained(*options, quiet=Quiet(stop))
    run = RunFolder(Path(str(caught.value.values["run"])))
    resumed, _ = trained(resume=run)
    for name, tensor in weights(whole).items():
        np.testing.assert_array_equal(weights(resumed)[name], tensor, err_msg=name)


def test_a_stop_during_validation_does_not_save_averaged_weights_as_the_network(
    trained: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = trained("ema=0.9")
    validate = Training._validate

    def signalled(self: Training, *rest: Any) -> Any:
        if self.state.step >= 6:
            os.kill(os.getpid(), signal.SIGTERM)
        return validate(self, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_validate", signalled)
        with pytest.raises(Interrupted) as caught:
            trained("ema=0.9", "checkpoint_every=3600")
    run = RunFolder(Path(str(caught.value.values["run"])))
    trained(resume=run)
    for name, tensor in weights(whole).items():
        np.testing.assert_array_equal(weights(run)[name], tensor, err_msg=name)


def test_the_last_epoch_is_kept_when_it_is_asked_for(trained: Trainer) -> None:
    run, _ = trained("monitor=last", "lr=0.03")
    assert history(run)["best"][-1] == 1
    found = checkpoint.newest(run.checkpoints)
    assert found is not None
    state, tensors, _ = found
    assert state.best_epoch == state.epoch
    for name, tensor in weights(run).items():
        if not name.startswith("selftest."):
            np.testing.assert_array_equal(tensors[f"model.{name}"].numpy(), tensor)


def test_of_equal_scores_the_lower_loss_is_kept(trained: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where validation holds no object every score is 0; patience is not renewed by a lower loss."""
    losses = iter([0.9, 0.5, 0.7, 0.4])
    monkeypatch.setattr(Training, "_validate", lambda *_: (next(losses), {"dice": 0.0}))
    run, _ = trained("epochs=4", "patience=3")
    assert history(run)["best"].tolist() == [1, 1, 0, 1]
    found = checkpoint.newest(run.checkpoints)
    assert found is not None
    assert (found[0].best_epoch, found[0].stale) == (4, 3)


@pytest.mark.parametrize("how", ["mixup=0.4", "cutmix=1.0"])
def test_mixed_images_train_and_resume(trained: Trainer, how: str) -> None:
    whole, _ = trained(how)
    assert all(epoch.score("dice") is not None and not epoch.train for epoch in whole.read_history()), (
        "the score of a mixed image would say nothing"
    )
    assert np.isfinite(history(whole)["train_loss"]).all()
    plain, _ = trained()
    assert not np.allclose(history(whole)["train_loss"], history(plain)["train_loss"])

    def stop(step: int) -> None:
        if step == 4:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted) as caught:
        trained(how, quiet=Quiet(stop))
    run = RunFolder(Path(str(caught.value.values["run"])))
    trained(resume=run)
    for name, tensor in weights(whole).items():
        np.testing.assert_array_equal(weights(run)[name], tensor, err_msg=name)
