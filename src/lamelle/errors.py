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
from lamelle.types import Problem


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
        return "\n".join([super().__str__(), *(f"  {sentence(p)}" for p in self.problems)])


def sentence(problem: Problem) -> str:
    """One line for people: the place, what is wrong, and how to mend it."""
    said = text(problem.code, **problem.values)
    return f"{printable(problem.where)}: {said}" if problem.where else said


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
