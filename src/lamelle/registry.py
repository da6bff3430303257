"""The base of every table: one kind of thing, one table, a row for each; what is known of a thing stands in its row."""

from __future__ import annotations

import difflib
import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Generic, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo, create_model
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from lamelle.errors import RequestError, printable
from lamelle.messages import text
from lamelle.options import Options

Row = TypeVar("Row")
Base = TypeVar("Base", bound=Options)
_SHOWN = 80


class Registry(Mapping[str, Row], Generic[Row]):
    """An ordered table of rows by their names.

    A row is an object or a class with a ``name``; of a class of `Options`, the default of its field ``name`` (or of
    another ``tag``). Rows are classes of `Options` themselves, or have theirs as ``Options``.

    Args:
        kind: What a row is, as in ``messages/*/registry.toml``.
        tag: The key that tells in a recipe which row is meant.

    Example:
        >>> class Ce(Options):
        ...     '''Cross-entropy.'''
        ...     name: str = "ce"
        >>> table = Registry("loss", Ce)
        >>> list(table), table.find("ce").__name__, table.listing()
        (['ce'], 'Ce', {'ce': 'Cross-entropy.'})
    """

    def __init__(self, kind: str, *rows: Row, tag: str = "name") -> None:
        self.kind, self.tag = kind, tag
        self._rows: dict[str, Row] = {}
        for row in rows:
            self._add(row)

    def __getitem__(self, name: str) -> Row:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def _add(self, row: Row) -> None:
        if (name := self.name(row)) in self._rows:
            raise ValueError(f"two rows of the table {self.kind} are called {name}")
        self._rows[name] = row

    def name(self, row: Row) -> str:
        """What a row is called."""
        if isinstance(row, type) and issubclass(row, Options):
            return row.name_of_kind(self.tag)
        return str(row.name)  # type: ignore[attr-defined]

    @contextmanager
    def added(self, row: Row) -> Iterator[None]:
        """One row more, until the end of the block: for tests, and for whoever tries something out."""
        self._add(row)
        try:
            yield
        finally:
            del self._rows[self.name(row)]

    def find(self, name: object, among: Iterable[str] | None = None) -> Row:
        """The row of that name.

        Args:
            among: The names that are meant, where they are not all.

        Raises:
            RequestError: If there is none; the message proposes the nearest.
        """
        known = list(self) if among is None else list(among)
        if isinstance(name, str) and name in known:
            return self[name]
        raise unknown(self.kind, name, known)

    def listing(self) -> dict[str, str]:
        """What each row is ``about``, else the first line of what it says of itself, by the names."""
        return {
            name: getattr(row, "about", "") or (inspect.getdoc(row) or "").partition("\n")[0]
            for name, row in self.items()
        }

    def union(self, where: Callable[[Row], bool] | None = None, *, default: str | None = None) -> OneOf:
        """The type of a key that holds the options of one row: ``Annotated[Loss, LOSSES.union()]``.

        Args:
            where: Which rows may be chosen; all, if it is not said.
            default: The row that is meant where options are given without the name of theirs.
        """
        return OneOf(self, where, default)

    def together(self, base: type[Base]) -> AllOf[Base]:
        """The type of a key that holds the options of all rows side by side: ``Annotated[Augment, AUGMENT]``.

        Args:
            base: What has the options of the rows as they are now, and may have more.
        """
        return AllOf(self, base)


