"""What ``item_stats.json`` holds: what scores are made of, item by item; and ``failure.json``: why a training broke."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import Field

from lamelle.results.base import Result
from lamelle.types import JsonObject

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class ItemStats:
    """What one item adds to the scores, and what it belongs to.

    Example:
        >>> import numpy as np
        >>> one = ItemStats("a.png", {"hd95": np.array([1.0, np.nan])}, group="p1")
        >>> read_stats(written_stats([one]))[0].values["hd95"]
        array([ 1., nan])
    """

    id: str
    values: Mapping[str, np.ndarray]
    """Rows of `lamelle.metrics.statistics.STATISTICS`, by name."""
    group: str | None = None
    volume: str | None = None
    position: int | None = None
    """Number of the slice in its volume."""
    line: Mapping[str, object] = field(default_factory=dict, compare=False)
    """Its line in the table of predictions, which stands in a file of its own."""


def written_stats(items: Sequence[ItemStats]) -> list[JsonObject]:
    """Items as JSON; arrays become lists."""
    return [
        {"id": i.id, "group": i.group, "volume": i.volume, "position": i.position, "values": dict(i.values)}
        for i in items
    ]


def read_stats(content: Sequence[JsonObject]) -> list[ItemStats]:
    """Items from JSON; what is null is NaN again."""
    import numpy as np

    return [
        ItemStats(
            one["id"],
            {name: np.array(values, dtype=np.float64) for name, values in one["values"].items()},
            one["group"],
            one["volume"],
            one["position"],
        )
        for one in content
    ]


class Failure(Result):
    """Why a training broke: the code of its error, and the values in the sentence."""

    code: str
    values: dict[str, Any] = Field(default_factory=dict)
