"""What an explanation came to: what its page shows, with small pictures, and what a terminal says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lamelle.pictures.encode import EncodedPicture
from lamelle.results.scores import Score


@dataclass(frozen=True, slots=True)
class ExplainedPicture:
    """The image, or the map of one model over it."""

    picture: EncodedPicture
    alt: str
    caption: str


@dataclass(frozen=True, slots=True)
class ExplainedImage:
    """One image beside the map of every model."""

    id: str
    heading: str
    """The class under which it is shown; empty if it was named by whoever asks."""
    kind: str
    """``right``, ``wrong`` … in words."""
    truth: str
    """Its class in words; empty if unknown."""
    pictures: tuple[ExplainedPicture, ...]


@dataclass(frozen=True, slots=True)
class InsideMasks:
    """How much of the maps of one model lies inside the masks of one class; means over images."""

    model: str
    name: str
    """Of the class; empty for all together."""
    inside: Score
    area: Score
    ratio: Score


@dataclass(frozen=True, slots=True)
class RandomCheck:
    """How much the maps of a model resemble those of random weights."""

    model: str
    correlation: float | None
    """Median rank correlation; None where it is not defined."""
    n: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that was explained."""

    method: str
    layers: Mapping[str, str]
    """Model → layers where its maps were taken."""
    maps: int
    flat: int
    """Maps that show nothing."""
    masked: int
    """Images with a mask, and without."""
    unmasked: int
    inside: tuple[InsideMasks, ...]
    checks: tuple[RandomCheck, ...]
    images: tuple[ExplainedImage, ...]

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models."""
        return tuple(self.layers)
