"""Which values are black and white: known where it is certain, never guessed."""

from __future__ import annotations

import numpy as np
import pytest

from lamelle.data.appearance import look
from lamelle.data.units import PixelKind, ValueMatch, kinds_of, match, proposed


def image(seed: int, top: float = 1.0) -> np.ndarray:
    """Smooth grey levels in [0, 1]."""
    rows = np.random.default_rng(seed).random((1, 24, 1)).cumsum(axis=1)
    return (rows / rows.max() * np.linspace(0.1, 1, 20) * top).astype(np.float64)


def kind(*images: np.ndarray, bits: int | None = None) -> PixelKind:
    (found,) = kinds_of([look(one, bits=bits) for one in images])
    return found


def made(dtype: str, factor: float, *, bits: int | None = None) -> PixelKind:
    return kind(*((image(i) * factor).astype(dtype) for i in range(4)), bits=bits)


BYTES = made("uint8", 255)
CASES = {
    "16 bit": (BYTES, made("uint16", 65535), 65535),
    "bytes doubled, dark": (BYTES, kind((image(0, 0.2) * 255).astype(np.uint16) * 257), 65535),
    "12 bits declared": (BYTES, made("uint16", 4095, bits=12), 4095),
    "bytes in 16 bits": (BYTES, made("uint16", 255), 255),
    "fractions": (BYTES, made("float32", 1), 1),
    "whole floats": (BYTES, kind(np.floor(image(0) * 255).astype(np.float32)), 255),
    "bytes for fractions": (made("float64", 1), BYTES, 255),
    "bytes for 16 bit": (made("uint16", 65535), BYTES, 255),
    "bytes in 16 bits for 16 bit": (made("uint16", 65535), made("uint16", 255), 255),
}


@pytest.mark.parametrize("name", CASES)
def test_certain_ranges_are_scaled_to_the_trainings(name: str) -> None:
    trained, new, white = CASES[name]
    found = match(new, [trained], own=None, stated=None)
    assert found is not None
    assert found.units is not None
    own = trained.span
    assert own is not None
    assert found.span == (0, white)
    assert found.units.scale * white + found.units.offset == pytest.approx(own[1])
    assert (found.units.dtype, found.units.bits) == (trained.dtype, trained.bits)


UNKNOWN = {
    "12 bits undeclared": (BYTES, made("uint16", 4080)),
    "floats to 255": (BYTES, made("float32", 254.7)),
    "signed": (BYTES, made("int16", 1500)),
    "below 0": (BYTES, kind((image(0) * 2 - 1).astype(np.float32))),
    "16 bit for 12 bits": (made("uint16", 4000), made("uint16", 60000)),
    "12 bits for 16 bit": (made("uint16", 65535), made("uint16", 4000)),
    "bytes for 12 bits": (made("uint16", 4000), BYTES),
    "fractions for Hounsfield units": (kind((image(0) * 3000 - 1000).astype(np.int16)), made("float32", 1)),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_uncertain_ranges_are_not_guessed(name: str) -> None:
    trained, new = UNKNOWN[name]
    assert match(new, [trained], own=None, stated=None) is None
    found = match(new, [trained], own=None, stated=(-5.0, 95.0))
    assert found is not None, "but taken as they are said to be"
    assert found.units is not None
    black, white = trained.span or trained.likely
    assert found.units.scale * -5 + found.units.offset == pytest.approx(black)
    assert found.units.scale * 95 + found.units.offset == pytest.approx(white)


SAME = {
    "bytes": (BYTES, made("uint8", 90)),
    "16 bit, a little darker": (made("uint16", 40000), made("uint16", 12000)),
    "12 bits": (made("uint16", 4000), made("uint16", 3100)),
    "floats of any range": (made("float32", 900), made("float32", 1400)),
}


@pytest.mark.parametrize("name", SAME)
def test_values_of_the_trainings_type_and_range_stay(name: str) -> None:
    trained, new = SAME[name]
    found = match(new, [trained], own=None, stated=None)
    assert found == ValueMatch(trained.span or trained.likely, None)


def test_one_physical_scale_in_another_type_is_known_by_its_values() -> None:
    scan = kind(*((image(i) * 3000 - 1000).astype(np.int16) for i in range(3)))
    found = match(kind((image(7) * 2900 - 1000).astype(np.float32)), [scan], own=None, stated=None)
    assert found is not None
    assert found.units is not None
    assert (found.units.scale, found.units.offset) == (1, 0)


def test_a_range_declared_for_the_training_is_the_target() -> None:
    trained = made("uint16", 3800)
    found = match(BYTES, [trained], own=(0.0, 4095.0), stated=None)
    assert found is not None
    assert found.units is not None
    assert found.units.scale * 255 == pytest.approx(4095)


def spread(dtype: str, low: float, high: float) -> PixelKind:
    return kind(np.linspace(low, high, 400).reshape(1, 20, 20).astype(dtype))


@pytest.mark.parametrize("whole", [("int16", -1024, 2900), ("int32", -3024, 1400), ("float32", -1000, 1871)])
def test_a_scan_is_given_the_range_of_scanners_whatever_part_of_it_is_there(whole: tuple[str, float, float]) -> None:
    dtype, low, high = whole
    parts = [spread(dtype, low + cut, high - cut) for cut in (0, 100, 400)]
    assert {proposed(part, (0.0, 255.0)) for part in parts} == {(-1024.0, 3071.0)}


PROPOSED = {
    "12 bits, bright and dark": ([("uint16", 0, 4080), ("uint16", 20, 2500)], (0, 255), (0, 4095)),
    "14 bits": ([("uint16", 0, 9000), ("int32", 0, 16000)], (0, 255), (0, 16383)),
    "signed 16 bits": ([("int16", -32768, 32767), ("int16", -30000, 12000)], (0, 255), (-32768, 32767)),
    "around 0": ([("float32", -0.9, 0.7), ("float64", -0.2, 0.1)], (0, 255), (-1, 1)),
    "within the training's": ([("float32", -800.5, 200.2), ("int16", -300, 90)], (-1000, 1500), (-1000, 1500)),
}


@pytest.mark.parametrize("name", PROPOSED)
def test_what_is_proposed_does_not_follow_the_images(name: str) -> None:
    ranges, own, expected = PROPOSED[name]
    assert {proposed(spread(*one), (float(own[0]), float(own[1]))) for one in ranges} == {expected}


@pytest.mark.parametrize("one", [("int16", -60, 900), ("float32", 3.5, 80000.2), ("int32", 0, 100000)])
def test_where_no_convention_tells_nothing_is_proposed(one: tuple[str, float, float]) -> None:
    assert proposed(spread(*one), (0.0, 255.0)) is None
