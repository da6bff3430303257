"""What holds for every row of the table: ignored pixels, precision, gradients, axes, weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from lamelle.losses.balance import balanced
from lamelle.losses.table import LOSSES
from lamelle.types import IGNORE

Batch = Callable[..., tuple[Tensor, Tensor]]

UNWEIGHTED = {name for name, row in LOSSES.items() if not row.weighs}
CASES = [(name, k) for name in LOSSES for k in (1, 4) if (name, k) != ("ce", 1)]
FLAT = [(name, k) for name, k in CASES if name != "cldice"]
"""Losses for which a pixel that is left out need not have been there."""


@pytest.mark.parametrize(("name", "channels"), CASES)
def test_ignored_pixels_contribute_nothing(batch: Batch, name: str, channels: int) -> None:
    output, target = batch(channels, ignored=True)
    loss = LOSSES[name]()(output, target, weights=None)
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.shape == ()
    gradient = output.grad
    assert gradient is not None
    ignored = (target == IGNORE).unsqueeze(1).expand_as(output)
    assert (gradient[ignored] == 0).all()
    hinge = (name, channels) == ("lovasz", 1)  # flat where a pixel is right by far
    assert (gradient[~ignored] != 0).double().mean() > (0.7 if hinge else 0.9999)
    moved = torch.where(ignored, output + 50, output)
    torch.testing.assert_close(LOSSES[name]()(moved, target, weights=None), loss)


@pytest.mark.parametrize("size", [(6, 7), (3, 5, 6)])
@pytest.mark.parametrize(("name", "channels"), FLAT)
def test_ignoring_pixels_equals_removing_them(batch: Batch, name: str, channels: int, size: tuple[int, ...]) -> None:
    output, target = batch(channels, size=size)
    cropped = target.clone()
    cropped[..., 4:] = IGNORE
    expected = LOSSES[name]()(output[..., :4], target[..., :4], weights=None)
    torch.testing.assert_close(LOSSES[name]()(output, cropped, weights=None), expected)


@pytest.mark.parametrize(("name", "channels"), CASES)
def test_a_batch_all_ignored_gives_zero_and_no_gradient(batch: Batch, name: str, channels: int) -> None:
    output, target = batch(channels)
    for weights in (None, torch.rand(max(channels, 2))):
        if name in UNWEIGHTED and channels == 1 and weights is not None:
            continue
        output.grad = None
        loss = LOSSES[name]()(output, torch.full_like(target, IGNORE), weights=weights)
        loss.backward()
        assert loss == 0
        assert output.grad is not None
        assert (output.grad == 0).all()


@pytest.mark.parametrize(("name", "channels"), CASES)
def test_half_precision_is_computed_in_float32(batch: Batch, name: str, channels: int) -> None:
    output, target = batch(channels)
    half = output.detach().bfloat16()
    loss = LOSSES[name]()(half, target, weights=None)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, LOSSES[name]()(half.float(), target, weights=None))


@pytest.mark.parametrize("size", [(4, 5), (3, 3, 4)])
@pytest.mark.parametrize(("name", "channels"), CASES)
def test_gradient_is_that_of_finite_differences(batch: Batch, name: str, channels: int, size: tuple[int, ...]) -> None:
    output, target = batch(channels, ignored=True, size=size, seed=1)
    exact = output.detach()[:2].double().requires_grad_()
    weights = None if name in UNWEIGHTED and channels == 1 else torch.rand(max(channels, 2)) + 0.5
    assert torch.autograd.gradcheck(lambda o: LOSSES[name]()(o, target[:2], weights=weights), (exact,), eps=1e-7)


@pytest.mark.parametrize("size", [(12, 14), (6, 8, 8)])
@pytest.mark.parametrize(("name", "channels"), CASES)
def test_a_perfect_prediction_costs_almost_nothing(
    batch: Batch, name: str, channels: int, size: tuple[int, ...]
) -> None:
    _, target = batch(channels, ignored=True, size=size)
    known = target.clamp(min=0)
    hot = torch.nn.functional.one_hot(known, max(channels, 2)).movedim(-1, 1)
    output = 40.0 * (hot[:, 1:] if channels == 1 else hot) - 20
    assert LOSSES[name]()(output, target, weights=None).item() == pytest.approx(0, abs=1e-5)
    assert LOSSES[name]()(-output, target, weights=None) > 0.5


@pytest.mark.parametrize(("name", "channels"), CASES)
def test_a_step_along_the_gradient_lowers_the_loss_to_almost_nothing(batch: Batch, name: str, channels: int) -> None:
    output, target = batch(channels, ignored=True)
    start = LOSSES[name]()(output, target, weights=None).item()
    optimiser = torch.optim.Adam([output], lr=0.5)
    for _ in range(80):
        optimiser.zero_grad()
        loss = LOSSES[name]()(output, target, weights=None)
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05 * start
    chosen = output.argmax(1) if channels > 1 else (output[:, 0] > 0).long()
    kept = target != IGNORE
    assert (chosen[kept] == target[kept]).all()


@pytest.mark.parametrize(("name", "channels"), CASES)
def test_extreme_logits_stay_finite(batch: Batch, name: str, channels: int) -> None:
    output, target = batch(channels)
    extreme = (output.detach() * 1e4).requires_grad_()
    loss = LOSSES[name]()(extreme, target, weights=None)
    loss.backward()
    assert loss.isfinite()
    assert extreme.grad is not None
    assert extreme.grad.isfinite().all()


@pytest.mark.parametrize(("name", "channels"), CASES)
def test_axes_of_images_and_volumes_are_alike(batch: Batch, name: str, channels: int) -> None:
    output, target = batch(channels, ignored=True, size=(4, 5, 6))
    turned = LOSSES[name]()(output.permute(0, 1, 4, 2, 3), target.permute(0, 3, 1, 2), weights=None)
    torch.testing.assert_close(LOSSES[name]()(output, target, weights=None), turned)
    plane, flat = output[:, :, :1], target[:, :1]
    expected = LOSSES[name]()(plane[:, :, 0], flat[:, 0], weights=None)
    torch.testing.assert_close(LOSSES[name]()(plane, flat, weights=None), expected)


def test_weights_and_targets_that_do_not_fit_are_named(batch: Batch) -> None:
    output, target = batch(4)
    for name, row in LOSSES.items():
        loss = row()
        with pytest.raises(ValueError, match="4 weights fit 4 channels"):
            loss(output, target, weights=torch.ones(3))
        if name != "ce":
            with pytest.raises(ValueError, match="does not fit the target"):
                loss(output, target[:, :3], weights=None)
            with pytest.raises(ValueError, match=r"float target|of probabilities"):
                loss(output, target.float(), weights=None)


def test_losses_of_one_region_have_nothing_to_weigh(batch: Batch) -> None:
    output, target = batch(1)
    for name in UNWEIGHTED:
        with pytest.raises(ValueError, match=f"^{name} of one channel has nothing to weigh"):
            LOSSES[name]()(output, target, weights=torch.ones(2))
    for name in LOSSES.keys() - UNWEIGHTED - {"ce"}:
        uneven = LOSSES[name]()(output, target, weights=torch.tensor([1.0, 9.0]))
        assert not torch.isclose(uneven, LOSSES[name]()(output, target, weights=None))


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    labels = torch.multinomial(torch.tensor([0.6, 0.3, 0.1]), 500, replacement=True).numpy()
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    counts = [int((labels == k).sum()) for k in range(3)]
    torch.testing.assert_close(balanced(counts), torch.tensor(expected).float())
    assert balanced([6, 0, 2]).tolist() == pytest.approx([2 / 3, 0, 2])
    for wrong in ([0, 0], [3, -1], []):
        with pytest.raises(ValueError, match="counts"):
            balanced(wrong)
