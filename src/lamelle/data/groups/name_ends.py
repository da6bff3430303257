"""Parts of file names that say what belongs together and stand elsewhere than in front, or are a mere letter."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence

from lamelle.data.layouts.words import split_of

_SIGNS = re.compile(r"[\s_.-]+")
_LETTERS = re.compile(r"([A-Za-z]{1,3})[\s_.-]*([0-9]+)")
_LAST_LETTER = r"[0-9]([A-Za-z])\.[^.]+$"
_PLATES = {(2, 3), (3, 4), (4, 6), (6, 8), (8, 12), (16, 24)}
"""Rows and columns of plates, of which the wells are called ``A1`` to ``H12``."""
_MIN_IDS_OF_CLASSES, _MIN_IDS = 4, 6
"""Different letters, or ids, at least: where each is of one class, and anywhere."""


def endings(stems: Sequence[str], is_id: Callable[[Sequence[str]], bool]) -> list[str]:
    """Expressions for ids at the end of names, or before the last word: ``img0_4711.png``, ``img0_4711_HE.png``.

    Args:
        stems: Names without suffix.
        is_id: Whether words at one place of all names differ, have numbers and are no magnification or day.

    Example:
        >>> endings(["img0_4711", "img1_4711", "img0_4720"], lambda words: len(set(words)) > 1)
        ['_([^_.]+)\\\\.[^_]*$']
    """
    split = [[t for t in _SIGNS.split(s) if t] for s in stems]
    used = {c for s in stems for c in "".join(_SIGNS.findall(s))}
    signs = "".join(sorted({"\\s" if c.isspace() else "\\" + c if c in "-." else c for c in used}))
    one = signs.lstrip("\\") if signs in ("_", "\\-") else f"[{signs}]"
    no, suffix = f"[^{signs}]" if "." in used else f"[^{signs}.]", r"\.[^.]+$" if "." in used else rf"\.[^{signs}]*$"
    expressions: list[str] = []
    for place in (1, 2) if used else ():
        if min(map(len, split)) > place and is_id([t[-place].casefold() for t in split]):
            expressions.append(f"{one}({no}+){f'{one}{no}+' * (place - 1)}{suffix}")
    return expressions


def letters(stems: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Expressions for letters that stand for animals or people: ``K000``, ``L001``, or ``000K``.

    The numbers behind them have to count anew for each. Rows of plates are none.

    Example:
        >>> letters([f"{p}{k}" for p in "KLMNPQ" for k in range(3)], [""] * 18)
        ['^([A-Za-z]{1,3})[\\\\s_.-]*[0-9]+\\\\.']
        >>> letters([f"{row}{k}" for row in "ABCDEFGH" for k in range(1, 13)], [""] * 96)
        []
    """
    if all(re.search(r"[0-9][A-Za-z]$", s) for s in stems):
        return [_LAST_LETTER]
    matches = [_LETTERS.fullmatch(s) for s in stems]
    parts = [(m[1], int(m[2])) for m in matches if m]
    numbers = {letter: {n for of, n in parts if of == letter} for letter, _ in parts}
    if len(parts) < len(stems) or any(map(split_of, numbers)) or not all(map(_counts, numbers.values())):
        return []
    columns = {n for numbers_of in numbers.values() for n in numbers_of}
    plate = all(len(w) == 1 for w in numbers) and (len(numbers), len(columns)) in _PLATES
    enough = len(numbers) >= (_MIN_IDS_OF_CLASSES if of_one_class([of for of, _ in parts], labels) else _MIN_IDS)
    return [r"^([A-Za-z]{1,3})[\s_.-]*[0-9]+\."] if enough and not plate else []


def rather(ending: Sequence[str], start: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether the ends of names are ids rather than their starts, which only count the images of each.

    So it is where the ends are more, and each is of one class while the starts are of several, or the starts count
    from 0 or 1 and the ends do not.

    Example:
        >>> rather(["4711", "4711", "4720", "4720", "4731", "4731"], ["img0", "img1"] * 3, [""] * 6)
        True
        >>> rather(["100", "200", "400"] * 4, [str(1 + i // 3) for i in range(12)], [""] * 12)
        False
    """
    several, ends = len(set(start)), len(set(ending))
    if ends <= several or of_one_class(start, labels):
        return False
    if of_one_class(ending, labels) and ends >= _MIN_IDS_OF_CLASSES:
        return True
    counted = counts_from_one(start) and not counts_from_one(ending)
    return counted and len(set(zip(start, ending, strict=True))) > max(several, ends)


def counts_from_one(words: Collection[str]) -> bool:
    """Whether words differ in a number that counts from 0 or 1 without a gap."""
    numbers = [re.findall("[0-9]+", word) for word in set(words)]
    return all(len(n) == 1 for n in numbers) and _counts({int(n[0]) for n in numbers if n})


def of_one_class(groups: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether each group is of one class, and each of two classes or more has several groups."""
    pairs = set(zip(groups, labels, strict=True))
    classes = Counter(label for _, label in pairs)
    return len(pairs) == len(set(groups)) and len(classes) > 1 and min(classes.values()) > 1


def _counts(numbers: set[int]) -> bool:
    first = min(numbers, default=-1)
    return first in (0, 1) and len(numbers) > 1 and numbers == set(range(first, first + len(numbers)))
