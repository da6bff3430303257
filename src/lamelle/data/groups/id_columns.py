"""Columns that are of ids, told by their cells and by what else the table says of the same rows, whatever their names.

An id of a patient repeats, its values are many, and what it settles differs from what an age or a hospital settles:
all rows of one id have one sex and one date of birth, those of one age have not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lamelle.data.groups.attribute_words import BIRTH, BODY, KINDS, MEASURES, SEX
from lamelle.data.groups.names import says_kind
from lamelle.data.groups.words import column_words
from lamelle.data.layouts.words import split_of
from lamelle.data.randomness import generator
from lamelle.io.files import is_image_name

Cells = Sequence[str | None]

_MIN_VALUES, _MIN_WORDS, _MAX_SCORE_VALUES = 3, 6, 12
"""Different values of a group at least; of words; up to which numbers may be a score."""
_EACH = 40
"""Images of one value on average up to which words may be people without other evidence."""
_EACH_NUMBER = 15
"""The same for a few small numbers, which may be a score."""
_MAX_WORDS_COMPARED, _SKEW = 20, 6
"""Different words from which their sizes say nothing; how many times the usual one the largest of fewer may be."""
_PAIRS = 12
"""Pairs of rows with one value from which they say something of another column."""
_SOME_SHARED = 0.2
"""Share of the rows whose value stands in several, from which ids that settle something else are of groups."""
_MAX_ROWS_OF_SELDOM = 6
"""Rows of one value at most where most values stand once."""
_LEFT_OUT = 4
"""Numbers of a range that would be left out if they were drawn, from which none left out says that they were not."""
_ROUND = 0.45
"""Share of multiples of 5 from which numbers are rounded, and meet for that."""
_SETTLED, _OPEN = 0.9, 0.5
"""Agreement beyond chance from which a column settles another, and below which it does not."""
_YEARS = 25
"""Years between the first and the last date from which dates are of birth."""
_LONGEST, _WORDS = 80, 3
_STEP = 5
_SHOWN = 3
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
_UNIT = re.compile(
    r"[<>~≈]?\s*\d+(?:[.,]\d+)?\s*(?:%|mm|cm|µm|um|nm|m|kg|g|mg|ml|l|y|yrs?|years?|ans?|j|w|d|kvp?|mas?|x|px|dpi|h|min"
    r"|ms|s|hz|t)",
    re.IGNORECASE,
)
_DATE = re.compile(r"(?:(\d{4})[-./]?\d\d?[-./]?\d\d?|\d\d?[-./]\d\d?[-./](\d{4}|\d\d))(?:[ T]\d\d?:\d\d(?::\d\d)?)?")
_COMPACT = re.compile(r"(?:18|19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_HEX = re.compile(r"[0-9a-f]{6,}", re.IGNORECASE)
_HASH = re.compile(r"[0-9a-f]{8}[0-9a-f-]{8,}", re.IGNORECASE)


@dataclass(frozen=True)
class _Column:
    """The cells of one column, as what they may be."""

    name: str
    cells: Cells

    @cached_property
    def different(self) -> list[str]:
        return sorted({c for c in self.cells if c})

    @cached_property
    def codes(self) -> np.ndarray:
        """A number for each value, -1 for blank: int64 [n]."""
        numbers = {value: i for i, value in enumerate(self.different)}
        return np.array([numbers[c] if c else -1 for c in self.cells], dtype=np.int64)

    @cached_property
    def sizes(self) -> np.ndarray:
        """Rows of each value: int64 [values]."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.different))

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(column_words(self.name))

    @property
    def sparse(self) -> bool:
        """Whether fewer than half of the rows have a value."""
        return 2 * int(self.sizes.sum()) < len(self.cells)

    @property
    def shared(self) -> float:
        """Share of the rows with a value that have one of another row too."""
        n = int(self.sizes.sum())
        return int(self.sizes[self.sizes > 1].sum()) / n if n else 0.0

    @cached_property
    def seldom(self) -> bool:
        """Whether some values stand a few times each, and not by chance, as ids do of patients with one or two images.

        What has letters and digits does not meet by chance. Numbers meet so where they are far apart, or leave out
        fewer than if they were drawn.
        """
        if int(self.sizes.max()) > _MAX_ROWS_OF_SELDOM or int((self.sizes > 1).sum()) < _MIN_VALUES:
            return False
        if not self.numeric:
            return self.form == "id"
        n, span = int(self.sizes.sum()), int(self.numbers[-1] - self.numbers[0]) + 1
        left_out = span * np.exp(-n / span)
        if left_out >= _LEFT_OUT and span - len(self.numbers) <= left_out / 3:
            return True
        low, high = np.quantile(np.repeat(self.numbers, self.sizes_by_number), [0.25, 0.75])
        by_chance = (n / 2) ** 2 / (high - low + 1)
        met = int((self.sizes * (self.sizes - 1)).sum()) / 2
        return met >= _MIN_WORDS and met >= 5 * by_chance and (self.numbers % 5 == 0).mean() <= _ROUND

    @property
    def each(self) -> float:
        """Rows of one value on average."""
        return float(self.sizes.mean())

    @cached_property
    def in_runs(self) -> bool:
        """Whether the rows of each value stand together."""
        codes = self.codes[self.codes >= 0]
        return 1 + int((np.diff(codes) != 0).sum()) <= 1.1 * len(self.different)

    @cached_property
    def form(self) -> str:
        """``id``, ``birth``, ``date``, ``number``, ``word``; empty = certainly no id."""
        return _form(self.different, self.words)

    @property
    def doubt(self) -> int:
        """0 where cells have the form of ids, 1 where people may be called so, 2 where they may be measured."""
        if self.form in ("id", "birth"):
            return 0
        return 1 if self.form == "word" or (self.form == "number" and self.enumerated) else 2

    @property
    def numeric(self) -> bool:
        """Whether all values are whole numbers."""
        return self.form == "number" or (self.form == "id" and all(map(str.isdecimal, self.different)))

    @cached_property
    def numbers(self) -> np.ndarray:
        """Values as whole numbers, sorted: int64 [values]."""
        return np.array(sorted(int(float(v.replace(",", "."))) for v in self.different), dtype=np.int64)

    @property
    def sizes_by_number(self) -> np.ndarray:
        """Rows of each of ``numbers``: int64 [values]."""
        return self.sizes[np.argsort([int(float(v.replace(",", "."))) for v in self.different], kind="stable")]

    @property
    def enumerated(self) -> bool:
        """Whether values count from 0 or 1 with few left out."""
        low, high = int(self.numbers[0]), int(self.numbers[-1])
        return low <= 2 and high - low + 1 <= 1.25 * len(self.numbers)


