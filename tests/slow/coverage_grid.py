"""Made test sets whose true scores are known: how often intervals hold them, and how wide they are.

    python tests/slow/coverage_grid.py         # the table by kind and number of units, in some minutes

Beside each interval stands that of an expanded percentile bootstrap (units drawn with replacement), as the control.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from lamelle.metrics import ranking, regions
from lamelle.metrics.areas import Areas
from lamelle.metrics.class_intervals import Answers, class_intervals
from lamelle.metrics.counts import ratio
from lamelle.metrics.intervals import IntervalOptions, Units
from lamelle.metrics.measured_intervals import best_and_worst, measured_intervals

SETS, DRAWS, LEVEL = 600, 600, 0.95
TWO, RARE, FOUR = (0.5, 0.5), (0.95, 0.05), (0.5, 0.25, 0.15, 0.1)
OVERALL = ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "mcc")


@dataclass(frozen=True)
class Answering:
    """A classifier: number of images (or groups of 1 to 12), shares of the classes, accuracy, likeness in a group."""

    kind: str
    n: int
    shares: tuple[float, ...]
    right: float
    likeness: float | None = None


@dataclass(frozen=True)
class Measuring:
    """A score measured on each of n images, or on each of those of n groups: Dice, or the AP of objects."""

    kind: str
    n: int
    draw: Callable[[int, np.random.Generator], tuple[np.ndarray, np.ndarray]]
    """From a number of units to the parts of a ratio [N, 2] and the unit of each row [N]."""


@dataclass(frozen=True)
class Coverage:
    """Of one score in one cell: sets that printed an interval, coverage, median width; the last two of the control."""

    printed: int
    covers: float
    width: float
    control_covers: float
    control_width: float


Bounds = dict[str, tuple[float, float]]


# ---- classifiers


def answers(cell: Answering, n: int, random: np.random.Generator) -> tuple[Answers, np.ndarray]:
    """Truth and answers of n units, and the unit of each row."""
    grouped = cell.likeness is not None
    sizes = random.integers(1, 13, n) if grouped else np.ones(n, int)
    group = np.repeat(np.arange(n), sizes)
    alike = cell.likeness or 0.0
    latent = math.sqrt(alike) * random.normal(size=n)[group] + math.sqrt(1 - alike) * random.normal(size=len(group))
    k = len(cell.shares)
    truth = random.choice(k, len(group), p=cell.shares)
    other = (truth + random.integers(1, k, len(group))) % k
    said = np.where(latent < ndtri(cell.right), truth, other)
    sure = ndtr(np.abs(ndtri(cell.right) - latent))
    p = np.repeat(((1 - sure) / k)[:, None], k, axis=1)
    p[np.arange(len(group)), said] += sure
    return Answers(truth, said, p / p.sum(1, keepdims=True), tuple(str(c) for c in range(k))), group


def matrix_scores(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """Every score of confusion matrices [R, K, K]; of single classes only the last, the rarest."""
    found = {name: getattr(regions, name)(matrix) for name in OVERALL}
    each = {"recall": regions.recall, "specificity": regions.specificity, "precision": regions.precision}
    each["f1"] = regions.dice
    last = matrix.shape[-1] - 1
    return found | {f"{name}/{last}": score(matrix)[..., last] for name, score in each.items()}


def true_scores(cell: Answering) -> dict[str, float]:
    """Scores of far more images than any of the sets."""
    made, _ = answers(cell, 300_000 if cell.likeness is None else 60_000, np.random.default_rng(99))
    k = len(cell.shares)
    matrix = np.bincount(made.truth * k + made.chosen, minlength=k * k).reshape(1, k, k)
    known = {name: float(value[0]) for name, value in matrix_scores(matrix).items()}
    roc, pr = (one(made.truth, made.probabilities) for one in (ranking.roc_auc_each, ranking.pr_auc_each))
    means = {"roc_auc": float(np.mean(roc)), "pr_auc": float(np.mean(pr))}
    return known | means | {f"roc_auc/{k - 1}": float(roc[-1]), f"pr_auc/{k - 1}": float(pr[-1])}


def answering_sets(cell: Answering) -> Iterator[tuple[Bounds, Bounds]]:
    """Intervals of each set, and the control's. A set that lacks a class has other macro scores, and is passed over."""
    for seed in range(SETS):
        made, group = answers(cell, cell.n, np.random.default_rng([7, seed]))
        if len(np.unique(made.truth)) < len(cell.shares):
            continue
        units = Units.of(len(group), None if cell.likeness is None else group.tolist(), "image")
        found = class_intervals(made, units=units, options=IntervalOptions(LEVEL, DRAWS, seed))
        yield {name: (one.low, one.high) for name, one in found.items()}, control_of_answers(made, group, seed)


