"""Closed forms against published values, the engine against closed forms, and the rules of what has no interval."""

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

from lamelle.metrics.blocks import spatial_blocks
from lamelle.metrics.class_intervals import Answers, class_intervals
from lamelle.metrics.differences import Imagined, exchange, holm, paired
from lamelle.metrics.intervals import (
    IntervalOptions,
    Stratum,
    Units,
    draws,
    few_units,
    proportion,
    tail,
    why_none,
)
from lamelle.metrics.measured_intervals import best_and_worst, calibration_interval, measured_intervals
from lamelle.metrics.regions import dice
from lamelle.results.scores import MeanScore, Score

OPTIONS = IntervalOptions(level=0.95, resamples=1000, seed=0)


def answers(truth: np.ndarray, said: np.ndarray, classes: int = 2, seed: int = 0) -> Answers:
    """Answers whose probabilities agree with what is said."""
    sure = np.random.default_rng(seed).uniform(0.6, 0.99, len(truth))
    p = np.repeat(((1 - sure) / (classes - 1))[:, None], classes, axis=1)
    p[np.arange(len(truth)), said] = sure
    return Answers(truth, said, p, tuple("abcdefgh"[:classes]))


def alone(n: int) -> Units:
    return Units.of(n, None, "image")


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (5, 20, 0.098, 0.470),
        (4, 10, 0.142, 0.709),
        (81, 263, 0.2544, 0.3658),
        (15, 148, 0.0601, 0.1581),
        (0, 20, 0.0, 0.1391),
        (1, 29, 0.0017, 0.1585),
        (12, 12, 0.05 ** (1 / 12), 1.0),
    ],
)
def test_proportions_have_the_published_mid_p_interval(k: int, n: int, low: float, high: float) -> None:
    found = proportion(k, n, level=0.95)
    assert found == pytest.approx((low, high), abs=6e-4)


def test_a_proportion_of_nothing_has_none_and_more_than_all_is_refused() -> None:
    assert all(math.isnan(bound) for bound in proportion(0, 0, level=0.95))
    with pytest.raises(ValueError, match=r"k = 3 is not in 0\.\.2"):
        proportion(3, 2, level=0.95)


@pytest.mark.parametrize(("k", "n"), [(12, 12), (9, 10), (29, 30), (60, 100), (0, 5)])
def test_one_imagined_unit_in_every_draw_is_mid_p(k: int, n: int) -> None:
    right, found = (np.arange(n) < k).astype(float), []
    for some in draws(alone(n), IntervalOptions(0.95, 40_000, 3), strata=1):
        extra = some.imagined[:, 0]
        found.append((some.weights @ right + extra * some.good) / (some.weights.sum(1) + extra))
    low, high = np.quantile(np.concatenate(found), (0.025, 0.975))
    assert (low, high) == pytest.approx(proportion(k, n, level=0.95), abs=0.006)


