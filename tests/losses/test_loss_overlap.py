"""Losses of overlap against MONAI and against the definition of the Lovász extension."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from lamelle.losses.entropy import bce
from lamelle.losses.overlap import dice, dice_ce, focal_tversky, lovasz, tversky
from lamelle.types import IGNORE

Batch = Callable[..., tuple[Tensor, Tensor]]


@pytest.mark.parametrize("channels", [1, 4])
def test_dice_is_that_of_monai(batch: Batch, channels: int) -> None:
    from monai.losses.dice import DiceCELoss, DiceLoss

    output, target = batch(channels)
    options = {"batch": True} | ({"sigmoid": True} if channels == 1 else {"softmax": True, "to_onehot_y": True})
    expected = DiceLoss(**options)(output, target.unsqueeze(1))
    torch.testing.assert_close(dice(output, target, weights=None), expected)
    labels = target.unsqueeze(1).float() if channels == 1 else target.unsqueeze(1)
    torch.testing.assert_close(dice_ce(output, target, weights=None), DiceCELoss(**options)(output, labels))


def test_dice_of_kept_pixels_is_dice_of_the_crop(batch: Batch) -> None:
    output, target = batch(4)
    cropped = target.clone()
    cropped[:, :, 4:] = IGNORE
    torch.testing.assert_close(
        dice(output, cropped, weights=None), dice(output[..., :4], target[..., :4], weights=None)
    )


def test_dice_weights_weigh_classes(batch: Batch) -> None:
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


def test_dice_ce_passes_the_two_weights_on(batch: Batch) -> None:
    output, target = batch(1)
    weights = torch.tensor([0.5, 4.0])
    expected = dice(output, target, weights=None) + bce(output, target, weights=weights)
    torch.testing.assert_close(dice_ce(output, target, weights=weights), expected)


@pytest.mark.parametrize("channels", [1, 4])
def test_tversky_is_that_of_monai(batch: Batch, channels: int) -> None:
    from monai.losses.tversky import TverskyLoss

    output, target = batch(channels)
    options = {"batch": True} | ({"sigmoid": True} if channels == 1 else {"softmax": True, "to_onehot_y": True})
    expected = TverskyLoss(alpha=0.2, beta=0.9, **options)(output, target.unsqueeze(1))
    torch.testing.assert_close(tversky(output, target, weights=None, alpha=0.2, beta=0.9), expected)


def test_tversky_of_equal_prices_is_dice(batch: Batch) -> None:
    output, target = batch(4, ignored=True)
    expected = dice(output, target, weights=None)
    torch.testing.assert_close(tversky(output, target, weights=None, alpha=0.5, beta=0.5), expected)
    torch.testing.assert_close(
        focal_tversky(output, target, weights=None, alpha=0.5, beta=0.5, gamma=1.0), expected, atol=1e-6, rtol=0
    )
    each = torch.stack([tversky(output, target, weights=w) for w in torch.eye(4)])
    found = torch.stack([focal_tversky(output, target, weights=w) for w in torch.eye(4)])
    torch.testing.assert_close(found, each**0.75, atol=1e-5, rtol=0)


def jaccard_losses(logits: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """The hinge as its authors define it: errors sorted, times the differences of the Jaccard loss of growing sets."""
    wrong, order = (1 - logits * (2 * truth - 1)).sort(descending=True)
    sets = []
    for size in range(len(order) + 1):
        flipped = truth.bool().clone()
        flipped[order[:size]] ^= True
        both, either = (flipped & truth.bool()).sum(), (flipped | truth.bool()).sum()
        sets.append(1 - both / either if either else torch.tensor(0.0))
    return functional.relu(wrong), torch.stack(sets).diff()


@pytest.mark.parametrize("share", [0.0, 0.2, 0.7, 1.0])
def test_lovasz_hinge_is_the_extension_of_the_jaccard_loss(share: float) -> None:
    random = torch.Generator().manual_seed(3)
    logits = torch.randn(40, generator=random, dtype=torch.float64)
    truth = (torch.rand(40, generator=random) < share).double()
    wrong, growth = jaccard_losses(logits, truth)
    found = lovasz(logits.reshape(2, 1, 4, 5), truth.reshape(2, 4, 5).long(), weights=None)
    torch.testing.assert_close(found, (wrong * growth).sum())


@pytest.mark.parametrize("channels", [1, 4])
def test_lovasz_is_that_of_segmentation_models(batch: Batch, channels: int) -> None:
    from segmentation_models_pytorch.losses import LovaszLoss

    output, target = batch(channels, ignored=True, size=(20, 30))
    oracle = LovaszLoss("binary" if channels == 1 else "multiclass", per_image=False, ignore_index=IGNORE)
    expected = oracle(output[:, 0] if channels == 1 else output, target)
    torch.testing.assert_close(lovasz(output, target, weights=None), expected)


def test_lovasz_at_a_hard_prediction_is_one_minus_iou(batch: Batch) -> None:
    _, target = batch(3, ignored=True)
    _, said = batch(3, seed=1)
    hard = functional.one_hot(said, 3).movedim(-1, 1) * 200.0
    kept = target != IGNORE
    ious = [((said == k) & (target == k) & kept).sum() / (((said == k) | (target == k)) & kept).sum() for k in range(3)]
    torch.testing.assert_close(lovasz(hard, target, weights=None), 1 - torch.stack(ious).mean())
    weights = torch.tensor([1.0, 0.0, 3.0])
    torch.testing.assert_close(lovasz(hard, target, weights=weights), 1 - (ious[0] + 3 * ious[2]) / 4)


def test_lovasz_leaves_absent_classes_out_and_knows_overlapping_masks(batch: Batch) -> None:
    output, target = batch(4)
    two = target.clamp(max=1)
    each = torch.stack([lovasz(output, two, weights=w) for w in torch.eye(4)])
    assert (each[2:] == 0).all()
    torch.testing.assert_close(lovasz(output, two, weights=None), each[:2].mean())
    masks = torch.randint(0, 2, output.shape).float()
    one_by_one = [lovasz(output[:, k : k + 1], masks[:, k].long(), weights=None) for k in range(4)]
    torch.testing.assert_close(lovasz(output, masks, weights=None), torch.stack(one_by_one).mean())
    with pytest.raises(ValueError, match="0 or 1"):
        lovasz(output, masks * 0.5, weights=None)


def test_lovasz_of_millions_of_pixels_is_exact() -> None:
    random = torch.Generator().manual_seed(0)
    target = (torch.rand(1, 3_000_000, generator=random) < 0.3).long()
    output = torch.randn(1, 1, 3_000_000, generator=random)
    exact = lovasz(output.double(), target, weights=None)
    torch.testing.assert_close(lovasz(output, target, weights=None).double(), exact, rtol=1e-6, atol=0)
