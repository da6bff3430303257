"""Thresholds are the best that validation shows, are frozen, and decide everywhere alike."""

from __future__ import annotations

import time
from typing import Any

import made_tasks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tasks import fit
from sklearn import metrics

from lamelle.metrics import ranking, thresholds
from lamelle.metrics.intervals import IntervalOptions, Units, bands
from lamelle.results.fitted import Sweep
from lamelle.results.items import ItemStats
from lamelle.results.scores import Confusion, Curve, Curves
from lamelle.tasks.classify import Classify
from lamelle.tasks.curves import curves
from lamelle.tasks.thresholds import FittedClasses, decide
from lamelle.types import ClassScores


def task(classes: int, **options: Any) -> Classify:
    return made_tasks.classify(
        "abcdef"[:classes], counts=(9,) * classes, **{"threshold": "f1", "calibrate": False} | options
    )


def fitted(task: Classify, p: np.ndarray, truth: np.ndarray) -> tuple[FittedClasses, dict[str, Sweep]]:
    return fit(task, zip(p, truth, strict=True))


def uneven(n: int = 300, classes: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities float32 that lean towards the frequent classes, and the truth."""
    rng = np.random.default_rng(seed)
    share = 0.2 ** np.arange(classes)
    truth = rng.choice(classes, n, p=share / share.sum())
    logits = rng.normal(size=(n, classes)) + 1.2 * np.eye(classes)[truth] + np.log(share)
    return (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32), truth


def f1(truth: np.ndarray, said: np.ndarray) -> float:
    """F1 of class 1, from its definition."""
    return 2 * float(np.sum(truth * said)) / max(float(np.sum(truth) + np.sum(said)), 1e-9)


def macro_f1(truth: np.ndarray, said: np.ndarray) -> float:
    """Mean F1, of the labels if the truth is multi-hot."""
    if truth.ndim == 2:
        return float(np.mean([f1(t, s) for t, s in zip(truth.T, said.T, strict=True)]))
    return float(np.mean([f1(truth == k, said == k) for k in np.unique(np.concatenate([truth, said]))]))


def test_the_scores_of_these_tests_are_those_of_scikit_learn() -> None:
    p, truth = uneven(200, 3)
    hot, said = np.eye(3, dtype=int)[truth], (p >= 0.3).astype(int)
    assert macro_f1(truth, p.argmax(1)) == pytest.approx(metrics.f1_score(truth, p.argmax(1), average="macro"))
    assert macro_f1(hot, said) == pytest.approx(metrics.f1_score(hot, said, average="macro"))


def test_two_classes_take_the_best_of_all_thresholds() -> None:
    p, truth = uneven()
    found, tried = fitted(task(2), p, truth)
    assert found.thresholds
    t = found.thresholds[1]
    assert found.thresholds == (1 - t, t)
    every = [macro_f1(truth, (p[:, 1] >= s).astype(int)) for s in np.unique(p[:, 1])]
    said = decide(p, found.thresholds, multi_label=False)
    np.testing.assert_array_equal(said, p[:, 1] >= t)
    assert macro_f1(truth, said) == pytest.approx(max(every))
    assert macro_f1(truth, said) > macro_f1(truth, p.argmax(1)) + 0.01, "a threshold of 0.5 is worse here"
    curve = tried["threshold"]
    assert (curve.of, curve.chosen, curve.by, curve.n) == ("b", t, "macro_f1", len(truth))
    half = curve.points.index(0.5)
    assert curve.scores["macro_f1"][half] == pytest.approx(macro_f1(truth, (p[:, 1] >= 0.5).astype(int)))
    at = curve.points.index(0.25)
    plain = (p[:, 1] >= 0.25).astype(int)
    expected = metrics.precision_recall_fscore_support(truth, plain, average="binary")[:3]
    assert [curve.scores[f"{k}/b"][at] for k in ("precision", "recall", "f1")] == pytest.approx(expected)
    assert curve.scores["macro_f1"][at] == pytest.approx(macro_f1(truth, plain))


def test_the_curve_is_about_the_rarer_class() -> None:
    p, truth = uneven()
    curve = fitted(task(2), p[:, ::-1], 1 - truth)[1]["threshold"]
    at = curve.points.index(0.75)
    said = (p[:, 0] >= 0.75).astype(int)
    assert set(curve.scores) == {"macro_f1", "precision/a", "recall/a", "f1/a"}
    assert curve.scores["recall/a"][at] == pytest.approx(metrics.recall_score(1 - truth, said, pos_label=0))
    assert curve.scores["precision/a"][at] == pytest.approx(metrics.precision_score(1 - truth, said, pos_label=0))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 12), st.integers(1, 5))
def test_no_tie_hides_a_better_threshold(seed: int, n: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    truth, score = rng.integers(0, 2, n), rng.integers(0, levels, n) / max(levels - 1, 1)
    for by, scored in (("f1", f1), ("macro_f1", macro_f1)):
        t = thresholds.best_cut(truth, score, by=by)  # type: ignore[arg-type]
        if len(set(score)) < 2 or len(set(truth)) < 2:
            assert np.isnan(t)
            continue
        every = [scored(truth, (score >= s).astype(int)) for s in np.unique(score)]
        assert scored(truth, (score >= t).astype(int)) == pytest.approx(max(every))


@pytest.mark.parametrize("classes", [3, 5])
def test_more_classes_are_never_worse_than_the_most_probable_one(classes: int) -> None:
    for seed in range(4):
        p, truth = uneven(200, classes, seed)
        found, tried = fitted(task(classes), p, truth)
        assert found.thresholds
        assert sum(found.thresholds) == pytest.approx(1)
        said = decide(p, found.thresholds, multi_label=False)
        before, after = macro_f1(truth, p.argmax(1)), macro_f1(truth, said)
        assert after > before + 0.01
        np.testing.assert_array_equal(said, (p.astype(float) / found.thresholds).argmax(1))
        each = [tried[f"threshold/{c}"] for c in "abcdef"[:classes]]
        assert [one.chosen for one in each] == list(found.thresholds)
        for place, labels in ((0, p.argmax(1)), (1, said)):
            expected = metrics.f1_score(truth, labels, average=None, labels=range(classes), zero_division=np.nan)
            assert [one.scores["f1"][place] or 0 for one in each] == pytest.approx(np.nan_to_num(expected))


def test_one_factor_is_the_best_of_all_while_the_others_stay() -> None:
    """With one free class, a fine grid finds nothing better."""
    p, truth = uneven(150, 3)
    found = thresholds.class_factors(truth, p, sweeps=50)
    best = macro_f1(truth, (p / found).argmax(1))
    for k in range(3):
        for factor in np.geomspace(0.02, 50, 150):
            tried = np.where(np.arange(3) == k, found * factor, found)
            assert macro_f1(truth, (p / tried).argmax(1)) <= best + 1e-9


def test_a_class_that_validation_lacks_keeps_its_factor() -> None:
    p, truth = uneven(200, 3)
    p = np.concatenate([p, np.full((len(p), 1), 0.01, np.float32)], axis=1)
    found = fitted(task(4), p, truth)[0].thresholds
    assert found
    assert min(found) > 0
    assert found[3] > 0.01


@pytest.mark.parametrize(
    ("p", "truth"),
    [
        (np.full((6, 2), 0.5), np.array([0, 1, 0, 1, 0, 1])),
        (uneven(20)[0], np.zeros(20, int)),
        (np.empty((0, 2)), np.empty(0, int)),
    ],
    ids=["all scores alike", "one class", "nothing"],
)
def test_where_validation_cannot_tell_the_threshold_is_a_half(p: np.ndarray, truth: np.ndarray) -> None:
    found, tried = fitted(task(2), p, truth)
    assert found.thresholds == (0.5, 0.5)
    assert (tried["threshold"].undecided, tried["threshold"].by) == (True, "")
    hot = np.eye(2)[truth] if len(truth) else np.empty((0, 2))
    hot[:, 1] = 0
    found, tried = fitted(task(2, multi_label=True), p, hot)
    assert found.thresholds
    assert (found.thresholds[1], tried["threshold/b"].undecided) == (0.5, True)


def test_scores_all_alike_of_more_classes_change_nothing() -> None:
    found, _ = fitted(task(3), np.full((6, 3), 1 / 3), np.array([0, 1, 2, 0, 1, 2]))
    assert found.thresholds == pytest.approx([1 / 3] * 3)


def test_each_of_several_labels_has_its_own_threshold() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random((300, 3)) < [0.5, 0.2, 0.05]).astype(np.float32)
    p = np.clip(0.3 * truth + 0.4 * rng.random(truth.shape), 0, 1).astype(np.float32)
    one = task(3, multi_label=True)
    found, tried = fitted(one, p, truth)
    assert set(tried) == {"threshold/a", "threshold/b", "threshold/c"}
    for k, t in enumerate(found.thresholds or ()):
        best = max(f1(truth[:, k], p[:, k] >= s) for s in np.unique(p[:, k]))
        assert f1(truth[:, k], p[:, k] >= t) == pytest.approx(best)
        sweep = tried[f"threshold/{'abc'[k]}"]
        assert sweep.scores["f1"] == pytest.approx((f1(truth[:, k], p[:, k] >= 0.5), best))


def test_a_number_is_taken_as_it_is() -> None:
    p, truth = uneven()
    found, tried = fitted(task(2, threshold=0.3), p, truth)
    assert found.thresholds == (0.7, 0.3)
    assert tried["threshold"].given
    hot = np.eye(2)[truth]
    assert fitted(task(2, threshold=0.3, multi_label=True), p, hot)[0].thresholds == (0.3, 0.3)
    assert fitted(task(2, threshold="argmax"), p, truth) == (FittedClasses(), {})
    answer = task(2, threshold=0.3).decode(np.array([0.7, 0.3]), found, None)
    assert isinstance(answer, ClassScores)
    assert answer.chosen == (1,), "p = t is class 1"


def test_every_place_says_the_same_class() -> None:
    """Answer, row, item, matrix and scores all follow the frozen thresholds; the monitor does not."""
    for one, p, truth in (
        (task(2), *uneven(100)),
        (task(3), *uneven(100, 3)),
        (task(3, multi_label=True), uneven(100, 3)[0], np.eye(3)[uneven(100, 3)[1]]),
    ):
        found, _ = fitted(one, p, truth)
        rows = [one.row(a, np.asarray(b), found) for a, b in zip(p, truth, strict=True)]
        said = decide(p, found.thresholds, multi_label=one.settled.multi_label)
        for i, row in enumerate(rows):
            answer = one.decode(p[i], found, None)
            assert isinstance(answer, ClassScores)
            chosen = tuple(np.flatnonzero(said[i])) if said.ndim == 2 else (said[i],)
            assert answer.chosen == chosen
            assert one.item(ItemStats("a", row)).predicted == "|".join(one.classes[k] for k in chosen)
        scores = one.summarise(one.table(rows), np.ones((1, len(rows))))
        assert scores["macro_f1"][0] == pytest.approx(macro_f1(truth, said))
        confusion = next(f for f in one.figures([ItemStats("a", r) for r in rows]) if isinstance(f, Confusion))
        if said.ndim == 2:
            expected = metrics.multilabel_confusion_matrix(truth, said)
            assert np.array_equal(confusion.each, expected)
        else:
            assert np.array_equal(confusion.counts, metrics.confusion_matrix(truth, said))
        quick = one.quick_row(p[0], np.asarray(truth[0]))
        plain = (p[0] >= 0.5).astype(int).tolist() if said.ndim == 2 else int(p[0].argmax())
        assert quick["chosen"].tolist() == plain


def test_brier_and_log_loss_are_those_of_scikit_learn() -> None:
    one = task(3, threshold="argmax")
    p, truth = uneven(100, 3)
    p = p.astype(float) / p.sum(1, keepdims=True, dtype=float)
    rows = [one.row(a, np.asarray(b)) for a, b in zip(p, truth, strict=True)]
    scores = one.summarise(one.table(rows), np.ones((1, 100)))
    assert scores["log_loss"][0] == pytest.approx(metrics.log_loss(truth, p), rel=1e-5)
    assert scores["brier"][0] == pytest.approx(ranking.brier(truth, p))
    several = task(3, threshold="argmax", multi_label=True)
    hot = np.eye(3)[truth]
    rows = [several.row(a, b) for a, b in zip(p, hot, strict=True)]
    scores = several.summarise(several.table(rows), np.ones((1, 100)))
    each = [metrics.brier_score_loss(hot[:, k], p[:, k]) for k in range(3)]
    assert scores["brier"][0] == pytest.approx(np.mean(each))
    each = [metrics.log_loss(hot[:, k], p[:, k]) for k in range(3)]
    assert scores["log_loss"][0] == pytest.approx(np.mean(each), rel=1e-5)
    sure = one.row(np.array([1.0, 0.0, 0.0]), np.asarray(1))
    assert np.isfinite(one.summarise(one.table([sure]), np.ones((1, 1)))["log_loss"]).all()


def test_confidence_is_that_of_what_was_said() -> None:
    one = task(2, threshold=0.2)
    item = one.item(ItemStats("i", one.row(np.array([0.7, 0.3]), np.asarray(0), FittedClasses(thresholds=(0.8, 0.2)))))
    assert item.columns() == {"truth": "a", "predicted": "b", "correct": False, "quality": 0.7, "confidence": 0.3}
    several = task(3, multi_label=True)
    item = several.item(ItemStats("i", several.row(np.array([0.9, 0.6, 0.2]), np.array([0.0, 1.0, 1.0]))))
    assert (item.predicted, item.correct) == ("a|b", False)
    assert item.confidence == pytest.approx(0.9), "its surest mistake"
    assert item.quality == pytest.approx(0.1)
    right = several.item(ItemStats("i", several.row(np.array([0.9, 0.6, 0.2]), np.array([1.0, 1.0, 0.0]))))
    assert right.confidence == pytest.approx(0.6), "its least sure answer"


# curves --------------------------------------------------------------------------------------------------------------


def test_curves_pass_through_the_points_of_scikit_learn() -> None:
    p, truth = uneven(200)
    found = curves(np.eye(2)[truth], p, classes=("a", "b"), groups=None)["b"]
    false, true, _ = metrics.roc_curve(truth, p[:, 1], drop_intermediate=False)
    x = np.linspace(0, 1, 101)
    highest = [np.interp(v, false, true) if v not in false else true[false == v].max() for v in x]
    np.testing.assert_allclose(found["roc"].y, highest, atol=1e-9)
    assert found["roc"].area == pytest.approx(metrics.roc_auc_score(truth, p[:, 1]))
    precision, recall, cuts = metrics.precision_recall_curve(truth, p[:, 1])
    first = [precision[np.flatnonzero(recall[: len(cuts)] >= v - 1e-12)[-1]] for v in x]
    np.testing.assert_allclose(found["pr"].y, first, atol=1e-9)
    assert found["pr"].area == pytest.approx(metrics.average_precision_score(truth, p[:, 1]))


@pytest.mark.parametrize("kind", ["roc", "pr"])
def test_bands_hold_the_curve_and_widen_with_groups(kind: str) -> None:
    p, truth = uneven(200)
    hot = np.eye(2)[truth]
    alone = curves(hot, p, classes=("a", "b"), groups=None)["b"][kind]
    assert alone.x[0] == 0
    assert alone.x[-1] == 1
    assert len({len(getattr(alone, k)) for k in ("x", "y", "low", "high")}) == 1
    low, y, high = (np.array(getattr(alone, k)) for k in ("low", "y", "high"))
    assert ((low <= y + 1e-9) & (y <= high + 1e-9)).mean() > 0.95
    assert (high - low).mean() > 0.02
    many, chance = np.repeat(hot, 5, 0), np.repeat(p, 5, 0)
    twins = curves(many, chance, classes=("a", "b"), groups=[i for i in range(200) for _ in range(5)])["b"][kind]
    blind = curves(many, chance, classes=("a", "b"), groups=None)["b"][kind]
    grouped, items = (np.subtract(c.high, c.low).mean() for c in (twins, blind))
    assert grouped == pytest.approx((high - low).mean(), rel=0.15), "copies in one group add nothing"
    assert grouped > 1.5 * items


def test_the_band_covers_what_another_sample_shows() -> None:
    """The recall at x of the whole population lies in nearly all the bands of small samples."""
    rng = np.random.default_rng(1)
    score = rng.normal(size=40_000)
    truth = (rng.random(40_000) < 0.3).astype(int)
    score += 1.2 * truth
    x = np.array([0.1, 0.3])
    population = ranking.heights(truth, score, kind="roc", weights=np.ones((1, len(score))), x=x)[0]
    inside = []
    for start in range(0, 12_000, 300):
        part = slice(start, start + 300)

        def at(weights: np.ndarray, part: slice = part) -> np.ndarray:
            return ranking.heights(truth[part], score[part], kind="roc", weights=weights, x=x)

        _, low, high = bands(at, units=Units.of(300, None, "image"), options=IntervalOptions(0.95, 150, 0))
        inside += [low[i] <= population[i] <= high[i] for i in range(2)]
    assert 0.88 <= np.mean(inside) <= 1


def test_rows_give_groups_to_the_bands() -> None:
    one = task(2, threshold="argmax")
    p, truth = uneven(120)
    rows = [one.row(a, np.asarray(b)) for a, b in zip(p, truth, strict=True)]

    def drawn(groups: list[str | None]) -> Curve:
        items = [ItemStats(str(i), row, group) for i, (row, group) in enumerate(zip(rows, groups, strict=True))]
        return next(f for f in one.figures(items) if isinstance(f, Curves)).classes["b"]["roc"]

    first, second = drawn([None] * 120), drawn([str(i // 12) for i in range(120)])
    assert first.y == second.y
    assert first.low != second.low
    assert drawn(["one"] * 120).low == first.low, "one group alone cannot be resampled"


def test_a_class_that_is_not_there_has_no_curve() -> None:
    hot = np.array([[1, 0], [1, 0], [1, 0]])
    found = curves(hot, np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]]), classes=("a", "b"), groups=None)
    assert found["b"]["roc"].x == found["b"]["pr"].x == found["a"]["roc"].x == ()
    assert set(found["a"]["pr"].y) == {1.0}


def test_bands_are_quick() -> None:
    p, truth = uneven(1000, 5)
    begun = time.process_time()
    found = curves(np.eye(5)[truth], p, classes=tuple("abcde"), groups=None)
    assert time.process_time() - begun < 2
    assert found["a"]["roc"].low
    many = curves(np.tile(np.eye(2)[truth % 2], (21, 1)), np.tile(p[:, :2], (21, 1)), classes=("a", "b"), groups=None)
    assert not many["a"]["roc"].low
    assert len(many["a"]["roc"].y) == 101
