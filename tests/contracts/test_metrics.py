"""What holds for every row of the tables of statistics and metrics."""

from __future__ import annotations

import json
import math
import re
import tomllib
from importlib.resources import files
from typing import Any

import numpy as np
import pytest

from lamelle.io.atomic import plain
from lamelle.metrics.metric import VIEWS, Columns, Metric
from lamelle.metrics.names import less_is_better, limits, meaning_of, metric_of, name_of, of_images, place_of
from lamelle.metrics.pairs import ClassPair, PixelPair
from lamelle.metrics.scoring import scores
from lamelle.metrics.statistics import STATISTICS, derived, measured
from lamelle.metrics.table import METRICS
from lamelle.types import IGNORE

CLASSES = ("background", "cell", "wall")
SEEN = ("classes", "several", "labels", "objects")
"""Views, and items that may have several classes."""
rows = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)


def pair(kind: str, seed: int, noise: float) -> ClassPair | PixelPair:
    """An item whose answer is perfect without noise, and worse the more there is."""
    rng = np.random.default_rng([seed, len(kind)])
    if kind == "several":
        truth = (rng.random(3) < 0.5).astype(np.int64)
        truth[seed % 3] = seed // 3 % 2
        p = np.clip(truth * (1 - noise) + noise * rng.random(3), 0, 1)
        return ClassPair(truth, (p >= 0.5).astype(np.int64), p, 1.5)
    if kind == "classes":
        truth = np.asarray(seed % 3)
        p = np.eye(3)[seed % 3] * (1 - noise) + noise * rng.dirichlet(np.ones(3))
        return ClassPair(truth, np.asarray(p.argmax()), p, 1.5)
    truth = np.zeros((24, 22), np.int64)
    truth[2:10, 3:10], truth[14:20, 4:10], truth[4:18, 15:20], truth[:, 12] = 1, 2, 1, 1
    moved = np.roll(truth, round(4 * noise * rng.random() + 2 * noise), axis=1)
    swapped = rng.random(truth.shape) < 0.3 * noise
    labels = np.where(swapped, rng.integers(0, 3, truth.shape), moved)
    truth[:, -1] = IGNORE
    if kind == "objects":
        numbers = np.where(truth > 0, 1 + (np.arange(22) > 12) + 2 * (np.arange(24)[:, None] > 11), 0)
        predicted = np.where(
            labels > 0, 1 + (np.arange(22) > 12 + round(4 * noise)) + 2 * (np.arange(24)[:, None] > 11), 0
        )
        known = (np.where(truth == IGNORE, 0, a) for a in (numbers, predicted))
        truth, labels = np.minimum(truth, 1), (predicted > 0).astype(np.int64)
        return PixelPair(truth, labels, 2, **dict(zip(("numbers", "predicted_numbers"), known, strict=True)))
    hot = (labels[None] == np.arange(3)[:, None, None]).astype(np.float64)
    p = hot * (1 - noise) + noise / 3
    return PixelPair(
        truth, labels, 3, probabilities=p, uncalibrated=p, spacing=(0.5, 0.5), cells=labels == 0
    )  # fmt: skip


def columns(kind: str, *, noise: float, n: int = 9) -> Columns:
    names = [s.name for s in STATISTICS.values() if s.measure is not None and view_of(kind) in s.of]
    if view_of(kind) == "classes":
        names = [name for name in names if STATISTICS[name].listed]
    items = [measured(names, pair(kind, seed, noise)) for seed in range(n)]
    items = json.loads(json.dumps(plain(items)))
    made = {name: np.array([one[name] for one in items], np.float64) for name in items[0]}
    return derived(made, classes=3) if view_of(kind) == "classes" else made


def view_of(kind: str) -> str:
    return "classes" if kind == "several" else kind


