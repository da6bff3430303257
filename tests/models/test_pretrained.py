"""What is published for an encoder, and pretrained weights in networks of other channels and sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import timm
import torch
from networks import network
from safetensors.torch import load_file, save_file
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import Tensor, nn

from lamelle.errors import FileError, RequestError
from lamelle.io.atomic import writing
from lamelle.models.encoders import TimmClassifier, reference
from lamelle.models.pretrained import download_weights, expected_normalise, expected_size, resolve_weights
from lamelle.models.weights import licence, load_encoder_weights

NAME = "mobilenetv3_small_050"
DINO = ("vit_small_patch16_224", "vit_small_patch8_224", "vit_base_patch16_224", "vit_base_patch8_224")


def classifier(name: str, channels: int = 3, **arguments: Any) -> TimmClassifier:
    return TimmClassifier(name, in_channels=channels, classes=2, hidden=(), dropout=0, arguments=arguments).eval()


def shaken(net: nn.Module) -> nn.Module:
    """Statistics and layer scales unlike their start, so that every part shows in the output."""
    for key, tensor in net.state_dict().items():
        if "running" in key or "gamma" in key:
            tensor.uniform_(0.5, 1.5)
    return net.eval()


def save(path: Path, tensors: dict[str, Tensor], **said: str) -> Path:
    save_file(tensors, path, metadata=said)
    return path


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """A hub that serves a random network of timm for NAME; what it was asked for."""
    asked = []

    def serve(repo_id: str, filename: str, *, local_dir: Path, token: bool) -> str:
        asked.append((repo_id, filename))
        assert token is False
        return str(save(local_dir / filename, timm.create_model(NAME).state_dict(), format="pt"))

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", serve)
    return asked


def failing(error: Exception) -> Callable[..., str]:
    def fail(*_: object, **__: object) -> str:
        raise error

    return fail


def test_download_stores_once_with_origin_and_licence(tmp_path: Path, hub: list[tuple[str, str]]) -> None:
    path = resolve_weights(NAME, "hub", tmp_path, save=writing)
    assert path == tmp_path / "weights" / f"{NAME}.safetensors"
    assert hub == [(f"timm/{NAME}.lamb_in1k", "model.safetensors")]
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert resolve_weights(NAME, "hub", tmp_path, save=writing) == resolve_weights(NAME, "home", tmp_path, save=writing)
    assert len(hub) == 1
    report = load_encoder_weights(classifier(NAME), path)
    assert (report.licence, report.origin) == ("apache-2.0", f"timm/{NAME}.lamb_in1k")


@pytest.mark.parametrize(
    "error",
    [huggingface_hub.errors.LocalEntryNotFoundError("no\nnetwork"), huggingface_hub.errors.OfflineModeIsEnabled("off"),
     huggingface_hub.errors.EntryNotFoundError("gone"), TimeoutError()],
)  # fmt: skip
def test_download_that_fails_says_what_to_do(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", failing(error))
    with pytest.raises(RequestError) as caught:
        download_weights(NAME, home=tmp_path, save=writing)
    assert caught.value.code == "models.weights_download"
    said = str(caught.value)
    assert f"model.safetensors of timm/{NAME}.lamb_in1k" in said
    assert str(tmp_path / "weights" / f"{NAME}.safetensors") in said
    assert (" ".join(str(error).split()) or "TimeoutError") in said
    assert list((tmp_path / "weights").iterdir()) == []


@pytest.mark.parametrize("name", ["resnet10t", "mobilenetv3_small_075"])
def test_download_of_another_network_is_not_stored(name: str, tmp_path: Path, hub: list[tuple[str, str]]) -> None:
    with pytest.raises(RequestError, match=f"timm/{name}") as caught:
        download_weights(name, home=tmp_path, save=writing)
    assert caught.value.code == "models.weights_hub_other"
    assert list((tmp_path / "weights").iterdir()) == []


def test_download_with_nothing_published_or_nowhere_to_go(tmp_path: Path, hub: list[tuple[str, str]]) -> None:
    with pytest.raises(RequestError, match="timm knows of none"):
        download_weights("squeezenet1_1", home=tmp_path, save=writing)
    (tmp_path / "weights").write_text("a file")
    with pytest.raises(FileError, match="weights"):
        download_weights(NAME, home=tmp_path, save=writing)
    assert hub == []


def test_a_path_or_home_is_never_downloaded(tmp_path: Path, hub: list[tuple[str, str]]) -> None:
    own = tmp_path / "own.safetensors"
    own.touch()
    assert resolve_weights(NAME, str(own), tmp_path, save=writing) == own
    for given in ("home", str(tmp_path / "absent.safetensors")):
        with pytest.raises(RequestError):
            resolve_weights(NAME, given, tmp_path, save=writing)
    assert hub == []


def test_licence_as_the_file_says_or_as_published(tmp_path: Path) -> None:
    tensors = timm.create_model(NAME).state_dict()
    plain = load_encoder_weights(classifier(NAME), save(tmp_path / "a.safetensors", tensors))
    assert (plain.licence, plain.origin) == ("apache-2.0", None)
    marked = save(tmp_path / "b.safetensors", tensors, license="cc-by-nc-4.0", origin="a hospital")
    said = load_encoder_weights(classifier(NAME), marked)
    assert (said.licence, said.origin) == ("cc-by-nc-4.0", "a hospital")
    assert licence("squeezenet1_1") is None
    assert licence("vit_small_patch16_dinov3") == "dinov3-license"


def test_ranges_that_published_weights_want() -> None:
    wanted = {
        "resnet18": "imagenet", "squeezenet1_0": "imagenet", "mobilenetv2_100": "imagenet",
        "vit_tiny_patch16_224": "symmetric", "vit_small_patch14_dinov2": "imagenet", "mixnet_s": "imagenet",
        "vit_base_patch32_clip_224": None, "resnet19": None, "tf_efficientnetv2_b0": "imagenet",
        "tf_efficientnet_em": "symmetric", "fastvit_mci0": "unit",
    }  # fmt: skip
    assert {name: expected_normalise(name) for name in wanted} == wanted


def test_sizes_that_encoders_take() -> None:
    wanted = {
        "resnet18": None, "squeezenet1_1": None, "resnet19": None, "vit_tiny_patch16_224": (224, 224),
        "vit_small_patch14_dinov2": (518, 518), "vit_small_patch16_dinov3": None, "maxvit_tiny_rw_224": (224, 224),
        "swin_tiny_patch4_window7_224": (224, 224),
    }  # fmt: skip
    assert {name: expected_size(name) for name in wanted} == wanted


def test_names_of_dino() -> None:
    """The first DINO is a training of plain transformers: their bare names; later ones have names of their own."""
    known = timm.list_models()
    assert set(DINO) <= set(known)
    assert {"vit_small_patch14_dinov2", "vit_small_patch14_reg4_dinov2", "vit_small_patch16_dinov3"} <= set(known)
    assert all(f"{name}.dino" in timm.list_pretrained() for name in DINO)
    with pytest.raises(RequestError, match="bare"):
        network("timm", name="vit_small_patch16_224.dino")


def test_a_file_of_dino_is_matched_by_its_tensors(tmp_path: Path) -> None:
    source = timm.create_model("vit_tiny_patch16_224", num_classes=0)  # as a tagged file is: no classifier
    path = save(tmp_path / "vit_tiny_patch16_224.dino.safetensors", source.state_dict())
    report = load_encoder_weights(classifier("vit_tiny_patch16_224"), path)
    assert report.missing == report.unexpected == report.adapted == ()


@pytest.mark.parametrize("arguments", [{"img_size": 96}, {"img_size": [64, 96]}, {"dynamic_img_size": True}])
def test_position_embedding_follows_the_size(arguments: dict[str, Any], tmp_path: Path) -> None:
    """Weights of 224 pixels in a net of 96: the same as timm's own interpolation, and as the net of any size."""
    source = timm.create_model("vit_tiny_patch16_224", num_classes=0, dynamic_img_size=True).eval()
    net = classifier("vit_tiny_patch16_224", **arguments)
    report = load_encoder_weights(net, save(tmp_path / "w.safetensors", source.state_dict()))
    assert report.adapted == (("pos_embed",) if "img_size" in arguments else ())
    image = torch.randn(1, 3, *((96, 96) if arguments != {"img_size": [64, 96]} else (64, 96)))
    torch.testing.assert_close(net.encoder(image), source(image), rtol=1e-4, atol=1e-5)
    if arguments == {"img_size": 96}:
        expected = resample_abs_pos_embed(source.pos_embed, [6, 6], num_prefix_tokens=1)
        torch.testing.assert_close(net.encoder.pos_embed, expected)


