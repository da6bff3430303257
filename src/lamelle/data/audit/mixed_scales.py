"""Images of several scales of values in one folder, which nothing in their files tells apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lamelle.data.value_scales import listed_scales, scales_of, white_of
from lamelle.results.audit import ImageMeasures
from lamelle.types import Problem, Record


@dataclass(frozen=True, slots=True)
class _Values:
    """A row's values, as the comparison of new images with those of the training takes them."""

    dtype: str
    bits: int | None
    minimum: float
    maximum: float
    low: float
    high: float
    whole: bool
    doubled: bool = False


def _values(rows: Sequence[ImageMeasures]) -> list[_Values]:
    return [
        _Values(r.dtype, r.bits, r.minimum, r.maximum, min(r.low), max(r.high), r.dtype.startswith(("uint", "int")))
        for r in rows
    ]


def scale_names(rows: Sequence[ImageMeasures], records: Sequence[Record]) -> dict[int, str]:
    """Of images in a folder of several scales the values of their own: ``12`` bits, or ``0 … 255``."""
    values, names = _values(rows), {}
    for places in scales_of(values, [r.image.path for r in records]):
        white = int(white_of([values[i] for i in places]))
        whole = all(values[i].whole for i in places) and not white & (white + 1) and white > 1
        names |= dict.fromkeys(places, str(white.bit_length()) if whole else f"0 … {white}")
    return names


def scale_problems(rows: Sequence[ImageMeasures], records: Sequence[Record]) -> list[Problem]:
    """A warning where there are several: a model takes those of the smaller ones for dark images."""
    values = _values(rows)
    if not (scales := scales_of(values, [r.image.path for r in records])):
        return []
    shown = listed_scales(scales, values, [r.id for r in rows])
    return [Problem("audit.several_scales", "", "warning", {"n": len(scales), "scales": "; ".join(shown)})]
