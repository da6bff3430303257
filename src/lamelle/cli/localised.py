"""What click says by itself, in the languages of Lamelle: headings of a help, defaults, what is wrong with a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lamelle.messages import text


class Command(click.Command):
    """A command that heads its help, and refuses words too many, in the language that is spoken."""

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        pieces = " ".join(self.collect_usage_pieces(ctx))
        formatter.write_usage(ctx.command_path, pieces, prefix=f"{text('cli.usage')} ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        records = [p.get_help_record(ctx) for p in self.get_params(ctx) if not isinstance(p, click.Argument)]
        with formatter.section(text("cli.options")):
            formatter.write_dl([record for record in records if record is not None])

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        option = super().get_help_option(ctx)
        if option is not None:
            option.help = text("cli.help_option")
        return option

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.allow_extra_args = True
        try:
            rest = super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # the parser itself does not say which command it was
            raise
        if rest and not isinstance(self, click.Group):
            raise click.UsageError(text("cli.extra", words=" ".join(map(str, rest))), ctx)
        return rest


class Group(Command, click.Group):
    """A group of commands that does the same."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        Command.format_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)


class Option(click.Option):
    """An option that names its default, or that it is needed, in the language that is spoken."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        extra: dict[str, Any] = dict(self.get_help_extra(ctx))
        record = super().get_help_record(ctx)
        if record is None or not extra:
            return record
        rule = text("cli.default", value=extra["default"]) if "default" in extra else text("cli.required")
        return record[0], f"{self.help or ''}  [{rule}]"


class Whole(click.ParamType):
    """A whole number."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return int(value)
        except ValueError:
            self.fail(text("cli.whole", given=value), param, ctx)


class Number(click.ParamType):
    """A number, with a point."""

    name = "float"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return float(value)
        except ValueError:
            self.fail(text("cli.number", given=value), param, ctx)


class NumberList(click.ParamType):
    """NumberList with commas between them."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[float]:
        try:
            return [float(part) for part in value.split(",")]
        except ValueError:
            self.fail(text("cli.numbers", given=value), param, ctx)


class Choice(click.Choice[str]):
    """One of some words."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        return text("cli.choice", given=value, known=", ".join(map(str, self.choices)))


def type_of(kind: type) -> click.ParamType:
    """The type of an option that holds one number, text or path."""
    types = {int: Whole(), float: Number(), str: click.STRING, Path: click.Path(path_type=Path)}
    return types[kind]


def metavar_of(kind: click.ParamType) -> str | None:
    """What stands for a value in a help; None where the values themselves do."""
    return None if isinstance(kind, click.Choice) else text(f"cli.value_{kind.name}")


def reason(error: click.ClickException) -> str:
    """What is wrong with a command line, without where."""
    if isinstance(error, click.BadOptionUsage) and error.ctx is not None:
        options = [p for p in error.ctx.command.params if error.option_name in p.opts]
        flag = any(isinstance(p, click.Option) and p.is_flag for p in options)
        return text("cli.no_value" if flag else "cli.needs_value", name=error.option_name)
    if isinstance(error, click.BadParameter) and error.param is not None:
        return text("cli.bad_value", name=error.param.opts[-1], reason=error.message)
    return error.format_message().rstrip(".")
