"""A table of rows: found by name, listed, and chosen from in a recipe."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field, ValidationError

from lamelle.errors import RequestError
from lamelle.options import Options
from lamelle.registry import Registry, unknown


class Loss(Options):
    name: Any
    pixels: ClassVar[bool] = False


class Ce(Loss):
    """Cross-entropy.

    More of it.
    """

    name: Literal["ce"] = "ce"


class Focal(Loss):
    """What is hard counts more."""

    name: Literal["focal"] = "focal"
    gamma: float = Field(default=2.0, ge=0)
    pixels: ClassVar[bool] = True


class Toy(Loss):
    """Added later."""

    name: Literal["toy"] = "toy"
    weight: int = 1


LOSSES: Registry[type[Loss]] = Registry("loss", Ce, Focal)


class Worker(Options):
    loss: Annotated[Loss, LOSSES.union(default="ce")] = Ce()
    of_pixels: Annotated[Loss, LOSSES.union(lambda row: row.pixels)] = Focal()


class Whole(Options):
    worker: Worker = Worker()


def test_rows_keep_their_order_and_are_found_by_name() -> None:
    assert (list(LOSSES), len(LOSSES), LOSSES["focal"], LOSSES.find("ce")) == (["ce", "focal"], 2, Focal, Ce)
    assert LOSSES.listing() == {"ce": "Cross-entropy.", "focal": "What is hard counts more."}


def test_a_name_that_is_not_there_is_answered_with_the_nearest_or_with_all() -> None:
    with pytest.raises(RequestError, match="did you mean focal"):
        LOSSES.find("focall")
    with pytest.raises(RequestError, match="there are ce, focal"):
        LOSSES.find("xyz")
    with pytest.raises(RequestError, match=r"there are ce$"):
        LOSSES.find("focal", among=["ce"])
    assert len(str(unknown("loss", "x" * 10_000, ["ce"]))) < 200
    assert "\n" not in str(unknown("loss", "a\nb", ["ce"]))


@pytest.mark.parametrize(
    ("given", "loss"),
    [
        ("focal", Focal()),
        ({"name": "focal", "gamma": 3}, Focal(gamma=3)),
        ({}, Ce()),
        (Focal(gamma=1), Focal(gamma=1)),
    ],
)
def test_one_row_is_chosen_by_its_name_alone_or_with_its_keys(given: Any, loss: Loss) -> None:
    made = Worker.model_validate({"loss": given})
    assert made.loss == loss
    assert Worker.model_validate(made.model_dump(mode="json")) == made


@pytest.mark.parametrize(
    ("given", "kind", "where"),
    [
        ({"loss": {"name": "ce", "gamma": 1}}, "extra_forbidden", ("worker", "loss", "gamma")),
        ({"loss": {"name": "focal", "gamma": -1}}, "greater_than_equal", ("worker", "loss", "gamma")),
        ({"loss": "dice"}, "union_tag_invalid", ("worker", "loss")),
        ({"loss": 3}, "dict_type", ("worker", "loss")),
        ({"of_pixels": "ce"}, "union_tag_invalid", ("worker", "of_pixels")),
        ({"of_pixels": {"gamma": 1}}, "union_tag_not_found", ("worker", "of_pixels")),
    ],
)
def test_a_broken_rule_is_named_with_its_whole_key(given: Any, kind: str, where: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate({"worker": given})
    (error,) = caught.value.errors()
    assert (error["type"], error["loc"]) == (kind, where)


def test_a_row_that_is_added_can_be_chosen_at_once_and_is_in_the_form() -> None:
    with LOSSES.added(Toy):
        assert Worker.model_validate({"loss": {"name": "toy", "weight": 2}}).loss == Toy(weight=2)
        assert "toy" in LOSSES.listing()
        forms = Whole.model_json_schema()["$defs"]["Worker"]["properties"]["loss"]["oneOf"]
        assert [f["properties"]["name"]["const"] for f in forms] == ["ce", "focal", "toy"]
        assert forms[1]["properties"]["gamma"]["minimum"] == 0
        with pytest.raises(ValueError, match="two rows"), LOSSES.added(Toy):
            pass
    assert "toy" not in LOSSES
    with pytest.raises(ValidationError):
        Worker.model_validate({"loss": "toy"})


def test_options_say_what_was_changed() -> None:
    assert (Focal(gamma=1).changed("name"), Focal().changed("name")) == ({"gamma": 1.0}, {})
