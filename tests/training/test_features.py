"""Features of a frozen backbone: the same training as through the whole network, and nothing computed twice."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from support import Quiet

from lamelle import verbs
from lamelle.data.samples import Samples
from lamelle.runs import fit as session
from lamelle.runs import layers
from lamelle.runs import plan as plans
from lamelle.runs import recipe as recipes
from lamelle.runs.folder import RunFolder
from lamelle.runs.initial_model import build
from lamelle.runs.saved_plan import open_plan, save_plan
from lamelle.specimens.write import write_demo
from lamelle.training import features
from lamelle.training.loop import Interrupted, Training

SMALL = (
    *("model=mobilenetv2_050", "resize=48", "batch=8", "epochs=4", "precision=32", "threads=1", "workers=0"),
    # not Adam: it turns the rounding noise of a gradient that is nought (a bias before a batch norm) into whole steps
    *(
        "optimizer=sgd",
        "lr=0.02",
        "model.hidden=[16]",
        "model.dropout=0.3",
        "monitor=loss",
        "train.schedule=constant",
        "warmup=0",
        "clip=0",
    ),
)


@pytest.fixture(scope="module")
def tissue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small synthetic patches of tissue."""
    return write_demo("tissue", tmp_path_factory.mktemp("data") / "tissue", seed=2, count=48, size=48)


def run(data: Path, folder: Path, *overrides: str, quiet: Quiet | None = None, resume: bool = False) -> RunFolder:
    store = verbs.open_store()
    if resume:
        again = RunFolder.open(folder / "run")
        plan = open_plan(again)
    else:
        plan = plans.make_plan(data, layers.parse_overrides((*SMALL, *overrides)), store, accelerator=False)
        again = RunFolder.create(folder, "run")
        save_plan(again, plan)
    session.train(plan, build(plan), again, store, quiet or Quiet(), resume=resume)
    return again


def history(run: RunFolder) -> np.ndarray:
    table = np.genfromtxt(run.history, delimiter=",", names=True)
    return np.stack([table[name] for name in ("train_loss", "train_macro_f1", "loss", "macro_f1")])


def weights(run: RunFolder) -> dict[str, np.ndarray]:
    return load_file(run.model / "model.safetensors")


@pytest.mark.parametrize("depth", ["head", "last_conv", "last_two_convs"])
def test_cached_features_train_what_the_whole_network_trains(tissue: Path, tmp_path: Path, depth: str) -> None:
    asked = (f"freeze={depth}", "draws=2", "remedy=oversample")
    slow = run(tissue, tmp_path / "slow", *asked, "features=false")
    heard = Quiet()
    fast = run(tissue, tmp_path / "fast", *asked, quiet=heard)
    assert sum("augmentation" in line for line in heard.lines) in (0, 2)  # 0: an earlier training left them
    np.testing.assert_allclose(history(fast), history(slow), atol=1e-4)
    a, b = weights(slow), weights(fast)
    assert a.keys() == b.keys()
    for name, tensor in a.items():
        np.testing.assert_allclose(b[name], tensor, rtol=1e-4, atol=1e-4, err_msg=name)
    moved = run(tissue, tmp_path / "other", *asked[:1], "draws=3", asked[2], "features=false")
    assert not np.allclose(history(moved), history(slow), atol=1e-4)  # the comparison can fail


def test_features_are_kept_for_the_next_training_and_for_a_resume(tissue: Path, tmp_path: Path) -> None:
    asked = ("freeze=head", "draws=2", "train.seed=5")
    first, again = Quiet(), Quiet()
    whole = run(tissue, tmp_path / "a", *asked, quiet=first)
    run(tissue, tmp_path / "b", *asked, "train.lr=0.01", quiet=again)
    assert sum("augmentation" in line for line in first.lines) == 2
    assert not any("augmentation" in line for line in again.lines)

    def stop(step: int) -> None:
        import os
        import signal

        if step == 9:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        run(tissue, tmp_path / "c", *asked, "checkpoint_every=0.001", quiet=Quiet(stop))
    resumed = run(tissue, tmp_path / "c", resume=True)
    for name, tensor in weights(whole).items():
        np.testing.assert_array_equal(weights(resumed)[name], tensor, err_msg=name)


def test_features_with_a_flipped_bit_are_computed_again(tissue: Path, tmp_path: Path) -> None:
    asked = ("freeze=head", "draws=2", "train.seed=6")
    whole = run(tissue, tmp_path / "a", *asked)
    for file in features.folder().glob("*/draw-0.npy"):
        content = bytearray(file.read_bytes())
        content[-2] ^= 16
        file.write_bytes(content)
    heard = Quiet()
    again = run(tissue, tmp_path / "b", *asked, quiet=heard)
    assert sum("draw-0.npy" in line for line in heard.lines) == 1
    np.testing.assert_array_equal(history(again), history(whole))


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (("freeze=head", "mixup=0.2"), "mixup"),
        (("freeze=none",), "model.freeze"),
        (("freeze=head", "unfreeze_every=1"), "unfreeze"),
    ],
)
def test_what_cannot_be_cached_is_said(tissue: Path, tmp_path: Path, asked: tuple[str, ...], why: str) -> None:
    heard = Quiet()
    run(tissue, tmp_path, *asked, "draws=2", "epochs=1", quiet=heard)
    assert any(why in line for line in heard.lines)


def test_a_budget_is_not_spent_on_features_alone(tissue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Samples.drawn

    def slow(self: Samples, *rest: object) -> object:
        time.sleep(0.4)
        return drawn(self, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Samples, "drawn", slow)
    done = run(tissue, tmp_path, "freeze=head", "draws=50", "train.budget=3", "train.seed=6")
    draws = recipes.load(done.recipe)["train"]["draws"]
    assert 1 <= draws < 50
    assert len(history(done).T) > 0


def test_draws_repeat_in_turn_and_differ_from_each_other(tissue: Path, tmp_path: Path) -> None:
    store = verbs.open_store()
    plan = plans.make_plan(tissue, layers.parse_overrides((*SMALL, "draws=3")), store, accelerator=False)
    from lamelle.data.samples import Reader

    samples, _ = session.training_samples(plan, Reader(store, plan.task.targets, session.prepare(plan, store)))
    keys = [samples.order(epoch) for epoch in range(4)]
    for epoch, order in enumerate(keys):
        assert order.draw is not None
        assert (order.draw == epoch % 3).all()
    first, fourth, second = (samples.batch(e, [0], keys[e]) for e in (0, 3, 1))
    position = int(np.flatnonzero(keys[3].owner == keys[0].owner[0])[0])
    fourth = samples.batch(3, [position], keys[3])
    assert first.generators[0].random() == fourth.generators[0].random()
    assert first.generators[0].random() != second.generators[0].random()


def test_stages_are_unfrozen_one_after_the_other(tissue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learning: list[int] = []
    step = Training._step

    def counted(self: Training, batch: Any) -> float:
        if self.state.batch == 0:
            learning.append(sum(p.requires_grad for p in self._network.parameters()))
        return step(self, batch)

    monkeypatch.setattr(Training, "_step", counted)
    run(tissue, tmp_path, "freeze=stage:2", "unfreeze_every=1")
    assert learning == [*sorted(set(learning)), learning[-1]]
    assert len(set(learning)) == 3  # the head, and the two stages that may learn
