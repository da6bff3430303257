"""Weight files into encoders: layouts, channels, precision, and every way in which a file can be the wrong one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from networks import network
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lamelle.errors import FileError, RequestError
from lamelle.models.encoders import TimmClassifier, TimmUNet, adapt_input
from lamelle.models.weight_names import from_torchvision
from lamelle.models.weights import find_weights, load_encoder_weights, published


def classifier(name: str, channels: int = 3) -> TimmClassifier:
    net = network("timm", name=name, inputs=channels)
    assert isinstance(net, TimmClassifier)
    return net.eval()


def unet(name: str, channels: int = 3) -> TimmUNet:
    net = network("timm-unet", name=name, inputs=channels)
    assert isinstance(net, TimmUNet)
    return net.eval()


def save(folder: Path, tensors: dict[str, Tensor], name: str = "file.safetensors") -> Path:
    save_file({key: t.contiguous() for key, t in tensors.items()}, folder / name)
    return folder / name


def shaken(module: nn.Module) -> nn.Module:
    """Batch statistics unlike their start, so that forgetting them shows."""
    for key, tensor in module.state_dict().items():
        if "running" in key:
            tensor.uniform_(0.5, 1.5)
    return module.eval()


def test_torchvision_resnet_layout(tmp_path: Path) -> None:
    source = shaken(torchvision.models.resnet18())
    net = classifier("resnet18")
    report = load_encoder_weights(net, save(tmp_path, source.state_dict()))
    assert report.missing == report.adapted == ()
    assert set(report.unexpected) == {"fc.weight", "fc.bias"}
    image = torch.randn(1, 3, 64, 64)
    source.fc = nn.Identity()
    torch.testing.assert_close(net.encoder(image), source(image))


def test_torchvision_mobilenet_v2_layout(tmp_path: Path) -> None:
    source = shaken(torchvision.models.mobilenet_v2())
    net = classifier("mobilenetv2_100")
    report = load_encoder_weights(net, save(tmp_path, source.state_dict()))
    assert all(key.endswith("num_batches_tracked") for key in report.missing)
    image = torch.randn(1, 3, 64, 64)
    source.classifier = nn.Identity()
    torch.testing.assert_close(net.encoder(image), source(image), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["efficientnet_b0", "efficientnet_b3", "convnext_tiny"])
def test_torchvision_layouts_of_other_names(name: str, tmp_path: Path) -> None:
    source = shaken(getattr(torchvision.models, name)())
    for key, tensor in source.state_dict().items():
        if key.endswith("layer_scale"):
            tensor.uniform_(0.5, 1.5)  # its start is so small that a wrong block would not show
    net = classifier(name)
    report = load_encoder_weights(net, save(tmp_path, source.state_dict()))
    assert [key for key in report.missing if not key.endswith("num_batches_tracked")] == []
    assert report.unexpected
    image = torch.randn(1, 3, 64, 64)
    source.classifier[-1] = nn.Identity()
    torch.testing.assert_close(net.encoder(image), source(image), rtol=1e-4, atol=1e-5)


def test_same_shapes_but_another_network(tmp_path: Path) -> None:
    """tf_efficientnet pads otherwise: torchvision's tensors would fit, and the outputs would be wrong."""
    path = save(tmp_path, torchvision.models.efficientnet_b0().state_dict())
    assert "'efficientnet_b0'" in refused(classifier("tf_efficientnet_b0"), path, "models.weights_other")


def test_torchvision_vgg_layout() -> None:
    """Against timm's own conversion, without memory for a hundred million weights."""
    with torch.device("meta"):
        theirs = torchvision.models.vgg11_bn().state_dict()
        ours = timm.create_model("vgg11_bn").state_dict()
    shapes = {key: tuple(t.shape) for key, t in ours.items()}
    renamed = from_torchvision(theirs, shapes, "vgg11_bn")
    assert renamed is not None
    assert {key: tuple(t.shape) for key, t in renamed.items()} == shapes
    places = {key: torch.tensor(float(i)).expand(t.shape) for i, (key, t) in enumerate(theirs.items())}
    expected = timm.models.vgg._filter_fn(places)
    found = from_torchvision(places, shapes, "vgg11_bn")
    assert found is not None
    assert {key: float(t.max()) for key, t in found.items()} == {key: float(t.max()) for key, t in expected.items()}


@pytest.mark.parametrize("name", ["resnet10t", "convnext_atto", "mobilenetv2_035", "densenet121"])
def test_unet_takes_whole_networks_of_timm(name: str, tmp_path: Path) -> None:
    """A features-only net spells its names differently and lacks the last layers."""
    source = shaken(timm.create_model(name, num_classes=7))
    net = unet(name)
    report = load_encoder_weights(net, save(tmp_path, source.state_dict()))
    assert report.missing == ()
    assert len(report.loaded) == len(net.timm_encoder.state_dict())
    image = torch.randn(1, 3, 64, 64)
    expected = shaken(timm.create_model(name, features_only=True))
    by_name = {key.replace(".", "_"): t for key, t in source.state_dict().items()}
    expected.load_state_dict({key: by_name[key.replace(".", "_")] for key in expected.state_dict()})
    torch.testing.assert_close(net.timm_encoder(image)[-1], expected(image)[-1])


