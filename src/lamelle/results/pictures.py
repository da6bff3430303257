"""What a page shows of pixels, saved where pixels are at hand: small pictures, grey levels, patterns of errors.

The pictures are files beside ``pictures.json`` in the folder ``pictures/`` of a Run; packages and exports hold neither.
"""

from __future__ import annotations

from typing import Literal

from lamelle.results.base import Result


class Drawing(Result):
    """One picture."""

    file: str
    """Name in the folder of pictures."""
    coarse: bool = False
    """Of an image so small that its pixels are shown as squares."""


class MaskPreview(Result):
    """An image of the data beside its mask."""

    id: str
    split: str
    folder: str
    """Of the image; empty where all lie in one."""
    image: Drawing
    mask: Drawing


class ClassPreview(Result):
    """An image of a class."""

    id: str
    name: str
    label: str
    """Every class that it has."""
    image: Drawing


class GreyLevels(Result):
    """Share of the pixels at each grey level, class by class."""

    edges: tuple[float, ...]
    shares: dict[str, tuple[float, ...]]
    """Class → share between two edges each; nothing where no image was read."""


class Case(Result):
    """One of the best or the worst predictions."""

    id: str
    rank: Literal["best", "worst"]
    views: dict[str, Drawing]
    """``image``, ``truth``, ``prediction``, ``contours``, ``confusion_picture``."""
    wrong: float | None
    """Share of the scored pixels that are wrong."""
    area_ratio: float | None
    """Predicted foreground over the true one."""


class Slide(Result):
    """One slice of a volume."""

    position: int
    wrong: float | None
    views: dict[str, Drawing]


class Volume(Result):
    """Some slices of a volume that was scored, evenly spread."""

    name: str
    slides: tuple[Slide, ...]


class ErrorPattern(Result):
    """What the errors of many images have in common, and the numbers that prove it."""

    kind: str
    values: dict[str, float | int | str | tuple[int, ...]]


class ErrorPatterns(Result):
    """The patterns of a bounded sample of the images that were scored."""

    images: int
    """That were looked at."""
    touching: bool
    """The truth numbers its objects, but the prediction only names classes."""
    patterns: tuple[ErrorPattern, ...]


class WrongImage(Result):
    """An image that was classified wrongly."""

    id: str
    confidence: float | None
    """Probability of what was predicted."""
    image: Drawing


class Twins(Result):
    """An image that trained the model, and the small picture that was kept of it."""

    id: str
    here: Drawing
    there: Drawing


class DataPictures(Result):
    """Of the data of a Run, saved with its plan."""

    masks: tuple[MaskPreview, ...] = ()
    classes: tuple[ClassPreview, ...] = ()
    grey_levels: GreyLevels | None = None


class ScoredPictures(Result):
    """Of what was scored."""

    cases: tuple[Case, ...] = ()
    volumes: tuple[Volume, ...] = ()
    errors: ErrorPatterns | None = None
    wrong: tuple[WrongImage, ...] = ()
    twins: tuple[Twins, ...] = ()


class Pictures(Result):
    """The content of ``pictures.json``."""

    data: DataPictures = DataPictures()
    scored: ScoredPictures = ScoredPictures()
