"""Losses against torch, MONAI and torchvision; ignored pixels, precision and weights for every row of the table."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from lamelle.losses import LOSSES, bce, ce, dice, dice_ce, focal
from lamelle.types import IGNORE


def batch(channels: int, *, ignored: bool = False, seed: int = 0) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    output = torch.randn(3, channels, 6, 7, generator=random)
    target = torch.randint(0, max(channels, 2), (3, 6, 7), generator=random)
    if ignored:
        target[torch.rand(target.shape, generator=random) < 0.3] = IGNORE
    return output.requires_grad_(), target


CASES = [(name, k) for name in LOSSES for k in (1, 4) if (name, k) != ("ce", 1)]


@pytest.mark.parametrize(("name", "channels"), CASES)
def test_ignored_pixels_contribute_nothing(name: str, channels: int) -> None:
    output, target = batch(channels, ignored=True)
    loss = LOSSES[name](output, target, weights=None)
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.shape == ()
    gradient = output.grad
    assert gradient is not None
    ignored = (target == IGNORE).unsqueeze(1).expand_as(output)
    assert (gradient[ignored] == 0).all()
    assert (gradient[~ignored] != 0).all()
    moved = torch.where(ignored, output + 50, output)
    torch.testing.assert_close(LOSSES[name](moved, target, weights=None), loss)


@pytest.mark.parametrize(("name", "channels"), CASES)
def test_a_batch_all_ignored_gives_zero_and_no_gradient(name: str, channels: int) -> None:
    output, target = batch(channels)
    for weights in (None, torch.rand(max(channels, 2))):
        if name == "dice" and channels == 1 and weights is not None:
            continue
        output.grad = None
        loss = LOSSES[name](output, torch.full_like(target, IGNORE), weights=weights)
        loss.backward()
        assert loss == 0
        assert output.grad is not None
        assert (output.grad == 0).all()


@pytest.mark.parametrize(("name", "channels"), CASES)
def test_half_precision_is_computed_in_float32(name: str, channels: int) -> None:
    output, target = batch(channels)
    half = output.detach().bfloat16()
    loss = LOSSES[name](half, target, weights=None)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, LOSSES[name](half.float(), target, weights=None))


@pytest.mark.parametrize(("name", "channels"), CASES)
def test_a_step_along_the_gradient_lowers_the_loss_to_almost_nothing(name: str, channels: int) -> None:
    output, target = batch(channels, ignored=True)
    start = LOSSES[name](output, target, weights=None).item()
    optimiser = torch.optim.Adam([output], lr=0.5)
    for _ in range(80):
        optimiser.zero_grad()
        loss = LOSSES[name](output, target, weights=None)
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05 * start
    chosen = output.argmax(1) if channels > 1 else (output[:, 0] > 0).long()
    kept = target != IGNORE
    assert (chosen[kept] == target[kept]).all()


@pytest.mark.parametrize(("name", "channels"), CASES)
def test_extreme_logits_stay_finite(name: str, channels: int) -> None:
    output, target = batch(channels)
    extreme = (output.detach() * 1e4).requires_grad_()
    loss = LOSSES[name](extreme, target, weights=None)
    loss.backward()
    assert loss.isfinite()
    assert extreme.grad is not None
    assert extreme.grad.isfinite().all()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, torch.tensor([0.2, 1.0, 2.0, 0.7])])
def test_ce_is_that_of_torch(smoothing: float, weights: Tensor | None) -> None:
    output, target = batch(4, ignored=True)
    expected = functional.cross_entropy(output, target, weights, ignore_index=IGNORE, label_smoothing=smoothing)
    torch.testing.assert_close(ce(output, target, weights=weights, smoothing=smoothing), expected)


def test_ce_of_whole_images() -> None:
    output, target = torch.randn(8, 5), torch.arange(8) % 5
    torch.testing.assert_close(ce(output, target, weights=None), functional.cross_entropy(output, target))


def test_ce_of_one_channel_is_refused() -> None:
    with pytest.raises(ValueError, match="use bce"):
        ce(torch.zeros(1, 1, 2), torch.zeros(1, 2, dtype=torch.long), weights=None)


def test_bce_is_that_of_torch() -> None:
    output, target = batch(1)
    expected = functional.binary_cross_entropy_with_logits(output[:, 0], target.float())
    torch.testing.assert_close(bce(output, target, weights=None), expected)
    expected = functional.binary_cross_entropy_with_logits(output[:, 0], target.float(), pos_weight=torch.tensor(3.0))
    torch.testing.assert_close(bce(output, target, weights=torch.tensor([1.0, 3.0])), expected)


def test_bce_weights_are_those_of_the_two_truths() -> None:
    output, target = batch(1, ignored=True)
    kept = target != IGNORE
    logits, truth = output[:, 0][kept], target[kept].float()
    each = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    expected = (each * torch.where(truth == 1, 5.0, 0.5)).mean()
    torch.testing.assert_close(bce(output, target, weights=torch.tensor([0.5, 5.0])), expected)


def test_bce_of_several_channels_is_one_against_the_rest() -> None:
    output, target = batch(4)
    hot = functional.one_hot(target, 4).movedim(-1, 1).float()
    weights = torch.tensor([1.0, 2.0, 0.5, 4.0])
    expected = functional.binary_cross_entropy_with_logits(output, hot, pos_weight=weights.view(4, 1, 1))
    torch.testing.assert_close(bce(output, target, weights=weights), expected)


def test_bce_of_several_labels() -> None:
    output, target = torch.randn(6, 3), torch.randint(0, 2, (6, 3)).float()
    expected = functional.binary_cross_entropy_with_logits(output, target)
    torch.testing.assert_close(bce(output, target, weights=None), expected)
    target[0, 1] = IGNORE  # one label of one image is not known
    kept = target != IGNORE
    expected = functional.binary_cross_entropy_with_logits(output[kept], target[kept])
    torch.testing.assert_close(bce(output, target, weights=None), expected)


@pytest.mark.parametrize("channels", [1, 4])
def test_dice_is_that_of_monai(channels: int) -> None:
    from monai.losses.dice import DiceCELoss, DiceLoss

    output, target = batch(channels)
    options = {"batch": True} | ({"sigmoid": True} if channels == 1 else {"softmax": True, "to_onehot_y": True})
    expected = DiceLoss(**options)(output, target.unsqueeze(1))
    torch.testing.assert_close(dice(output, target, weights=None), expected)
    labels = target.unsqueeze(1).float() if channels == 1 else target.unsqueeze(1)
    torch.testing.assert_close(dice_ce(output, target, weights=None), DiceCELoss(**options)(output, labels))


def test_dice_of_kept_pixels_is_dice_of_the_crop() -> None:
    output, target = batch(4)
    cropped = target.clone()
    cropped[:, :, 4:] = IGNORE
    torch.testing.assert_close(
        dice(output, cropped, weights=None), dice(output[..., :4], target[..., :4], weights=None)
    )


def test_dice_weights_weigh_classes() -> None:
    output, target = batch(3)
    each = torch.stack([dice(output, target, weights=w) for w in torch.eye(3)])
    torch.testing.assert_close(each.mean(), dice(output, target, weights=None))
    weights = torch.tensor([1.0, 2.0, 5.0])
    torch.testing.assert_close((each * weights).sum() / 8, dice(output, target, weights=weights))
    with pytest.raises(ValueError, match="nothing to weigh"):
        dice(torch.zeros(1, 1, 2), torch.zeros(1, 2, dtype=torch.long), weights=torch.ones(2))


def test_dice_of_overlapping_masks_uses_sigmoids() -> None:
    from monai.losses.dice import DiceLoss

    output, masks = torch.randn(2, 3, 5, 5), torch.randint(0, 2, (2, 3, 5, 5)).float()
    torch.testing.assert_close(dice(output, masks, weights=None), DiceLoss(sigmoid=True, batch=True)(output, masks))


def test_dice_ce_passes_the_two_weights_on() -> None:
    output, target = batch(1)
    weights = torch.tensor([0.5, 4.0])
    expected = dice(output, target, weights=None) + bce(output, target, weights=weights)
    torch.testing.assert_close(dice_ce(output, target, weights=weights), expected)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_is_that_of_torchvision(gamma: float) -> None:
    from torchvision.ops import sigmoid_focal_loss

    output, target = batch(1)
    expected = sigmoid_focal_loss(output[:, 0], target.float(), alpha=-1, gamma=gamma, reduction="mean")
    torch.testing.assert_close(focal(output, target, weights=None, gamma=gamma), expected)


@pytest.mark.parametrize("channels", [1, 4])
def test_focal_with_a_blunt_focus_has_a_gradient_at_certainty(channels: int) -> None:
    output, target = batch(channels)
    certain = (output.detach() * 1e4).requires_grad_()
    focal(certain, target, weights=None, gamma=0.5).backward()
    assert certain.grad is not None
    assert certain.grad.isfinite().all()


def test_focal_of_classes_without_focus_is_ce() -> None:
    output, target = batch(4, ignored=True)
    for weights in (None, torch.tensor([0.2, 1.0, 2.0, 0.7])):
        torch.testing.assert_close(
            focal(output, target, weights=weights, gamma=0.0), ce(output, target, weights=weights)
        )
    chance = output.softmax(1).gather(1, target.clamp(min=0).unsqueeze(1))[:, 0]
    expected = (-((1 - chance) ** 2) * chance.log())[target != IGNORE].mean()
    torch.testing.assert_close(focal(output, target, weights=None), expected)


def test_weights_and_targets_that_do_not_fit_are_named() -> None:
    output, target = batch(4)
    with pytest.raises(ValueError, match="4 weights fit 4 channels"):
        ce(output, target, weights=torch.ones(3))
    with pytest.raises(ValueError, match="does not fit the target"):
        dice(output, target[:, :3], weights=None)
    with pytest.raises(ValueError, match="float target"):
        bce(output, target.float(), weights=None)


def test_losses_of_volumes() -> None:
    output, target = torch.randn(2, 3, 4, 5, 6), torch.randint(-1, 3, (2, 4, 5, 6))
    for name, loss in LOSSES.items():
        flat = loss(output.flatten(2), target.flatten(1), weights=None)
        torch.testing.assert_close(loss(output, target, weights=None), flat, msg=name)
