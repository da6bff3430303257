"""When two names mean one class: what surely does is read as one, what probably does is asked about."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from lamelle.data.layouts.listing import natural
from lamelle.errors import printable, setting
from lamelle.types import ClassNames, Problem, Record

_JOINT = re.compile(r"(?<=\w)(?:[-_]|\s+[-–]\s+|\s)[_\s]*(?=\w)")
"""What parts the words of a name: `grade_1`, `grade-1`, `grade 1`; not the sign of `grade -1`."""
_IDLE_JOINT = re.compile(r"(?<!\d) | (?!\d)")
"""One that parts no two numbers."""
_LEADING_ZEROS = re.compile(r"(?<![\d.,])0+(?=\d)")
_IDLE_DECIMALS = re.compile(r"(?<=\d)(?:[.,]0+|([.,]\d*?[1-9])0+)(?![\d.,])")
_AROUND = " \t.,;:'\"«»“”‘’`´"
_MIN_LETTERS = 3
"""Letters below which capitals may tell apart (alleles `AA`, `Aa`, `aa`)."""
_WORD = re.compile(r"[^\W\d_]+")
_PLURAL = re.compile(r"(?<=\w\w\w)(?<![sui])s\b")
_BRITISH = (("our", "or"), ("ae", "e"), ("oe", "e"), ("yse", "yze"), ("ise", "ize"), ("tre", "ter"))
_LONG = 6
"""Letters of a name in which one too many, or two that changed places, are rather a slip than another word."""
_RARE = 0.1
"""Share of the images of the other spelling up to which a slip is believed."""
_MAX_CLASSES = 300
"""Of more classes than this slips are not looked for."""


@dataclass(frozen=True, slots=True)
class Spellings:
    """What the class names of a folder are read as."""

    names: Mapping[str, str]
    """Every name that was found → the class it is read as."""
    problems: tuple[Problem, ...] = ()
    """What was read as one, and what may be meant as one."""


def folded(name: str, *, case: bool = False) -> str:
    """What all spellings of a name have in common.

    Case, accents, invisible characters, idle zeros, quotes around it, and how its words are joined make no difference.

    Args:
        case: Capitals make a difference.

    Example:
        >>> folded("Grade_01"), folded("grade 1.0"), folded("Bénin.")
        ('grade1', 'grade1', 'benin')
        >>> folded("ER+"), folded("ER-"), folded("1-2"), folded("grade -1")
        ('er+', 'er-', '1 2', 'grade -1')
    """
    plain = "".join(c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) != "Cf")
    plain = unicodedata.normalize("NFD", plain if case else plain.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c)).strip(_AROUND)
    plain = _IDLE_JOINT.sub("", _JOINT.sub(" ", plain)) if not re.search(r"\s-\d", plain) else plain
    return _IDLE_DECIMALS.sub(r"\1", _LEADING_ZEROS.sub("", plain))


def same_names(one: Iterable[object], other: Iterable[object]) -> bool:
    """Whether two records surely bear the same classes, in whatever spelling.

    Example:
        >>> same_names(("Edema", "effusion"), ("effusion", "edema")), same_names(("AA",), ("Aa",))
        (True, False)
    """
    first, second = sorted(map(str, one), key=folded), sorted(map(str, other), key=folded)
    alike = len(first) == len(second) and all(folded(a) == folded(b) for a, b in zip(first, second, strict=True))
    return alike and all(a == b or _certain((a, b)) for a, b in zip(first, second, strict=True))


def settle(counts: Mapping[str, int], *, mapping: Mapping[str, str], listed: Sequence[str]) -> Spellings:
    """Read the spellings of one class as one, where that is sure.

    Args:
        counts: Images of each name, as it is spelt.
        mapping: Name → class, where the user said so; of these names nothing is concluded.
        listed: The classes, where all are known: they stay apart, and others are read as the one they resemble.

    Example:
        >>> settle({"benign": 9, "Benign": 3, "malignant": 8}, mapping={}, listed=()).names
        {'benign': 'benign', 'Benign': 'benign', 'malignant': 'malignant'}
    """
    problems = not_found(mapping, counts)
    names = {name: _mapped(name, mapping) for name in counts}
    fixed = {*mapping.values(), *listed}
    pooled = _pooled(counts, names)
    for group in filter(_certain, _groups({*pooled, *listed}, folded)):
        chosen = max(group, key=lambda name: (name in listed, name in fixed, pooled[name]))
        others = [n for n in group if n != chosen and n not in fixed]
        names |= {name: chosen for name, one in names.items() if one in others}
    merged: dict[str, list[str]] = defaultdict(list)
    for name, one in names.items():
        if name not in mapping and name != one:
            merged[one].append(name)
    for one, others in merged.items():
        spellings = [*(n for n in (*mapping, one) if folded(n) == folded(others[0])), *others]
        values = {"name": printable(one), "spellings": _counted(dict.fromkeys(spellings), counts)}
        values["apart"] = setting("data.classes", {**{n: n for n in spellings}, **mapping, **{n: n for n in others}})
        problems.append(Problem("layouts.spellings_one", "", "warning", values))
    pairs = [] if listed else _doubtful(_pooled(counts, names), {*mapping, *fixed})
    if pairs:
        pooled = _pooled(counts, names)
        about = {
            "pairs": "; ".join(_counted(pair[::-1], pooled) for pair in pairs),
            "one": setting("data.classes", {**mapping, **dict(pairs)}),
            "apart": setting("data.classes", {**mapping, **{n: n for pair in pairs for n in pair}}),
        }
        problems.append(Problem("layouts.spellings_maybe", "", "warning", about))
    return Spellings(names, tuple(problems))


def not_found(mapping: Iterable[str], names: Collection[str]) -> list[Problem]:
    """A warning for each name that the user reads as another, but that is not there."""
    have = ", ".join(printable(name) for name in sorted(names, key=natural)) or "–"
    spelt_names = {folded(name) for name in names}
    strange = [name for name in mapping if folded(name) not in spelt_names]
    return [Problem("layouts.class_not_found", "", "warning", {"name": printable(n), "have": have}) for n in strange]


def spelt(records: Iterable[Record], names: Mapping[str, str]) -> tuple[Record, ...]:
    """Records that bear the classes which their names are read as."""
    return tuple(_renamed(r, names) for r in records)


def _mapped(name: str, mapping: Mapping[str, str]) -> str:
    """What the user reads a name as, also where it is spelt otherwise here."""
    alike = {one for key, one in mapping.items() if folded(key) == folded(name) and _certain((key, name))}
    return mapping.get(name, next(iter(alike)) if len(alike) == 1 else name)


def _renamed(record: Record, names: Mapping[str, str]) -> Record:
    read = tuple(dict.fromkeys(names.get(name, name) for name in record.names))
    return replace(record, target=ClassNames(read), stratum="|".join(read)) if read else record


def _pooled(counts: Mapping[str, int], names: Mapping[str, str]) -> Counter[str]:
    pooled: Counter[str] = Counter()
    for name, count in counts.items():
        pooled[names[name]] += count
    return pooled


def _groups(names: Iterable[str], key: Callable[[str], str]) -> list[list[str]]:
    """Names that have something in common, in natural order."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names, key=natural):
        groups[key(name)].append(name)
    return [group for group in groups.values() if len(group) > 1]


