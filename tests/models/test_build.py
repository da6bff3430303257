"""The registry: a contract that every kind keeps, and what a description may not say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from lamelle.errors import RequestError
from lamelle.messages import catalogue
from lamelle.models import build as registry
from lamelle.models.build import MODELS, build, resolve
from lamelle.models.freezable import Freezable
from lamelle.models.freeze import freeze_encoder, parameters

UNET = {
    "kind": "unet", "dims": 2, "in_channels": 1, "out_channels": 2, "filters": [3, 6, 8], "up": "transpose2",
    "norm": "batch",
}  # fmt: skip
CASES: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    **{
        f"unet-{dims}d-{up}-{norm}": (
            UNET | {"dims": dims, "up": up, "norm": norm, "residual": res, "dropout": 0.1}, ())
        for dims, up, norm, res in [
            (2, "transpose2", "none", False),
            (2, "transpose3_same", "batch", True),
            (2, "upsample_conv2", "instance", False),
            (2, "linear", "group", True),
            (3, "transpose2", "batch", False),
            (3, "transpose3_same", "instance", True),
            (3, "upsample_conv2", "group", False),
            (3, "linear", "none", True),
        ]
    },
    "timm-resnet": ({"kind": "timm", "name": "resnet10t", "in_channels": 1, "classes": 4, "hidden": [16, 8]}, (2, 4)),
    "timm-mobilenetv3": ({"kind": "timm", "name": "mobilenetv3_small_050", "in_channels": 5, "classes": 2}, (2, 2)),
    "timm-vit": (
        {"kind": "timm", "name": "vit_tiny_patch16_224", "in_channels": 1, "classes": 3, "dropout": 0.5,
         "arguments": {"dynamic_img_size": True}}, (2, 3)),
    "timm-vit-small-images": (
        {"kind": "timm", "name": "vit_tiny_patch16_224", "in_channels": 3, "classes": 2, "hidden": [256],
         "arguments": {"img_size": [64, 80]}}, (2, 2)),
    "timm-efficientnet": ({"kind": "timm", "name": "efficientnet_b0", "in_channels": 3, "classes": 2}, (2, 2)),
    "timm-squeezenet": (
        {"kind": "timm", "name": "squeezenet1_1", "in_channels": 1, "classes": 3, "hidden": [16], "dropout": 0.5},
        (2, 3)),
    "cnn1": ({"kind": "cnn", "name": "cnn1", "in_channels": 1, "classes": 3, "size": [35, 50]}, (2, 3)),
    "cnn2": ({"kind": "cnn", "name": "cnn2", "in_channels": 3, "classes": 2, "size": [16, 16]}, (2, 2)),
    "timm-unet-resnet": ({"kind": "timm-unet", "name": "resnet10t", "in_channels": 1, "out_channels": 2}, ()),
    "timm-unet-convnext": (
        {"kind": "timm-unet", "name": "convnext_atto", "in_channels": 2, "out_channels": 2,
         "decoder": [32, 16, 16, 8, 8]}, ()),
}  # fmt: skip


def size_of(spec: Mapping[str, Any], otherwise: tuple[int, ...]) -> tuple[int, ...]:
    """The size that the network of this description takes."""
    return tuple(spec.get("size") or spec.get("arguments", {}).get("img_size") or otherwise)


def test_every_kind_has_a_case() -> None:
    assert {case["kind"] for case, _ in CASES.values()} == set(MODELS)


@pytest.mark.parametrize("name", CASES)
def test_contract(name: str) -> None:
    """Forward at an odd size, backward: right shape, no NaN, a gradient for every parameter; plain-data round trip."""
    spec, classes = CASES[name]
    torch.manual_seed(0)
    net = build(json.loads(json.dumps(resolve(spec))))
    size = (9, 11, 7) if spec.get("dims") == 3 else (35, 50) if spec["kind"] == "unet" else (67, 90)
    size = size_of(spec, (64, 80) if "vit" in name else size)
    logits = net(torch.randn(2, spec["in_channels"], *size))
    assert logits.shape == (classes or (2, 2, *size))
    assert torch.isfinite(logits).all()
    logits.square().mean().backward()
    for key, weight in net.named_parameters():
        assert weight.grad is not None, key
        assert torch.isfinite(weight.grad).all(), key
    assert parameters(net).trainable == parameters(net).total == sum(p.numel() for p in net.parameters())
    again = build(resolve(spec))
    again.load_state_dict(net.state_dict())
    image = torch.randn(1, spec["in_channels"], *size)
    assert torch.equal(again.eval()(image), net.eval()(image))
    with_another = net(torch.cat((image, torch.randn_like(image))))[:1]
    torch.testing.assert_close(with_another, net(image), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_frozen_encoder_neither_learns_nor_counts(name: str) -> None:
    """Frozen: no gradient, the same batch statistics after a training step, no dropout; unfrozen again: all learn."""
    spec, _ = CASES[name]
    torch.manual_seed(0)
    net = build(spec)
    total = parameters(net).total
    encoder = net.get_submodule(net.encoder_name)
    counts = freeze_encoder(net, "head")
    assert counts.total == total
    assert counts.trainable == total - sum(p.numel() for p in encoder.parameters())
    assert 0 < counts.trainable < total
    before = {key: t.clone() for key, t in encoder.state_dict().items()}
    net.eval()
    net.train()
    assert net.training
    assert not any(part.training for part in encoder.modules())
    assert sum(part.training for part in net.modules()) > 1
    size = size_of(spec, (8, 8, 8) if spec.get("dims") == 3 else (64, 64))
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=0.1)
    net(torch.randn(2, spec["in_channels"], *size)).square().mean().backward()
    optimiser.step()
    assert all(torch.equal(before[key], t) for key, t in encoder.state_dict().items())
    assert freeze_encoder(net, "none").trainable == total
    assert all(part.training for part in net.modules())


def test_unfrozen_batch_norm_does_update() -> None:
    """Control of the test above: without freezing, one step moves the statistics."""
    net = build(CASES["timm-resnet"][0])
    before = {key: t.clone() for key, t in net.state_dict().items() if "running_mean" in key}
    net.train()
    net(torch.randn(2, 1, 64, 64))
    assert not any(torch.equal(before[key], net.state_dict()[key]) for key in before)


@pytest.mark.parametrize(
    ("width", "trainable", "total"), [("050", 1_838_596, 2_526_276), ("100", 1_838_596, 4_062_468)]
)
def test_head_of_the_chest_x_ray_practical(width: str, trainable: int, total: int) -> None:
    """Dense 1024, 512, 4 on MobileNetV2; 706 224 with 18 544 batch statistics are 687 680 parameters at width 0.5."""
    name = f"mobilenetv2_{width}"
    net = build({"kind": "timm", "name": name, "in_channels": 3, "classes": 4, "hidden": [1024, 512]})
    counts = freeze_encoder(net, "head")
    assert (counts.trainable, counts.total) == (trainable, total)
    if width == "050":
        assert (counts.statistics, counts.with_statistics) == (18_544, 2_544_820)


def refusal(spec: Mapping[str, Any]) -> RequestError:
    with pytest.raises(RequestError) as caught:
        build(spec)
    assert len(str(caught.value)) > 20
    return caught.value


CNN = {"kind": "cnn", "name": "cnn1", "in_channels": 3, "classes": 2, "size": [96, 96]}
TIMM = {"kind": "timm", "name": "resnet18", "in_channels": 3, "classes": 2}


@pytest.mark.parametrize(
    ("spec", "code", "said"),
    [
        ({"kind": "unett"}, "models.kind_near", "'unet'"),
        ({"kind": "os.system"}, "models.kind", "timm-unet"),
        ({}, "models.kind", "None"),
        (UNET | {"filter": [1]}, "models.key_near", "'filters'"),
        (UNET | {"zzz": 1}, "models.key", "filters"),
        ({"kind": "unet", "dims": 2}, "models.missing", "filters"),
        (UNET | {"filters": [64]}, "models.value", "2 to 8"),
        (UNET | {"filters": [64, 9999]}, "models.value", "filters[1] = 9999"),
        (UNET | {"filters": [64, True]}, "models.value", "filters[1] = True"),
        (UNET | {"filters": "64"}, "models.value", "a list"),
        (UNET | {"filters": [4096] * 8, "kernel": 11}, "models.too_large", "1000000000"),
        (UNET | {"dims": 4}, "models.value", "one of: 2, 3"),
        (UNET | {"dims": True}, "models.value", "one of: 2, 3"),
        (UNET | {"up": "bilinear"}, "models.value", "linear"),
        (UNET | {"up": ["linear"]}, "models.value", "linear"),
        (UNET | {"norm": None}, "models.value", "batch"),
        (UNET | {"dropout": 1}, "models.value", "below 1"),
        (UNET | {"dropout": [0.1, 0.2]}, "models.value", "list of 3"),
        (UNET | {"kernel": 4}, "models.value", "odd"),
        (UNET | {"kernel": [3, 3, 3]}, "models.value", "one per axis"),
        (UNET | {"pool": [[1, 2]]}, "models.value", "2 such lists"),
        (UNET | {"pool": [[2, 2], [2, 3]]}, "models.value", "pool[1][1] = 3"),
        (UNET | {"residual": 1}, "models.value", "true or false"),
        (TIMM | {"name": "resnet19"}, "models.encoder_near", "did you mean"),
        (TIMM | {"name": "hf-hub:someone/thing"}, "models.encoder", "bare name"),
        (TIMM | {"name": "resnet18.a1_in1k"}, "models.encoder_near", "'resnet18'"),
        (TIMM | {"name": "resnet18.a_tag_that_nobody_has_given"}, "models.encoder_near", "'resnet18'"),
        (TIMM | {"name": 18}, "models.value", "architecture"),
        (TIMM | {"name": "squeezenet1_2"}, "models.encoder_near", "'squeezenet1_"),
        (TIMM | {"name": "squeezenet1_1", "arguments": {"global_pool": "max"}}, "models.arguments", "global_pool=max"),
        (TIMM | {"pretrained": True}, "models.key", "hidden"),
        (TIMM | {"arguments": {"pretrained": True}}, "models.key", "img_size"),
        (TIMM | {"arguments": {"checkpoint_path": "x"}}, "models.key", "img_size"),
        (TIMM | {"arguments": {"img_size": 64}}, "models.arguments", "img_size=64"),
        (TIMM | {"arguments": {"img_size": 10**9}}, "models.value", "arguments.img_size"),
        (TIMM | {"arguments": [1]}, "models.value", "mapping"),
        ({"kind": "timm-unet", "name": "squeezenet1_1", "in_channels": 1, "out_channels": 2},
         "models.no_pyramid", "squeezenet1_1"),
        (CNN | {"name": "cnn3"}, "models.value", "cnn1, cnn2"),
        (TIMM | {"name": "cnn3"}, "models.encoder_near", "'cnn"),
        ({"kind": "timm-unet", "name": "cnn3", "in_channels": 1, "out_channels": 2}, "models.encoder", "bare"),
        (CNN | {"size": [96, 15]}, "models.value", "size[1] = 15: it must be a whole number from 16"),
        (CNN | {"size": 96}, "models.value", "a list of 2 to 2"),
        (CNN | {"size": [4096, 4096]}, "models.too_large", "smaller images"),
        (CNN | {"hidden": [8]}, "models.key", "size"),
        ({"kind": "cnn", "name": "cnn1", "in_channels": 1, "classes": 2}, "models.missing", "size"),
        ({"kind": "timm-unet", "name": "vit_tiny_patch16_224", "in_channels": 1, "out_channels": 2},
         "models.no_pyramid", "vit_tiny"),
        ({"kind": "timm-unet", "name": "resnet10t", "in_channels": 1, "out_channels": 2, "decoder": [8, 8]},
         "models.value", "5 to 5"),
    ],
)  # fmt: skip
def test_wrong_descriptions_are_refused_with_a_cure(spec: dict[str, Any], code: str, said: str) -> None:
    error = refusal(spec)
    assert error.code == code
    assert said in str(error)


def test_freezing_depths_are_closed() -> None:
    with pytest.raises(RequestError, match="none, head"):
        freeze_encoder(build(UNET), "all")


def test_an_image_of_a_size_that_a_transformer_does_not_take() -> None:
    spec = TIMM | {"name": "vit_tiny_patch16_224"}
    net = build(spec)
    with pytest.raises(RequestError, match=r"224 × 224 .* 64 × 96.*data\.resize"):
        net(torch.zeros(1, 3, 64, 96))
    assert build(spec | {"arguments": {"img_size": [64, 96]}})(torch.zeros(1, 3, 64, 96)).shape == (1, 2)


def test_a_transformer_of_any_size_takes_multiples_of_its_patches() -> None:
    net = build(TIMM | {"name": "vit_tiny_patch16_224", "arguments": {"dynamic_img_size": True}})
    assert net(torch.zeros(1, 3, 96, 96)).shape == net(torch.zeros(1, 3, 224, 224)).shape == (1, 2)
    with pytest.raises(RequestError, match=r"multiples of 16 × 16 pixels, but this one has 96 × 100"):
        net(torch.zeros(1, 3, 96, 100))


def test_resolved_defaults_are_not_shared() -> None:
    first = resolve(TIMM)["arguments"]
    assert isinstance(first, dict)
    first["img_size"] = 1
    assert resolve(TIMM)["arguments"] == {}


def test_both_languages_have_the_same_sentences() -> None:
    english, french = catalogue("en", "models"), catalogue("fr", "models")
    assert english.keys() == french.keys()
    for key, sentence in english.items():
        placeholders = {part.split("}")[0] for part in sentence.split("{")[1:]}
        assert placeholders == {part.split("}")[0] for part in french[key].split("{")[1:]}, key


def test_building_is_the_same_for_the_same_seed() -> None:
    def net() -> Freezable:
        torch.manual_seed(3)
        return build(UNET)

    assert all(torch.equal(a, b) for a, b in zip(net().parameters(), net().parameters(), strict=True))
    assert registry.MAX_PARAMETERS < 2**31
