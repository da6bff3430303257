"""From the files of a Run to facts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from lamelle.doctor.base import base_of
from lamelle.doctor.curves import guessing, jitter, score_error, smooth
from lamelle.doctor.facts import HistoryCurve, Measured, NormStatistics, RunFacts
from lamelle.errors import RequestError
from lamelle.models.options import MODELS
from lamelle.prediction.package import DESCRIPTION
from lamelle.results.history import Epoch
from lamelle.results.scores import Scores
from lamelle.runs.folder import RunFolder
from lamelle.runs.saved_plan import read_saved
from lamelle.tasks.table import find

_USUAL_MOMENTUM = 0.1
"""Of batch norms that nobody gave another one."""


def read(run: RunFolder, *, measured: Measured | None) -> RunFacts:
    """The facts of one Run.

    Args:
        measured: What its batch norms were found to do; None = not looked at.

    Raises:
        RequestError: If no epoch has ended yet.
    """
    run.insist()
    recipe = run.read_recipe()
    history, scores = run.read_history(), run.known_scores()
    failure = run.read_failure() if scores is None else None
    if not history and failure is None:
        raise RequestError("doctor.no_history", run=run.path)
    task = find(str(recipe["task"]["name"]))
    validation = [row for row in run.read_table(run.split) if row["split"] == "validation"]
    counts = {"": len(validation)} if task.output == "map" else _classes(validation, recipe, scores)
    units = len({row["group"] or row["id"] for row in validation})
    several = recipe["task"].get("loss", {}).get("name") == "bce" or any("|" in row["stratum"] for row in validation)
    score = curve(history, lambda one: one.score(task.monitor))
    steps = history[-1].step if history else 0
    test_error = _test_error(scores)
    return RunFacts(
        run=str(run.path),
        recipe=recipe,
        train_loss=curve(history, lambda one: one.train_loss),
        train_score=curve(history, lambda one: one.train.get(task.monitor)),
        loss=curve(history, lambda one: one.loss),
        score=score,
        best=next((one.epoch for one in reversed(history) if one.best), None),
        epochs=len(history),
        steps=steps,
        counts=counts,
        units=units,
        split_by=_split_by(run),
        error=_error(score, counts, units, scores, test_error),
        test_error=test_error,
        chance=0.0 if task.output == "map" else guessing(counts, several=several),
        scores=scores,
        failure=failure,
        base=base_of(run, recipe, scores),
        statistics=_statistics(recipe, steps, measured),
        advised=_advised(run),
        expects=_expects(recipe),
    )


def curve(history: Sequence[Epoch], column: Callable[[Epoch], float | None]) -> HistoryCurve:
    """One number of each epoch where it was measured; what is not finite counts as very large."""
    known = [(one.epoch, value) for one in history if (value := column(one)) is not None]
    epoch = np.array([e for e, _ in known], dtype=int)
    value = np.nan_to_num(np.array([v for _, v in known], dtype=float), nan=1e30, posinf=1e30)
    return HistoryCurve(epoch, value, smooth(value), jitter(value))


def _classes(
    validation: Sequence[Mapping[str, str]], recipe: Mapping[str, Any], scores: Scores | None
) -> dict[str, int]:
    """Validation images of each class; a class that has none is there too, where its name is known."""
    found = Counter(name for row in validation for name in row["stratum"].split("|") if name)
    named = recipe["data"].get("classes") or (scores.classes if scores else ())
    return {name: found[name] for name in dict.fromkeys([*named, *found])}


def _advised(run: RunFolder) -> str | None:
    """Budget that stands in what the training said of its own."""
    package = run.model / DESCRIPTION
    about = run.read_json(package).get("provenance", {}) if package.is_file() else {}
    found = (about.get("too_short") or about.get("busy") or {}).get("more")
    return None if found is None else str(found)


def _split_by(run: RunFolder) -> str:
    return read_saved(run).split_by if run.plan.is_file() else ""


def _test_error(scores: Scores | None) -> float | None:
    """Standard error of the monitored test score, from its interval."""
    found = scores.monitored if scores else None
    if found is None or not (math.isfinite(found.low) and math.isfinite(found.high)):
        return None
    return (found.high - found.low) / (2 * NormalDist().inv_cdf(0.5 + found.level / 2)) or None


def _error(
    score: HistoryCurve,
    counts: Mapping[str, int],
    units: int,
    scores: Scores | None,
    test_error: float | None,
) -> float:
    """Standard error of the validation score: that of the test score at the size of the validation set, if known."""
    images = sum(counts.values())
    tested = scores.monitored if scores else None
    if scores is not None and tested is not None and test_error is not None and images and scores.n:
        by_group = tested.unit == "group"
        return test_error * math.sqrt((tested.n if by_group else scores.n) / (units if by_group else images))
    return score_error(score.last if len(score) else 0.5, [n for n in counts.values() if n])


def _statistics(recipe: Mapping[str, Any], steps: int, measured: Measured | None) -> NormStatistics | None:
    """None where no batch norm keeps statistics of its own while it learns, as far as the recipe tells."""
    model = recipe["model"]
    if measured is None and not MODELS.find(model["kind"]).model_validate(model).learns_statistics:
        return None
    momentum = float(model.get("bn_momentum") or _USUAL_MOMENTUM)
    return NormStatistics(momentum, 1 - (1 - momentum) ** steps, measured)


def _expects(recipe: Mapping[str, Any]) -> str | None:
    from lamelle.models.pretrained import expected_normalise

    model = recipe["model"]
    return expected_normalise(Path(str(model["name"])).name) if model.get("weights") else None
