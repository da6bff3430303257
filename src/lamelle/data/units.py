"""What pixel values mean: whether those of new images are in the units of the training images, or can be brought there.

Where it is certain which values are black and white, images of another type or number of bits are scaled; where it is
not, nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

_DEEP = 1 << 14
"""A 16-bit value from which all 16 bits are used: cameras of 10, 12 and 14 bits stay below."""
_BRIGHT = 0.05
"""Least maximum of fractions between 0 and 1."""
_FULL = 1 << 16
_BITS = (8, 10, 12, 14, 16)
"""Depths of cameras and scanners."""
_HOUNSFIELD = (-1024.0, 3071.0)
"""12 bits of a CT."""
_AIR, _PADDING, _METAL = -500, -3072, 4095
"""Of a CT the darkest value is below the first and not below the second, which scanners write outside of the circle;
the brightest is not above the third."""
_SIGNED = (-32768.0, 32767.0)
"""16 bits around 0."""
_WITHIN = 4
"""How many times narrower the range of an image may be than the narrowest of the training."""

Span = tuple[float, float]
"""The values that mean black and white."""

Name = tuple[str, int | None]
"""Type of the pixels and, where fewer than it holds, significant bits."""


class Values(Protocol):
    """What is known of the values of one image; a `lamelle.data.appearance.Appearance` knows it."""

    @property
    def dtype(self) -> str: ...
    @property
    def bits(self) -> int | None: ...
    @property
    def minimum(self) -> float: ...
    @property
    def maximum(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def whole(self) -> bool: ...
    @property
    def doubled(self) -> bool: ...


class PixelKind(BaseModel):
    """What was seen of all images of one type."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtype: str = Field(pattern=r"^(bool|u?int(8|16|32|64)|float(16|32|64))$")
    bits: int | None = Field(default=None, ge=1, le=64)
    images: int = Field(ge=1)
    minimum: FiniteFloat
    maximum: FiniteFloat
    low: FiniteFloat
    """Median over the images of the 1st percentile."""
    high: FiniteFloat
    """Median over the images of the 99th percentile."""
    narrowest: FiniteFloat = Field(ge=0)
    """Least distance between both in an image."""
    whole: bool
    """All values are whole numbers."""
    doubled: bool = False
    """All are bytes times 257, as 16 bits are made of 8."""

    @property
    def name(self) -> Name:
        """By which kinds are told apart."""
        return self.dtype, self.bits

    @property
    def span(self) -> Span | None:
        """Black and white, where they are certain: bits that are declared, bytes in whatever type, all 16 bits in use,
        fractions.
        """
        if self.minimum < 0:
            return None
        kind = np.dtype(self.dtype).kind
        if kind == "b":
            return 0.0, 1.0
        if kind in "ui" and self.bits:
            return 0.0, float(2**self.bits - 1)
        if self.dtype == "uint8" or (self.whole and 1 < self.maximum <= 255):
            return 0.0, 255.0
        if self.dtype == "uint16" and (self.maximum >= _DEEP or self.doubled):
            return 0.0, float(_FULL - 1)
        return (0.0, 1.0) if kind == "f" and _BRIGHT <= self.maximum <= 1 else None

    @property
    def likely(self) -> Span:
        """Black and white as they are proposed where they are not certain."""
        for span in ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)):
            if np.dtype(self.dtype).kind == "f" and span[0] <= self.minimum and self.maximum <= span[1]:
                return span
        if self.minimum >= 0 and self.whole and self.maximum < _FULL:
            return 0.0, float(2 ** max(8, int(self.maximum).bit_length()) - 1)
        return self.minimum, max(self.maximum, self.minimum + 1e-6)


class UnitChange(NamedTuple):
    """How values of one kind become those of the training: ``scale · value + offset``, of the training's type."""

    scale: float
    offset: float
    dtype: str
    bits: int | None


def kinds_of(looks: Sequence[Values]) -> tuple[PixelKind, ...]:
    """The kinds of some images, the most frequent first."""
    by_name: dict[Name, list[Values]] = {}
    for one in looks:
        by_name.setdefault((one.dtype, one.bits), []).append(one)
    kinds = [
        PixelKind(
            dtype=dtype,
            bits=bits,
            images=len(some),
            minimum=min(one.minimum for one in some),
            maximum=max(one.maximum for one in some),
            low=float(np.median([one.low for one in some])),
            high=float(np.median([one.high for one in some])),
            narrowest=max(0.0, min(one.high - one.low for one in some)),
            whole=all(one.whole for one in some),
            doubled=all(one.doubled for one in some),
        )
        for (dtype, bits), some in by_name.items()
    ]
    return tuple(sorted(kinds, key=lambda kind: -kind.images))


def proposed(new: PixelKind, own: Span) -> Span | None:
    """Black and white of new images to be proposed, by conventions, so that each part of a set is given the same.

    Args:
        own: Those of the training.

    Returns:
        None where no convention tells.
    """
    if np.dtype(new.dtype).kind == "f":
        for span in ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)):
            if span[0] <= new.minimum and new.maximum <= span[1]:
                return span
    if new.minimum >= 0 and new.whole and new.maximum < _FULL:
        return 0.0, float(2 ** next(bits for bits in _BITS if new.maximum < 2**bits) - 1)
    if own[0] <= new.minimum and new.maximum <= own[1]:
        return own
    if _PADDING <= new.minimum <= _AIR and 0 <= new.maximum <= _METAL:
        return _HOUNSFIELD
    deep = _SIGNED[0] <= new.minimum <= -_DEEP and new.maximum <= _SIGNED[1]
    return _SIGNED if deep and new.whole else None


def alike(new: PixelKind, trained: PixelKind) -> bool:
    """Whether values of two kinds look as if they were in the same units."""
    range_ = trained.maximum - trained.minimum
    inside = trained.minimum - range_ / 2 <= new.low and new.high <= trained.maximum + range_
    return inside and new.high - new.low >= trained.narrowest / _WITHIN


class ValueMatch(NamedTuple):
    """What the values of a new kind mean."""

    span: Span
    """Its black and white."""
    units: UnitChange | None
    """How its values become those of the training; None where they are already."""


def match(new: PixelKind, trained: Sequence[PixelKind], *, own: Span | None, stated: Span | None) -> ValueMatch | None:
    """What the values of a new kind mean; None where nothing is certain.

    Args:
        trained: The kinds that were trained on, the most frequent first.
        own: Black and white of the training, where somebody said so.
        stated: Those of the new images, where somebody said so.
    """
    main = trained[0]
    sure = own or main.span
    target = sure or main.likely
    if stated is not None:
        return _scaled(stated, target, main)
    same = next((kind for kind in trained if kind.name == new.name), None)
    if same and ((new.span is not None and new.span == same.span) or alike(new, same)):
        return ValueMatch(own or same.span or target, None)
    if new.span is not None and sure is not None:
        return _scaled(new.span, sure, main)
    physical = sure is None and new.span is None and not {new.dtype, main.dtype} & {"uint8", "bool"}
    return _scaled(target, target, main) if physical and alike(new, main) else None


def _scaled(span: Span, target: Span, main: PixelKind) -> ValueMatch:
    scale = (target[1] - target[0]) / (span[1] - span[0])
    return ValueMatch(span, UnitChange(scale, target[0] - scale * span[0], main.dtype, main.bits))