def _certain(group: Sequence[str]) -> bool:
    """Whether names that are folded alike differ in nothing that tells apart: in case as whole words do, if at all."""
    if len({folded(name, case=True) for name in group}) == 1:
        return True
    words = [_WORD.findall(name) for name in group]
    usual = all(w.islower() or w.isupper() or w == w.capitalize() for each in words for w in each)
    return usual and all(sum(map(len, each)) >= _MIN_LETTERS for each in words)


def _doubtful(counts: Mapping[str, int], kept: Collection[str]) -> list[tuple[str, str]]:
    """(rare, usual) names that may mean one class: alleles or not, plurals, British and American, slips."""
    alike = {pair: None for key in (folded, _loose) for g in _groups(counts, key) for pair in combinations(g, 2)}
    ordered = [tuple(sorted(pair, key=lambda name: counts[name])) for pair in alike]
    long = {name: folded(name) for name in counts if len(name) >= _LONG}
    for one, other in combinations(sorted(long, key=lambda name: counts[name]), 2):
        rare = len(long) <= _MAX_CLASSES and counts[one] <= _RARE * counts[other]
        if rare and _one_slip(long[one], long[other]):
            ordered.append((one, other))
    return [(rare, usual) for rare, usual in dict.fromkeys(ordered) if rare not in kept or usual not in kept]


def _loose(name: str) -> str:
    """The folded name in American spelling, in the singular."""
    plain = folded(_PLURAL.sub("", _JOINT.sub(" ", name.casefold())))
    for british, american in _BRITISH:
        plain = plain.replace(british, american)
    return plain


def _one_slip(one: str, other: str) -> bool:
    """Whether a letter is missing from one of two names, or two neighbours have changed places.

    The first letter counts (`typical` is not `atypical`), and one letter in place of another makes another word too
    easily (macrocyte, microcyte).
    """
    if not one.isalpha() or not other.isalpha() or abs(len(one) - len(other)) > 1:
        return False
    short, long = sorted((one, other), key=len)
    places = range(1, len(long))
    if len(short) < len(long):
        return any(long[:i] + long[i + 1 :] == short for i in places)
    return any(long[: i - 1] + long[i] + long[i - 1] + long[i + 1 :] == short for i in places[1:])


def _counted(names: Iterable[str], counts: Mapping[str, int]) -> str:
    return ", ".join(f'"{printable(name)}" ({counts.get(name, 0)})' for name in names)
