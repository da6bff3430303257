"""Rules about a training that broke, did not finish or did not learn."""

from __future__ import annotations

import numpy as np

from lamelle.doctor import cures
from lamelle.doctor.curves import NOT_FINITE, HistoryCurve
from lamelle.doctor.facts import RunFacts
from lamelle.doctor.finding import CLEAR_ERRORS, LEARNT_MUCH, LEARNT_NOTHING, MIN_VALIDATIONS, Finding, Value
from lamelle.durations import spelled
from lamelle.results.scores import Confusion

_FLAT = 0.02
"""Share of the training loss within which it has not moved."""
_LITTLE = 0.2
"""Share of the training loss that is little for a whole training."""
_BLOWN, _BAD = 3.0, 1.5
"""Times the loss of guessing that no epoch, and no last epoch, has while the learning rate is right."""
_RARE = 0.5
"""Share of the mean number of images of a class below which one is rare."""
_CAUGHT_UP = 0.95
"""Share of running statistics from this training from which they can be trusted."""
_APART = 0.1
"""Difference of scores by stored and by batch statistics that is nothing to worry about."""


def nan(facts: RunFacts) -> Finding | None:
    """The loss or a gradient was not finite."""
    broken = facts.loss.epoch[facts.loss.value >= NOT_FINITE]
    if facts.failure is None and not len(broken):
        return None
    epoch = facts.epochs + 1 if facts.failure is not None else int(broken[0])
    step = facts.failure.values.get("step", "–") if facts.failure is not None else "–"
    exact = () if facts.recipe.train.precision == "32" else ("train.precision=32",)
    values = {"epoch": epoch, "step": step, "lr": facts.lr, "precision": facts.recipe.train.precision}
    return Finding("nan", "error", values, (*cures.lower_lr(facts), *exact), epoch)


def unfinished(facts: RunFacts) -> Finding | None:
    """It was interrupted, or runs still."""
    if facts.scores is not None or facts.failure is not None:
        return None
    budget = facts.recipe.train.budget
    planned = spelled(budget) if budget else str(facts.recipe.train.epochs)
    return Finding("unfinished", "note", {"epochs": facts.epochs, "planned": planned, "run": facts.run})


def short(facts: RunFacts) -> Finding | None:
    """Too few validations to read a curve."""
    if len(facts.score) >= MIN_VALIDATIONS or facts.failure is not None:
        return None
    every = facts.recipe.train.validate_every
    often = every > 1 and facts.epochs >= MIN_VALIDATIONS
    change = "train.validate_every=1" if often else f"train.epochs={5 * MIN_VALIDATIONS}"
    return Finding("short", "note", {"validated": len(facts.score), "least": MIN_VALIDATIONS}, (change,))


def lr_high(facts: RunFacts) -> Finding | None:
    """Nothing was learnt, and the loss was far above that of guessing, or rose."""
    loss, guessed = facts.train_loss, facts.guessing.loss
    if len(loss) < 2 or _has_learnt(facts):
        return None
    blown = guessed is not None and (loss.value.max() > _BLOWN * guessed or loss.last > _BAD * guessed)
    lowest = float(loss.trend.min())
    risen = loss.last - lowest > max(3 * loss.noise, _LITTLE * abs(lowest))
    beyond = facts.lr > cures.usual_lr(facts)[1] and not _falls(loss)
    if not (blown or risen or beyond):
        return None
    return Finding("lr_high", "error", _rate(facts), cures.lower_lr(facts))


def lr_low(facts: RunFacts) -> Finding | None:
    """The loss fell by little, in a straight line or at a rate that is too low for the optimiser."""
    loss = facts.train_loss
    if len(loss) < MIN_VALIDATIONS or facts.learnt is None or facts.learnt >= LEARNT_MUCH:
        return None
    fallen, half = float(loss.trend[0] - loss.last), len(loss) // 2
    early, late = float(loss.trend[0] - loss.trend[half]), float(loss.trend[half] - loss.last)
    straight = fallen > 3 * loss.noise and late > 0.6 * early > 0
    tiny = facts.lr < cures.usual_lr(facts)[0]
    if fallen > _LITTLE * abs(float(loss.trend[0])) or not (tiny or straight):
        return None
    return Finding("lr_low", "warning", _rate(facts), cures.higher_lr(facts))


