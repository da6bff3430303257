"""Maps can be believed: a planted patch is found by every method, and random weights destroy what is found."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from lamelle.errors import RequestError
from lamelle.explanation import layers
from lamelle.explanation.attribution import (
    METHODS,
    Answer,
    attribute,
    check_method,
    randomise,
    rank_correlation,
    resized,
)
from lamelle.explanation.inside import share_inside
from lamelle.models.freezable import Freezable
from lamelle.reports.explanation import SUSPECT

SIDE, SQUARE = 32, 8


def images(n: int, *, seed: int) -> tuple[torch.Tensor, torch.Tensor, list[tuple[int, int]]]:
    """Noise [n, 1, 32, 32]; every second image has a bright square somewhere, which is its class."""
    random = np.random.default_rng(seed)
    pixels = random.normal(0, 1, (n, 1, SIDE, SIDE)).astype(np.float32)
    places = [(int(y), int(x)) for y, x in random.integers(4, SIDE - SQUARE - 4, (n, 2))]
    labels = np.arange(n) % 2
    for image, label, (y, x) in zip(pixels, labels, places, strict=True):
        image[0, y : y + SQUARE, x : x + SQUARE] += 2.0 * label
    return torch.from_numpy(pixels), torch.from_numpy(labels), places


class Small(Freezable):
    """Two poolings, so that its last layer has 8 × 8 places."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
            *(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(inplace=True)),
        )
        self.head = nn.Linear(16, 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(image).mean((2, 3)))


