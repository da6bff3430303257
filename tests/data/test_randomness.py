"""Randomness without state."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lamelle.data.randomness import epoch_order, generator, seed_device

PARTS = st.lists(st.one_of(st.integers(), st.text(max_size=5)), max_size=4)
SEEDS = st.integers(0, 2**64)


@given(PARTS)
def test_same_key_same_stream(key: list[int | str]) -> None:
    assert np.array_equal(generator(*key).random(5), generator(*key).random(5))


@given(PARTS, PARTS)
def test_other_key_other_stream(one: list[int | str], other: list[int | str]) -> None:
    same = [(type(p), p) for p in one] == [(type(p), p) for p in other]
    assert np.array_equal(generator(*one).random(3), generator(*other).random(3)) == same


def test_parts_do_not_run_together() -> None:
    keys = [("ab",), ("a", "b"), (1, 2), (12,), ("1", "2"), ("1", 2), (), ("",), (-1,), ("i1:1",)]
    assert len({generator(*key).random() for key in keys}) == len(keys)


def test_numpy_whole_numbers_are_numbers_and_fractions_are_refused() -> None:
    assert generator(np.int32(3)).random() == generator(3).random()
    with pytest.raises(TypeError):
        generator(1.5)  # type: ignore[arg-type]


def test_stream_is_the_same_everywhere() -> None:
    """Written down once: it must hold on every platform and for every later version, or no run can be repeated."""
    assert generator(1, "augment", 0, 5).random(3).tolist() == FIRST
    assert epoch_order(6, seed=3, epoch=2).tolist() == ORDER
    assert epoch_order(4, seed=3, epoch=2, weights=np.array([1.0, 0, 2, 5]), length=8).tolist() == WEIGHTED


FIRST = [0.9762819857739398, 0.5385136972685524, 0.4379941103304611]
ORDER = [1, 2, 0, 5, 3, 4]
WEIGHTED = [2, 2, 3, 0, 3, 3, 3, 3]


@given(st.permutations(range(6)))
def test_streams_do_not_depend_on_the_order_of_calls(order: list[int]) -> None:
    drawn = {position: generator(9, "x", position).random() for position in order}
    assert drawn == {position: generator(9, "x", position).random() for position in range(6)}


def test_streams_are_uniform_and_unrelated() -> None:
    drawn = np.array([generator(4, "augment", 0, position).random(8) for position in range(2000)])
    assert abs(drawn.mean() - 0.5) < 0.01
    assert abs(np.corrcoef(drawn[:-1].ravel(), drawn[1:].ravel())[0, 1]) < 0.03
    assert np.abs(np.corrcoef(drawn.T) - np.eye(8)).max() < 0.1


@given(n=st.integers(1, 60), length=st.integers(0, 200), seed=SEEDS, epoch=st.integers(0, 1000))
def test_order_is_whole_permutations(n: int, length: int, seed: int, epoch: int) -> None:
    order = epoch_order(n, seed=seed, epoch=epoch, length=length)
    assert order.dtype == np.int64
    assert order.shape == (length,)
    for start in range(0, length - n + 1, n):
        assert sorted(order[start : start + n]) == list(range(n))
    assert len(set(order[length - length % n :].tolist())) == length % n


def test_order_changes_with_seed_and_epoch_and_has_no_favourite_place() -> None:
    orders = np.array([epoch_order(8, seed=seed, epoch=epoch) for seed in range(40) for epoch in range(40)])
    assert len(np.unique(orders, axis=0)) > 1500
    first = np.bincount(orders[:, 0], minlength=8)
    assert np.abs(first / len(orders) - 1 / 8).max() < 0.03


@settings(max_examples=200)
@given(
    weights=st.lists(st.one_of(st.just(0.0), st.floats(1e-6, 1e6)), min_size=1, max_size=30).filter(any),
    length=st.integers(0, 300),
    seed=SEEDS,
)
def test_weighted_counts_are_the_expected_ones_rounded(weights: list[float], length: int, seed: int) -> None:
    order = epoch_order(len(weights), seed=seed, epoch=0, weights=np.array(weights), length=length)
    expected = length * np.array(weights) / np.sum(weights)
    counts = np.bincount(order, minlength=len(weights))
    assert counts.sum() == length
    assert (np.abs(counts - expected) < 1 + 1e-6).all()
    assert not counts[np.array(weights) == 0].any()


def test_weighted_order_is_fair_on_the_long_run_and_well_mixed() -> None:
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    orders = np.array([epoch_order(4, seed=5, epoch=e, weights=weights, length=6) for e in range(4000)])
    for place in range(6):
        assert np.abs(np.bincount(orders[:, place], minlength=4) / 4000 - weights).max() < 0.03
    counts = {tuple(np.bincount(order, minlength=4).tolist()) for order in orders}
    assert len(counts) == 6  # 0.6, 1.2, 1.8 and 2.4 items: every two of them may be rounded up together


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [1.0, np.nan], [np.inf, 1.0]])
def test_wrong_weights_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        epoch_order(2, seed=0, epoch=0, weights=np.array(weights))


def test_nothing_to_draw_from() -> None:
    assert epoch_order(0, seed=0, epoch=0).tolist() == []
    with pytest.raises(ValueError, match="3 positions from 0 items"):
        epoch_order(0, seed=0, epoch=0, length=3)


def test_device_seed_depends_on_seed_step_and_rank_only() -> None:
    def drawn(*key: int) -> tuple[float, ...]:
        torch.rand(5)  # what was drawn before does not matter
        seed_device(*key)
        return tuple(torch.nn.functional.dropout(torch.ones(64), 0.5).tolist())

    keys = [(1, 2, 3), (1, 2, 4), (1, 3, 2), (2, 1, 3), (12, 3, 0), (1, 23, 0)]
    assert [drawn(*key) for key in keys] == [drawn(*key) for key in keys]
    assert len({drawn(*key) for key in keys}) == len(keys)
