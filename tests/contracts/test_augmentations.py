"""What holds for every row of the table of changes of intensity, and for the geometry beside it."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch
from augmenting import only, parts

from lamelle.data.augment.apply import apply
from lamelle.data.augment.change import Change
from lamelle.data.augment.changes import CHANGES
from lamelle.data.augment.options import Augment, GeometryOptions
from lamelle.data.augment.parameters import Parameters, sample
from lamelle.data.randomness import generator
from lamelle.runs import recipe

SIZE = (24, 32)
ON: dict[str, dict[str, Any]] = {
    **{name: {name: 0.5} for name in CHANGES if name != "sharpen"},
    "invert": {"invert": 1.0},
    "noise": {"noise": 0.5, "noise_probability": 1.0},
    "blur": {"blur": 1.5, "blur_probability": 1.0},
    "sharpen": {"policy": 8, "policy_strength": 1.0},
}
"""For each change the keys that switch it on."""
PLACES: dict[str, dict[str, Any]] = {
    **{"flip": {"flip": True}, "rot90": {"rot90": True}, "rotate": {"rotate": 40}, "zoom": {"zoom": (0.7, 1.4)}},
    **{"shift": {"shift": 0.2}, "shear": {"shear": 20}, "elastic": {"elastic": 4, "elastic_spacing": 8}},
}
"""For each key of the geometry those that switch it on."""
rows = pytest.mark.parametrize("row", CHANGES.values(), ids=CHANGES)


def drawn(options: Augment, n: int = 6, *, size: tuple[int, ...] = SIZE) -> Parameters:
    keys = [generator(4, "augment", 0, position) for position in range(n)]
    return sample(options, generators=keys, size=size, colour=True)


def pictures(n: int = 6) -> torch.Tensor:
    return torch.from_numpy(generator("picture", n).normal(size=(n, 3, *SIZE)).astype(np.float32))


def done(parameters: Parameters, images: torch.Tensor) -> torch.Tensor:
    return apply(parameters, images, None, size=SIZE, outside="reflect")[0]


@rows
def test_a_row_says_what_it_is_and_each_key_what_it_means(row: type[Change]) -> None:
    assert inspect.getdoc(row) != inspect.getdoc(Change)
    assert CHANGES.listing()[row.name].endswith(".")
    known, first = recipe.known_keys(), next(iter(row.Options.model_fields), row.name)
    assert first == row.name
    for name, field in row.Options.model_fields.items():
        assert field.description
        assert field.description in known[f"augment.{name}"]
        assert name == row.name or name.endswith(("_probability", "_spacing", "_strength"))


@rows
def test_switched_off_it_changes_nothing(row: type[Change]) -> None:
    parameters, images = drawn(only()), pictures()
    assert (parameters.amounts[row.name] == row.off).all()
    assert torch.equal(done(parameters, images), images)


@rows
def test_switched_on_it_changes_images_and_stays_finite_float32(row: type[Change]) -> None:
    images = pictures()
    moved = done(drawn(only(**ON[row.name])), images)
    assert moved.dtype == torch.float32
    assert torch.isfinite(moved).all()
    assert not torch.equal(moved, images)
    assert done(drawn(only(**ON[row.name])), images.half()).dtype == torch.float16
    flat = torch.full((6, 3, *SIZE), 1.5)
    assert torch.isfinite(done(drawn(only(**ON[row.name])), flat)).all()


@rows
def test_its_draws_hang_on_their_own_key_alone(row: type[Change]) -> None:
    """The same in any batch, and whatever else is switched on; nothing else hangs on them."""
    options = only(**ON[row.name])
    together = drawn(options)
    alone = sample(options, generators=[generator(4, "augment", 0, 3)], size=SIZE, colour=True)
    np.testing.assert_array_equal(together.amounts[row.name][3:4], alone.amounts[row.name])
    if not options.policy:
        others: dict[str, Any] = {
            key: value for name, on in ON.items() if name != "sharpen" for key, value in on.items()
        }
        everything = drawn(only(**others | {"rotate": 20, "elastic": 3} | ON[row.name]))
        np.testing.assert_array_equal(everything.amounts[row.name], together.amounts[row.name])
        without = {name: part for name, part in parts(together).items() if name != row.name}
        for name, part in without.items():
            np.testing.assert_array_equal(part, parts(drawn(only()))[name], err_msg=name)


@rows
def test_what_an_image_becomes_hangs_on_no_other_of_its_batch(row: type[Change]) -> None:
    parameters, images = drawn(only(**ON[row.name])), pictures()
    whole = done(parameters, images)
    for n in (0, 5):
        assert torch.equal(done(parameters[n : n + 1], images[n : n + 1]), whole[n : n + 1])


@rows
def test_changes_of_colour_leave_grey_images_alone(row: type[Change]) -> None:
    grey = pictures()[:, :1]
    if row.colour:
        assert torch.equal(done(drawn(only(**ON[row.name])), grey), grey)


def test_every_key_of_the_geometry_is_tried() -> None:
    keys = {key for on in PLACES.values() for key in on} | {"elastic_probability"}
    assert keys == set(GeometryOptions.model_fields)
    assert set(ON) == set(CHANGES)


@pytest.mark.parametrize("name", PLACES)
def test_targets_move_as_their_images_do(name: str) -> None:
    """An image of its own labels is, after any change of place, the image of the labels that came with it."""
    y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    labels = ((y > 11) & (x > 7)).long().repeat(6, 1, 1)
    parameters = drawn(only(**PLACES[name]), size=(32, 32))
    moved, targets = apply(parameters, labels[:, None].float(), labels, size=(32, 32), outside="reflect")
    assert targets is not None
    assert (targets != labels).any()
    assert ((moved[:, 0] - targets).abs() <= 0.76).float().mean() > 0.995


@rows
def test_a_change_of_intensity_leaves_targets_alone(row: type[Change]) -> None:
    if row.name != "sharpen":
        labels = torch.randint(0, 3, (6, *SIZE))
        _, targets = apply(drawn(only(**ON[row.name])), pictures(), labels, size=SIZE, outside="ignore")
        assert targets is not None
        assert torch.equal(targets, labels)
