"""What holds of every task, for every row of the table of tasks."""

from __future__ import annotations

import json
from collections.abc import Callable

import made_tasks
import numpy as np
import pytest
import torch

from lamelle.metrics.statistics import STATISTICS
from lamelle.metrics.table import METRICS
from lamelle.models.options import MODELS
from lamelle.results.saved_task import SavedTask
from lamelle.tasks.base import Task, TaskOptions
from lamelle.tasks.table import TASKS, restore

MADE: dict[str, Callable[[], Task]] = {
    "classify": made_tasks.classify,
    "segment": made_tasks.segment,
    "instances": made_tasks.instances,
}


@pytest.fixture(params=TASKS)
def task(request: pytest.FixtureRequest) -> Task:
    return MADE[request.param]()


def output(task: Task) -> torch.Tensor:
    shape = (2, task.outputs, 16, 16) if task.output == "map" else (2, task.outputs)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def targets(task: Task) -> list[np.ndarray]:
    if task.output == "vector":
        return [np.asarray(k) for k in (0, 1)]
    labels = np.zeros((2, 16, 16), np.int64)
    labels[:, 3:8, 3:8] = 1
    return list(labels)


def test_it_says_what_it_is(task: Task) -> None:
    assert type(task).__doc__
    assert issubclass(type(task).Options, TaskOptions)
    assert type(task).Options().name == task.name
    assert task.output in {network.output for network in MODELS.values()}, "some network can learn it"
    assert isinstance(task.targets, task.view)
    assert len(task.classes) == len(task.targets.classes) > 0


def test_its_scores_are_rows_of_the_tables(task: Task) -> None:
    assert all(task.view.name in STATISTICS[name].of for name in task.statistics)
    for name in (task.monitor, *task.headline):
        assert task.view.name in METRICS[name].views
    probabilities, target = task.activate(output(task)).numpy()[0], targets(task)[0]
    assert task.monitor in task.quick_scores([task.quick_row(probabilities, target)]), "taken after every epoch"
    scores = task.summarise(task.table([task.row(probabilities, target)]), np.ones((1, 1)))
    assert {task.monitor, *task.headline} <= set(scores)


def test_a_package_brings_it_back_and_refuses_what_it_does_not_know(task: Task) -> None:
    saved = task.describe()
    assert saved.name == task.name
    described = json.loads(saved.model_dump_json())
    again = restore(SavedTask(**described))
    assert (type(again), again.options, again.settled) == (type(task), task.options, task.settled)
    with pytest.raises(ValueError, match=r"more\n.*not permitted"):
        restore(SavedTask(options=saved.options, settled=saved.settled | {"more": 1}))
    fewer = {k: v for k, v in saved.settled.items() if k != "classes"}
    with pytest.raises(ValueError, match=r"classes\n.*required"):
        restore(SavedTask(options=saved.options, settled=fewer))
    with pytest.raises(ValueError, match=r"more\n.*not permitted"):
        restore(SavedTask(options=saved.options | {"more": 1}, settled=saved.settled))


def test_what_is_stacked_is_unstacked(task: Task) -> None:
    back = task.targets.unstack(task.targets.stack(targets(task)), (16, 16))
    for one, other in zip(back, targets(task), strict=True):
        np.testing.assert_array_equal(one, other)


def test_its_loss_is_a_number_with_a_gradient_and_its_answers_are_probabilities(task: Task) -> None:
    raw = output(task).requires_grad_()
    loss = task.loss(raw, task.targets.stack(targets(task)))
    loss.backward()
    assert loss.shape == ()
    assert loss.dtype == torch.float32
    assert raw.grad is not None
    assert float(raw.grad.abs().sum()) > 0
    p = task.activate(raw.detach())
    assert p.shape == raw.shape
    assert float(p.min()) >= 0
    assert float(p.max()) <= 1


def test_it_decides_on_validation_and_answers_with_what_it_decided(task: Task) -> None:
    probabilities = task.activate(output(task)).numpy()
    fitter = task.fitter()
    for p, target in zip(probabilities, targets(task), strict=True):
        fitter.add(p, target)
    fitted, sweeps = fitter.done()
    assert task.restore_fitted(json.loads(json.dumps(fitted.decided()))) == fitted
    assert {one.name.removesuffix("s") for one in sweeps} <= {
        name.removesuffix("s") for name in type(fitted).model_fields
    }
    for undone in (fitted, task.Fitted()):
        task.decode(probabilities[0], undone, None)
    first, again = (task.decode(probabilities[0], fitted, None) for _ in range(2))
    assert type(first) is type(again)
    assert task.row(probabilities[0], targets(task)[0], fitted)
