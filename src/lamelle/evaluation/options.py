"""How a model is scored, and how scores get their intervals: the options of the section ``evaluate``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lamelle.options import Options, Size


class Evaluate(Options):
    """How scores get their intervals."""

    level: float = Field(default=0.95, gt=0, lt=1, description="confidence level")
    resamples: int | None = Field(
        default=None, ge=100, description="draws behind each interval (null = by the number of images, 1000 to 10000)"
    )
    flips: bool = Field(default=False, description="average over mirrored images: slower, a little better")
    overlap: Literal["field"] | Annotated[float, Field(ge=0, lt=0.9)] = Field(
        default=0.25, description="share of a tile that neighbours share, blended; field = as the whole image, exactly"
    )
    keep_seen: bool = Field(
        default=False, description="of another folder: also score the images that trained the model"
    )
    tile: Size = Field(
        default=None, description="tile size of prediction; none = the training size, or the image if it fits"
    )
    also: tuple[Literal["cells", "lines"], ...] = Field(
        default=(),
        description="scores besides, of segmentations: cells = V_rand and V_info of the background's connected parts "
        "(ISBI 2012); lines = clDice of the centre lines, which takes time",
    )
