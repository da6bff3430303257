"""Mixup and CutMix: what is mixed, with which weight, and that a step can be repeated."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from lamelle.data.augment.mixing import Mixed, mix, mix_targets
from lamelle.data.randomness import generator


def numbered(n: int, *size: int) -> Tensor:
    """Images of one value each, 0 … n − 1."""
    return torch.arange(n, dtype=torch.float32).view(n, 1, *(1,) * len(size)).expand(n, 1, *size).clone()


def mixed(images: Tensor, step: int = 0, *, mixup: float = 0.0, cutmix: float = 0.0) -> Mixed:
    return mix(images, mixup=mixup, cutmix=cutmix, generator=generator(5, "mix", 0, step))


@pytest.mark.parametrize("size", [(9, 12), (4, 9, 12)])
def test_mixup_blends_each_image_with_its_partner(size: tuple[int, ...]) -> None:
    images = torch.from_numpy(generator(1).random((6, 2, *size), np.float32))
    kept = images.clone()
    for step in range(20):
        one = mixed(images, step, mixup=0.4)
        expected = one.share * images.double() + (1 - one.share) * images[one.partner].double()
        torch.testing.assert_close(one.images.double(), expected, rtol=0, atol=1e-6)
        assert sorted(one.partner.tolist()) == list(range(6))
        assert one.box is None
    assert torch.equal(images, kept)


@pytest.mark.parametrize("size", [(9, 12), (31, 8), (4, 9, 12), (1, 1)])
def test_cutmix_pastes_a_box_and_its_share_is_exact(size: tuple[int, ...]) -> None:
    images = numbered(7, *size)
    kept = images.clone()
    for step in range(40):
        one = mixed(images, step, cutmix=1.0)
        assert one.box is not None
        assert all(0 <= side.start <= side.stop <= length for side, length in zip(one.box, size, strict=True))
        assert torch.isin(one.images, torch.arange(7.0)).all()
        for n, partner in enumerate(one.partner.tolist()):
            own = (one.images[n] == n).float().mean().item()
            assert own == pytest.approx(1.0 if partner == n else one.share, abs=1e-6)
            assert (one.images[n][(..., *one.box)] == partner).all()
    assert torch.equal(images, kept)


def test_boxes_have_the_proportions_of_the_image_and_lie_anywhere() -> None:
    images = numbered(2, 100, 200)
    boxes = [one.box for step in range(600) if (one := mixed(images, step, cutmix=1.0)).box]
    covered, whole = np.zeros((100, 200)), 0
    for y, x in boxes:
        covered[y, x] += 1
        if y.start > 0 and y.stop < 100 and x.start > 0 and x.stop < 200:
            whole += 1
            assert abs(2 * (y.stop - y.start) - (x.stop - x.start)) <= 2
    assert whole > 50
    quarters = covered[:50, :100].sum(), covered[:50, 100:].sum(), covered[50:, :100].sum(), covered[50:, 100:].sum()
    assert max(quarters) / min(quarters) < 1.2
    assert covered.min() > 60


@pytest.mark.parametrize("parameter", [0.2, 1.0, 4.0])
def test_shares_of_mixup_follow_the_beta_distribution(parameter: float) -> None:
    images = numbered(2, 1, 1)
    shares = [mixed(images, step, mixup=parameter).share for step in range(2000)]
    assert stats.kstest(shares, stats.beta(parameter, parameter).cdf).pvalue > 0.01
    assert np.mean(shares) == pytest.approx(0.5, abs=0.03)


def test_the_expected_image_is_the_expected_target() -> None:
    """Over many steps, the part of an image that is its own is the weight of its target, for both ways."""
    images = torch.eye(4).view(4, 4, 1, 1).expand(4, 4, 10, 10)
    for kinds in ({"mixup": 0.5}, {"cutmix": 0.5}, {"mixup": 1.0, "cutmix": 1.0}):
        pixels, weights = torch.zeros(4, 4), torch.zeros(4, 4)
        for step in range(200):
            one = mixed(images, step, **kinds)
            pixels += one.images.mean((2, 3)) / 200
            for weight, labels in mix_targets(one, torch.arange(4), spatial=False):
                weights += weight * torch.nn.functional.one_hot(labels, 4) / 200
        torch.testing.assert_close(pixels, weights, rtol=0, atol=1e-4)
        assert 0.5 < pixels.diagonal().mean() < 0.95


def test_each_batch_gets_the_one_or_the_other() -> None:
    images = numbered(4, 8, 8)
    both = [mixed(images, step, mixup=1.0, cutmix=1.0) for step in range(400)]
    pasted = np.array([one.box is not None for one in both])
    assert abs(pasted.mean() - 0.5) < 0.08
    for step in range(20):
        alone = mixed(images, step, **({"cutmix": 1.0} if pasted[step] else {"mixup": 1.0}))
        assert alone.box == both[step].box
        assert torch.equal(alone.partner, both[step].partner)
        assert torch.equal(alone.images, both[step].images)


def test_a_repeated_step_is_mixed_the_same_whatever_came_before() -> None:
    images = torch.from_numpy(generator(2).random((8, 3, 16, 16), np.float32))
    first = [mixed(images, step, mixup=0.2, cutmix=1.0) for step in range(10)]
    torch.manual_seed(3)
    np.random.seed(3)
    for step in (9, 4, 4):
        again = mixed(images, step, mixup=0.2, cutmix=1.0)
        assert torch.equal(again.images, first[step].images)
        assert torch.equal(again.partner, first[step].partner)
        assert (again.share, again.box) == (first[step].share, first[step].box)
    assert len({one.share for one in first}) > 7
    assert len({tuple(one.partner.tolist()) for one in first}) > 7


def test_numbers_are_these_for_ever() -> None:
    one = mixed(numbered(5, 64, 64), 3, mixup=0.3)
    two = mixed(numbered(5, 64, 64), 3, cutmix=1.0)
    assert (round(one.share, 9), one.partner.tolist(), two.box) == PINNED


PINNED = (0.662231433, [4, 0, 1, 3, 2], (slice(0, 33), slice(26, 64)))


def test_switched_off_and_alone_nothing_changes() -> None:
    images = numbered(5, 6, 6)
    off = mixed(images)
    assert torch.equal(off.images, images)
    assert off.share == 1
    assert off.partner.tolist() == [0, 1, 2, 3, 4]
    assert torch.equal(mixed(images[3:4], cutmix=1.0).images, images[3:4])
    torch.testing.assert_close(mixed(images[3:4], mixup=1.0).images, images[3:4])
    ((weight, targets),) = mix_targets(off, torch.arange(5), spatial=False)
    assert weight == 1
    assert targets.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("kinds", [{"mixup": 0.5}, {"cutmix": 1.0}])
def test_the_loss_of_a_mixed_batch_is_that_of_soft_targets(kinds: dict[str, float]) -> None:
    """For cross-entropy the weighted sum is the same as the loss of the mixed one-hot targets (Zhang, eq. 1)."""
    one = mixed(numbered(6, 8, 8), 1, **kinds)
    labels, output = torch.tensor([0, 2, 1, 1, 0, 2]), torch.from_numpy(generator(3).random((6, 3), np.float32))
    loss = torch.nn.functional.cross_entropy
    hot = torch.nn.functional.one_hot(labels, 3).float()
    soft = one.share * hot + (1 - one.share) * hot[one.partner]
    total = sum(weight * loss(output, part) for weight, part in mix_targets(one, labels, spatial=False))
    torch.testing.assert_close(total, loss(output, soft))


@pytest.mark.parametrize("size", [(12, 16), (4, 12, 16)])
def test_label_images_are_pasted_with_their_images(size: tuple[int, ...]) -> None:
    targets = torch.randint(0, 5, (6, *size))
    kept = targets.clone()
    for step in range(10):
        one = mixed(targets[:, None].float(), step, cutmix=1.0)
        ((weight, labels),) = mix_targets(one, targets, spatial=True)
        assert weight == 1
        assert torch.equal(labels, one.images[:, 0].long())
    assert torch.equal(targets, kept)
    blended = mixed(targets[:, None].float(), mixup=1.0)
    (first, own), (second, others) = mix_targets(blended, targets, spatial=True)
    assert first + second == pytest.approx(1)
    torch.testing.assert_close(first * own + second * others, blended.images[:, 0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_kind_of_number_stays(dtype: torch.dtype) -> None:
    images = numbered(4, 6, 6).to(dtype)
    assert mixed(images, mixup=0.5).images.dtype == dtype
    assert mixed(images, cutmix=0.5).images.dtype == dtype


def test_what_does_not_fit_is_refused() -> None:
    images = numbered(4, 6, 6)
    for wrong in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"mixup is {wrong}"):
            mixed(images, mixup=wrong)
        with pytest.raises(ValueError, match=f"cutmix is {wrong}"):
            mixed(images, cutmix=wrong)
    one = mixed(images, cutmix=1.0)
    with pytest.raises(ValueError, match="do not fit"):
        mix_targets(one, torch.zeros(3), spatial=False)
    with pytest.raises(ValueError, match="do not fit"):
        mix_targets(one, torch.zeros(4, 5, 6), spatial=True)
