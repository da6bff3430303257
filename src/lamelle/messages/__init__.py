"""The sentences for people, one folder of catalogues per language.

A key is ``<file>.<name>``: ``errors.data`` is the entry ``data`` of ``<language>/errors.toml``. The language is
``LAMELLE_LANG``, else that of the locale, else English.
"""

from __future__ import annotations

import os
import tomllib
from functools import cache
from importlib.resources import files

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


def text(key: str, /, **values: object) -> str:
    """The sentence of ``key`` with its values filled in.

    Raises:
        KeyError: If no catalogue has the key or a value is missing; a test holds both languages complete.

    Example:
        >>> text("errors.data", count=2).startswith("2 ")
        True
    """
    room, name = key.split(".", 1)
    return catalogue(language(), room)[name].format(**values)
