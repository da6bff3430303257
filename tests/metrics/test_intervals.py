"""Intervals cover what they say, group by group; the three faces of the bootstrap agree."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lamelle.metrics.intervals import (
    FEW,
    Method,
    bootstrap,
    bootstrap_sums,
    bootstrap_weights,
    few_units,
    spatial_blocks,
    wilson,
)
from lamelle.metrics.ranking import roc_auc
from lamelle.metrics.regions import accuracy, dice

OPTIONS = {"groups": None, "resamples": 1000, "level": 0.95, "seed": 0, "method": "percentile", "unit": "image"}


def scores(matrices: np.ndarray) -> dict[str, np.ndarray]:
    return {"accuracy": accuracy(matrices), "dice": dice(matrices)[..., 1]}


def images(n: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    hit = random.beta(6, 1.5, n)
    return np.stack([[[random.binomial(80, h), random.binomial(20, 1 - h)], [3, random.binomial(30, h)]] for h in hit])


@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize("groups", [None, [f"patient {i // 4}" for i in range(30)]])
def test_the_three_faces_agree(method: Method, groups: list[str] | None) -> None:
    rows = images(30)
    options = {**OPTIONS, "groups": groups, "method": method, "resamples": 300}
    sums = bootstrap_sums(rows, scores, **options)
    each = bootstrap(rows, lambda r: {k: float(v) for k, v in scores(r.sum(0)).items()}, **options)
    weights = bootstrap_weights(lambda w: scores(np.tensordot(w, rows, 1)), n=30, **options)
    for name in ("accuracy", "dice"):
        for found in (each[name], weights[name]):
            assert found.value == pytest.approx(sums[name].value)
            assert (found.low, found.high) == pytest.approx((sums[name].low, sums[name].high))
        assert sums[name].n == (30 if groups is None else 8)
        assert sums[name].low < sums[name].value < sums[name].high


@pytest.mark.parametrize(("method", "theirs"), [("percentile", "percentile"), ("bca", "BCa")])
def test_many_units_give_the_interval_of_scipy(method: Method, theirs: str) -> None:
    data = np.random.default_rng(0).exponential(size=600)
    mean = lambda w: {"mean": w @ data / w.sum(-1)}  # noqa: E731
    found = bootstrap_weights(mean, n=600, **{**OPTIONS, "method": method, "resamples": 20000})["mean"]
    expected = scipy.stats.bootstrap(
        (data,), np.mean, n_resamples=20000, method=theirs, rng=np.random.default_rng(1), vectorized=True, batch=500
    ).confidence_interval
    width = expected.high - expected.low
    assert found.low == pytest.approx(expected.low, abs=0.04 * width)
    assert found.high == pytest.approx(expected.high, abs=0.04 * width)


def test_bca_follows_the_skew() -> None:
    data = np.random.default_rng(0).exponential(size=30)
    mean = lambda w: {"mean": w @ data / w.sum(-1)}  # noqa: E731
    plain, moved = (
        bootstrap_weights(mean, n=30, **{**OPTIONS, "method": m, "resamples": 20000})["mean"]
        for m in ("percentile", "bca")
    )
    theirs = scipy.stats.bootstrap((data,), np.mean, n_resamples=20000, method="BCa", rng=np.random.default_rng(1))
    width = plain.high - plain.low
    assert moved.low > plain.low + 0.02 * width
    assert moved.high > plain.high + 0.02 * width
    assert moved.high == pytest.approx(theirs.confidence_interval.high, abs=0.08 * width)


def covered(units: int, method: Method, *, by_group: bool, simulations: int) -> float:
    """Share of simulated data sets whose interval of the accuracy holds the truth; images of one patient are alike."""
    truth, hits, per_group = 0.8, 0, 20
    for seed in range(simulations):
        random = np.random.default_rng(seed)
        right = random.random((units, per_group)) < random.beta(6, 1.5, (units, 1))
        rows = np.zeros((units * per_group, 2, 2))
        rows[np.arange(len(rows)), 1, right.ravel().astype(int)] = 1
        groups = np.repeat(np.arange(units), per_group).tolist() if by_group else None
        found = bootstrap_sums(
            rows,
            lambda m: {"accuracy": accuracy(m)},
            groups=groups,
            resamples=400,
            level=0.95,
            seed=seed,
            method=method,
            unit="patient",
        )["accuracy"]
        hits += found.low <= truth <= found.high
    return hits / simulations


@pytest.mark.parametrize(("units", "method"), [(FEW, "percentile"), (FEW, "bca"), (40, "percentile"), (40, "bca")])
def test_coverage_of_groups_is_as_said(units: int, method: Method) -> None:
    assert 0.93 <= covered(units, method, by_group=True, simulations=600) <= 0.97


def test_coverage_without_the_groups_is_not() -> None:
    assert covered(20, "percentile", by_group=False, simulations=120) < 0.85


def test_few_units_cover_less_and_are_named_so() -> None:
    assert covered(4, "percentile", by_group=True, simulations=400) < 0.93
    assert few_units(4)
    assert few_units(FEW - 1)
    assert not few_units(FEW)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_one_unit_has_no_interval(method: Method) -> None:
    options = {**OPTIONS, "method": method}
    found = bootstrap_sums(images(1), scores, **options)["accuracy"]
    assert found.n == 1
    assert not math.isnan(found.value)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    grouped = bootstrap_sums(images(5), scores, **{**options, "groups": ["only"] * 5})["accuracy"]
    assert math.isnan(grouped.low)
    assert grouped.n == 1


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_undefined_resamples_are_left_out(method: Method) -> None:
    rows = np.tile([[[5.0, 0.0], [0.0, 0.0]]], (12, 1, 1))
    rows[:3] = [[[4, 1], [1, 4]], [[4, 1], [2, 3]], [[5, 0], [2, 3]]]  # three images hold the class
    found = bootstrap_sums(rows, scores, **{**OPTIONS, "method": method})["dice"]
    assert found.low < found.value < found.high
    rows[1:] = [[5, 0], [0, 0]]  # one does: more than a third of the resamples lack it
    lone = bootstrap_sums(rows, scores, **{**OPTIONS, "method": method})["dice"]
    assert lone.low <= lone.value <= lone.high
    none = bootstrap_sums(rows[1:], scores, **{**OPTIONS, "method": method})["dice"]
    assert math.isnan(none.value)
    assert math.isnan(none.low)


def test_mostly_undefined_resamples_give_no_bounds() -> None:
    """A score that exists only when one item of 12 is drawn twice or more."""
    twice = lambda w: {"rare": np.where((w[:, 0] == 1) & (w.sum(-1) == 12) & (w.max(-1) <= 2), 1.0, np.nan)}  # noqa: E731
    found = bootstrap_weights(twice, n=12, **OPTIONS)["rare"]
    assert found.value == 1
    assert math.isnan(found.low)


def test_equal_units_have_an_interval_of_no_width() -> None:
    rows = np.tile([[[8, 2], [1, 9]]], (6, 1, 1))
    for method in ("percentile", "bca"):
        found = bootstrap_sums(rows, scores, **{**OPTIONS, "method": method})["accuracy"]
        assert (found.low, found.high) == pytest.approx((0.85, 0.85))


def test_the_seed_decides() -> None:
    one, same, other = (bootstrap_sums(images(20), scores, **{**OPTIONS, "seed": s}) for s in (1, 1, 2))
    assert one == same != other


def test_a_plain_number_is_called_value() -> None:
    found = bootstrap(["a", "b", "cc", "dddd"], lambda rows: float(np.mean([len(r) for r in rows])), **OPTIONS)
    assert found["value"].value == 2
    assert found["value"].low < 2 < found["value"].high


def test_areas_under_curves_resample_in_a_moment() -> None:
    random = np.random.default_rng(0)
    target = random.integers(0, 2, 300)
    score = random.random(300) + 0.4 * target
    start = time.process_time()
    found = bootstrap_weights(lambda w: {"auc": roc_auc(target, score, weights=w)}, n=300, **OPTIONS)["auc"]
    assert time.process_time() - start < 1
    # DeLong's standard error for this size is about 0.022
    assert 0.06 < found.high - found.low < 0.12


def test_two_thousand_resamples_of_confusion_matrices_take_milliseconds() -> None:
    rows = images(300)
    start = time.process_time()
    bootstrap_sums(rows, scores, **{**OPTIONS, "resamples": 2000})
    assert time.process_time() - start < 0.5


def test_groups_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 entries, but there are 3"):
        bootstrap(np.arange(3.0), np.mean, **{**OPTIONS, "groups": ["a", "b"]})


@given(st.integers(0, 200), st.integers(1, 200), st.sampled_from([0.9, 0.95, 0.99]))
def test_wilson_is_that_of_scipy(k: int, extra: int, level: float) -> None:
    n = k + extra
    found = wilson(k, n, level=level, unit="image")
    expected = scipy.stats.binomtest(k, n).proportion_ci(level, method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert found.n == n


def test_wilson_of_nothing_is_undefined() -> None:
    found = wilson(0, 0, level=0.95, unit="image")
    assert math.isnan(found.value)
    assert math.isnan(found.high)
    with pytest.raises(ValueError, match=r"k = 3 is not in 0\.\.2"):
        wilson(3, 2, level=0.95, unit="image")


@given(st.lists(st.integers(1, 40), min_size=1, max_size=3), st.integers(1, 40))
def test_blocks_tile_the_volume(shape: list[int], blocks: int) -> None:
    found = spatial_blocks(shape, blocks=blocks)
    seen = np.zeros(shape, int)
    for block in found:
        assert seen[block].size
        seen[block] += 1
    assert (seen == 1).all()
    assert len(found) >= min(blocks, math.prod(shape))


def test_blocks_are_as_cubic_as_can_be() -> None:
    sizes = [tuple(s.stop - s.start for s in block) for block in spatial_blocks((20, 100, 200), blocks=16)]
    assert max(max(s) for s in sizes) <= 51
    assert 16 <= len(sizes) < 32
