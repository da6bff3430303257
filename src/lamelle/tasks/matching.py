"""What another folder calls things, and what a model calls them: refusals with a cure that can be pasted."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from lamelle.data.groups.words import tokens
from lamelle.errors import RequestError, printable, setting
from lamelle.types import IGNORE

OPEN = "CLASS"
"""Stands for a class that only who knows the folder can name."""
GUESS = "?"
"""Behind a class that is guessed, so that no guess is taken as it stands."""
_SIGNS = re.compile(r"\+|-$")
_LIKE = 0.6
"""Likeness of the words of two names from which one is proposed for the other."""
_LISTED = 20


def refuse_classes(unknown: Sequence[str], known: Sequence[str], there: Iterable[str]) -> None:
    """Stop where a folder has classes that a model does not know, with a mapping to be pasted or to be filled in.

    Args:
        unknown: Names in the folder.
        known: The model's.
        there: All names in the folder.

    Raises:
        RequestError: If there are any.
    """
    if unknown:
        free = [name for name in known if name not in set(there)]
        names = {"unknown": ", ".join(map(printable, unknown)), "known": ", ".join(map(printable, known))}
        cure = proposed(unknown, free)
        raise RequestError("tasks.unknown_classes", **names, cure=setting("data.classes", cure))


def proposed(unknown: Sequence[str], free: Sequence[str]) -> dict[str, str]:
    """A class for each unknown name: the one spelt most alike, as a guess; where none is, a word to be replaced.

    Example:
        >>> proposed(["malin", "bénin", "autre"], ["benign", "malignant", "normal"])
        {'malin': 'malignant?', 'bénin': 'benign?', 'autre': 'CLASS'}
        >>> proposed(["abnormal", "grade 2"], ["normal", "grade 3"])
        {'abnormal': 'CLASS', 'grade 2': 'CLASS'}
    """
    left, guesses = list(free), dict[str, str]()
    likeness = {(u, k): _likeness(u, k) for u in unknown for k in free}
    for (name, one), value in sorted(likeness.items(), key=lambda pair: -pair[1]):
        if value >= _LIKE and name not in guesses and one in left:
            guesses[name] = one
            left.remove(one)
    return {name: guesses[name] + GUESS if name in guesses else OPEN for name in unknown}


def _likeness(one: str, other: str) -> float:
    """How alike the least alike words of two names are; 0 where words begin otherwise, numbers or signs differ.

    What turns a name into its opposite is mostly its beginning, ``abnormal``, or a sign, ``ER-``.
    """
    words, others = tokens(one), tokens(other)
    if not words or len(words) != len(others) or _SIGNS.findall(one) != _SIGNS.findall(other):
        return 0.0
    return min(
        difflib.SequenceMatcher(None, a, b).ratio() if a[:2] == b[:2] and not (a != b and a.isdecimal()) else 0.0
        for a, b in zip(words, others, strict=True)
    )


def refuse_values(
    counts: Mapping[int, int], mapping: Mapping[int, int], ignore: Collection[int], classes: Sequence[str]
) -> None:
    """Stop where label images hold values that mean nothing, or that are said to mean a class which is not there.

    What was declared and can be so is kept in the cure, and 0 is the first class where nothing else is said to be; what
    the other values mean is not guessed.

    Args:
        counts: Pixels of each value.
        mapping: Value → number of the class, as far as it is declared.
        ignore: Values that are not scored.
        classes: The model's.

    Raises:
        RequestError: If so, with a mapping of all values to be filled in.
    """
    values = sorted(v for v in counts if v not in ignore)
    wrong = {v: c for v, c in mapping.items() if not IGNORE <= c < len(classes)}
    if wrong or not set(values) <= set(mapping):
        sure = {0: 0} if 0 not in {c for v, c in mapping.items() if v} else {}
        sure |= {v: c for v, c in mapping.items() if v not in wrong}
        cure = {v: sure.get(v, OPEN) for v in values[:_LISTED]}
        values_shown = {
            "values": ", ".join(map(str, values[:_LISTED])) + (" …" if len(values) > _LISTED else ""),
            "classes": ", ".join(f"{i} = {printable(name)}" for i, name in enumerate(classes)),
        }
        raise RequestError("tasks.unknown_values", **values_shown, cure=setting("data.labels", cure))
