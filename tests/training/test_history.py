"""What a training writes of each epoch: every score, of both sets, under names that say which."""

from __future__ import annotations

import csv
from typing import Any

import made_tasks
import numpy as np
import pytest
from support import Quiet, Trainer

from lamelle import verbs
from lamelle.data.samples import Reader
from lamelle.prediction.predictor import of_package
from lamelle.results import history
from lamelle.results.history import Epoch
from lamelle.runs.folder import RunFolder
from lamelle.runs.saved_plan import open_plan
from lamelle.tasks.base import MANY
from lamelle.tasks.classify import Classify
from lamelle.training.progress import epoch_line
from lamelle.training.validation import scores_of

PIXELS = ("iou", "dice", "precision", "recall", "accuracy")


def written(run: RunFolder) -> list[dict[str, str]]:
    with run.history.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def classifier(classes: int) -> Classify:
    names = tuple(f"c{i}" for i in range(classes))
    return made_tasks.classify(names, calibrate=False)


def test_every_epoch_has_every_score_of_both_sets(trained: Trainer) -> None:
    run, package = trained("train.monitor=last", "epochs=2", "evaluate.flips=false")
    rows = written(run)
    assert len(rows) == 2
    for row in rows:
        for prefix in ("", "train_"):
            found = {name: float(row[prefix + name]) for name in PIXELS}
            assert found["iou"] == pytest.approx(found["dice"] / (2 - found["dice"]))
        assert row["dice/background"] != row["dice"]
    plan, store = open_plan(run), verbs.open_store()
    reader, sums = Reader(store, package.task.targets, package.preparation), np.zeros((2, 2))
    for record, probabilities in of_package(package).of_records(plan.of("validation"), store):
        np.add.at(sums, (reader.target(record), (probabilities[0] >= 0.5).astype(int)), 1)
    hits, truth, said = sums[1, 1], sums[1].sum(), sums[:, 1].sum()
    right = {"iou": hits / (truth + said - hits), "precision": hits / said, "recall": hits / truth}
    right |= {"dice": 2 * hits / (truth + said), "accuracy": np.trace(sums) / sums.sum()}
    assert {name: float(rows[-1][name]) for name in PIXELS} == pytest.approx(right, rel=1e-2)


def test_objects_have_their_scores_and_those_of_their_pixels(trained: Trainer) -> None:
    run, _ = trained("task=instances", "epochs=1")
    known = [name for name, value in written(run)[0].items() if value]
    assert {"ap50", "pq", *PIXELS, "train_ap50", "train_iou"} <= set(known)


def test_scores_of_classes_are_kept_of_validation_alone_and_up_to_a_number_of_classes() -> None:
    for classes, kept in ((3, True), (MANY + 1, False)):
        task = classifier(classes)
        rows = [task.quick_row(np.eye(classes)[i], np.asarray(i)) for i in range(3)]
        assert scores_of(task, rows, each=True).get("recall/c1") == (1 if kept else None)
        alone = scores_of(task, rows, each=False)
        assert alone["accuracy"] == 1
        assert not any("/" in name for name in alone)
    assert scores_of(classifier(2), [], each=True) == {}


def test_what_has_no_value_stays_empty() -> None:
    task = classifier(3)
    rows = [task.quick_row(np.eye(3)[0], np.asarray(0))]
    found = scores_of(task, rows, each=True)
    assert found["recall/c1"] is None
    one = epoch(1, loss=0.5, validation=found)
    (row,) = csv.DictReader(history.to_csv([one]).splitlines())
    assert (row["recall/c1"], row["recall/c0"], row["loss"]) == ("", "1.0", "0.5")
    assert history.from_csv([row]) == (one,)


def epoch(number: int, **known: Any) -> Epoch:
    return Epoch(epoch=number, step=9, lr=0.1, train_loss=1.0, **known)


def test_epochs_that_lack_a_score_leave_it_empty() -> None:
    both = [epoch(1), epoch(2, loss=0.3, best=True, train={"dice": 0.7}, validation={"iou": 0.4, "iou/cell": None})]
    head, first, second = (line.split(",") for line in history.to_csv(both).splitlines())
    assert head == [*history.FIELDS, "train_dice", "iou", "iou/cell"]
    assert (first[-3:], second[-3:]) == (["", "", ""], ["0.7", "0.4", ""])
    again = history.from_csv(list(csv.DictReader(history.to_csv(both).splitlines())))
    assert [one.columns() for one in again][1] == both[1].columns()
    assert (again[1].best, again[0].validated, again[1].score("iou"), again[1].score("dice")) == (True, False, 0.4, 0.0)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "training: loss 0.5000, Macro F1 0.7500 | validation: loss –, Macro F1 –"),
        ("fr", "entraînement : perte 0,5000, F1 macro 0,7500 | validation : perte –, F1 macro –"),
    ],
)
def test_the_line_of_an_epoch_says_which_score_it_is(monkeypatch: pytest.MonkeyPatch, language: str, said: str) -> None:
    monkeypatch.setenv("LAMELLE_LANG", language)
    row = Epoch(epoch=1, step=3, lr=0.1, seconds=2.0, train_loss=0.5, train={"macro_f1": 0.75})
    assert said in epoch_line(row, monitor="macro_f1")


def test_the_loop_names_the_score_of_its_task(trained: Trainer) -> None:
    quiet = Quiet()
    trained("epochs=1", quiet=quiet)
    assert f"Dice {quiet.rows[0]['score']:.4f}" in epoch_line(quiet.epochs[0], monitor="dice")
