"""What an audit found: the content of ``audit.json``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from lamelle.results.scores import Number
from lamelle.types import Problem, Spacing

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class ImageMeasures:
    """One record, measured."""

    id: str
    format: str
    shape: tuple[int, ...]
    """``[C, (Z,) Y, X]``"""
    dtype: str
    bits: int | None
    spacing: Spacing | None
    coloured: bool
    """Channels differ; False also for grey stored as RGB."""
    minimum: Number
    maximum: Number
    mean: tuple[Number, ...]
    """Per channel, as the other tuples."""
    std: tuple[Number, ...]
    low: tuple[Number, ...]
    """1st percentile."""
    high: tuple[Number, ...]
    """99th percentile."""
    pixels: str
    """Hash of the decoded pixels."""
    labels: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    """Label value → pixels; for instances 0 and 1."""
    objects: int | None = None
    label_pixels: str | None = None
    """Hash of the decoded labels, or the class names."""

    @property
    def channels(self) -> int:
        return self.shape[0]

    @property
    def size(self) -> tuple[int, ...]:
        return self.shape[1:]


@dataclass(frozen=True, slots=True)
class ImagePair:
    """Two records with the same or nearly the same image."""

    first: str
    second: str
    kind: Literal["exact", "near"]
    correlation: float
    """Of the details, after the second was brought over the first; 1 if exact."""
    mirrored: bool = False
    angle: float = 0.0
    """Degrees, anticlockwise, by which the second is turned to fit the first, after it was mirrored left to right."""
    inverted: bool = False
    """Bright in one is dark in the other."""
    of_first: float = 1.0
    """Part of the first that the second shows too: less than 1 if it was cropped."""
    of_second: float = 1.0
    """Part of the second that the first shows too."""


@dataclass(frozen=True, slots=True)
class DataStatistics:
    """What a plan is made from."""

    records: int = 0
    groups: int = 0
    dims: int = 2
    channels: tuple[int, int] = (0, 0)
    """Fewest and most."""
    size_min: tuple[int, ...] = ()
    size_median: tuple[int, ...] = ()
    size_max: tuple[int, ...] = ()
    dtypes: Mapping[str, int] = field(default_factory=dict)
    bytes: int = 0
    """Of all decoded images."""
    mean: tuple[Number, ...] = ()
    """Per channel over all pixels of images with the most frequent number of channels, in native units."""
    std: tuple[Number, ...] = ()
    low: tuple[Number, ...] = ()
    """1st percentile."""
    high: tuple[Number, ...] = ()
    """99th percentile."""
    minimum: Number = math.nan
    maximum: Number = math.nan
    labels: Mapping[int, int] = field(default_factory=dict)
    """Label value → pixels over all records."""
    label_images: Mapping[int, int] = field(default_factory=dict)
    """Label value → number of images that hold it."""
    objects: tuple[int, float, int] | None = None
    """Fewest, median and most objects in an image."""
    spacings: tuple[tuple[Spacing, int], ...] = ()
    """(pixel size in micrometres, number of records), most frequent first."""


@dataclass(frozen=True, slots=True)
class Audit:
    """Everything that a look at every pixel of a data set showed."""

    problems: tuple[Problem, ...]
    rows: tuple[ImageMeasures, ...]
    pairs: tuple[ImagePair, ...]
    totals: Mapping[str, Mapping[str, int]]
    """``classes``, ``groups``, ``splits``, ``sizes``, ``dtypes``, ``formats``, ``channels``: value → records."""
    statistics: DataStatistics

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that stop a training."""
        return tuple(p for p in self.problems if p.severity == "error")


@cache
def _schema() -> TypeAdapter[Audit]:
    from pydantic import TypeAdapter

    return TypeAdapter(Audit)


def from_json(content: object) -> Audit:
    """The audit in the content of an ``audit.json``, which `lamelle.io.atomic.write_json` wrote from one.

    What an older one says more is left out.

    Raises:
        pydantic.ValidationError: If something is missing, or of another type.

    Example:
        >>> from lamelle.io.atomic import plain
        >>> from_json(plain(Audit((), (), (), {}, DataStatistics(records=3)))).statistics.records
        3
    """
    return _schema().validate_python(content)