def given(kind: str, known: Columns, weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
    once = np.ones((1, len(next(iter(known.values())))))
    classes = () if kind == "objects" else CLASSES
    return scores(known, once if weights is None else weights, view=view_of(kind), classes=classes)


def kinds(metric: Metric, made: dict[str, dict[str, Any]]) -> list[str]:
    """Where a metric is given."""
    return [kind for kind in SEEN if any(metric_of(name)[0] is metric for name in made[kind])]


PERFECT, NOISY, WORSE = ({kind: given(kind, columns(kind, noise=x)) for kind in SEEN} for x in (0.0, 0.5, 1.0))


@rows
def test_a_row_says_all_that_pages_show(metric: Metric) -> None:
    assert metric.label
    assert metric.about.endswith(".")
    assert len(metric.about) > 30
    assert set(metric.views) <= set(VIEWS)
    assert set(metric.statistics) <= set(STATISTICS)
    assert re.fullmatch(r"[a-z][a-z0-9_]*", metric.name)
    assert not metric.reference or re.search(r"\(\d{4}\)", metric.reference)
    low, high = metric.bounds
    assert low < high
    assert math.isfinite(low)


@rows
def test_a_row_is_translated(metric: Metric, monkeypatch: pytest.MonkeyPatch) -> None:
    english = name_of(metric.name), meaning_of(metric.name)
    assert english == (metric.label, metric.about)
    monkeypatch.setenv("LAMELLE_LANG", "fr")
    assert meaning_of(metric.name) != metric.about
    french = tomllib.loads((files("lamelle.messages") / "fr" / "metrics.toml").read_text(encoding="utf-8"))
    assert {metric.name, f"{metric.name}_about"} <= french.keys()
    assert {key.removesuffix("_about") for key in french} <= METRICS.keys(), "a row that is gone"


@rows
def test_a_perfect_answer_has_the_best_value(metric: Metric) -> None:
    where = kinds(metric, PERFECT)
    assert where, "no view of the table gives it"
    best = metric.bounds[metric.better == "high"]
    for kind in where:
        for name, value in PERFECT[kind].items():
            if metric_of(name)[0] is metric and not np.isnan(value):
                # of temperatures the probabilities before them are not certain any more
                near = 0.2 if metric.of == "uncalibrated" else 1e-5
                assert value[0] == pytest.approx(best, abs=near), (kind, name)


@rows
def test_values_keep_to_their_bounds(metric: Metric) -> None:
    low, high = metric.bounds
    for made in (NOISY, WORSE):
        for kind in kinds(metric, made):
            values = np.array([v for name, v in made[kind].items() if metric_of(name)[0] is metric])
            known = values[~np.isnan(values)]
            assert ((known >= low - 1e-12) & (known <= high + 1e-12)).all()


@rows
def test_a_worse_answer_is_not_better(metric: Metric) -> None:
    sign = -1 if less_is_better(metric.name) else 1
    assert (sign == 1) == (metric.better == "high")
    for kind in kinds(metric, PERFECT):
        for name in (n for n in PERFECT[kind] if metric_of(n)[0] is metric and "/" not in n):
            perfect, noisy, worse = (float(made[kind][name][0]) for made in (PERFECT, NOISY, WORSE))
            assert not math.isnan(perfect), (kind, name)
            for other in (noisy, worse):  # what is not defined is not better either
                assert metric.of == "uncalibrated" or not sign * other > sign * perfect + 1e-12, (kind, name)


@pytest.mark.parametrize("kind", SEEN)
def test_an_item_that_counts_twice_is_an_item_more(kind: str) -> None:
    known = columns(kind, noise=0.5)
    weights = np.array([[2.0, 0, 1, 3, 1, 0, 1, 2, 1]])
    repeated = {name: np.repeat(column, weights[0].astype(int), axis=0) for name, column in known.items()}
    once, again = given(kind, known, weights), given(kind, repeated)
    assert once.keys() == again.keys()
    for name, value in once.items():
        np.testing.assert_allclose(value, again[name], rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("kind", SEEN)
def test_resamples_are_scored_one_by_one(kind: str) -> None:
    known = columns(kind, noise=0.5)
    weights = np.random.default_rng(0).standard_exponential((5, 9))
    together = given(kind, known, weights)
    for b in range(5):
        for name, value in given(kind, known, weights[b : b + 1]).items():
            np.testing.assert_allclose(together[name][b], value[0], rtol=1e-12, err_msg=name)


def test_every_statistic_is_used_or_listed() -> None:
    used = {name for m in METRICS.values() for name in (*m.statistics, m.each_of)}
    assert [s.name for s in STATISTICS.values() if s.name not in used and not s.listed] == []
    assert all((s.measure is None) != (s.derive is None) or not s.listed for s in STATISTICS.values())
    assert all(s.measure or s.derive for s in STATISTICS.values())


def test_names_are_known_by_their_rows() -> None:
    every = {name for kind in SEEN for name in PERFECT[kind]}
    assert all(metric_of(name)[0] is not None for name in every)
    assert {name for name in every if of_images(name)} >= {"image_dice/cell", "hd95", "nsd/wall"}
    assert sorted(["mine", "iou", "image_dice", "dice"], key=place_of) == ["dice", "image_dice", "iou", "mine"]
    assert limits("mine") == (0.0, 1.0)
    assert name_of("image_dice/cell") == "Dice, mean over images (cell)"
