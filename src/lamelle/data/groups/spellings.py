"""One group under several spellings, ``P1``, ``p01 ``, ``P1.0``, as several people or a spreadsheet write it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from lamelle.data.class_spelling import folded
from lamelle.data.layouts.listing import natural
from lamelle.errors import printable
from lamelle.types import Problem

_SHOWN = 4
_DECIMALS = re.compile(r"\d[.,]\d*[1-9]")
"""A part of a number that counts: ``3.1`` and ``3.10`` are two animals of cage 3."""


def one_spelling(values: Sequence[str | None]) -> tuple[tuple[str | None, ...], list[Problem]]:
    """The groups, each in the spelling that most images bear, and a warning if any had several.

    To take two groups for one costs an image or two of precision; to take one for two puts it into training and test.

    Example:
        >>> one_spelling(["P1", "P1", "p01 ", "P2", None])[0]
        ('P1', 'P1', 'P1', 'P2', None)
    """
    counts = Counter(v for v in values if v)
    alike: dict[str, list[str]] = defaultdict(list)
    for name in sorted(counts, key=natural):
        alike[name.strip() if _DECIMALS.search(name) else folded(name)].append(name)
    several = {max(names, key=lambda n: counts[n]): names for names in alike.values() if len(names) > 1}
    if not several:
        return tuple(values), []
    one = {name: chosen for chosen, names in several.items() for name in names}
    shown = ["/".join(f'"{printable(n)}"' for n in names) for names in list(several.values())[:_SHOWN]]
    more = f" … (+{len(several) - _SHOWN})" if len(several) > _SHOWN else ""
    about = {"count": len(several), "names": ", ".join(shown) + more}
    renamed = tuple(one.get(v, v) if v else v for v in values)
    return renamed, [Problem("groups.one_spelling", "", "warning", about)]
