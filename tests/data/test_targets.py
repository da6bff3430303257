"""Label values to classes, objects to instances."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lamelle.data.decoding import merge_objects
from lamelle.data.targets.values import ValueMap, apply_values, infer_values, semantic_of
from lamelle.errors import DataError, RequestError, sentence
from lamelle.types import IGNORE

FREE = {"declared": None, "names": (), "ignore": (), "instances": False}


def _counts(*values: int) -> dict[int, int]:
    return dict.fromkeys(values, 5)


@pytest.mark.parametrize("top", [255, 65535])
def test_black_and_white_are_two_classes_and_said(top: int) -> None:
    rule = infer_values(_counts(0, top), **FREE)
    assert rule.mapping == {0: 0, top: 1}
    assert rule.classes == ("background", "foreground")
    assert [(p.code, p.severity) for p in rule.problems] == [("layouts.values_binary", "note")]
    assert f"{top} is class 1" in sentence(rule.problems[0])


def test_consecutive_values_are_kept() -> None:
    rule = infer_values(_counts(0, 1, 2, 3), **FREE)
    assert (dict(rule.mapping), rule.classes, rule.problems) == ({0: 0, 1: 1, 2: 2, 3: 3}, ("0", "1", "2", "3"), ())


@pytest.mark.parametrize(
    ("values", "suggested"),
    [
        ((0, 2, 3), {0: 0, 2: 1, 3: 2}),
        ((1, 2), {1: 0, 2: 1}),
        ((0, 1, 255), {0: 0, 1: 1, 255: 2}),
        ((-1, 0, 1), {0: 0, 1: 1}),
    ],
)
def test_gaps_are_an_error_with_the_map_to_declare(values: tuple[int, ...], suggested: dict[int, int]) -> None:
    with pytest.raises(DataError, match=re.escape(f"data.labels={suggested}")):
        infer_values(_counts(*values), **FREE)


def test_the_suggested_map_is_accepted() -> None:
    rule = infer_values(_counts(0, 2, 3), **{**FREE, "declared": {0: 0, 2: 1, 3: 2}})
    assert apply_values(np.array([[3, 0, 2]], np.uint8), rule).tolist() == [[2, 0, 1]]


def test_many_values_suggest_instances() -> None:
    with pytest.raises(DataError, match=r"40 label values, .* data\.label_values=objects"):
        infer_values(_counts(*range(40)), **FREE)
    rule = infer_values(_counts(*range(40)), **{**FREE, "instances": True})
    assert rule.classes == ("background", "foreground")
    assert {rule.mapping[v] for v in range(1, 40)} == {1}
    assert infer_values(_counts(0), **{**FREE, "instances": True}).classes == ("background", "foreground")


@pytest.mark.parametrize("values", [(), (0,), (255,)])
def test_one_value_alone_is_an_error(values: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="at least two are needed"):
        infer_values(_counts(*values), **FREE)


def test_declared_maps_must_cover_what_is_found() -> None:
    with pytest.raises(DataError, match="label values 3, 7, but declared are 0, 1, 2"):
        infer_values(_counts(0, 1, 3, 7), **{**FREE, "declared": {0: 0, 1: 1, 2: 1}})
    with pytest.raises(RequestError, match="0, 1, 2 … without gaps"):
        infer_values(_counts(0, 1), **{**FREE, "declared": {0: 0, 1: 2}})


def test_an_ignore_value_counts_only_when_declared() -> None:
    rule = infer_values(_counts(0, 1, 255), **{**FREE, "ignore": (255,)})
    assert apply_values(np.array([[0, 255, 1]], np.uint8), rule).tolist() == [[0, IGNORE, 1]]
    rule = infer_values(_counts(0, 1, 255), **{**FREE, "declared": {0: 0, 1: 1, 255: IGNORE}})
    assert rule.ignore == (255,)


def test_names_are_as_many_as_classes() -> None:
    assert infer_values(_counts(0, 1), **{**FREE, "names": ("cell", "membrane")}).classes == ("cell", "membrane")
    with pytest.raises(RequestError, match="1 class names \\(cell\\) for 2 classes"):
        infer_values(_counts(0, 1), **{**FREE, "names": ("cell",)})


def test_values_without_class_are_named_on_applying() -> None:
    rule = ValueMap(("a", "b"), {0: 0, 1: 1})
    for array in (np.array([[0, 1, 2, 9]], np.uint8), np.array([[0, -5]], np.int16), np.array([[0, 2**63]], np.uint64)):
        with pytest.raises(DataError) as caught:
            apply_values(array, rule)
        unknown = ", ".join(str(int(v)) for v in np.unique(array) if int(v) not in (0, 1))
        assert f"label values {unknown}, but" in str(caught.value)


def test_a_huge_unsigned_value_does_not_turn_into_a_negative_one() -> None:
    with pytest.raises(DataError, match=str(2**64 - 1)):
        apply_values(np.array([[0, 2**64 - 1]], np.uint64), ValueMap(("a",), {0: 0}, ignore=(-1,)))


def test_fractions_are_no_labels_but_whole_floats_and_bits_are() -> None:
    rule = ValueMap(("a", "b"), {0: 0, 1: 1})
    assert apply_values(np.array([[0.0, 1.0]], np.float32), rule).tolist() == [[0, 1]]
    assert apply_values(np.array([[False, True]]), rule).tolist() == [[0, 1]]
    for wrong in (0.5, np.nan):
        with pytest.raises(DataError, match="fractions"):
            apply_values(np.array([[0.0, wrong]], np.float32), rule)


@given(
    hnp.arrays(st.sampled_from([np.uint8, np.int16, np.uint16, np.int64]), (3, 4, 5), elements=st.integers(0, 100)),
    st.sampled_from([1, 10**6]),
)
def test_applying_equals_looking_up_one_by_one(array: np.ndarray, far: int) -> None:
    """Also with a value so far off that the lookup table gives way to a search."""
    mapping = {v: (v * 7) % 5 for v in range(101)} | {100 + far: 0}
    labels = apply_values(array, ValueMap(tuple("abcde"), mapping, ignore=(13,)))
    expected = [IGNORE if v == 13 else mapping[int(v)] for v in array.ravel()]
    assert labels.dtype == np.int64
    assert labels.shape == array.shape
    assert labels.ravel().tolist() == expected


def test_objects_merge_into_instances_and_the_later_keeps_what_overlaps() -> None:
    first, second = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    first[:3, :3] = 255
    second[2:, 2:] = 1
    instances, overlaps = merge_objects([first, second])
    assert instances.dtype == np.uint32
    assert overlaps == 1
    assert instances[2, 2] == 2
    assert np.bincount(instances.ravel()).tolist() == [4, 8, 4]
    assert semantic_of(instances).sum() == 12
    assert semantic_of(instances).dtype == np.int64


def test_more_than_255_objects_keep_their_numbers() -> None:
    masks = [np.eye(1, 300, k, dtype=bool) for k in range(300)]
    instances, overlaps = merge_objects(masks)
    assert instances.tolist() == [list(range(1, 301))]
    assert overlaps == 0


def test_objects_of_other_sizes_are_an_error_with_both_sizes() -> None:
    with pytest.raises(DataError, match="mask 2 is 3 × 4, but the first is 4 × 4"):
        merge_objects([np.ones((4, 4)), np.ones((3, 4))])
    with pytest.raises(ValueError, match="no masks"):
        merge_objects([])


def test_zero_is_background_where_nothing_was_said_about_it() -> None:
    rule = infer_values(_counts(0, 1, 2, 3), **{**FREE, "declared": {1: 1, 2: 1, 3: 0}})
    assert rule.mapping == {0: 0, 1: 1, 2: 1, 3: 0}
    assert infer_values(_counts(0, 1, 2), **{**FREE, "declared": {1: 1, 2: 1}}).classes == ("background", "foreground")
    with pytest.raises(DataError, match="label values 0, but declared are 1, 2"):
        infer_values(_counts(0, 1, 2), **{**FREE, "declared": {1: 0, 2: 1}})
    ignored = infer_values(_counts(0, 1, 2), **{**FREE, "declared": {1: 0, 2: 1}, "ignore": (0,)})
    assert ignored.mapping == {1: 0, 2: 1}
    assert ignored.ignore == (0,)
