"""A command of click from a verb: its options follow from the signature and the docstring, and nothing else."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click

from lamelle import verbs
from lamelle.cli import localised
from lamelle.messages import catalogue, language, text
from lamelle.verbs.outcome import Outcome
from lamelle.verbs.signature import Cli, Docstring, described

_GIVEN = ("progress", "command")
"""Arguments that the command line fills in itself."""
_PAIRS = "overrides"


def build(name: str, verb: Callable[..., Outcome]) -> click.Command:
    """The command that calls a verb.

    Positional arguments of Python are those of the command up to one that takes several; what follows is an option.
    Settings (``overrides``) are words ``KEY=VALUE`` among them.
    """
    about = _Help(name, described(verb))
    signature = inspect.signature(verb)
    parameters: list[click.Parameter] = []
    words: list[inspect.Parameter] = []
    several = False
    for parameter in signature.parameters.values():
        kind, cli = _type_of(verb, parameter)
        if cli.hidden or parameter.name == _PAIRS or parameter.kind is parameter.VAR_KEYWORD:
            continue
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and not cli.flags and not several:
            several = _takes_several(kind)
            words.append(parameter)
            parameters.append(_argument(parameter, kind, cli, pairs=_PAIRS in signature.parameters and several))
        else:
            parameters.append(_option(parameter, kind, cli, about.of(parameter.name)))
    if _PAIRS in signature.parameters and not several:
        place = len(words)
        parameters.insert(place, click.Argument([_PAIRS], nargs=-1, metavar=text("cli.pairs")))

    def run(**values: Any) -> None:
        _call(verb, signature, words, values, name)

    return localised.Command(name, params=parameters, callback=run, help=about.whole, short_help=about.short)


class _Help:
    """What is said of a verb and its arguments, in the language that is spoken; English stands in the docstring."""

    def __init__(self, name: str, docstring: Docstring) -> None:
        self._name, self._said = name, docstring
        self._known: Mapping[str, str] = {} if language() == "en" else catalogue(language(), "commands")

    @property
    def short(self) -> str:
        return self._known.get(f"{self._name}_short", self._said.short.rstrip("."))

    @property
    def whole(self) -> str:
        rest = self._said.whole.removeprefix(self._said.short).strip() or self._said.short
        return self._known.get(self._name, rest)

    def of(self, argument: str) -> str:
        about = self._said.arguments.get(argument) or next(filter(None, _documented(argument)), "")
        about = about.replace("`", "")
        return self._known.get(f"{self._name}_{argument}", self._known.get(f"any_{argument}", about))


def _documented(argument: str) -> Iterator[str | None]:
    """What the verbs say of an argument that several have: it means the same in all, and is documented in the first."""
    return (described(verb).arguments.get(argument) for verb in verbs.COMMANDS.values())


def short_help(name: str) -> str:
    """One line about a command."""
    return _Help(name, described(verbs.COMMANDS[name])).short


def _type_of(verb: Callable[..., object], parameter: inspect.Parameter) -> tuple[Any, Cli]:
    """The type of an argument without what it is annotated with, and that."""
    if parameter.name in _GIVEN:
        return None, Cli(hidden=True)
    kind = eval(parameter.annotation, getattr(verb, "__globals__", {}))
    if get_origin(kind) is Annotated:
        kind, *marks = get_args(kind)
        return kind, next((mark for mark in marks if isinstance(mark, Cli)), Cli())
    return kind, Cli()


def _members(kind: Any) -> list[Any]:
    """The types that an argument may have, but for None."""
    return (
        [one for one in get_args(kind) if one is not type(None)] if get_origin(kind) in (UnionType, Union) else [kind]
    )


def _takes_several(kind: Any) -> bool:
    return any(get_origin(one) is Sequence for one in _members(kind))


def _click_type(kind: Any, cli: Cli) -> click.ParamType:
    members = _members(kind)
    if cli.choices is not None:
        return localised.Choice(list(cli.choices()))
    if choices := next((get_args(one) for one in members if get_origin(one) is Literal), None):
        return localised.Choice(list(choices))
    if any(get_origin(one) is Mapping for one in members):  # a name, a file, or in Python the content
        return localised.type_of(str)
    if any(get_origin(one) is os.PathLike or one is os.PathLike for one in members):
        return localised.type_of(Path)
    if (inner := next((get_args(one)[0] for one in members if get_origin(one) is Sequence), None)) is not None:
        return localised.NumberList() if inner is float else _click_type(inner, Cli())
    return localised.type_of(next(one for one in members if one in (int, float, str)))


def _argument(parameter: inspect.Parameter, kind: Any, cli: Cli, *, pairs: bool) -> click.Argument:
    required, several = parameter.default is parameter.empty, _takes_several(kind)
    metavar = cli.metavar or parameter.name.upper()
    if several:
        metavar = f"{metavar.removesuffix('S') if not required else metavar}..."
        metavar = (metavar if required else f"[{metavar.removesuffix('...')}]...") + (
            f" {text('cli.pairs')}" if pairs else ""
        )
    elif not required:
        metavar = f"[{metavar}]"
    nargs = -1 if several else 1
    return click.Argument(
        [parameter.name], type=_click_type(kind, cli), nargs=nargs, required=required, metavar=metavar
    )


def _option(parameter: inspect.Parameter, kind: Any, cli: Cli, about: str) -> click.Option:
    flags = cli.flags or (f"--{parameter.name.replace('_', '-')}",)
    if kind is bool:
        return localised.Option([*flags, parameter.name], is_flag=True, help=about)
    several = get_origin(kind) is Sequence
    names, of = [*flags, parameter.name], _click_type(kind, cli)
    option = partial(
        localised.Option, names, type=of, metavar=cli.metavar or localised.metavar_of(of), help=about, multiple=several
    )
    if parameter.default is parameter.empty:
        return option(required=True)
    if not several and parameter.default not in (None, ""):
        return option(default=parameter.default, show_default=True)
    return option()


def _call(
    verb: Callable[..., Outcome],
    signature: inspect.Signature,
    words: Sequence[inspect.Parameter],
    values: dict[str, object],
    name: str,
) -> None:
    """Call the verb of that name, and tell what came of it.

    Raises:
        SystemExit: With 1 where the result says that something is wrong.
    """
    if _PAIRS in signature.parameters:
        _sort_out(words, values)
    if "progress" in signature.parameters:
        from lamelle.cli.progress import listener

        values["progress"] = listener()
    if "command" in signature.parameters:
        values["command"] = sys.argv[1:]
    meant = {key: value for key, value in values.items() if value is not None}
    result = getattr(verbs, verb.__name__)(**meant)
    from lamelle.errors import in_lines

    for line in in_lines(result.remarks):
        click.echo(line, err=True)
    for line in result.closing_lines():
        click.echo(line)
    if result.failed:
        raise SystemExit(1)


def _sort_out(words: Sequence[inspect.Parameter], values: dict[str, object]) -> None:
    """Put settings among the other words where they belong: ``lamelle train lr=0.1`` names no folder.

    Raises:
        click.MissingParameter: If a word is missing then.
    """
    given = values.pop(_PAIRS, ())
    pairs = list(map(str, given)) if isinstance(given, Sequence) else []
    for parameter in words:
        value = values[parameter.name]
        if isinstance(value, tuple):
            moved = [word for word in value if _is_pair(word)]
            values[parameter.name] = [word for word in value if word not in moved]
            pairs = [*map(str, moved), *pairs]
        elif value is not None and _is_pair(value):
            values[parameter.name], pairs = None, [str(value), *pairs]
        if values[parameter.name] in (None, []) and parameter.default is parameter.empty:
            context = click.get_current_context()
            missing = next(p for p in context.command.params if p.name == parameter.name)
            raise click.MissingParameter(ctx=context, param=missing)
    values[_PAIRS] = pairs


def _is_pair(word: object) -> bool:
    return "=" in str(word) and not Path(str(word)).exists()