def test_groups_of_one_are_the_images_themselves_and_names_do_not_matter() -> None:
    random = np.random.default_rng(5)
    truth, said = random.integers(0, 3, 40), random.integers(0, 3, 40)
    given = answers(truth, said, 3)
    plain = class_intervals(given, units=alone(40), options=OPTIONS)
    ones = class_intervals(given, units=Units.of(40, [f"p{i}" for i in range(40)], "image"), options=OPTIONS)
    assert plain == ones
    groups = [i // 5 for i in range(40)]
    first = class_intervals(given, units=Units.of(40, groups, "group"), options=OPTIONS)
    renamed = class_intervals(given, units=Units.of(40, [f"x{90 - g}" for g in groups], "group"), options=OPTIONS)
    assert first == renamed
    assert first["accuracy"].n == 8
    order = random.permutation(40)
    moved = Answers(truth[order], said[order], given.probabilities[order], given.classes)
    again = class_intervals(moved, units=Units.of(40, [groups[i] for i in order], "group"), options=OPTIONS)
    assert again["macro_f1"].value == pytest.approx(first["macro_f1"].value)
    assert again["macro_f1"].low == pytest.approx(first["macro_f1"].low, abs=0.03)


def test_everything_right_is_never_certain() -> None:
    truth = np.array([0] * 15 + [1] * 15)
    found = class_intervals(answers(truth, truth), units=alone(30), options=OPTIONS)
    assert all(one.low < one.value == one.high == 1 for one in found.values())
    assert found["accuracy"].low == pytest.approx(0.05 ** (1 / 30))
    assert 0.8 < found["roc_auc"].low < 0.93
    level = np.full(12, 0.9)
    same = measured_intervals(
        lambda w: {"dice": w @ level / w.sum(1)},
        units=alone(12),
        options=OPTIONS,
        ends=best_and_worst,
    )["dice"]
    assert same.low < 0.9 < same.high


def test_bounds_always_hold_the_value() -> None:
    random = np.random.default_rng(1)
    for n in (2, 5, 9, 30):
        truth, said = random.integers(0, 2, n), random.integers(0, 2, n)
        for one in class_intervals(answers(truth, said), units=alone(n), options=OPTIONS).values():
            assert math.isnan(one.low) or one.low <= one.value <= one.high


def test_a_class_of_two_in_a_hundred_never_vanishes() -> None:
    truth = np.array([0] * 98 + [1] * 2)
    said = truth.copy()
    said[-2:] = 0
    found = class_intervals(answers(truth, said), units=alone(100), options=OPTIONS)
    recall, balanced = found["recall/b"], found["balanced_accuracy"]
    assert (recall.n, found["recall/a"].n) == (2, 98)
    assert balanced.value == 0.5
    assert balanced.high <= (1 + recall.high) / 2 + 0.01  # not the recall of a alone, as where a resample lacks b
    assert balanced.n == 2


def test_an_absent_class_has_no_value_and_spoils_no_other_score() -> None:
    truth = np.array([0, 1] * 10)
    found = class_intervals(answers(truth, truth, 3), units=alone(20), options=OPTIONS)
    assert math.isnan(found["recall/c"].value)
    assert found["recall/c"].reason == "absent"
    assert found["precision/c"].reason == "absent"
    assert all(not math.isnan(found[k].low) for k in ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc", "f1/a"))
    for name in ("recall", "precision", "f1", "specificity", "roc_auc", "pr_auc"):
        assert (found[f"{name}/c"].n, found[f"{name}/c"].reason, found[f"{name}/c"].of) == (0, "absent", "c")
    said = np.zeros(20, np.int64)
    never = class_intervals(answers(truth, said, 3), units=alone(20), options=OPTIONS)["precision/b"]
    assert (never.reason, never.of) == ("unpredicted", "b")


@pytest.mark.parametrize("grouped", [False, True])
def test_one_answer_for_an_absent_class_costs_the_present_ones_alone(grouped: bool) -> None:
    """Macro scores are those of scikit-learn over the classes of the truth, and their bounds reach what they can."""
    truth = np.array([0, 1] * 15)
    stray = truth.copy()
    stray[4] = 2
    units = Units.of(30, [f"p{i // 2}" for i in range(30)] if grouped else None, "image")
    found = class_intervals(answers(truth, stray, 3), units=units, options=OPTIONS)
    for name, oracle in (("macro_f1", metrics.f1_score), ("macro_precision", metrics.precision_score)):
        expected = oracle(truth, stray, labels=[0, 1], average="macro", zero_division=0)
        assert found[name].value == pytest.approx(expected), name
        assert 0.7 < found[name].low < expected <= found[name].high, name
    assert (found["f1/c"].n, found["f1/c"].reason, found["f1/c"].bounded) == (0, "absent", False)
    assert found["recall/a"].value == pytest.approx(14 / 15), "it is a wrong answer all the same"


def test_of_several_labels_an_absent_one_is_no_part_of_the_averages() -> None:
    truth = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]] * 8)
    said = truth.copy()
    said[0, 2], said[1, 0] = 1, 1
    given = Answers(truth, said, np.where(said == 1, 0.9, 0.1), ("a", "b", "c"))
    found = class_intervals(given, units=alone(24), options=OPTIONS)
    expected = metrics.f1_score(truth, said, labels=[0, 1], average="macro")
    assert found["macro_f1"].value == pytest.approx(expected)
    assert found["macro_f1"].high > expected > found["macro_f1"].low > 0.7
    assert (found["precision/c"].reason, found["macro_f1"].n) == ("absent", 16)


