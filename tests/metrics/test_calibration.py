"""Reliability, calibration error and temperatures against scikit-learn, torchmetrics and SciPy's optimiser."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from sklearn import calibration as oracle
from sklearn import metrics

from lamelle.metrics import calibration


def several(n: int = 400, k: int = 4, sure: float = 2.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Classes, and probabilities whose logits are ``sure`` times too large."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, k)) * 1.5
    honest = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    target = np.array([rng.choice(k, p=p) for p in honest])
    p = np.exp(sure * logits)
    return target, p / p.sum(1, keepdims=True)


def questions(n: int = 600, sure: float = 2.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """0 and 1, and probabilities of 1 whose logits are ``sure`` times too large."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=n) * 1.5
    return (rng.random(n) < 1 / (1 + np.exp(-logits))).astype(int), 1 / (1 + np.exp(-sure * logits))


def sums(target: np.ndarray, p: np.ndarray, bins: int) -> np.ndarray:
    return calibration.binned(*calibration.outcomes(target, p), bins=bins).sum(0)


def test_the_error_is_that_of_torchmetrics() -> None:
    import torch
    from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

    target, p = several()
    expected = multiclass_calibration_error(torch.tensor(p), torch.tensor(target), num_classes=4, n_bins=15)
    assert calibration.ece(sums(target, p, 15)) == pytest.approx(expected.item(), abs=1e-6)
    yes, chance = questions()
    expected = binary_calibration_error(torch.tensor(chance), torch.tensor(yes), n_bins=10)
    assert calibration.ece(sums(yes[:, None], chance[:, None], 10)) == pytest.approx(expected.item(), abs=1e-6)
    assert np.isnan(calibration.ece(sums(np.zeros(0, int), np.zeros((0, 3)), 10)))


def test_the_plot_is_that_of_scikit_learn() -> None:
    yes, chance = questions()
    accuracy, confidence = oracle.calibration_curve(yes, chance, n_bins=10)
    found = calibration.reliability(sums(yes[:, None], chance[:, None], 10))
    np.testing.assert_allclose(found.accuracy[found.count > 0], accuracy)
    np.testing.assert_allclose(found.confidence[found.count > 0], confidence)
    assert found.count.sum() == len(yes)
    empty = calibration.reliability(sums(np.array([[1]]), np.array([[0.95]]), 10))
    assert np.isnan(empty.accuracy[:9]).all()
    assert empty.accuracy[9] == 1


def test_the_temperature_of_classes_is_that_of_an_optimiser() -> None:
    target, p = several()

    def loss(t: float) -> float:
        hot = calibration.tempered(p, t, exclusive=True, axis=1).astype(float)
        return metrics.log_loss(target, hot / hot.sum(1, keepdims=True))

    found = calibration.exclusive_temperature(p, target)
    best = optimize.minimize_scalar(loss, bounds=(0.1, 10), method="bounded", options={"xatol": 1e-6})
    assert found == pytest.approx(best.x, rel=1e-3)
    assert found == pytest.approx(2.5, rel=0.2), "it undoes what was done"


def test_the_temperature_of_questions_is_that_of_an_optimiser_however_they_are_counted() -> None:
    yes, chance = questions(seed=1, sure=0.5)

    def loss(t: float) -> float:
        return metrics.log_loss(yes, calibration.tempered(chance, t, exclusive=False, axis=0).astype(float))

    found = calibration.yes_no_temperature(chance, yes, 1 - yes)
    best = optimize.minimize_scalar(loss, bounds=(0.1, 10), method="bounded", options={"xatol": 1e-6})
    assert found == pytest.approx(best.x, rel=1e-3)
    twice = calibration.yes_no_temperature(chance, 2 * yes, 2 * (1 - yes))
    assert twice == pytest.approx(found)
    both = np.stack([1 - chance, chance], axis=1)
    assert calibration.exclusive_temperature(both, yes) == pytest.approx(found, rel=1e-4), "two classes are a question"


def test_where_it_cannot_be_told_nothing_is_changed() -> None:
    right = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert calibration.exclusive_temperature(right, np.array([0, 1])) == 1
    assert calibration.exclusive_temperature(np.zeros((0, 2)), np.zeros(0, int)) == 1
    assert calibration.exclusive_temperature(np.full((4, 2), 0.5), np.array([0, 1, 1, 1])) == 1
    assert calibration.yes_no_temperature(np.array([0.9, 0.1]), np.array([1, 0]), np.array([0, 1])) == 1
    assert calibration.yes_no_temperature(np.zeros(0), np.zeros(0), np.zeros(0)) == 1
    wrong = np.array([1, 0])
    assert calibration.exclusive_temperature(right, wrong) == calibration.HOTTEST, "worse than guessing"
    one = np.array([0.6, 0.4], np.float32)
    assert calibration.tempered(one, 1.0, exclusive=True, axis=0) is one


@settings(max_examples=60, deadline=None)
@given(st.floats(0.1, 10), st.integers(0, 99), st.booleans())
def test_a_temperature_keeps_the_order_and_can_be_undone(t: float, seed: int, exclusive: bool) -> None:
    p = several(20, 5, seed=seed)[1].astype(np.float32)
    hot = calibration.tempered(p, t, exclusive=exclusive, axis=1)
    assert hot.dtype == np.float32
    assert (hot.argmax(1) == p.argmax(1)).all()
    assert ((hot >= 0) & (hot <= 1)).all()
    if exclusive:
        np.testing.assert_allclose(hot.sum(1), 1, atol=1e-5)
        along = calibration.tempered(p.T, t, exclusive=True, axis=0).T
        np.testing.assert_allclose(along, hot, atol=1e-6)
    if t >= 0.5:
        np.testing.assert_allclose(calibration.tempered(hot, 1 / t, exclusive=exclusive, axis=1), p, atol=2e-3)


def test_sure_and_impossible_answers_stay_finite() -> None:
    p = np.array([[1.0, 0.0, 0.0]])
    for exclusive in (True, False):
        for t in (0.1, 10.0):
            assert np.isfinite(calibration.tempered(p, t, exclusive=exclusive, axis=1)).all()
    assert np.isfinite(calibration.exclusive_temperature(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1])))