def id_columns(columns: Mapping[str, Cells], labels: Sequence[str]) -> list[str]:
    """Columns that are probably of ids: the surest first, then what tells most of a patient, then what holds most.

    Args:
        columns: Name → cell of each image; None = blank.
        labels: The class of each image; empty where there is none.

    Example:
        >>> casus, alder = [f"{4000 + i // 4}" for i in range(80)], [f"{40 + i // 4 % 9}" for i in range(80)]
        >>> id_columns({"Casus": casus, "Alder": alder}, ["a", "b"] * 40)
        ['Casus']
    """
    all_columns = [_Column(name, cells) for name, cells in columns.items()]
    others = [c for c in all_columns if len(c.different) > 1 and not c.sparse]
    classes = _Column("", [label or None for label in labels])
    able = [c for c in all_columns if _may_be_id(c) and not _same(c, classes)]
    evidence = {c.name: _evidence(c, others) for c in able}
    ids = [c for c in able if _is_id(c, *evidence[c.name])]
    ids = [c for c in ids if not any(_is_of(c, o, evidence[c.name][0]) for o in ids if o is not c)]
    ids.sort(key=lambda c: (c.doubt, -evidence[c.name][0], len(c.different)))
    kept: list[_Column] = []
    for c in ids:
        if not any(_same(k, c) or (k.doubt < c.doubt and _alike(k, c)) for k in kept):
            kept.append(c)
    return [c.name for c in kept[:_SHOWN]]


def _may_be_id(column: _Column) -> bool:
    """Whether cells repeat, are of some form that ids have, and the name says nothing else."""
    cells = column.different
    if column.words & (KINDS | MEASURES) and not column.words & BIRTH and not _are_hashes(cells):
        return False
    if len(cells) < _MIN_VALUES or not column.form or all(map(split_of, cells)):
        return False
    alike = column.form == "id" or len({re.sub("[0-9]+", "#", v) for v in cells}) == 1
    if column.sparse and not (alike and all(map(_has_both, cells))):
        return False
    if column.shared < (_OPEN if column.sparse else _SOME_SHARED) and not column.seldom:
        return False
    return not (column.numeric and _counts_up(column)) and not (column.form == "number" and _in_steps(column))


def _form(cells: Sequence[str], words: frozenset[str]) -> str:
    if any(len(v) > _LONGEST or "|" in v or ";" in v or is_image_name(v) for v in cells):
        return ""
    if all(_DATE.fullmatch(v) and (not v.isdecimal() or _COMPACT.fullmatch(v)) for v in cells):
        return "birth" if words & BIRTH or _span(cells) >= _YEARS else "date"
    if words & BIRTH:
        return ""
    if all(map(_NUMBER.fullmatch, cells)):
        if any(v[0] in "+-" or not float(v.replace(",", ".")).is_integer() for v in cells):
            return ""
        digits = [v.partition(".")[0].partition(",")[0] for v in cells]
        padded = any(v[0] == "0" and len(v) > 1 for v in digits) and len({*map(len, digits)}) == 1
        return "id" if padded or min(map(len, digits)) > 4 else "number"
    if all(map(_UNIT.fullmatch, cells)):
        return ""
    if all(map(says_kind, cells)) or sum(len(v.split()) for v in cells) > _WORDS * len(cells):
        return ""
    if _are_hashes(cells):
        return "id"
    numbered = sum(sum(map(str.isdecimal, v)) >= 3 or bool(_HASH.fullmatch(v)) for v in cells)
    return "id" if numbered >= 0.9 * len(cells) else "word"


