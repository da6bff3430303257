"""What holds for every row of the table of remedies for rare classes."""

from __future__ import annotations

import inspect

import made_tasks
import numpy as np
import pytest
import torch

from lamelle.errors import RequestError
from lamelle.losses.table import LOSSES
from lamelle.messages import has
from lamelle.runs import recipe
from lamelle.tasks.remedies import REMEDIES, Remedy

COUNTS = (60, 30, 10)
MEMBERS = [[0]] * 60 + [[1]] * 30 + [[2]] * 10
rows = pytest.mark.parametrize("row", REMEDIES.values(), ids=REMEDIES)


@rows
def test_a_row_says_what_it_is_and_each_key_what_it_means(row: type[Remedy], monkeypatch: pytest.MonkeyPatch) -> None:
    assert inspect.getdoc(row) != inspect.getdoc(Remedy)
    for name, field in row.model_fields.items():
        if name != "name":
            assert field.description
            assert row().name in recipe.known_keys()[f"task.remedy.{name}"]
    for language in ("en", "fr"):
        monkeypatch.setenv("LAMELLE_LANG", language)
        assert has(f"report.remedy_{row().name}")


@rows
def test_weights_and_sampling_leave_the_training_set_as_large_as_it_is(row: type[Remedy]) -> None:
    remedy = row()
    weights, frequency = remedy.weights(COUNTS), remedy.sampling(COUNTS, MEMBERS)
    share = np.asarray(COUNTS, float) if frequency is None else np.bincount([m[0] for m in MEMBERS], frequency)
    share /= share.sum()
    if weights is not None:
        assert weights.shape == (3,)
        assert (np.diff(weights) > 0).all(), "the rarer, the more"
        assert (share * weights).sum() == pytest.approx(1) or weights.mean() == pytest.approx(1)
    if frequency is not None:
        assert frequency.shape == (100,)
        assert (np.diff(frequency) >= 0).all()
    if (prior := remedy.prior(COUNTS)) is not None:
        assert prior.shape == (3,)
        assert (np.diff(prior) < 0).all()
    changed = [one for one in (weights, frequency, prior) if one is not None]
    assert bool(changed) == (remedy.name != "none")


@rows
def test_a_class_without_an_image_divides_nothing_by_zero(row: type[Remedy]) -> None:
    for made in (row().weights((4, 0)), row().sampling((4, 0), [[0]] * 4), row().prior((4, 0))):
        assert made is None or np.isfinite(made).all()


@rows
def test_softmax_is_needed_exactly_where_the_row_says(row: type[Remedy]) -> None:
    output, target = torch.randn(4, 3, generator=torch.manual_seed(0)), torch.tensor([0, 1, 2, 0])
    for loss in (name for name, one in LOSSES.items() if one.of_items):
        for several in (False, True):
            if row.softmax and (several or not LOSSES[loss].softmax):
                with pytest.raises(RequestError, match=f"task.remedy={row().name} .*task.loss={loss}"):
                    made_tasks.classify("abc", counts=COUNTS, remedy=row(), loss=loss, multi_label=several)
            else:
                task = made_tasks.classify("abc", counts=COUNTS, remedy=row(), loss=loss, multi_label=several)
                truth = torch.nn.functional.one_hot(target, 3).float() if several else target
                assert torch.isfinite(task.loss(output, truth))
