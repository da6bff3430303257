"""Prediction in tiles equals prediction in one piece, where what a cut could change is cut off."""

from __future__ import annotations

from typing import Any

import networks
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lamelle.data.preparation import Preparation
from lamelle.errors import RequestError
from lamelle.models.blocks import padding
from lamelle.models.unet import UNet
from lamelle.prediction import predictor as predictors
from lamelle.prediction import tiles
from lamelle.prediction.predictor import Predictor


class Sigmoid:
    """The little of a task that a predictor asks for."""

    output = "map"

    def activate(self, output: torch.Tensor) -> torch.Tensor:
        return output.float().sigmoid()


def network(**changes: Any) -> UNet:
    """Random weights, and statistics of batch norms that have seen something."""
    torch.manual_seed(0)
    net = networks.network("unet", **{"filters": [3, 4, 5]} | changes)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.uniform_(part.running_mean, -0.3, 0.3)  # type: ignore[arg-type]
            nn.init.uniform_(part.running_var, 0.5, 2.0)  # type: ignore[arg-type]
    assert isinstance(net, UNet)
    net.head.weight.data *= 5  # probabilities from 0 to 1
    return net.eval()


def predict(
    net: nn.Module, image: np.ndarray, monkeypatch: pytest.MonkeyPatch, *, tile: tuple[int, ...] | None, **options: Any
) -> np.ndarray:
    """Probabilities of an image, in one piece (``tile`` None) or in tiles, however small it is."""
    monkeypatch.setattr(predictors, "WHOLE", {2: 0, 3: 0})
    found = Predictor(
        net,
        Sigmoid(),  # type: ignore[arg-type]
        Preparation(1, None, "image", (), ()),
        dims=image.ndim - 1,
        tile=tile,
        whole=True,
        device=torch.device("cpu"),
        precision="32",
        **{"overlap": "field", "flips": False, **options},
    )
    return found.probabilities(image, bits=8)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (1, *shape)).astype(np.uint8)


