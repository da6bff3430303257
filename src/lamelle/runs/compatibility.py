"""Whether a request fits the images: what does not is said before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lamelle.data import neighbour_slices
from lamelle.data.audit.leaks import leaks
from lamelle.data.preparation import fits
from lamelle.errors import DataError, RequestError
from lamelle.models.options import MODELS, Encoded, Output
from lamelle.models.pretrained import expected_normalise
from lamelle.results.audit import Audit
from lamelle.runs.recipe import Recipe
from lamelle.types import SPLITS, Problem, Record

_AXES = ("Z", "Y", "X")
_USUAL = (16, 128, 128)


def check_axes(recipe: Recipe, *, dims: int) -> None:
    """Sizes in a recipe have as many numbers as the images have axes.

    Raises:
        RequestError: If one has more, or fewer.
    """
    sizes = {
        "train.patch": recipe.train.patch,
        "data.resize": recipe.data.resize,
        "evaluate.tile": recipe.evaluate.tile,
    }
    for key, size in sizes.items():
        if size is not None and len(size) != dims:
            usual = list(_USUAL[-dims:])
            values = {"key": key, "size": list(size), "n": len(size), "dims": dims, "usual": usual}
            raise RequestError("plan.axes", **values, axes=", ".join(_AXES[-dims:]))


def check_images(audit: Audit, *, dims: int, channels: int) -> None:
    """Every image has the axes and channels of the network, or can honestly be given the latter.

    Raises:
        DataError: If some have not; all are named.
    """
    problems = []
    for row in audit.rows:
        if len(row.size) != dims:
            problems.append(Problem("predict.dims", row.id, "error", {"have": len(row.size), "want": dims}))
        elif not fits(row.channels, channels):
            problems.append(Problem("data.channels", row.id, "error", {"have": row.channels, "want": channels}))
    if problems:
        raise DataError(problems)


def check_network(recipe: Recipe, output: Output) -> None:
    """The network gives what the task asks of it.

    Raises:
        RequestError: If it gives something else, with the networks that do.
    """
    if recipe.model.output != output:
        fitting = ", ".join(kind for kind, network in MODELS.items() if network.output == output)
        raise RequestError("plan.model_kind", kind=recipe.model.kind, task=recipe.task.name, fitting=fitting)


def check_context(recipe: Recipe, records: Sequence[Record], *, taken: bool) -> None:
    """Neighbouring slices are for the segmentation of stacks, and for slices of one's own split and the gap.

    Args:
        taken: Whether the task takes the slices beside one.

    Raises:
        RequestError: If the task is another one, or there is no stack.
    """
    if not recipe.data.context:
        return
    if not taken:
        raise RequestError("plan.context_task", context=recipe.data.context, task=recipe.task.name)
    neighbour_slices.check_context(records, context=recipe.data.context)


def leakage(records: Sequence[Record], audit: Audit, recipe: Recipe) -> list[Problem]:
    """Groups or pixels in two splits stop the training, unless leakage was allowed; then they are recorded.

    Raises:
        DataError: If there is leakage that was not allowed.
    """
    shared = leaks([r for r in records if r.split in SPLITS], audit)
    errors = [p for p in shared if p.severity == "error"]
    if errors and not recipe.data.allow_leakage:
        raise DataError([*errors, Problem("plan.leakage_cure", severity="note")])
    return [replace(p, severity="warning") for p in shared]


def idle(recipe: Recipe) -> list[Problem]:
    """Warnings of what is asked and changes nothing beside what else is asked."""
    problems = recipe.task.idle()
    if recipe.split.folds and not recipe.split.test:
        problems.append(Problem("plan.test_in_folds", severity="warning", values={"folds": recipe.split.folds}))
    return problems


def check_also(recipe: Recipe, available: Sequence[str]) -> None:
    """See that a task has the scores that are asked for besides.

    Args:
        available: Those that it has.

    Raises:
        RequestError: If it has not.
    """
    if other := [name for name in recipe.evaluate.also if name not in available]:
        values = {"task": recipe.task.name, "given": ", ".join(other)}
        raise RequestError("plan.also", **values)


def input_range(recipe: Recipe) -> list[Problem]:
    """A warning where pretrained weights get their intensities in another range than they were trained with."""
    model, given = recipe.model, recipe.data.normalise
    if not isinstance(model, Encoded) or model.weights is None:
        return []
    expected = expected_normalise(model.name)
    if expected is None or given == expected:
        return []
    values = {"given": given, "expected": expected, "name": model.name}
    return [Problem("plan.input_range", severity="warning", values=values)]
