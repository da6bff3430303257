"""Scores carry the right n, unit and notes; classes of another folder are matched by name."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_tasks
import numpy as np
import pytest
import torch
from torch import nn

from lamelle.data.preparation import Preparation
from lamelle.data.samples import Reader
from lamelle.data.store import Store
from lamelle.evaluation.measure import measure, summarise
from lamelle.io.atomic import plain
from lamelle.metrics.intervals import IntervalOptions, Units
from lamelle.metrics.names import name_of
from lamelle.prediction.predictor import Predictor
from lamelle.results.fitted import Sweep
from lamelle.results.items import ItemStats
from lamelle.results.scores import Score, Scores
from lamelle.runs.evaluate import headline
from lamelle.runs.plan import read_data
from lamelle.specimens.write import write_demo
from lamelle.tasks.classify import Classify
from lamelle.tasks.segment import Segment

OPTIONS = IntervalOptions(level=0.95, resamples=200, seed=0)


def classify(*classes: str, several: bool = False) -> Classify:
    return made_tasks.classify(classes, multi_label=several)


def segment(*classes: str) -> Segment:
    return made_tasks.segment(classes, loss="ce")


def classified(truths: list[int], groups: Sequence[str | None], classes: int = 2) -> list[ItemStats]:
    task, rng = classify(*"abcdef"[:classes]), np.random.default_rng(0)
    rows = []
    for i, (truth, group) in enumerate(zip(truths, groups, strict=True)):
        p = rng.dirichlet(np.ones(classes))
        rows.append(ItemStats(str(i), task.row(p, np.asarray(truth)), group))
    return rows


def segmented(count: int, volumes: list[str | None], groups: list[str | None]) -> list[ItemStats]:
    task, rng = segment("background", "cell"), np.random.default_rng(1)
    rows = []
    for i in range(count):
        target = (rng.random((32, 32)) > 0.5).astype(np.int64)
        p = np.clip(target + rng.normal(0, 0.4, target.shape), 0, 1)[None].astype(np.float32)
        row = task.row(p, target)
        rows.append(ItemStats(str(i), row, groups[i], volumes[i], i))
    return rows


def told(scores: Scores) -> set[str]:
    return {note.code for note in scores.notes}


def test_known_groups_are_the_unit() -> None:
    rows = classified([0, 1] * 40, [f"p{i // 4}" for i in range(80)])
    scores = summarise(classify("a", "b"), rows, OPTIONS, split="test")
    assert {s.unit for s in scores.scores.values()} == {"group"}
    assert scores.scores["accuracy"].n == 20
    assert told(scores) == set()
    assert scores.n == 80


def test_without_groups_independence_is_not_claimed() -> None:
    scores = summarise(classify("a", "b"), classified([0, 1] * 10, [None] * 20), OPTIONS, split="test")
    assert {s.unit for s in scores.scores.values()} == {"image"}
    assert (scores.scores["accuracy"].n, scores.scores["recall/a"].n) == (20, 10)
    assert told(scores) == {"report.independence"}


def test_one_known_group_is_said_to_be_one() -> None:
    scores = summarise(classify("a", "b"), classified([0, 1] * 10, ["p"] * 20), OPTIONS, split="test")
    assert told(scores) == {"evaluate.one_group"}
    assert any("(p)" in line for line in headline(scores))


def test_few_units_are_said_to_be_few() -> None:
    few = summarise(classify("a", "b"), classified([0, 1] * 6, list("pqrstu") * 2), OPTIONS, split="test")
    assert told(few) == {"report.few_units"}
    none = summarise(classify("a", "b"), classified([0, 1] * 4, list("pqrs") * 2), OPTIONS, split="test")
    assert told(none) == set(), "there is no interval to be wide, and each score says why"


def test_a_class_without_example_is_named_and_has_no_score() -> None:
    rows = classified([0, 1] * 10, [f"p{i}" for i in range(20)], classes=3)
    scores = summarise(classify("a", "b", "c"), rows, OPTIONS, split="test")
    assert told(scores) == {"evaluate.absent_classes", "evaluate.over_present"}
    assert scores.notes[0].values == {"classes": "c"}
    assert np.isnan(scores.scores["recall/c"].value)
    assert headline(scores)[-2].startswith("The test set has no example of: c.")
    assert headline(scores)[-1].startswith("Macro scores")


@pytest.mark.parametrize(("language", "words"), [("en", "No threshold could be searched"), ("fr", "Aucun seuil")])
def test_a_threshold_that_validation_could_not_decide_is_noted(
    language: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMELLE_LANG", language)
    lacking = Sweep(name="threshold", of="cell", chosen=0.5, undecided=True)
    task, rows = segment("background", "cell"), segmented(6, [None] * 6, [None] * 6)
    said = headline(summarise(task, rows, OPTIONS, split="test", fitted=task.Fitted(), sweeps=[lacking]))
    assert any(words in line and "cell" in line for line in said)
    given = lacking.model_copy(update={"undecided": False})
    assert "evaluate.unsearched" not in told(summarise(task, rows, OPTIONS, split="test", sweeps=[given]))


@pytest.mark.parametrize("shapes", [((64, 64), (64, 88)), ((37, 53), (53, 37), (8, 90))])
def test_images_of_several_shapes_are_scored_together(shapes: tuple[tuple[int, int], ...]) -> None:
    """Images of other proportions fall into another number of blocks, which no score is made of there."""
    task, rng, items = segment("background", "cell"), np.random.default_rng(0), []
    for n, shape in enumerate(shapes):
        truth = (rng.random(shape) < 0.5).astype(np.int64)
        probabilities = np.where(truth, 0.9, 0.1)[None].astype(np.float32)
        items.append(ItemStats(f"image {n}", task.row(probabilities, truth), None, None, None))
    scores = summarise(task, items, OPTIONS, split="test")
    assert scores["dice"].value == 1.0
    assert scores["dice"].n == len(shapes)


def test_slices_of_one_volume_are_resampled_by_block() -> None:
    rows = segmented(6, ["v"] * 6, [None] * 6)
    scores = summarise(segment("background", "cell"), rows, OPTIONS, split="test")
    assert {"report.one_volume", "report.few_units"} == told(scores)
    assert (scores.scores["dice"].unit, scores.scores["dice"].n) == ("block", 16)
    assert (scores.scores["boundary_f"].unit, scores.scores["boundary_f"].n) == ("slice", 6)
    matrix = np.sum([r.values["confusion"] for r in rows], axis=0)
    expected = 2 * matrix[1, 1] / (matrix[1].sum() + matrix[:, 1].sum())
    assert scores.scores["dice"].value == pytest.approx(expected), "blocks sum up to the whole"


def test_patches_of_one_volume_are_resampled_by_slice() -> None:
    rows = classified([0, 1] * 60, [None] * 120)
    rows = [replace(row, volume="block", position=i // 6) for i, row in enumerate(rows)]
    scores = summarise(classify("a", "b"), rows, OPTIONS, split="test")
    assert told(scores) == {"evaluate.one_volume"}
    assert {(s.unit, s.n) for s in scores.scores.values()} == {("slice", 20)}
    assert "n = 1: all 120 images scored come from one volume (block)" in headline(scores)[-1]
    rows = [replace(row, group="block") for row in rows]
    again = summarise(classify("a", "b"), rows, OPTIONS, split="test")
    assert (again.scores, again.notes) == (scores.scores, scores.notes), "a single group adds nothing"
    rows = [replace(row, group=f"p{i // 4}") for i, row in enumerate(rows)]
    by_group = summarise(classify("a", "b"), rows, OPTIONS, split="test")
    assert by_group.scores["accuracy"].unit == "group", "several groups are known better than slices"


def test_slices_that_are_all_right_or_all_wrong_widen_the_interval() -> None:
    task, rows = classify("a", "b"), []
    for i in range(200):
        truth = i % 2
        p = np.eye(2)[truth if (i // 10) % 2 else 1 - truth] * 0.8 + 0.1
        rows.append(ItemStats(str(i), task.row(p, np.asarray(truth))))
    blind = summarise(task, rows, OPTIONS, split="t").scores["accuracy"]
    rows = [replace(row, volume="v", position=i // 10) for i, row in enumerate(rows)]
    seen = summarise(task, rows, OPTIONS, split="t").scores["accuracy"]
    assert seen.value == blind.value == 0.5
    assert seen.high - seen.low > 2 * (blind.high - blind.low)


@pytest.mark.parametrize("told_apart", [True, False])
def test_a_table_of_patches_says_of_how_many_volumes_they_are(tmp_path: Path, told_apart: bool) -> None:
    folder = write_demo("em-patches", tmp_path / "block", seed=0, count=60, size=16)
    if not told_apart:  # all six blocks as if they were one
        lines = [line.split(",") for line in (folder / "train.csv").read_text().splitlines()]
        kept = [",".join((*cells[:2], *cells[3:])) for cells in lines]
        (folder / "train.csv").write_text("\n".join(kept) + "\n")
    index = read_data(folder, {})
    task, plain = classify(*index.classes), Preparation(1, (16, 16), "unit", (), ())
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 5))
    how = {"dims": 2, "tile": None, "whole": True, "overlap": 0.25, "flips": False, "precision": "32"}
    predictor = Predictor(model, task, plain, **how, device=torch.device("cpu"))  # type: ignore[arg-type]
    reader = Reader(Store(tmp_path / "store", budget=1 << 24), task.targets, plain)
    scores = summarise(task, measure(index.records, predictor, reader, task.Fitted(), None), OPTIONS, split="t")
    found = scores.scores["accuracy"]
    if told_apart:
        assert (found.unit, found.n) == ("group", 6)
        assert told(scores) == {"report.few_units"}
    else:
        slices = len({r.position for r in index.records})
        assert (found.unit, found.n) == ("slice", slices)
        assert scores.notes[0].code == "evaluate.one_volume"
        assert scores.notes[0].values == {"volume": "block", "n": 60, "slices": slices}


def test_several_volumes_are_the_unit() -> None:
    names: list[str | None] = [f"v{i // 2}" for i in range(40)]
    scores = summarise(segment("background", "cell"), segmented(40, names, names), OPTIONS, split="t")
    assert scores.scores["dice"].unit == "group"
    assert scores.scores["dice"].n == 20


def test_the_interval_holds_the_value_and_the_headline_says_both() -> None:
    rows = classified([0, 1] * 40, [f"p{i // 2}" for i in range(80)])
    scores = summarise(classify("a", "b"), rows, OPTIONS, split="test")
    for name in scores.headline:
        found = scores.scores[name]
        assert found.low <= found.value <= found.high, name
    first = headline(scores)[0]
    assert "Accuracy" in first
    assert f"{scores.scores['accuracy'].value:.3f}" in first
    assert "n = 40" in first


def sparse(marked: int, count: int) -> list[ItemStats]:
    """Rows of images of which only some hold a cell, all predicted rightly."""
    task, rows = segment("background", "cell"), []
    for i in range(count):
        target = np.zeros((16, 16), np.int64)
        target[4:9, 4:9] = i < marked
        row = task.row(target[None].astype(np.float32), target)
        rows.append(ItemStats(str(i), row))
    return rows


@pytest.mark.parametrize(
    ("language", "said"), [("en", "no value: there is nothing"), ("fr", "pas de valeur : rien ne permet")]
)
def test_what_could_not_be_measured_is_said_alike_from_memory_and_from_a_file(
    language: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMELLE_LANG", language)
    scores = summarise(segment("background", "cell"), sparse(0, 10), OPTIONS, split="t")
    lines = headline(scores)
    assert lines == headline(Scores.model_validate_json(json.dumps(plain(scores.model_dump(mode="json")))))
    line = next(line for line in lines if name_of("boundary_f") in line)
    assert said in line
    assert "0 images" not in line
    assert "nan" not in "".join(lines)
    assert "n = 10" in lines[2], "accuracy was measured on all"
    assert scores.scores["dice"].reason == "undefined"


def test_a_mean_over_images_counts_those_that_have_a_value() -> None:
    scores = summarise(segment("background", "cell"), sparse(7, 100), OPTIONS, split="t")
    assert scores.scores["boundary_f"].n == scores.scores["image_dice"].n == 7
    assert scores.scores["dice"].n == 7, "an image without the class, predicted as such, adds nothing to its Dice"
    assert scores.scores["accuracy"].n == 100
    assert "report.few_units" in told(scores)
    pairs = [replace(row, group=f"p{i // 2}") for i, row in enumerate(sparse(7, 100))]
    of_groups = summarise(segment("background", "cell"), pairs, OPTIONS, split="t").scores
    assert (of_groups["boundary_f"].n, of_groups["boundary_f"].reason) == (4, "few")
    assert np.isnan(of_groups["boundary_f"].low)


@pytest.mark.parametrize(("language", "said"), [("en", "no interval: 4 images"), ("fr", "pas d’intervalle : 4 images")])
def test_a_measured_score_of_few_images_has_no_interval_and_says_why(
    language: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMELLE_LANG", language)
    few, enough = (headline(summarise(segment("background", "cell"), sparse(n, n), OPTIONS, split="t")) for n in (4, 6))
    assert said in few[0]
    assert "95 %" not in few[0]
    assert said not in enough[0]
    assert "95 %" in enough[0]
    half = Score(0.5, math.nan, math.nan, 9, "image")
    about = {"task": "classify", "classes": (), "split": "t", "n": 9, "monitor": "macro_f1"}
    scores = Scores(**about, headline=("accuracy",), scores={"accuracy": half})
    assert "–" not in headline(scores)[0].replace("0.500", "")


def test_a_proportion_of_four_images_is_exact_and_wide() -> None:
    scores = summarise(classify("a", "b"), classified([0, 1, 0, 1], [None] * 4), OPTIONS, split="t")
    accuracy = scores.scores["accuracy"]
    assert (accuracy.method, accuracy.n) == ("mid-P", 4)
    assert accuracy.high - accuracy.low > 0.5


@pytest.mark.parametrize("labels", [[0, 1, 2] * 12, [[1, 0, 1], [0, 1, 0], [1, 1, 0]] * 12])
def test_the_intervals_hold_every_score_and_its_very_value(labels: list[Any]) -> None:
    task, random = classify("a", "b", "c", several=isinstance(labels[0], list)), np.random.default_rng(4)
    rows = []
    for truth in labels:
        p = random.dirichlet([1, 1, 1]) if isinstance(truth, int) else random.random(3)
        rows.append(task.row(p, np.asarray(truth)))
    table, units = task.table(rows), Units.of(len(rows), None, "image")
    found = task.intervals(table, units=units, options=OPTIONS)
    values = {name: float(v[0]) for name, v in task.summarise(table, np.ones((1, len(rows)))).items()}
    assert {name: one.value for name, one in found.items()} == pytest.approx(values, nan_ok=True)


def test_the_line_says_the_level_that_was_asked_for() -> None:
    options = IntervalOptions(level=0.9, resamples=200, seed=0)
    scores = summarise(classify("a", "b"), classified([0, 1] * 10, [None] * 20), options, split="t")
    assert "90 %" in headline(scores)[0]


def test_items_are_listed_with_their_quality() -> None:
    scores = summarise(classify("a", "b"), classified([0, 1, 1], [None] * 3), OPTIONS, split="test")
    assert [i.id for i in scores.items] == ["0", "1", "2"]
    assert all(i.correct == (i.truth == i.predicted) for i in scores.items)
    assert all((i.quality > 0.5) == i.correct for i in scores.items)
