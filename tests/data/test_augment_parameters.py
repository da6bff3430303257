"""Options, drawn parameters and the margin of augmentation."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import numpy as np
import pytest
from augmenting import but, only, parts
from hypothesis import given, settings
from hypothesis import strategies as st

from lamelle.data.augment.options import Augment
from lamelle.data.augment.parameters import Parameters, margin, sample
from lamelle.data.augment.warp import spline
from lamelle.data.randomness import generator
from lamelle.errors import RequestError
from lamelle.runs.recipe import validate

GEOMETRY = st.fixed_dictionaries(
    {
        "flip": st.booleans(),
        "rot90": st.booleans(),
        "rotate": st.floats(0, 60),
        "zoom": st.tuples(st.floats(0.8, 1.0), st.floats(1.0, 1.3)),
        "shift": st.floats(0, 0.1),
        "shear": st.floats(0, 10),
        "elastic": st.floats(0, 5),
        "elastic_spacing": st.floats(8, 40),
    }
)

COLOURS: dict[str, Any] = {"saturation": 0.5, "tint": 0.3, "invert": 0.5}
STILL = {"saturation": np.ones(6), "tint": np.zeros((6, 3)), "invert": np.zeros(6, bool)}


def drawn(options: Augment, n: int = 6, *, size: tuple[int, ...] = (32, 32), **more: object) -> Parameters:
    return sample(options, generators=[generator(3, p) for p in range(n)], size=size, **more)  # type: ignore[arg-type]


def assert_same(one: Parameters, other: Parameters) -> None:
    assert parts(one).keys() == parts(other).keys()
    for name, part in parts(one).items():
        np.testing.assert_array_equal(part, parts(other)[name], err_msg=name)


def test_nothing_asked_changes_nothing() -> None:
    parameters = drawn(only())
    assert (parameters.matrices == np.eye(2, 3)).all()
    assert parameters.control is None
    assert (parameters.amounts["gamma"] == 1).all()
    assert (parameters.amounts["contrast"] == 1).all()
    assert not parameters.amounts["brightness"].any()
    assert not parameters.amounts["invert"].any()
    assert (parameters.amounts["saturation"] == 1).all()
    assert not parameters.amounts["tint"].any()
    assert not parameters.amounts["blur"].any()
    assert not parameters.amounts["noise"].any()


@given(options=GEOMETRY, dims=st.sampled_from([2, 3]))
def test_a_batch_is_the_stack_of_its_positions_and_survives_pickling(options: dict, dims: int) -> None:
    chosen, size = only(**options, noise=0.1, blur=2, gamma=0.3), (9, 24, 32)[-dims:]
    together = drawn(chosen, 4, size=size)
    alone = [sample(chosen, generators=[generator(3, p)], size=size) for p in reversed(range(4))]
    assert_same(together, Parameters.concatenate(alone[::-1]))
    assert_same(together, pickle.loads(pickle.dumps(together)))
    assert_same(together[1:3], Parameters.concatenate([alone[2], alone[1]]))


def test_switching_one_change_on_leaves_the_others_as_they_were() -> None:
    few = drawn(only(rotate=20, brightness=0.3))
    many = drawn(only(rotate=20, brightness=0.3, noise=0.1, blur=1, elastic=3, elastic_spacing=8))
    assert_same(few, but(drawn(only(rotate=20, brightness=0.3, **COLOURS)), **STILL))
    np.testing.assert_array_equal(few.matrices, many.matrices)
    np.testing.assert_array_equal(few.amounts["brightness"], many.amounts["brightness"])


def test_parameters_of_different_options_are_not_joined() -> None:
    bent = drawn(only(elastic=3, elastic_spacing=8))
    with pytest.raises(ValueError, match="different options"):
        Parameters.concatenate([bent, drawn(only())])


def test_amounts_fill_their_ranges_and_stay_inside() -> None:
    parameters = drawn(
        only(
            rotate=30,
            zoom=(0.5, 2.0),
            brightness=0.4,
            contrast=0.5,
            gamma=0.7,
            noise=0.2,
            noise_probability=0.25,
            blur=3,
            saturation=0.6,
            tint=0.3,
            invert=0.25,
        ),
        3000,
        colour=True,
    )
    scale = 1 / np.sqrt(np.linalg.det(parameters.matrices[:, :, :2]))
    angle = np.degrees(np.arctan2(parameters.matrices[:, 1, 0], parameters.matrices[:, 0, 0]))
    spans = (
        (scale, 0.5, 2.0),
        (angle, -30, 30),
        (parameters.amounts["brightness"], -0.4, 0.4),
        (parameters.amounts["contrast"], 0.5, 1.5),
        (np.log(parameters.amounts["gamma"]), -0.7, 0.7),
        (parameters.amounts["blur"][:, 0], 0, 3),
        (parameters.amounts["saturation"], 0.4, 1.6),
        (np.linalg.norm(parameters.amounts["tint"], axis=1) / np.sqrt(1.5), 0, 0.3),
    )
    for values, low, high in spans:
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high
    assert set(parameters.amounts["noise"]) == {0.0, 0.2}
    assert abs((parameters.amounts["noise"] > 0).mean() - 0.25) < 0.03
    assert len(np.unique(parameters.seeds)) == 3000
    assert abs(parameters.amounts["invert"].mean() - 0.25) < 0.03
    np.testing.assert_allclose(parameters.amounts["tint"].sum(axis=1), 0, atol=1e-12)


def test_flips_and_quarter_turns_reach_every_orientation() -> None:
    both = only(flip=True, rot90=True)
    assert len(np.unique(drawn(both, 300).matrices, axis=0)) == 8
    assert len(np.unique(drawn(both, 300, size=(8, 32, 32)).matrices, axis=0)) == 16
    oblong = drawn(only(rot90=True), 100, size=(32, 48)).matrices
    assert {tuple(m[:, :2].ravel()) for m in oblong} == {(1, 0, 0, 1), (-1, 0, 0, -1)}
    uneven = drawn(only(rot90=True), 100, spacing=(2.0, 1.0)).matrices
    assert len(np.unique(uneven, axis=0)) == 2


@pytest.mark.parametrize(
    ("flip", "size", "mirrored"),
    [
        (("x",), (32, 32), {(1, 1), (1, -1)}),
        (("y",), (32, 32), {(1, 1), (-1, 1)}),
        (("z", "x"), (8, 32, 32), {(1, 1, 1), (1, 1, -1), (-1, 1, 1), (-1, 1, -1)}),
        (("z",), (32, 32), {(1, 1)}),
        ((), (32, 32), {(1, 1)}),
    ],
)
def test_only_the_axes_named_are_mirrored(flip: tuple[str, ...], size: tuple[int, ...], mirrored: set) -> None:
    matrices = drawn(only(flip=flip), 60, size=size).matrices
    assert {tuple(np.diagonal(m).astype(int).tolist()) for m in matrices} == mirrored
    every = drawn(only(flip=True), 60, size=size).matrices
    named = ["zyx"[-len(size) :].index(axis) for axis in flip if axis in "zyx"[-len(size) :]]
    np.testing.assert_array_equal(matrices[:, named, named], every[:, named, named])  # the same draws


def test_rotation_of_a_volume_stays_in_the_plane() -> None:
    matrices = drawn(only(rotate=30, shear=5), size=(8, 32, 32)).matrices
    assert (matrices[:, 0, :3] == [1, 0, 0]).all()
    assert (matrices[:, 1:, 0] == 0).all()
    assert (matrices[:, 1, 2] != 0).all()


def test_rotation_keeps_angles_in_pixels_that_are_not_square() -> None:
    spacing = np.diag([3.0, 1.0])
    matrices = drawn(only(rotate=30), spacing=(3.0, 1.0)).matrices[:, :, :2]
    physical = spacing @ matrices @ np.linalg.inv(spacing)
    np.testing.assert_allclose(
        physical @ physical.transpose(0, 2, 1), np.broadcast_to(np.eye(2), physical.shape), atol=1e-12
    )


def test_thick_slices_are_neither_zoomed_nor_blended() -> None:
    options = only(zoom=(0.7, 1.3), shift=0.1, elastic=6, elastic_spacing=8, blur=2)
    thick = drawn(options, size=(16, 32, 32), spacing=(50.0, 4.0, 4.0))
    assert (thick.matrices[:, 0, 0] == 1).all()
    assert (thick.matrices[:, 0, 3] == np.round(thick.matrices[:, 0, 3])).all()
    assert np.abs(thick.matrices[:, 0, 3]).max() == 1  # 1.6 slices at most
    assert thick.control is not None
    assert np.abs(thick.control[:, 0]).max() <= 6 * 4 / 50 < np.abs(thick.control[:, 1]).max() <= 6
    np.testing.assert_allclose(thick.amounts["blur"][:, 0], thick.amounts["blur"][:, 1] * 4 / 50)
    cubes = drawn(options, size=(16, 32, 32))
    assert (cubes.matrices[:, 0, 0] == cubes.matrices[:, 1, 1]).all()
    assert (cubes.matrices[:, 0, 0] != 1).all()


def test_elastic_probability_leaves_some_flat() -> None:
    options = only(elastic=4, elastic_spacing=8, elastic_probability=0.4)
    control = drawn(options, 1000).control
    assert control is not None
    assert abs(control.any(axis=(1, 2, 3)).mean() - 0.4) < 0.05


@settings(max_examples=60, deadline=None)
@given(
    options=GEOMETRY,
    size=st.one_of(st.tuples(st.integers(24, 64), st.integers(24, 64)), st.just((12, 32, 32))),
    thick=st.booleans(),
)
def test_within_the_margin_nothing_is_reflected(options: dict, size: tuple[int, ...], thick: bool) -> None:
    import torch

    chosen, spacing = only(**options), (5.0, 1.0, 1.0)[-len(size) :] if thick else None
    extra = margin(chosen, size=size, spacing=spacing)
    assert all(0 <= e <= s / 2 and e % 2 == 0 for e, s in zip(extra, size, strict=True))
    parameters = drawn(chosen, 20, size=size, spacing=spacing)
    corners = np.array(list(itertools.product(*[(-(s - 1) / 2, (s - 1) / 2) for s in size])))
    reach = np.abs(parameters.matrices[:, :, :-1] @ corners.T + parameters.matrices[:, :, -1:]).max(axis=(0, 2))
    if parameters.control is not None:
        reach += np.abs(spline(torch.from_numpy(parameters.control), size).numpy()).max(
            axis=(0, *range(2, 2 + len(size)))
        )
    for axis, (s, e) in enumerate(zip(size, extra, strict=True)):
        if e < s // 4 * 2:
            assert reach[axis] <= (s - 1 + e) / 2 + 1e-4


def test_margin_is_no_larger_than_needed() -> None:
    assert margin(only(flip=True, rot90=True, noise=1), size=(64, 64)) == (0, 0)
    assert margin(only(rotate=45), size=(101, 101)) == (42, 42)  # 50·√2 − 50 = 20.7 on each side
    assert margin(only(rotate=180), size=(101, 101)) == (42, 42)
    assert margin(only(zoom=(0.8, 1.2)), size=(101, 101)) == (26, 26)
    assert margin(only(zoom=(0.1, 1.0)), size=(100, 100)) == (50, 50)
    assert margin(only(elastic=3, elastic_spacing=8), size=(9, 64, 64), spacing=(9.0, 1.0, 1.0)) == (2, 6, 6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rotate": -1.0},
        {"rotate": 181.0},
        {"noise": float("nan")},
        {"blur": float("inf")},
        {"blur_probability": 1.5},
        {"contrast": 2.0},
        {"zoom": (0.0, 1.0)},
        {"zoom": (1.2, 0.8)},
        {"zoom": (80.0, 120.0)},
        {"zoom": (float("nan"), 1.0)},
        {"elastic_spacing": 0.5},
        {"flip": ("x", "w")},
        {"invert": 1.5},
        {"saturation": 2.0},
        {"tint": -0.1},
        {"policy": 12},
        {"policy_strength": 1.5},
    ],
)
@pytest.mark.parametrize("spoken", ["en", "fr"])
def test_wrong_options_name_the_key_and_the_value(wrong: dict, spoken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLE_LANG", spoken)
    with pytest.raises(RequestError) as caught:
        validate({"augment": wrong})
    (name,) = wrong
    assert f"augment.{name}" in str(caught.value)


def test_sizes_and_spacings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="has 1 axes"):
        drawn(only(), size=(32,))
    with pytest.raises(ValueError, match="differ in their number of axes"):
        drawn(only(), spacing=(1.0, 1.0, 1.0))
