"""The plain U-Net: counts of the published nets, Keras' operators by hand, sizes, receptive field."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from networks import network
from torch import nn
from torch.nn import functional as F

from lamelle.models.blocks import BACK, UPS, Block, Linear, TransposeSame, UpsampleConv, fit, per_level
from lamelle.models.deep_supervision import over_levels
from lamelle.models.freeze import parameters
from lamelle.models.options import UNetOptions
from lamelle.models.unet import UNet


def unet(**changes: Any) -> UNet:
    net = network("unet", **{"outputs": 1, "filters": [4, 8, 16], "norm": "none"} | changes)
    assert isinstance(net, UNet)
    return net


@pytest.mark.parametrize(
    ("filters", "channels", "up", "count"),
    [
        ((64, 128, 256, 512, 1024), 1, "transpose2", 31_030_593),
        ((64, 128, 256, 512, 1024), 1, "upsample_conv2", 31_030_593),
        ((16, 32, 64, 128, 256), 3, "transpose3_same", 2_158_705),
        ((32, 64, 128), 3, "transpose2", 466_529),
    ],
)
def test_published_nets_have_their_number_of_parameters(
    filters: tuple[int, ...], channels: int, up: str, count: int
) -> None:
    with torch.device("meta"):
        assert parameters(unet(filters=filters, inputs=channels, up=up)).total == count


def test_every_name_of_the_registry_is_built() -> None:
    for key, known in (("up", UPS), ("up", BACK)):
        assert set(get_args(UNetOptions.model_fields[key].annotation)) == set(known)
    for norm in get_args(UNetOptions.model_fields["norm"].annotation):
        assert unet(norm=norm)(torch.zeros(1, 1, 8, 8)).shape == (1, 1, 8, 8)


def keras_transposed_same(image: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Conv2DTranspose(3, strides=2, "same") [Y, X, C] as Keras defines it: the adjoint of its "same" convolution.

    That convolution (stride 2, kernel 3, input 2n, output n) pads (n - 1)·2 + 3 - 2n = 1 pixel, all of it after the
    end; hence output pixel i reads input pixels 2i, 2i + 1, 2i + 2, and its adjoint writes to them.
    """
    rows, columns, _ = image.shape
    out = np.zeros((2 * rows + 1, 2 * columns + 1, kernel.shape[2])) + bias
    for y in range(rows):
        for x in range(columns):
            out[2 * y : 2 * y + 3, 2 * x : 2 * x + 3] += kernel @ image[y, x]
    return out[: 2 * rows, : 2 * columns]


def test_transposed_convolution_is_keras() -> None:
    rng = np.random.default_rng(0)
    image, kernel, bias = rng.normal(size=(4, 5, 3)), rng.normal(size=(3, 3, 2, 3)), rng.normal(size=2)
    layer = TransposeSame(3, 2, (2, 2)).double()
    layer.conv.weight.data = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
    layer.conv.bias.data = torch.from_numpy(bias)
    ours = layer(torch.from_numpy(image.transpose(2, 0, 1)[None]))[0].detach().numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(ours, keras_transposed_same(image, kernel, bias), rtol=1e-12)


def test_up_convolution_is_keras() -> None:
    """UpSampling2D(2), then Conv2D(2, padding="same", activation="relu"), which pads after the end."""
    rng = np.random.default_rng(0)
    image, kernel, bias = rng.normal(size=(3, 4, 2)), rng.normal(size=(2, 2, 2, 5)), rng.normal(size=5)
    large = np.pad(image.repeat(2, axis=0).repeat(2, axis=1), ((0, 1), (0, 1), (0, 0)))
    expected = np.zeros((6, 8, 5))
    for y in range(6):
        for x in range(8):
            expected[y, x] = np.maximum(np.einsum("yxc,yxco->o", large[y : y + 2, x : x + 2], kernel) + bias, 0)
    layer = UpsampleConv(2, 5, (2, 2)).double()
    layer.conv.weight.data = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
    layer.conv.bias.data = torch.from_numpy(bias)
    ours = layer(torch.from_numpy(image.transpose(2, 0, 1)[None]))[0].detach().numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("size", "mode"), [((5, 1), "bilinear"), ((3, 4, 5), "trilinear")])
