"""The difference of two independent scores."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from lamelle.metrics.intervals import difference, proportion
from lamelle.results.scores import Score


def of(k: int, n: int) -> Score:
    return Score(k / n, *proportion(k, n, level=0.95), n, "image", "mid-P", 0.95)


def test_of_two_proportions_with_wilsons_intervals_it_is_newcombes() -> None:
    """56 of 70 against 48 of 80, the first example of Newcombe (1998), Statistics in Medicine 17:873."""
    one, other = (
        Score(k / n, low, high, n, "image", "Wilson", 0.95)
        for k, n, low, high in ((56, 70, 0.69180, 0.87698), (48, 80, 0.49038, 0.70047))
    )
    found = difference(one, other)
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == (pytest.approx(0.0524, abs=2e-4), pytest.approx(0.3339, abs=2e-4))
    assert found.n == 70


@pytest.mark.parametrize(("p", "q"), [(0.8, 0.6), (0.95, 0.9), (0.5, 0.5)])
def test_it_covers(p: float, q: float) -> None:
    rng = np.random.default_rng(3)
    found = [
        difference(of(*a), of(*b))
        for a, b in (((rng.binomial(40, p), 40), (rng.binomial(25, q), 25)) for _ in range(400))
    ]
    covered = np.mean([one.low <= p - q <= one.high for one in found])
    assert 0.93 < covered < 0.995


def test_the_other_way_round_it_is_the_same_mirrored() -> None:
    one, other = difference(of(18, 20), of(30, 50)), difference(of(30, 50), of(18, 20))
    assert (one.value, one.low, one.high) == (
        pytest.approx(-other.value),
        pytest.approx(-other.high),
        pytest.approx(-other.low),
    )


@pytest.mark.parametrize("change", [{"low": math.nan, "high": math.nan, "reason": "few"}, {"level": 0.9}])
def test_what_cannot_be_told_has_no_bounds(change: dict[str, float]) -> None:
    one = Score(0.6, 0.5, 0.7, 20, "image", "", 0.95)
    assert difference(one, one).low == pytest.approx(-0.1414, abs=1e-4)
    for both in ((one, replace(one, **change)), (replace(one, **change), one)):
        found = difference(*both)
        assert found.value == 0
        assert found.reason
        assert math.isnan(found.low)
        assert math.isnan(found.high)
