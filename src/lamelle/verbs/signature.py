"""What a verb's signature says beyond Python: how the command line spells an argument, and settings as keywords."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lamelle.errors import RequestError, printable

AnyPath = str | os.PathLike[str]
Overrides = Iterable[str] | Mapping[str, object]
"""``key=value`` pairs, or keys with their values."""
RecipeLike = AnyPath | Mapping[str, object] | None
"""Name or file of a recipe, or its values."""


@dataclass(frozen=True, slots=True)
class Cli:
    """How the command line spells an argument, where that does not follow from its name and type.

    Example:
        >>> from typing import Annotated
        >>> def verb(*, start: Annotated[AnyPath | None, Cli("--from")] = None) -> None: ...
    """

    flags: tuple[str, ...] = ()
    metavar: str | None = None
    choices: Callable[[], Iterable[str]] | None = None
    """What may be chosen, where it is not a `Literal`."""
    hidden: bool = False
    """Only Python has it."""

    def __init__(
        self,
        *flags: str,
        metavar: str | None = None,
        choices: Callable[[], Iterable[str]] | None = None,
        hidden: bool = False,
    ) -> None:
        object.__setattr__(self, "flags", flags)
        object.__setattr__(self, "metavar", metavar)
        object.__setattr__(self, "choices", choices)
        object.__setattr__(self, "hidden", hidden)


@dataclass(frozen=True, slots=True)
class Docstring:
    """What a docstring says."""

    short: str
    """Its first line."""
    whole: str
    """All before its sections, as one paragraph."""
    arguments: Mapping[str, str]


def described(verb: Callable[..., object]) -> Docstring:
    """What the docstring of a verb says of it and of its arguments.

    Example:
        >>> described(described).arguments
        {}
        >>> described(settings).arguments["overrides"].startswith("``key=value``")
        True
    """
    about, _, sections = (inspect.getdoc(verb) or "").partition("\nArgs:\n")
    arguments: dict[str, str] = {}
    for line in sections.split("\n\n", 1)[0].splitlines():
        indent, words = len(line) - len(line.lstrip()), line.strip()
        name, colon, rest = words.partition(": ")
        if indent == 4 and colon:
            arguments[name] = rest
        elif arguments and words:
            arguments[list(arguments)[-1]] += f" {words}"
    paragraphs = about.partition("\n\nRaises:")[0].partition("\n\nReturns:")[0].strip()
    return Docstring(about.partition("\n")[0], " ".join(paragraphs.split()), arguments)


def settings(verb: Callable[..., object], overrides: Overrides, given: Mapping[str, object]) -> list[str]:
    """Settings as pairs, those that were given as keywords among them: ``lamelle.train(data, epochs=2)``.

    Args:
        overrides: ``key=value`` pairs, or a mapping of keys to values.
        given: Keywords that are no arguments of the verb: keys of the recipe, without their section where one key alone
            has this name.

    Raises:
        RequestError: If a keyword is neither an argument nor a key, or several keys have this name.

    Example:
        >>> settings(settings, ["lr=0.1"], {"epochs": 2})
        ['lr=0.1', 'train.epochs=2']
    """
    from lamelle.runs import recipe as recipes

    pairs = [_pair(k, v) for k, v in overrides.items()] if isinstance(overrides, Mapping) else list(overrides)
    for name, value in given.items():
        try:
            key = recipes.full_key(name)
        except RequestError as error:
            if (near := _argument_like(verb, name)) is None:
                raise
            values = {"verb": verb.__name__, "name": printable(name), "near": near}
            raise RequestError("verbs.unknown_argument", **values) from error
        pairs.append(_pair(key, value))
    return pairs


def _argument_like(verb: Callable[..., object], name: str) -> str | None:
    from lamelle.registry import nearest

    names = [p.name for p in inspect.signature(verb).parameters.values() if p.kind is not p.VAR_KEYWORD]
    return next(iter(nearest(name, names, cutoff=0.75)), None)


def _pair(key: str, value: Any) -> str:
    """JSON is YAML, so that a value of Python means the same in a pair."""
    return f"{key}={json.dumps(value, default=_plain, ensure_ascii=False)}"


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
