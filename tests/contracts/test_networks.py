"""What holds for every row of the table of networks."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any, get_args

import made_tasks
import pytest
import torch
from pydantic import ValidationError

from lamelle.data.preparation import Preparation
from lamelle.errors import RequestError
from lamelle.models.build import Architecture, build, sketch
from lamelle.models.freezable import Freezable
from lamelle.models.options import MODELS, Encoded, Network, Output
from lamelle.prediction import package
from lamelle.prediction.package import Package
from lamelle.runs import recipe
from lamelle.runs.request import settings_of

CHANGED: dict[str, dict[str, Any]] = {
    "unet": {
        **{"filters": [4, 6, 8], "up": "linear", "norm": "group", "dropout": 0.3, "residual": True, "kernel": [3, 5]},
        **{"deep_supervision": True, "pool": [1, 2], "convs_per_block": 1},
    },
    "timm": {
        **{"name": "resnet10t", "weights": "hub", "hidden": [8], "dropout": 0.1, "freeze": "stage:1"},
        **{"bn_momentum": 0.01, "bn_frozen": True},
    },
    "cnn": {"name": "cnn1"},
    "timm-unet": {"name": "resnet10t", "weights": "home", "freeze": "head", "decoder": [8, 8, 8, 4, 4]},
}
"""Of each kind every option with another value than its default."""
HOSTILE = (10**9, -1, [10**9], [1] * 10_000, {"a": 1})
SIZE = (32, 40)
rows = pytest.mark.parametrize("row", MODELS.values(), ids=MODELS)


def changed(row: type[Network], *, dims: int = 2) -> Architecture:
    """The network with all its options changed, for images of one channel and three outputs."""
    options = row.model_validate({"kind": row.name_of_kind("kind"), **CHANGED[row.name_of_kind("kind")]})
    if dims == 3:
        options = row.model_validate({"kind": row.name_of_kind("kind")})
    data = {"inputs": 1, "outputs": 3, "dims": dims, "size": options.size_for(SIZE[:dims])}
    return Architecture.model_validate({"options": options, **data})


def packaged(architecture: Architecture, folder: Path) -> Freezable:
    """A package of a network with random weights, and that network."""
    torch.manual_seed(0)
    net = build(architecture)
    if architecture.options.output == "map":
        task: Any = made_tasks.segment("abc")
    else:
        task = made_tasks.classify("abc")
    resize = SIZE if architecture.options.output == "vector" else None
    sizes: dict[str, Any] = {"dims": 2, "tile": None, "overlap": 0.25, "flips": False, "spacing": None}
    preparation = Preparation(architecture.inputs, resize, "unit", (), ())
    about: dict[str, Any] = {"fitted": task.Fitted(), "provenance": {"precision": "32"}}
    package.save(Package(task, architecture, net, preparation, **sizes, **about), folder)
    return net


def test_every_option_of_every_row_is_changed() -> None:
    assert {kind: {"kind", *options} for kind, options in CHANGED.items()} == {
        kind: set(row.model_fields) for kind, row in MODELS.items()
    }
    for kind, row in MODELS.items():
        assert set(changed(row).options.changed("kind")) == set(CHANGED[kind])


@rows
def test_a_row_says_what_it_is_and_each_key_what_it_means(row: type[Network]) -> None:
    kind = row.name_of_kind("kind")
    assert inspect.getdoc(row) != inspect.getdoc(Network)
    assert MODELS.listing()[kind].endswith(".")
    assert row.output in get_args(Output)
    known = recipe.known_keys()
    for name, field in row.model_fields.items():
        if name != "kind":
            assert field.description
            assert field.description in known[f"model.{name}"]


@rows
def test_it_is_plain_data(row: type[Network]) -> None:
    one = changed(row)
    assert Architecture.model_validate_json(one.model_dump_json(), strict=True) == one
    assert recipe.validate({"model": one.options.model_dump(mode="json")}).model == one.options


@pytest.mark.parametrize(
    ("row", "dims"), [pytest.param(row, d, id=f"{kind}-{d}d") for kind, row in MODELS.items() for d in row.dims]
)
def test_it_gives_what_it_says_and_all_of_it_learns(row: type[Network], dims: int) -> None:
    torch.manual_seed(0)
    asked = changed(row, dims=dims)
    net = build(asked)
    image = torch.randn(2, 1, *(*SIZE, 6)[:dims])
    outputs = net(image)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    assert outputs[0].shape == ((2, 3, *image.shape[2:]) if row.output == "map" else (2, 3))
    torch.stack([output.square().mean() for output in outputs]).sum().backward()
    without = [name for name, weight in net.named_parameters() if weight.grad is None]
    assert without == []
    assert net.get_submodule(net.encoder_name) is not net
    assert net.eval()(image).shape == outputs[0].shape


@rows
def test_other_axes_are_refused(row: type[Network]) -> None:
    for dims in {2, 3} - set(row.dims):
        with pytest.raises(RequestError, match=r"model\.kind = .*3 axes"):
            sketch(changed(row).model_copy(update={"dims": dims}))


@rows
def test_what_is_not_to_learn_does_not(row: type[Network]) -> None:
    asked = changed(row)
    net = build(asked)
    asked.options.limit(net)
    assert bool(net.frozen) == (getattr(asked.options, "freeze", "none") != "none")


@rows
def test_a_package_of_it_is_the_same_to_the_bit(row: type[Network], tmp_path: Path) -> None:
    asked = changed(row)
    net = packaged(asked, tmp_path)
    again = package.load(tmp_path)
    assert again.architecture == asked
    kept, image = again.model.state_dict(), torch.randn(1, 1, *SIZE)
    assert all(torch.equal(kept[key], tensor) for key, tensor in net.state_dict().items())
    with torch.no_grad():
        assert torch.equal(again.model(image), net.eval()(image))


@rows
def test_who_starts_from_it_gets_every_option(row: type[Network], tmp_path: Path) -> None:
    packaged(changed(row), tmp_path)
    assert recipe.validate(settings_of(tmp_path)).model == changed(row).options


@rows
def test_a_package_names_no_file_of_the_machine(row: type[Network]) -> None:
    if issubclass(row, Encoded):
        given = row.model_validate({"weights": "/home/somebody/weights.safetensors"})
        assert given.without_paths() == row()
    assert changed(row).options.without_paths() == changed(row).options


@rows
def test_hostile_values_are_refused_in_recipes_and_packages(row: type[Network]) -> None:
    usual = changed(row).model_dump(mode="json")
    for name in row.model_fields:
        for value in HOSTILE:
            options = usual["options"] | {name: value}
            with pytest.raises(ValidationError):
                Architecture.model_validate_json(json.dumps(usual | {"options": options}), strict=True)
            with pytest.raises(RequestError, match=r"model=" if name == "kind" else rf"model\.{name}"):
                recipe.validate({"model": options})
    with pytest.raises(ValidationError):
        Architecture.model_validate_json(json.dumps(usual | {"options": usual["options"] | {"evil": 1}}))
    if "name" in row.model_fields:
        with pytest.raises((ValidationError, RequestError)):
            sketch(Architecture.model_validate(usual | {"options": usual["options"] | {"name": "../../etc/passwd"}}))


@rows
def test_every_option_is_obeyed(row: type[Network]) -> None:
    """Put back to its default, each makes another network, or one of which something else learns."""
    usual = changed(row)

    def made(options: Network) -> tuple[object, ...]:
        net = sketch(usual.but(options=options))
        options.limit(net)
        return repr(net), net.frozen, net.frozen_statistics, getattr(net, "deep_supervision", False)

    for name in row.model_fields.keys() - {"kind", "weights"}:
        assert made(usual.options.but(**{name: getattr(row(), name)})) != made(usual.options), name
