"""Confusion matrices and histograms: sums of what is counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import confusion_matrix

from lamelle.metrics.counts import binary_histogram, confusion, ratio
from lamelle.types import IGNORE


def test_confusion_is_that_of_scikit_learn_without_the_ignored_pixels() -> None:
    random = np.random.default_rng(0)
    target, prediction = random.integers(-1, 4, (3, 20, 30)), random.integers(0, 4, (3, 20, 30))
    kept = target != IGNORE
    expected = confusion_matrix(target[kept], prediction[kept], labels=range(4))
    found = confusion(target, prediction, classes=4)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, expected)


@given(arrays(np.int64, st.integers(0, 60), elements=st.integers(-1, 2)), st.integers(0, 60))
def test_confusion_adds_up_over_tiles(target: np.ndarray, cut: int) -> None:
    prediction = np.abs(target[::-1])
    parts = [confusion(target[s], prediction[s], classes=3) for s in (slice(None, cut), slice(cut, None))]
    np.testing.assert_array_equal(sum(parts), confusion(target, prediction, classes=3))


def test_confusion_takes_any_integer_type() -> None:
    target, prediction = np.array([0, 1, 1], np.uint8), np.array([0, 1, 0], np.int32)
    assert confusion(target, prediction, classes=2).tolist() == [[1, 0], [1, 1]]


def test_confusion_of_nothing_is_zero() -> None:
    target = np.full((2, 2), IGNORE)
    assert confusion(target, np.full((2, 2), 99), classes=2).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("target", "prediction", "said"), [([0, 3], [0, 1], "target has label 3"), ([0, 1], [0, -1], "-1")]
)
def test_confusion_names_a_label_that_is_none(target: list[int], prediction: list[int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        confusion(np.array(target), np.array(prediction), classes=3)


def test_confusion_names_both_shapes() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(3, 2\)"):
        confusion(np.zeros((2, 3), int), np.zeros((3, 2), int), classes=2)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_histogram_counts_what_reaches_a_threshold(dtype: type) -> None:
    random = np.random.default_rng(1)
    target = random.integers(-1, 2, (40, 50))
    probability = random.random((40, 50)).astype(dtype)
    probability[0, :3] = 0, 0.5, 1
    found = binary_histogram(target, probability, bins=65536)
    assert found.sum() == (target != IGNORE).sum()
    for threshold in (0.0, 0.25, 0.5, 0.75):
        for truth in (0, 1):
            expected = ((target == truth) & (probability >= threshold)).sum()
            assert found[truth, int(threshold * 65536) :].sum() == expected


@pytest.mark.parametrize("wrong", [float("nan"), -0.1, 1.01])
def test_histogram_refuses_what_is_no_probability(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"not in \[0, 1\]"):
        binary_histogram(np.array([0, 1]), np.array([0.5, wrong]), bins=8)
    ignored = binary_histogram(np.array([0, IGNORE]), np.array([0.5, wrong]), bins=8)
    assert ignored.sum() == 1


def test_histogram_refuses_a_third_class() -> None:
    with pytest.raises(ValueError, match="label 2"):
        binary_histogram(np.array([0, 2]), np.array([0.5, 0.5]), bins=8)


def test_ratio_is_silent_about_zero() -> None:
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(ratio(np.array([1.0, 1.0]), np.array([2.0, 0.0])), [0.5, np.nan])