@pytest.mark.parametrize("up", ["transpose2", "transpose3_same", "upsample_conv2", "linear"])
@pytest.mark.parametrize("flips", [False, True])
def test_tiles_are_the_whole_image_in_2d(up: str, flips: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    net, image = network(up=up), noise(157, 201)  # no multiples of 4
    whole = predict(net, image, monkeypatch, tile=None, flips=flips)
    found = predict(net, image, monkeypatch, tile=(72, 64), flips=flips)
    assert found.shape == whole.shape == (2, 157, 201)
    assert np.ptp(whole) > 0.1, "the network says something"
    np.testing.assert_allclose(found, whole, atol=1e-5)


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_tiles_are_the_whole_volume_in_3d(norm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, pool = [[1, 3, 3], [3, 3, 3]], [[1, 2, 2]]
    net = network(dims=3, filters=[2, 3], norm=norm, kernel=kernel, pool=pool)
    volume = noise(13, 37, 51)
    whole = predict(net, volume, monkeypatch, tile=None)
    found = predict(net, volume, monkeypatch, tile=(6, 24, 24))
    assert found.shape == whole.shape == (2, 13, 37, 51)
    np.testing.assert_allclose(found, whole, atol=1e-5)


def test_an_axis_shorter_than_its_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network pads it by replication, and with it the long axis."""
    net, image = network(), noise(3, 150)
    whole = predict(net, image, monkeypatch, tile=None)
    np.testing.assert_allclose(predict(net, image, monkeypatch, tile=(64, 64)), whole, atol=1e-5)


def test_tiles_with_less_overlap_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: what is equal above is not equal by itself."""
    net, image = network(), noise(157, 201)
    whole = predict(net, image, monkeypatch, tile=None)
    blended = predict(net, image, monkeypatch, tile=(72, 64), overlap=0.25)
    assert np.abs(blended - whole).max() > 1e-3
    monkeypatch.setattr(UNet, "margin", property(lambda net: net.multiple))
    assert np.abs(predict(net, image, monkeypatch, tile=(72, 64)) - whole).max() > 1e-3


def test_tiles_off_the_pooling_grid_differ() -> None:
    net = network(norm="none")
    image = np.random.default_rng(0).random((1, 120, 160), dtype=np.float32)

    def run(windows: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return net(torch.from_numpy(windows)).numpy()

    whole, margin = run(image[None])[0], net.margin
    assert margin is not None
    for multiple, same in (((4, 4), True), ((1, 1), False)):
        tile = (66, 66)  # on the grid of 4 it becomes 68
        found = tiles.stitch(
            image,
            run,
            tile=tile,
            margin=[m + (multiple == (1, 1)) for m in margin],
            multiple=multiple,
            padding=(0, 0),
            batch=2,
            prepare=lambda w: w,
        )
        assert np.allclose(found, whole, atol=1e-5) is same


def test_networks_that_see_the_whole_image_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RequestError, match="overlap"):
        predict(network(norm="instance"), noise(64, 64), monkeypatch, tile=(32, 32))
    assert predict(network(norm="instance"), noise(64, 64), monkeypatch, tile=(32, 32), overlap=0.5).shape[1:] == (
        64,
        64,
    )


def test_mirrored_images_are_pooled_on_one_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """With all mirrors averaged, a mirrored image has mirrored probabilities, if no padding tells its ends apart."""
    net, image = network(), noise(40, 36)
    found = predict(net, image, monkeypatch, tile=None, flips=True)
    turned = predict(net, image[:, ::-1, ::-1], monkeypatch, tile=None, flips=True)
    np.testing.assert_allclose(turned[:, ::-1, ::-1], found, atol=1e-5)


@given(full=st.integers(1, 60), tile=st.integers(1, 30), margin=st.integers(0, 6), multiple=st.sampled_from([1, 2, 4]))
@settings(max_examples=300, deadline=None)
def test_pieces_cover_each_pixel_once_on_the_grid(full: int, tile: int, margin: int, multiple: int) -> None:
    full, margin = full * multiple, margin * multiple
    size = tiles.exact_tile(tile, margin=margin, multiple=multiple, full=full)
    found = tiles.pieces(full, size, margin)
    assert size % multiple == 0
    assert [at for _, at, _ in found] == [0, *(stop for _, _, stop in found[:-1])]
    assert found[-1][2] == full
    for start, at, stop in found:
        assert start % multiple == 0
        assert 0 <= start <= at < stop <= start + size <= full
        assert start == 0 or at - start >= margin
        assert start + size == full or start + size - stop >= margin
    assert len(set(found)) == len(found)


def test_only_the_pixels_of_the_tiles_are_read() -> None:
    """A memory-mapped volume is never read as a whole."""

    class Counted(np.ndarray):
        most = 0

        def __getitem__(self, key: Any) -> Any:
            part = super().__getitem__(key)
            Counted.most = max(Counted.most, part.size)
            return part

    image = noise(200, 300).view(Counted)
    found = tiles.stitch(
        image,
        lambda windows: windows.astype(np.float32),
        tile=(40, 40),
        margin=(8, 8),
        multiple=(8, 8),
        padding=padding((200, 300), multiple=(8, 8), least=1),
        batch=2,
        prepare=lambda window: window,
    )
    assert 0 < Counted.most <= 40 * 40
    np.testing.assert_array_equal(found, np.asarray(image))


@pytest.mark.parametrize(("whole", "pieces"), [(True, 1), (False, 4)])
def test_tiles_that_were_asked_for_are_made_however_small_the_image(
    whole: bool, pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    def run(self: Predictor, inputs: np.ndarray) -> np.ndarray:
        sizes.extend([inputs.shape[2:]] * len(inputs))
        return np.zeros((len(inputs), 1, *inputs.shape[2:]), np.float32)

    monkeypatch.setattr(Predictor, "run", run)
    how = {"dims": 2, "tile": (32, 32), "whole": whole, "overlap": 0.25, "flips": False, "precision": "32"}
    predictor = Predictor(
        nn.Identity(),
        Sigmoid(),  # type: ignore[arg-type]
        Preparation(1, None, "image", (), ()),
        **how,  # type: ignore[arg-type]
        device=torch.device("cpu"),
    )
    assert predictor.probabilities(noise(48, 48), bits=8).shape == (1, 48, 48)
    assert sizes == ([(48, 48)] if whole else [(32, 32)] * pieces)
    predictor.probabilities(noise(32, 20), bits=8)
    assert sizes[-1] == (32, 20), "an image no larger than a tile is one piece"
