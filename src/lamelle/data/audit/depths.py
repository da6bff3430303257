"""Images of 12 and of 16 bits in one folder, which nothing in their files tells apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lamelle.data.audit.results import Row
from lamelle.data.layouts.pairing import names_of
from lamelle.data.units import two_depths
from lamelle.types import Problem, Record

_NAMED = 3


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


def of_twelve_bits(rows: Sequence[Row], records: Sequence[Record]) -> tuple[list[int], list[int]]:
    """Which images in 16 bits use 12 of them, and which all, where both are there; else nothing."""
    values = [
        _Values(r.dtype, r.bits, r.minimum, r.maximum, min(r.low), max(r.high), r.dtype.startswith(("uint", "int")))
        for r in rows
    ]
    return two_depths(values, [r.image.path for r in records], ())


def depth_problems(rows: Sequence[Row], records: Sequence[Record]) -> list[Problem]:
    """A warning where images of both depths are there: a model takes those of 12 bits for dark ones."""
    shallow, deep = of_twelve_bits(rows, records)
    if not shallow:
        return []
    values: dict[str, object] = {}
    for name, places in (("shallow", shallow), ("deep", deep)):
        values[name] = len(places)
        values[f"{name}_high"] = f"{max(rows[i].maximum for i in places):g}"
        values[f"{name}_names"] = names_of([rows[i].id for i in places], most=_NAMED)
    return [Problem("audit.two_depths", "", "warning", values)]
