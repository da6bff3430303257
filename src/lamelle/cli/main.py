"""Entry point of the command ``lamelle``: commands are imported when they are called, errors become sentences."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from typing import Any

import click

from lamelle.cli import localised
from lamelle.cli.command import build, short_help
from lamelle.errors import KeyMoved, LamelleError, RequestError, printable
from lamelle.messages import text
from lamelle.verbs import COMMANDS
from lamelle.version import __version__


class _Commands(localised.Group):
    """Makes a command of the verb that is called, and only of that."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return build(cmd_name, COMMANDS[cmd_name]) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section(text("cli.commands")):
            formatter.write_dl([(name, short_help(name)) for name in COMMANDS])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from lamelle.registry import nearest

            near = nearest(args[0], COMMANDS)
            raise RequestError("cli.unknown_command", name=printable(args[0]), near=(near or ["--help"])[0])
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Commands,
    help=text("cli.help"),
    subcommand_metavar=text("cli.subcommand"),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--debug", cls=localised.Option, is_flag=True, help=text("cli.debug"))
@click.version_option(__version__, prog_name="lamelle", help=text("cli.version"))
@click.pass_context
def lamelle(ctx: click.Context, debug: bool) -> None:
    ctx.obj = debug


def main(argv: list[str] | None = None) -> None:
    """Run the command line; exit code 0: done, 1: the work failed, 2: the request was wrong."""
    arguments = sys.argv[1:] if argv is None else argv
    debug = "--debug" in arguments or bool(os.environ.get("LAMELLE_DEBUG"))
    warnings.showwarning = _warned
    try:
        lamelle.main(args=[a for a in arguments if a != "--debug"], prog_name="lamelle", standalone_mode=False)
    except click.ClickException as error:
        click.echo(_request(error), err=True)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo(text("cli.aborted"), err=True)
        sys.exit(1)
    except LamelleError as error:
        if debug:
            traceback.print_exc()
        click.echo(str(error), err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of a pipe has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        click.echo(_unexpected(error), err=True)
        sys.exit(1)


def _warned(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    """A warning of ours as the sentence that it is; others as Python shows them."""
    shown = (
        str(message) if issubclass(category, KeyMoved) else warnings.formatwarning(message, category, filename, lineno)
    )
    click.echo(shown.rstrip("\n"), err=True)


def _request(error: click.ClickException) -> str:
    """One line about a command line that cannot be understood, and where its help is."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error.format_message()
    ctx = getattr(error, "ctx", None)
    place = ctx.command_path if ctx else "lamelle"
    if isinstance(error, click.NoSuchOption):
        near = ", ".join(error.possibilities or ()) or f"{place} --help"
        return text("cli.unknown_option", place=place, name=printable(error.option_name), near=near)
    if isinstance(error, click.MissingParameter) and error.param is not None and ctx is not None:
        name = (
            error.param.opts[-1]
            if isinstance(error.param, click.Option)
            else error.param.make_metavar(ctx).partition(" ")[0]
        )
        return text("cli.missing", place=place, name=name)
    return text("cli.bad_request", place=place, reason=localised.reason(error))


def _unexpected(error: Exception) -> str:
    """One line about an error that no one foresaw; running out of memory is named as such."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "allocate memory" in str(error):
        return text("cli.memory")
    return text("cli.unexpected", kind=type(error).__name__, reason=str(error).splitlines()[0] if str(error) else "")


if __name__ == "__main__":
    main()