def unknown(kind: str, name: object, known: Iterable[str]) -> RequestError:
    """The error for a name that is not in a table: with the nearest one, or with all if none is near.

    Example:
        >>> print(unknown("loss", "focl", ["ce", "focal"]))
        loss 'focl': there is none of this name; did you mean focal?
    """
    known = list(known)
    shown = repr(name if not isinstance(name, str) else printable(name))
    values = {"what": text(f"registry.{kind}"), "name": shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"}
    if near := nearest(str(name), known):
        return RequestError("registry.unknown_near", kind=kind, near=", ".join(near), **values)
    return RequestError("registry.unknown", kind=kind, known=", ".join(known), **values)


def nearest(name: str, known: Iterable[str], *, most: int = 1, cutoff: float = 0.6) -> list[str]:
    """The names that one may have meant, the nearest first.

    Args:
        cutoff: Least likeness, from 0 to 1.
    """
    return difflib.get_close_matches(name, list(known), n=most, cutoff=cutoff)


class _Asked:
    """The annotation of a key whose options are asked of a table at each validation.

    So a row that was added is known everywhere at once.
    """

    def _validate(self, value: object, info: ValidationInfo) -> Options:
        raise NotImplementedError

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(
            lambda options, info: options.model_dump(mode=info.mode), info_arg=True
        )
        return core_schema.with_info_plain_validator_function(self._validate, serialization=written)


class OneOf(_Asked):
    """The annotation of a key that holds the options of one row of a table; see `Registry.union`.

    A name alone stands for the row with its defaults.
    """

    def __init__(self, table: Registry[Any], where: Callable[[Any], bool] | None, default: str | None) -> None:
        self.table, self.where, self.default = table, where, default

    @property
    def tag(self) -> str:
        """The key that tells the rows apart."""
        return self.table.tag

    @property
    def options(self) -> dict[str, type[Options]]:
        """The options of every row that may be chosen, by their names."""
        chosen = {name: row for name, row in self.table.items() if self.where is None or self.where(row)}
        return {name: _options_of(row) for name, row in chosen.items()}

    def _validate(self, value: object, info: ValidationInfo) -> Options:
        """Options from a name, a mapping, or options.

        Raises:
            PydanticKnownError: If no row is meant; errors of its keys are those of its own class.
        """
        known = self.options
        if isinstance(value, Options):
            value = value if type(value) in known.values() else value.model_dump()
        if isinstance(value, Options):
            return value
        if isinstance(value, str):
            value = {self.tag: value}
        if not isinstance(value, Mapping):
            raise PydanticKnownError("dict_type")
        if (name := value.get(self.tag, self.default)) is None:
            raise PydanticKnownError("union_tag_not_found", {"discriminator": f"'{self.tag}'"})
        if not isinstance(name, str) or name not in known:
            about = {"discriminator": f"'{self.tag}'", "tag": str(name), "expected_tags": ", ".join(known)}
            raise PydanticKnownError("union_tag_invalid", about)
        given = dict(value) | {self.tag: name}
        return _checked(known[name], given, info)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"oneOf": [one.model_json_schema() for one in self.options.values()]}


class AllOf(_Asked, Generic[Base]):
    """The annotation of a key that holds the options of all rows of a table at once; see `Registry.together`."""

    def __init__(self, table: Registry[Any], base: type[Base]) -> None:
        self.table, self.base = table, base

    @property
    def options(self) -> type[Base]:
        """The options of all rows: those that were there first, and those of rows that were added."""
        there = self.base.__mro__
        more = tuple(options for row in self.table.values() if (options := _options_of(row)) not in there)
        return _extended(self.base, more) if more else self.base

    def _validate(self, value: object, info: ValidationInfo) -> Options:
        known = self.options
        if isinstance(value, Options):
            value = value if type(value) is known else value.model_dump()
        if isinstance(value, Options):
            return value
        if not isinstance(value, Mapping):
            raise PydanticKnownError("dict_type")
        return _checked(known, value, info)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return self.options.model_json_schema()


@cache
def _extended(base: type[Any], more: tuple[type[Any], ...]) -> Any:
    return create_model(base.__name__, __base__=(*more, base))


def _checked(options: type[Options], given: Mapping[str, Any], info: ValidationInfo) -> Options:
    """Options from a mapping; what is written by programs is taken as strictly as what it stands in."""
    if info.mode == "json":
        return options.model_validate_json(json.dumps(given), strict=True)
    return options.model_validate(given)


def _options_of(row: Any) -> type[Options]:
    return row if isinstance(row, type) and issubclass(row, Options) else row.Options
