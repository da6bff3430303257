"""What a row of the tables of statistics and of metrics says.

A statistic is what one item (image, volume, block) adds: counts that are summed over items before anything is divided,
so that an interval can count an item more than once. A metric is a function of such a sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

import numpy as np

VIEWS = ("classes", "labels", "objects", "boxes")
"""How a target is seen: a class (or several) for an item, a class for each pixel, numbered objects, boxes."""
Columns = Mapping[str, np.ndarray]
"""Statistics of n items, by name, [n, ...]."""


@dataclass(frozen=True, slots=True)
class Statistic:
    """What an item adds to a sum.

    One of ``measure`` and ``derive`` is enough: the first looks at the pixels of one item, the second at what is
    `listed` of all of them.
    """

    name: str
    _: KW_ONLY
    of: tuple[str, ...]
    """Views that have it."""
    measure: Callable[[Any], np.ndarray | None] | None = None
    """From a pair of truth and prediction (`lamelle.metrics.pairs`) to numbers; None = not of this item."""
    derive: Callable[[Columns, int], np.ndarray | None] | None = None
    """From the columns that are listed, and the number of classes, to one more column [n, ...]."""
    listed: bool = False
    """Kept item by item, not summed: what ranks items needs all of them."""
    questions: bool = False
    """One matrix [2, 2] of each class, which is a question of its own, instead of one of all classes [K, K]."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A score: how it follows from a statistic, what it is called, and how it is to be read.

    Example:
        >>> Metric("right", of="confusion", value=lambda m: m[..., 0, 0], label="Right", about="…").better
        'high'
    """

    name: str
    _: KW_ONLY
    of: str | tuple[str, ...]
    """Its statistic; of several, the first that the items have."""
    value: Callable[..., np.ndarray]
    """From sums [..., statistic] to scores [...], or [..., K] of each class; of what is listed, from columns and
    weights [B, n] to [B, K]."""
    label: str
    """Its name for people, in English."""
    about: str
    """What it means: formula, range, and what it does not tell."""
    views: tuple[str, ...] = VIEWS
    """Where it is given; where not all views that have its statistic."""
    per_class: bool = False
    """Values are of each class: ``name/class``, and their mean as ``name``."""
    mean_in: tuple[str, ...] = VIEWS
    """Views in which that mean has the metric's own name; elsewhere it has a row of its own."""
    average: Literal["", "present", "size"] = ""
    """Only the mean of the classes' values is given: over those that the truth holds, or weighted by their size."""
    each_of: str = ""
    """Statistic of the same score of each class, where it does not follow from that of all."""
    pooled: bool = True
    """Sums of all items are scored; False = each item is, and the mean of the items is taken."""
    means: tuple[str, ...] = ()
    """Views that also have ``image_name``: the mean over the items, each scored by itself."""
    quick: bool = False
    """Cheap enough to be taken after every epoch."""
    better: Literal["high", "low"] = "high"
    bounds: tuple[float, float] = (0.0, 1.0)
    unit: str = ""
    """Of its values, where they are no shares."""
    digits: int = 3
    """Decimals that people see."""
    interval: Literal["measured", "answers", "calibration"] = "measured"
    """How its interval is made: `measured_intervals`; `class_intervals`, where items have classes; or that of a
    calibration error, which is biased."""
    reference: str = ""
    """Where it was published."""

    @property
    def statistics(self) -> tuple[str, ...]:
        """Names of the statistics that will do."""
        return (self.of,) if isinstance(self.of, str) else self.of
