"""What augmentation does to images and targets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from augmenting import but, only
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.interpolate import BSpline
from torch import Tensor

from lamelle.data.augment.apply import apply
from lamelle.data.augment.options import Augment
from lamelle.data.augment.parameters import Parameters, margin, sample
from lamelle.data.augment.warp import coordinates, spline
from lamelle.data.randomness import generator
from lamelle.types import IGNORE

EVERYTHING = only(
    flip=True,
    rot90=True,
    rotate=25,
    zoom=(0.8, 1.25),
    shift=0.05,
    shear=8,
    elastic=4,
    elastic_spacing=12,
    elastic_probability=0.6,
    brightness=0.3,
    contrast=0.4,
    gamma=0.3,
    saturation=0.4,
    tint=0.2,
    invert=0.3,
    noise=0.1,
    noise_probability=0.5,
    blur=1.5,
    blur_probability=0.5,
    policy=3,
    policy_strength=0.5,
)
GEOMETRY = EVERYTHING.but(brightness=0.0, contrast=0.0, gamma=0.0, invert=0.0, noise=0.0, blur=0.0, policy=0)


def drawn(options: Augment, n: int, size: tuple[int, ...]) -> Parameters:
    return sample(options, generators=[generator(8, p) for p in range(n)], size=size)


def placed(*matrices: object) -> Parameters:
    """Parameters that do nothing but these matrices [d, d+1]."""
    array = np.array(matrices, np.float64)
    n, d = array.shape[:2]
    return replace(drawn(only(), n, (8,) * d), matrices=array)


def pictures(n: int, *size: int, channels: int = 1) -> Tensor:
    return torch.from_numpy(generator("picture", n, *size).random((n, channels, *size), np.float32))


def blobs(n: int, *size: int) -> Tensor:
    """Smooth labels 0 … 3."""
    noise = generator("blobs", n, *size).random((n, *size))
    smooth = np.stack([ndimage.gaussian_filter(one, 3, mode="reflect") for one in noise])
    return torch.from_numpy(np.digitize(smooth, np.quantile(smooth, [0.25, 0.5, 0.75])))


def done(parameters: Parameters, images: Tensor, size: tuple[int, ...] | None = None) -> Tensor:
    return apply(parameters, images, None, size=size or tuple(images.shape[2:]), outside="reflect")[0]


@pytest.mark.parametrize("size", [(32, 40), (31, 17), (6, 16, 20), (1, 16, 16), (1, 1)])
def test_identity(size: tuple[int, ...]) -> None:
    images, targets = pictures(2, *size, channels=3), torch.randint(0, 9, (2, *size))
    moved, labels = apply(drawn(only(), 2, size), images, targets, size=size, outside="ignore")
    assert torch.equal(moved, images)
    assert labels is not None
    assert torch.equal(labels, targets)
    assert moved.data_ptr() != images.data_ptr()


@pytest.mark.parametrize("size", [(32, 40), (6, 16, 20), (1, 16, 16)])
def test_interpolation_at_the_pixels_is_the_identity(size: tuple[int, ...]) -> None:
    """The general path, which an invisible displacement of one corner asks for, agrees with the exact one."""
    images, targets = pictures(2, *size), torch.randint(0, 2**40, (2, *size))
    parameters = drawn(only(elastic=1e-30, elastic_spacing=8), 2, size)
    moved, labels = apply(parameters, images, targets, size=size, outside="ignore")
    torch.testing.assert_close(moved, images, rtol=0, atol=1e-5)
    assert labels is not None
    assert torch.equal(labels, targets)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ([[-1, 0, 0], [0, 1, 0]], lambda t: t.flip(-2)),
        ([[1, 0, 0], [0, -1, 0]], lambda t: t.flip(-1)),
        ([[0, 1, 0], [-1, 0, 0]], lambda t: torch.rot90(t, 1, (-2, -1))),
        ([[0, -1, 0], [1, 0, 0]], lambda t: torch.rot90(t, 3, (-2, -1))),
        ([[-1, 0, 0], [0, -1, 0]], lambda t: torch.rot90(t, 2, (-2, -1))),
        ([[0, 1, 0], [1, 0, 0]], lambda t: t.transpose(-1, -2)),
        ([[0, -1, 0], [-1, 0, 0]], lambda t: t.flip(-1, -2).transpose(-1, -2)),
    ],
)
@pytest.mark.parametrize("side", [16, 17])
def test_flips_and_quarter_turns_are_exact(matrix: list, expected, side: int) -> None:
    images, targets = pictures(1, side, side, channels=2), torch.randint(0, 99, (1, side, side))
    moved, labels = apply(placed(matrix), images, targets, size=(side, side), outside="ignore")
    assert torch.equal(moved, expected(images))
    assert labels is not None
    assert torch.equal(labels, expected(targets))
    bent = replace(placed(matrix), control=np.full((1, 2, 5, 5), 1e-30, np.float32))  # asks for interpolation
    interpolated, labels = apply(bent, images, targets, size=(side, side), outside="ignore")
    torch.testing.assert_close(interpolated, moved, rtol=0, atol=1e-5)
    assert labels is not None
    assert torch.equal(labels, expected(targets))


def test_sampled_flips_and_turns_permute_pixels_only() -> None:
    images = pictures(20, 16, 16)
    moved = done(drawn(only(flip=True, rot90=True), 20, (16, 16)), images)
    assert torch.equal(moved.flatten(1).sort(1).values, images.flatten(1).sort(1).values)
    assert len({int(torch.argmax(m)) for m in moved - moved.mean()}) > 4


def test_exact_turn_of_an_oblong_window_of_a_volume() -> None:
    volume = pictures(1, 5, 20, 12)
    turn = [[-1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0]]
    expected = torch.rot90(volume.flip(2), 1, (-2, -1))
    assert torch.equal(done(placed(turn), volume, (5, 12, 20)), expected)
    assert torch.equal(done(placed(turn), volume, (3, 8, 16)), expected[:, :, 1:4, 2:10, 2:18])


def test_a_larger_window_is_cut_about_its_centre_and_shifted_exactly() -> None:
    images = pictures(1, 20, 24)
    assert torch.equal(done(placed(np.eye(2, 3)), images, (16, 16)), images[..., 2:18, 4:20])
    shifted = done(placed([[1, 0, 2], [0, 1, -3]]), images, (16, 16))
    assert torch.equal(shifted, images[..., 4:20, 1:17])


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    shape=st.sampled_from([(24, 30), (7, 20, 22)]),
    options=st.sampled_from([GEOMETRY, only(elastic=4, elastic_spacing=9)]),
)
def test_warp_agrees_with_scipy(seed: int, shape: tuple[int, ...], options: Augment) -> None:
    """Interpolation, reflection, nearest labels and centres, against map_coordinates at the same places."""
    size = tuple(s - 4 for s in shape)
    parameters = sample(options.but(elastic_probability=1.0), generators=[generator(seed)], size=size)
    images, targets = pictures(1, *shape), blobs(1, *shape)
    moved, labels = apply(parameters, images, targets, size=size, outside="reflect")
    offsets = np.stack(np.meshgrid(*[np.arange(s) - (s - 1) / 2 for s in size], indexing="ij"))
    matrix = parameters.matrices[0]
    where = np.tensordot(matrix[:, :-1], offsets, 1) + matrix[:, -1].reshape(-1, *(1,) * len(size))
    where += spline(torch.from_numpy(parameters.control), size)[0].numpy()
    where += (np.array(shape).reshape(-1, *(1,) * len(size)) - 1) / 2
    expected = ndimage.map_coordinates(images[0, 0].numpy().astype(np.float64), where, order=1, mode="mirror")
    np.testing.assert_allclose(moved[0, 0].numpy(), expected, atol=2e-4)
    assert labels is not None
    nearest = ndimage.map_coordinates(targets[0].numpy(), where, order=0, mode="mirror")
    assert (labels[0].numpy() == nearest).mean() > 0.999  # a tie may fall either way
    ignored = apply(parameters, images, targets, size=size, outside="ignore")[1]
    assert ignored is not None
    outside = np.array([(w < -0.5) | (w > s - 0.5) for w, s in zip(where, shape, strict=True)]).any(axis=0)
    assert ((ignored[0].numpy() == IGNORE) == outside).mean() > 0.999
    assert torch.equal(ignored[ignored != IGNORE], labels[ignored != IGNORE])


@pytest.mark.parametrize("size", [(48, 48), (8, 32, 32)])
def test_image_and_target_stay_together(size: tuple[int, ...]) -> None:
    """A label image given as image and as target: they agree wherever the image is not between two labels."""
    targets = blobs(12, *size)
    moved, labels = apply(drawn(GEOMETRY, 12, size), targets[:, None].float(), targets, size=size, outside="reflect")
    assert labels is not None
    assert set(labels.unique().tolist()) <= {0, 1, 2, 3}
    assert ((moved[:, 0] - labels).abs() <= 0.75).float().mean() > 0.995
    certain = (moved[:, 0] - moved[:, 0].round()).abs() < 1e-4
    assert certain.float().mean() > 0.4
    assert (moved[:, 0].round().long() == labels)[certain].float().mean() > 0.995


def test_rotation_back_returns_the_middle() -> None:
    y, x = torch.meshgrid(torch.arange(65.0), torch.arange(65.0), indexing="ij")
    image = (torch.sin(y / 7) * torch.cos(x / 9))[None, None]
    c, s = np.cos(0.4), np.sin(0.4)
    there, back = placed([[c, -s, 0], [s, c, 0]]), placed([[c, s, 0], [-s, c, 0]])
    away = done(there, image)
    assert (away - image)[..., 16:49, 16:49].abs().max() > 0.2
    torch.testing.assert_close(done(back, away)[..., 16:49, 16:49], image[..., 16:49, 16:49], rtol=0, atol=0.01)


def test_order_of_composition() -> None:
    """Shift, zoom, shear, rotation, quarter turn, flip: as the package says, seen from the input."""
    options = EVERYTHING.but(elastic=0.0, policy=0)
    whole = drawn(options, 30, (32, 32)).matrices[..., :2]
    zoom, shear, rotate, turn, flip = (
        drawn(only(**{k: getattr(options, k)}), 30, (32, 32)).matrices[..., :2]
        for k in ("zoom", "shear", "rotate", "rot90", "flip")
    )
    np.testing.assert_allclose(whole, zoom @ shear @ rotate @ turn @ flip, atol=1e-12)
    shifted = drawn(only(shift=options.shift), 30, (32, 32)).matrices[..., 2]
    np.testing.assert_array_equal(drawn(options, 30, (32, 32)).matrices[..., 2], shifted)


def test_zoom_of_two_doubles() -> None:
    image = torch.zeros(1, 1, 33, 33)
    image[..., 12:21, 12:21] = 1
    assert done(drawn(only(zoom=(2.0, 2.0)), 1, (33, 33)), image).sum() == pytest.approx(4 * 81, rel=0.15)


@pytest.mark.parametrize(("size", "whole"), [((24, 24), (32, 32)), ((4, 16, 16), (6, 20, 20))])
def test_a_batch_equals_its_positions_one_by_one(size: tuple[int, ...], whole: tuple[int, ...]) -> None:
    images, targets = pictures(10, *whole, channels=3), blobs(10, *whole)
    parameters = drawn(EVERYTHING, 10, size)
    moved, labels = apply(parameters, images, targets, size=size, outside="ignore")
    assert labels is not None
    again = apply(parameters, images, targets, size=size, outside="ignore")
    assert torch.equal(moved, again[0])
    for n in range(10):
        one = np.array([n])
        image, label = apply(parameters[one], images[one], targets[one], size=size, outside="ignore")
        assert torch.equal(image[0], moved[n]), n
        assert label is not None
        assert torch.equal(label[0], labels[n])


def test_no_state_is_read_or_left() -> None:
    images, parameters = pictures(4, 16, 16), drawn(EVERYTHING, 4, (16, 16))
    kept = images.clone()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = done(parameters, images)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    assert torch.equal(first, done(parameters, images))
    assert torch.equal(images, kept)


def test_half_precision_is_computed_in_float32() -> None:
    images, parameters = pictures(4, 24, 24).bfloat16(), drawn(EVERYTHING, 4, (24, 24))
    exact = done(parameters, images.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        moved = done(parameters, images)
    assert moved.dtype == torch.bfloat16
    assert torch.equal(moved, exact.bfloat16())


def test_spline_is_the_cubic_b_spline() -> None:
    control = pictures(1, 6, 9, channels=2)
    size = (19, 40)
    rows, columns = (
        BSpline.design_matrix(
            np.minimum(np.arange(s) * ((g - 3) / (s - 1)), g - 3 - 1e-9), np.arange(-3, g + 1.0), 3
        ).toarray()
        for s, g in zip(size, (6, 9), strict=True)
    )
    expected = np.einsum("yi,ncij,xj->ncyx", rows, control.numpy(), columns)
    np.testing.assert_allclose(spline(control, size).numpy(), expected, atol=1e-6)


def test_brightness_contrast_and_gamma() -> None:
    images = pictures(5, 16, 16, channels=3) * 4 - 2
    size = (16, 16)
    bright = drawn(only(brightness=0.5), 5, size)
    added = torch.from_numpy(bright.amounts["brightness"]).float().view(5, 1, 1, 1)
    torch.testing.assert_close(done(bright, images), images + added)
    harsh = drawn(only(contrast=0.5), 5, size)
    result = done(harsh, images)
    torch.testing.assert_close(result.mean((1, 2, 3)), images.mean((1, 2, 3)), rtol=0, atol=1e-5)
    ratio = (result.std((1, 2, 3)) / images.std((1, 2, 3))).double()
    torch.testing.assert_close(ratio, torch.from_numpy(harsh.amounts["contrast"]), rtol=1e-4, atol=0)
    bent = drawn(only(gamma=0.6), 5, size)
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    power = ((images - low) / (high - low)) ** torch.from_numpy(bent.amounts["gamma"]).float().view(5, 1, 1, 1)
    torch.testing.assert_close(done(bent, images), power * (high - low) + low)


@pytest.mark.parametrize("size", [(64, 48), (3, 64, 48)])
def test_inversion_swaps_the_ends_of_the_range_whatever_one_hot_pixel_does(size: tuple[int, ...]) -> None:
    images = pictures(3, *size, channels=2) * 4 - 1
    parameters = but(drawn(only(), 3, size), invert=np.array([True, False, True]))
    inverted = done(parameters, images)
    assert torch.equal(inverted[1], images[1])
    for before, after in zip(images[::2], inverted[::2], strict=True):
        pivot = (before + after).flatten()
        torch.testing.assert_close(pivot, pivot[:1].expand_as(pivot))  # a mirror: one sum for all pixels
        np.testing.assert_allclose(np.percentile(after, [1, 99]), np.percentile(before, [1, 99]), atol=0.15)
    images[0, 0, ..., 0, 0] = 1000.0  # among the pixels looked at
    np.testing.assert_allclose(done(parameters, images)[0].median(), inverted[0].median(), atol=0.15)
    assert torch.equal(done(parameters[:1], images[:1])[0], done(parameters, images)[0])


def test_saturation_and_tint_change_colours_only() -> None:
    images, still = pictures(2, 12, 12, channels=3), drawn(only(), 2, (12, 12))
    grey = images.mean(1, keepdim=True)
    vivid = done(but(still, saturation=np.array([1.0, 1.5])), images)
    assert torch.equal(vivid[0], images[0])
    torch.testing.assert_close(vivid[1], grey[1] + 1.5 * (images[1] - grey[1]))
    torch.testing.assert_close(vivid.mean(1, keepdim=True), grey)
    added = np.array([[0.2, -0.1, -0.1], [0.0, 0.0, 0.0]])
    tinted = done(but(still, tint=added), images)
    torch.testing.assert_close(tinted - images, torch.from_numpy(added).float().view(2, 3, 1, 1).expand_as(images))
    for channels in (1, 2, 4):
        other = pictures(2, 12, 12, channels=channels)
        assert torch.equal(done(but(still, tint=added, saturation=np.full(2, 0.5)), other), other)


@pytest.mark.parametrize("size", [(24, 20), (5, 24, 20)])
def test_sharpening_is_the_unsharp_mask_of_the_plane(size: tuple[int, ...]) -> None:
    images = pictures(2, *size)
    moved = done(but(drawn(only(), 2, size), sharpen=np.array([0.0, 1.5])), images)
    assert torch.equal(moved[0], images[0])
    one = images[1, 0].numpy()
    smooth = ndimage.gaussian_filter(one, [1.0] * 2, mode="mirror", radius=4, axes=(-2, -1))
    np.testing.assert_allclose(moved[1, 0], one + 1.5 * (one - smooth), atol=1e-5)


@pytest.mark.parametrize("value", [0.0, -3.5])
def test_a_constant_image_stays_finite_and_constant(value: float) -> None:
    image = torch.full((2, 1, 12, 12), value)
    moved = done(drawn(EVERYTHING.but(noise=0.0, brightness=0.0, policy=0), 2, (12, 12)), image)
    torch.testing.assert_close(moved, image, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [(24, 20), (5, 24, 20)])
def test_blur_agrees_with_scipy(size: tuple[int, ...]) -> None:
    images, parameters = pictures(3, *size, channels=2), drawn(only(blur=2.5), 3, size)
    moved = done(parameters, images).numpy()
    for n in range(3):
        sigma = parameters.amounts["blur"][n]
        radius = [int(np.ceil(4 * s)) for s in sigma]
        for c in range(2):
            one = ndimage.gaussian_filter(images[n, c].numpy(), sigma, mode="mirror", radius=radius)
            np.testing.assert_allclose(moved[n, c], one, atol=1e-5)


def test_noise_has_the_asked_strength_and_its_own_seed() -> None:
    parameters = drawn(only(noise=0.3, noise_probability=0.5), 12, (64, 64))
    noise = done(parameters, torch.zeros(12, 1, 64, 64)).flatten(1)
    np.testing.assert_allclose(noise.std(1).numpy(), parameters.amounts["noise"], atol=0.015)
    noisy = noise[torch.from_numpy(parameters.amounts["noise"] > 0)]
    assert 2 <= len(noisy) <= 10
    related = np.corrcoef(noisy.numpy())
    assert np.abs(related - np.eye(len(noisy))).max() < 0.08


def test_shapes_that_do_not_fit_are_refused() -> None:
    parameters, images = drawn(only(), 2, (8, 8)), pictures(2, 8, 8)
    for wrong in (images[:1], images[:, 0]):
        with pytest.raises(ValueError, match="do not fit 2 parameters"):
            apply(parameters, wrong, None, size=(8, 8), outside="reflect")
    with pytest.raises(ValueError, match="targets"):
        apply(parameters, images, torch.zeros(2, 7, 8, dtype=torch.int64), size=(8, 8), outside="reflect")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_agrees_with_the_processor() -> None:
    images, targets = pictures(8, 48, 48, channels=3), blobs(8, 48, 48)
    parameters = drawn(EVERYTHING.but(noise=0.0, policy=0), 8, (40, 40))
    here = apply(parameters, images, targets, size=(40, 40), outside="ignore")
    there = apply(parameters, images.cuda(), targets.cuda(), size=(40, 40), outside="ignore")
    assert there[0].is_cuda
    assert there[1] is not None
    assert here[1] is not None
    torch.testing.assert_close(there[0].cpu(), here[0], rtol=0, atol=1e-3)
    assert (there[1].cpu() == here[1]).float().mean() > 0.999


@pytest.mark.real
def test_membranes_stay_dark_under_every_change_but_inversion(real_data: Path) -> None:
    """On real sections: pixels labelled as membrane are darker than the rest before and after, by a similar amount."""
    import tifffile

    window, size = 192, (128, 128)
    image = tifffile.imread(real_data / "isbi2012" / "train-volume.tif")[:8, :window, :window].astype(np.float32)
    label = tifffile.imread(real_data / "isbi2012" / "train-labels.tif")[:8, :window, :window] // 255
    images = torch.from_numpy((image - image.mean()) / image.std())[:, None]
    options = EVERYTHING.but(noise=0.3, contrast=0.2, invert=0.0, policy=0)
    assert max(margin(options, size=size)) <= window - size[0]
    moved, labels = apply(
        drawn(options, 8, size), images, torch.from_numpy(label.astype(np.int64)), size=size, outside="ignore"
    )
    assert labels is not None
    assert not (labels == IGNORE).any()

    def gap(pixels: Tensor, classes: Tensor) -> float:
        return float(pixels[classes == 1].mean() - pixels[classes == 0].mean())

    before = gap(images[:, 0], torch.from_numpy(label))
    assert before > 1
    assert gap(moved[:, 0], labels) > 0.75 * before


def test_coordinates_are_absolute_pixels() -> None:
    where = coordinates(placed([[1, 0, 0.5], [0, 1, 0]]), (10, 12), (4, 6), torch.device("cpu"))
    assert where[0].broadcast_to(1, 4, 6)[0, :, 0].tolist() == [3.5, 4.5, 5.5, 6.5]
    assert where[1].broadcast_to(1, 4, 6)[0, 0].tolist() == [3, 4, 5, 6, 7, 8]
