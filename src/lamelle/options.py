"""The base of everything that can be set: an option is declared once, by the worker that obeys it.

Each worker declares its own class beside it and takes it as an argument; `lamelle.runs.recipe` composes them.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Size = Annotated[tuple[int, ...] | None, BeforeValidator(lambda v: (v, v) if isinstance(v, int) else v)]
"""Pixels along each axis, (Z,) Y, X; one number stands for both axes of a plane."""
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Options(BaseModel):
    """Settings with their types, defaults, bounds and meanings; frozen, and closed to keys that nobody reads.

    Example:
        >>> class Blur(Options):
        ...     sigma: float = Field(default=1.0, ge=0, description="width in pixels")
        >>> Blur(sigma=2)
        Blur(sigma=2.0)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def name_of_kind(cls, tag: str) -> str:
        """The value of the key that tells this kind from others, such as ``name``."""
        return str(cls.model_fields[tag].default)

    def but(self, **changes: Any) -> Self:
        """The same with other values, checked like those of a recipe.

        Raises:
            ValueError: If one is unknown, of another type, or out of its bounds.
        """
        return type(self).model_validate(dict(self) | changes)

    def changed(self, tag: str) -> dict[str, Any]:
        """The keys, but that of the kind, whose values are not the defaults."""
        fields = type(self).model_fields
        return {k: v for k, v in self if k != tag and v != fields[k].get_default(call_default_factory=True)}
