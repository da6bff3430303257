"""Soft skeletons and clDice against MONAI."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from lamelle.losses.centrelines import cldice, soft_skeleton
from lamelle.losses.overlap import dice

Batch = Callable[..., tuple[Tensor, Tensor]]


@pytest.mark.parametrize("shape", [(2, 3, 17, 19), (2, 2, 7, 9, 11)])
def test_skeleton_is_that_of_monai(shape: tuple[int, ...]) -> None:
    from monai.losses.cldice import soft_skel

    masks = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    for iterations in (0, 3):
        torch.testing.assert_close(soft_skeleton(masks, iterations=iterations), soft_skel(masks, iterations))


@pytest.mark.parametrize("size", [(16, 18), (6, 8, 9)])
@pytest.mark.parametrize("channels", [1, 2])
def test_loss_is_that_of_monai(batch: Batch, channels: int, size: tuple[int, ...]) -> None:
    from monai.losses.cldice import SoftclDiceLoss

    output, target = (part[:1] for part in batch(channels, size=size))
    chance = output.sigmoid() if channels == 1 else output.softmax(1)[:, 1:]
    lines = SoftclDiceLoss(iter_=5, smooth=1e-9)(chance, target.unsqueeze(1).float())
    expected = 0.7 * dice(output, target, weights=None) + 0.3 * lines
    torch.testing.assert_close(cldice(output, target, weights=None, iterations=5, alpha=0.3), expected)


def test_classes_and_overlapping_masks_are_averaged(batch: Batch) -> None:
    output, _ = batch(3, size=(16, 18))
    masks = torch.randint(0, 2, output.shape).float()
    each = torch.stack([cldice(output[:, k : k + 1], masks[:, k].long(), weights=None, alpha=1.0) for k in range(3)])
    torch.testing.assert_close(cldice(output, masks, weights=None, alpha=1.0), each.mean())
    weights = torch.tensor([1.0, 2.0, 5.0])
    torch.testing.assert_close(cldice(output, masks, weights=weights, alpha=1.0), (each * weights).sum() / 8)


def test_weights_of_classes_leave_the_background_no_line(batch: Batch) -> None:
    output, target = batch(3, size=(16, 18))
    lines = [cldice(output, target, weights=w, alpha=1.0) for w in torch.eye(3)]
    assert lines[0] == 0
    torch.testing.assert_close(cldice(output, target, weights=None, alpha=1.0), (lines[1] + lines[2]) / 2)


def test_a_thin_line_counts_as_much_as_a_thick_one() -> None:
    target = torch.zeros(1, 1, 40, 40)
    target[..., 3:16, 2:38], target[..., 29:30, 2:38] = 1, 1
    without_thin, without_thick = target.clone(), target.clone()
    without_thin[..., 20:, :], without_thick[..., :20, :] = 0, 0
    areas = [dice(40 * m - 20, target, weights=None).item() for m in (without_thin, without_thick)]
    lines = [
        cldice(40 * m - 20, target, weights=None, iterations=8, alpha=1.0).item() for m in (without_thin, without_thick)
    ]
    assert areas[0] < 0.05 < 0.8 < areas[1]
    assert 0.2 < lines[1] < 0.5
    assert 0.2 < lines[0] < 0.5


def test_shapes_without_space_are_named() -> None:
    with pytest.raises(ValueError, match=r"\(2, 1, 9\)"):
        cldice(torch.zeros(2, 1, 9), torch.zeros(2, 9, dtype=torch.long), weights=None)