def test_linear_is_interpolation_then_projection(size: tuple[int, ...], mode: str) -> None:
    layer = Linear(3, 2, (2,) * len(size))
    x = torch.randn(2, 3, *size)
    expected = layer.conv(F.interpolate(x, scale_factor=2, mode=mode, align_corners=False))
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("up", UPS)
@pytest.mark.parametrize("dims", [2, 3])
def test_any_size_comes_back(up: str, dims: int) -> None:
    net = unet(up=up, dims=dims, filters=[2, 3, 4], inputs=2, outputs=3)
    for size in [(1, 1, 1), (7, 5, 9), (8, 12, 4)]:
        assert net(torch.randn(1, 2, *size[-dims:])).shape == (1, 3, *size[-dims:])


def test_odd_image_equals_the_image_padded_by_reflection() -> None:
    net = unet(norm="batch").eval()
    image = torch.randn(1, 1, 13, 22)
    padded = F.pad(image, (0, 2, 0, 3), mode="reflect")
    torch.testing.assert_close(net(image), net(padded)[..., :13, :22])


def test_batch_statistics_have_two_values_for_the_smallest_image() -> None:
    for norm in ("batch", "instance"):
        assert torch.isfinite(unet(norm=norm)(torch.randn(1, 1, 1, 1))).all()


def test_anisotropic_axes_are_neither_pooled_nor_mixed() -> None:
    net = unet(dims=3, kernel=[[1, 3, 3], [3, 3, 3], [3, 3, 3]], pool=[[1, 2, 2], [2, 2, 2]], up="transpose3_same")
    assert net.multiple == (2, 4, 4)
    assert net(torch.randn(1, 1, 3, 8, 10)).shape == (1, 1, 3, 8, 10)
    flat = unet(dims=3, kernel=[1, 3, 3], pool=[1, 2, 2]).eval()
    assert flat.receptive_field[0] == 1
    volume = torch.randn(1, 1, 3, 8, 8)
    planes = torch.cat([flat(volume[:, :, [z]]) for z in range(3)], dim=2)
    torch.testing.assert_close(flat(volume), planes)


def averaging(net: UNet) -> UNet:
    """The same network with means for maxima: a maximum depends on one pixel only, the mean on all."""
    for level in net.encoder:
        assert isinstance(level, nn.Sequential)
        for i, part in enumerate(level):
            if isinstance(part, nn.MaxPool2d):
                level[i] = nn.AvgPool2d(part.kernel_size)
    return net


