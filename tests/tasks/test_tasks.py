"""Every task of the table: its plan is a recipe, its description is lossless, its scores are those of scikit-learn."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import made_tasks
import numpy as np
import pytest
import torch
from sklearn import metrics

from lamelle.data.targets.values import ValueMap
from lamelle.errors import RequestError
from lamelle.io.atomic import plain
from lamelle.models.options import MODELS
from lamelle.results.items import ItemStats
from lamelle.results.saved_task import SavedTask
from lamelle.results.scores import Confusion
from lamelle.runs import layers
from lamelle.runs import recipe as recipes
from lamelle.tasks.base import Task
from lamelle.tasks.classify import Classify
from lamelle.tasks.data_facts import Labels, PlanFacts
from lamelle.tasks.instances import Instances
from lamelle.tasks.scoring import Row
from lamelle.tasks.segment import Segment
from lamelle.tasks.table import TASKS, find, restore
from lamelle.types import IGNORE, ClassNames, ClassScores, Index, LabelImage, LabelMap, Record, Source


def classify(classes: int = 3, **options: Any) -> Classify:
    return made_tasks.classify("abcdef"[:classes], counts=(5, 3, 2, 1)[:classes], **options)


def segment(classes: int = 3, **options: Any) -> Segment:
    names = ("background", "cell", "wall", "gap")[:classes]
    values = ValueMap(names, {10 * i: i for i in range(classes)}, (255,))
    return made_tasks.segment(values, **options)


def classify_items(task: Task, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(task.outputs), count).astype(np.float32)
    return [(p[i], np.asarray(rng.choice(task.outputs, p=0.5 * p[i] + 0.5 / task.outputs))) for i in range(count)]


def labels_items(task: Task, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(1)
    truth = (rng.random((count, task.outputs)) < 0.4).astype(np.float32)
    p = np.clip(truth * 0.3 + rng.random(truth.shape) * 0.7, 0, 1).astype(np.float32)
    return [(p[i], truth[i]) for i in range(count)]


def segment_items(task: Task, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(2)
    items = []
    for _ in range(count):
        target = rng.integers(0, len(task.classes), (24, 20))
        target[rng.random(target.shape) < 0.1] = IGNORE
        p = rng.dirichlet(np.ones(len(task.classes)), target.shape).transpose(2, 0, 1).astype(np.float32)
        items.append((p[len(task.classes) - task.outputs :], target))
    return items


def instances() -> Instances:
    return made_tasks.instances()


def instance_items(task: Task, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(5)
    items = []
    for _ in range(count):
        target = np.kron(rng.integers(0, 5, (3, 4)), np.ones((8, 8), np.int64))
        target[rng.random(target.shape) < 0.05] = IGNORE
        p = np.clip((target > 0) * 0.6 + rng.normal(0.2, 0.2, (3, *target.shape)), 0, 1)
        items.append((p.astype(np.float32), target))
    return items


CASES: dict[str, tuple[Task, Callable[[Task, int], list[tuple[np.ndarray, np.ndarray]]]]] = {
    "classify": (classify(), classify_items),
    "classify two classes": (classify(2), classify_items),
    "classify several labels": (classify(3, multi_label=True, loss="bce"), labels_items),
    "classify several labels by focal loss": (classify(3, multi_label=True, loss="focal"), labels_items),
    "classify by weights": (classify(remedy="weights", smoothing=0.1), classify_items),
    "classify by effective numbers": (classify(remedy="effective"), classify_items),
    "classify by sampling": (classify(remedy="oversample", loss={"name": "focal", "gamma": 1.0}), classify_items),
    "classify by both": (classify(remedy="both", loss="bce", smoothing=0.1), classify_items),
    "classify by adjusted logits": (classify(remedy="logit_adjustment", threshold="f1"), classify_items),
    "classify at a fixed threshold": (classify(2, threshold=0.3), classify_items),
    "segment": (segment(), segment_items),
    "segment two classes": (segment(2), segment_items),
    "segment cells": (segment(2, also=["cells"]), segment_items),
    "segment each class by itself": (segment(exclusive=False), segment_items),
    "segment each class by itself, weighted, cleaned": (
        segment(exclusive=False, loss="bce", weights=(0.5, 1.0, 2.0), min_size="auto", threshold_by="image"),
        segment_items,
    ),
    "instances": (instances(), instance_items),
    "segment lines, cleaned": (segment(also=["lines"], min_size=3, fill_holes=2, largest=True), segment_items),
    "segment balanced": (segment(weights=(0.5, 1.0, 2.0), threshold_by="image", min_size="auto"), segment_items),
    "segment by focal Tversky": (
        segment(2, loss={"name": "focal_tversky", "alpha": 0.2, "beta": 0.8, "gamma": 1.5}),
        segment_items,
    ),
}
cases = pytest.mark.parametrize(("task", "items"), CASES.values(), ids=CASES)


def facts(**known: Any) -> PlanFacts:
    return PlanFacts(**{
        "dims": 2, "channels": 1, "smallest": (100, 90), "median": (300, 280), "spacing": None, "records": 40,
        "classes": 3, "class_counts": (20, 12, 8), "accelerator": False, "encoder": None,
        "pretrained": False, "expects": None, "fixed": None, "frozen": False, "levels": None, "resized": False,
    } | known)  # fmt: skip


FACTS = {
    "grey": facts(),
    "colour": facts(channels=3),
    "five channels": facts(channels=5),
    "an encoder": facts(encoder="resnet18"),
    "with weights": facts(encoder="resnet18", pretrained=True),
    "a transformer": facts(encoder="vit_tiny_patch16_224", pretrained=True, expects="symmetric", fixed=(224, 224)),
    "frozen": facts(encoder="resnet18", pretrained=True, frozen=True),
    "tiny images": facts(smallest=(1, 1), median=(7, 9)),
    "huge images": facts(median=(20_000, 30_000)),
    "two uneven classes": facts(class_counts=(30, 10), classes=2),
    "several labels": facts(class_counts=(30, 20, 8)),
    "one image": facts(records=1, class_counts=(1, 0, 0)),
    "many images": facts(records=1_000_000),
    "a GPU": facts(accelerator=True),
    "one size": facts(resized=True),
    "three levels": facts(levels=3),
    "volumes": facts(dims=3, smallest=(5, 40, 40), median=(30, 200, 200), spacing=(0.05, 0.004, 0.004)),
    "thin volumes of three levels": facts(dims=3, smallest=(2, 16, 16), median=(4, 30, 30), levels=3),
}


def test_every_task_is_tried() -> None:
    assert {type(task) for task, _ in CASES.values()} == set(TASKS.values())
    assert all(find(name).name == name for name in TASKS)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("known", FACTS.values(), ids=FACTS)
def test_a_plan_is_a_valid_recipe(name: str, known: PlanFacts) -> None:
    asked: recipes.Section = {"task": {"name": name}}
    planned = {k: v for k, v in find(name).plan(known).items() if v is not None}
    kind = planned["model.kind"]
    assert MODELS[kind].output == find(name).output
    unknown = set(planned) - set(recipes.known_keys()) - {"model.kind"}
    assert not unknown
    wanted = MODELS[kind].model_fields
    for key, value in planned.items():
        section, _, entry = key.partition(".")
        if section != "model" or entry in wanted:
            layers.merge(asked, {section: {entry: value}})
    found = recipes.validate(asked)
    assert found.task.name == name
    if found.train.patch is not None:
        assert len(found.train.patch) == known.dims
    filters = getattr(found.model, "filters", ())
    for shape in (getattr(found.model, "kernel", 0), getattr(found.model, "pool", 0)):
        assert isinstance(shape, int) or len(shape) in (len(filters), len(filters) - 1)


@cases
def test_a_description_survives_json(task: Task, items: Any) -> None:
    saved = SavedTask.model_validate_json(task.describe().model_dump_json())
    again = restore(saved)
    assert again.describe() == saved
    assert (again.classes, again.outputs, again.headline) == (task.classes, task.outputs, task.headline)
    p, target = items(task, 1)[0]
    assert str(again.row(p, target)) == str(task.row(p, target))


@cases
def test_a_description_with_a_foreign_option_is_refused(task: Task, items: Any) -> None:
    saved = task.describe()
    for part in ("options", "settled"):
        with pytest.raises(ValueError, match="evil"):
            restore(saved.model_copy(update={part: {**getattr(saved, part), "evil": 1}}))


def confusion_of(task: Task, rows: list[Row]) -> Confusion:
    figures = task.figures([ItemStats(str(i), row) for i, row in enumerate(rows)])
    return next(one for one in figures if isinstance(one, Confusion))


def rows_of(task: Task, items: Any, count: int = 12) -> list[Row]:
    return [task.row(p, t) for p, t in items(task, count)]


@cases
def test_weights_count_items_as_often_as_they_say(task: Task, items: Any) -> None:
    rows = rows_of(task, items)
    weights = np.random.default_rng(3).integers(0, 4, (5, len(rows))).astype(np.float64)
    fast = task.summarise(task.table(rows), weights)
    for b, w in enumerate(weights.astype(int)):
        repeated = [row for row, n in zip(rows, w, strict=True) for _ in range(n)]
        slow = task.summarise(task.table(repeated), np.ones((1, len(repeated))))
        assert set(slow) == set(fast)
        for name in fast:
            np.testing.assert_allclose(fast[name][b], slow[name][0], rtol=1e-9, err_msg=name)


@cases
def test_rows_survive_json(task: Task, items: Any) -> None:
    rows = rows_of(task, items)
    again = json.loads(json.dumps(plain(rows)))
    one = np.ones((1, len(rows)))
    for name, value in task.summarise(task.table(rows), one).items():
        np.testing.assert_allclose(task.summarise(task.table(again), one)[name], value, err_msg=name)


@cases
def test_the_headline_the_monitor_and_every_item_exist(task: Task, items: Any) -> None:
    rows = rows_of(task, items)
    scores = task.summarise(task.table(rows), np.ones((1, len(rows))))
    assert set(task.headline) <= set(scores)
    quick = [task.quick_row(p, t) for p, t in items(task, 4)]
    assert np.isfinite(task.summarise(task.table(quick), np.ones((1, 4)))[task.monitor]).all()
    assert all(0 <= (task.item(ItemStats("i", row)).quality or 0) <= 1 for row in rows)
    assert len(confusion_of(task, rows).support) == len(task.classes)


@cases
def test_loss_is_finite_and_falls_along_its_gradient(task: Task, items: Any) -> None:
    some = items(task, 4)
    torch.manual_seed(0)
    output = torch.randn(4, *some[0][0].shape, requires_grad=True)
    target = torch.from_numpy(np.stack([t for _, t in some]))
    loss = task.loss(output, target)
    (gradient,) = torch.autograd.grad(loss, output)
    assert loss.ndim == 0
    with torch.no_grad():
        assert task.loss(output - 0.1 * gradient, target) < loss
    activated = task.activate(output.detach())
    assert 0 <= float(activated.min()) <= float(activated.max()) <= 1


def one_score(task: Task, items: Any, count: int) -> dict[str, float]:
    rows = rows_of(task, items, count)
    return {k: float(v[0]) for k, v in task.summarise(task.table(rows), np.ones((1, len(rows)))).items()}


def test_classification_agrees_with_scikit_learn() -> None:
    task = classify()
    some = classify_items(task, 60)
    p, truth = np.array([p for p, _ in some]), np.array([int(t) for _, t in some])
    said, found = p.argmax(1), one_score(task, classify_items, 60)
    each = dict(zip(("precision", "recall", "f1"), metrics.precision_recall_fscore_support(truth, said), strict=False))
    hot = np.eye(3)[truth]
    expected = {
        "accuracy": metrics.accuracy_score(truth, said),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, said),
        "macro_f1": metrics.f1_score(truth, said, average="macro"),
        "weighted_f1": metrics.f1_score(truth, said, average="weighted"),
        "mcc": metrics.matthews_corrcoef(truth, said),
        "roc_auc": metrics.roc_auc_score(hot, p, average="macro"),
        "pr_auc": metrics.average_precision_score(hot, p, average="macro"),
        **{f"{name}/{c}": values[i] for name, values in each.items() for i, c in enumerate("abc")},
        **{f"specificity/{c}": metrics.recall_score(truth != i, said != i) for i, c in enumerate("abc")},
        **{f"roc_auc/{c}": metrics.roc_auc_score(hot[:, i], p[:, i]) for i, c in enumerate("abc")},
    }
    assert {k: found[k] for k in expected} == pytest.approx(expected)
    assert np.array_equal(
        confusion_of(task, rows_of(task, classify_items, 60)).counts, metrics.confusion_matrix(truth, said)
    )


def test_several_labels_agree_with_scikit_learn() -> None:
    task = classify(3, multi_label=True, loss="bce")
    some = labels_items(task, 60)
    p, truth = np.array([p for p, _ in some]), np.array([t for _, t in some]).astype(int)
    said, found = (p >= 0.5).astype(int), one_score(task, labels_items, 60)
    expected = {
        "accuracy": metrics.accuracy_score(truth, said),
        "macro_f1": metrics.f1_score(truth, said, average="macro"),
        "roc_auc": metrics.roc_auc_score(truth, p, average="macro"),
        **{f"recall/{c}": metrics.recall_score(truth[:, i], said[:, i]) for i, c in enumerate("abc")},
    }
    assert {k: found[k] for k in expected} == pytest.approx(expected)
    answer = task.decode(p[0], task.Fitted(), None)
    assert isinstance(answer, ClassScores)
    assert answer.chosen == tuple(np.flatnonzero(said[0]))


@pytest.mark.parametrize("classes", [2, 3])
def test_pooled_segmentation_agrees_with_scikit_learn(classes: int) -> None:
    task = segment(classes)
    some = segment_items(task, 8)
    answers = [task.decode(p, task.Fitted(), None) for p, _ in some]
    assert all(isinstance(a, LabelMap) for a in answers)
    said = np.concatenate([a.labels.ravel() for a in answers if isinstance(a, LabelMap)])
    truth = np.concatenate([t.ravel() for _, t in some])
    truth, said = truth[(seen := truth != IGNORE)], said[seen]
    found = one_score(task, segment_items, 8)
    expected = {"accuracy": metrics.accuracy_score(truth, said)}
    for i, name in enumerate(task.classes):
        expected |= {
            f"dice/{name}": metrics.f1_score(truth == i, said == i),
            f"iou/{name}": metrics.jaccard_score(truth == i, said == i),
            f"precision/{name}": metrics.precision_score(truth == i, said == i),
            f"recall/{name}": metrics.recall_score(truth == i, said == i),
        }
    expected["dice"] = float(np.mean([expected[f"dice/{c}"] for c in task.classes[1:]]))
    assert {k: found[k] for k in expected} == pytest.approx(expected)


def test_the_threshold_is_the_best_on_all_validation_pixels() -> None:
    task = segment(2)
    rng, fitter = np.random.default_rng(4), task.fitter()
    truth = (rng.random((6, 30, 30)) < 0.2).astype(np.int64)
    p = np.clip(0.25 * truth + rng.normal(0.2, 0.1, truth.shape), 0, 1).astype(np.float32)
    for i in range(len(truth)):
        fitter.add(p[i][None], truth[i])
    fitted, _ = fitter.done()
    f1 = {t: metrics.f1_score(truth.ravel(), (p >= t).ravel()) for t in np.linspace(0.05, 0.95, 181)}
    mine = metrics.f1_score(truth.ravel(), (p >= fitted.threshold).ravel())
    assert mine >= max(f1.values()) - 1e-3
    assert fitted.threshold != 0.5
    assert segment(2, threshold=0.7).fitter().done()[0].threshold == 0.7


def labels(counts: dict[int, int], names: tuple[str, ...] = (), declared: dict[int, int] | None = None) -> Labels:
    return Labels(counts, declared, names, ())


def folder(*, instances: bool = False, classes: tuple[str, ...] = (), targets: tuple[str, ...] = ()) -> Index:
    records = tuple(Record(t, Source(Path(t)), ClassNames((t,))) for t in targets)
    labels = LabelImage(Source(Path("m")), "objects" if instances else None)
    return Index(Path(), "table", records or (Record("m", Source(Path("i")), labels),), classes)


def encoded(task: Task, values: list[int]) -> list[int]:
    return task.targets.window(np.array([values], np.uint8), None, None).ravel().tolist()


def test_another_folder_may_write_the_same_classes_with_other_values() -> None:
    task = segment(2)
    model = made_tasks.segment(ValueMap(("background", "foreground"), {0: 0, 255: 1}), loss="ce")
    assert encoded(model.adapt(folder(), labels({0: 9, 255: 1})), [0, 255]) == [0, 1], "as in training"
    assert encoded(model.adapt(folder(), labels({0: 9})), [0, 255]) == [0, 1], "a class may be absent"
    assert encoded(model.adapt(folder(), labels({0: 9, 1: 1})), [0, 1]) == [0, 1], "background, foreground"
    assert encoded(model.adapt(folder(), labels({5: 9, 7: 1}, declared={5: 0, 7: 1})), [5, 7]) == [0, 1], "declared"
    objects = model.adapt(folder(instances=True), labels({0: 9, 1: 5}))
    assert encoded(objects, [0, 7, 3]) == [0, 1, 1], "objects are foreground"
    assert encoded(task.adapt(folder(), labels({0: 1, 1: 1}, ("cell", "background"))), [0, 1]) == [1, 0], "by name"
    assert encoded(task.adapt(folder(), labels({0: 9, 1: 1})), [0, 1]) == [0, 1], "two values for two classes"
    with pytest.raises(RequestError, match=r"data\.labels="):
        task.adapt(folder(), labels({0: 9, 1: 1, 2: 4}))


def test_a_classifier_knows_only_its_own_classes() -> None:
    task = classify(2)
    assert task.adapt(folder(targets=("a", "b", "a")), labels({})) is task
    assert task.adapt(folder(targets=("a",)), labels({})) is task, "a class may be absent"
    with pytest.raises(RequestError, match="x, y; it knows a, b"):
        task.adapt(folder(targets=("a", "x", "y")), labels({}))


def test_a_plan_pools_along_z_only_where_slices_are_thin_enough() -> None:
    thick = Segment.plan(facts(dims=3, smallest=(9, 90, 90), median=(20, 99, 99), spacing=(0.05, 0.004, 0.004)))
    even = Segment.plan(facts(dims=3, smallest=(9, 90, 90), median=(20, 99, 99), spacing=(0.1, 0.1, 0.1)))
    assert thick["model.pool"][0] == [1, 2, 2]
    assert even["model.pool"][0] == [2, 2, 2]
    assert len(thick["model.kernel"]) == len(thick["model.filters"])