def test_position_embedding_of_registers_has_no_prefix(tmp_path: Path) -> None:
    state = {key: torch.zeros(t.shape) for key, t in reference("vit_small_patch14_reg4_dinov2").state_dict().items()}
    net = classifier("vit_small_patch14_reg4_dinov2", img_size=98)
    path = save(tmp_path / "w.safetensors", state)
    assert load_encoder_weights(net, path).adapted == ("pos_embed",)
    state["pos_embed"] = state["pos_embed"][:, 1:]
    with pytest.raises(RequestError, match="pos_embed"):
        load_encoder_weights(net, save(path, state))


FIRST = {
    "resnet18": "conv1",
    "efficientnet_b0": "conv_stem",
    "mobilenetv2_100": "conv_stem",
    "convnext_atto": "stem.0",
    "vit_tiny_patch16_224": "patch_embed.proj",
    "squeezenet1_1": "features.0",
}


@pytest.mark.parametrize("name", FIRST)
def test_first_layer_for_grey_colour_and_more(name: str, tmp_path: Path) -> None:
    """A grey image stored as RGB, and the same as one channel: the same features from the same file."""
    arguments = {"img_size": 32} if name.startswith("vit") else {}
    colour = classifier(name, **arguments)
    shaken(colour)
    path = save(tmp_path / "w.safetensors", colour.encoder.state_dict())
    nets = {channels: classifier(name, channels, **arguments) for channels in (1, 3, 5)}
    reports = {channels: load_encoder_weights(net, path) for channels, net in nets.items()}
    first_weight = (f"{FIRST[name]}.weight",)
    assert {c: r.adapted for c, r in reports.items()} == {1: first_weight, 3: (), 5: first_weight}
    grey = torch.randn(2, 1, 32, 32)
    wanted = colour.encoder(grey.expand(-1, 3, -1, -1))
    torch.testing.assert_close(nets[1].encoder(grey), wanted, rtol=1e-3, atol=1e-4)
    assert torch.equal(nets[3].encoder(grey.expand(-1, 3, -1, -1)), wanted)
    first, five = (net.encoder.get_submodule(FIRST[name]).weight.detach() for net in (colour, nets[5]))
    for channel in range(5):
        torch.testing.assert_close(five[:, channel], first[:, channel % 3] * 3 / 5)
    assert torch.isfinite(nets[5](torch.randn(2, 5, 32, 32))).all()
    assert set(load_file(path)) == set(reports[1].loaded)
