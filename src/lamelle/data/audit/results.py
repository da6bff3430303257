"""What an audit found, as plain values that can be kept as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from lamelle.types import Problem, Spacing


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
    minimum: float
    maximum: float
    mean: tuple[float, ...]
    """Per channel, as the other tuples."""
    std: tuple[float, ...]
    low: tuple[float, ...]
    """1st percentile."""
    high: tuple[float, ...]
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
    mean: tuple[float, ...] = ()
    """Per channel over all pixels of images with the most frequent number of channels, in native units."""
    std: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    """1st percentile."""
    high: tuple[float, ...] = ()
    """99th percentile."""
    minimum: float = math.nan
    maximum: float = math.nan
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

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and text.

        Example:
            >>> audit = Audit((), (), (), {}, DataStatistics(records=3))
            >>> Audit.from_json(audit.to_json()).statistics.records
            3
        """
        plain = {
            "problems": [
                {"code": p.code, "where": p.where, "severity": p.severity, "values": dict(p.values)}
                for p in self.problems
            ],
            "rows": [{**_fields(r), "labels": _keyed(r.labels)} for r in self.rows],
            "pairs": [asdict(p) for p in self.pairs],
            "totals": {k: dict(v) for k, v in self.totals.items()},
            "statistics": {
                **_fields(self.statistics),
                "labels": _keyed(self.statistics.labels),
                "label_images": _keyed(self.statistics.label_images),
            },
        }
        return _plain(plain)

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> Audit:
        """The audit that ``to_json`` wrote, or an older one: what it says more of a pair is left out.

        Raises:
            KeyError: If something is missing.
        """
        return Audit(
            tuple(Problem(**p) for p in plain["problems"]),
            tuple(ImageMeasures(**_restored(r)) for r in plain["rows"]),
            tuple(
                ImagePair(**{k: v for k, v in p.items() if k in ImagePair.__dataclass_fields__}) for p in plain["pairs"]
            ),
            plain["totals"],
            DataStatistics(**_restored(plain["statistics"])),
        )


def _fields(row: ImageMeasures | DataStatistics) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def _keyed(counts: Mapping[int, int]) -> dict[str, int]:
    return {str(k): int(v) for k, v in counts.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _restored(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Lists as tuples, counts with whole numbers as keys, a missing minimum or maximum as NaN."""
    restored = {k: _tuples(v) for k, v in plain.items()}
    for name in ("labels", "label_images"):
        if name in restored:
            restored[name] = {int(k): v for k, v in restored[name].items()}
    for name in ("minimum", "maximum"):
        if restored.get(name) is None:
            restored[name] = math.nan
    return restored


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
