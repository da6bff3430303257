"""What to change next: recipe keys with values that follow from those of the Run."""

from __future__ import annotations

from collections.abc import Mapping

from lamelle.doctor.facts import RunFacts
from lamelle.durations import spelled

USUAL_LR: Mapping[str, tuple[float, float]] = {"adam": (1e-5, 1e-2), "adamw": (1e-5, 1e-2), "sgd": (1e-4, 0.5)}
"""Learning rates beyond which an optimiser is rarely of use."""
_SAFE_LR = {"adam": 1e-3, "adamw": 1e-3, "sgd": 1e-2}


def lower_lr(facts: RunFacts) -> tuple[str, ...]:
    """A tenth, or what is safe for the optimiser."""
    return (f"train.lr={min(facts.lr / 10, _SAFE_LR[facts.recipe.train.optimizer]):.3g}",)


def higher_lr(facts: RunFacts) -> tuple[str, ...]:
    """Ten times, or what is safe for the optimiser."""
    return (f"train.lr={max(facts.lr * 10, _SAFE_LR[facts.recipe.train.optimizer] / 10):.3g}",)


def usual_lr(facts: RunFacts) -> tuple[float, float]:
    """Range of learning rates in which the optimiser is of use."""
    return USUAL_LR[facts.recipe.train.optimizer]


def calmer(facts: RunFacts) -> tuple[str, ...]:
    """A falling learning rate, then averaged weights, then a lower rate."""
    train = facts.recipe.train
    if train.schedule == "constant":
        return ("train.schedule=cosine",)
    return ("train.ema=0.98",) if not train.ema else (f"train.lr={facts.lr / 3:.3g}",)


def longer(facts: RunFacts) -> tuple[str, ...]:
    """Twice the time, or what the training itself asked for."""
    train = facts.recipe.train
    if train.budget:
        return (f"train.budget={facts.advised_budget or spelled(2 * train.budget)}", "train.schedule_points=[]")
    return (f"train.epochs={2 * max(facts.epochs, train.epochs)}",)


def freer(facts: RunFacts) -> tuple[str, ...]:
    """More that can learn: the encoder, then a larger network."""
    model = facts.recipe.model
    if model.frozen:
        return ("model.freeze=none", f"train.lr={min(facts.lr, 3e-4):.3g}")
    return model.larger() or (f"train.lr={3 * facts.lr:.3g}",)


def stricter(facts: RunFacts) -> tuple[str, ...]:
    """Augmentation where there is none, mixtures of images, or weight decay."""
    task, augment = facts.plan.task, facts.recipe.augment
    if augment.changes_nothing:
        return task.light_augmentation
    if task.mixing and not augment.mixup and not augment.cutmix:
        return (task.mixing,)
    return (f"train.weight_decay={max(10 * facts.recipe.train.weight_decay, 0.01):.3g}",)


def both_classes(facts: RunFacts) -> tuple[str, ...]:
    """What makes a network give the rare answer too."""
    train = facts.recipe.train
    change = facts.plan.task.against_one_answer(crops_anywhere=train.patch is not None and not train.foreground)
    return (change,) if change else lower_lr(facts)


def more_validation(facts: RunFacts) -> tuple[str, ...]:
    """A larger validation set; by folds where the data says what it is."""
    split = facts.recipe.split
    if facts.plan.split_by == "given" or split.validation >= 0.25 or split.folds:
        return ("split.folds=5",)
    return (f"split.validation={min(2 * split.validation, 0.3):.3g}",)


def steady_statistics(facts: RunFacts) -> tuple[str, ...]:
    """Statistics that keep up, or that stay."""
    return facts.recipe.model.steadier_statistics()
