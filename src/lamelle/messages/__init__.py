"""The sentences for people, one folder of catalogues per language.

A key is ``<file>.<name>``: ``errors.data`` is the entry ``data`` of ``<language>/errors.toml``. The language is
``LAMELLE_LANG``, else that of the locale, else English.
"""

from __future__ import annotations

import os
import re
import tomllib
from functools import cache
from importlib.resources import files
from string import Formatter

LANGUAGES = ("en", "fr")


def language() -> str:
    """The language to speak: ``LAMELLE_LANG``, then the locale, then English."""
    for name in ("LAMELLE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return value[:2] if value[:2] in LANGUAGES else "en"
    return "en"


@cache
def catalogue(spoken: str, room: str) -> dict[str, str]:
    """All sentences of one file of one language."""
    return tomllib.loads((files(__name__) / spoken / f"{room}.toml").read_text(encoding="utf-8"))


@cache
def _rows(spoken: str, kind: str) -> dict[str, str]:
    """What a language says of the rows of a table; English stands in the rows themselves."""
    file = files(__name__) / spoken / f"{kind}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8")) if spoken != "en" and file.is_file() else {}


def translated(kind: str, name: str, english: str) -> str:
    """What a row of a table says, in the language that is spoken; English where that has no words for it.

    Args:
        kind: The catalogue, such as ``metrics``.
        name: The entry: the name of the row, and what is said of it.

    Example:
        >>> translated("metrics", "dice_about", "Twice the overlap.")
        'Twice the overlap.'
    """
    return _rows(language(), kind).get(name, english)


def has(key: str) -> bool:
    """Whether there is a sentence for a key.

    Example:
        >>> has("errors.data"), has("errors.nothing")
        (True, False)
    """
    room, _, name = key.partition(".")
    return name in catalogue(language(), room)


_NUMBERS = {
    "audit": {"association", "near", "far", "spacing", "found"},
    "cli": {"used", "budget"},
    "evaluate": {"scores"},
    "files": {"share", "distance"},
    "layouts": {"distance", "voxels", "way"},
    "package": {"difference"},
    "shift": {
        "found",
        "turned",
        "low",
        "high",
        "trained_low",
        "trained_high",
        "spacing",
        "trained",
        "shallow_high",
        "deep_high",
    },
    "train": {"train_loss", "train_score", "loss", "score", "seconds"},
    "tune": {"value"},
}
"""Values of sentences that are numbers though they come as text, by catalogue."""
_DECIMALS = re.compile(r"(?<=\d)\.(?=\d)")


def text(key: str, /, **values: object) -> str:
    """The sentence of ``key`` with its values filled in; numbers as the language writes them.

    What stands behind ``=`` is part of a key to paste, and is left as it is.

    Raises:
        KeyError: If no catalogue has the key or a value is missing; a test holds both languages complete.

    Example:
        >>> text("errors.data", count=2).startswith("2 ")
        True
    """
    room, name = key.split(".", 1)
    template = catalogue(language(), room)[name]
    if language() == "en":
        return template.format(**values)
    parts: list[str] = []
    for literal, field, spec, conversion in Formatter().parse(template):
        parts.append(literal)
        if field is not None:
            form = "{0" + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "") + "}"
            filled = form.format(values[field])
            number = isinstance(values[field], float | int) or field in _NUMBERS.get(room, ())
            parts.append(_written(filled, spec or "") if number and not literal.endswith("=") else filled)
    return "".join(parts)


def _written(filled: str, spec: str) -> str:
    if "," in spec:
        filled = filled.replace(",", "\u202f")
    return local(filled.replace("%", " %") if spec.endswith("%") else filled)


def labelled(label: str, value: object) -> str:
    """What stands behind a colon, and what it is; in French there is a space before it.

    Example:
        >>> labelled("Images", 30)
        'Images: 30'
    """
    return text("errors.placed", where=label, said=value)


def local(written: str) -> str:
    """A text of numbers that are written as in English, as the language writes them.

    Example:
        >>> local("0.5 × 1.25")
        '0.5 × 1.25'
    """
    return _DECIMALS.sub(",", written) if language() == "fr" else written
