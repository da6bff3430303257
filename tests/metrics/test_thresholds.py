"""Curves over thresholds against scores of the labels themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from lamelle.metrics.counts import binary_histogram
from lamelle.metrics.thresholds import ELEVEN, best_threshold, curve, curve_at

BINS = 65536


def sample() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    target = (random.random(3000) < 0.3).astype(int)
    return target, np.clip(random.normal(0.35 + 0.25 * target, 0.15), 0, 1)


def test_curve_is_that_of_scikit_learn_at_each_threshold() -> None:
    target, probability = sample()
    found = curve_at(binary_histogram(target, probability, bins=BINS), thresholds=ELEVEN)
    assert found.thresholds.tolist() == list(ELEVEN)
    for i, threshold in enumerate(ELEVEN[:-1]):
        said = probability >= threshold
        assert found.f1[i] == pytest.approx(f1_score(target, said), abs=1e-12)
        assert found.recall[i] == pytest.approx(recall_score(target, said), abs=1e-12)
        assert found.specificity[i] == pytest.approx(recall_score(1 - target, ~said), abs=1e-12)
        assert found.accuracy[i] == pytest.approx(accuracy_score(target, said), abs=1e-12)
        if said.any():
            assert found.precision[i] == pytest.approx(precision_score(target, said), abs=1e-12)


def test_nothing_predicted_has_no_precision() -> None:
    found = curve_at(binary_histogram(*sample(), bins=BINS), thresholds=(1.0,))
    assert np.isnan(found.precision).all()
    assert found.recall.tolist() == [0.0]


@pytest.mark.parametrize("by", ["f1", "accuracy", "youden"])
def test_best_threshold_beats_every_other(by: str) -> None:
    histogram = binary_histogram(*sample(), bins=BINS)
    best = best_threshold(histogram, by=by)
    at = getattr(curve_at(histogram, thresholds=(best,)), by)[0]
    assert at == pytest.approx(np.nanmax(getattr(curve(histogram), by)[1:-1]), abs=1e-12)
    # random labels of the same sizes reach less: the search reads the labels
    target, probability = sample()
    shuffled = binary_histogram(np.random.default_rng(1).permutation(target), probability, bins=BINS)
    assert at > getattr(curve_at(shuffled, thresholds=(best_threshold(shuffled, by=by),)), by)[0]


def test_best_threshold_of_separable_classes_is_between_them() -> None:
    target, probability = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])
    assert best_threshold(binary_histogram(target, probability, bins=BINS), by="f1") == pytest.approx(0.5, abs=1e-4)


def test_histograms_of_images_add_up() -> None:
    target, probability = sample()
    parts = [binary_histogram(target[s], probability[s], bins=BINS) for s in (slice(0, 900), slice(900, None))]
    whole = binary_histogram(target, probability, bins=BINS)
    assert best_threshold(parts[0] + parts[1], by="f1") == best_threshold(whole, by="f1")


@pytest.mark.parametrize("target", [np.zeros(4, int), np.ones(4, int), np.full(4, -1)])
def test_one_class_alone_has_no_best_threshold(target: np.ndarray) -> None:
    assert math.isnan(best_threshold(binary_histogram(target, np.linspace(0, 1, 4), bins=16), by="f1"))


def test_a_threshold_between_two_edges_is_rounded_up() -> None:
    histogram = binary_histogram(np.array([0, 1, 1]), np.array([0.0, 0.099995, 0.10002]), bins=BINS)
    assert curve_at(histogram, thresholds=(0.1,)).recall.tolist() == [0.5]


def test_thresholds_outside_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        curve_at(np.ones((2, 4)), thresholds=(1.5,))
