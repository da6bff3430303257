"""What a Run is measured against: who has seen no image, and what ``baseline.json`` holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lamelle.results.base import Result


@dataclass(frozen=True, slots=True)
class Guessing:
    """What who has seen no image reaches on the validation set.

    Example:
        >>> Guessing({"cat": 30, "dog": 10}, score=0.5).images
        40
    """

    counts: Mapping[str, int]
    """Images of each class; all under one name where an image shows several."""
    score: float = 0.0
    """The monitored score."""
    highest: float = 0.0
    """The monitored score that can still come of guessing, where that is higher."""
    loss: float | None = None
    """The loss, where it is known."""
    one_class: Mapping[str, float] = field(default_factory=dict)
    """The monitored score of one answer for everything, by the class that is the answer."""
    tolerance: float = 1e-6
    """How far such a score may be off."""

    @property
    def images(self) -> int:
        """All images that were counted."""
        return sum(self.counts.values())


class EarlierModel(Result):
    """A model that a Run is to improve on, on the same test images."""

    run: str
    """Its folder."""
    theirs: float
    """Its mean quality: share of right answers, or mean score of an image."""
    ours: float
    error: float
    """Standard error of the difference; images of one group count together."""
    n: int


class NormCheck(Result):
    """The same training images by the statistics that batch norms keep, and by those of their own batch."""

    images: int
    stored: float
    """Share of right answers with the running statistics, as validation and prediction have it."""
    batch: float
    """Share of right answers with the statistics of the batch, as training has it."""
    shift: float
    """Median over channels of the distance between both means, in standard deviations of the batch."""


class Baseline(Result):
    """The content of ``baseline.json``; what there is not, or could not be measured, is None."""

    earlier: EarlierModel | None = None
    norms: NormCheck | None = None
