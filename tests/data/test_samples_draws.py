"""A record that comes several times in an epoch is augmented otherwise each time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from lamelle.data.samples import Reader, Samples
from lamelle.types import Record, Source


def samples(draws: int) -> Samples:
    """Four records, of which one comes six times as often as each of the others."""
    records = [Record(str(i), Source(Path(str(i)))) for i in range(4)]
    known: dict[str, Any] = {"patch": None, "window": None, "spacing": None, "colour": False, "foreground": 0.0}
    frequency = np.array([6.0, 1.0, 1.0, 1.0])
    reader = cast("Reader", None)  # whole images: none is looked at
    return Samples(records, reader, length=18, draws=draws, seed=3, weights=frequency, **known)


@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_a_repeated_record_gets_its_augmentations_in_turn(epoch: int) -> None:
    order = samples(4).order(epoch)
    assert order.draw is not None
    for owner in range(4):
        found = order.draw[order.owner == owner].tolist()
        assert found == [(epoch + k) % 4 for k in range(len(found))]
    assert np.bincount(order.owner)[0] == 12, "the record is repeated"


@pytest.mark.parametrize("draws", [0, 4])
def test_what_is_drawn_for_a_record_is_another_each_time(draws: int) -> None:
    drawn = samples(draws)
    order = drawn.order(0)
    often = np.flatnonzero(order.owner == 0)
    keys = [drawn._key(0, int(position), order) for position in often]
    assert len(set(keys)) == (draws or len(often)) > 1