@pytest.mark.parametrize("make", [classifier, unet])
def test_own_networks_and_prefixes(make: Callable[[str], Any], tmp_path: Path) -> None:
    source, target = shaken(make("resnet10t")), make("resnet10t")
    report = load_encoder_weights(target, save(tmp_path, source.state_dict()))
    for key, tensor in source.timm_encoder.state_dict().items():
        assert torch.equal(tensor, target.timm_encoder.state_dict()[key])
    assert report.unexpected
    assert all("encoder" not in key for key in report.unexpected)
    wrapped = {f"module.{key}": t for key, t in timm.create_model("resnet10t", num_classes=3).state_dict().items()}
    assert load_encoder_weights(target, save(tmp_path, wrapped)).missing == ()


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 8])
def test_first_convolution_adapted_to_channels(channels: int, tmp_path: Path) -> None:
    """A grey image in all channels gives the same features, exactly so where the channels are a multiple of three."""
    source = shaken(timm.create_model("resnet18", num_classes=0))
    net = classifier("resnet18", channels)
    report = load_encoder_weights(net, save(tmp_path, source.state_dict()))
    assert report.adapted == (() if channels == 3 else ("conv1.weight",))
    expected = timm.models.adapt_input_conv(channels, source.conv1.weight.detach())
    torch.testing.assert_close(net.encoder.conv1.weight.detach(), expected)
    grey = torch.randn(1, 1, 64, 64)
    if channels in (1, 3):
        torch.testing.assert_close(net.encoder(grey.expand(1, channels, 64, 64)), source(grey.expand(1, 3, 64, 64)))


def test_grey_weights_spread_over_colours() -> None:
    weight = torch.randn(4, 1, 3, 3)
    torch.testing.assert_close(adapt_input(weight, 3).sum(1, keepdim=True), weight)


def test_half_precision_becomes_float32(tmp_path: Path) -> None:
    source = timm.create_model("resnet10t", num_classes=0)
    half = {key: t.half() if t.is_floating_point() else t for key, t in source.state_dict().items()}
    net = classifier("resnet10t")
    load_encoder_weights(net, save(tmp_path, half))
    assert all(p.dtype == torch.float32 for p in net.parameters())
    torch.testing.assert_close(net.encoder.conv1[0].weight, half["conv1.0.weight"].float())
    grey = classifier("resnet10t", 1)
    load_encoder_weights(grey, tmp_path / "file.safetensors")  # summed in float32, not in half precision
    assert torch.equal(grey.encoder.conv1[0].weight, half["conv1.0.weight"].float().sum(1, keepdim=True))


def refused(net: Any, path: Path, code: str) -> str:
    before = {key: t.clone() for key, t in net.state_dict().items()}
    with pytest.raises((RequestError, FileError)) as caught:
        load_encoder_weights(net, path)
    assert caught.value.code == code, caught.value
    assert all(torch.equal(before[key], t) for key, t in net.state_dict().items())
    return str(caught.value)


@pytest.mark.parametrize(("inside", "wanted"), [("resnet34", "resnet18"), ("resnet18", "resnet34")])
def test_another_architecture_is_named(inside: str, wanted: str, tmp_path: Path) -> None:
    """Every name of a ResNet-18 is in a ResNet-34, with its shape: it must not pass for one."""
    path = save(tmp_path, timm.create_model(inside).state_dict())
    assert f"'{inside}'" in refused(classifier(wanted), path, "models.weights_other")


def test_missing_tensors_are_listed(tmp_path: Path) -> None:
    state = timm.create_model("resnet18").state_dict()
    path = save(tmp_path, {key: t for key, t in state.items() if not key.startswith("layer4.1")})
    said = refused(classifier("resnet18"), path, "models.weights_mismatch")
    assert "10 tensor(s) missing (layer4.1.conv1.weight" in said
    assert said.count("layer4.1") == 5


def test_wrong_shapes_and_strangers_are_listed(tmp_path: Path) -> None:
    state = dict(timm.create_model("resnet18").state_dict())
    state["layer1.0.conv1.weight"] = torch.zeros(64, 64, 5, 5)
    state["odd\x1b[2J.weight"] = torch.zeros(1)
    said = refused(classifier("resnet18"), save(tmp_path, state), "models.weights_mismatch")
    assert "layer1.0.conv1.weight" in said
    assert "\\x1b" in said
    assert "\x1b" not in said


def test_inner_convolutions_are_not_adapted(tmp_path: Path) -> None:
    state = dict(timm.create_model("resnet18").state_dict())
    state["layer1.0.conv1.weight"] = torch.zeros(64, 3, 3, 3)
    said = refused(classifier("resnet18"), save(tmp_path, state), "models.weights_mismatch")
    assert "layer1.0.conv1.weight" in said