def control_of_answers(made: Answers, group: np.ndarray, seed: int) -> Bounds:
    k, n = len(made.classes), int(group[-1]) + 1
    matrices = np.zeros((n, k * k))
    np.add.at(matrices, (group, made.truth * k + made.chosen), 1.0)
    weights = drawn_with_replacement(n, seed)
    scores = matrix_scores((weights @ matrices).reshape(-1, k, k))
    values = matrix_scores(matrices.sum(0).reshape(1, k, k))
    sums = [Areas(made.hot[:, c], made.probabilities[:, c]) for c in range(k)]
    rows, once = weights[:, group].T, np.ones((len(group), 1))
    for kind in ("roc", "pr"):
        each = np.stack([getattr(area, kind)(area.sums(rows)) for area in sums], -1)
        value = np.stack([getattr(area, kind)(area.sums(once)) for area in sums], -1)
        scores |= {f"{kind}_auc": ranking.macro(each), f"{kind}_auc/{k - 1}": each[:, -1]}
        values |= {f"{kind}_auc": ranking.macro(value), f"{kind}_auc/{k - 1}": value[:, -1]}
    return {name: expanded(scores[name], float(values[name][0]), n) for name in scores}


# ---- measurements


def high(n: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return _whole(1 - random.beta(2, 30, n)), np.arange(n)


def fails(n: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One image in fifty is missed."""
    dice = np.where(random.random(n) < 0.02, random.uniform(0, 0.3, n), 1 - random.beta(2, 30, n))
    return _whole(dice), np.arange(n)


def in_groups(n: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Groups of 1 to 12 images that differ from one another more than their images do."""
    group = np.repeat(np.arange(n), random.integers(1, 13, n))
    lost = random.beta(2, 18, n)[group] + random.normal(0, 0.02, len(group))
    return _whole(np.clip(1 - lost, 0, 1)), group


def objects(n: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """AP at one threshold: objects found, of those found, made up or missed; some images are harder, some crowded."""
    there = 1 + random.negative_binomial(2, 0.1, n)
    found = random.binomial(there, random.beta(12, 2, n))
    return np.stack([found, there + random.poisson(0.08 * there)], 1).astype(float), np.arange(n)


def _whole(dice: np.ndarray) -> np.ndarray:
    return np.stack([dice, np.ones(len(dice))], 1)


def measuring_sets(cell: Measuring) -> Iterator[tuple[Bounds, Bounds]]:
    """Intervals of each set, and the control's."""
    for seed in range(SETS):
        parts, group = cell.draw(cell.n, np.random.default_rng([5, seed]))

        def score(weights: np.ndarray, parts: np.ndarray = parts) -> np.ndarray:
            sums = weights @ parts
            return ratio(sums[:, 0], sums[:, 1])

        units = Units.of(len(group), group.tolist() if len(group) > cell.n else None, "image")
        options = IntervalOptions(LEVEL, DRAWS, seed)
        found = measured_intervals(lambda w, s=score: {"dice": s(w)}, units=units, options=options, ends=best_and_worst)
        drawn = score(drawn_with_replacement(cell.n, seed)[:, group])
        control = expanded(drawn, float(score(np.ones((1, len(group))))[0]), cell.n)
        yield {"dice": (found["dice"].low, found["dice"].high)}, {"dice": control}


# ---- both


def drawn_with_replacement(n: int, seed: int) -> np.ndarray:
    """How often each unit is drawn [R, n]."""
    return np.random.default_rng([3, seed]).multinomial(n, np.full(n, 1 / n), DRAWS).astype(float)


def expanded(drawn: np.ndarray, value: float, n: int) -> tuple[float, float]:
    """Percentiles, widened as a t-interval is. Hesterberg (2015), doi:10.1080/00031305.2015.1089789."""
    kept = drawn[~np.isnan(drawn)]
    if math.isnan(value) or 2 * len(kept) <= len(drawn):
        return math.nan, math.nan
    share = ndtr(-math.sqrt(n / (n - 1)) * stdtrit(n - 1, (1 + LEVEL) / 2))
    low, high = np.quantile(kept, (share, 1 - share))
    return float(low), float(high)


def measure(cell: Answering | Measuring) -> dict[str, Coverage]:
    """Coverage and width of each score of a cell that at least half of the sets printed.

    Raises:
        AssertionError: If an interval that is printed has no width.
    """
    if isinstance(cell, Answering):
        known, sets = true_scores(cell), answering_sets(cell)
    else:
        parts, _ = cell.draw(1_000_000, np.random.default_rng(99))
        known, sets = {"dice": float(parts[:, 0].sum() / parts[:, 1].sum())}, measuring_sets(cell)
    kept: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in known}
    for found, control in sets:
        for name in known:
            low, high = found[name]
            if not math.isnan(low):
                assert low < high, (cell, name, low)
                kept[name].append((low, high, *control[name]))
    made = {}
    for name, rows in kept.items():
        if len(rows) >= SETS // 2:
            low, high, other_low, other_high = np.array(rows).T
            there = ~np.isnan(other_low)
            made[name] = Coverage(
                len(rows),
                float(np.mean((low <= known[name]) & (known[name] <= high))),
                float(np.median(high - low)),
                float(np.mean(((other_low <= known[name]) & (known[name] <= other_high))[there])),
                float(np.median((other_high - other_low)[there])),
            )
    return made


CELLS: tuple[Answering | Measuring, ...] = (
    *(Answering("images", n, TWO, right) for n in (5, 20, 50, 100) for right in (0.5, 0.9, 0.98)),
    *(Answering("5 % positive", n, RARE, 0.9) for n in (20, 50, 100)),
    *(Answering("4 classes", n, FOUR, 0.85) for n in (20, 50, 100)),
    *(Answering("groups", n, TWO, 0.9, alike) for n in (10, 20, 50, 100) for alike in (0.08, 0.69)),
    *(Measuring("Dice", n, high) for n in (5, 20, 50, 100)),
    *(Measuring("Dice, 2 % fail", n, fails) for n in (10, 20, 50, 100)),
    *(Measuring("Dice of groups", n, in_groups) for n in (10, 20, 50)),
    *(Measuring("AP of objects", n, objects) for n in (10, 20, 50)),
)


def main() -> None:
    print("kind | score | units | interval covers, median width | percentiles cover, median width")
    for cell in CELLS:
        label = f"{cell.kind}" + (f" {cell.right:g}" if isinstance(cell, Answering) else "")
        label += f", alike {cell.likeness:g}" if isinstance(cell, Answering) and cell.likeness is not None else ""
        for name, one in measure(cell).items():
            new, old = f"{one.covers:.3f} {one.width:.3f}", f"{one.control_covers:.3f} {one.control_width:.3f}"
            print(f"{label} | {name} | {cell.n} | {new} | {old}", flush=True)


if __name__ == "__main__":
    main()