def collapse(facts: RunFacts) -> Finding | None:
    """One answer for everything: background only, or one class for every image."""
    answer = _one_answer(facts)
    if answer is None:
        return None
    name, share, true = answer
    counts = list(facts.guessing.counts.values())
    rare = len(counts) < 2 or min(counts) < _RARE * sum(counts) / len(counts)
    change = (cures.both_classes if rare else cures.longer)(facts)
    return Finding("collapse", "error", {"answer": name, "share": share, "true": true}, change)


def bn_lag(facts: RunFacts) -> Finding | None:
    """Right with the statistics of the batch, wrong with those that are kept."""
    norms = facts.statistics
    if norms is None:
        return None
    values = {"momentum": norms.momentum, "share": norms.share, "steps": facts.steps}
    change = cures.steady_statistics(facts)
    if (seen := norms.measured) is not None:
        error = float(np.sqrt(max(seen.stored * (1 - seen.stored), 0.05) / seen.images))
        if seen.batch - seen.stored <= max(_APART, CLEAR_ERRORS * error):
            return None
        values |= {"images": seen.images, "stored": seen.stored, "batch": seen.batch, "shift": seen.shift}
        return Finding("bn_lag", "error", values, change, proof="measured")
    if norms.share >= _CAUGHT_UP or not len(facts.train_score) or not len(facts.score):
        return None
    trained, validated = facts.train_score.last, facts.score.last
    if facts.reached(trained) < LEARNT_MUCH or facts.reached(validated) > facts.reached(trained) / 2:
        return None
    values |= {"train": trained, "score": validated, "monitor": facts.monitor}
    return Finding("bn_lag", "error", values, change)


def input_range(facts: RunFacts) -> Finding | None:
    """Pretrained weights get their intensities in another range than they were trained with."""
    if (problem := facts.input_range) is None:
        return None
    values = {name: str(problem.values[name]) for name in ("given", "expected", "name")}
    return Finding("input_range", "warning", values, (f"data.normalise={values['expected']}",))


def _rate(facts: RunFacts) -> dict[str, Value]:
    loss = facts.train_loss
    score = facts.train_score if len(facts.train_score) else facts.score
    return {
        "lr": facts.lr,
        "optimizer": facts.recipe.train.optimizer,
        "epochs": facts.epochs,
        "first": float(loss.value[0]),
        "highest": float(loss.value.max()),
        "last": loss.last,
        "score": score.last if len(score) else 0.0,
        "chance": facts.guessing.score,
        "monitor": facts.monitor,
    }


def _has_learnt(facts: RunFacts) -> bool:
    """Whether the training score, or where that is not known the validation score, is clearly beyond guessing.

    A test score whose interval lies above guessing says it too: while it learns, a network is measured with batch
    statistics and augmented images, and may then be worse than it is.
    """
    score = facts.train_score if len(facts.train_score) else facts.score
    return (len(score) > 0 and facts.reached(score.last) >= LEARNT_NOTHING) or facts.test_beyond_guessing


def _falls(curve: HistoryCurve) -> bool:
    first = float(curve.trend[0])
    return first - curve.last > max(_FLAT * abs(first), 2 * curve.noise)


def _one_answer(facts: RunFacts) -> tuple[str, float, float] | None:
    """The class, its share of the answers and its true share; from the test set, or before it from validations."""
    if facts.scores is not None:
        confusion = facts.scores.figure(Confusion) or Confusion()
        k, (true, answered) = facts.plan.task.one_answer(confusion), confusion.shares
        return None if k is None else (facts.scores.classes[k], answered[k], true[k])
    last, guessing = facts.score.value[-3:], facts.guessing
    if len(last) == 3 and guessing.images:
        for name, score in guessing.one_class.items():
            if np.abs(last - score).max() < guessing.tolerance:
                return name, 1.0, guessing.counts.get(name, 0) / guessing.images
    return None
