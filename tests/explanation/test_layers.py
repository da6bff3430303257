"""Every family of networks has a layer to take a map from, and it is the one that people would take."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from networks import network
from torch import nn

from lamelle.errors import RequestError
from lamelle.explanation.attribution import Answer, attribute
from lamelle.explanation.layers import Layer, candidates, choose, padded, tapped
from lamelle.models.freezable import Freezable

NETWORKS: dict[str, tuple[dict[str, Any], tuple[int, int], str, tuple[int, int]]] = {
    "cnn1": ({"size": (64, 64)}, (64, 64), "encoder", (4, 4)),
    "cnn2": ({"size": (64, 80)}, (64, 80), "encoder", (4, 5)),
    "resnet10t": ({}, (128, 128), "encoder.layer4", (4, 4)),
    "mobilenetv2_035": ({}, (128, 128), "encoder.bn2", (4, 4)),
    "efficientnet_b0": ({}, (128, 128), "encoder.bn2", (4, 4)),
    "convnext_atto": ({}, (128, 128), "encoder.norm_pre", (4, 4)),
    "squeezenet1_1": ({}, (80, 80), "encoder.features", (4, 4)),
    "vit_tiny_patch16_224": ({"size": (64, 96)}, (64, 96), "encoder.blocks.11.norm1", (4, 6)),
}


def answer_of(net: Freezable) -> Answer:
    return Answer(net, channel=1, sign=1, region=None)


def made(name: str) -> tuple[Freezable, torch.Tensor]:
    more, size, _, _ = NETWORKS[name]
    torch.manual_seed(0)
    net = network("cnn" if name.startswith("cnn") else "timm", name=name, **more).eval().requires_grad_(False)
    return net, torch.randn(1, 1, *size)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_last_layer_with_places_is_found(name: str) -> None:
    net, image = made(name)
    before = net(image)
    layer = choose(candidates(net, answer_of(net), image), wanted=None, spatial=False)
    assert (layer.name, layer.grid) == NETWORKS[name][2:]
    found = attribute(answer_of(net), image, method="gradcam", layer=layer, signed=True)
    assert found.shape == image.shape[2:]
    assert found.isfinite().all()
    assert float(found.std()) > 0
    torch.testing.assert_close(net(image), before)  # no hook is left behind


def test_places_of_a_transformer_lie_where_its_patches_do() -> None:
    net, image = made("vit_tiny_patch16_224")
    layer = Layer("encoder.patch_embed", "tokens", (4, 6))
    tokens = net.get_submodule("encoder.patch_embed")(image)
    grid = layer.gridded(tokens)
    assert torch.equal(grid[0, :, 2, 3], tokens[0, 2 * 6 + 3])
    with_class = torch.cat((torch.full((1, 1, tokens.shape[2]), 9.0), tokens), 1)
    assert torch.equal(layer.gridded(with_class), grid)
    assert torch.equal(layer.restored(grid * 2, with_class)[:, 1:], tokens * 2)
    assert torch.equal(layer.restored(grid * 2, with_class)[:, 0], with_class[:, 0])


def test_channels_may_stand_last() -> None:
    class Last(Freezable):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.turn, self.head = nn.Conv2d(1, 40, 4, stride=4), nn.Identity(), nn.Linear(40, 2)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.head(self.turn(self.conv(image).movedim(1, -1)).mean((1, 2)))

    net, image = Last(), torch.randn(1, 1, 24, 32)
    found = candidates(net, answer_of(net), image)
    assert [(layer.name, layer.form, layer.grid) for layer in found] == [
        ("conv", "first", (6, 8)),
        ("turn", "last", (6, 8)),
    ]
    maps = [attribute(answer_of(net), image, method="gradcam", layer=layer, signed=True) for layer in found]
    torch.testing.assert_close(*maps)


def test_a_layer_of_ones_own_or_an_error_that_names_them() -> None:
    net, image = made("resnet10t")
    found = candidates(net, answer_of(net), image)
    assert choose(found, wanted="encoder.layer2", spatial=False).grid == (16, 16)
    with pytest.raises(RequestError, match=r"encoder\.layer9: .*encoder\.layer4"):
        choose(found, wanted="encoder.layer9", spatial=False)
    with pytest.raises(RequestError, match="occlusion or integrated-gradients"):
        choose([], wanted=None, spatial=False)


@pytest.mark.parametrize("dims", [2, 3])
def test_of_a_segmenter_the_coarsest_layer_is_taken(dims: int) -> None:
    net = network("unet", dims=dims, outputs=1, filters=[4, 8, 8], norm="none").eval()
    image = padded(net, torch.randn(1, 1, *(8, 30, 41)[3 - dims :]))
    region = torch.ones(image.shape[2:])
    answer = Answer(net, channel=0, sign=1, region=region)
    layer = choose(candidates(net, answer, image), wanted=None, spatial=True)
    assert layer.grid == tuple(n // 4 for n in image.shape[2:])
    found = attribute(answer, image, method="gradcam++", layer=layer, signed=False)
    assert found.shape == image.shape[2:]


def test_layers_that_do_not_matter_are_no_candidates() -> None:
    class Beside(Freezable):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 1)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            self.unused(image)
            return self.used(image).mean((2, 3))

    net = Beside()
    assert [layer.name for layer in candidates(net, answer_of(net), torch.randn(1, 1, 8, 8))] == ["used"]


def test_a_tap_sees_the_grid_and_is_removed() -> None:
    net, image = made("resnet10t")
    seen = []
    with tapped(net, Layer("encoder.layer3", "first", (8, 8))) as tap:
        tap.register_forward_hook(lambda _m, _i, output: seen.append(tuple(output.shape[2:])))
        net(image)
    net(image)
    assert seen == [(8, 8)]