def test_foreign_layout_is_named(tmp_path: Path) -> None:
    path = save(tmp_path, torchvision.models.mobilenet_v3_small().state_dict())
    assert "MobileNetV3" in refused(classifier("resnet18"), path, "models.weights_layout")


@pytest.mark.parametrize(("inside", "wanted"), [("squeezenet1_1", "squeezenet1_0"), ("squeezenet1_0", "resnet18")])
def test_another_architecture_of_torchvision_is_named(inside: str, wanted: str, tmp_path: Path) -> None:
    path = save(tmp_path, getattr(torchvision.models, inside)().state_dict())
    assert f"'{inside}'" in refused(classifier(wanted), path, "models.weights_other")


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    net = classifier("resnet10t")
    torch.save(net.state_dict(), tmp_path / "x.pt")
    assert "convert" in refused(net, tmp_path / "x.pt", "models.weights_format")
    (tmp_path / "empty.safetensors").write_bytes(b"")
    refused(net, tmp_path / "empty.safetensors", "models.weights_damaged")
    good = save(tmp_path, timm.create_model("resnet10t").state_dict())
    (tmp_path / "cut.safetensors").write_bytes(good.read_bytes()[:-9])
    refused(net, tmp_path / "cut.safetensors", "models.weights_damaged")
    refused(net, tmp_path / "none.safetensors", "models.weights_unreadable")
    bad = timm.create_model("resnet10t").state_dict()
    bad["layer1.0.conv1.weight"][0, 0, 0, 0] = float("nan")
    refused(net, save(tmp_path, bad), "models.weights_not_finite")
    plain = network("unet", filters=[2, 4])
    refused(plain, good, "models.weights_kind")


def test_finding_weights(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"timm/resnet18\.a1_in1k") as caught:
        find_weights("resnet18", file=None, home=tmp_path)
    assert str(tmp_path / "weights" / "resnet18.safetensors") in str(caught.value)
    assert "apache-2.0" in str(caught.value)
    with pytest.raises(RequestError, match="no such file"):
        find_weights("resnet18", file=tmp_path / "absent.safetensors", home=tmp_path)
    with pytest.raises(RequestError, match="timm knows of none"):
        find_weights("resnet10t_unheard_of", file=None, home=tmp_path)
    place = tmp_path / "weights" / "resnet18.safetensors"
    place.parent.mkdir()
    place.touch()
    assert find_weights("resnet18", file=None, home=tmp_path) == place
    other = tmp_path / "other.safetensors"
    other.touch()
    assert find_weights("resnet18", file=other, home=tmp_path) == other
    assert published("mobilenetv2_100") == ("timm/mobilenetv2_100.ra_in1k", "apache-2.0")


@pytest.mark.real
@pytest.mark.parametrize(
    ("file", "name"),
    [("mobilenetv2_100.backbone", "mobilenetv2_100"), ("tf_efficientnet_b4.partial_backbone", "tf_efficientnet_b4")],
)
def test_real_files(real_data: Path, file: str, name: str) -> None:
    path = real_data / "weights" / f"{file}.safetensors"
    net = classifier(name)
    report = load_encoder_weights(net, path)
    assert report.missing == report.unexpected == report.adapted == ()
    assert len(report.loaded) == len(net.encoder.state_dict())
    features = net.encoder(torch.zeros(1, 3, 64, 64))
    assert torch.isfinite(features).all()
    dense = unet(name, 1)
    report = load_encoder_weights(dense, path)
    assert report.adapted == ("conv_stem.weight",)
    assert {key.split(".")[0] for key in report.unexpected} == {"conv_head", "bn2"}  # after the pyramid
    assert torch.isfinite(dense(torch.zeros(1, 1, 70, 64))).all()


@pytest.mark.real
def test_real_files_for_another_architecture(real_data: Path) -> None:
    folder = real_data / "weights"
    said = refused(classifier("resnet18"), folder / "mobilenetv2_100.backbone.safetensors", "models.weights_other")
    assert "'mobilenetv2_100'" in said
    squeeze = folder / "torchvision_squeezenet1_1.safetensors"
    assert "'squeezenet1_1'" in refused(classifier("resnet18"), squeeze, "models.weights_other")


@pytest.mark.real
def test_real_squeezenet_equals_torchvision(real_data: Path) -> None:
    path = real_data / "weights" / "torchvision_squeezenet1_1.safetensors"
    theirs = torchvision.models.squeezenet1_1().eval()
    theirs.load_state_dict(load_file(path))
    net = classifier("squeezenet1_1")
    report = load_encoder_weights(net, path)
    assert set(report.unexpected) == {"classifier.1.weight", "classifier.1.bias"}
    assert report.missing == report.adapted == ()
    image = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    features = net.encoder.forward_features(image)
    assert torch.equal(features, theirs.features(image))
    assert torch.equal(theirs.classifier(features).flatten(1), theirs(image))
    assert torch.equal(net.encoder(image), features.mean((2, 3)))
