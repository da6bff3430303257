"""Tiles cover every pixel, share what they should, and merge to what a whole image would give."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamelle.prediction import tiles

overlaps = st.floats(0, 0.89)
sides = st.integers(1, 90)


@given(full=sides, tile=sides, overlap=overlaps)
@settings(max_examples=300, deadline=None)
def test_starts_cover_every_pixel_and_share_at_least_the_overlap(full: int, tile: int, overlap: float) -> None:
    found = tiles.starts(full, tile, overlap)
    assert found[0] == 0
    assert found[-1] + min(tile, full) == full
    assert found == sorted(set(found)), "in order, none twice"
    for a, b in itertools.pairwise(found):
        assert b - a <= max(1, int(tile * (1 - overlap)))


@given(
    shape=st.tuples(sides, sides),
    tile=st.tuples(st.integers(4, 40), st.integers(4, 40)),
    overlap=st.floats(0, 0.6),
    batch=st.integers(1, 5),
    seed=st.integers(0, 9),
)
@settings(max_examples=40, deadline=None)
def test_merging_what_each_tile_shows_gives_the_image_back(
    shape: tuple[int, int], tile: tuple[int, int], overlap: float, batch: int, seed: int
) -> None:
    image = np.random.default_rng(seed).random((2, *shape)).astype(np.float32)
    sizes = set[tuple[int, ...]]()

    def run(windows: np.ndarray) -> np.ndarray:
        assert len(windows) <= batch
        sizes.add(windows.shape[2:])
        return windows

    merged = tiles.merge(image, run, tile=tile, overlap=overlap, batch=batch, prepare=lambda w: w)
    np.testing.assert_allclose(merged, image, rtol=1e-5, atol=1e-6)
    assert sizes == {tuple(min(t, s) for t, s in zip(tile, shape, strict=True))}, "every tile has one size"


def test_volumes_merge_as_well() -> None:
    volume = np.random.default_rng(0).random((1, 9, 20, 31)).astype(np.float32)
    merged = tiles.merge(volume, lambda w: w, tile=(4, 8, 16), overlap=0.25, batch=3, prepare=lambda w: w)
    np.testing.assert_allclose(merged, volume, rtol=1e-5)


def test_the_middle_of_a_tile_counts_more_than_its_rim() -> None:
    weight = tiles.profile(32)
    assert weight.argmax() in (15, 16)
    assert weight.min() >= 1e-3
    assert weight == pytest.approx(weight[::-1])


def test_where_tiles_disagree_the_nearer_centre_wins() -> None:
    calls = iter(range(100))
    merged = tiles.merge(
        np.zeros((1, 16, 48), np.float32),
        lambda w: np.full(w.shape, next(calls), np.float32),
        tile=(16, 32),
        overlap=0.5,
        batch=1,
        prepare=lambda w: w,
    )
    row = merged[0, 8]
    assert row[0] == 0
    assert row[-1] == 1
    assert (np.diff(row) >= -1e-6).all(), "blended without a seam"
    assert row[17] < 0.5 < row[30]