@pytest.mark.parametrize("n", [1, 12])
@pytest.mark.parametrize("grouped", [False, True])
def test_where_the_test_set_holds_one_class_no_interval_has_zero_width(n: int, grouped: bool) -> None:
    truth = np.zeros(n, np.int64)
    units = Units.of(n, [i // 2 for i in range(n)], "group") if grouped else alone(n)
    found = class_intervals(answers(truth, truth, 3), units=units, options=OPTIONS)
    for name, one in found.items():
        assert math.isnan(one.low) or one.low < one.high, name
        assert bool(one.reason) == math.isnan(one.low), name
    for name in ("pr_auc/a", "roc_auc", "roc_auc/a", "specificity/a"):
        assert (found[name].reason, found[name].of) == ("alone", "a"), name
    for name in ("precision/b", "recall/b", "f1/b", "pr_auc/b", "roc_auc/b"):
        assert (found[name].reason, found[name].of) == ("absent", "b"), name
    if n == 12 and not grouped:
        assert {found[name].reason for name in ("pr_auc", "weighted_precision")} == {"alone"}


def test_few_of_the_other_classes_are_named_as_such() -> None:
    truth = np.array([0] + [1] * 9)
    found = class_intervals(answers(truth, truth), units=alone(10), options=OPTIONS)
    assert (found["roc_auc/a"].reason, found["roc_auc/a"].of) == ("few", "a")
    other = found["roc_auc/b"]
    said = why_none(other)
    assert said == "no interval: 1 image without b; 5 are needed"


def test_too_few_units_have_no_interval_but_a_reason() -> None:
    truth = np.array([0] * 30 + [1] * 3)
    found = class_intervals(answers(truth, truth), units=alone(33), options=OPTIONS)
    area = found["roc_auc/b"]
    assert math.isnan(area.low)
    assert (area.reason, area.of, area.n) == ("few", "b", 3)
    assert not math.isnan(found["recall/b"].low)  # a proportion is exact, however few there are
    grouped = class_intervals(
        answers(truth, truth), units=Units.of(33, [i % 4 for i in range(33)], "group"), options=OPTIONS
    )
    assert grouped["accuracy"].reason == "few"
    assert math.isnan(grouped["accuracy"].low)
    said = Score(1.0, math.nan, math.nan, 3, "image", reason="few", of="b")
    assert "3" in why_none(said)
    assert "b" in why_none(said)
    assert not said.bounded
    assert why_none(replace(said, low=0.1, high=1.0, reason="")) == ""
    one = why_none(replace(said, n=1, unit="slice"))
    assert "1 slice of b" in one, "one of them is no plural"
    assert why_none(replace(said, reason="")).startswith("no interval"), "what has a value is not said to have none"
    mean = MeanScore(1.0, math.nan, math.nan, 3, "image", reason="few", of="b", seeds=3, lacking=2)
    assert why_none(mean).endswith("(in 2 of 3 seeds)")
    assert why_none(replace(mean, lacking=3)) == why_none(said)


def test_measured_scores_know_their_units_and_the_images_without_a_value() -> None:
    values = np.array([[0.9, np.nan], [0.8, np.nan], [0.95, 0.7], [0.7, 0.6], [0.85, 0.9], [0.9, 0.8], [0.6, np.nan]])

    def means(weights: np.ndarray) -> dict[str, np.ndarray]:
        known = ~np.isnan(values)
        sums, counts = weights @ np.where(known, values, 0), weights @ known
        with np.errstate(invalid="ignore"):
            found = np.where(counts > 0, sums / np.where(counts > 0, counts, 1), np.nan)
        return {"first": found[:, 0], "second": found[:, 1]}

    shared = {"options": OPTIONS, "ends": best_and_worst}
    found = measured_intervals(means, units=alone(7), **shared)
    assert (found["first"].n, found["second"].n) == (7, 4)
    assert found["second"].reason == "few"
    assert 0 < found["first"].low < found["first"].value < found["first"].high < 1
    few = measured_intervals(means, units=Units.of(7, list("aabbccd"), "group"), **shared)
    assert few["first"].n == 4


def test_errors_are_imagined_the_other_way_round() -> None:
    distances = np.array([1.0, 2, 3, 2, 1, 5, 2, 1])
    found = measured_intervals(
        lambda w: {"hd95": w @ distances / w.sum(1)},
        units=alone(8),
        options=OPTIONS,
        ends=best_and_worst,
    )["hd95"]
    assert found.high - found.value > found.value - found.low


def test_a_calibration_error_that_chance_explains_may_be_nought() -> None:
    steady = {"statistic": lambda w: np.full(len(w), 0.1) + 0.01 * (w[:, 0] - w.mean(1)), "units": alone(120)}
    small = calibration_interval(**steady, options=OPTIONS, outcomes=120, chance=0.15)
    large = calibration_interval(**steady, options=OPTIONS, outcomes=120, chance=0.05)
    none = calibration_interval(**steady, options=OPTIONS, outcomes=99, chance=0.05)
    assert small.low == 0 < large.low < 0.1 < large.high
    assert (none.reason, math.isnan(none.low)) == ("chance", True)


def test_few_units_widen_by_student_and_units_of_uneven_size_count_less() -> None:
    even, uneven = Stratum.of(np.full(8, 3.0)), Stratum.of(np.array([17.0, 1, 1, 1, 1, 1, 1, 1]))
    assert (even.units, even.effective, even.mass) == (8, 8.0, pytest.approx(3 ** (2 / 3)))
    assert uneven.effective < 2
    shares = [tail([one], level=0.95, grouped=True, measured=False) for one in (Stratum.of(np.ones(200)), even, uneven)]
    assert shares == sorted(shares, reverse=True)
    assert tail([even], level=0.95, grouped=False, measured=False) == pytest.approx(0.025)
    assert few_units(9)
    assert not few_units(10)


# differences ---------------------------------------------------------------------------------------------------------


def accuracies(a: np.ndarray, b: np.ndarray):
    table = np.concatenate([a, b])
    return lambda of_a, of_b: ((of_a @ table / of_a.sum(1))[:, None], (of_b @ table / of_b.sum(1))[:, None])


def one_more(n: int) -> Imagined:
    return Imagined([[np.ones(n, bool)]], 1.0, measured=False)


def test_the_exchange_test_is_mcnemars_mid_p() -> None:
    a, b = np.array([1.0] * 7 + [0.0] + [1.0] * 4), np.array([0.0] * 7 + [1.0] + [1.0] * 4)
    found = exchange(accuracies(a, b), a.mean() - b.mean(), units=alone(12), options=OPTIONS)
    assert found == pytest.approx(0.0390625)


def test_six_units_all_for_one_side_are_just_enough_and_five_are_none() -> None:
    six = exchange(accuracies(np.ones(6), np.zeros(6)), 1.0, units=alone(6), options=OPTIONS)
    assert six == pytest.approx(2 / 64)
    assert math.isnan(exchange(accuracies(np.ones(5), np.zeros(5)), 1.0, units=alone(5), options=OPTIONS))


def test_identical_predictions_differ_by_nothing_with_an_interval_that_has_a_width() -> None:
    same = np.array([1.0, 0, 1, 1, 0, 1, 1, 0, 1, 1])
    found = paired(
        accuracies(same, same), units=alone(10), options=OPTIONS, imagined=one_more(10), seeds=([0.7], [0.7])
    )
    assert (found.value, found.p) == (0.0, 1.0)
    assert found.low < 0 < found.high


def test_trainings_that_differ_as_much_as_the_sides_are_noise() -> None:
    random = np.random.default_rng(2)
    a, b = (random.random(60) < 0.9).astype(float), (random.random(60) < 0.55).astype(float)
    known = {"units": alone(60), "options": OPTIONS, "imagined": one_more(60)}
    sure = paired(accuracies(a, b), **known, seeds=([0.9], [0.55]))
    steady = paired(accuracies(a, b), **known, seeds=([0.9, 0.91], [0.55, 0.54]))
    wild = paired(accuracies(a, b), **known, seeds=([0.9, 0.4], [0.55, 0.95]))
    assert sure.p < 0.05
    assert sure.high - sure.low < steady.high - steady.low < wild.high - wild.low
    assert wild.p > 0.05 > sure.low - 1


def test_holm_leaves_what_has_no_p() -> None:
    found = holm({"a": 0.01, "b": math.nan, "c": 0.04})
    assert found["a"] == pytest.approx(0.02)
    assert found["c"] == pytest.approx(0.04)
    assert math.isnan(found["b"])


# blocks --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "blocks"), [((7, 9), 4), ((64, 64), 16), ((3, 50, 40), 20), ((1, 2), 16)])
def test_blocks_tile_the_whole_once(shape: tuple[int, ...], blocks: int) -> None:
    seen = np.zeros(shape, int)
    boxes = spatial_blocks(shape, blocks=blocks)
    for box in boxes:
        seen[box] += 1
    assert (seen == 1).all()
    assert len(boxes) >= min(blocks, math.prod(shape))


def test_dice_of_a_matrix_is_what_f1_of_a_class_is() -> None:
    random = np.random.default_rng(3)
    truth, said = random.integers(0, 2, 50), random.integers(0, 2, 50)
    matrix = np.zeros((2, 2))
    np.add.at(matrix, (truth, said), 1)
    found = class_intervals(answers(truth, said), units=alone(50), options=OPTIONS)
    assert [found["f1/a"].value, found["f1/b"].value] == pytest.approx(dice(matrix).tolist())
