"""How far training images may be changed: the options of the section ``augment``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from lamelle.data.augment.changes import CHANGES
from lamelle.messages import text
from lamelle.options import Fraction, Options

ZOOM = (0.1, 10.0)
"""Least and largest magnification that ``zoom`` may ask for."""


def _magnifications(value: tuple[float, float]) -> tuple[float, float]:
    if not ZOOM[0] <= value[0] <= value[1] <= ZOOM[1]:
        raise ValueError(text("recipe.rule_zoom", least=ZOOM[0], most=ZOOM[1]))
    return value


def _axes(v: Any) -> Any:
    """``x``, ``yx`` or a list → the axes named; a text is never read as yes or no."""
    if isinstance(v, bool):
        return v
    if not isinstance(v, (str, list, tuple)) or not all(axis in ("z", "y", "x") for axis in v):
        raise ValueError(text("recipe.rule_axes"))
    return tuple(v)


class GeometryOptions(Options):
    """Changes of where things are, which move targets with their images; see `parameters`."""

    flip: Annotated[bool | tuple[Literal["z", "y", "x"], ...], BeforeValidator(_axes)] = Field(
        default=True, description="mirror each axis; or only those named: [x] keeps what is up"
    )
    rot90: bool = Field(default=True, description="rotate by multiples of 90°")
    rotate: float = Field(default=0.0, ge=0, le=180, description="free rotation up to ± degrees")
    zoom: Annotated[tuple[float, float], AfterValidator(_magnifications)] = Field(
        default=(1.0, 1.0), description="range of magnification: at 2 things look twice as large, at 0.5 half as large"
    )
    shift: float = Field(default=0.0, ge=0, le=0.5, description="shift up to ± this share of the size")
    shear: float = Field(default=0.0, ge=0, le=45, description="shear up to ± degrees")
    elastic: float = Field(default=0.0, ge=0, description="elastic displacement in pixels")
    elastic_spacing: float = Field(default=32.0, ge=1, description="pixels between the elastic control points")
    elastic_probability: Fraction = Field(default=0.5, description="share of images that are bent")


_INTENSITY = tuple(change.Options for change in CHANGES.values() if change.Options.model_fields)


class Augment(*_INTENSITY[::-1], GeometryOptions):
    """Random changes of the training images; 0 and false switch a change off."""

    policy: int = Field(default=0, ge=0, le=8, description="random operations on each image (RandAugment-like)")
    policy_strength: Fraction = Field(default=0.5, description="strength of these operations")
    mixup: float = Field(default=0.0, ge=0, description="mix two images; parameter of the Beta distribution")
    cutmix: float = Field(default=0.0, ge=0, description="paste a box of another image; parameter of the Beta")

    @classmethod
    def none(cls, **changes: Any) -> Augment:
        """Every change switched off but those that are given: what ``augment: none`` stands for.

        Example:
            >>> Augment.none(rotate=15).changed("flip")
            {'rot90': False, 'rotate': 15.0}
        """
        off: dict[str, object] = {}
        for name in cls._amounts():
            off[name] = (1.0, 1.0) if name == "zoom" else type(cls.model_fields[name].default)(0)
        return cls.model_validate(off | changes)

    @property
    def changes_nothing(self) -> bool:
        """Whether every change is switched off.

        Example:
            >>> Augment.none(elastic_spacing=8).changes_nothing, Augment.none(rotate=5).changes_nothing
            (True, False)
        """
        off = type(self).none()
        return not any(getattr(self, name) and getattr(self, name) != getattr(off, name) for name in self._amounts())

    @classmethod
    def _amounts(cls) -> list[str]:
        """Keys that say how much is changed, without those that say how."""
        return [n for n in cls.model_fields if not n.endswith(("_probability", "_spacing", "_strength"))]


AUGMENT = CHANGES.together(Augment)
"""The type of the section: `Augment` with the keys of every row of the table as it is."""
