"""The table by class: a line for each class, macro and weighted averages, each with its interval and its number."""

from __future__ import annotations

import csv
import math
from typing import Any

import made_tasks
import numpy as np
import pytest
from sklearn import metrics

from lamelle.evaluation.measure import summarise
from lamelle.metrics import by_class, regions
from lamelle.metrics.intervals import IntervalOptions, why_none
from lamelle.reports import scores as reported
from lamelle.results.items import ItemStats
from lamelle.results.scores import Confusion, Score, Scores

CLASSES = ("a", "b", "c")
ORACLE: Any = metrics
SCORES = {"precision": "precision", "recall": "recall", "f1": "f1-score"}


def scored(truth: np.ndarray, chosen: np.ndarray, *, several: bool = False) -> Scores:
    """The content of ``scores.json`` of these answers."""
    keys: dict[str, Any] = {"calibrate": False, "loss": "bce" if several else "ce"}
    task = made_tasks.classify(CLASSES, counts=(5, 5, 5), multi_label=several, **keys)
    probabilities = 0.2 + 0.6 * (chosen if several else np.eye(3)[chosen])
    rows = [
        ItemStats(str(i), {"truth": t, "chosen": c, "probabilities": p})
        for i, (t, c, p) in enumerate(zip(truth, chosen, probabilities, strict=True))
    ]
    return summarise(task, rows, IntervalOptions(0.95, 300, 0), split="test")


def answers(*, several: bool) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    if several:
        truth = (random.random((60, 3)) < (0.6, 0.4, 0.15)).astype(int)
        return truth, np.where(random.random((60, 3)) < 0.8, truth, 1 - truth)
    truth = random.choice(3, 60, p=(0.6, 0.3, 0.1))
    return truth, np.where(random.random(60) < 0.7, truth, random.choice(3, 60))


@pytest.mark.parametrize("several", [False, True])
def test_the_table_is_that_of_scikit_learn_with_intervals(several: bool) -> None:
    truth, chosen = answers(several=several)
    scores = scored(truth, chosen, several=several)
    right = ORACLE.classification_report(truth, chosen, target_names=CLASSES, output_dict=True, zero_division=0)
    rows = list(csv.DictReader(by_class.to_csv(scores).splitlines()))
    names = [*CLASSES, "macro avg", "weighted avg"]
    assert [row["kind"] for row in rows] == ["class"] * 3 + ["macro", "weighted"]
    for row, name in zip(rows, names, strict=True):
        assert int(row["support"]) == right[name]["support"]
        for ours, theirs in SCORES.items():
            value, low, high = (float(row[ours + end]) for end in ("", "_low", "_high"))
            assert value == pytest.approx(right[name][theirs], abs=1e-5)
            assert low <= value <= high
            assert low < high
    found = scores.scores
    keys = [{score: f"{score}/{name}" for score in SCORES} for name in CLASSES]
    keys.append({"precision": "macro_precision", "recall": "macro_recall" if several else "balanced_accuracy"})
    for row, known in zip(rows, keys, strict=False):
        for score, key in known.items():
            assert (int(row[f"{score}_n"]), row[f"{score}_unit"]) == (found[key].n, found[key].unit)
            assert row[f"{score}_reason"] == "", "it has an interval"
    assert rows[3]["roc_auc"]
    assert rows[4]["roc_auc"] == rows[3]["specificity"] == ""


def test_the_page_shows_the_same_lines() -> None:
    scores = scored(*answers(several=False))
    columns, rows = reported.by_class(scores)
    assert [row.name for row in rows] == [*CLASSES, "Macro average", "Weighted average"]
    assert [row.average for row in rows] == [False] * 3 + [True] * 2
    shown = {name: one for name, one in zip(columns, rows[3].scores, strict=True) if one}
    for name, key in {"Precision": "macro_precision", "Recall": "balanced_accuracy", "F1": "macro_f1"}.items():
        assert shown[name].score == scores.scores[key]
    assert "Specificity" not in shown


def test_a_class_that_is_never_said_lowers_the_averages() -> None:
    truth = np.array([0] * 6 + [1] * 3 + [2] * 1)
    chosen = np.array([0] * 6 + [1] * 3 + [0] * 1)
    matrix = np.array([[6, 0, 0], [0, 3, 0], [1, 0, 0]])
    found = scored(truth, chosen).scores
    assert math.isnan(found["precision/c"].value)
    assert found["macro_precision"].value == pytest.approx((6 / 7 + 1 + 0) / 3)
    assert float(regions.weighted_precision(matrix)) == found["weighted_precision"].value
    line = list(csv.DictReader(by_class.to_csv(scored(truth, chosen)).splitlines()))[2]
    assert (line["class"], line["precision"], line["support"]) == ("c", "", "1")
    assert (line["precision_n"], line["precision_unit"]) == ("0", "image")
    assert line["precision_reason"] == "c was never predicted"
    for score in by_class.columns(scored(truth, chosen)):
        known = found[f"{score}/c"]
        assert (line[f"{score}_n"], line[f"{score}_unit"]) == (str(known.n), known.unit)
        assert line[f"{score}_reason"] == why_none(known)
        assert bool(line[f"{score}_low"]) == (line[f"{score}_reason"] == ""), "bounds, or the reason"


def test_a_segmentation_has_its_classes_and_no_average_that_the_background_leads() -> None:
    few = Score(0.5, math.nan, math.nan, 2, "image", reason="few", of="cell")
    known = {"dice": few, "dice/background": few, "dice/cell": few}
    about = {"task": "segment", "split": "test", "n": 2, "monitor": "dice", "headline": ()}
    figures = (Confusion(support=(90, 10)),)
    scores = Scores(**about, classes=("background", "cell"), scores=known, figures=figures)
    assert [line.kind for line in by_class.lines(scores)] == ["class", "class"]
    said = "no interval: 2 images of cell; 5 are needed"
    assert by_class.to_csv(scores).splitlines()[2] == f"class,cell,10,0.5,,,2,image,{said}"
    assert by_class.lines(Scores(**about, classes=("a",), scores={"ap50": few})) == []