def _has_both(value: str) -> bool:
    """Whether a cell has letters and digits."""
    return any(map(str.isalpha, value)) and any(map(str.isdecimal, value))


def _are_hashes(cells: Sequence[str]) -> bool:
    """Whether cells are hexadecimal numbers of one length, most with letters."""
    return (
        len({*map(len, cells)}) == 1 and all(map(_HEX.fullmatch, cells)) and 2 * sum(map(_has_both, cells)) > len(cells)
    )


def _span(dates: Sequence[str]) -> int:
    """Years from the first to the last date."""
    texts = [next(g for g in m.groups() if g) for d in dates if (m := _DATE.fullmatch(d))]
    years = [int(y) for y in texts if len(y) == 4]
    return max(years) - min(years) if years else 0


def _counts_up(column: _Column) -> bool:
    """Whether the numbers count the rows of something again and again, as slices do: 1, 2, 3, 1, 2 …"""
    steps = np.diff([int(float(c.replace(",", "."))) for c in column.cells if c])
    return bool((steps == 1).mean() > _OPEN and (steps < 0).sum() > 1)


def _in_steps(column: _Column) -> bool:
    """Whether numbers are multiples of a step, as places of tiles are."""
    return len(column.numbers) > _MIN_WORDS and np.gcd.reduce(np.diff(column.numbers)) >= _STEP


def _settles(one: _Column, other: _Column) -> float:
    """How far rows with one value of a column agree in another: 0 as any two rows do, 1 always; nan = too few pairs.

    This is Cohen's kappa over pairs of rows (Cohen 1960, doi:10.1177/001316446002000104).
    """
    both = (one.codes >= 0) & (other.codes >= 0)
    a, b = one.codes[both], other.codes[both]
    drawn = np.argsort(generator("ids").random(len(a)))  # neighbours in a table may be of one patient
    order = drawn[np.argsort(a[drawn], kind="stable")]
    pairs = a[order][1:] == a[order][:-1]
    if pairs.sum() < _PAIRS:
        return np.nan
    chance = float(((np.bincount(b) / len(b)) ** 2).sum())
    agree = float((b[order][1:] == b[order][:-1])[pairs].mean())
    return (agree - chance) / (1 - chance) if chance < 1 else np.nan


def _evidence(column: _Column, others: Sequence[_Column]) -> tuple[int, bool]:
    """How many other columns a column settles that do not settle it, and whether it is of more than one person."""
    settled, torn = 0, False
    for other in others:
        if other is column or other.words & {"z", "slice"}:
            continue
        kappa = _settles(column, other)
        if other.words & SEX and len(other.different) <= _MIN_VALUES:
            torn |= kappa < _OPEN
        elif other.words & BODY:
            torn |= kappa < 0.1
        settled += kappa >= _SETTLED and _settles(other, column) < _SETTLED
    return settled, torn


def _is_id(column: _Column, settled: int, torn: bool) -> bool:
    """Whether a column is of ids, by its form and by what it settles."""
    n = len(column.different)
    few = column.shared < _OPEN and not column.seldom
    if torn or (few and (not settled or column.form in ("number", "date"))):
        return False
    if column.form in ("id", "birth"):
        return n >= _MIN_WORDS or settled > 0 or column.in_runs
    if column.form == "date":
        return settled > 1
    if column.form == "number":
        return (n >= _MIN_WORDS or settled > 1) and (
            n > _MAX_SCORE_VALUES or column.each <= _EACH_NUMBER or column.in_runs or settled > 1
        )
    skew = column.sizes.max() / np.median(column.sizes)
    alike = n > _MAX_WORDS_COMPARED or skew <= (_SKEW if column.each <= _EACH_NUMBER else _SKEW / 2)
    return n >= _MIN_WORDS and alike and (column.each <= _EACH or settled > 1)


def _is_of(column: _Column, better: _Column, settled: int) -> bool:
    """Whether a column only states something of each value of another one: the age, the town, the number of a visit."""
    if column.numeric and _restarts(column, better):
        return True
    if column.form == "id" or len(column.different) > len(better.different) or _settles(better, column) < _SETTLED:
        return False
    if column.form == "number":
        return not settled and int(column.numbers[-1]) < 1000 and not column.enumerated
    return column.form in ("word", "date") and 4 * len(column.different) < len(better.different)


def _restarts(column: _Column, better: _Column) -> bool:
    """Whether numbers count the rows of each value of another column anew."""
    pairs = set(zip(column.codes.tolist(), better.codes.tolist(), strict=True))
    return (
        column.enumerated and len(pairs) == len(column.codes) and len(column.different) <= int(better.sizes.max()) + 1
    )


def _alike(one: _Column, other: _Column) -> bool:
    """Whether two columns part the rows about alike, as ids and surnames do."""
    return _settles(one, other) >= _SETTLED and _settles(other, one) >= _SETTLED


def _same(one: _Column, other: _Column) -> bool:
    """Whether two columns part the rows alike."""
    pairs = set(zip(one.codes.tolist(), other.codes.tolist(), strict=True))
    return len(pairs) == len(one.different) == len(other.different)
