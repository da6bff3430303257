"""What ``model.json`` of a package may say, with types and bounds; everything else is refused before it is used."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt, model_validator

from lamelle.data.options import Axes
from lamelle.data.preparation import Preparation
from lamelle.data.profile import Profile
from lamelle.models.build import Architecture
from lamelle.results.fitted import Sweep
from lamelle.results.saved_task import SavedTask
from lamelle.types import JsonObject

_WIDEST = 1 << 15
"""Pixels of the longest side that images are resized to."""
_Count = Annotated[int, Field(ge=0, le=1 << 53)]
"""Whole numbers that JSON of every program holds."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _PreparationPart(_Part):
    channels: PositiveInt
    resize: tuple[Annotated[int, Field(ge=1, le=_WIDEST)], ...] | None
    normalise: Literal["dataset", "image", "unit", "imagenet", "symmetric"]
    mean: tuple[FiniteFloat, ...]
    std: tuple[FiniteFloat, ...]
    context: int = Field(default=0, ge=0, le=16)
    range: tuple[FiniteFloat, FiniteFloat] | None = None

    @model_validator(mode="after")
    def _of_its_channels(self) -> Self:
        if len(self.mean) != len(self.std) or len(self.mean) not in (0, 1, self.channels):
            raise ValueError(f"{len(self.mean)} means and {len(self.std)} deviations for {self.channels} channel(s)")
        if min(self.std, default=1) <= 0:
            raise ValueError("a standard deviation is not above 0")
        return self

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.range is not None and self.range[0] >= self.range[1]:
            raise ValueError("black is not below white")
        return self


class _NamingPart(_Part):
    image: str
    label: str
    folder: bool
    suffix: bool
    separator: Annotated[str, Field(pattern=r"^[ \t]*[|;][ \t]*$")]

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.image == self.label:
            raise ValueError(f"two columns have the name {self.image}")
        return self


class _Provenance(_Part):
    model_config = ConfigDict(extra="allow")
    precision: Literal["32", "bf16", "16"]
    records: _Count = 0
    epochs: _Count = 0
    best_epoch: Annotated[int, Field(ge=-1, le=1 << 53)] = -1
    steps: _Count = 0
    seconds: Annotated[FiniteFloat, Field(ge=0)] = 0.0
    seconds_per_epoch: Annotated[FiniteFloat, Field(ge=0)] = 0.0
    trainable: _Count = 0
    parameters: _Count = 0
    parameters_with_statistics: _Count = 0
    too_short: dict[str, str | _Count] = Field(default_factory=dict)
    busy: dict[str, str | _Count] = Field(default_factory=dict)


class Description(_Part):
    """What ``model.json`` may say; everything else is refused before anything is built from it."""

    format: int
    lamelle: str
    task: SavedTask
    model: Architecture
    preparation: _PreparationPart
    dims: Literal[2, 3]
    tile: tuple[Annotated[int, Field(ge=1, le=_WIDEST)], ...] | None
    whole: bool = True
    overlap: Literal["field"] | Annotated[float, Field(ge=0, lt=0.9)]
    flips: bool
    spacing: tuple[Annotated[FiniteFloat, Field(gt=0)], ...] | None
    fitted: JsonObject
    """Its types and bounds are those of the task's `Fitted`."""
    sweeps: tuple[Sweep, ...]
    provenance: _Provenance
    naming: _NamingPart | None = None
    profile: Profile | None = None
    axes: Axes | None = None
    slices: bool = False
    weights_sha256: str
    sha256: str
    """Of all that stands before it."""

    @model_validator(mode="after")
    def _named_apart(self) -> Self:
        """A class has one name of its own."""
        names = self.task.settled.get("classes") or ()
        if isinstance(names, list | tuple) and len(set(map(str, names))) < len(names):
            raise ValueError("two classes have one name")
        return self

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """What is said twice must agree."""
        inputs = Preparation(**dict(self.preparation)).inputs
        if self.model.inputs != inputs or self.model.dims != self.dims:
            raise ValueError("model and preparation differ in channels or dimensions")
        sizes = (self.tile, self.preparation.resize, self.spacing)
        if any(size is not None and len(size) != self.dims for size in sizes):
            raise ValueError(f"a size has not {self.dims} axes")
        return self
