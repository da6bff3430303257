"""What validation decides: thresholds pooled and per image, their view at eleven points, cleaning."""

from __future__ import annotations

from typing import Any

import made_tasks
import numpy as np
import pytest
from made_tasks import fit
from sklearn import metrics

from lamelle.data.targets.values import ValueMap
from lamelle.tasks.segment import Segment
from lamelle.tasks.threshold_search import FittedPixels
from lamelle.types import IGNORE, LabelMap


def segment(classes: int = 2, **options: Any) -> Segment:
    names = ("background", "cell", "wall")[:classes]
    values = ValueMap(names, {i: i for i in range(classes)})
    return made_tasks.segment(values, **{"loss": "dice_ce"} | options)


def images() -> list[tuple[np.ndarray, np.ndarray]]:
    """A large bright object beside something as faint as the small ones elsewhere; a tenth of the pixels ignored."""
    rng, items = np.random.default_rng(0), []
    for bright, size in ((0.6, 24), (0.25, 5), (0.25, 5), (0.25, 6)):
        truth = np.zeros((32, 32), np.int64)
        truth[4 : 4 + size, 4 : 4 + size] = 1
        shown = bright * truth
        if size == 24:
            shown[:, 28:] = 0.25
        p = np.clip(shown + rng.normal(0.25, 0.06, truth.shape), 0, 1).astype(np.float32)
        truth[rng.random(truth.shape) < 0.1] = IGNORE
        items.append((p[None], truth))
    return items


def fitted(task: Segment, items: list[tuple[np.ndarray, np.ndarray]]) -> FittedPixels:
    return fit(task, items)[0]


def f1(p: np.ndarray, truth: np.ndarray, threshold: float) -> float:
    seen = truth != IGNORE
    return float(metrics.f1_score(truth[seen], p[0][seen] >= threshold))


def test_a_threshold_is_the_best_of_all_pixels_or_of_the_mean_image() -> None:
    items = images()
    grid = np.linspace(0.2, 0.8, 31)
    by_image = [np.mean([f1(p, t, x) for p, t in items]) for x in grid]
    every = np.concatenate([p.ravel() for p, _ in items])[None], np.concatenate([t.ravel() for _, t in items])
    by_pixel = [f1(*every, x) for x in grid]
    (pooled, tried), (mean, by_mean) = (fit(segment(threshold_by=by), items) for by in ("pooled", "image"))
    assert f1(*every, pooled.threshold) >= max(by_pixel) - 1e-9
    assert np.mean([f1(p, t, mean.threshold) for p, t in items]) >= max(by_image) - 1e-9
    assert mean.threshold < pooled.threshold - 0.02, "the small faint objects weigh more by image"
    curve = tried["threshold"]
    assert curve.points == pytest.approx(np.arange(101) / 100)
    assert curve.scores["f1"][30] == pytest.approx(f1(*every, 0.3))
    assert curve.scores["image_dice"][30] == pytest.approx(np.mean([f1(p, t, 0.3) for p, t in items]))
    assert (curve.by, by_mean["threshold"].by, curve.of) == ("f1", "image_dice", "cell")
    assert fit(segment(threshold=0.4), items)[1]["threshold"].given


@pytest.mark.parametrize("value", [0, 1])
def test_a_validation_set_of_one_class_alone_decides_nothing_and_says_so(value: int) -> None:
    alone = [(p, np.full_like(truth, value)) for p, truth in images()]
    for by in ("pooled", "image"):
        found, tried = fit(segment(threshold_by=by), alone)
        assert (found.threshold, tried["threshold"].undecided, tried["threshold"].by) == (0.5, True, "")
    assert not fit(segment(threshold=0.4), alone)[1]["threshold"].undecided, "nothing was to be searched"
    assert not fit(segment(), images())[1]["threshold"].undecided
    each = segment(3, exclusive=False)
    _, tried = fit(each, [(np.concatenate([p, p]), truth) for p, truth in images()])
    lacking = [one.of for one in tried.values() if one.undecided]
    assert lacking == ["wall"], "the class that no validation image shows"


def test_an_image_without_foreground_counts_only_where_something_is_predicted_in_it() -> None:
    p, truth = np.full((1, 4, 4), 0.1, np.float32), np.zeros((4, 4), np.int64)
    p[0, 0, 0], truth[0, 0] = 0.9, 1
    false = np.full((1, 4, 4), 0.1, np.float32)
    false[0, 0, 0] = 0.6
    found, tried = fit(segment(threshold_by="image"), [(p, truth), (false, np.zeros((4, 4), np.int64))])
    assert tried["threshold"].scores["image_dice"][50] == pytest.approx(0.5)
    assert tried["threshold"].scores["image_dice"][70] == pytest.approx(1.0)
    assert 0.6 < found.threshold < 0.9


