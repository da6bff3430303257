"""Depths of freezing: what learns, what stays in evaluation mode, and in what stages a network is unfrozen."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from networks import network
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from lamelle.errors import RequestError
from lamelle.models.freezable import Freezable
from lamelle.models.freeze import freeze_encoder, parameter_stages, parameters, set_batch_norm, unfreeze_to
from lamelle.models.stages import last_convs

HIDDEN = 1_838_596  # the three dense layers 1280 → 1024 → 512 → 4 with their biases


def classifier(name: str, **more: Any) -> Freezable:
    """On the meta device where only names and shapes matter."""
    with torch.device(more.pop("device", "cpu")):
        return network(more.pop("kind", "timm"), name=name, inputs=3, outputs=4, **more)


def learning(net: nn.Module) -> list[str]:
    """Parts of the encoder that learn."""
    names = [n for n, p in net.named_parameters() if p.requires_grad and n.startswith("encoder.")]
    return list(dict.fromkeys(n.removeprefix("encoder.").rpartition(".")[0] or n for n in names))


@pytest.mark.parametrize(
    ("name", "encoder", "statistics", "counts"),
    [
        ("mobilenetv2_050", 687_680, 18_544, (1_838_596, 2_045_956, 2_123_076)),
        ("mobilenetv2_100", 2_223_872, 34_112, (1_838_596, 2_250_756, 2_558_596)),
    ],
)
def test_counts_are_those_of_keras(name: str, encoder: int, statistics: int, counts: tuple[int, ...]) -> None:
    net = classifier(name, hidden=[1024, 512], device="meta")
    norms = [part for part in net.modules() if isinstance(part, _BatchNorm)]
    assert (
        sum(t.numel() for part in norms for t in (part.running_mean, part.running_var) if t is not None) == statistics
    )
    found = [freeze_encoder(net, depth) for depth in ("head", "last_conv", "last_two_convs")]
    assert tuple(count.trainable for count in found) == counts
    assert {count.total for count in found} == {encoder + HIDDEN}
    assert freeze_encoder(net, "none").trainable == encoder + HIDDEN
    if name == "mobilenetv2_050":
        assert encoder + statistics == 706_224  # as Keras counts


@pytest.mark.parametrize(
    ("name", "last", "before"),
    [
        ("mobilenetv2_100", ["conv_head", "bn2"], ["blocks.6.0.conv_pwl", "blocks.6.0.bn3"]),
        ("efficientnet_b0", ["conv_head", "bn2"], ["blocks.6.0.conv_pwl", "blocks.6.0.bn3"]),
        ("mobilenetv1_100", ["blocks.4.1.conv_pw", "blocks.4.1.bn2"], ["blocks.4.0.conv_pw", "blocks.4.0.bn2"]),
        ("mobilenetv3_small_050", ["conv_head"], ["blocks.5.0.conv", "blocks.5.0.bn1"]),
        ("mobilenetv4_conv_small", ["conv_head", "norm_head"], ["blocks.4.0.conv", "blocks.4.0.bn1"]),
        ("resnet18", ["layer4.1.conv2", "layer4.1.bn2"], ["layer4.1.conv1", "layer4.1.bn1"]),
        ("resnext50_32x4d", ["layer4.2.conv3", "layer4.2.bn3"], ["layer4.2.conv2", "layer4.2.bn2"]),
        (
            "convnext_atto",
            ["stages.3.blocks.1", "stages.3.blocks.1.mlp.fc2", "head.norm"],
            ["stages.3.blocks.1.mlp.fc1"],
        ),
        (
            "convnextv2_atto",
            ["stages.3.blocks.1.mlp.fc2", "head.norm"],
            ["stages.3.blocks.1.mlp.fc1", "stages.3.blocks.1.mlp.grn"],
        ),
        (
            "densenet121",
            ["features.denseblock4.denselayer16.conv2", "features.norm5"],
            ["features.denseblock4.denselayer16.conv1", "features.denseblock4.denselayer16.norm2"],
        ),
        ("vgg11", ["features.18"], ["features.16"]),
        ("vgg11_bn", ["features.25", "features.26"], ["features.22", "features.23"]),
        ("regnety_002", ["s4.b7.conv3.conv", "s4.b7.conv3.bn"], ["s4.b7.conv2.conv", "s4.b7.conv2.bn"]),
        ("regnetz_005", ["final_conv.conv", "final_conv.bn"], ["s4.b7.conv3.conv", "s4.b7.conv3.bn"]),
        ("squeezenet1_1", ["features.12.expand1x1", "features.12.expand3x3"], ["features.12.squeeze"]),
    ],
)  # fmt: skip
def test_last_convolutions_by_name(name: str, last: list[str], before: list[str]) -> None:
    net = classifier(name, device="meta")
    head = freeze_encoder(net, "head").trainable
    assert learning(net) == []
    assert freeze_encoder(net, "last_conv").trainable > head
    assert sorted(learning(net)) == sorted(last)
    freeze_encoder(net, "last_two_convs")
    assert sorted(learning(net)) == sorted(last + before)
    assert all(p.requires_grad for n, p in net.named_parameters() if n.startswith("head."))


@pytest.mark.parametrize("name", ["mobilenetv2_050", "resnet18", "resnet26", "densenet121", "regnety_002"])
def test_the_listed_convolutions_are_the_last_ones_to_run(name: str) -> None:
    """Oracle: the order in which the convolutions of a forward pass end, without those beside the main path."""
    encoder = timm.create_model(name, num_classes=0).eval()
    ran: list[str] = []
    for key, part in encoder.named_modules():
        aside = "downsample" in key or ".se." in key or key.endswith("conv_dw")
        if isinstance(part, nn.Conv2d) and not aside:
            part.register_forward_hook(lambda *_, key=key: ran.append(key))
    with torch.inference_mode():
        encoder(torch.zeros(1, 3, 32, 32))
    convs = last_convs(encoder)
    assert convs is not None
    assert f"{ran[-1]}.weight" in convs[0]
    assert f"{ran[-2]}.weight" in convs[1]


@pytest.mark.parametrize(
    ("name", "stages", "deepest"),
    [
        ("mobilenetv2_100", 7, "blocks.6.0.conv_pw"),
        ("mobilenetv3_small_050", 6, "blocks.5.0.conv"),
        ("resnet18", 4, "layer4.0.conv1"),
        ("convnext_atto", 4, "stages.3.downsample.0"),
        ("densenet121", 4, "features.denseblock4.denselayer1.norm1"),
        ("regnety_002", 4, "s4.b1.conv1.conv"),
        ("vgg11_bn", 5, "features.22"),
        ("squeezenet1_1", 3, "features.9.squeeze"),
        ("vit_tiny_patch16_224", 12, "blocks.11.norm1"),
        ("swin_tiny_patch4_window7_224", 4, "layers.3.downsample.norm"),
        ("inception_v3", 12, "Mixed_7c.branch1x1.conv"),
    ],
)
def test_stages_of_families(name: str, stages: int, deepest: str) -> None:
    """The last stage begins where it should; each further one adds to those before; none is left out."""
    net = classifier(name, device="meta")
    total = parameters(net).total
    counts = [freeze_encoder(net, "head").trainable]
    names: set[str] = set()
    for n in range(1, stages + 1):
        counts.append(freeze_encoder(net, f"stage:{n}").trainable)
        if n == 1:
            assert learning(net)[0] == deepest
        assert names < set(learning(net))
        names = set(learning(net))
    assert counts == sorted(set(counts))
    assert counts[-1] <= total
    with pytest.raises(RequestError, match=f"'{name}' has {stages} stage") as caught:
        freeze_encoder(net, f"stage:{stages + 1}")
    assert caught.value.code == "models.freeze_stages"
    flat = [key for group in parameter_stages(net) for key in group]
    assert sorted(flat) == sorted(key for key, _ in net.named_parameters())
    assert parameter_stages(net)[0] == ["head.1.weight", "head.1.bias"]


def test_what_follows_the_last_stage_learns_with_it() -> None:
    for name, after in [
        ("mobilenetv2_100", {"conv_head", "bn2"}),
        ("mobilenetv3_small_050", {"conv_head"}),
        ("densenet121", {"features.norm5"}),
        ("convnext_atto", {"head.norm"}),
        ("vit_tiny_patch16_224", {"norm"}),
        ("vgg11_bn", {"pre_logits.fc1", "pre_logits.fc2"}),
    ]:
        net = classifier(name, device="meta")
        freeze_encoder(net, "stage:1")
        assert after < set(learning(net)), name


def test_single_parameters_are_frozen_too() -> None:
    net = classifier("vit_tiny_patch16_224", device="meta")
    freeze_encoder(net, "stage:2")
    assert {"encoder.pos_embed", "encoder.cls_token", "encoder.patch_embed"} < set(net.frozen)
    assert learning(net)[0].startswith("blocks.10")


@pytest.mark.parametrize(
    ("spec", "depth", "code", "said"),
    [
        ({"name": "vit_tiny_patch16_224"}, "last_conv", "models.freeze_family", "head, stage:N (N from 1 to 12)"),
        ({"name": "resnest14d"}, "last_two_convs", "models.freeze_family", "stage:N (N from 1 to 4)"),
        ({"name": "rdnet_tiny"}, "stage:1", "models.freeze", "one of: none, head"),
        ({"name": "caformer_s18"}, "stage:1", "models.freeze", "one of: none, head"),
        ({"name": "resnet18"}, "stage:0", "models.freeze_stages", "from 1 to 4"),
        ({"name": "resnet18"}, "stage:x", "models.freeze", "last_two_convs, stage:N"),
        ({"name": "resnet18"}, "all", "models.freeze", "none, head, last_conv"),
        ({"kind": "cnn", "name": "cnn1", "size": [32, 32]}, "stage:1", "models.freeze", "one of: none, head"),
    ],
)  # fmt: skip
def test_depths_that_cannot_be(spec: dict[str, Any], depth: str, code: str, said: str) -> None:
    net = classifier(device="meta", **spec)
    with pytest.raises(RequestError) as caught:
        freeze_encoder(net, depth)
    assert caught.value.code == code
    assert said in str(caught.value)
    assert depth in str(caught.value)
    assert net.frozen == ()


def test_frozen_parts_stay_as_they_are_through_a_training_step() -> None:
    """In the block that learns in part, the depthwise convolution and its norm move neither weights nor statistics."""
    torch.manual_seed(0)
    net = classifier("mobilenetv2_050")
    freeze_encoder(net, "last_two_convs")
    encoder = net.get_submodule("encoder")
    before = {key: t.clone() for key, t in encoder.state_dict().items()}
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=0.1)
    net.eval()
    net.train()
    net(torch.randn(4, 3, 64, 64)).square().mean().backward()
    optimiser.step()
    moved = {key.rpartition(".")[0] for key, t in encoder.state_dict().items() if not torch.equal(before[key], t)}
    assert moved == {"conv_head", "bn2", "blocks.6.0.conv_pwl", "blocks.6.0.bn3"}


def test_unfrozen_batch_norms_with_kept_statistics() -> None:
    """Statistics stay through ``train()``; the weights learn; the control without the key moves the statistics."""
    torch.manual_seed(0)
    for kept in (True, False):
        net = classifier("resnet10t")
        freeze_encoder(net, "stage:1")
        set_batch_norm(net, momentum=None, frozen_statistics=kept)
        net.eval()
        net.train()
        norm: Any = net.get_submodule("encoder.layer4.0.bn2")
        assert norm.training is not kept
        statistics, weight = norm.running_mean.clone(), norm.weight.clone()
        net(torch.randn(4, 3, 64, 64)).square().mean().backward()
        torch.optim.SGD(net.parameters(), lr=0.1).step()
        assert torch.equal(norm.running_mean, statistics) is kept
        assert not torch.equal(norm.weight, weight)
        assert torch.equal(net.get_submodule("encoder.layer3.0.bn1").running_mean, torch.zeros(256))  # type: ignore[arg-type]


def test_momentum_is_the_share_of_the_batch() -> None:
    torch.manual_seed(0)
    net = classifier("resnet10t")
    freeze_encoder(net, "stage:1")
    set_batch_norm(net, momentum=0.01, frozen_statistics=False)
    norm: Any = net.train().get_submodule("encoder.layer4.0.bn1")
    seen: list[torch.Tensor] = []
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].mean((0, 2, 3))))
    net(torch.randn(4, 3, 64, 64))
    torch.testing.assert_close(norm.running_mean, 0.01 * seen[0])
    set_batch_norm(net, momentum=None, frozen_statistics=False)
    assert norm.momentum == 0.01


@pytest.mark.parametrize("depth", ["none", "head", "last_conv", "last_two_convs", "stage:3"])
def test_unfreezing_goes_down_to_the_depth_and_no_further(depth: str) -> None:
    net = classifier("mobilenetv2_050", device="meta")
    freeze_encoder(net, depth)
    limit, learns = net.frozen, {n for n, p in net.named_parameters() if p.requires_grad}
    stages = parameter_stages(net)
    assert len(stages) == 9
    for count in (1, 3, 2, 9, 1, 99):  # in any order: the state before does not matter
        unfreeze_to(net, count, limit=limit)
        now = {n for n, p in net.named_parameters() if p.requires_grad}
        assert now == learns & {n for group in stages[:count] for n in group}
    assert net.frozen == limit


def test_stages_of_networks_with_a_decoder_and_without_an_encoder_of_timm() -> None:
    """The names of a features-only net are flattened, but its stages are those of the whole architecture."""
    for name, begins in [("resnet10t", "layer4.0."), ("convnext_atto", "stages_3."), ("mobilenetv2_050", "blocks.6.")]:
        net = network("timm-unet", name=name, decoder=[8] * 5)
        stages = parameter_stages(net)
        names = [key for key, _ in net.named_parameters()]
        assert sorted(key for group in stages for key in group) == sorted(names)
        assert set(stages[0]) == {key for key in names if not key.startswith("net.encoder.")}
        assert all(key.startswith(f"net.encoder.model.{begins}") for key in stages[1])
        assert len(stages) == {"mobilenetv2_050": 9}.get(name, 6)
        freeze_encoder(net, "head")
        limit = net.frozen
        unfreeze_to(net, 1, limit=())
        assert net.frozen == limit
    unet = network("unet", filters=[4, 8])
    assert parameter_stages(unet) == [[key for key, _ in unet.named_parameters()]]
    unfreeze_to(unet, 1, limit=())
    assert unet.frozen == ()
