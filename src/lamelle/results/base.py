"""The base of everything that is computed once, saved and then only read."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    """A saved noun: what it does not know is refused, and nothing in it changes.

    Example:
        >>> class Length(Result):
        ...     pixels: int
        >>> Length.model_validate_json('{"pixels": 3}').pixels
        3
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
