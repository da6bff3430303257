"""Cells of a column of groups that say nothing: ``unknown``, ``-``, ``?``, ``0`` among numbers of patients."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from lamelle.data.groups.words import plain
from lamelle.data.tables import is_blank

_WORDS = frozenset(
    (
        "unknown", "unkn", "unk", "ukn", "undefined", "unspecified", "not known", "not available", "not applicable",
        "not given", "not specified", "unavailable", "none", "missing", "anonymous", "anonymised", "anonymized", "tbd",
        "inconnu", "inconnue", "anonyme", "non connu", "non connue", "non renseigne", "non renseignee", "manquant",
        "manquante", "indisponible", "aucun", "aucune", "neant", "unbekannt", "nicht bekannt", "keine angabe", "fehlt",
        "fehlend", "anonym", "unklar", "ohne", "kein", "keine", "desconocido", "desconocida", "sin datos", "ninguno",
        "sconosciuto", "sconosciuta", "ignoto", "ignota", "nessuno", "desconhecido", "desconhecida", "onbekend", "geen",
        "nieznany", "nieznana", "brak", "okand", "ukendt", "ukjent", "neznamy", "s n", "s d", "sin numero",
        "sans numero", "ohne nummer", "неизвестно", "不明", "未知", "미상",
    )
)  # fmt: skip
_SHORT = frozenset(("nd", "ni", "nc", "nr", "ka", "kk", "sd", "na", "x", "no"))
"""What may be initials too, where people are called by them."""
_WORDS_PLAIN = frozenset(map(plain, _WORDS))
_NEAR = 10
_LONGEST = 8
"""Zeros up to which they are no hash."""
_MIN_VALUES, _MIN_SHARE = 3, 0.9
"""Other values at least, and the share of them that has digits, from which a word without any is none of them."""


def known_only(cells: Sequence[str | None]) -> list[str | None]:
    """Cells of a column of groups; None where one is empty or says that it is not known.

    A word says so by itself; what may be an id too (``0``, ``-1``, ``ND``, any word) says so by the others, which are
    numbers that do not begin there, or ids with digits of which none stands as often.

    Args:
        cells: The cell of each image; None = empty.

    Example:
        >>> known_only(["F1", "unknown", "?", "Unbekannt", "N/A", None, "F2"])
        ['F1', None, None, None, None, None, 'F2']
        >>> known_only(["0", "0", "412", "77", "903"]), known_only(["0", "1", "2"])
        ([None, None, '412', '77', '903'], ['0', '1', '2'])
    """
    counts = Counter(c for c in cells if c is not None and not is_blank(c))
    unknown = {c for c in counts if _says_unknown(c)}
    others = {c: n for c, n in counts.items() if c not in unknown}
    unknown |= {c for c in others if _odd(c, others)}
    return [None if c is None or is_blank(c) or c in unknown else c for c in cells]


def _says_unknown(cell: str) -> bool:
    words = re.sub(r"[\W_]+", " ", plain(cell)).strip()
    return not words or words in _WORDS_PLAIN


def _odd(cell: str, counts: dict[str, int]) -> bool:
    """Whether a cell is none of the ids beside it."""
    others = [c for c in counts if c != cell]
    if len(others) < _MIN_VALUES:
        return False
    if re.fullmatch(r"0+|-1", cell.strip()) and not (len(cell) > _LONGEST and {*map(len, others)} == {len(cell)}):
        numbers = {int(c) for c in others if re.fullmatch(r"-?\d{1,18}", c.strip())}
        return not numbers & {1, 2, -2}
    if re.fullmatch(r"9{3,18}|[xX]{3,}", cell.strip()) and counts[cell] > max(counts[c] for c in others):
        return not re.fullmatch(r"9+", cell.strip()) or not _follows(cell, others)
    numbered = sum(any(map(str.isdecimal, c)) for c in others) >= _MIN_SHARE * len(others)
    if not numbered or any(map(str.isdecimal, cell)):
        return False
    short = "".join(re.findall(r"\w", plain(cell))) in _SHORT
    return short or counts[cell] > max(counts[c] for c in others)


def _follows(cell: str, others: list[str]) -> bool:
    """Whether a number is among others that are about as large."""
    return any(abs(int(c) - int(cell)) <= _NEAR for c in others if re.fullmatch(r"\d{1,18}", c.strip()))
