"""What the training images were like, as a package keeps it: types and ranges, pixel sizes, and measures of each image.

The measures are bare numbers without names, in an order of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from lamelle.data.appearance import NAMES, Appearance, look
from lamelle.data.store import Store
from lamelle.data.units import PixelKind, Span, kinds_of
from lamelle.types import Record, Spacing

MAX_IMAGES = 512
"""Images whose measures are kept."""
_DIGITS = 5


class Profile(BaseModel):
    """What a model was trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: tuple[PixelKind, ...] = Field(min_length=1, max_length=64)
    """The most frequent first."""
    span: tuple[FiniteFloat, FiniteFloat] | None = None
    """Black and white, where the recipe says them."""
    measures: tuple[str, ...] = Field(max_length=64)
    images: tuple[tuple[FiniteFloat, ...], ...] = Field(max_length=MAX_IMAGES)
    """The measures of each image."""
    groups: tuple[int, ...] = Field(max_length=MAX_IMAGES)
    """A number for the patient, animal or volume of each; one of its own where none is known."""
    smallest: tuple[int, ...] = Field(max_length=3)
    """Least size along each axis."""
    largest: tuple[int, ...] = Field(max_length=3)
    finest: tuple[FiniteFloat, ...] | None = None
    """Least pixel size in µm, along Y and X; None if no image says it."""
    coarsest: tuple[FiniteFloat, ...] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.groups) != len(self.images) or any(len(row) != len(self.measures) for row in self.images):
            raise ValueError("measures, images and groups differ in number")
        if self.span is not None and self.span[0] >= self.span[1]:
            raise ValueError("black is not below white")
        return self

    @property
    def own(self) -> Span:
        """Black and white of the training images: declared, certain, or as they are proposed."""
        return self.span or self.kinds[0].span or self.kinds[0].likely

    @property
    def table(self) -> np.ndarray:
        """The measures, float64 ``[images, measures]``."""
        return np.array(self.images, np.float64).reshape(-1, len(self.measures))


def look_at(records: Sequence[Record], store: Store) -> list[Appearance]:
    """Look at the images of some records, which the store has decoded or decodes now.

    Raises:
        FileError: If one cannot be read.
    """
    return [look(store.image(record.image), bits=store.bits(record.image)) for record in records]


def profile_of(records: Sequence[Record], store: Store, *, span: Span | None) -> Profile | None:
    """The profile of some images, evenly chosen where there are many; None where there is none.

    Args:
        span: Black and white, where the recipe says them.

    Raises:
        FileError: If an image cannot be read.
    """
    if not records:
        return None
    step = max(1, -(-len(records) // MAX_IMAGES))
    chosen = records[::step]
    looks = look_at(chosen, store)
    kinds = kinds_of(looks)
    own = span or kinds[0].span or kinds[0].likely
    spans = {kind.name: span or kind.span or own for kind in kinds}
    names = {group: number for number, group in enumerate(dict.fromkeys(r.group for r in chosen if r.group))}
    rows = [
        (names.get(record.group or "", len(names) + at), one.measures(spans[one.dtype, one.bits]))
        for at, (record, one) in enumerate(zip(chosen, looks, strict=True))
    ]
    rows.sort(key=lambda row: tuple(row[1]))
    numbers = {group: number for number, group in enumerate(dict.fromkeys(group for group, _ in rows))}
    sizes = np.array([store.image(r.image).shape[1:] for r in chosen])
    spacings = [s[-2:] for r in chosen if (s := store.spacing(r.image))]
    return Profile(
        kinds=kinds,
        span=span,
        measures=NAMES,
        images=tuple(tuple(float(f"{v:.{_DIGITS}g}") for v in row) for _, row in rows),
        groups=tuple(numbers[group] for group, _ in rows),
        smallest=tuple(sizes.min(0).tolist()),
        largest=tuple(sizes.max(0).tolist()),
        finest=_extreme(spacings, min),
        coarsest=_extreme(spacings, max),
    )


def _extreme(spacings: Sequence[Spacing], which: Callable[[Sequence[float]], float]) -> Spacing | None:
    return tuple(which(axis) for axis in zip(*spacings, strict=True)) if spacings else None
