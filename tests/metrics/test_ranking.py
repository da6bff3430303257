"""Areas, Brier score and calibration error against scikit-learn and torchmetrics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from lamelle.metrics import ranking


def binary(n: int = 400, ties: bool = True) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    target = (random.random(n) < 0.3).astype(int)
    score = random.random(n) * 0.7 + 0.3 * target
    return target, score.round(1) if ties else score


def several(n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    target = random.choice(4, n, p=[0.4, 0.3, 0.2, 0.1])
    logits = random.normal(size=(n, 4)) + 1.5 * np.eye(4)[target]
    return target, np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


@pytest.mark.parametrize("ties", [False, True])
def test_areas_are_those_of_scikit_learn(ties: bool) -> None:
    target, score = binary(ties=ties)
    assert ranking.roc_auc(target, score) == pytest.approx(oracle.roc_auc_score(target, score), abs=1e-12)
    assert ranking.pr_auc(target, score) == pytest.approx(oracle.average_precision_score(target, score), abs=1e-12)


def test_areas_of_each_class_are_those_of_scikit_learn() -> None:
    target, chance = several()
    found = ranking.macro(ranking.roc_auc_each(target, chance))
    assert found == pytest.approx(oracle.roc_auc_score(target, chance, multi_class="ovr", average="macro"))
    expected = oracle.average_precision_score(np.eye(4, dtype=int)[target], chance, average=None)
    np.testing.assert_allclose(ranking.pr_auc_each(target, chance), expected)


def test_multi_hot_targets_are_taken_as_they_are() -> None:
    random = np.random.default_rng(2)
    hot, chance = random.integers(0, 2, (100, 3)), random.random((100, 3))
    np.testing.assert_allclose(ranking.roc_auc_each(hot, chance), oracle.roc_auc_score(hot, chance, average=None))


@given(st.lists(st.integers(0, 3), min_size=30, max_size=30), st.integers(0, 99))
def test_weights_are_repetitions(times: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    target, score = random.integers(0, 2, 30), random.integers(0, 8, 30) / 8
    weights = np.array([times, np.ones(30, int)])
    for area in (ranking.roc_auc, ranking.pr_auc):
        found = area(target, score, weights=weights)
        repeated = area(np.repeat(target, times), np.repeat(score, times))
        np.testing.assert_allclose(found, [repeated, area(target, score)])


def test_one_truth_alone_is_undefined() -> None:
    score = np.array([0.2, 0.8])
    assert np.isnan(ranking.roc_auc(np.array([1, 1]), score))
    assert np.isnan(ranking.roc_auc(np.array([0, 0]), score))
    assert np.isnan(ranking.pr_auc(np.array([0, 0]), score))
    assert np.isnan(ranking.roc_auc(np.array([], int), np.array([])))
    assert np.isnan(ranking.pr_auc(np.array([], int), np.array([])))
    assert np.isnan(ranking.macro(np.array([np.nan])))


def test_what_is_no_binary_target_is_refused() -> None:
    with pytest.raises(ValueError, match="other than 0 and 1"):
        ranking.roc_auc(np.array([0, 2]), np.array([0.1, 0.2]))
    with pytest.raises(ValueError, match="NaN"):
        ranking.roc_auc(np.array([0, 1]), np.array([0.1, np.nan]))
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        ranking.roc_auc(np.array([0, 1]), np.array([0.1, 0.2, 0.3]))


def test_brier_is_that_of_scikit_learn() -> None:
    target, score = binary()
    assert ranking.brier(target, score) == pytest.approx(oracle.brier_score_loss(target, score))
    classes, chance = several()
    expected = ((chance - np.eye(4)[classes]) ** 2).sum(1).mean()
    assert ranking.brier(classes, chance) == pytest.approx(expected)
    assert math.isnan(ranking.brier(np.array([], int), np.array([])))
