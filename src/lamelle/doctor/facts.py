"""What the doctor knows of a Run, as numbers from its bundle; nothing of it is judged here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from lamelle.doctor.curves import HistoryCurve, score_error
from lamelle.errors import RequestError
from lamelle.results.baseline import EarlierModel, Guessing, NormCheck
from lamelle.results.items import Failure
from lamelle.results.scores import Scores
from lamelle.runs.bundle import RunBundle
from lamelle.runs.plan import Plan
from lamelle.runs.recipe import Recipe
from lamelle.types import Problem

_INPUT_RANGE = "plan.input_range"


@dataclass(frozen=True, slots=True)
class NormStatistics:
    """Batch norms that learn, and how far the statistics they keep can have followed."""

    momentum: float
    """Share of a batch in the running statistics."""
    share: float
    """Share of the running statistics that comes from this training."""
    measured: NormCheck | None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """All that the rules look at."""

    run: str
    plan: Plan
    train_loss: HistoryCurve
    train_score: HistoryCurve
    loss: HistoryCurve
    score: HistoryCurve
    best: int | None
    """Epoch of the weights that are kept."""
    epochs: int
    """Epochs that ended."""
    steps: int
    guessing: Guessing
    """What who has seen no image reaches on the validation set, and how many images of each class that has."""
    units: int
    """Validation patients, animals or volumes; images where these are not known."""
    error: float
    """Standard error of the validation score: what another validation set of this size might have said instead."""
    test_error: float | None
    """The same of the test score."""
    scores: Scores | None
    failure: Failure | None
    """Code and values of the error that ended the training."""
    earlier: EarlierModel | None
    statistics: NormStatistics | None
    advised_budget: str | None
    input_range: Problem | None
    """What the plan said of intensities that pretrained weights do not expect."""

    @property
    def recipe(self) -> Recipe:
        """What was asked for, and what followed from the data."""
        return self.plan.recipe

    @property
    def monitor(self) -> str:
        """The score that tells the best epoch."""
        return self.plan.task.monitor

    @property
    def images(self) -> int:
        """Validation images."""
        return self.guessing.images

    @property
    def lr(self) -> float:
        """Learning rate at its peak."""
        return self.plan.recipe.train.lr

    def reached(self, score: float) -> float:
        """How far a score is from guessing (0) to perfect (1)."""
        return (score - self.guessing.score) / max(1 - self.guessing.score, 1e-6)

    @property
    def learnt(self) -> float | None:
        """How far the training score came at the end; None if it was not measured."""
        return self.reached(self.train_score.last) if len(self.train_score) else None

    @property
    def test_beyond_guessing(self) -> bool:
        """Whether the interval of the monitored score lies above all that can come of guessing."""
        score = self.scores.monitored if self.scores else None
        return score is not None and score.low > self.guessing.highest

    @property
    def test(self) -> float | None:
        """The monitored score on the test set."""
        if self.scores is None or self.scores.split == "validation":
            return None
        score = self.scores.monitored
        return score.value if score is not None and score.defined else None


def facts_of(bundle: RunBundle) -> RunFacts:
    """The facts of one Run.

    Raises:
        RequestError: If no epoch has ended yet.
    """
    history, scores, plan = bundle.history, bundle.scores, bundle.plan
    failure = bundle.failure if scores is None else None
    if plan is None or (not history and failure is None):
        raise RequestError("doctor.no_history", run=bundle.run.path)
    validation, monitor = plan.of("validation"), plan.task.monitor
    guessing, units = plan.task.guessing(validation), len({record.group or record.id for record in validation})
    score = HistoryCurve.of(history, lambda one: one.score(monitor))
    steps, test_error = history[-1].step if history else 0, _test_error(scores)
    return RunFacts(
        run=str(bundle.run.path),
        plan=plan,
        train_loss=HistoryCurve.of(history, lambda one: one.train_loss),
        train_score=HistoryCurve.of(history, lambda one: one.train.get(monitor)),
        loss=HistoryCurve.of(history, lambda one: one.loss),
        score=score,
        best=next((one.epoch for one in reversed(history) if one.best), None),
        epochs=len(history),
        steps=steps,
        guessing=guessing,
        units=units,
        error=_error(score, guessing, units, scores, test_error),
        test_error=test_error,
        scores=scores,
        failure=failure,
        earlier=bundle.baseline.earlier,
        statistics=_statistics(plan, steps, bundle.baseline.norms),
        advised_budget=bundle.advised_budget,
        input_range=next((p for p in plan.problems if p.code == _INPUT_RANGE), None),
    )


def _test_error(scores: Scores | None) -> float | None:
    """Standard error of the monitored test score, from its interval."""
    score = scores.monitored if scores else None
    if score is None or not (math.isfinite(score.low) and math.isfinite(score.high)):
        return None
    return (score.high - score.low) / (2 * NormalDist().inv_cdf(0.5 + score.level / 2)) or None


def _error(
    score: HistoryCurve, guessing: Guessing, units: int, scores: Scores | None, test_error: float | None
) -> float:
    """Standard error of the validation score: that of the test score at the size of the validation set, if known."""
    images, tested = guessing.images, scores.monitored if scores else None
    if scores is not None and tested is not None and test_error is not None and images:
        by_group = tested.unit == "group"
        return test_error * math.sqrt((tested.n if by_group else scores.n) / (units if by_group else images))
    return score_error(score.last if len(score) else 0.5, [n for n in guessing.counts.values() if n])


def _statistics(plan: Plan, steps: int, measured: NormCheck | None) -> NormStatistics | None:
    """None where no batch norm keeps statistics of its own while it learns, as far as the recipe tells."""
    model = plan.recipe.model
    if measured is None and not model.learns_statistics:
        return None
    momentum = model.statistics_momentum
    return NormStatistics(momentum, 1 - (1 - momentum) ** steps, measured)
