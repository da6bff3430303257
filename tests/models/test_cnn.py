"""The two small networks of the imbalance study, exactly as they were."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from networks import network
from torch import Tensor, nn

from lamelle.errors import RequestError
from lamelle.models.cnn import Cnn
from lamelle.models.freeze import parameters


def net(name: str, **others: Any) -> Cnn:
    made = network("cnn", name=name, **{"inputs": 3, "size": (96, 96)} | others)
    assert isinstance(made, Cnn)
    return made


def written_out(norm: bool) -> nn.Sequential:
    """The network of the study, layer by layer."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 32), (32, 64), (64, 128), (128, 256)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
        layers += [nn.BatchNorm2d(outputs)] if norm else []
        layers += [nn.MaxPool2d(2)]
        layers += [nn.Dropout(0.25)] if outputs in (64, 256) else []
    dense = [nn.Linear(256 * 6 * 6, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 2)]
    return nn.Sequential(*layers, nn.Flatten(), *dense)


def test_parameters_counted_by_hand() -> None:
    convolutions = sum(9 * i * o + o for i, o in ((3, 32), (32, 64), (64, 128), (128, 256)))
    dense = 256 * 6 * 6 * 256 + 256 + 256 * 2 + 2
    assert (convolutions, dense) == (388_416, 2_360_066)
    assert parameters(net("cnn1")).total == convolutions + dense == 2_748_482
    assert parameters(net("cnn2")).total == convolutions + dense + 2 * (32 + 64 + 128 + 256) == 2_749_442


@pytest.mark.parametrize("name", ["cnn1", "cnn2"])
@pytest.mark.parametrize("training", [False, True])
def test_same_as_written_out_layer_by_layer(name: str, training: bool) -> None:
    """In training too: the same dropouts at the same places, batch norm between ReLU and pooling."""
    ours, theirs = net(name).train(training), written_out(name == "cnn2").train(training)
    kept = list(ours.state_dict().values())
    theirs.load_state_dict(dict(zip(theirs.state_dict(), kept, strict=True)))
    image = torch.randn(2, 3, 96, 96)

    def output(module: nn.Module) -> Tensor:
        torch.manual_seed(5)
        return module(image)

    torch.testing.assert_close(output(ours), output(theirs))


def test_odd_sizes_and_the_only_size() -> None:
    odd = net("cnn2", size=(50, 47), inputs=1)
    assert odd(torch.zeros(2, 1, 50, 47)).shape == (2, 2)
    assert odd.head[1].in_features == 256 * 3 * 2
    with pytest.raises(RequestError, match=r"'cnn2' takes images of 50 × 47 .* has 96 × 96.*data\.resize"):
        odd(torch.zeros(1, 1, 96, 96))
