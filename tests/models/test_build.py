"""What networks of every kind do, and which options and data do not go together."""

from __future__ import annotations

import pytest
import torch
from networks import architecture, network

from lamelle.errors import RequestError
from lamelle.messages import catalogue
from lamelle.models.build import MAX_PARAMETERS, Architecture, build
from lamelle.models.encoders import TimmClassifier
from lamelle.models.freezable import Freezable
from lamelle.models.freeze import freeze_encoder, parameters

UNET = {"outputs": 2, "filters": [3, 6, 8]}
CASES: dict[str, tuple[Architecture, tuple[int, ...]]] = {
    **{
        f"unet-{dims}d-{up}-{norm}": (
            architecture("unet", **UNET, dims=dims, up=up, norm=norm, residual=res, dropout=0.1), ())
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
    "timm-resnet": (architecture("timm", name="resnet10t", outputs=4, hidden=[16, 8], dropout=0.0), (2, 4)),
    "timm-mobilenetv3": (architecture("timm", name="mobilenetv3_small_050", inputs=5, dropout=0.0), (2, 2)),
    "timm-vit-small-images": (
        architecture("timm", name="vit_tiny_patch16_224", inputs=3, hidden=[256], dropout=0.5, size=(64, 80)), (2, 2)),
    "timm-efficientnet": (architecture("timm", name="efficientnet_b0", inputs=3, dropout=0.0), (2, 2)),
    "timm-squeezenet": (
        architecture("timm", name="squeezenet1_1", outputs=3, hidden=[16], dropout=0.5), (2, 3)),
    "cnn1": (architecture("cnn", name="cnn1", outputs=3, size=(35, 50)), (2, 3)),
    "cnn2": (architecture("cnn", name="cnn2", inputs=3, size=(16, 16)), (2, 2)),
    "timm-unet-resnet": (architecture("timm-unet", name="resnet10t"), ()),
    "timm-unet-convnext": (
        architecture("timm-unet", name="convnext_atto", inputs=2, decoder=[32, 16, 16, 8, 8]), ()),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_any_size_and_any_batch(name: str) -> None:
    """Forward at an odd size: right shape, no NaN; what an image gives does not hang on the others of its batch."""
    small, classes = CASES[name]
    torch.manual_seed(0)
    net = build(small)
    size = (9, 11, 7) if small.dims == 3 else (35, 50) if small.options.kind == "unet" else (67, 90)
    size = small.size or size
    logits = net(torch.randn(2, small.inputs, *size))
    assert logits.shape == (classes or (2, 2, *size))
    assert torch.isfinite(logits).all()
    assert parameters(net).trainable == parameters(net).total == sum(p.numel() for p in net.parameters())
    image = torch.randn(1, small.inputs, *size)
    net.eval()
    with_another = net(torch.cat((image, torch.randn_like(image))))[:1]
    torch.testing.assert_close(with_another, net(image), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_frozen_encoder_neither_learns_nor_counts(name: str) -> None:
    """Frozen: no gradient, the same batch statistics after a training step, no dropout; unfrozen again: all learn."""
    small, _ = CASES[name]
    torch.manual_seed(0)
    net = build(small)
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
    size = small.size or ((8, 8, 8) if small.dims == 3 else (64, 64))
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=0.1)
    net(torch.randn(2, small.inputs, *size)).square().mean().backward()
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
    net = network("timm", name=name, inputs=3, outputs=4, hidden=[1024, 512])
    counts = freeze_encoder(net, "head")
    assert (counts.trainable, counts.total) == (trainable, total)
    if width == "050":
        assert (counts.statistics, counts.with_statistics) == (18_544, 2_544_820)


@pytest.mark.parametrize(
    ("small", "code", "said"),
    [
        (architecture("unet", filters=[4096] * 8, kernel=11), "models.too_large", "1000000000"),
        (architecture("unet", **UNET, kernel=[3, 3, 3]), "models.levels", "one per axis"),
        (architecture("unet", **UNET, pool=[[1, 2]]), "models.levels", "2 such lists"),
        (architecture("timm", name="resnet18", dims=3), "models.dims", "choose another: –"),
        (architecture("timm-unet", name="resnet18", dims=3), "models.dims", "choose another: unet"),
        (architecture("timm", name="resnet19"), "models.encoder_near", "did you mean"),
        (architecture("timm", name="hf-hub:someone/thing"), "models.encoder", "'hf-hub:someone/thing'"),
        (architecture("timm", name="resnet18.a1_in1k"), "models.encoder_near", "'resnet18'"),
        (architecture("timm", name="resnet18.a_tag_that_nobody_has_given"), "models.encoder_near", "'resnet18'"),
        (architecture("timm", name="squeezenet1_2"), "models.encoder_near", "'squeezenet1_"),
        (architecture("timm", name="squeezenet1_1", size=(64, 64)), "models.arguments", "img_size=(64, 64)"),
        (architecture("timm", name="resnet18", size=(64, 64)), "models.arguments", "img_size=(64, 64)"),
        (architecture("timm-unet", name="squeezenet1_1"), "models.no_pyramid", "squeezenet1_1"),
        (architecture("timm-unet", name="vit_tiny_patch16_224"), "models.no_pyramid", "vit_tiny"),
        (architecture("timm", name="cnn3"), "models.encoder_near", "'cnn"),
        (architecture("timm-unet", name="cnn3"), "models.encoder", "bare"),
        (architecture("cnn", size=(96, 15)), "models.small", "at least 16 pixels along each side, not 96 × 15"),
        (architecture("cnn", size=(4096, 4096)), "models.too_large", "smaller images"),
        (architecture("cnn"), "models.no_size", "data.resize"),
    ],
)
def test_what_does_not_fit_together_is_refused_with_a_cure(small: Architecture, code: str, said: str) -> None:
    with pytest.raises(RequestError) as caught:
        build(small)
    assert caught.value.code == code
    assert said in str(caught.value)


def test_freezing_depths_are_closed() -> None:
    with pytest.raises(RequestError, match="none, head"):
        freeze_encoder(network("unet", **UNET), "all")


def test_an_image_of_a_size_that_a_transformer_does_not_take() -> None:
    net = network("timm", name="vit_tiny_patch16_224", inputs=3)
    with pytest.raises(RequestError, match=r"224 × 224 .* 64 × 96.*data\.resize"):
        net(torch.zeros(1, 3, 64, 96))
    small = network("timm", name="vit_tiny_patch16_224", inputs=3, size=(64, 96))
    assert small(torch.zeros(1, 3, 64, 96)).shape == (1, 2)


def test_a_transformer_of_any_size_takes_multiples_of_its_patches() -> None:
    anything = {"dynamic_img_size": True}
    name = "vit_tiny_patch16_224"
    net = TimmClassifier(name, in_channels=3, classes=2, hidden=(), dropout=0.5, arguments=anything)
    assert net(torch.zeros(1, 3, 96, 96)).shape == net(torch.zeros(1, 3, 224, 224)).shape == (1, 2)
    with pytest.raises(RequestError, match=r"multiples of 16 × 16 pixels, but this one has 96 × 100"):
        net(torch.zeros(1, 3, 96, 100))


def test_both_languages_have_the_same_sentences() -> None:
    english, french = catalogue("en", "models"), catalogue("fr", "models")
    assert english.keys() == french.keys()
    for key, sentence in english.items():
        placeholders = {part.split("}")[0] for part in sentence.split("{")[1:]}
        assert placeholders == {part.split("}")[0] for part in french[key].split("{")[1:]}, key


def test_building_is_the_same_for_the_same_seed() -> None:
    def net() -> Freezable:
        torch.manual_seed(3)
        return network("unet", **UNET)

    assert all(torch.equal(a, b) for a, b in zip(net().parameters(), net().parameters(), strict=True))
    assert MAX_PARAMETERS < 2**31
