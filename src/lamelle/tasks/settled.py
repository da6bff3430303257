"""What a task takes from the data, and how that and the options come out of JSON again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import BaseModel, PlainSerializer, PlainValidator

from lamelle.data.targets.values import ValueMap
from lamelle.results.base import Result
from lamelle.types import JsonObject

Model = TypeVar("Model", bound=BaseModel)


class Settled(Result):
    """What follows from the data, beside the options; each task has its own.

    Example:
        >>> Settled(classes=("cat", "dog")).model_dump(mode="json")
        {'classes': ['cat', 'dog']}
    """

    classes: tuple[str, ...]


class _SavedValues(Result):
    classes: tuple[str, ...]
    mapping: tuple[tuple[int, int], ...]
    ignore: tuple[int, ...]


def _read(value: object) -> ValueMap:
    if isinstance(value, ValueMap):
        return value
    saved = _SavedValues.model_validate_json(json.dumps(value), strict=True)
    return ValueMap(saved.classes, dict(saved.mapping), saved.ignore)


def _write(values: ValueMap) -> JsonObject:
    mapping = [[int(value), int(number)] for value, number in values.mapping.items()]
    return {"classes": list(values.classes), "mapping": mapping, "ignore": list(values.ignore)}


SavedValues = Annotated[ValueMap, PlainValidator(_read), PlainSerializer(_write)]
"""Label values and their classes; in JSON a pair for each value, and without the notes."""


def strictly(model: type[Model], described: Mapping[str, object]) -> Model:
    """A record from JSON, each value of the type that it is declared as.

    Raises:
        ValueError: If a value is of another type, missing, unknown, or out of its bounds.
    """
    return model.model_validate_json(json.dumps(dict(described)), strict=True)
