"""A network cut where its frozen part ends gives what the whole network gives, and learns as it does."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from networks import network
from torch import Tensor, nn

from lamelle.errors import RequestError
from lamelle.models.encoders import TimmClassifier
from lamelle.models.freezable import Freezable
from lamelle.models.freeze import freeze_encoder, unfreeze_to
from lamelle.models.frozen_features import CHAINS, split, steps
from lamelle.models.stages import LAST_CONVS

SIDE = 64
CASES = [
    ("mobilenetv2_100", "head", "head"),
    ("mobilenetv2_100", "last_conv", "encoder.conv_head"),
    ("mobilenetv2_100", "last_two_convs", "encoder.blocks.6.0"),
    ("mobilenetv2_100", "stage:2", "encoder.blocks.5.0"),
    ("efficientnet_b0", "last_two_convs", "encoder.blocks.6.0"),
    ("tf_efficientnet_b4", "last_conv", "encoder.conv_head"),
    ("mobilenetv3_small_050", "last_conv", "encoder.conv_head"),
    ("mobilenetv3_small_050", "last_two_convs", "encoder.blocks.5.0"),
    ("resnet18", "last_conv", "encoder.layer4.1"),
    ("convnext_atto", "last_conv", "encoder.stages.3.blocks.1"),
    ("convnext_atto", "stage:1", "encoder.stages.3.downsample"),
    ("densenet121", "last_two_convs", "encoder.features.denseblock4.denselayer16"),
    ("vgg11_bn", "last_conv", "encoder.features.25"),
    ("regnety_002", "last_two_convs", "encoder.s4.b7"),
    ("regnetz_005", "last_conv", "encoder.final_conv"),
    ("squeezenet1_1", "last_two_convs", "encoder.features.12"),
    ("vit_tiny_patch16_224", "head", "head"),
    ("vit_tiny_patch16_224", "stage:2", "encoder.blocks.10"),
    ("swin_tiny_patch4_window7_224", "head", "head"),
]


def made(name: str, depth: str) -> Freezable:
    torch.manual_seed(0)
    sized = {"img_size": SIDE} if name.startswith(("vit", "swin")) else {}
    stochastic = {} if name.startswith(("vgg", "squeezenet")) else {"drop_path_rate": 0.3}
    arguments = sized | (stochastic if not name.startswith("densenet") else {})
    net = thin_vgg(name) if name.startswith("vgg") else classifier(name, arguments)
    with torch.no_grad():
        for key, parameter in net.named_parameters():
            if parameter.ndim == 1 and not key.endswith("bias"):
                parameter.uniform_(0.5, 1.0)  # many start at 0, and their blocks would do nothing
    freeze_encoder(net, depth)
    return net


def classifier(name: str, arguments: dict[str, Any]) -> Freezable:
    return TimmClassifier(name, in_channels=3, classes=3, hidden=[16], dropout=0.5, arguments=arguments)


def thin_vgg(name: str) -> Freezable:
    """Without the 120 million weights of its dense layers, which would only take time."""
    with torch.device("meta"):
        net = classifier(name, {})
    encoder: Any = net.encoder
    encoder.pre_logits = nn.Sequential(nn.Conv2d(512, 4096, 1), nn.AdaptiveAvgPool2d(1))
    net.to_empty(device="cpu")
    for part in net.modules():
        if isinstance(part, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
            part.reset_parameters()
    return net


def gradients(net: nn.Module, output: Tensor) -> dict[str, Tensor]:
    net.zero_grad(set_to_none=True)
    output.square().sum().backward()
    return {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(("name", "depth", "at"), CASES)
def test_both_parts_together_are_the_network(name: str, depth: str, at: str) -> None:
    """Outputs and gradients, in evaluation and in training with the same seeds; the suffix spoils no features."""
    net = made(name, depth)
    cut = split(net)
    assert cut is not None
    assert cut.at == at
    images = torch.randn(4, 3, SIDE, SIDE)
    for mode in (False, True):
        cut.suffix.train(mode)
        assert net.training is mode
        with torch.no_grad():
            features = cut.prefix(images)
        kept, state = features.clone(), copy.deepcopy(net.state_dict())
        torch.manual_seed(1)
        output = cut.suffix(features)
        halves = gradients(net, output)
        assert torch.equal(features, kept)
        moved, statistics = copy.deepcopy(net.state_dict()), net.load_state_dict(state)
        assert not statistics.missing_keys
        torch.manual_seed(1)
        whole = net(images)
        torch.testing.assert_close(output, whole, atol=1e-5, rtol=1e-5)
        full = gradients(net, whole)
        assert halves.keys() == full.keys() == {n for n, p in net.named_parameters() if p.requires_grad}
        for key, gradient in full.items():
            torch.testing.assert_close(halves[key], gradient, atol=1e-5, rtol=1e-4, msg=key)
        for key, value in net.state_dict().items():
            torch.testing.assert_close(moved[key], value, msg=key)


def test_training_the_suffix_trains_the_network() -> None:
    """Over steps with an optimiser of the suffix: the frozen depthwise part in it stays, the others move."""
    net = made("mobilenetv2_100", "last_two_convs")
    cut = split(net)
    assert cut is not None
    before = {key: value.clone() for key, value in net.state_dict().items()}
    optimiser = torch.optim.AdamW([p for p in cut.suffix.parameters() if p.requires_grad], lr=1e-2)
    with torch.no_grad():
        features = cut.prefix(torch.randn(4, 3, SIDE, SIDE))
    for _ in range(2):
        cut.suffix.eval()
        cut.suffix.train()
        optimiser.zero_grad()
        cut.suffix(features).square().mean().backward()
        optimiser.step()
    moved = {key.rpartition(".")[0] for key, value in net.state_dict().items() if not torch.equal(before[key], value)}
    learned = {f"encoder.{name}" for name in ("conv_head", "bn2", "blocks.6.0.conv_pwl", "blocks.6.0.bn3")}
    assert moved == learned | {"head.0", "head.3"}
    assert not net.get_submodule("encoder.blocks.6.0.bn2").training
    assert net.get_submodule("encoder.blocks.6.0.bn3").training


def test_a_copy_of_the_suffix_is_on_its_own() -> None:
    net = made("resnet18", "stage:1").eval()
    cut = split(net)
    assert cut is not None
    features = cut.prefix(torch.randn(1, 3, SIDE, SIDE))
    other = copy.deepcopy(cut.suffix)
    expected = cut.suffix(features)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    torch.testing.assert_close(other(features), expected)


def test_where_there_is_nothing_to_cut() -> None:
    assert split(made("resnet10t", "none")) is None
    unet = network("timm-unet", name="resnet10t", outputs=1, decoder=[8] * 5)
    freeze_encoder(unet, "head")
    assert split(unet) is None
    swin = made("swin_tiny_patch4_window7_224", "stage:1")  # no chain, and the encoder learns in part
    assert split(swin) is None


def test_an_encoder_that_its_chain_does_not_know_is_cut_at_its_end_only() -> None:
    net = made("resnet10t", "stage:1")
    encoder: Any = net.encoder
    encoder.extra = nn.Linear(2, 2)
    assert split(net) is None
    freeze_encoder(net, "head")
    cut = split(net)
    assert cut is not None
    assert cut.at == "head"


def test_an_unfrozen_batch_norm_before_the_cut_is_a_fault() -> None:
    net = made("resnet10t", "stage:1")
    net.frozen = tuple(name for name in net.frozen if name != "encoder.bn1")
    with pytest.raises(AssertionError, match="batch norms before the boundary"):
        split(net)


def test_the_cut_is_where_the_deepest_unfreezing_allows() -> None:
    net = made("resnet10t", "stage:2")
    limit = net.frozen
    unfreeze_to(net, 1, limit=limit)
    assert (cut := split(net)) is not None
    assert cut.at == "head"
    unfreeze_to(net, 9, limit=limit)
    assert (cut := split(net)) is not None
    assert cut.at == "encoder.layer3.0"


def test_the_prefix_refuses_another_size_as_the_network_does() -> None:
    net = made("vit_tiny_patch16_224", "head")
    cut = split(net)
    assert cut is not None
    with pytest.raises(RequestError, match="64 × 64") as caught:
        cut.prefix(torch.zeros(1, 3, 32, 32))
    assert caught.value.code == "models.size"


def test_each_listed_family_has_its_chain() -> None:
    assert set(LAST_CONVS) < set(CHAINS)
    for name in ("mobilenetv4_conv_small", "mobilenetv1_100", "resnext50_32x4d", "convnextv2_atto", "vgg11"):
        with torch.device("meta"):
            net = network("timm", name=name, inputs=3)
        assert len(steps(net)) > 3, name
