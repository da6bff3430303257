"""Calibration in the tasks: fitted on validation, kept, applied to everything that is said, scored before and after."""

from __future__ import annotations

import json
from typing import Any

import made_tasks
import numpy as np
import pytest
from made_tasks import fit
from sklearn import metrics

from lamelle.io.atomic import plain
from lamelle.metrics import calibration
from lamelle.results.items import ItemStats
from lamelle.results.saved_task import SavedTask
from lamelle.results.scores import Reliability
from lamelle.tasks.base import Task
from lamelle.tasks.calibration import PixelSample
from lamelle.tasks.classify import Classify
from lamelle.tasks.segment import Segment
from lamelle.types import IGNORE, ClassScores, LabelMap

Items = list[tuple[np.ndarray, np.ndarray]]
SURE = 3.0
"""How many times too large the logits are."""


def classify(classes: int = 3, **options: Any) -> Classify:
    return made_tasks.classify("abcdef"[:classes], counts=(9,) * classes, **options)


def segment(classes: int = 2, **options: Any) -> Segment:
    names = ("background", "cell", "wall")[:classes]
    return made_tasks.segment(names, **{"calibrate": True} | options)


def items_of(task: Task, n: int, seed: int = 0) -> Items:
    """Items whose probabilities would be honest, were their logits not ``SURE`` times too large."""
    rng, found = np.random.default_rng(seed), []
    several = task.describe().settled.get("multi_label")
    shape = (24, 24) if task.output == "map" else ()
    for _ in range(n):
        logits = rng.normal(size=(task.outputs, *shape)) * 1.2
        if several or task.outputs == 1:
            target = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.int64)
            p = 1 / (1 + np.exp(-SURE * logits))
            target = target if several else target[0]
        else:
            gumbel = logits + rng.gumbel(size=logits.shape)
            target = gumbel.argmax(0)
            p = np.exp(SURE * logits) / np.exp(SURE * logits).sum(0)
        if task.output == "map":
            target[:2] = IGNORE
        found.append((p.astype(np.float32), np.asarray(target)))
    return found


def scores(task: Task, items: Items, found: Any = None) -> dict[str, float]:
    rows = json.loads(json.dumps(plain([task.row(p, t, found) for p, t in items])))
    return {k: float(v[0]) for k, v in task.summarise(task.table(rows), np.ones((1, len(rows)))).items()}


TASKS = {
    "classes": (classify, {}, 1000),
    "two classes": (classify, {"classes": 2, "threshold": "f1"}, 300),
    "several labels": (classify, {"multi_label": True, "loss": "bce", "threshold": "f1"}, 200),
    "foreground": (segment, {}, 6),
    "pixels": (segment, {"classes": 3}, 6),
}


@pytest.fixture(params=TASKS)
def task(request: pytest.FixtureRequest) -> tuple[Task, Items, Items]:
    make, options, n = TASKS[request.param]
    one = make(**options)
    return one, items_of(one, n), items_of(one, n, seed=1)


def test_what_is_too_sure_is_mended_on_images_never_seen(task: tuple[Task, Items, Items]) -> None:
    one, validation, test = task
    found, tried = fit(one, validation)
    assert found.temperature == pytest.approx(SURE, rel=0.15)
    assert tried["temperature"].points == (1.0, found.temperature)
    assert set(tried["temperature"].scores) == {"log_loss", "brier", "ece"}
    for before, after in tried["temperature"].scores.values():
        assert before is not None
        assert after is not None
        assert after < before
    mended, raw = scores(one, test, found), scores(one, test)
    for name in ("log_loss", "brier", "ece"):
        assert mended[name] < raw[name]
        assert mended[f"{name}_uncalibrated"] == pytest.approx(raw[name], rel=0.02), "as it was before"
        assert f"{name}_uncalibrated" not in raw
    assert mended["ece"] < 0.06 < raw["ece"]
    assert set(one.headline).isdisjoint(k for k in mended if k.startswith(("ece", "brier", "log_loss")))


def test_what_is_said_stays_and_what_is_written_is_calibrated(task: tuple[Task, Items, Items]) -> None:
    one, validation, test = task
    found, _ = fit(one, validation)
    uncalibrated = type(one)(one.options.model_copy(update={"calibrate": False}), one.settled)  # type: ignore[attr-defined]
    before, tried = fit(uncalibrated, validation)
    assert before.temperature is None
    assert "temperature" not in tried
    pairs = [(one.decode(p, found, None), uncalibrated.decode(p, before, None), p) for p, _ in test]
    same = 0
    for now, then, p in pairs:
        assert isinstance(now, ClassScores | LabelMap)
        assert type(then) is type(now)
        exclusive = one.outputs > 1 and not one.describe().settled.get("multi_label")
        expected = calibration.tempered(p, found.temperature, exclusive=exclusive, axis=0)
        np.testing.assert_allclose(now.probabilities, expected, atol=1e-6)
        np.testing.assert_array_equal(then.probabilities, p)
        said = (now.chosen, then.chosen) if isinstance(now, ClassScores) else (now.labels, then.labels)
        same += np.mean(np.asarray(said[0] == said[1]))
    assert same / len(pairs) > 0.995, "thresholds move along with the probabilities"