@pytest.mark.parametrize("up", UPS)
@pytest.mark.parametrize(("filters", "kernel", "convs"), [((2, 2), 3, 2), ((2, 2, 2, 2), 3, 1), ((2, 2, 2), 5, 2)])
def test_receptive_field_is_what_the_gradient_reaches(
    up: str, filters: tuple[int, ...], kernel: int, convs: int
) -> None:
    net = unet(filters=filters, kernel=kernel, convs_per_block=convs, up=up)
    averaging(net)
    for weight in net.parameters():
        nn.init.constant_(weight, 0.1)
    expected = net.receptive_field[0]
    size = -(-(2 * expected + 16) // 8) * 8
    image = torch.rand(1, 1, 8, size, requires_grad=True)
    logits = net(image)[0, 0, 0]
    reached = []
    for x in range(size // 2, size // 2 + 8):
        (gradient,) = torch.autograd.grad(logits[x], image, retain_graph=True)
        columns = gradient[0, 0].abs().amax(0).nonzero()
        reached.append(int(columns.max() - columns.min()) + 1)
    assert max(reached) == expected


def test_first_outputs_keep_the_spread_of_the_input() -> None:
    torch.manual_seed(0)
    net = unet(filters=[32, 64, 128, 256])
    spread = net(torch.randn(2, 1, 64, 64)).std()
    assert 0.2 < spread < 5  # torch's default start gives under 0.05 here


def test_dropout_is_in_the_deepest_level() -> None:
    net = unet(dropout=0.5)
    assert [name for name, part in net.named_modules() if isinstance(part, nn.Dropout)] == ["encoder.2.2"]
    image = torch.randn(1, 1, 16, 16)
    assert not torch.equal(net(image), net(image))
    net.eval()
    assert torch.equal(net(image), net(image))


def test_residual_adds_the_input_of_each_block() -> None:
    net = unet(residual=True, filters=[3, 6])
    block = net.get_submodule("encoder.0.0")
    assert isinstance(block, Block)
    assert block.shortcut is not None
    for weight in block.body.parameters():
        nn.init.zeros_(weight)
    image = torch.rand(1, 1, 4, 4)
    torch.testing.assert_close(block(image), F.relu(block.shortcut(image)))


def test_fit_leaves_fitting_images_alone() -> None:
    image = torch.randn(1, 1, 8, 8)
    assert fit(image, multiple=(4, 4), least=2) is image
    assert fit(image, multiple=(8, 8), least=2).shape == (1, 1, 16, 16)


def test_per_level_refuses_lengths_that_do_not_fit() -> None:
    for value in ([1, 2], [[1, 2, 2]], [[1, 2, 2], 3], [[1, 2, 2], []]):
        with pytest.raises(ValueError, match="3 numbers"):
            per_level(value, levels=2, dims=3)


@pytest.mark.parametrize("up", UPS)
@pytest.mark.parametrize(("filters", "kernel", "convs"), [((2, 2), 3, 2), ((2, 2, 2, 2), 3, 1), ((2, 2, 2), 5, 2)])
def test_margin_is_the_least_that_hides_a_cut(up: str, filters: tuple[int, ...], kernel: int, convs: int) -> None:
    """Within a window on the grid, logits farther than the margin from its ends are those of the whole image."""
    net = averaging(unet(filters=filters, kernel=kernel, convs_per_block=convs, up=up)).double()
    assert net.margin is not None
    multiple, margin = net.multiple[0], net.margin[0]
    assert margin % multiple == 0
    assert abs(margin - net.receptive_field[0] / 2) <= multiple
    for part in net.parameters():
        nn.init.uniform_(part, 0.1, 1.0)  # nothing cancels, no ReLU is shut
    image = torch.rand(1, 1, multiple, 4 * margin + 2 * multiple, dtype=torch.float64)
    whole = net(image)[..., margin:-margin]
    differs = ((net(image[..., margin:-margin]) - whole).abs() / whole).amax(dim=2).flatten() > 1e-12
    assert not differs[margin:-margin].any()
    assert differs[margin - multiple : margin].any() or differs[-margin : -margin + multiple].any()


def test_norms_of_the_whole_image_have_no_margin() -> None:
    assert unet(norm="batch").margin is not None
    assert unet(norm="instance").margin is None
    assert unet(norm="group").margin is None


@pytest.mark.parametrize(("dims", "size"), [(2, (13, 16)), (3, (6, 9, 8))])
def test_deep_supervision_gives_every_level_but_the_bottom(dims: int, size: tuple[int, ...]) -> None:
    net = unet(dims=dims, filters=[2, 3, 4, 5], outputs=2, deep_supervision=True)
    image = torch.randn(2, 1, *size)
    found = net.train()(image)
    sizes = [tuple(-(-n // stride) for n in size) for stride in (1, 2, 4)]
    assert [tuple(x.shape) for x in found] == [(2, 2, *s) for s in sizes]
    plain = net.eval()(image)
    assert isinstance(plain, torch.Tensor)
    torch.testing.assert_close(plain, found[0], msg="full resolution comes first, and alone when predicting")


def test_deep_supervision_adds_one_projection_for_each_coarser_level() -> None:
    deep, plain = (unet(filters=[2, 3, 4, 5], deep_supervision=on) for on in (True, False))
    assert parameters(deep).total - parameters(plain).total == (3 + 1) + (4 + 1)
    assert set(plain.state_dict()) < set(deep.state_dict())


def test_every_head_of_a_supervised_network_learns() -> None:
    net = unet(filters=[2, 3, 4], deep_supervision=True).train()
    target = torch.ones(1, 12, 12)
    over_levels(net(torch.randn(1, 1, 12, 12)), target, lambda x, t: (x[:, 0] - t).square().mean()).backward()
    assert all(p.grad is not None for p in net.parameters())


def test_unequal_strides_of_a_volume() -> None:
    net = unet(dims=3, filters=[2, 3, 4], pool=[[1, 2, 2], [2, 2, 2]], deep_supervision=True).train()
    assert [tuple(x.shape[2:]) for x in net(torch.randn(1, 1, 5, 9, 8))] == [(5, 9, 8), (5, 5, 4)]