def test_without_both_classes_the_threshold_is_one_half_and_a_fixed_one_stays() -> None:
    nothing = [(np.full((1, 4, 4), 0.3, np.float32), np.zeros((4, 4), np.int64))]
    for by in ("pooled", "image"):
        assert fitted(segment(threshold_by=by), nothing).threshold == 0.5
        assert fitted(segment(threshold_by=by, threshold=0.7), images()).threshold == 0.7
    assert fitted(segment(3), [(np.ones((3, 4, 4), np.float32) / 3, np.zeros((4, 4), np.int64))]) == FittedPixels()


def test_cleaning_is_chosen_after_the_threshold_frozen_and_applied() -> None:
    rng, items = np.random.default_rng(1), []
    for _ in range(3):
        truth = np.zeros((40, 40), np.int64)
        truth[8:24, 8:24] = 1
        p = np.where(truth == 1, 0.8, 0.2)
        p[rng.random(p.shape) < 0.02] = 0.8
        p[(rng.random(p.shape) < 0.02) & (truth == 1)] = 0.2
        items.append((p[None].astype(np.float32), truth))
    plain, task = segment(), segment(min_size="auto", fill_holes="auto", largest="auto")
    found = fitted(task, items)
    assert found.fill_holes is not None
    assert 1 <= found.fill_holes < 256
    assert found.largest or (found.min_size or 0) > 1
    p, truth = items[0]
    answer, before = task.decode(p, found, None), plain.decode(p, FittedPixels(threshold=found.threshold), None)
    assert isinstance(answer, LabelMap)
    assert isinstance(before, LabelMap)
    assert (before.labels != truth).sum() > 20
    assert (answer.labels != truth).sum() < 8
    raw = plain.row(p, truth)["confusion"]
    assert (task.row(p, truth, found)["confusion"] != raw).any()
    quick = task.quick_row(*items[0])
    assert list(quick) == ["confusion"]
    np.testing.assert_array_equal(quick["confusion"], raw)
    fixed = segment(largest=True)
    same = [fixed.row(p, truth, f)["confusion"] for f in (FittedPixels(), fitted(fixed, items))]
    np.testing.assert_array_equal(*same)


def test_classes_that_exclude_each_other_are_cleaned_too() -> None:
    truth = np.zeros((20, 20), np.int64)
    truth[2:10, 2:10], truth[12:18, 12:18] = 1, 2
    said = truth.copy()
    said[0, 15], said[5, 5], said[15, 2] = 2, 0, 1
    p = np.eye(3, dtype=np.float32)[said].transpose(2, 0, 1)
    task = segment(3, min_size="auto", fill_holes="auto")
    found = fitted(task, [(p, truth)])
    assert (found.min_size, found.fill_holes) == (2, 1)
    answer = task.decode(p, found, None)
    assert isinstance(answer, LabelMap)
    np.testing.assert_array_equal(answer.labels, truth)


def test_the_threshold_of_cells_is_searched_by_v_rand() -> None:
    truth = np.zeros((24, 24), np.int64)
    truth[:, 11:13] = 1
    p = np.where(truth == 1, 0.3, 0.1).astype(np.float32)
    found, tried = fit(segment(also=["cells"], threshold=0.5), [(p[None], truth)])
    assert found.cell_threshold is not None
    assert 0.1 < found.cell_threshold <= 0.3
    cells = tried["cell_threshold"]
    best = cells.scores["v_rand"][cells.points.index(found.cell_threshold)]
    assert best == max(v for v in cells.scores["v_rand"] if v is not None)


def test_cells_are_cut_at_their_own_threshold() -> None:
    """A membrane of probability 0.3 parts two cells at the threshold of cells, and none at that of pixels."""
    truth = np.zeros((24, 24), np.int64)
    truth[:, 11:13] = 1
    p = np.where(truth == 1, 0.3, 0.1).astype(np.float32)[None]
    task, known = segment(also=["cells"], threshold=0.5), FittedPixels(threshold=0.5)

    def v_rand(**fitted: float) -> float:
        table = task.table([task.row(p, truth, known.model_copy(update=fitted))])
        return float(task.summarise(table, np.ones((1, 1)))["v_rand"][0])

    assert v_rand(cell_threshold=0.2) == pytest.approx(1.0)
    assert v_rand() == v_rand(cell_threshold=0.4) < 0.9
