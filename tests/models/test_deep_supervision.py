"""Losses over resolutions: weights, the targets that coarser levels are given, pixels without annotation."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from lamelle.losses.table import LOSSES
from lamelle.models.deep_supervision import full, nearest, over_levels
from lamelle.types import IGNORE


@pytest.mark.parametrize("pixels", [1, 2, 3, 7, 8, 9, 15, 16])
@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_a_coarser_target_is_the_middle_of_each_stride(pixels: int, stride: int) -> None:
    target = torch.arange(pixels)[None]
    wanted = -(-pixels // stride)
    found = nearest(target, (wanted,))[0].tolist()
    for place, value in enumerate(found):
        assert place * stride <= value < (place + 1) * stride
    if pixels % stride == 0:
        expected = F.interpolate(target[None].float(), size=wanted, mode="nearest-exact")
        assert found == expected[0, 0].long().tolist()


def test_axes_of_their_own_stride() -> None:
    target = torch.arange(5 * 8 * 8).reshape(1, 5, 8, 8)
    assert torch.equal(nearest(target, (5, 4, 2)), target[:, :, 1::2, 2::4])


def test_levels_count_half_as_much_each() -> None:
    levels = [torch.full((1, 1, 8, 8), 1.0), torch.full((1, 1, 4, 4), 10.0), torch.full((1, 1, 2, 2), 100.0)]
    found = over_levels(levels, torch.zeros(1, 8, 8), lambda output, _: output.mean())
    assert found.item() == pytest.approx((1 + 10 / 2 + 100 / 4) / (1 + 1 / 2 + 1 / 4))


def test_one_level_is_the_loss_itself() -> None:
    output, target = torch.randn(2, 1, 6, 6), torch.randint(0, 2, (2, 6, 6))
    loss = LOSSES["bce"]()(output, target, weights=None)
    for given in (output, [output]):
        torch.testing.assert_close(over_levels(given, target, lambda o, t: LOSSES["bce"]()(o, t, weights=None)), loss)
        assert full(given) is output


def test_pixels_without_annotation_pull_at_no_level() -> None:
    levels = [torch.randn(1, 3, n, n, requires_grad=True) for n in (8, 4)]
    target = torch.randint(0, 3, (1, 8, 8))
    target[:, :, 4:] = IGNORE
    over_levels(levels, target, lambda o, t: LOSSES["dice_ce"]()(o, t, weights=None)).backward()
    for level in levels:
        half = level.shape[-1] // 2
        assert level.grad is not None
        assert level.grad[..., half:].abs().max() == 0
        assert level.grad[..., :half].abs().max() > 0
