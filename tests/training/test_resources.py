"""Which precision a training computes in; a network whose gradients would be wrong in bf16 computes in float32."""

from __future__ import annotations

import re
from pathlib import Path

import networks
import pytest
import torch
from torch import nn

from lamelle import verbs
from lamelle.errors import RequestError
from lamelle.runs import plan as plans
from lamelle.training import resources
from lamelle.training.options import Train


def network(dims: int = 3, *, thick: bool = False) -> nn.Module:
    """Two levels; with thick slices neither mixes nor pools across them."""
    kernel, pool = ([1, 3, 3], [1, 2, 2]) if thick else (3, 2)
    shape = {"kernel": [kernel] * 2, "pool": [pool]} if thick else {"kernel": kernel, "pool": pool}
    return networks.network("unet", filters=[4, 8], dims=dims, **shape)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor with fast bf16, whose torch has the flaw."""
    monkeypatch.setattr(resources, "has_fast_bf16", lambda: True)
    monkeypatch.setattr(resources, "_two_slices_fail", lambda: True)


def chosen(model: nn.Module, patch: tuple[int, ...] | None, precision: str = "auto") -> str:
    keys = Train.model_validate({"patch": patch, "precision": precision, "device": "cpu"})
    return resources.resolve(keys, model).precision


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize(
    ("depth", "precision"), [(2, "32"), (4, "32"), (6, "bf16"), (8, "bf16")]
)  # the second level sees half as many
def test_where_a_level_sees_two_slices_training_is_in_float32(depth: int, precision: str) -> None:
    model = network().train()
    assert chosen(model, (depth, 64, 64)) == precision
    assert model.training
    if precision == "32":
        with pytest.raises(RequestError, match="two slices"):
            chosen(model, (depth, 64, 64), "bf16")
        assert chosen(model, (depth, 64, 64), "32") == "32"


@pytest.mark.parametrize("device", ["cpu", "cpu:0", "auto"])
def test_float16_on_a_processor_is_refused_with_what_works(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(RequestError, match=r"train\.precision=16: float16 with loss scaling") as caught:
        resources.device_of(Train.model_validate({"device": device, "precision": 16}))
    for word in re.findall(r"(?<=precision=)auto|32|bf16", str(caught.value)):
        Train.model_validate({"device": device, "precision": word})
        assert resources.device_of(Train.model_validate({"device": "cpu", "precision": word})) == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resources.device_of(Train.model_validate({"precision": 16})) == "cuda"


def test_what_this_machine_cannot_train_is_refused_before_an_image_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object, **__: object) -> None:
        raise AssertionError("the images were looked at")

    monkeypatch.setattr(plans, "make_plan", read)
    half = ["precision=16", "device=cpu"]
    with pytest.raises(RequestError, match="loss scaling"):
        verbs.train(tmp_path, overrides=half, runs=tmp_path / "runs")
    with pytest.raises(RequestError, match="loss scaling"):
        verbs.compare(tmp_path, overrides=["device=cpu", "precision=32,16"], runs=tmp_path / "runs", name="study")
    with pytest.raises(RequestError, match="loss scaling"):
        verbs.tune(tmp_path, overrides=[*half, "lr=0.1,0.2"], runs=tmp_path / "runs", name="search")
    assert not list(tmp_path.rglob("recipe.yaml"))


@pytest.mark.usefixtures("fast")
def test_other_networks_keep_bf16() -> None:
    assert chosen(network(2), (32, 32)) == "bf16"
    assert chosen(network(thick=True), (2, 64, 64)) == "bf16", "it does not look across slices"
    assert chosen(network(), None) == "32", "whole volumes may have any depth"


def test_the_probe_tells_whether_this_torch_has_the_flaw(monkeypatch: pytest.MonkeyPatch) -> None:
    resources._two_slices_fail.cache_clear()
    here = resources._two_slices_fail()
    assert here in (True, False)
    whole = torch.nn.functional.conv3d

    def spoilt(image: torch.Tensor, weight: torch.Tensor, padding: int) -> torch.Tensor:
        factor = 1.5 if image.dtype == torch.bfloat16 else 1.0
        return whole(image, weight, padding=padding) * factor

    for function, fails in (
        (spoilt, True),
        (lambda i, w, padding: whole(i.float(), w.float(), padding=padding), False),
    ):
        resources._two_slices_fail.cache_clear()
        monkeypatch.setattr(torch.nn.functional, "conv3d", function)
        assert resources._two_slices_fail() is fails
    resources._two_slices_fail.cache_clear()
