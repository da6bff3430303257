"""Class and patient in one folder name, ``benign_00`` … ``malig_07``: numbered folders that are no classes."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

from lamelle.data.groups import spec
from lamelle.data.groups.names import says_kind
from lamelle.data.groups.spec import Spec
from lamelle.data.groups.words import folder_rank
from lamelle.data.layouts.common import class_names
from lamelle.data.layouts.listing import natural
from lamelle.data.layouts.pairing import names_of
from lamelle.types import ClassNames, Index, Problem

_NUMBERED = re.compile(r"(.*[^\W\d_])[\s_.-]+([0-9]+)|([^\W\d_]{4,})([0-9]+)")
_SHOWN = 4
_DEEPEST = 9
_MIN_FOLDERS = 6
"""Folders from which numbers that no two of them share are of patients."""


def parted(labels: Collection[str]) -> dict[str, str]:
    """Class of each label, where labels are words with numbers behind them, and one word has several; else nothing.

    Example:
        >>> parted({"benign_00", "benign_02", "malig_01"})
        {'benign_00': 'benign', 'benign_02': 'benign', 'malig_01': 'malig'}
        >>> parted({"grade 1", "grade 2", "stage 1"}), parted({"type_1", "type_2"}), parted({"CD4", "CD8", "NK1"})
        ({}, {}, {})
    """
    numbered = {name: match for name in sorted(labels, key=natural) if (match := _NUMBERED.fullmatch(name))}
    words = {name: m[1] or m[3] for name, m in numbered.items()} | {n: n for n in labels if n not in numbered}
    several = Counter(words[name] for name in numbered)
    if len(set(words.values())) < 2 or max(several.values(), default=0) < 2:
        return {}
    called = all(folder_rank(n) is not None for n in numbered)  # after patients: no classes at all
    return {} if called or any(map(says_kind, numbered)) else words


def numbered_classes(index: Index, *, by_user: bool) -> list[Problem]:
    """What is said where the classes are folders that are called after a class and a number.

    It is an error where each number stands once: patients are counted so, and classes are not.

    Args:
        by_user: The user has said what the group is.
    """
    labels = _labels(index)
    words = parted(set(labels))
    parts = [spec.folders(r, index.root) for r in index.records] if words else []
    level = next((k for k in range(1, _DEEPEST) if [spec.at_level(p, str(k)) for p in parts] == labels), None)
    if not words or level is None:
        return []
    of_word: dict[str, list[str]] = defaultdict(list)
    for name, word in words.items():
        of_word[word].append(re.findall("[0-9]+", name)[-1] if name != word else "")
    numbers = [int(n) for texts in of_word.values() for n in texts if n]
    sure = len(numbers) == len(words) >= _MIN_FOLDERS and len({*numbers}) == len(numbers)
    sure = sure and min(map(len, of_word.values())) > 1
    values = {
        "names": names_of(list(words), most=_SHOWN),
        "n": len(words),
        "classes": names_of(sorted(of_word, key=natural), most=_SHOWN),
        "key": Spec("folder", str(level)).key,
    }
    return [Problem("groups.numbered_classes", "", "error" if sure and not by_user else "warning", values)]


def without_numbers(index: Index, groups: Sequence[str | None]) -> Index:
    """The Index with the words alone as classes, where the groups that were asked for are the numbered classes.

    Example:
        >>> from pathlib import Path
        >>> from lamelle.types import ClassNames, Record, Source
        >>> paths = [Path("/d", f"{c}_{p}", "1.png") for c, p in (("ill", 1), ("ill", 2), ("well", 3))]
        >>> names = [p.parent.name for p in paths]
        >>> pairs = zip(paths, names)
        >>> records = tuple(Record(str(p), Source(p), ClassNames((n,)), stratum=n) for p, n in pairs)
        >>> index = without_numbers(Index(Path("/d"), "any", records), names)
        >>> index.classes, [(r.names, r.stratum) for r in index.records][0], index.problems[0].code
        (('ill', 'well'), (('ill',), 'ill'), 'groups.numbers_left_out')
    """
    labels = _labels(index)
    words = parted(set(labels)) if list(groups) == labels else {}
    if not words:
        return index
    records = tuple(
        replace(r, target=ClassNames((words[label],)), stratum=words[label] if r.stratum == label else r.stratum)
        for r, label in zip(index.records, labels, strict=True)
    )
    values = {"n": len(words), "classes": names_of(sorted({*words.values()}, key=natural), most=_SHOWN)}
    note = Problem("groups.numbers_left_out", "", "note", values)
    kept = [p for p in index.problems if p.code != "layouts.lone_sample" or p.where not in words]
    return replace(index, records=records, classes=class_names(records), problems=(*kept, note))


def _labels(index: Index) -> list[str]:
    """The class of each record that has one."""
    return [r.names[0] if len(r.names) == 1 else "" for r in index.records]
