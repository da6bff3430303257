"""What holds for every row of the table of losses."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch

from lamelle.losses import borders, centrelines, entropy, overlap
from lamelle.losses.table import LOSSES, Loss
from lamelle.runs import recipe
from lamelle.types import IGNORE

FUNCTIONS: dict[str, Any] = {
    name: value for room in (borders, centrelines, entropy, overlap) for name, value in vars(room).items()
}
rows = pytest.mark.parametrize("row", LOSSES.values(), ids=LOSSES)
CASES = [
    pytest.param(row, channels, id=f"{name}-{channels}")
    for name, row in LOSSES.items()
    for channels in (1, 3)
    if (name, channels) != ("ce", 1)
]


def batch(channels: int, *, ignored: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(channels)
    output = torch.randn(2, channels, 12, 10, generator=random)
    target = torch.randint(0, max(channels, 2), (2, 12, 10), generator=random)
    if ignored:
        target[:, :, 6:] = IGNORE
    return output.requires_grad_(), target


@rows
def test_a_row_says_what_it_is_and_each_key_what_it_means(row: type[Loss]) -> None:
    assert inspect.getdoc(row) != inspect.getdoc(Loss)
    known = recipe.known_keys()
    for name, field in row.model_fields.items():
        if name != "name":
            assert field.description
            assert f"{row().name}: " in known[f"task.loss.{name}"] or f"{row().name}, " in known[f"task.loss.{name}"]


@rows
def test_the_defaults_are_those_of_the_publication_which_the_function_has(row: type[Loss]) -> None:
    arguments = inspect.signature(FUNCTIONS[row().name]).parameters
    assert {n: v for n, v in row().model_dump().items() if n != "name"} == {
        name: arguments[name].default for name in row.model_fields if name != "name"
    }


@pytest.mark.parametrize(("row", "channels"), CASES)
def test_what_is_ignored_has_no_loss_and_no_gradient(row: type[Loss], channels: int) -> None:
    output, target = batch(channels)
    loss = row()(output, target)
    (gradient,) = torch.autograd.grad(loss, output)
    reach = 2 * 3 if row().name == "cldice" else 0  # lines are found in a neighbourhood
    assert gradient[..., 6 + reach :].abs().sum() == 0
    assert gradient[..., :6].abs().sum() > 0
    with torch.no_grad():
        moved = output.detach().clone()
        moved[..., 6 + reach :] += 7
        torch.testing.assert_close(row()(moved, target), loss.detach())
    nothing = row()(output, torch.full_like(target, IGNORE))
    assert nothing.item() == 0
    assert not torch.autograd.grad(nothing, output)[0].any()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("row", "channels"), CASES)
def test_half_precision_in_full_precision_out(row: type[Loss], channels: int, kind: torch.dtype) -> None:
    output, target = batch(channels)
    half = output.detach().to(kind)
    loss = row()(half, target)
    assert (loss.dtype, loss.shape) == (torch.float32, ())
    torch.testing.assert_close(loss, row()(half.float(), target))


@pytest.mark.parametrize(("row", "channels"), CASES)
def test_weights_are_refused_exactly_where_the_row_says(row: type[Loss], channels: int) -> None:
    output, target = batch(channels)
    weights = torch.tensor([1.0, 5.0, 0.5][: max(channels, 2)])
    if channels == 1 and not row.weighs:
        with pytest.raises(ValueError, match="nothing to weigh"):
            row()(output, target, weights=weights)
    else:
        assert not torch.isclose(row()(output, target, weights=weights), row()(output, target))


@rows
def test_of_one_channel_alone_there_is_always_a_loss(row: type[Loss]) -> None:
    output, target = batch(1)
    alone = row().alone()
    assert isinstance(alone, Loss)
    given = alone(output, target, **alone.shared(target))
    torch.testing.assert_close(given, alone(output, target))
    for channels in (1, 3):  # what is shared by all channels changes nothing of a batch taken whole
        if row().name != "ce" or channels > 1:
            output, target = batch(channels)
            torch.testing.assert_close(row()(output, target, **row().shared(target)), row()(output, target))
