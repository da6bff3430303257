"""Rules about a training that learnt: too little, too much, long enough, and what its validation set can tell."""

from __future__ import annotations

import math

import numpy as np

from lamelle.doctor import cures
from lamelle.doctor.facts import RunFacts
from lamelle.doctor.finding import CLEAR_ERRORS, LEARNT_MUCH, MIN_VALIDATIONS, Finding, Value
from lamelle.metrics.intervals import MIN_UNITS

_RISE = 0.1
"""Share by which the validation loss must rise above its lowest trend."""
_GAP = 0.1
"""Difference between training and validation score that is nothing to worry about."""
_BETTER = 0.02
"""Share by which the validation loss must fall to be called falling."""
_MEMORISED = 0.9
"""Way from guessing to perfect from which training images are known by heart."""
_FINE = 0.02
"""Standard error of a validation score that leaves nothing to wish for."""
_JUMP = 0.05
"""Noise of a validation score that is nothing to worry about."""
_SPIKE = 1.5
"""Times the trend of the training loss that makes a spike."""
_WORSE = 0.05
"""Difference between validation and test score that is nothing to worry about."""


def overfitting(facts: RunFacts) -> Finding | None:
    """Training goes on, validation turned round or stays behind."""
    if len(facts.score) < MIN_VALIDATIONS or not len(facts.train_score):
        return None
    turned, lowest, rises = _turn(facts)
    dropped = float(facts.score.trend.max()) - facts.score.last > CLEAR_ERRORS * facts.error
    behind = _gap(facts) > max(_GAP, CLEAR_ERRORS * facts.error)
    goes_on = _improving(facts) is not None and not _memorised(facts)
    if not (rises and dropped) and not (behind and (rises or not goes_on)):
        return None
    values = _fit(facts) | {"epoch": turned, "lowest": lowest, "loss": facts.loss.last}
    return Finding("overfitting", "warning", values, cures.stricter(facts), turned)


def overconfident(facts: RunFacts) -> Finding | None:
    """The validation loss rises while the score holds: the same mistakes, with more certainty."""
    if len(facts.score) < MIN_VALIDATIONS:
        return None
    turned, lowest, rises = _turn(facts)
    if not rises:
        return None
    values = {"epoch": turned, "lowest": lowest, "loss": facts.loss.last}
    values |= {"score": facts.score.last, "error": facts.error, "monitor": facts.monitor}
    change = ("train.monitor=loss",) if facts.recipe.train.monitor == "score" else cures.stricter(facts)
    return Finding("overconfident", "note", values, change, turned)


def still_improving(facts: RunFacts) -> Finding | None:
    """The last quarter was better than the one before, and nothing but the plan ended it."""
    ended = facts.recipe.train.budget or facts.epochs >= facts.recipe.train.epochs
    values = _improving(facts)
    if not ended or facts.scores is None or values is None:
        return None
    if _memorised(facts):
        return None
    return Finding("still_improving", "warning", values, cures.longer(facts))


def underfitting(facts: RunFacts) -> Finding | None:
    """Neither training nor validation images are told apart well."""
    if len(facts.score) < MIN_VALIDATIONS or facts.learnt is None or not len(facts.train_score):
        return None
    best = float(facts.score.trend.max())
    if facts.learnt >= LEARNT_MUCH or facts.reached(best) >= LEARNT_MUCH:
        return None
    return Finding("underfitting", "warning", _fit(facts) | {"chance": facts.guessing.score}, cures.freer(facts))


