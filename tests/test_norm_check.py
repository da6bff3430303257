"""Batch norms whose statistics lag: found after training with a tiny momentum, gone once they caught up."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from networks import network
from torch import nn

from lamelle import verbs
from lamelle.doctor.diagnosis import diagnose
from lamelle.evaluation.batch_norm import _by_batch, _hooked, _learning, check_norms
from lamelle.models.freeze import freeze_encoder, set_batch_norm
from lamelle.models.options import TimmOptions
from lamelle.prediction import package
from lamelle.runs.bundle import open_bundle
from lamelle.runs.folder import RunFolder
from lamelle.runs.saved_plan import open_plan
from lamelle.specimens.write import write_demo

SETTINGS = (
    *("model.name=resnet10t", "data.resize=[32,32]", "data.normalise=imagenet", "augment=none", "epochs=6", "lr=0.003"),
    *("schedule=constant", "batch=8", "model.dropout=0", "threads=1", "train.precision=32", "train.device=cpu"),
)


def test_measured_on_a_trained_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = write_demo("thorax-classes", tmp_path / "thorax", seed=0, count=30, size=64)
    slow = verbs.train(data, overrides=[*SETTINGS, "bn_momentum=0.0001", "evaluate.resamples=100"]).folder
    seen = slow.read_baseline().norms
    assert seen is not None, "a training writes down what it found"
    assert seen.batch - seen.stored > 0.2
    assert seen.shift > 0.3
    first = diagnose(open_bundle(slow))[0].findings[0]
    assert first.code == "bn_lag"
    assert "model.bn_momentum=0.1" in first.command
    assert f"{seen.images} training images" in first.evidence
    caught_up = _with_its_statistics(slow, tmp_path / "caught")
    training = open_plan(slow).of("train")
    seen = check_norms(package.load(caught_up.path), training, verbs.open_store())
    assert seen is not None
    assert abs(seen.batch - seen.stored) < 0.15
    assert seen.shift < 0.2


def _with_its_statistics(run: RunFolder, path: Path) -> RunFolder:
    """The same Run, its batch norms filled with the statistics of the training images."""
    from lamelle.prediction.predictor import of_package

    shutil.copytree(run.path, path)
    found, plan = package.load(path), open_plan(run)
    batches = [torch.from_numpy(x) for _, x in of_package(found).inputs(plan.of("train"), verbs.open_store())]
    for norm in _learning(found.model, plan.recipe.model):
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean of all batches
    with torch.no_grad():
        for _ in range(len(list(found.model.modules()))):  # each layer settles once those before it have
            found.model.train()
            for batch in batches:
                found.model(batch)
    copied = RunFolder(path)
    copied.seal(*package.save(replace(found, model=found.model.eval()), copied.model))
    return copied


def test_the_statistics_of_the_batch_are_those_of_training() -> None:
    torch.manual_seed(0)
    net = network("timm", name="mobilenetv2_050", inputs=3, dropout=0.0)
    freeze_encoder(net, "none")
    images = torch.randn(6, 3, 64, 64)
    norms = _learning(net, TimmOptions(name="mobilenetv2_050"))
    kept = {key: value.clone() for key, value in net.state_dict().items()}
    with torch.no_grad(), _hooked(norms, _by_batch):
        by_hook = net.eval()(images)
    assert all(torch.equal(value, kept[key]) for key, value in net.state_dict().items())
    with torch.no_grad():
        trained = net.train()(images)
        stored = net.eval()(images)
    assert torch.allclose(by_hook, trained, atol=1e-4)
    assert not torch.allclose(by_hook, stored, atol=1e-2)
    assert len(norms) == 52


@pytest.mark.parametrize(("freeze", "frozen", "some"), [("head", False, 0), ("none", True, 0), ("last_conv", False, 1)])
def test_only_norms_that_learnt_are_looked_at(freeze: str, frozen: bool, some: int) -> None:
    net = network("timm", name="mobilenetv2_050", inputs=3)
    set_batch_norm(net, momentum=None, frozen_statistics=False)
    keys = TimmOptions(name="mobilenetv2_050", freeze=freeze, bn_frozen=frozen)
    found = _learning(net, keys)
    assert len(found) == some
    assert not net.training
    assert all(isinstance(norm, nn.BatchNorm2d) for norm in found)
