"""Scores of confusion matrices against scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from lamelle.metrics import regions
from lamelle.metrics.counts import confusion

oracle: Any = metrics
EACH = {
    "dice": lambda t, p: oracle.f1_score(t, p, average=None),
    "iou": lambda t, p: oracle.jaccard_score(t, p, average=None),
    "precision": lambda t, p: oracle.precision_score(t, p, average=None),
    "recall": lambda t, p: oracle.recall_score(t, p, average=None),
    "specificity": lambda t, p: [oracle.recall_score(t != k, p != k) for k in range(4)],
    "accuracy": oracle.accuracy_score,
    "balanced_accuracy": oracle.balanced_accuracy_score,
    "macro_precision": lambda t, p: oracle.precision_score(t, p, average="macro"),
    "weighted_precision": lambda t, p: oracle.precision_score(t, p, average="weighted"),
    "macro_f1": lambda t, p: oracle.f1_score(t, p, average="macro"),
    "weighted_f1": lambda t, p: oracle.f1_score(t, p, average="weighted"),
    "mcc": oracle.matthews_corrcoef,
}
CLASS_SCORES = ("dice", "iou", "precision", "recall", "specificity")
REGION_SCORES: dict[str, Any] = {name: getattr(regions, name) for name in EACH}


def labels(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    target = random.choice(4, 500, p=[0.6, 0.2, 0.15, 0.05])
    return target, np.where(random.random(500) < 0.7, target, random.integers(0, 4, 500))


@pytest.mark.parametrize("name", REGION_SCORES)
def test_score_is_that_of_scikit_learn(name: str) -> None:
    target, prediction = labels()
    found = REGION_SCORES[name](confusion(target, prediction, classes=4))
    np.testing.assert_allclose(found, EACH[name](target, prediction), rtol=1e-12)


@pytest.mark.parametrize("name", REGION_SCORES)
def test_leading_axes_are_scored_one_by_one(name: str) -> None:
    stack = np.stack([confusion(*labels(seed), classes=4) for seed in range(6)]).reshape(2, 3, 4, 4)
    stack[1, 2] = 0
    found = REGION_SCORES[name](stack)
    assert found.shape == ((2, 3, 4) if name in CLASS_SCORES else (2, 3))
    for place in np.ndindex(2, 3):
        np.testing.assert_array_equal(found[place], REGION_SCORES[name](stack[place]))


@pytest.mark.parametrize("name", REGION_SCORES)
def test_nothing_counted_is_undefined(name: str) -> None:
    assert np.isnan(REGION_SCORES[name](np.zeros((3, 3), int))).all()


@given(arrays(np.int64, (3, 3), elements=st.integers(0, 20)))
def test_scores_stay_in_range_and_never_warn(matrix: np.ndarray) -> None:
    with np.errstate(all="raise"):
        for name, score in REGION_SCORES.items():
            found = np.atleast_1d(score(matrix))
            defined = found[~np.isnan(found)]
            assert (defined >= (-1 - 1e-12 if name == "mcc" else 0)).all(), name
            assert (defined <= 1 + 1e-12).all(), name


def test_a_class_that_both_lack_is_undefined_and_not_averaged() -> None:
    matrix = np.array([[8, 2, 0], [1, 9, 0], [0, 0, 0]])
    assert np.isnan(regions.dice(matrix)[2])
    assert regions.weighted_f1(matrix) == pytest.approx(regions.dice(matrix[:2, :2]).mean())
    assert regions.macro_f1(matrix) == pytest.approx(regions.dice(matrix[:2, :2]).mean())
    assert regions.balanced_accuracy(matrix) == pytest.approx(0.85)


@given(arrays(np.int64, (4, 4), elements=st.integers(0, 6)), st.integers(0, 3))
def test_macro_scores_are_those_of_scikit_learn_over_the_classes_of_the_truth(matrix: np.ndarray, absent: int) -> None:
    matrix[absent] = 0
    truth, said = (place.repeat(matrix.ravel()) for place in np.indices((4, 4)).reshape(2, -1))
    held = np.unique(truth)
    for name, score in (("macro_f1", oracle.f1_score), ("macro_precision", oracle.precision_score)):
        expected = score(truth, said, labels=held, average="macro", zero_division=0) if len(held) else np.nan
        np.testing.assert_allclose(REGION_SCORES[name](matrix), expected, rtol=1e-12)


def test_a_class_never_predicted_has_no_precision_but_dice_zero() -> None:
    matrix = np.array([[5, 0], [3, 0]])
    assert np.isnan(regions.precision(matrix)[1])
    assert regions.recall(matrix)[1] == 0
    assert regions.dice(matrix)[1] == 0
    assert np.isnan(regions.mcc(matrix))


def test_billions_of_pixels_do_not_overflow() -> None:
    small = np.array([[70, 5], [10, 15]])
    for name, score in REGION_SCORES.items():
        np.testing.assert_allclose(score(small * 10**11), score(small), rtol=1e-12, err_msg=name)
