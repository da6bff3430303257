"""Keys that nothing reads under the choices made are warned of; what a run writes down is not."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from lamelle import recipe
from lamelle.errors import sentence
from lamelle.keys import ClassifyKeys, InstanceKeys, SegmentKeys
from lamelle.runs import fitness
from lamelle.tasks.idle import idle_problems
from lamelle.tasks.pixel_loss import PARAMETERS

Keys = ClassifyKeys | SegmentKeys | InstanceKeys


def said_of(keys: Keys) -> list[str]:
    return [sentence(p) for p in idle_problems(keys.model_dump(), type(keys)().model_dump())]


def check(keys: Keys) -> None:
    assert said_of(keys) == []


def warned(keys: Keys) -> str:
    lines = said_of(keys)
    assert lines
    return "\n".join(lines)


@pytest.mark.parametrize("loss", get_args(SegmentKeys.model_fields["loss"].annotation))
def test_parameters_of_another_loss_are_warned_of_and_its_own_taken(loss: str) -> None:
    acting = {key: name for name, arguments in PARAMETERS.items() for key in arguments.values()}
    own = set(PARAMETERS.get(loss, {}).values())
    for key in acting:
        default = SegmentKeys.model_fields[key].default
        keys = SegmentKeys.model_validate({"loss": loss, key: 1 if isinstance(default, int) and not default else 1.0})
        if key in own:
            check(keys)
        else:
            said = warned(keys)
            assert f"task.{key}=1 " in said
            assert acting[key] in said
            assert f"here that is {loss}" in said


@pytest.mark.parametrize(
    ("split", "said"), [({"test": 0}, False), ({"folds": 5}, False), ({"folds": 5, "test": 0}, True)]
)
def test_no_test_set_beside_folds_is_said_to_be_without_effect(split: dict[str, Any], said: bool) -> None:
    found = [p.code for p in fitness.idle(recipe.validate({"task": {"name": "classify"}, "split": split}))]
    assert ("plan.test_in_folds" in found) is said


def test_all_idle_keys_are_named_at_once() -> None:
    said = warned(SegmentKeys(sigma=3.0, gamma=4.0, cldice_iterations=9))
    assert all(f"task.{named} " in said for named in ("sigma=3", "gamma=4", "cldice_iterations=9"))
    assert "task.alpha" not in said


@pytest.mark.parametrize("keys", [SegmentKeys(), ClassifyKeys(), InstanceKeys()])
def test_recipe_that_writes_every_default_is_taken(keys: Keys) -> None:
    check(type(keys).model_validate(keys.model_dump()))
    if isinstance(keys, SegmentKeys):
        check(keys.model_copy(update={"loss": "focal"}))


def test_two_losses_read_alpha() -> None:
    check(SegmentKeys(loss="tversky", alpha=0.4))
    assert "task.loss=tversky, focal_tversky, and here that is cldice" in warned(SegmentKeys(loss="cldice", alpha=0.4))


def test_how_to_search_a_fixed_threshold_is_warned() -> None:
    said = warned(SegmentKeys(threshold=0.4, threshold_by="image"))
    assert "task.threshold_by=image" in said
    assert "task.threshold=0.4" in said
    check(SegmentKeys(threshold_by="image"))
    check(SegmentKeys(threshold=0.4))
    check(SegmentKeys(threshold=0.4, threshold_by="image", min_size="auto"))  # cleaning is chosen by it


@pytest.mark.parametrize(
    ("idle", "acting"),
    [
        ({"gamma": 3.0}, {"loss": "focal"}),
        ({"alpha": 0.2}, {"imbalance": "both"}),
        ({"beta": 0.9}, {"imbalance": "effective"}),
        ({"tau": 2.0}, {"imbalance": "logit_adjustment"}),
    ],
)
def test_parameters_of_another_remedy_are_warned(idle: dict[str, Any], acting: dict[str, Any]) -> None:
    (by, value), (key, given) = *acting.items(), *idle.items()
    assert f"task.{key}={given:g} changes nothing: it is read only with task.{by}={value}" in warned(
        ClassifyKeys.model_validate(idle)
    )
    check(ClassifyKeys.model_validate(idle | acting))


def test_french_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLE_LANG", "fr")
    said = warned(SegmentKeys(w0=20.0, threshold=0.4, threshold_by="image"))
    assert "task.w0=20 ne change rien : il n’est lu qu’avec task.loss=boundary_ce" in said
    assert "task.threshold=0.4 est fixé" in said
