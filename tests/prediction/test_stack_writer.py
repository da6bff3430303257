"""Stacks that are put together on disk."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest

from lamelle.errors import FileError
from lamelle.prediction.stack_writer import StackWriter


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_planes_stand_in_order(tmp_path: Path, order: list[int]) -> None:
    stack = np.random.default_rng(0).random((2, 3, 5, 7)).astype(np.float32)
    with StackWriter(tmp_path / "new", depth=3, dtype=stack.dtype) as pile:
        for index in order:
            assert not pile.full
            pile.add(10 + index, stack[:, index])
        assert pile.full
        assert np.array_equal(pile.whole(), stack)


def test_values_are_kept_in_the_smallest_type(tmp_path: Path) -> None:
    with StackWriter(tmp_path, depth=1, dtype=np.min_scalar_type(3)) as pile:
        pile.add(0, np.array([[[0, 3]]]))
        assert pile.whole().dtype == np.uint8
        assert pile.whole().tolist() == [[[[0, 3]]]]


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with StackWriter(tmp_path, depth=3, dtype=np.dtype(np.uint8)) as pile:
        pile.add(0, np.zeros((1, 100, 100)))
        resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, before[1]))
        try:
            with pytest.raises(FileError, match="10000 bytes") as caught:
                pile.add(1, np.zeros((1, 100, 100)))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.problem.where == str(tmp_path)
