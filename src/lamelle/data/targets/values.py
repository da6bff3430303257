"""From the values in label images to classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lamelle.errors import DataError, RequestError, setting
from lamelle.types import IGNORE, Problem, ValueNames

MAX_CLASSES = 32
"""Label images with more values than this count objects, most likely."""
_BINARY = ([0, 255], [0, 65535])
"""Black and white, in 8 and 16 bits."""
_BACKGROUND = (
    "background", "bg", "clear label", "void", "unlabeled", "unlabelled", "none", "other", "fond", "arrière-plan",
    "arriere-plan", "hintergrund", "fondo",
)  # fmt: skip
"""How the value 0 is called."""
_TABLE_SPAN = 1 << 16
_SLAB = 1 << 20
"""Pixels mapped at a time, so that memory holds little beside the result."""


@dataclass(frozen=True, slots=True)
class ValueMap:
    """The rule that turns label values into class indices."""

    classes: tuple[str, ...]
    mapping: Mapping[int, int]
    """Value → index of its class."""
    ignore: tuple[int, ...] = ()
    """Values that become ``IGNORE``."""
    problems: tuple[Problem, ...] = ()
    """Notes on what was concluded."""


def infer_values(
    counts: Mapping[int, int],
    *,
    declared: Mapping[int, int] | None,
    names: Sequence[str],
    ignore: Sequence[int],
    instances: bool,
    value_names: ValueNames | None = None,
) -> ValueMap:
    """Conclude which label value means which class, or say what must be declared.

    Consecutive values from 0 are kept; {0, 255} and {0, 65535} become {0, 1}; with ``instances`` everything above 0 is
    foreground.

    Args:
        counts: Pixels per value over all label images.
        declared: Value → class index, where the user says so; −1 means ignore; for 0 see `with_background`.
        names: Class names in order, or none.
        ignore: Values that are neither trained on nor scored.
        instances: The values count objects.
        value_names: What a file calls the values; the user's words go before it.

    Raises:
        DataError: If a value is not declared, values have gaps, are too many for classes, or there is one only.
        RequestError: If the declared classes are not 0, 1, 2 …, or ``names`` are not as many as the classes.

    Example:
        >>> rule = infer_values({0: 90, 255: 10}, declared=None, names=(), ignore=(), instances=False)
        >>> rule.mapping, rule.classes
        ({0: 0, 255: 1}, ('background', 'foreground'))
    """
    ignore = (*ignore, *(value_names.ignored if value_names else ()))
    values = sorted(set(counts) - set(ignore))
    problems: list[Problem] = []
    if declared is not None:
        declared = with_background(declared, ignore)
        ignore = (*ignore, *(v for v, c in declared.items() if c == IGNORE and v not in ignore))
        mapping = _declared(values, declared, ignore)
    elif not instances and not names and value_names is not None and (called := _called(values, value_names)):
        names = tuple(called.values())
        mapping = {v: c for c, v in enumerate(called)}
        listed = ", ".join(f"{v}: {name}" for v, name in called.items())
        problems.append(Problem("layouts.values_named", value_names.file, "note", {"names": listed}))
        value_names = None
    elif instances:
        mapping = {0: 0, **{v: 1 for v in values if v > 0}}
    else:
        mapping = _concluded({v: counts[v] for v in values}, problems)
    if value_names is not None and not names:
        problems.append(_unused(value_names, values, by_user=declared is not None or instances))
    classes = _named(2 if instances and declared is None else len(set(mapping.values())), names)
    merged = tuple(dict.fromkeys(classes))  # two values of one name are one class
    mapping = {value: merged.index(classes[c]) for value, c in mapping.items()}
    return ValueMap(merged, mapping, tuple(ignore), tuple(problems))


def _called(values: Sequence[int], value_names: ValueNames) -> dict[int, str]:
    """The name of each value that occurs, in order; nothing where the file does not name them all.

    Names without values count from 0, or from 1 where there is one fewer than values and the first value is 0.
    """
    by_value = dict(value_names.known)
    if value_names.ordered:
        beyond = len(value_names.ordered) - len(values)
        if values in _BINARY and beyond in (0, -1):
            by_value = dict(zip(values[-len(value_names.ordered) :], value_names.ordered, strict=True))
        else:
            first = value_names.ordered[0].strip("_ ").casefold()
            start = 0 if first in _BACKGROUND or not values or values[-1] < len(value_names.ordered) else 1
            by_value = dict(enumerate(value_names.ordered, start=start))
    elif values in _BINARY and values[1] not in by_value and set(by_value) <= {0, 1} and 1 in by_value:
        by_value = {0: by_value.get(0, "background"), values[1]: by_value[1]}
    by_value.setdefault(0, "background")
    named = {v: by_value[v] for v in values if v in by_value}
    return named if len(named) == len(values) > 1 else {}


def _unused(value_names: ValueNames, values: Sequence[int], *, by_user: bool) -> Problem:
    """What is said of a file of names that is not used."""
    if by_user:
        return Problem("layouts.names_unused", value_names.file, "note")
    have = list(value_names.known.values()) or list(value_names.ordered)
    named = [str(v) for v in value_names.known] or [str(v) for v in range(len(value_names.ordered))]
    about = {"values": _listed(values), "named": ", ".join(named[:20]), "key": setting("data.classes", have[:20])}
    return Problem("layouts.names_unfit", value_names.file, "warning", about)


def with_background(declared: Mapping[int, int], ignore: Sequence[int]) -> dict[int, int]:
    """A declared map in which 0 on disk is background where nothing was said about it.

    Not where the smallest declared value is the background already: 0 may then well mean "not labelled".

    Example:
        >>> with_background({1: 1, 2: 1, 3: 0}, ()), with_background({1: 0, 2: 1}, ())
        ({0: 0, 1: 1, 2: 1, 3: 0}, {1: 0, 2: 1})
    """
    named = 0 in declared or 0 in ignore or not declared
    return dict(declared) if named or declared[min(declared)] == 0 else {0: 0, **declared}


def _declared(values: Sequence[int], declared: Mapping[int, int], ignore: Sequence[int]) -> dict[int, int]:
    mapping = {v: c for v, c in declared.items() if v not in ignore}
    if sorted(set(mapping.values())) != list(range(len(set(mapping.values())))) or not mapping:
        raise RequestError("layouts.classes_not_consecutive", declared=dict(declared))
    if unknown := [v for v in values if v not in mapping and v not in ignore]:
        details = {"values": _listed(unknown), "declared": _listed(sorted(declared))}
        details |= {"ignore": setting("data.ignore", [*ignore, *unknown[:20]])}
        raise DataError([Problem("layouts.values_unexpected", "", "error", details)])
    return mapping


def _concluded(counts: Mapping[int, int], problems: list[Problem]) -> dict[int, int]:
    values = list(counts)
    if len(values) < 2:
        raise DataError([Problem("layouts.one_value", "", "error", {"values": _listed(values)})])
    if len(values) > MAX_CLASSES:
        most = {"count": len(values), "most": MAX_CLASSES}
        raise DataError([Problem("layouts.values_many", "", "error", most)])
    if values in _BINARY:
        problems.append(Problem("layouts.values_binary", "", "note", {"top": values[1]}))
        return {0: 0, values[1]: 1}
    suggested = {v: c for c, v in enumerate(v for v in values if v >= 0)}
    if any(v != c for v, c in suggested.items()) or values[0] < 0:
        run = next(n for n in range(len(values) + 1) if n not in counts)
        beyond = [v for v in values if not 0 <= v < run] if run > 1 else values  # 0, 1, 255: the stray one is 255
        rarest = min(beyond, key=lambda v: counts[v])
        details = {"values": _listed(values), "rarest": rarest, "pixels": counts[rarest]}
        details |= {"labels": setting("data.labels", suggested), "ignore": setting("data.ignore", [rarest])}
        raise DataError([Problem("layouts.values_gaps", "", "error", details)])
    return suggested


def _named(count: int, names: Sequence[str]) -> tuple[str, ...]:
    if names:
        if len(names) != count:
            raise RequestError("layouts.names_count", names=", ".join(names), given=len(names), count=count)
        return tuple(names)
    return ("background", "foreground") if count == 2 else tuple(str(c) for c in range(count))


def _listed(values: Sequence[int]) -> str:
    more = " …" if len(values) > 20 else ""
    return ", ".join(str(v) for v in values[:20]) + more


def apply_values(array: np.ndarray, value_map: ValueMap) -> np.ndarray:
    """Class indices int64 [(Z,) Y, X] of a label image [(Z,) Y, X]; ignored values become ``IGNORE``.

    Raises:
        DataError: If a value of the image has no class; all such values are named.

    Example:
        >>> rule = ValueMap(("background", "cell"), {0: 0, 255: 1}, ignore=(9,))
        >>> apply_values(np.array([[0, 255, 9]], np.uint8), rule)
        array([[ 0,  1, -1]])
    """
    rule = {**value_map.mapping, **dict.fromkeys(value_map.ignore, IGNORE)}
    values = np.array(sorted(rule), np.int64)
    classes = np.array([rule[int(v)] for v in values], np.int64)
    labels = np.empty(array.shape, np.int64)
    strange: set[int] = set()
    step = max(1, _SLAB * len(array) // max(1, array.size))
    for start in range(0, len(array), step):
        part = array[start : start + step]
        part = part if part.dtype.kind in "ui" else _whole(part)
        piece = labels[start : start + step]
        piece[...] = _looked_up(part, values, classes)
        unknown = piece == IGNORE - 1
        if unknown.any():
            strange.update(int(v) for v in np.unique(part[unknown]))
    if strange:
        details = {"values": _listed(sorted(strange)), "declared": _listed([int(v) for v in values])}
        details |= {"ignore": setting("data.ignore", [*value_map.ignore, *sorted(strange)[:20]])}
        raise DataError([Problem("layouts.values_unexpected", "", "error", details)])
    return labels


def _looked_up(whole: np.ndarray, values: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The class of each value, ``IGNORE`` − 1 where it is not known."""
    low, high = int(values[0]), int(values[-1])
    if high - low < _TABLE_SPAN:
        table = np.full(high - low + 3, IGNORE - 1, np.int64)  # one cell beyond each end for what is unknown
        table[values - low + 1] = classes
        return table[np.clip(_int64(whole), low - 1, high + 1) - (low - 1)]
    place = np.minimum(np.searchsorted(values, whole), len(values) - 1)
    return np.where(values[place] == whole, classes[place], IGNORE - 1)


def _int64(array: np.ndarray) -> np.ndarray:
    """Integers as int64; values of uint64 beyond its range stay large instead of turning negative."""
    if array.dtype == np.uint64:
        array = np.minimum(array, np.uint64(np.iinfo(np.int64).max))
    return array.astype(np.int64)


def _whole(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "b":
        return array.astype(np.int64)
    if not np.array_equal(array, np.trunc(array)):
        raise DataError([Problem("layouts.values_fractions", "", "error", {"dtype": array.dtype})])
    return array.astype(np.int64)


def semantic_of(instances: np.ndarray) -> np.ndarray:
    """Background 0 and foreground 1, int64 [(Z,) Y, X], of instances [(Z,) Y, X].

    Example:
        >>> semantic_of(np.array([[0, 7, 3]], np.uint32))
        array([[0, 1, 1]])
    """
    return (instances > 0).astype(np.int64)