def unstable(facts: RunFacts) -> Finding | None:
    """Spikes of the training loss, or a validation score that jumps by more than its own error."""
    loss, score = facts.train_loss, facts.score
    first = max(2, len(loss) // 5)
    over = loss.value - loss.trend
    spikes = (over > (_SPIKE - 1) * np.abs(loss.trend)) & (over > 5 * loss.noise)
    spikes[:first] = False
    if spikes.any():
        i = int(np.argmax(np.where(spikes, over, -np.inf)))
        values = {"epoch": int(loss.epoch[i]), "loss": float(loss.value[i]), "trend": float(loss.trend[i])}
        return Finding("unstable", "warning", values, cures.calmer(facts), int(loss.epoch[i]), proof="spike")
    if len(score) < MIN_VALIDATIONS or score.noise <= max(CLEAR_ERRORS * facts.error, _JUMP):
        return None
    values = {"noise": score.noise, "error": facts.error, "monitor": facts.monitor}
    return Finding("unstable", "warning", values, cures.calmer(facts))


def first_best(facts: RunFacts) -> Finding | None:
    """Training made it worse from the second validation on."""
    score = facts.score.value
    if len(score) < MIN_VALIDATIONS or facts.best != int(facts.score.epoch[0]):
        return None
    later = float(np.median(score[1:]))
    if score[0] - later <= facts.error:
        return None
    values = {"epoch": facts.best, "score": float(score[0]), "later": later, "monitor": facts.monitor}
    return Finding("first_best", "warning", values, cures.lower_lr(facts))


def validation_small(facts: RunFacts) -> Finding | None:
    """The best epoch is better than its like by less than another validation set would change."""
    score = facts.score.value
    if len(score) < MIN_VALIDATIONS or facts.error <= _FINE:
        return None
    gain = float(score.max() - np.median(score[len(score) // 2 :]))
    if not facts.error / 2 < gain < CLEAR_ERRORS * facts.error:
        return None
    need = math.ceil(facts.images * (CLEAR_ERRORS * facts.error / gain) ** 2)
    values = {"images": facts.images, "units": facts.units, "error": facts.error, "gain": gain, "need": need}
    return Finding("validation_small", "note", values | {"monitor": facts.monitor}, cures.more_validation(facts))


def test_worse(facts: RunFacts) -> Finding | None:
    """The test score is lower than the validation score by more than chance."""
    if facts.test is None or facts.test_error is None or not len(facts.score) or facts.best is None:
        return None
    at = int(np.flatnonzero(facts.score.epoch == facts.best)[0])
    around = float(facts.score.trend[at])  # that of the best epoch itself was chosen for being high
    error = math.hypot(facts.error, facts.test_error)
    if around - facts.test <= max(_WORSE, CLEAR_ERRORS * error):
        return None
    values = {"score": around, "test": facts.test, "error": error, "monitor": facts.monitor, "images": facts.images}
    return Finding("test_worse", "warning", values, () if facts.recipe.split.folds else ("split.folds=5",))


def base_better(facts: RunFacts) -> Finding | None:
    """What it was started from, or the same with a frozen encoder, is better on the same images."""
    earlier = facts.earlier
    if earlier is None or earlier.theirs - earlier.ours <= CLEAR_ERRORS * earlier.error:
        return None
    values = {"base": earlier.run, "theirs": earlier.theirs, "ours": earlier.ours}
    values |= {"error": earlier.error, "n": earlier.n}
    return Finding("base_better", "warning", values, cures.lower_lr(facts))


def validation_few(facts: RunFacts) -> Finding | None:
    """Too few validated units for any agreement, or a difference that so few explain."""
    if len(facts.score) < MIN_VALIDATIONS or not len(facts.train_score):
        return None
    units = facts.images if facts.plan.split_by == "block" else facts.units  # of one volume its slices are all there is
    explained = _GAP < _gap(facts) <= CLEAR_ERRORS * facts.error
    if units >= MIN_UNITS and not explained:
        return None
    values = _fit(facts) | {"images": facts.images, "units": facts.units}
    return Finding("validation_few", "warning", values, cures.more_validation(facts))


def good(facts: RunFacts) -> Finding | None:
    """Training and validation went up together, and levelled out."""
    if len(facts.score) < MIN_VALIDATIONS or not len(facts.train_score) or _gap(facts) > _GAP:
        return None
    return Finding("good", "good", _fit(facts) | {"sure": CLEAR_ERRORS * facts.error})


def _memorised(facts: RunFacts) -> bool:
    """Whether the training images leave nothing to learn."""
    return (facts.learnt or 0.0) >= _MEMORISED


def _improving(facts: RunFacts) -> dict[str, Value] | None:
    """Loss and score of the last quarter of the validations and of the one before; None if it was not better."""
    if len(facts.score) < MIN_VALIDATIONS:
        return None
    k = max(2, len(facts.score) // 4)
    late, before = slice(-k, None), slice(-2 * k, -k)
    loss, was_loss = float(facts.loss.value[late].mean()), float(facts.loss.value[before].mean())
    score, was = float(facts.score.value[late].mean()), float(facts.score.value[before].mean())
    noise = CLEAR_ERRORS * facts.loss.noise * math.sqrt(2 / k)
    if score <= was or was_loss - loss <= max(noise, _BETTER * abs(was_loss)):
        return None
    return {"last": k, "before": was_loss, "loss": loss, "was": was, "score": score, "monitor": facts.monitor}


def _turn(facts: RunFacts) -> tuple[int, float, bool]:
    """Epoch and value of the lowest validation loss, and whether the trend rises from there while training goes on."""
    trend, value, n = facts.loss.trend, facts.loss.value, len(facts.loss)
    i, half = int(np.argmin(trend)), max(1, n // 10)
    near = slice(max(0, i - half), i + half + 1)  # a trend is lowest where a lowest value is near
    lowest = near.start + int(np.argmin(value[near]))
    risen = facts.loss.last - float(trend[i])
    rises = risen > max(CLEAR_ERRORS * facts.loss.noise, _RISE * abs(float(trend[i]))) and i < n - 2
    at = int(np.searchsorted(facts.train_loss.epoch, facts.loss.epoch[lowest]))
    goes_on = facts.train_loss.last < float(facts.train_loss.trend[at])
    return int(facts.loss.epoch[lowest]), float(value[lowest]), rises and goes_on


def _gap(facts: RunFacts) -> float:
    return facts.train_score.last - facts.score.last


def _fit(facts: RunFacts) -> dict[str, Value]:
    return {
        "train": facts.train_score.last,
        "score": facts.score.last,
        "error": facts.error,
        "best": facts.best,
        "epochs": facts.epochs,
        "monitor": facts.monitor,
    }
