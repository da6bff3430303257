"""Intervals cover the true value where it is known, at a fair width; percentiles, held to the same, fail."""

from __future__ import annotations

import numpy as np
import pytest
from slow.coverage_grid import CELLS, DRAWS, LEVEL, SETS, Answering, Measuring, measure

from lamelle.metrics.differences import exchange
from lamelle.metrics.intervals import IntervalOptions, Units

pytestmark = pytest.mark.slow
LEAST = 0.92
"""0.93 less one standard error of 600 sets."""


def test_printed_intervals_cover_at_a_fair_width() -> None:
    found = [(cell, name, one) for cell in CELLS for name, one in measure(cell).items()]
    printed = {(cell.kind, cell.n) for cell, *_ in found}
    assert printed == {(cell.kind, cell.n) for cell in CELLS}, "a situation without any interval shows nothing"
    assert not [(cell, name, one) for cell, name, one in found if one.covers < LEAST]
    assert np.mean([one.covers >= 0.94 for *_, one in found]) >= 0.9
    for kind, most in ((Answering, 1.3), (Measuring, 3.5)):
        wider = [
            one.width / one.control_width
            for cell, _, one in found
            if isinstance(cell, kind) and one.control_covers >= 0.93 and one.control_width > 0
        ]
        assert wider, "nowhere does the percentile bootstrap cover: there is nothing to compare with"
        assert np.median(wider) <= most, kind
    assert np.mean([one.control_covers < LEAST for *_, one in found]) > 0.5, "the control would have been let through"


@pytest.fixture(scope="module")
def called() -> dict[tuple[int, bool], float]:
    """How often two equally good models are called different, by number of units and whether they are groups."""
    return {(n, groups): called_different(n, groups) for n in (12, 20, 50, 100) for groups in (False, True)}


def called_different(n: int, groups: bool) -> float:
    found = []
    for seed in range(SETS):
        random = np.random.default_rng([11, seed])
        group = np.repeat(np.arange(n), random.integers(1, 6, n)) if groups else np.arange(n)
        hard = random.normal(size=len(group)) + (random.normal(size=n)[group] if groups else 0)
        a, b = ((hard + random.normal(size=len(group)) < 1.5).astype(float) for _ in range(2))
        table = np.concatenate([a, b])

        def both(of_a: np.ndarray, of_b: np.ndarray, table: np.ndarray = table) -> tuple[np.ndarray, np.ndarray]:
            return (of_a @ table / of_a.sum(1))[:, None], (of_b @ table / of_b.sum(1))[:, None]

        units = Units.of(len(group), group.tolist(), "group")
        options = IntervalOptions(LEVEL, DRAWS, seed)
        found.append(exchange(both, a.mean() - b.mean(), units=units, options=options) < 0.05)
    return float(np.mean(found))


def test_equal_models_are_seldom_called_different(called: dict[tuple[int, bool], float]) -> None:
    assert max(called.values()) <= 0.075, called
    assert np.mean(list(called.values())) <= 0.055, called
