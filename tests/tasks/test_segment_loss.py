"""Losses of a segmentation by their keys: all of them, their parameters, their weights, and what is ignored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import made_tasks
import numpy as np
import pytest
import torch
from support import TINY, Quiet

from lamelle import verbs
from lamelle.data.samples import Reader
from lamelle.data.targets.values import ValueMap
from lamelle.errors import RequestError
from lamelle.losses.borders import border_weights, boundary_ce
from lamelle.losses.centrelines import cldice
from lamelle.losses.entropy import focal
from lamelle.losses.overlap import focal_tversky, tversky
from lamelle.losses.table import LOSSES
from lamelle.prediction.package import load
from lamelle.results.scores import Confusion
from lamelle.runs.plan import make_task
from lamelle.runs.recipe import Recipe, validate
from lamelle.runs.saved_plan import open_plan
from lamelle.tasks.segment import Segment
from lamelle.types import IGNORE, Index, LabelImage, Record, Source

UNWEIGHTED = {name for name, row in LOSSES.items() if not row.weighs}


class Counted:
    """What `make_task` takes from an audit."""

    def __init__(self, rows: dict[str, dict[int, int]]) -> None:
        self.rows = tuple(type("Row", (), {"id": i, "labels": n})() for i, n in rows.items())
        total: dict[int, int] = {}
        for counts in rows.values():
            for value, n in counts.items():
                total[value] = total.get(value, 0) + n
        self.statistics = type("Statistics", (), {"labels": total})()


def planned(classes: int = 2, rows: dict[str, dict[int, int]] | None = None, **task: Any) -> Segment:
    counts = rows or {"a": dict.fromkeys(range(classes), 8)}
    records = tuple(Record(i, Source(Path(i)), LabelImage(Source(Path(i))), split="train") for i in counts)
    if "late" in counts:
        records = (*records[:-1], Record("late", Source(Path("late")), LabelImage(Source(Path("late"))), split="test"))
    index = Index(Path(), "table", records)
    recipe: Recipe = validate({"task": {"name": "segment"} | task})
    audit: Any = Counted(counts)
    made = make_task(recipe, index, audit, records)
    assert isinstance(made, Segment)
    return made


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_learns_from_a_fiftieth_of_the_pixels_and_from_nothing_else(loss: str, classes: int) -> None:
    task = planned(classes, loss=loss)
    rng = np.random.default_rng(0)
    dense = torch.from_numpy(rng.integers(0, classes, (2, 24, 24)))
    kept = torch.from_numpy(rng.random(dense.shape) < 0.02)
    assert 0.005 < kept.float().mean() < 0.04
    target = torch.where(kept, dense, IGNORE)
    output = torch.randn(2, task.outputs, 24, 24, generator=torch.manual_seed(0), requires_grad=True)
    (gradient,) = torch.autograd.grad(task.loss(output, target), output)
    assert gradient.abs().amax(1)[kept].max() > 0
    if loss != "cldice":  # lines are found in a neighbourhood
        assert gradient.abs().amax(1)[~kept].max() == 0
    with torch.no_grad():
        assert task.loss(output - gradient, target) < task.loss(output, target)
        p = task.activate(output)
        assert torch.isfinite(task.validation_loss(p, target))


def touching() -> np.ndarray:
    """Two squares side by side, one of them beyond 255, and a third one far away."""
    numbers = np.zeros((48, 48), np.uint32)
    numbers[4:16, 4:16], numbers[4:16, 16:28], numbers[34:44, 34:44] = 1, 300, 7
    return numbers


def of_objects(*, objects: bool, loss: str = "boundary_ce", **parameters: float) -> Segment:
    values = ValueMap(("background", "cell"), {0: 0, 1: 1})
    return made_tasks.segment(values, objects=objects, loss={"name": loss} | parameters)


def test_touching_objects_are_pressed_apart() -> None:
    numbers = touching()
    task, blind = of_objects(objects=True), of_objects(objects=False)
    slopes = []
    for one, target in (
        (task, task.targets.window(numbers, None, None)),
        (blind, blind.targets.window(np.sign(numbers), None, None)),
    ):
        output = torch.zeros(1, 1, *numbers.shape, requires_grad=True)
        loss = one.loss(output, torch.from_numpy(target)[None])
        slopes.append(torch.autograd.grad(loss, output)[0][0, 0].abs())
    seen, unseen = ((s[10, 15] / s[10, 8], s[10, 16] / s[10, 8]) for s in slopes)
    assert min(seen) > 5, "the common border counts most"
    assert max(unseen) == pytest.approx(1, abs=0.01), "as one object, it is like any other place in it"
    output = torch.randn(1, 1, *numbers.shape, generator=torch.manual_seed(0))
    classes, maps = (
        torch.from_numpy(np.sign(numbers).astype(np.int64))[None],
        border_weights(numbers, w0=3.0, sigma=2.0),
    )
    expected = LOSSES["boundary_ce"]()(output, classes, weights=None, maps=torch.from_numpy(maps)[None])
    wide = of_objects(objects=True, w0=3.0, sigma=2.0)
    assert wide.loss(output, torch.from_numpy(wide.targets.window(numbers, None, None))[None]) == expected


def test_only_the_weights_between_objects_know_their_numbers() -> None:
    numbers = touching()
    p = np.random.default_rng(0).random((1, *numbers.shape)).astype(np.float32)
    task, other = of_objects(objects=True), of_objects(objects=True, loss="bce")
    assert np.unique(task.targets.window(numbers, None, None)).tolist() == [0, 1, 7, 300]
    for plain in (other, of_objects(objects=True, between=1), of_objects(objects=True, loss="dice_ce")):
        assert np.unique(plain.targets.window(numbers, None, None)).tolist() == [0, 1]
    found = []
    for one in (task, other):
        target = one.targets.window(numbers, None, None)
        fitter = one.fitter()
        fitter.add(p, target)
        found.append(str((fitter.done(), one.row(p, target), one.quick_row(p, target))))
    same = found[0] == found[1]
    assert same


def test_objects_reach_the_loss_through_training(tmp_path: Path) -> None:
    data = verbs.demo("nuclei", tmp_path / "data", seed=1, count=12, size=96).path
    few = (*TINY, "loss=boundary_ce", "epochs=1", "train.samples=4", "evaluate.resamples=100", "min_size=auto")
    run = verbs.train(data, overrides=few, runs=tmp_path / "runs", progress=Quiet())
    assert run.scores.classes == ("background", "foreground")
    confusion = run.folder.read_scores().figure(Confusion)
    assert confusion is not None
    assert np.shape(confusion.counts) == (2, 2)
    plan = open_plan(run.folder)
    reader = Reader(verbs.open_store(), plan.task.targets, load(run.path).preparation)
    assert max(int(reader.target(r).max()) for r in plan.records) > 1


@pytest.mark.parametrize("loss", [name for name, row in LOSSES.items() if set(row.model_fields) - {"name"}])
def test_keys_reach_the_loss(loss: str) -> None:
    target = torch.zeros(1, 16, 16, dtype=torch.long)
    target[:, 2:7, 2:7], target[:, 9:14, 8:14] = 1, 1
    output = torch.randn(1, 1, 16, 16, generator=torch.manual_seed(1))
    plain = planned(loss=loss).loss(output, target)
    function = {"focal": focal, "tversky": tversky, "focal_tversky": focal_tversky, "cldice": cldice}
    published: Any = (function | {"boundary_ce": boundary_ce})[loss]
    assert plain == published(output, target, weights=None), "each default is as published"
    for key in set(LOSSES[loss].model_fields) - {"name"}:
        value: Any = 1 if key in ("between", "iterations") else 0.9
        changed = planned(loss={"name": loss, key: value}).loss(output, target)
        assert changed == published(output, target, weights=None, **{key: value})
        assert changed != plain, key


def test_balanced_weights_come_from_the_training_pixels_alone() -> None:
    rows = {"a": {0: 80, 1: 10, 9: 500}, "b": {0: 10}, "late": {0: 1, 1: 999}}
    values = {"labels": {0: 0, 1: 1, 9: -1}}
    records = tuple(Record(i, Source(Path(i)), LabelImage(Source(Path(i))), split="train") for i in ("a", "b"))
    records = (*records, Record("late", Source(Path("late")), LabelImage(Source(Path("late"))), split="test"))
    index = Index(Path(), "table", records)
    recipe = validate({"task": {"name": "segment", "weights": "balanced", "loss": "bce"}, "data": values})
    audit: Any = Counted(rows)
    task = make_task(recipe, index, audit, records)
    assert isinstance(task, Segment)
    assert task.settled.weights == pytest.approx((100 / 180, 5.0))
    output, target = torch.zeros(1, 1, 1, 2), torch.tensor([[[0, 1]]])
    assert task.loss(output, target).item() == pytest.approx(np.log(2) * (100 / 180 + 5) / 2)


@pytest.mark.parametrize("loss", sorted(UNWEIGHTED))
def test_losses_of_one_region_refuse_weights_in_a_sentence(loss: str) -> None:
    with pytest.raises(RequestError, match=rf"task.weights=\[1, 3\]: {loss} of two classes"):
        planned(loss=loss, weights=[1.0, 3.0])
    planned(3, loss=loss, weights=[1.0, 3.0, 2.0])


@pytest.mark.parametrize("weights", [[1.0], [1.0, 2.0, 3.0], [0.0, 0.0], [-1.0, 2.0]])
def test_weights_that_fit_no_classes_are_refused(weights: list[float]) -> None:
    with pytest.raises(RequestError, match="one weight of 0 or more for each of the 2 classes"):
        planned(loss="bce", weights=weights)
    with pytest.raises(RequestError, match="balanced: the training set has no labelled pixel"):
        planned(loss="bce", weights="balanced", rows={"late": {0: 5, 1: 5}})


def test_two_classes_take_cross_entropy_as_that_of_one_channel() -> None:
    values = ValueMap(("a", "b"), {0: 0, 1: 1})
    task = made_tasks.segment(values, loss="ce")
    assert task.loss(torch.zeros(1, 1, 2, 2), torch.ones(1, 2, 2, dtype=torch.long)).item() == pytest.approx(np.log(2))
