"""Cross-entropies against torch and torchvision."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from lamelle.losses.entropy import bce, ce, focal
from lamelle.types import IGNORE

Batch = Callable[..., tuple[Tensor, Tensor]]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, torch.tensor([0.2, 1.0, 2.0, 0.7])])
def test_ce_is_that_of_torch(batch: Batch, smoothing: float, weights: Tensor | None) -> None:
    output, target = batch(4, ignored=True)
    expected = functional.cross_entropy(output, target, weights, ignore_index=IGNORE, label_smoothing=smoothing)
    torch.testing.assert_close(ce(output, target, weights=weights, smoothing=smoothing), expected)


def test_ce_of_whole_images() -> None:
    output, target = torch.randn(8, 5), torch.arange(8) % 5
    torch.testing.assert_close(ce(output, target, weights=None), functional.cross_entropy(output, target))


def test_ce_of_one_channel_is_refused() -> None:
    with pytest.raises(ValueError, match="use bce"):
        ce(torch.zeros(1, 1, 2), torch.zeros(1, 2, dtype=torch.long), weights=None)


def test_bce_is_that_of_torch(batch: Batch) -> None:
    output, target = batch(1)
    expected = functional.binary_cross_entropy_with_logits(output[:, 0], target.float())
    torch.testing.assert_close(bce(output, target, weights=None), expected)
    expected = functional.binary_cross_entropy_with_logits(output[:, 0], target.float(), pos_weight=torch.tensor(3.0))
    torch.testing.assert_close(bce(output, target, weights=torch.tensor([1.0, 3.0])), expected)


def test_bce_weights_are_those_of_the_two_truths(batch: Batch) -> None:
    output, target = batch(1, ignored=True)
    kept = target != IGNORE
    logits, truth = output[:, 0][kept], target[kept].float()
    each = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    expected = (each * torch.where(truth == 1, 5.0, 0.5)).mean()
    torch.testing.assert_close(bce(output, target, weights=torch.tensor([0.5, 5.0])), expected)


def test_bce_of_several_channels_is_one_against_the_rest(batch: Batch) -> None:
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


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_is_that_of_torchvision(batch: Batch, gamma: float) -> None:
    from torchvision.ops import sigmoid_focal_loss

    output, target = batch(1)
    expected = sigmoid_focal_loss(output[:, 0], target.float(), alpha=-1, gamma=gamma, reduction="mean")
    torch.testing.assert_close(focal(output, target, weights=None, gamma=gamma), expected)


@pytest.mark.parametrize("channels", [1, 4])
def test_focal_with_a_blunt_focus_has_a_gradient_at_certainty(batch: Batch, channels: int) -> None:
    output, target = batch(channels)
    certain = (output.detach() * 1e4).requires_grad_()
    focal(certain, target, weights=None, gamma=0.5).backward()
    assert certain.grad is not None
    assert certain.grad.isfinite().all()


def test_focal_of_classes_without_focus_is_ce(batch: Batch) -> None:
    output, target = batch(4, ignored=True)
    for weights in (None, torch.tensor([0.2, 1.0, 2.0, 0.7])):
        torch.testing.assert_close(
            focal(output, target, weights=weights, gamma=0.0), ce(output, target, weights=weights)
        )
    chance = output.softmax(1).gather(1, target.clamp(min=0).unsqueeze(1))[:, 0]
    expected = (-((1 - chance) ** 2) * chance.log())[target != IGNORE].mean()
    torch.testing.assert_close(focal(output, target, weights=None), expected)
