"""A slice is seen with its neighbours, those of its own volume and never those of another split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lamelle.data.neighbour_slices import check_context, mirrored, neighbours, with_neighbours
from lamelle.data.preparation import Preparation
from lamelle.data.samples import Reader
from lamelle.data.store import Store
from lamelle.data.targets.values import ValueMap
from lamelle.data.targets.views import LabelView
from lamelle.errors import RequestError
from lamelle.types import LabelImage, Record, Source


@pytest.mark.parametrize("depth", [1, 2, 3, 7])
def test_ends_are_mirrored(depth: int) -> None:
    padded = np.pad(np.arange(depth), 4, mode="reflect") if depth > 1 else np.zeros(9, int)
    for z in range(depth):
        assert mirrored(z, context=4, depth=depth) == padded[z : z + 9].tolist()


def stack(folder: Path, name: str = "v.npy", first: int = 0) -> Path:
    """Six slices 8 × 9; slice z has the grey value first + z, with a ramp."""
    planes = first + np.arange(6)[:, None, None] * 10 + np.arange(9)[None, None, :] % 3 + np.zeros((6, 8, 9))
    np.save(folder / name, planes.astype(np.uint8))
    return folder / name


def test_neighbours_are_of_the_same_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", budget=1 << 24)
    one, other = stack(tmp_path), stack(tmp_path, "w.npy", 100)
    found = with_neighbours(store, Source(one, None, 0), context=2)
    assert found[:, 0, 0].tolist() == [20, 10, 0, 10, 20]
    assert found.dtype == np.uint8
    assert with_neighbours(store, Source(other, None, 5), context=1)[:, 0, 0].tolist() == [140, 150, 140]
    assert neighbours(store, Source(one, None, 3), context=0) == [Source(one, None, 3)]


@pytest.mark.parametrize("normalise", ["unit", "image", "dataset", "symmetric"])
def test_training_and_prediction_prepare_alike(tmp_path: Path, normalise: str) -> None:
    """A training window is what prediction cuts from the whole; intensities are changed as the middle slice's are."""
    store = Store(tmp_path / "store", budget=1 << 24)
    preparation = Preparation(1, None, normalise, (30.0,), (9.0,), context=1)
    assert preparation.inputs == 3
    record = Record("v#2", Source(stack(tmp_path), None, 2), LabelImage(Source(tmp_path / "v.npy", None, 2)))

    class Nothing(LabelView):
        def read(self, record: Record, store: Store) -> np.ndarray:
            return np.zeros((8, 9), np.int64)

    view = Nothing(ValueMap(("a", "b"), {0: 0, 1: 1}))
    window = Reader(store, view, preparation).window(record, (-1, 2), (6, 6)).image
    whole = with_neighbours(store, record.image, context=1)
    expected = preparation.apply(whole, preparation.affine(whole, bits=None))
    np.testing.assert_array_equal(window[:, 1:], expected[:, :5, 2:8])
    alone = Preparation(1, None, normalise, (30.0,), (9.0,))
    np.testing.assert_array_equal(expected[1:2], alone.apply(whole[1:2], alone.affine(whole[1:2], bits=None)))
    assert (expected[0] < expected[1]).all()  # one scale for all three: what is darker stays darker


def test_colours_keep_their_order() -> None:
    planes = np.arange(9, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8)
    preparation = Preparation(3, None, "unit", (), (), context=1)
    assert (preparation.apply(planes, preparation.affine(planes, bits=None))[:, 0, 0] * 255).round().tolist() == list(
        range(9)
    )


def slices(splits: str) -> list[Record]:
    names = {"t": "train", "v": "validation", "e": "test", "-": "gap"}
    return [Record(f"s#{z}", Source(Path("s.tif"), None, z), split=names[s]) for z, s in enumerate(splits)]


def test_a_gap_as_wide_as_the_context_is_enough() -> None:
    check_context(slices("tttt-vv-ee"), context=1)
    check_context(slices("tttt--vv--ee"), context=2)
    with pytest.raises(RequestError, match=r"slice 3 \(train\) would see slice 5 \(validation\).*split.gap=2"):
        check_context(slices("tttt-vv-ee"), context=2)
    with pytest.raises(RequestError, match="is not a slice of a stack"):
        check_context([Record("a.png", Source(Path("a.png")), split="train")], context=1)


def test_other_stacks_may_be_of_other_splits() -> None:
    whole = [Record(f"{n}#{z}", Source(Path(n), None, z), split=n) for n in ("train", "test") for z in range(3)]
    check_context(whole, context=2)
