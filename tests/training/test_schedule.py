"""The learning rate rises, falls, and ends where the budget ends."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamelle.training.schedule import progress, rate


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 200)), min_size=1, max_size=6))
def test_progress_never_falls_and_ends_at_one(pieces: list[tuple[int, int]]) -> None:
    knots, step = [(0, 100)], 0
    for length, left in pieces:
        step += length
        knots.append((step, step + left))
    done = [progress(s, knots) for s in range(step + 250)]
    assert done[0] == 0
    assert all(b >= a for a, b in pairwise(done))
    assert done[-1] == pytest.approx(1)


def test_rate() -> None:
    assert rate(0.0, schedule="cosine", warmup=0.1) < 0.01
    assert rate(0.1, schedule="cosine", warmup=0.1) == pytest.approx(1)
    assert rate(1.0, schedule="cosine", warmup=0.1) == pytest.approx(0)
    assert rate(0.9, schedule="constant", warmup=0.0) == 1
