"""Each remedy does to classes what its publication says, in the loss and in what is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import made_tasks
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from lamelle.data.samples import Samples
from lamelle.errors import RequestError
from lamelle.losses.entropy import bce, ce, focal
from lamelle.tasks import imbalance
from lamelle.tasks.base import as_logits
from lamelle.tasks.classify import Classify
from lamelle.types import ClassNames, Record, Source

COUNTS = (60, 30, 10)
counts = st.lists(st.integers(1, 10_000), min_size=2, max_size=6)
alphas = st.floats(0, 1)


def task(classes: int = 3, **options: Any) -> Classify:
    return made_tasks.classify("abc"[:classes], counts=COUNTS[:classes], **options)


def records(classes: tuple[str, ...]) -> tuple[Record, ...]:
    """One record for each text; ``ab`` has the classes a and b."""
    return tuple(Record(str(i), Source(Path(str(i))), ClassNames(tuple(c))) for i, c in enumerate(classes))


NATURAL = records(("a",) * 60 + ("b",) * 30 + ("c",) * 10)


def shares(frequency: np.ndarray) -> np.ndarray:
    owner = np.repeat([0, 1, 2], COUNTS)
    return np.bincount(owner, frequency / frequency.sum())


# pure functions ------------------------------------------------------------------------------------------------------


@given(counts, alphas)
def test_sampling_times_weight_is_the_same_for_every_class(n: list[int], alpha: float) -> None:
    members = [[k] for k in range(len(n))]
    share = imbalance.controlled_sampling(n, members, alpha=alpha) * n
    weights = imbalance.controlled_weights(n, alpha=alpha)
    np.testing.assert_allclose(share * weights / share.sum(), np.full(len(n), 1 / len(n)), rtol=1e-9)
    assert (share * weights).sum() / share.sum() == pytest.approx(1), "the mean weight over the samples"
    np.testing.assert_allclose(share / share[0], (np.array(n) / n[0]) ** (1 - alpha), rtol=1e-9)


def test_the_two_ends_of_alpha_are_weights_alone_and_sampling_alone() -> None:
    members = [[0], [1], [2]]
    np.testing.assert_allclose(imbalance.controlled_weights(COUNTS, alpha=0), imbalance.inverse_frequency(COUNTS))
    np.testing.assert_allclose(imbalance.controlled_sampling(COUNTS, members, alpha=0), np.ones(3))
    np.testing.assert_allclose(imbalance.controlled_weights(COUNTS, alpha=1), np.ones(3))
    np.testing.assert_allclose(
        imbalance.controlled_sampling(COUNTS, members, alpha=1), imbalance.oversampling(COUNTS, members)
    )


@given(counts)
def test_effective_numbers_lie_between_none_and_inverse_frequency(n: list[int]) -> None:
    np.testing.assert_allclose(imbalance.effective_number(n, beta=0.0), np.ones(len(n)))
    inverse = 1 / np.array(n)
    close = imbalance.effective_number(n, beta=1 - 1e-12)
    np.testing.assert_allclose(close, inverse / inverse.mean(), rtol=1e-3)
    found = imbalance.effective_number(n, beta=0.99)
    assert found.mean() == pytest.approx(1)
    by_hand = 0.01 / (1 - 0.99 ** np.array(n, float))
    np.testing.assert_allclose(found, by_hand / by_hand.mean(), rtol=1e-6)


def test_a_class_without_records_divides_by_nothing() -> None:
    for weights in (
        imbalance.inverse_frequency([4, 0]),
        imbalance.effective_number([4, 0], beta=0.999),
        imbalance.log_prior([4, 0], tau=1.0),
    ):
        assert np.isfinite(weights).all()


# what is drawn -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"remedy": "oversample"}, [1 / 3, 1 / 3, 1 / 3]),
        ({"remedy": {"name": "both", "alpha": 0.0}}, [0.6, 0.3, 0.1]),
        ({"remedy": {"name": "both", "alpha": 1.0}}, [1 / 3, 1 / 3, 1 / 3]),
        ({"remedy": {"name": "both", "alpha": 0.5}}, list(np.sqrt(COUNTS) / np.sqrt(COUNTS).sum())),
    ],
)
def test_classes_are_drawn_in_these_shares(options: dict[str, Any], expected: list[float]) -> None:
    frequency = task(**options).sampling(NATURAL)
    assert frequency is not None
    np.testing.assert_allclose(shares(frequency), expected)
    drawn = samples(frequency)
    assert len(drawn) == 100
    epochs = np.array([np.bincount(drawn.order(e).owner, minlength=100) for e in range(60)])
    assert (epochs.sum(1) == 100).all()
    found = np.array([np.bincount(np.repeat([0, 1, 2], COUNTS), times) for times in epochs])
    np.testing.assert_allclose(found.mean(0), 100 * np.array(expected), atol=0.8)
    np.testing.assert_allclose(found, np.tile(100 * np.array(expected), (60, 1)), atol=9)
    assert epochs[:, 90:].min() >= 1, "no record of the rare class is left out"


@pytest.mark.parametrize("name", ["none", "weights", "effective", "logit_adjustment"])
def test_remedies_of_the_loss_draw_as_they_come(name: str) -> None:
    assert task(remedy=name).sampling(NATURAL) is None
    assert sorted(samples(None).order(0).owner) == list(range(100))


def test_records_of_several_classes_are_drawn_by_their_rarest() -> None:
    found = task(remedy="oversample", multi_label=True).sampling(records(("a", "ab", "abc", "")))
    assert found is not None
    np.testing.assert_allclose(found, [1 / 60, 1 / 30, 1 / 10, 1 / 60])


class Sizes:
    """A reader that knows sizes only."""

    def image(self, record: Record) -> np.ndarray:
        return np.zeros((1, 8, 8 * (1 + (record.id == "0"))))


def samples(frequency: np.ndarray | None, of: tuple[Record, ...] = NATURAL, patch: Any = None) -> Samples:
    reader: Any = Sizes()
    return Samples(
        of,
        reader,
        patch=patch,
        window=None,
        length=None,
        draws=0,
        seed=5,
        spacing=None,
        colour=False,
        weights=frequency,
        foreground=0.0,
    )


def test_a_record_of_two_crops_is_not_drawn_twice_as_often() -> None:
    two = records(("a", "b"))
    drawn = samples(np.array([1.0, 1.0]), two, (8, 8))
    assert len(drawn) == 3
    found = np.bincount(np.concatenate([drawn.order(e).owner for e in range(400)]))
    np.testing.assert_allclose(found / found.sum(), [0.5, 0.5], atol=0.03)
    assert np.bincount(samples(None, two, (8, 8)).order(0).owner).tolist() == [2, 1]


# the loss ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(16, 3), torch.randint(0, 3, (16,))


@pytest.mark.parametrize(
    ("options", "weights"),
    [
        ({"remedy": "weights"}, imbalance.inverse_frequency(COUNTS)),
        ({"remedy": {"name": "effective", "beta": 0.9}}, imbalance.effective_number(COUNTS, beta=0.9)),
        ({"remedy": {"name": "both", "alpha": 0.25}}, imbalance.controlled_weights(COUNTS, alpha=0.25)),
        ({"remedy": "oversample"}, np.ones(3)),
    ],
)
def test_classes_weigh_in_the_loss(batch: tuple[torch.Tensor, torch.Tensor], options: Any, weights: np.ndarray) -> None:
    output, target = batch
    w = torch.tensor(weights, dtype=torch.float32)
    torch.testing.assert_close(task(**options).loss(output, target), functional.cross_entropy(output, target, w))
    torch.testing.assert_close(
        task(**options, loss={"name": "focal", "gamma": 1.5}).loss(output, target),
        focal(output, target, weights=w, gamma=1.5),
    )
    hot = functional.one_hot(target, 3).float()
    expected = functional.binary_cross_entropy_with_logits(output, hot, pos_weight=w)
    for name in ("bce", "ce"):  # with several labels, ce is that of each label
        torch.testing.assert_close(task(**options, loss=name, multi_label=True).loss(output, hot), expected)


def test_adjusted_logits_are_in_the_training_loss_only(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    output, target = batch
    adjusted, plain = task(remedy={"name": "logit_adjustment", "tau": 0.7}), task()
    prior = 0.7 * torch.log(torch.tensor(COUNTS) / 100)
    torch.testing.assert_close(adjusted.loss(output, target), functional.cross_entropy(output + prior, target))
    torch.testing.assert_close(adjusted.activate(output), plain.activate(output))
    p = plain.activate(output)
    torch.testing.assert_close(adjusted.validation_loss(p, target), functional.cross_entropy(output, target))
    half = adjusted.loss(output.bfloat16(), target)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, adjusted.loss(output.bfloat16().float(), target))


@pytest.mark.parametrize("multi_label", [False, True])
def test_validation_loss_is_the_loss_of_the_logits(batch: tuple[torch.Tensor, torch.Tensor], multi_label: bool) -> None:
    output, target = batch
    one = task(multi_label=multi_label, remedy="weights", smoothing=0.1)
    truth = functional.one_hot(target, 3).float() if multi_label else target
    torch.testing.assert_close(one.validation_loss(one.activate(output), truth), one.loss(output, truth))
    p = one.activate(output)
    again = one.activate(as_logits(p, exclusive=not multi_label))
    torch.testing.assert_close(again, p)


def test_smoothing_draws_targets_together(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    output, target = batch
    torch.testing.assert_close(
        task(smoothing=0.2).loss(output, target), ce(output, target, weights=None, smoothing=0.2)
    )
    hot = functional.one_hot(target, 3).float()
    softened = bce(output, 0.8 * hot + 0.1, weights=None)
    torch.testing.assert_close(task(smoothing=0.2, loss="bce").loss(output, target), softened)
    torch.testing.assert_close(task(smoothing=0.2, multi_label=True).loss(output, hot), softened)
    torch.testing.assert_close(
        task(smoothing=0.2, multi_label=True, loss="focal").loss(output, hot),
        focal(output, 0.8 * hot + 0.1, weights=None, gamma=2.0),
    )
    hot[:, 1] = -1
    torch.testing.assert_close(
        task(smoothing=0.2, multi_label=True).loss(output, hot),
        bce(output[:, [0, 2]], 0.8 * hot[:, [0, 2]] + 0.1, weights=None),
        msg="what is ignored stays ignored",
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"threshold": 0.3}, "3 classes"),
        ({"remedy": "logit_adjustment", "multi_label": True}, "several labels"),
        ({"remedy": "logit_adjustment", "loss": "bce"}, "softmax"),
        ({"loss": "focal", "smoothing": 0.1}, "smoothing"),
    ],
)
def test_contradictions_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        task(**options)


def test_a_fixed_threshold_suits_two_classes_or_several_labels() -> None:
    assert task(2, threshold=0.3).options.threshold == task(multi_label=True, threshold=0.3).options.threshold
