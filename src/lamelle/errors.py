"""The exceptions of Lamelle: a catalogue key and its values; the sentences are in the catalogues.

LamelleError
├── RequestError    what was asked for cannot be: a key, an option, a folder (exit code 2)
└── WorkError       the work could not be done (exit code 1)
    ├── FileError   one file cannot be read or written
    └── DataError   a folder has problems, all of them named
"""

from __future__ import annotations

from collections.abc import Sequence
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
