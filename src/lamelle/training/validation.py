"""Loss and scores of a set of items, from their probabilities."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamelle.prediction.predictor import WHOLE
from lamelle.tasks.base import MANY, Task
from lamelle.tasks.scoring import Row

if TYPE_CHECKING:
    from torch import Tensor


def loss_of(task: Task, probabilities: np.ndarray, target: Any) -> float:
    """Loss of one image; a large one is cut along its first axis, for memory, and its pieces are averaged."""
    import torch

    parts: Iterable[tuple[np.ndarray, Any]] = [(probabilities, target)]
    if probabilities.ndim > 1 and isinstance(target, np.ndarray) and target.size > WHOLE[target.ndim]:
        pieces = min(len(target), -(-target.size // WHOLE[target.ndim]))
        parts = zip(np.array_split(probabilities, pieces, axis=1), np.array_split(target, pieces), strict=True)
    losses = [
        float(task.validation_loss(torch.from_numpy(said)[None], task.targets.stack([true]))) for said, true in parts
    ]
    return float(np.mean(losses))


def scores_of(task: Task, rows: Sequence[Row], *, each: bool) -> dict[str, float | None]:
    """Every score of these items; None where one has no value, nothing where there is nothing to score.

    Args:
        each: Also those of single classes (``dice/cell``), up to `MANY` of them.
    """
    if not rows:
        return {}
    scores = task.quick_scores(rows)
    kept = {name: float(value[0]) for name, value in scores.items() if "/" not in name or (each and _few(task))}
    return {name: None if math.isnan(value) else value for name, value in kept.items()}


def _few(task: Task) -> bool:
    return len(task.classes) <= MANY


def quick_rows(task: Task, output: Tensor, targets: Tensor) -> list[Row]:
    """Sufficient statistics of the training samples, for the training score."""
    probabilities = task.activate(output.detach()).cpu().numpy()
    return [
        task.quick_row(p, t)
        for p, t in zip(probabilities, task.targets.unstack(targets, probabilities.shape[2:]), strict=True)
    ]
