"""What to change next: recipe keys with values that follow from those of the Run."""

from __future__ import annotations

from collections.abc import Mapping

from lamelle.data.augment.options import AUGMENT
from lamelle.doctor.facts import RunFacts
from lamelle.durations import spelled
from lamelle.models.options import MODELS

USUAL_LR: Mapping[str, tuple[float, float]] = {"adam": (1e-5, 1e-2), "adamw": (1e-5, 1e-2), "sgd": (1e-4, 0.5)}
"""Learning rates beyond which an optimiser is rarely of use."""
_SAFE_LR = {"adam": 1e-3, "adamw": 1e-3, "sgd": 1e-2}
_CHANGES = {
    False: ("augment.flip=[x]", "augment.rotate=10", "augment.zoom=[0.9,1.1]", "augment.contrast=0.2"),
    True: ("augment.flip=true", "augment.rotate=15", "augment.zoom=[0.9,1.1]", "augment.contrast=0.1"),
}
"""Light augmentation, of images and of images with masks."""


def lower_lr(facts: RunFacts) -> tuple[str, ...]:
    """A tenth, or what is safe for the optimiser."""
    return (f"train.lr={min(facts.lr / 10, _SAFE_LR[_optimizer(facts)]):.3g}",)


def higher_lr(facts: RunFacts) -> tuple[str, ...]:
    """Ten times, or what is safe for the optimiser."""
    return (f"train.lr={max(facts.lr * 10, _SAFE_LR[_optimizer(facts)] / 10):.3g}",)


def usual_lr(facts: RunFacts) -> tuple[float, float]:
    """Range of learning rates in which the optimiser is of use."""
    return USUAL_LR[_optimizer(facts)]


def calmer(facts: RunFacts) -> tuple[str, ...]:
    """A falling learning rate, then averaged weights, then a lower rate."""
    if facts.get("train.schedule") == "constant":
        return ("train.schedule=cosine",)
    return ("train.ema=0.98",) if not facts.get("train.ema") else (f"train.lr={facts.lr / 3:.3g}",)


def longer(facts: RunFacts) -> tuple[str, ...]:
    """Twice the time, or what the training itself asked for."""
    if budget := facts.get("train.budget"):
        return (f"train.budget={facts.advised or spelled(2 * budget)}", "train.schedule_points=[]")
    return (f"train.epochs={2 * max(facts.epochs, int(facts.get('train.epochs', 1)))}",)


def freer(facts: RunFacts) -> tuple[str, ...]:
    """More that can learn: the encoder, then a larger network."""
    model = facts.recipe["model"]
    if model.get("freeze", "none") != "none":
        return ("model.freeze=none", f"train.lr={min(facts.lr, 3e-4):.3g}")
    return MODELS.find(model["kind"]).model_validate(model).larger() or (f"train.lr={3 * facts.lr:.3g}",)


def stricter(facts: RunFacts) -> tuple[str, ...]:
    """Augmentation where there is none, mixtures of images, or weight decay."""
    given, off = facts.recipe.get("augment", {}), AUGMENT.options.none().model_dump()
    if all(_none(given.get(name), value) for name, value in off.items()):
        return _CHANGES[facts.spatial]
    if not facts.spatial and not given.get("mixup") and not given.get("cutmix"):
        return ("augment.mixup=0.2",)
    return (f"train.weight_decay={max(10 * float(facts.get('train.weight_decay', 0)), 0.01):.3g}",)


def both_classes(facts: RunFacts) -> tuple[str, ...]:
    """What makes a network say the rare class too."""
    if not facts.spatial:
        stronger = {None: "weights", "none": "weights", "weights": "oversample", "effective": "oversample"}
        if (remedy := stronger.get(facts.get("task.remedy.name"))) is not None:
            return (f"task.remedy={remedy}",)
        return ("task.threshold=f1",) if facts.get("task.threshold") != "f1" else lower_lr(facts)
    if facts.get("task.loss.name") in ("ce", "bce"):
        return ("task.loss=dice_ce",)
    if facts.get("train.patch") and not facts.get("train.foreground"):
        return ("train.foreground=0.5",)
    return lower_lr(facts)


def more_validation(facts: RunFacts) -> tuple[str, ...]:
    """A larger validation set; by folds where the data says what it is."""
    share = float(facts.get("split.validation", 0))
    if facts.split_by == "given" or share >= 0.25 or facts.get("split.folds"):
        return ("split.folds=5",)
    return (f"split.validation={min(2 * share, 0.3):.3g}",)


def steady_statistics(facts: RunFacts) -> tuple[str, ...]:
    """Statistics that keep up, or that stay."""
    return ("model.bn_momentum=0.1",) if (facts.get("model.bn_momentum") or 1) < 0.1 else ("model.bn_frozen=true",)


def _optimizer(facts: RunFacts) -> str:
    return str(facts.get("train.optimizer", "adamw"))


def _none(given: object, off: object) -> bool:
    """Whether a change is switched off."""
    return not given or (isinstance(off, list) and list(given) == off if isinstance(given, list | tuple) else False)
