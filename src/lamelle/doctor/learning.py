"""Rules about a training that broke, did not finish or did not learn."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamelle.doctor import cures
from lamelle.doctor.curves import one_class
from lamelle.doctor.facts import HistoryCurve, RunFacts
from lamelle.doctor.finding import ENOUGH, LEAST, NOTHING, SURE, Finding
from lamelle.durations import spelled
from lamelle.results.scores import Confusion, Scores

_FLAT = 0.02
"""Share of the training loss within which it has not moved."""
_LITTLE = 0.2
"""Share of the training loss that is little for a whole training."""
_BLOWN, _BAD = 3.0, 1.5
"""Times the loss of guessing that no epoch, and no last epoch, has while the learning rate is right."""
_ALWAYS, _RARELY = 0.98, 0.05
"""Share of one class among the answers that is all of them; share of the true foreground that is almost nothing."""
_RARE = 0.5
"""Share of the mean number of images of a class below which one is rare."""
_CAUGHT_UP = 0.95
"""Share of running statistics from this training from which they can be trusted."""
_APART = 0.1
"""Difference of scores by stored and by batch statistics that is nothing to worry about."""


def nan(facts: RunFacts) -> Finding | None:
    """The loss or a gradient was not finite."""
    broken = facts.loss.epoch[facts.loss.value >= 1e29]
    if facts.failure is None and not len(broken):
        return None
    epoch = facts.epochs + 1 if facts.failure is not None else int(broken[0])
    step = facts.failure.values.get("step", "–") if facts.failure is not None else "–"
    exact = () if str(facts.get("train.precision")) == "32" else ("train.precision=32",)
    values = {"epoch": epoch, "step": step, "lr": facts.lr, "precision": facts.get("train.precision")}
    return Finding("nan", "error", values, (*cures.lower_lr(facts), *exact), epoch)


def unfinished(facts: RunFacts) -> Finding | None:
    """It was interrupted, or runs still."""
    if facts.scores is not None or facts.failure is not None:
        return None
    budget = facts.get("train.budget")
    planned = spelled(budget) if budget else f"{facts.get('train.epochs', '–')}"
    return Finding("unfinished", "note", {"epochs": facts.epochs, "planned": planned, "run": facts.run})


def short(facts: RunFacts) -> Finding | None:
    """Too few validations to read a curve."""
    if len(facts.score) >= LEAST or facts.failure is not None:
        return None
    every = int(facts.get("train.validate_every", 1))
    change = ("train.validate_every=1",) if every > 1 and facts.epochs >= LEAST else (f"train.epochs={5 * LEAST}",)
    return Finding("short", "note", {"validated": len(facts.score), "least": LEAST}, change)


def lr_high(facts: RunFacts) -> Finding | None:
    """Nothing was learnt, and the loss was far above that of guessing, or rose."""
    loss, guessed = facts.train_loss, facts.guessed_loss
    if len(loss) < 2 or _has_learnt(facts):
        return None
    blown = guessed is not None and (loss.value.max() > _BLOWN * guessed or loss.last > _BAD * guessed)
    lowest = float(loss.course.min())
    risen = loss.last - lowest > max(3 * loss.jitter, _LITTLE * abs(lowest))
    beyond = facts.lr > cures.usual_lr(facts)[1] and not _falls(loss)
    if not (blown or risen or beyond):
        return None
    return Finding("lr_high", "error", _rate(facts), cures.lower_lr(facts))


def lr_low(facts: RunFacts) -> Finding | None:
    """The loss fell by little, in a straight line or at a rate that is too low for the optimiser."""
    loss = facts.train_loss
    if len(loss) < LEAST or facts.learnt is None or facts.learnt >= ENOUGH:
        return None
    fallen, half = float(loss.course[0] - loss.last), len(loss) // 2
    early, late = float(loss.course[0] - loss.course[half]), float(loss.course[half] - loss.last)
    straight = fallen > 3 * loss.jitter and late > 0.6 * early > 0
    tiny = facts.lr < cures.usual_lr(facts)[0]
    if fallen > _LITTLE * abs(float(loss.course[0])) or not (tiny or straight):
        return None
    return Finding("lr_low", "warning", _rate(facts), cures.higher_lr(facts))


def collapse(facts: RunFacts) -> Finding | None:
    """One answer for everything: background only, or one class for every image."""
    found = _one_answer(facts)
    if found is None:
        return None
    said, share, true = found
    values = {"said": said, "share": share, "true": true}
    counts = list(facts.counts.values())
    rare = facts.spatial or len(counts) < 2 or min(counts) < _RARE * sum(counts) / len(counts)
    return Finding("collapse", "error", values, (cures.both_classes if rare else cures.longer)(facts))


def bn_lag(facts: RunFacts) -> Finding | None:
    """Right with the statistics of the batch, wrong with those that are kept."""
    norms = facts.statistics
    if norms is None:
        return None
    values = {"momentum": norms.momentum, "share": norms.share, "steps": facts.steps}
    change = cures.steady_statistics(facts)
    if (seen := norms.measured) is not None:
        error = float(np.sqrt(max(seen.stored * (1 - seen.stored), 0.05) / seen.images))
        if seen.batch - seen.stored <= max(_APART, SURE * error):
            return None
        values |= {"images": seen.images, "stored": seen.stored, "batch": seen.batch, "shift": seen.shift}
        return Finding("bn_lag", "error", values, change, proof="measured")
    if norms.share >= _CAUGHT_UP or not len(facts.train_score) or not len(facts.score):
        return None
    trained, validated = facts.train_score.last, facts.score.last
    if facts.reached(trained) < ENOUGH or facts.reached(validated) > facts.reached(trained) / 2:
        return None
    values |= {"train": trained, "score": validated, "monitor": facts.monitor}
    return Finding("bn_lag", "error", values, change)


def input_range(facts: RunFacts) -> Finding | None:
    """Pretrained weights get their intensities in another range than they were trained with."""
    given = facts.get("data.normalise")
    if facts.expects is None or given == facts.expects:
        return None
    values = {"given": given, "expects": facts.expects, "name": facts.get("model.name")}
    return Finding("input_range", "warning", values, (f"data.normalise={facts.expects}",))


def _rate(facts: RunFacts) -> dict[str, Any]:
    loss = facts.train_loss
    score = facts.train_score if len(facts.train_score) else facts.score
    return {
        "lr": facts.lr,
        "optimizer": facts.get("train.optimizer"),
        "epochs": facts.epochs,
        "first": float(loss.value[0]),
        "highest": float(loss.value.max()),
        "last": loss.last,
        "score": score.last if len(score) else 0.0,
        "chance": facts.chance,
        "monitor": facts.monitor,
    }


def _has_learnt(facts: RunFacts) -> bool:
    """Whether the training score, or where that is not known the validation score, is clearly beyond guessing.

    A test score whose interval lies above guessing says it too: while it learns, a network is measured with batch
    statistics and augmented images, and may then be worse than it is.
    """
    known = facts.train_score if len(facts.train_score) else facts.score
    return (len(known) > 0 and facts.reached(known.last) >= NOTHING) or facts.test_beyond_guessing


def _falls(curve: HistoryCurve) -> bool:
    first = float(curve.course[0])
    return first - curve.last > max(_FLAT * abs(first), 2 * curve.jitter)


def _one_answer(facts: RunFacts) -> tuple[str, float, float] | None:
    """The class, its share of the answers and its true share; from the test set, or before it from validations."""
    if facts.scores is not None:
        return _in_confusion(facts, facts.scores)
    last = facts.score.value[-3:]
    if len(last) < 3 or not facts.images:
        return None
    if facts.spatial:
        return ("0", 1.0, 0.0) if last.max() < 0.01 else None
    for name, level in one_class(facts.counts).items():
        if len(facts.counts) > 1 and np.abs(last - level).max() < 1e-6:
            return name, 1.0, facts.counts[name] / facts.images
    return None


def _in_confusion(facts: RunFacts, scores: Scores) -> tuple[str, float, float] | None:
    figure = scores.figure(Confusion)
    confusion = np.asarray(figure.counts if figure else (), dtype=float)
    if confusion.ndim != 2 or not confusion.sum():
        return None
    true, said = confusion.sum(1) / confusion.sum(), confusion.sum(0) / confusion.sum()
    k = 0 if facts.spatial else int(said.argmax())
    empty = said[1:].sum() < _RARELY * true[1:].sum()
    alone = said[k] > _ALWAYS and true[k] < _ALWAYS - _RARELY
    if not (empty if facts.spatial else alone):
        return None
    return scores.classes[k], float(said[k]), float(true[k])
