"""Columns that say which image trains, chooses or judges: splits or folds, found by their names and by their cells."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lamelle.data.column_words import names_label, plain
from lamelle.data.groups.attribute_words import KINDS, MEASURES
from lamelle.data.groups.words import column_words
from lamelle.data.layouts.split_words import (
    loosely,
    mapping_shown,
    mentions_split,
    opposed,
    partly,
    split_called,
    splits_of,
)
from lamelle.errors import printable, setting
from lamelle.types import Problem

SPLIT_WORDS = (
    "split", "splits", "fold", "folds", "kfold", "cv", "partition", "subset", "set", "dataset", "phase", "usage", "pli",
    "plis", "jeu", "ensemble", "repartition", "decoupage", "cohort", "cohorte", "kohorte",
)  # fmt: skip
"""Words of a column that may say which image trains, chooses or judges; its cells decide."""
_FOLD_WORDS = ("split", "splits", "fold", "folds", "kfold", "cv", "partition", "pli", "plis")
"""Those of a column that may say so by numbers."""
_BESIDE = (
    "data", "donnees", "de", "des", "du", "name", "nom", "id", "no", "number", "train", "test", "val", "k", "cross",
    "validation", "sous", "image", "images", "the", "of",
)  # fmt: skip
"""Words that may stand beside them."""
_MARKS = frozenset(
    ("is", "in", "set", "split", "holdout", "est", "ist", "es", "flag", "dataset", "used", "for", "utilise", "pour")
)
"""Words of a column that is surely about one split: ``is_test``; a column ``test`` may be of another test."""
_YES = ("1", "1.0", "true", "yes", "y", "oui", "ja", "si", "vrai", "wahr", "tak", "sim", "x", "✓", "✔", "t")
_NO = ("0", "0.0", "false", "no", "n", "non", "nein", "faux", "falsch", "f", "nee", "nie", "nao")
_SIGNS_OF_NO = ("", "-", "–")
"""What says no where nothing else does: ``x`` in some cells of ``test``, and nothing in the others."""
_PLACES = frozenset(
    ("site", "center", "centre", "hospital", "hopital", "klinik", "clinic", "source", "origin", "origine", "herkunft",
     "institution", "database")
)  # fmt: skip
"""Words of columns of which the cells ``internal`` and ``external`` may be of splits."""
_SCORES = frozenset(("loss", "accuracy", "acc", "auc", "error", "result", "results", "resultat", "ergebnis", "name"))
"""Words beside one of a split with which a column states what came out."""
_RESULTS = re.compile(r"\W*(?:pos|neg|(?:ab?)?normal)\w*\W*|[-+?]", re.IGNORECASE)
"""Results of a test, which is no split."""
_ALWAYS_FOLDS = ("fold", "folds", "kfold", "cv", "pli", "plis")
"""Those whose numbers are of folds, of whatever sizes."""
_MIN_FOLDS, _SHOWN = 3, 6
_ALIKE = 1.5
"""How many times the smallest fold the largest one is at most: 80, 10 and 10 % are training, validation and test."""
_MAX_CELLS = 12
"""Different cells up to which a column of whatever name may hold splits."""


@dataclass(frozen=True, slots=True)
class SplitColumns:
    """Which columns say the split, and how."""

    split: str | None = None
    splits: Mapping[str, str] = field(default_factory=dict)
    """Cell of the column ``split`` → split."""
    fold: str | None = None
    folds: Mapping[str, int] = field(default_factory=dict)
    """Cell of the column ``fold`` → number of the fold, from 0."""
    problems: tuple[Problem, ...] = ()


def split_columns(cells: Mapping[str, Sequence[str]], *, named: str | None = None, table: str = "") -> SplitColumns:
    """The column of splits, or of folds, and what is said of them; one that may be of splits is never passed over.

    A column is taken that is called after splits or folds and holds some, that holds splits and nothing else whatever
    its name, or that is alone in answering ``is_test`` by yes and no: what is not tested on, trains.

    Args:
        cells: Column → its cell in each row; without the columns of images and of classes.
        named: The column that the user named.
        table: The name of the file, for what is said.

    Example:
        >>> split_columns({"Aufteilung": ["Training", "Test"], "age": ["40", "50"]}).splits
        {'Training': 'train', 'Test': 'test'}
        >>> split_columns({"is_test": ["0", "1", "0"]}).splits
        {'0': 'train', '1': 'test'}
    """
    called = [c for c in cells if _may_split(c)]
    split_like = [named] if named else [*called, *(c for c in cells if c not in called and _holds_splits(c, cells[c]))]
    split = next((c for c in split_like if c == named or _is_split(c, cells[c])), None)
    folds: dict[str, int] = {}
    fold = (
        None
        if split and split != named
        else next((c for c in split_like if (folds := _folds(c, cells[c], named))), None)
    )
    split = None if fold else split
    splits = _splits(cells[split], named=split == named) if split else {}
    flags = {} if named else {c: problems for c in cells if c not in (split, fold) and (problems := _flag(c, cells[c]))}
    if not split and not fold and len(flags) == 1 and _MARKS.intersection(column_words(next(iter(flags)))):
        split = next(iter(flags))
    splits = (split and _flag(split, cells[split])) or splits
    taken = {"column": split, "splits": mapping_shown(splits)}
    problems = [Problem("layouts.split_taken", table, "note", taken)] if split and not named else []
    if fold:
        values = {"column": fold, "n": len(set(folds.values())), "first": min(folds, key=lambda c: folds[c])}
        problems.append(Problem("layouts.fold_taken", table, "note", values))
    rest = [c for c in split_like if c not in (split, fold, *flags) and 1 < len({*cells[c]}) < len(cells[c])]
    alone = not named and not split and not fold
    maybe = {c: split_like for c in cells if alone and c not in flags and (split_like := _probable(c, cells[c]))}
    rest += [c for c in cells if alone and c not in (*rest, *flags) and _named_only(c, cells[c])]
    problems += [_unused(c, cells[c], table) for c in rest if c not in maybe and not _vague(c, cells[c])]
    problems += [_maybe(c, splits, table) for c, splits in maybe.items()]
    problems += _flags_unused([c for c in flags if c != split], table, alone=not split and not fold)
    return SplitColumns(split, splits, fold, folds, tuple(problems))


def says_split(column: str, cells: Sequence[str]) -> bool:
    """Whether a column answers by yes and no if an image is in one split: ``is_test``.

    Example:
        >>> says_split("is_val", ["0", "1"]), says_split("edema", ["0", "1"])
        (True, False)
    """
    return bool(_flag(column, cells))


def _flag(column: str, cells: Sequence[str]) -> dict[str, str]:
    """Cell → split of a column that is called after one split and answers by yes and no; else nothing."""
    words = column_words(column)
    of = split_called(" ".join(w for w in words if w not in _MARKS)) or _trained(words)
    lower = {c: c.casefold() for c in cells}
    no = _NO if any(c in _NO for c in lower.values()) else _SIGNS_OF_NO
    if of is None or not {*lower.values()} <= {*_YES, *no} or len({c in _YES for c in lower.values()}) < 2:
        return {}
    return {c: of if low in _YES else "test" if of == "train" else "train" for c, low in lower.items()}


def _trained(words: Sequence[str]) -> str | None:
    """The split that one word of a column says among any others; a test may be any other test."""
    splits = {split for w in words if (split := split_called(w))}
    return splits.pop() if len(splits) == 1 and "test" not in splits else None


def _flags_unused(flags: Sequence[str], table: str, *, alone: bool) -> list[Problem]:
    """A note of columns that may tell one split each, with what to do if they do."""
    if not flags:
        return []
    values = {"column": printable(", ".join(flags)), "key": setting("data.split", flags[0])}
    return [
        Problem("layouts.split_flag" if alone and len(flags) == 1 else "layouts.split_flags", table, "note", values)
    ]


def _splits(cells: Sequence[str], *, named: bool = False) -> dict[str, str]:
    """Cell → split; of a column that the user named also where the word stands among others."""
    different = dict.fromkeys(c for c in cells if c.strip())
    splits = splits_of(different, external=True)
    return loosely(different) or opposed(different) or splits if named and len(splits) < len(different) else splits


def _holds_splits(column: str, cells: Sequence[str]) -> bool:
    """Whether all cells of a column of whatever name are splits, of two or more, so that some train."""
    different = dict.fromkeys(cells)
    if len(different) > _MAX_CELLS or names_label(column):
        return False
    splits = splits_of(different, external=True)
    return len(splits) == len(different) and len(set(splits.values())) > 1 and "train" in splits.values()


def _probable(column: str, cells: Sequence[str]) -> dict[str, str]:
    """Cell → split of a column of whatever name whose cells all have the word of a split among others.

    So do ``retrospective`` and ``prospective``, and in a column of sets or places ``internal`` and ``external``.
    """
    different = dict.fromkeys(cells)
    if len(different) > _MAX_CELLS or names_label(column):
        return {}
    if splits := loosely(different):
        return splits
    splits, words = opposed(different), column_words(column)
    return splits if not any("ntern" in c for c in splits) or _PLACES.union(SPLIT_WORDS).intersection(words) else {}


def _named_only(column: str, cells: Sequence[str]) -> bool:
    """Whether a column has the word of a split in its name or in some of its cells, and may be about something else."""
    different = [c for c in dict.fromkeys(cells) if c.strip()]
    if not 1 < len(different) <= _MAX_CELLS or len(different) == len(cells) or names_label(column):
        return False
    if partly(different):
        return True
    answers = all(_RESULTS.fullmatch(c) or c.casefold() in (*_YES, *_NO) for c in different)
    counted = all(re.fullmatch(r"[-+]?\d+(?:[.,/:-]\d+)*", c) for c in different)
    facts = (KINDS | MEASURES | _SCORES) - {"split", "fold", "partition"}
    return mentions_split(column) and not answers and not counted and facts.isdisjoint(column_words(column))


def _unused(column: str, cells: Sequence[str], table: str) -> Problem:
    """A note of a column that is called after splits, and holds something else."""
    if _numbered(cells, _FOLD_WORDS, column):
        counts = Counter(cells)
        shares = ", ".join(f"{c}: {counts[c]}" for c in sorted(counts))
        values = {"column": column, "values": printable(shares), "key": setting("data.split", column)}
        return Problem("layouts.split_numbers", table, "note", values)
    return Problem("layouts.split_unused", table, "note", {"column": column, "values": _shown(cells)})


def _maybe(column: str, splits: Mapping[str, str], table: str) -> Problem:
    """A note of a column that may say the split, with the key that takes it, and as what."""
    values = {
        "column": printable(column),
        "splits": printable(mapping_shown(splits)),
        "key": setting("data.split", column),
    }
    return Problem("layouts.split_maybe", table, "note", values)


def _may_split(column: str) -> bool:
    words = column_words(column)
    return any(w in SPLIT_WORDS for w in words) and all(
        w in SPLIT_WORDS or w in _BESIDE or w.isdecimal() for w in words
    )


def _vague(column: str, cells: Sequence[str]) -> bool:
    """Whether a column that holds no splits is likely to be about something else."""
    called = any(w in (*_FOLD_WORDS, "set", "subset", "jeu", "ensemble") for w in column_words(column))
    return not called and not _splits(cells) and not _named_only(column, cells)


def _is_split(column: str, cells: Sequence[str]) -> bool:
    """Whether the cells are splits; in a column that is called ``split`` all but numbers is meant as one."""
    if plain(column) == "split":
        return not all(re.search("[0-9]", c) for c in cells)
    splits = _splits(cells)
    return bool(cells) and all(c in splits for c in cells)


def _folds(column: str, cells: Sequence[str], named: str | None) -> dict[str, int]:
    """Cell → number of the fold, from 0, where the cells count three folds or more from 0 or 1; else nothing.

    A column that is not called after folds has to part the rows about evenly; one that the user named need not.

    Example:
        >>> _folds("fold", ["1", "2", "3", "2"], None), _folds("fold", ["a", "b", "c"], None)
        ({'1': 0, '2': 1, '3': 2}, {})
        >>> _folds("partition", ["0"] * 8 + ["1", "2"], None)
        {}
    """
    folds = _numbered(cells, (*_FOLD_WORDS, *column_words(column)) if column == named else _FOLD_WORDS, column)
    counts = Counter(cells).values()
    even = bool(folds) and max(counts) <= _ALIKE * min(counts)
    surely = column == named or any(t in _ALWAYS_FOLDS for t in column_words(column))
    return folds if surely or even or len(cells) < 2 * len(folds) else {}


def _numbered(cells: Sequence[str], words: Sequence[str], column: str) -> dict[str, int]:
    """Cell → its number, from 0, where a column called by one of some words counts from 0 or 1 to 2 or more."""
    if not any(t in words for t in column_words(column)):
        return {}
    numbers = {c: re.fullmatch(r"(?:[a-z]+[\s_-]*)?([0-9]+)(?:\.0)?", c.casefold()) for c in cells}
    number_of = {c: int(m[1]) for c, m in numbers.items() if m}
    first = min(number_of.values(), default=0)
    whole = sorted({*number_of.values()}) == list(range(first, first + len({*number_of.values()})))
    good = (
        len(number_of) == len(numbers)
        and whole
        and first in (0, 1)
        and _MIN_FOLDS <= len({*number_of.values()}) < len(cells)
    )
    return {c: k - first for c, k in sorted(number_of.items(), key=lambda item: item[1])} if good else {}


def _shown(cells: Sequence[str]) -> str:
    """The first different cells."""
    different = list(dict.fromkeys(cells))
    return ", ".join(different[:_SHOWN]) + (" …" if len(different) > _SHOWN else "")
