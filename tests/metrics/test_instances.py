"""Scores of numbered objects against brute force over all pairs, and by hand."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from lamelle.metrics.instances import (
    ROW,
    THRESHOLDS,
    ap_of,
    are_of,
    counts_of,
    instance_row,
    overlaps,
)
from lamelle.metrics.table import METRICS

INSTANCE_SCORES = {m.name: m.value for m in METRICS.values() if m.of == "objects"} | {"are": are_of}
LABELS = arrays(np.uint32, (5, 6), elements=st.sampled_from([0, 0, 0, 1, 2, 5, 4_000_000_000]))


def nuclei(seed: int, *, size: int = 80, count: int = 25, radius: int = 8) -> np.ndarray:
    random, grid = np.random.default_rng(seed), np.indices((size, size))
    labels = np.zeros((size, size), np.uint32)
    for number in range(1, count + 1):
        (y, x), r = random.integers(0, size, 2), random.integers(2, radius)
        labels[(grid[0] - y) ** 2 + (grid[1] - x) ** 2 <= r**2] = 10 * number
    return labels


def blurred(labels: np.ndarray, seed: int) -> np.ndarray:
    """Objects shifted, renumbered, some lost and some merged."""
    random = np.random.default_rng(seed)
    numbers = np.unique(labels)
    table = dict(zip(numbers.tolist(), random.permutation(len(numbers)) + 1, strict=True)) | {0: 0}
    table |= {int(n): 0 for n in random.choice(numbers, 3)} | {int(n): 1 for n in random.choice(numbers[1:], 2)}
    return np.roll(np.vectorize(table.get)(labels).astype(np.uint32), (1, 0), (0, 1))


def brute(target: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
    """Every score from the whole matrix of pairs."""
    truth, said = ([array == n for n in np.unique(array) if n] for array in (target, prediction))
    shared = np.array([[(t & p).sum() for p in said] for t in truth]).reshape(len(truth), len(said))
    union = np.array([[(t | p).sum() for p in said] for t in truth]).reshape(len(truth), len(said))
    iou = shared / np.maximum(union, 1)
    found = {}
    for threshold in THRESHOLDS:
        rows, columns = linear_sum_assignment(-(iou >= threshold).astype(float))
        hits = int((iou[rows, columns] >= threshold).sum())
        found[f"ap{round(threshold * 100)}"] = hits / max(len(truth) + len(said) - hits, 1)
    found["ap"] = float(np.mean(list(found.values())))
    matched = iou[iou > 0.5]
    errors = len(truth) + len(said) - 2 * len(matched)
    found["pq"] = matched.sum() / max(len(matched) + errors / 2, 1e-9)
    both = united = 0
    used = set()
    for t in range(len(truth)):
        best = int(np.argmax(iou[t])) if said else -1
        if best < 0 or shared[t, best] == 0:
            united += truth[t].sum()
            continue
        both, united = both + shared[t, best], united + union[t, best]
        used.add(best)
    united += sum(said[p].sum() for p in range(len(said)) if p not in used)
    found["aji"] = both / max(united, 1)
    return found


@settings(max_examples=150, deadline=None)
@given(LABELS, LABELS)
def test_scores_are_those_of_all_pairs(target: np.ndarray, prediction: np.ndarray) -> None:
    row = instance_row(target, prediction)
    if not (target.any() or prediction.any()):
        assert all(math.isnan(score(row)) for score in INSTANCE_SCORES.values())
        return
    for name, expected in brute(target, prediction).items():
        assert INSTANCE_SCORES[name](row) == pytest.approx(expected), name


def test_scores_of_nuclei_are_those_of_all_pairs() -> None:
    target = nuclei(0)
    prediction = blurred(target, 1)
    row = instance_row(target, prediction)
    expected = brute(target, prediction)
    assert 0.2 < expected["ap50"] < 0.95
    assert expected["ap90"] < expected["ap50"]
    for name, value in expected.items():
        assert INSTANCE_SCORES[name](row) == pytest.approx(value), name
    assert INSTANCE_SCORES["pq"](row) == pytest.approx(INSTANCE_SCORES["sq"](row) * INSTANCE_SCORES["rq"](row))


def test_panoptic_quality_is_that_of_torchmetrics() -> None:
    import torch
    from torchmetrics.functional.detection import panoptic_quality

    target = nuclei(2)
    prediction = blurred(target, 3)
    # every object is a thing of category 1; what is left is stuff, category 0
    pairs = [torch.from_numpy(np.stack([a > 0, a], -1).astype(np.int64)) for a in (prediction, target)]
    found = panoptic_quality(*(p[None] for p in pairs), things={1}, stuffs={0}, return_per_class=True)
    row = instance_row(target, prediction)
    assert float(INSTANCE_SCORES["pq"](row)) == pytest.approx(float(found.flatten()[0]), abs=1e-6)


def test_adapted_rand_error_is_that_of_scikit_image() -> None:
    from skimage.metrics import adapted_rand_error

    target = nuclei(4)
    prediction = blurred(target, 5).astype(np.int64)
    single = np.where(prediction > 0, prediction, 1000 + np.arange(prediction.size).reshape(prediction.shape))
    inside = target > 0  # each pixel that is not predicted is an object of its own
    shared = np.unique(np.stack([target[inside], single[inside]]), axis=1, return_counts=True)[1]
    sizes, covered = (np.unique(a[inside], return_counts=True)[1] for a in (target, single))
    f_score = 2 * (shared**2).sum() / ((sizes**2).sum() + (covered**2).sum())
    found = are_of(instance_row(target, prediction))
    assert found == pytest.approx(1 - f_score)
    error, _, _ = adapted_rand_error(target.astype(np.int64), single, ignore_labels=(0,))
    assert found == pytest.approx(error, abs=5e-3)  # which leaves out the pairs of a pixel with itself


def test_scores_computed_by_hand() -> None:
    target = np.array([[1, 1, 1, 1, 0, 2, 2, 2, 2, 0, 3, 0]])
    prediction = np.array([[4, 4, 4, 0, 0, 5, 5, 6, 6, 6, 0, 7]])
    # 1 and 4: IoU 3/4. 2 and 5: 2/4, 2 and 6: 2/5. 3 is missed; 6 and 7 are false.
    row = instance_row(target, prediction)
    values = dict(zip(ROW, row.tolist(), strict=True))
    assert (values["truth"], values["predicted"], values["tp50"], values["tp55"], values["tp75"]) == (3, 4, 2, 1, 1)
    assert values["tp80"] == 0
    assert [int(n) for n in counts_of(row, threshold=0.5)] == [2, 2, 1]
    scores = {name: float(score(row)) for name, score in INSTANCE_SCORES.items()}
    assert scores["ap50"] == pytest.approx(2 / 5)
    assert scores["ap75"] == pytest.approx(1 / 6)
    assert scores["ap"] == pytest.approx((2 / 5 + 5 / 6) / 9)
    assert (scores["object_precision"], scores["object_recall"]) == pytest.approx((2 / 4, 2 / 3))
    assert scores["object_f1"] == pytest.approx(4 / 7)
    # panoptic quality wants more than 0.5
    assert (scores["sq"], scores["rq"], scores["pq"]) == pytest.approx((3 / 4, 2 / 7, 3 / 14))
    # shared 3 + 2; union 4 + 4, missed 1, nobody's 3 + 1
    assert scores["aji"] == pytest.approx(5 / 13)


def test_halves_of_an_object_match_it_once() -> None:
    whole, halves = np.array([[1, 1, 1, 1, 2]]), np.array([[1, 1, 2, 2, 3]])
    for row in (instance_row(whole, halves), instance_row(halves, whole)):
        assert row[ROW.index("tp50")] == 2
        assert ap_of(row, threshold=0.5) == pytest.approx(2 / 3)


def test_numbers_do_not_matter_and_perfect_is_one() -> None:
    target = nuclei(6)
    renumbered = np.where(target > 0, 4_000_000_000 - target, 0).astype(np.uint32)
    row = instance_row(target, renumbered)
    for name, score in INSTANCE_SCORES.items():
        assert score(row) == (0 if name == "are" else 1), name
    volume = np.stack([target, target])
    assert INSTANCE_SCORES["pq"](instance_row(volume, volume)) == 1


def test_the_rule_for_empty_images() -> None:
    none, some = np.zeros((80, 80), np.uint32), nuclei(7)
    for name, score in INSTANCE_SCORES.items():
        assert math.isnan(score(instance_row(none, none))), name
    for row in (instance_row(some, none), instance_row(none, some)):
        for name in ("ap50", "ap", "object_f1", "pq", "rq", "aji"):
            assert INSTANCE_SCORES[name](row) == 0, name
        assert math.isnan(INSTANCE_SCORES["sq"](row))
    assert are_of(instance_row(some, none)) > 0.95
    assert math.isnan(are_of(instance_row(none, some)))
    empty = np.zeros((0, 4), np.uint32)
    assert len(overlaps(empty, empty).pairs) == 0


def test_rows_add_up_and_are_scored_one_by_one() -> None:
    images = [(nuclei(s), blurred(nuclei(s), s + 1)) for s in range(3)]
    rows = np.stack([instance_row(*pair) for pair in images])
    # side by side with other numbers, three images are one
    side = [np.concatenate([np.where(p[k] > 0, p[k] + 1000 * i, 0) for i, p in enumerate(images)]) for k in (0, 1)]
    np.testing.assert_allclose(instance_row(*side), rows.sum(0))
    resamples = np.random.default_rng(0).multinomial(3, [1 / 3] * 3, size=50) @ rows
    for score in INSTANCE_SCORES.values():
        assert score(resamples).shape == (50,)
        np.testing.assert_allclose(score(rows)[1], score(rows[1]))


def test_what_is_no_image_of_objects_is_named() -> None:
    labels = np.zeros((4, 4), np.uint32)
    with pytest.raises(ValueError, match=r"\(4, 4\).*\(5, 4\)"):
        overlaps(labels, np.zeros((5, 4), np.uint32))
    with pytest.raises(ValueError, match="prediction holds float64"):
        overlaps(labels, np.zeros((4, 4)))
    with pytest.raises(ValueError, match="target has label -1"):
        overlaps(np.full((4, 4), -1), labels)
    with pytest.raises(ValueError, match=r"not 0\.3"):
        ap_of(instance_row(labels, labels), threshold=0.3)


def test_a_thousand_objects_take_no_time() -> None:
    y, x = np.indices((1000, 1000)) // 31
    target = (y * 33 + x + 1).astype(np.uint32)
    prediction = np.roll(target, (3, 5), (0, 1))
    start = time.process_time()
    row = instance_row(target, prediction)
    assert time.process_time() - start < 2
    assert row[ROW.index("truth")] == 1089
    assert INSTANCE_SCORES["ap50"](row) > 0.85
