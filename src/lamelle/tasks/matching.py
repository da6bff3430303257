"""What another folder calls things, and what a model calls them: refusals with a cure that can be pasted."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence

from lamelle.data.spelling import folded
from lamelle.errors import RequestError, printable, setting
from lamelle.types import IGNORE

_LIKE = 0.6
"""Likeness of two names from which one is proposed for the other."""
_LISTED = 20


def refuse_classes(unknown: Sequence[str], known: Sequence[str], there: Iterable[str]) -> None:
    """Stop where a folder has classes that a model does not know, with a mapping that would do.

    Args:
        unknown: Names in the folder.
        known: The model's.
        there: All names in the folder.

    Raises:
        RequestError: If there are any.
    """
    if unknown:
        free = [name for name in known if name not in set(there)]
        said = {"unknown": ", ".join(map(printable, unknown)), "known": ", ".join(map(printable, known))}
        raise RequestError("tasks.unknown_classes", **said, cure=setting("data.classes", proposed(unknown, free)))


def proposed(unknown: Sequence[str], free: Sequence[str]) -> dict[str, str | None]:
    """A class for each unknown name: the one spelt most alike, else the next that is left; None where none is.

    Example:
        >>> proposed(["malin", "bénin", "autre"], ["benign", "malignant"])
        {'malin': 'malignant', 'bénin': 'benign', 'autre': None}
    """
    left, found = list(free), dict[str, str]()
    likeness = {(u, k): difflib.SequenceMatcher(None, folded(u), folded(k)).ratio() for u in unknown for k in free}
    for (name, one), value in sorted(likeness.items(), key=lambda pair: -pair[1]):
        if value >= _LIKE and name not in found and one in left:
            found[name] = one
            left.remove(one)
    rest = iter(left)
    return {name: found.get(name) or next(rest, None) for name in unknown}


def refuse_values(
    counts: Mapping[int, int], mapping: Mapping[int, int], ignore: Collection[int], classes: Sequence[str]
) -> None:
    """Stop where label images hold values that mean nothing, or that are said to mean a class which is not there.

    Args:
        counts: Pixels of each value.
        mapping: Value → number of the class, as far as it is known.
        ignore: Values that are not scored.
        classes: The model's.

    Raises:
        RequestError: If so, with a mapping of all values that would do.
    """
    values = sorted(v for v in counts if v not in ignore)
    wrong = {v: c for v, c in mapping.items() if not IGNORE <= c < len(classes)}
    if wrong or not set(values) <= set(mapping):
        last = len(classes) - 1
        first = int(len(values) == 1 and values[0] != 0)  # alone, it marks what is looked for
        cure = {v: min(mapping.get(v, i), last) for i, v in enumerate(values[:_LISTED], start=first)}
        said = {
            "values": ", ".join(map(str, values[:_LISTED])) + (" …" if len(values) > _LISTED else ""),
            "classes": ", ".join(f"{i} = {printable(name)}" for i, name in enumerate(classes)),
        }
        raise RequestError("tasks.unknown_values", **said, cure=setting("data.labels", cure))
