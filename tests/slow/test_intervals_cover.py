"""Intervals cover the true value where it is known: made test sets, far more images than any of them for the truth.

A control holds the percentile bootstrap to the same demand, and has to fail it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from lamelle.metrics import ranking, regions
from lamelle.metrics.class_intervals import Answers, class_intervals
from lamelle.metrics.differences import exchange
from lamelle.metrics.intervals import IntervalOptions, Units
from lamelle.metrics.measured_intervals import best_and_worst, measured_intervals

pytestmark = pytest.mark.slow
SETS, DRAWS = 400, 600
LEAST, MOST_OF_ALL = 0.92, 0.94


@dataclass(frozen=True)
class Cell:
    """Images (or groups of 1 to 12 of them), shares of the classes, accuracy, likeness within a group."""

    n: int
    shares: tuple[float, ...]
    right: float
    grouped: bool = False
    likeness: float = 0.0


TWO, RARE, FOUR = (0.5, 0.5), (0.95, 0.05), (0.5, 0.25, 0.15, 0.1)
CELLS = [
    *(Cell(n, TWO, right) for n in (10, 20, 50, 100) for right in (0.5, 0.9, 0.98)),
    *(Cell(n, RARE, 0.9) for n in (50, 100)),
    *(Cell(n, FOUR, right) for n in (20, 50, 100) for right in (0.8, 0.95)),
    *(Cell(n, TWO, right, True, like) for n in (10, 20, 50) for right in (0.8, 0.95) for like in (0.08, 0.69)),
]


def images(cell: Cell, n: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Truth, answers, probabilities and groups."""
    sizes = random.integers(1, 13, n) if cell.grouped else np.ones(n, int)
    group = np.repeat(np.arange(n), sizes)
    latent = np.sqrt(cell.likeness) * random.normal(size=n)[group]
    latent += np.sqrt(1 - cell.likeness) * random.normal(size=len(group))
    truth = random.choice(len(cell.shares), len(group), p=cell.shares)
    other = (truth + random.integers(1, len(cell.shares), len(group))) % len(cell.shares)
    said = np.where(latent < ndtri(cell.right), truth, other)
    sure = ndtr(np.abs(ndtri(cell.right) - latent))
    p = np.repeat(((1 - sure) / len(cell.shares))[:, None], len(cell.shares), axis=1)
    p[np.arange(len(group)), said] += sure
    return truth, said, p / p.sum(1, keepdims=True), group


def truth_of(cell: Cell) -> dict[str, float]:
    truth, said, p, _ = images(cell, 40_000 if cell.grouped else 300_000, np.random.default_rng(99))
    matrix = np.zeros((len(cell.shares),) * 2)
    np.add.at(matrix, (truth, said), 1)
    found = {n: float(getattr(regions, n)(matrix)) for n in ("accuracy", "balanced_accuracy", "macro_f1", "mcc")}
    each = {"recall": regions.recall(matrix), "specificity": regions.specificity(matrix), "f1": regions.dice(matrix)}
    each["roc_auc"] = ranking.roc_auc_each(truth, p)
    last = len(cell.shares) - 1
    return found | {f"{name}/{last}": float(values[last]) for name, values in each.items()}


def percentile(cell: Cell, seed: int) -> tuple[float, float]:
    """The control: accuracy by drawing whole units with replacement."""
    truth, said, _, group = images(cell, cell.n, np.random.default_rng([7, seed]))
    random, right = np.random.default_rng(seed), (truth == said).astype(float)
    sums, sizes = np.bincount(group, right), np.bincount(group)
    drawn = random.integers(0, len(sizes), (DRAWS, len(sizes)))
    return tuple(np.quantile(sums[drawn].sum(1) / sizes[drawn].sum(1), (0.025, 0.975)))


def test_scores_of_a_classification_cover() -> None:
    covered: dict[tuple[Cell, str], float] = {}
    control = []
    for cell in CELLS:
        known, hits, flat = truth_of(cell), dict[str, list[bool]](), []
        for seed in range(SETS):
            truth, said, p, group = images(cell, cell.n, np.random.default_rng([7, seed]))
            if len(np.unique(truth)) < len(cell.shares):
                continue  # macro scores are those of the classes that are there: another truth
            classes = tuple(str(k) for k in range(len(cell.shares)))
            units = Units.of(len(truth), group.tolist() if cell.grouped else None, "image")
            options = IntervalOptions(0.95, DRAWS, seed)
            for name, one in class_intervals(Answers(truth, said, p, classes), units=units, options=options).items():
                if name in known and not np.isnan(one.low):
                    assert one.low < one.high
                    hits.setdefault(name, []).append(one.low <= known[name] <= one.high)
            low, high = percentile(cell, seed)
            flat.append(low <= known["accuracy"] <= high)
        covered |= {(cell, name): float(np.mean(h)) for name, h in hits.items() if len(h) >= SETS // 2}
        control.append(float(np.mean(flat)))
    low = {key: value for key, value in covered.items() if value < LEAST - 0.012}  # one standard error of 400 sets
    assert not low
    assert np.mean([value >= MOST_OF_ALL for value in covered.values()]) >= 0.85
    assert min(control) < 0.7, "the control would have been let through"


def high(n: int, random: np.random.Generator) -> np.ndarray:
    return 1 - random.beta(2, 30, n)


def fails(n: int, random: np.random.Generator) -> np.ndarray:
    """One image in fifty is missed."""
    return np.where(random.random(n) < 0.02, random.uniform(0, 0.3, n), high(n, random))


@pytest.mark.parametrize("draw", [high, fails])
@pytest.mark.parametrize("n", [6, 12, 30, 100])
def test_a_mean_dice_covers_though_rare_failures_were_not_seen(
    draw: Callable[[int, np.random.Generator], np.ndarray], n: int
) -> None:
    true, inside = float(draw(1_000_000, np.random.default_rng(99)).mean()), []
    for seed in range(SETS):
        dice = draw(n, np.random.default_rng([5, seed]))
        found = measured_intervals(
            lambda w, dice=dice: {"dice": w @ dice / w.sum(1)},
            units=Units.of(n, None, "image"),
            options=IntervalOptions(0.95, DRAWS, seed),
            ends=best_and_worst,
        )["dice"]
        inside.append(found.low <= true <= found.high)
    assert np.mean(inside) >= LEAST


@pytest.mark.parametrize("n", [12, 20, 50, 100])
@pytest.mark.parametrize("groups", [False, True])
def test_equal_models_are_seldom_called_different(n: int, groups: bool) -> None:
    called = []
    for seed in range(SETS):
        random = np.random.default_rng([11, seed])
        group = np.repeat(np.arange(n), random.integers(1, 6, n)) if groups else np.arange(n)
        hard = random.normal(size=len(group)) + (random.normal(size=n)[group] if groups else 0)
        a, b = ((hard + random.normal(size=len(group)) < 1.5).astype(float) for _ in range(2))
        table = np.concatenate([a, b])

        def both(of_a: np.ndarray, of_b: np.ndarray, table: np.ndarray = table) -> tuple[np.ndarray, np.ndarray]:
            return (of_a @ table / of_a.sum(1))[:, None], (of_b @ table / of_b.sum(1))[:, None]

        units = Units.of(len(group), group.tolist(), "group")
        value = a.mean() - b.mean()
        called.append(exchange(both, value, units=units, options=IntervalOptions(0.95, DRAWS, seed)) < 0.05)
    assert np.mean(called) <= 0.075
