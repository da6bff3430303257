"""The exceptions of Lamelle: a catalogue key and its values; the sentences are in the catalogues.

LamelleError
├── RequestError    what was asked for cannot be: a key, an option, a folder (exit code 2)
└── WorkError       the work could not be done (exit code 1)
    ├── FileError   one file cannot be read or written
    └── DataError   a folder has problems, all of them named
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from unicodedata import category

from lamelle.messages import text
from lamelle.types import Problem, Severity

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""The gravest first."""
NAMED = 3
"""Places of one kind of problem that a line names after the first."""


class LamelleError(Exception):
    """Something a user can mend. ``str()`` says the place, the value, the rule and the cure."""

    exit_code = 1

    def __init__(self, code: str, /, **values: object) -> None:
        super().__init__(code)
        self.code = code
        self.values = values

    def __str__(self) -> str:
        return text(self.code, **self.values)


class RequestError(LamelleError):
    """The request was wrong: nothing was done."""

    exit_code = 2


class KeyMoved(FutureWarning):
    """A key of a recipe has another name now; the old one is still read."""


class WorkError(LamelleError):
    """The request was right, but the work failed."""


class FileError(WorkError):
    """A file cannot be read or written.

    Example:
        >>> error = FileError("files.empty", "scan.png")
        >>> error.problem.where
        'scan.png'
    """

    def __init__(self, code: str, path: Path | str, /, **values: object) -> None:
        super().__init__(code, **values)
        self.problem = Problem(code, str(path), "error", values)

    def __str__(self) -> str:
        return sentence(self.problem)


class DataError(WorkError):
    """A folder has problems; all of them are in ``problems``."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("errors.data", count=sum(p.severity == "error" for p in problems))
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  {line}" for line in in_lines(self.problems))])


def sentence(problem: Problem) -> str:
    """One line for people: the place, what is wrong, and how to mend it."""
    words = text(problem.code, **problem.values)
    return text("errors.placed", where=printable(problem.where), said=words) if problem.where else words


def kinds(problems: Sequence[Problem], *, least: Severity = "note") -> list[tuple[Problem, ...]]:
    """Problems of one kind together, the gravest kinds first; what is said of no place is a kind of its own.

    Args:
        least: Least severity that counts.

    Example:
        >>> empty = [Problem("files.empty", f"{i}.png") for i in range(3)]
        >>> [len(kind) for kind in kinds([Problem("layouts.no_records", severity="note"), *empty])]
        [3, 1]
    """
    together: dict[tuple[int, str, str], list[Problem]] = {}
    for problem in problems:
        rank = SEVERITIES.index(problem.severity)
        if rank <= SEVERITIES.index(least):
            words = "" if problem.where else sentence(problem)
            together.setdefault((rank, problem.code, words), []).append(problem)
    return [tuple(members) for _, members in sorted(together.items(), key=lambda item: item[0][0])]


def in_lines(problems: Sequence[Problem], *, least: Severity = "note") -> list[str]:
    """A line for each kind of problem: the first of it, how many more there are, and where the next ones are.

    Example:
        >>> in_lines([Problem("files.dicomdir", f"{i}") for i in range(9)])[0].partition("(and ")[2]
        '8 more like it: 1, 2, 3 … (+5))'
    """
    return [_line(kind) for kind in kinds(problems, least=least)]


def graded(problems: Sequence[Problem], *, least: Severity = "note") -> list[str]:
    """The same lines, each with how grave it is."""
    return [text(f"errors.{kind[0].severity}", said=_line(kind)) for kind in kinds(problems, least=least)]


def _line(kind: Sequence[Problem]) -> str:
    words, more = sentence(kind[0]), len(kind) - 1
    places = list(dict.fromkeys(printable(p.where) for p in kind[1:] if p.where != kind[0].where))
    if not places:
        return text("errors.again", said=words, more=more) if more else words
    rest = f" … (+{len(places) - NAMED})" if len(places) > NAMED else ""
    return text("errors.more_alike", said=words, more=more, places=", ".join(places[:NAMED]) + rest)


def printable(name: str) -> str:
    """A file name without control characters or undecodable bytes, which could forge a terminal's lines.

    Example:
        >>> printable("a\\x1b[2Jb c")
        'a\\\\x1b[2Jb c'
    """
    return "".join(
        c if c.isprintable() or category(c) == "Zs" else c.encode("unicode_escape", "surrogatepass").decode()
        for c in name
    )


def setting(key: str, value: object) -> str:
    """``key=value`` as it can be pasted behind a command: YAML on one line, quoted for the shell where it has to be.

    Example:
        >>> print(setting("data.labels", {0: 1, 255: 0}), setting("data.group", "patient"))
        'data.labels={0: 1, 255: 0}' data.group=patient
        >>> print(setting("data.classes", {"01": "1", "Benign": "benign"}))
        'data.classes={"01": "1", Benign: benign}'
    """
    return shlex.quote(f"{key}={_flow(value)}")


def _flow(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str):
        return (
            value if _PLAIN.fullmatch(value) and value.lower() not in _WORDS else json.dumps(value, ensure_ascii=False)
        )
    return json.dumps(value)


_PLAIN = re.compile(r"[^\W\d_][\w./+-]*(?: [\w./+-]+)*")
"""Texts that YAML takes for nothing else, and for which it needs no quotes."""
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