def test_scores_agree_with_scikit_learn() -> None:
    one = classify(2)
    test = items_of(one, 200)
    p, truth = np.array([p for p, _ in test], np.float64), np.array([int(t) for _, t in test])
    found = scores(one, test)
    assert found["brier"] == pytest.approx(2 * metrics.brier_score_loss(truth, p[:, 1]), rel=1e-6)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(truth, p / p.sum(1, keepdims=True)), rel=1e-5)
    pixels = segment()
    test = items_of(pixels, 3)
    said = np.concatenate([p[0][t != IGNORE] for p, t in test]).astype(np.float64)
    yes = np.concatenate([t[t != IGNORE] for _, t in test])
    found = scores(pixels, test)
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(yes, said), rel=1e-6)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(yes, said), rel=1e-4)
    sums = calibration.binned(yes[None], said[None], bins=15)[0]
    assert found["ece"] == pytest.approx(float(calibration.ece(sums)))


def test_weights_count_items_as_often_as_they_say() -> None:
    for one in (classify(), classify(multi_label=True, loss="bce"), segment(), segment(3)):
        test = items_of(one, 8)
        rows = [one.row(p, t, one.Fitted(temperature=2.0)) for p, t in test]
        weights = np.array([[2.0, 1, 0, 0, 1, 3, 0, 1]])
        again = [row for row, w in zip(rows, weights[0], strict=True) for _ in range(int(w))]
        found, expected = one.summarise(one.table(rows), weights), one.summarise(one.table(again), np.ones((1, 8)))
        for name in (n for n in found if n.startswith(("ece", "brier", "log_loss"))):
            np.testing.assert_allclose(found[name], expected[name], err_msg=name)


def test_each_fold_has_its_own_temperature() -> None:
    one = classify()
    test = items_of(one, 40)
    at = [one.Fitted(temperature=1.0 + i % 2) for i in range(40)]
    rows = [one.row(p, t, f) for (p, t), f in zip(test, at, strict=True)]
    np.testing.assert_allclose(one.table(rows)["before"], [p for p, _ in test], atol=1e-4)


def test_a_threshold_is_searched_among_calibrated_probabilities() -> None:
    one = segment(fill_holes="auto", also=["cells"])
    validation = items_of(one, 4)
    found, tried = fit(one, validation)
    plain, _ = fit(segment(calibrate=False, fill_holes="auto", also=["cells"]), validation)
    moved = calibration.tempered(np.array([plain.threshold]), found.temperature, exclusive=False, axis=0)
    assert found.threshold == pytest.approx(float(moved[0]), abs=1e-6)
    assert found.fill_holes == plain.fill_holes
    p = np.concatenate([one.decode(p, found, None).probabilities[0][t != IGNORE] for p, t in validation])  # type: ignore[union-attr]
    truth = np.concatenate([t[t != IGNORE] for _, t in validation])
    curve = tried["threshold"]
    for at, f1 in list(zip(curve.points, curve.scores["f1"], strict=True))[1:-1:9]:
        assert f1 == pytest.approx(metrics.f1_score(truth, p >= at), abs=2e-3)
    said = np.concatenate([(q[0] >= plain.cell_threshold)[t != IGNORE] for q, t in validation])
    assert np.mean(said == (p >= found.cell_threshold)) > 0.9


def test_a_sample_of_pixels_is_even_over_all_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamelle.tasks.calibration.SAMPLED", 2000)
    sample = PixelSample()
    rng = np.random.default_rng(3)
    for share in (0.9, 0.1, 0.5):
        target = (rng.random((60, 60)) < share).astype(np.int64)
        target[:10] = IGNORE
        p = rng.random((1, 60, 60))
        sample.add(np.concatenate([p, 1 - p]).astype(np.float32), target)
    assert len(sample._target) == 2000
    assert set(np.unique(sample._target)) == {0, 1}
    assert sample._target.mean() == pytest.approx(0.5, abs=0.04)
    assert sample.fit().n == 2000


def test_a_package_without_temperature_is_as_it_was() -> None:
    one = classify(calibrate=False)
    assert not one.options.calibrate
    p = np.array([0.6, 0.3, 0.1], np.float32)
    said = one.decode(p, one.Fitted(), None)
    assert isinstance(said, ClassScores)
    np.testing.assert_array_equal(said.probabilities, p)
    assert "temperature" not in one.row(p, np.asarray(0))
    for image in (segment(calibrate=False), segment(3, calibrate=False)):
        again = Segment.restore(SavedTask.model_validate_json(image.describe().model_dump_json()))
        q, truth = items_of(again, 1)[0]
        assert "uncalibrated" not in again.row(q, truth)
        np.testing.assert_array_equal(again.decode(q, again.Fitted(), None).probabilities, q)  # type: ignore[union-attr]
        del (row := again.row(q, truth))["calibration"]
        assert "ece" not in again.summarise(again.table([row]), np.ones((1, 1))), "rows of older runs have no bins"
        assert not any(isinstance(one, Reliability) for one in again.figures([ItemStats("a", row)]))
