"""What the doctor says to change next follows from what was tried."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lamelle.data.augment.options import AUGMENT
from lamelle.data.targets.values import ValueMap
from lamelle.doctor import cures
from lamelle.doctor.facts import RunFacts
from lamelle.runs.recipe import Recipe
from lamelle.tasks.base import Task
from lamelle.tasks.classify import Classify, SettledClasses
from lamelle.tasks.segment import Segment, SettledPixels

NAMES = ("a", "b")


def facts(task: Task, **sections: Any) -> RunFacts:
    recipe = Recipe.model_validate({"train": {"lr": 0.001}} | sections)
    return cast(RunFacts, SimpleNamespace(recipe=recipe, lr=0.001, plan=SimpleNamespace(task=task)))


def classify(**options: Any) -> Task:
    return Classify(
        Classify.Options.model_validate(options), SettledClasses(classes=NAMES, class_counts=(9, 1), multi_label=False)
    )


def segment(loss: str) -> Task:
    options = Segment.Options.model_validate({"loss": {"name": loss}})
    return Segment(options, SettledPixels(classes=NAMES, values=ValueMap(NAMES, {0: 0, 1: 1}), objects=False))


@pytest.mark.parametrize(
    ("remedy", "threshold", "change"),
    [
        ("none", "argmax", "task.remedy=weights"),
        ("weights", "argmax", "task.remedy=oversample"),
        ("oversample", "argmax", "task.threshold=f1"),
        ("both", "f1", "train.lr=0.0001"),
    ],
)
def test_a_remedy_for_a_rare_class_that_did_not_help_is_followed_by_another(
    remedy: str, threshold: str, change: str
) -> None:
    task = classify(remedy={"name": remedy}, threshold=threshold)
    assert cures.both_classes(facts(task)) == (change,)


@pytest.mark.parametrize(
    ("loss", "train", "change"),
    [
        ("ce", {"patch": [64, 64]}, "task.loss=dice_ce"),
        ("dice_ce", {"patch": [64, 64]}, "train.foreground=0.5"),
        ("dice_ce", {"patch": [64, 64], "foreground": 0.5}, "train.lr=0.0001"),
        ("dice_ce", {}, "train.lr=0.0001"),
    ],
)
def test_a_map_of_background_is_given_another_loss_then_other_crops(
    loss: str, train: dict[str, Any], change: str
) -> None:
    assert cures.both_classes(facts(segment(loss), train={"lr": 0.001} | train)) == (change,)


def test_images_vary_before_they_are_mixed_and_weights_decay_last() -> None:
    off = AUGMENT.options.none().model_dump()
    assert cures.stricter(facts(classify(), augment=off)) == classify().light_augmentation
    assert cures.stricter(facts(classify(), augment=off | {"rotate": 5})) == ("augment.mixup=0.2",)
    assert cures.stricter(facts(classify(), augment=off | {"mixup": 0.2})) == ("train.weight_decay=0.01",)
    assert cures.stricter(facts(segment("ce"), augment=off)) == segment("ce").light_augmentation
    assert cures.stricter(facts(segment("ce"), augment=off | {"rotate": 5})) == ("train.weight_decay=0.01",)


@pytest.mark.parametrize(
    ("model", "change"),
    [
        ({"kind": "timm", "bn_momentum": 0.001}, ("model.bn_momentum=0.1",)),
        ({"kind": "timm"}, ("model.bn_frozen=true",)),
        ({"kind": "cnn"}, ()),
    ],
)
def test_statistics_follow_sooner_or_stay_where_the_network_has_a_key_for_it(
    model: dict[str, Any], change: tuple[str, ...]
) -> None:
    assert cures.steady_statistics(facts(classify(), model=model)) == change
