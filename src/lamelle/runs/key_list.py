"""Every dotted key of nested options, with what it means, its default and its bounds: read off the classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from lamelle.messages import labelled, text, translated
from lamelle.options import Options
from lamelle.registry import AllOf, OneOf
from lamelle.types import JsonObject


@dataclass(frozen=True, slots=True)
class Key:
    """One key as one kind of options has it."""

    path: str
    """Dotted: ``task.loss.gamma``."""
    about: str
    default: str
    bounds: str
    """Or choices."""
    kind: str | None = None
    """The one of several kinds that has it: ``focal``."""

    @property
    def meaning(self) -> str:
        """What it is about, in the language that is spoken."""
        return translated("keys", f"{self.kind}:{self.path}" if self.kind else self.path, self.about)

    @property
    def rule(self) -> str:
        """Default, bounds and choices."""
        return "; ".join(filter(None, (self.default, self.bounds)))


def choices_of(options: type[Options], name: str) -> OneOf | None:
    """The table that a key chooses from; None if it is a plain value."""
    tables = [one for one in options.model_fields[name].metadata if isinstance(one, OneOf)]
    return tables[0] if tables else None


def keys_of(options: type[Options], prefix: str = "", kind: str | None = None) -> Iterator[Key]:
    """The keys of a class of options, and of the options in it.

    Example:
        >>> from pydantic import Field
        >>> class Train(Options):
        ...     lr: float = Field(default=0.1, gt=0, description="learning rate")
        >>> class Recipe(Options):
        ...     train: Train = Train()
        >>> _ = Recipe.model_rebuild(_types_namespace={"Train": Train})
        >>> [(key.path, key.about, key.rule) for key in keys_of(Recipe)]
        [('train.lr', 'learning rate', '0.1; > 0')]
    """
    for name, field in options.model_fields.items():
        path, inner = f"{prefix}{name}", field.annotation
        together = next((one for one in field.metadata if isinstance(one, AllOf)), None)
        if together is not None:
            yield from keys_of(together.options, f"{path}.")
        elif (one := choices_of(options, name)) is not None:
            yield from _keys_of_kinds(one, path, field.default, field.description, kind)
        elif isinstance(inner, type) and issubclass(inner, Options):
            yield from keys_of(inner, f"{path}.")
        else:
            bounds = _bounds(_properties(options)[name])
            yield Key(path, field.description or "", _written(field.default), bounds, kind)


def _keys_of_kinds(one: OneOf, path: str, default: object, about: str | None, kind: str | None) -> Iterator[Key]:
    """The key that chooses, and those of every kind that can be chosen; at the top it is called after its tag."""
    chosen = default.name_of_kind(one.tag) if isinstance(default, Options) else ""
    named = path if "." in path else f"{path}.{one.tag}"
    yield Key(named, about or one.table.kind, chosen, ", ".join(one.options), kind)
    for name, options in one.options.items():
        yield from (key for key in keys_of(options, f"{path}.", name) if key.path != f"{path}.{one.tag}")


def described(keys: list[Key]) -> str:
    """What one key means, in each kind of options that has it."""
    meanings: dict[str, list[str]] = {}
    for key in keys:
        meanings.setdefault(f"{key.meaning} [{key.rule}]" if key.rule else key.meaning, []).append(key.kind or "")
    named = {meaning: ", ".join(dict.fromkeys(filter(None, kinds))) for meaning, kinds in meanings.items()}
    return " | ".join(labelled(kinds, meaning) if kinds else meaning for meaning, kinds in named.items())


@cache
def _properties(options: type[Options]) -> JsonObject:
    """The JSON schemas of the plain keys of a class."""
    return options.model_json_schema()["properties"]


_LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def _bounds(schema: JsonObject) -> str:
    if several := schema.get("anyOf"):
        return text("recipe.or").join(
            filter(None, ("true, false" if s.get("type") == "boolean" else _bounds(s) for s in several))
        )
    if "enum" in schema:
        return ", ".join(map(_written, schema["enum"]))
    if "const" in schema:
        return _written(schema["const"])
    return text("recipe.and").join(
        f"{sign} {_written(schema[name])}" for name, sign in _LIMITS.items() if name in schema
    )


def _written(value: object) -> str:
    """A value as one writes it behind ``=``."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_written, value))}]"
    return (
        "" if value == "" else "none" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    )