@pytest.fixture(scope="module")
def trained() -> Freezable:
    """A network that has learnt to tell images with a square from those without."""
    torch.manual_seed(0)
    net = Small()
    optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
    for step in range(120):
        pixels, labels, _ = images(32, seed=step)
        loss = nn.functional.cross_entropy(net(pixels), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    pixels, labels, _ = images(100, seed=1000)
    assert (net(pixels).argmax(1) == labels).float().mean() > 0.95
    for parameter in net.parameters():
        parameter.requires_grad_(False)  # as a package is explained: nothing of it learns
    return net.eval()


def explained(net: Freezable, image: torch.Tensor, method: str, channel: int, *, signed: bool = False) -> np.ndarray:
    answer = Answer(net, channel=channel, sign=1, region=None)
    layer = layers.choose(layers.candidates(net, answer, image), wanted=None, spatial=False)
    return attribute(answer, image, method=method, layer=layer, signed=signed).numpy()


@pytest.mark.parametrize("method", METHODS)
def test_a_planted_patch_is_found(trained: Freezable, method: str) -> None:
    pixels, _, places = images(12, seed=7)
    shares = []
    for i in range(1, 12, 2):
        y, x = places[i]
        mask = np.zeros((SIDE, SIDE), bool)
        mask[y - 2 : y + SQUARE + 2, x - 2 : x + SQUARE + 2] = True  # a place of the last layer is 4 pixels wide
        shares.append(share_inside(explained(trained, pixels[i : i + 1], method, 1), mask))
    area = shares[0].area
    assert area < 0.15
    assert np.mean([s.inside for s in shares]) > 0.5, [s.inside for s in shares]


@pytest.mark.parametrize("method", ["gradcam", "occlusion", "integrated-gradients"])
def test_what_speaks_against_a_class_is_negative(trained: Freezable, method: str) -> None:
    pixels, _, places = images(2, seed=8)
    y, x = places[1]
    for channel, sign in ((0, -1), (1, 1)):
        found = explained(trained, pixels[1:], method, channel, signed=True)
        assert sign * found[y : y + SQUARE, x : x + SQUARE].sum() > 0


def against_random_weights(net: Freezable, method: str) -> float:
    """Median rank correlation of maps with those of random weights."""
    pixels, _, _ = images(12, seed=9)
    found = []
    for i in range(1, 12, 2):
        spoilt = copy.deepcopy(net)
        randomise(spoilt, seed=i)
        own, other = (explained(one, pixels[i : i + 1], method, 1, signed=True) for one in (net, spoilt))
        found.append(rank_correlation(own, other))
    return float(np.nanmedian(found))


@pytest.mark.parametrize("method", ["gradcam", "occlusion", "integrated-gradients"])
def test_random_weights_destroy_the_map(trained: Freezable, method: str) -> None:
    assert abs(against_random_weights(trained, method)) < 0.5


def test_the_check_finds_a_map_that_shows_brightness_whatever_was_learnt(trained: Freezable) -> None:
    # Grad-CAM++ adds up activations with positive weights only: a bright square lights up random filters too
    assert against_random_weights(trained, "gradcam++") > SUSPECT


def test_random_weights_keep_their_spread_and_differ_by_seed() -> None:
    first, second = Small(), Small()
    second.load_state_dict(first.state_dict())
    before = first.encoder[3].weight.detach().clone()
    randomise(first, seed=1)
    randomise(second, seed=2)
    after = first.encoder[3].weight.detach()
    assert float(after.std()) == pytest.approx(float(before.std()), rel=0.2)
    assert abs(np.corrcoef(before.ravel(), after.ravel())[0, 1]) < 0.3
    assert not torch.equal(after, second.encoder[3].weight)
    assert torch.equal(first.encoder[3].bias, second.encoder[3].bias)


class Linear(Freezable):
    """A convolution, the mean over all places, a dense layer: slopes that can be written down."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.conv = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.head = nn.Linear(4, 3)
        with torch.no_grad():
            for weight in self.parameters():
                weight.copy_(torch.randn(weight.shape, generator=generator))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.conv(image).mean((2, 3)))


@pytest.fixture
def known() -> tuple[Linear, torch.Tensor, layers.Layer]:
    return (
        Linear(),
        torch.randn(1, 2, 6, 6, generator=torch.Generator().manual_seed(4)),
        layers.Layer("conv", "first", (6, 6)),
    )


@pytest.mark.parametrize("signed", [True, False])
def test_gradcam_is_its_formula_and_that_of_the_library(
    known: tuple[Linear, torch.Tensor, layers.Layer], signed: bool
) -> None:
    net, image, layer = known
    found = attribute(Answer(net, channel=1, sign=1, region=None), image, method="gradcam", layer=layer, signed=signed)
    expected = torch.einsum("c,cyx->yx", net.head.weight[1] / 36, net.conv(image)[0]).detach()
    library = LayerGradCam(net, net.conv).attribute(image, target=1).detach()[0, 0]
    torch.testing.assert_close(found, expected if signed else expected.relu())
    torch.testing.assert_close(found, library if signed else library.relu())


def test_gradcam_plus_plus_is_its_formula(known: tuple[Linear, torch.Tensor, layers.Layer]) -> None:
    net, image, layer = known
    answer = Answer(net, channel=1, sign=1, region=None)
    found = attribute(answer, image, method="gradcam++", layer=layer, signed=False).numpy()
    activation, slopes = net.conv(image)[0].detach().numpy(), (net.head.weight[1] / 36).detach().numpy()
    expected = np.zeros((6, 6))
    for k, slope in enumerate(slopes):
        weight = 0.0
        for _ in range(36):  # the slope is the same at every place
            alpha = slope**2 / (2 * slope**2 + activation[k].sum() * slope**3)
            weight += alpha * max(slope, 0)
        expected += weight * activation[k]
    np.testing.assert_allclose(found, np.maximum(expected, 0), rtol=1e-4, atol=1e-6)


def test_integrated_gradients_are_complete(trained: Freezable) -> None:
    pixels, _, _ = images(2, seed=10)
    image = pixels[1:]
    found = explained(trained, image, "integrated-gradients", 1)
    grey = image.mean((2, 3), keepdim=True).expand_as(image)
    change = float((trained(image) - trained(grey))[0, 1])
    assert float(found.sum()) == pytest.approx(change, rel=0.05)


def test_occlusion_is_the_fall_of_the_answer() -> None:
    class Sum(Freezable):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image.sum((1, 2, 3))[:, None]

    image = torch.zeros(1, 3, 16, 16)
    image[..., 4:6, 4:6] = 16.0
    found = attribute(
        Answer(Sum(), channel=0, sign=1, region=None), image, method="occlusion", layer=None, signed=False
    )
    assert found[4, 4] == pytest.approx(3 * (4 * 16.0 - 4 * float(image[0, 0].mean())) / 1, rel=0.8)
    assert int(found.argmax()) // 16 in (4, 5)
    assert found[12, 12] < 0  # the mean is more than nothing


def test_a_region_and_a_sign_choose_what_is_asked() -> None:
    class Same(Freezable):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image

    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    region = torch.zeros(4, 4)
    region[0, :2] = 1
    assert Answer(Same(), channel=0, sign=1, region=region)(image).tolist() == [0.5]
    assert Answer(Same(), channel=0, sign=-1, region=region)(image).tolist() == [-0.5]


def test_rank_correlation_of_nothing_is_not_defined() -> None:
    assert np.isnan(rank_correlation(np.zeros((3, 3)), np.eye(3)))
    assert rank_correlation(np.arange(9.0), -np.arange(9.0)) == -1


@pytest.mark.parametrize("shape", [(5, 7), (3, 5, 7)])
def test_a_map_keeps_its_place_when_it_is_resized(shape: tuple[int, ...]) -> None:
    values = np.zeros(shape, np.float32)
    values[..., 1, 2] = 1
    large = resized(values, (*shape[:-2], 50, 70))
    assert large.shape == (*shape[:-2], 50, 70)
    assert (
        np.unravel_index(large.argmax(), large.shape)[-2:] == (14, 24)
        or large[..., 10:20, 20:30].sum() > 0.5 * large.sum()
    )
    assert resized(values, shape).dtype == np.float32


def test_requests_that_cannot_be_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    with pytest.raises(RequestError, match=r"smile.*gradcam, gradcam\+\+, occlusion, integrated-gradients"):
        check_method("smile", None)
    with pytest.raises(RequestError, match="leave out --layer"):
        check_method("occlusion", "conv")
    check_method("gradcam", "conv")
    monkeypatch.setitem(sys.modules, "captum", None)
    with pytest.raises(RequestError, match=r"pip install 'lamelle\[explain\]'"):
        check_method("gradcam", None)
