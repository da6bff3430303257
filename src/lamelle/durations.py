"""Times as people write them, and as they are written for people."""

from __future__ import annotations

import re

_UNITS = {
    1: "s sec secs second seconds seconde secondes",
    60: "m mn min mins minute minutes",
    3600: "h hr hrs hour hours heure heures",
    86400: "d day days j jour jours",
}
_LENGTH = {word: length for length, words in _UNITS.items() for word in words.split()}
_BELOW = {86400: 3600, 3600: 60, 60: 1}
"""What a number behind a unit counts if it has none of its own: 1h30 is an hour and 30 minutes."""
_PART = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*([a-z]*)\s*")


def seconds(said: str) -> float | None:
    """How many seconds a text means; a number alone is seconds. None if it is not a time.

    Example:
        >>> [seconds(said) for said in ("90 s", "2minutes", "1h30", "1h 30m", "1.5h", "90")]
        [90.0, 120.0, 5400.0, 5400.0, 5400.0, 90.0]
        >>> seconds("2 parsecs") is None
        True
    """
    rest = re.sub(r"\b(and|et)\b", " ", said.strip().lower()).replace(",", ".")
    total, before, place = 0.0, 0, 0
    while place < len(rest):
        part = _PART.match(rest, place)
        if part is None:
            return None
        number, word = float(part[1]), part[2]
        length = _LENGTH.get(word) if word else _BELOW.get(before) if before else 1
        if length is None or (before and length >= before) or (before and not word and number * length >= before):
            return None
        total, before, place = total + number * length, length, part.end()
    return total if place else None


def spelled(number: float) -> str:
    """Seconds as a short text that `seconds` reads as the same.

    Example:
        >>> [spelled(n) for n in (0.5, 90, 120, 5400, 90061)]
        ['0.5s', '90s', '2min', '1h30min', '25h1min1s']
    """
    whole = round(number)
    if number < 120 or whole != number:
        return f"{number:.12g}s"
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    return "".join(f"{n}{unit}" for n, unit in ((hours, "h"), (minutes, "min"), (rest, "s")) if n)


def enough(number: float) -> str:
    """A round time that is not shorter, for advice.

    Example:
        >>> [enough(n) for n in (0.2, 7, 61, 250, 4000)]
        ['1s', '10s', '2min', '5min', '1h10min']
    """
    step = next((step for most, step in ((5, 1), (60, 5), (600, 60), (3600, 300)) if number <= most), 600)
    return spelled(-(-number // step) * step)
