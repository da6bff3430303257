"""What the names of files say about what belongs together: ``P12_z003.tif``, ``5800_900001.png``, TCGA barcodes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lamelle.data.groups import name_ends
from lamelle.data.groups.words import GROUP_WORDS, TCGA, plain, tokens
from lamelle.data.layouts.words import SPLIT_NAMES, holds, split_of

PLACE_RANK = len(GROUP_WORDS)
"""Rank of what is only known to be one volume or image, of which there are slices or tiles."""
_SIGN = r"[\s_.-]"
_SIGNS = re.compile(r"[\s_.-]+")
_PLACES = (
    "z", "slice", "sl", "coupe", "tile", "tuile", "patch", "imagette", "crop", "frame", "plane", "plan", "page", "x",
    "y", "idx", "fov", "field", "champ", "schnitt", "schicht", "ebene", "kachel", "ausschnitt", "corte", "parche",
    "campo",
)  # fmt: skip
"""Words for a part of one image, before the number of the part."""
_SIDES = (
    "left", "right", "od", "os", "og", "oi", "oe", "gauche", "droit", "droite", "links", "rechts", "izquierdo",
    "izquierda", "derecho", "derecha",
)  # fmt: skip
_SIDE_LETTERS = ("l", "r")
"""Sides that need a sign before them: ``100L`` may be anything."""
_SIDED_RANK = 2
"""Rank of what has two sides: below a person or an animal that is called so, above what has no sides."""
_DATE = re.compile(
    r"(?:19|20)\d\d[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[1-9]|[12]\d|3[01])[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:19|20)\d\d"
)
_TIME = re.compile(r"(?:[01]\d|2[0-3])[-_.h]?[0-5]\d(?:[-_.m]?[0-5]\d)?")
_NO_ID = re.compile(
    r"[0-9]+x[0-9]*|x[0-9]+|(?:ch|channel|canal|c|t|time|day|jour|d|j|week|semaine|stage|stade|grade|level|niveau|fold|v"
    r"|ver|version|class|classe|type|label|run|set|part|split|lot)[0-9]+|[0-9]+(?:x|um|µm|nm|mm|cm|kv|px|h|min|ms|s|dpi)"
)
"""What holds a number and is no patient: 40x, 512x512, ch1, day3, stage2, fold0."""
_MAX_TOKENS = 6
_DIGITS = 3
"""Digits that make an id: ``2`` is a grade, ``1043`` a patient."""
_MIN_FOLDERS = 6
"""Folders numbered alike from which they are rather patients than classes."""


_WELLS = (r"^(.*?r[0-9]{1,2}c[0-9]{1,2})f[0-9]+", r"^(.*?(?<![A-Za-z0-9])[A-P][0-9]{2})F[0-9]+")
"""How microscopes write well and field: ``r01c02f03p01-ch1sk1fk1fl1`` (Opera, Harmony), ``A02F03``."""
_WELL_RANK = PLACE_RANK - 1
_INITIALS, _SURNAME = "[A-ZÀ-Þ]{2,4}", "[A-ZÀ-Þ][a-zß-ÿ]{2,}"
_MIN_NAMES, _MAX_FILES_EACH = 6, 40
"""Different initials or names from which they are rather people than kinds, and files of each at most on average."""


@dataclass(frozen=True, slots=True)
class NamePattern:
    """An expression that finds the group in the name of every file."""

    regex: str
    sure: bool
    rank: int


def patterns(names: Sequence[str], labels: Sequence[str]) -> list[NamePattern]:
    """Expressions that part the files of a folder into groups, surest first.

    Args:
        names: Of the files, with suffix; each once.
        labels: The class, or whatever folder, of each file; a group that is the same thing is none.

    Example:
        >>> [p.regex for p in patterns([f"P{p}_z{z:03d}.tif" for p in range(4) for z in range(5)], [""] * 20) if p.sure]
        ['^(.+?)[\\\\s_.-]+z[\\\\s_.-]?[0-9]+']
        >>> [p.regex for p in patterns([f"{58 + p}_{p * 7 + k}.png" for p in range(4) for k in range(3)], [""] * 12)]
        ['^([0-9]+)_']
        >>> patterns([f"img_{i:04d}.png" for i in range(12)], [""] * 12)
        []
    """
    sure = [p for p in (_barcode(names), *_worded(names), _wells(names), _placed(names), _sided(names)) if p]
    sure = [p for p in sure if _parts(p.regex, names, labels, least=0.0)]
    guess = _guess(names, labels)
    called = next((p for p in _called(names, labels) if _parts(p.regex, names, labels, least=0.5)), None)
    return [*sure, *(p for p in (guess, called) if p)]


def _guess(names: Sequence[str], labels: Sequence[str]) -> NamePattern | None:
    """The beginning that several names share, or where that only counts the images of each: their ends, a letter."""
    stems, noise = _stems(names), _noise(labels)
    starts = (p.regex for p in _prefixes(names, labels))
    start = next((s for s in starts if _parts(s, names, labels, least=0.5)), None)
    ends = [*name_ends.endings(stems, lambda words: _are_ids(words, noise)), *name_ends.letters(stems, labels)]
    ends = [e for e in ends if _parts(e, names, labels, least=0.5)]
    words_of = {regex: _words_of(regex, names) for regex in (*ends, *([start] if start else []))}
    if start is None:
        end = next((e for e in ends if not e.endswith("$") or _alone_are_ids(words_of[e], labels)), None)
    else:
        end = next((e for e in ends if name_ends.rather(words_of[e], words_of[start], labels)), None)
    regex = end or start
    return NamePattern(regex, False, 0) if regex else None


def _alone_are_ids(words: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether ends of names that have no number in front are ids; those of each class anew are of its images."""
    different = set(words)
    anew = len(set(zip(words, labels, strict=True))) == len(words)
    return len(different) >= _MIN_FOLDERS and all(map(looks_like_id, different)) and not anew


def _words_of(regex: str, names: Sequence[str]) -> list[str]:
    """What an expression finds in each name; empty where nothing."""
    pattern = re.compile(regex)
    return [next((g for g in m.groups() if g), "") if (m := pattern.search(n)) else "" for n in names]


def _stems(names: Sequence[str]) -> list[str]:
    """Names without suffix, dates and times."""
    return [_undated(n.partition(".")[0] if n.count(".") == 1 else n.rsplit(".", 1)[0]) for n in names]


def _noise(labels: Sequence[str]) -> set[str]:
    """Words that say a class or a split."""
    return {t for label in labels for t in tokens(label)} | set(SPLIT_NAMES)


def _parts(regex: str, names: Sequence[str], labels: Sequence[str], *, least: float) -> bool:
    """Whether an expression makes groups: more than two, fewer than the files, and other ones than the classes.

    Args:
        least: Share of the files that are not alone in their group.
    """
    words = _words_of(regex, names)
    sizes = Counter(words)
    if "" in sizes or not 3 <= len(sizes) < len(names):
        return False
    if sum(n for n in sizes.values() if n > 1) < least * len(names):
        return False
    pairs = set(zip(words, labels, strict=True))
    return not (len(pairs) == len(sizes) == len(set(labels)))


def _barcode(names: Sequence[str]) -> NamePattern | None:
    return NamePattern(TCGA.pattern, True, 0) if all(TCGA.search(n) for n in names) else None


def _worded(names: Sequence[str]) -> list[NamePattern]:
    """``patient12``, ``Mouse-03``, ``cas_7``: a word for a group, and a number."""
    lower, expressions = [plain(n) for n in names], []
    for rank, words in enumerate(GROUP_WORDS):
        seen = [w for w in words if any(w in n for n in lower)]
        if not seen:
            continue
        any_of = "|".join(sorted(seen, key=len, reverse=True))
        if not "".join(names).isascii():
            any_of = any_of.replace("e", "[eéèê]")
        regex = rf"(?i)(?:^|[^a-z])((?:{any_of}){_SIGN}*(?:(?:no?|nr|id){_SIGN}+)?(?:(?<={_SIGN})[a-z]{{1,3}})?[0-9]+)"
        if all(re.search(regex, n) for n in names):
            expressions.append(NamePattern(regex, True, rank))
    return expressions


def _wells(names: Sequence[str]) -> NamePattern | None:
    return next((NamePattern(w, True, _WELL_RANK) for w in _WELLS if all(re.search(w, n) for n in names)), None)


def _called(names: Sequence[str], labels: Sequence[str]) -> list[NamePattern]:
    """``MUE_01``, ``scan KG 3``, ``Mueller-2``: initials or names of people, at the same place of every name."""
    begins = ["^", *(rf"^(?:[^\s_.-]+{_SIGN}+){{{k}}}" for k in range(1, _MAX_TOKENS))]
    expressions = []
    for regex in (rf"{begin}({form})(?![^\W\d_])" for begin in begins for form in (_INITIALS, _SURNAME)):
        matches = [m[1] for n in names if (m := re.search(regex, n.rpartition(".")[0]))]
        if len(matches) == len(names) and are_people(matches, labels):
            expressions.append(NamePattern(regex, False, 0))
    return expressions


def are_people(words: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether words are initials or names, of each some and of none very many, and say neither a class nor a split.

    Args:
        words: The word of each image.
        labels: The class of each.

    Example:
        >>> initials = ["MUE", "SCH", "BAU", "KLE", "WOL", "NEU"]
        >>> are_people(initials * 4, [""] * 24), are_people(initials * 4, initials * 4), are_people("ab" * 9, [""] * 18)
        (True, False, False)
    """
    different = set(words)
    noise = {t for label in labels for t in tokens(label)}
    alike = any(all(re.fullmatch(form, v) for v in different) for form in (_INITIALS, _SURNAME))
    several = _MIN_NAMES <= len(different) <= len(words) / 1.5 and len(words) <= _MAX_FILES_EACH * len(different)
    return alike and several and not any(split_of(v) or holds(v) or plain(v) in noise for v in different)


def _placed(names: Sequence[str]) -> NamePattern | None:
    """``P12_z003``, ``10253_idx5_x1351_y1101``: what stands before the place of a slice or a tile."""
    stems = [plain(n) for n in names]
    seen = [p for p in _PLACES if any(re.search(rf"{_SIGN}{p}{_SIGN}?[0-9]", s) for s in stems)]
    alternatives = "|".join(seen) if len(seen) < 2 else f"(?:{'|'.join(seen)})"
    small = rf"^(.+?){_SIGN}+{alternatives}{_SIGN}?[0-9]+"
    for regex in (small, f"(?i){small}"):
        if seen and all(re.search(regex, n) for n in names):
            return NamePattern(regex, True, PLACE_RANK)
    return None


def _sided(names: Sequence[str]) -> NamePattern | None:
    """``10_left``, ``10_right``, ``10OD``: two eyes, hands, breasts of one person."""
    for begin, sides in ((rf"[0-9].*?){_SIGN}+", (*_SIDES, *_SIDE_LETTERS)), ("[0-9])", _SIDES)):
        seen = [s for s in sides if any(re.search(rf"(?i)^(.*{begin}{s}(?={_SIGN}|$)", n) for n in names)]
        regex = rf"(?i)^(.*{begin}(?:{'|'.join(seen)})(?={_SIGN}|$)"
        matches = [re.search(regex, n) if seen else None for n in names]
        both = Counter(m[1] for m in matches if m)
        if all(matches) and 2 * sum(n > 1 for n in both.values()) >= len(both):
            return NamePattern(regex, True, _SIDED_RANK)
    return None


def _prefixes(names: Sequence[str], labels: Sequence[str]) -> list[NamePattern]:
    """``5800_900001``, ``img_3_2``: a beginning with a number that several names share; the shortest first."""
    stems = _stems(names)
    split = [[t for t in _SIGNS.split(s) if t] for s in stems]
    least = min(map(len, split), default=0)
    noise = _noise(labels)
    prefixes = []
    for k in range(1, min(least, _MAX_TOKENS)):
        if _are_ids([t[k - 1].casefold() for t in split], noise):
            prefixes.append(NamePattern(_beginning(names, stems, split, k), False, 0))
    if all(re.search(r"[0-9][A-Za-z]$", s) for s in stems) and least == 1:
        prefixes.append(NamePattern(r"^(.*[0-9])[A-Za-z]\.", False, 0))
    return prefixes


def _undated(stem: str) -> str:
    """A stem whose dates and times say nothing: the tokens stay, in letters."""
    bare = _DATE.sub("date", stem)
    return _TIME.sub("time", bare) if bare != stem else stem


def _are_ids(column: Sequence[str], noise: set[str]) -> bool:
    """Whether the word at one place differs between names, and says a number that is no magnification or day."""
    if len(set(column)) == 1:
        return False
    kept = [c for c in column if c not in noise]
    numbered = len(kept) == len(column) and all(any(map(str.isdecimal, c)) for c in kept)
    return numbered and not (any(map(says_kind, kept)) and (len(_letters(kept)) == 1 or all(map(says_kind, kept))))


def _letters(tokens: Sequence[str]) -> set[str]:
    """What tokens hold beside their digits: one thing in ``d1, d2``, and several in ``C19, D20``."""
    return {re.sub("[0-9]+", "#", t) for t in tokens}


def looks_like_id(folder: str) -> bool:
    """Whether a folder's name is a number as patients have, and no date, split, grade, magnification or kind of image.

    Example:
        >>> [looks_like_id(n) for n in ("1043", "LIDC-IDRI-0001", "B7", "2021-03-01", "40x", "Grade 3", "2", "benign")]
        [True, True, True, False, False, False, False, False]
    """
    if split_of(folder) or holds(folder) or _DATE.match(folder) or says_kind(folder):
        return False
    digits = sum(map(str.isdecimal, folder))
    return digits >= _DIGITS or (digits > 0 and folder[0].isalpha())


def numbered_alike(folders: Collection[str]) -> bool:
    """Whether folders differ in a number alone, one as patients have: long, or filled up with zeros to one length.

    Example:
        >>> [numbered_alike([f"{p}{i}" for i in range(101, 110)]) for p in ("P", "", "Grade ")]
        [True, True, False]
        >>> numbered_alike([f"CD{i}" for i in range(10, 21)]), numbered_alike(["G01", "G02", "G03"])
        (False, False)
    """
    forms = {re.sub(r"[0-9]+", "#", name) for name in folders}
    short = {len(name) for name in folders if sum(map(str.isdecimal, name)) < _DIGITS}
    filled = not short or (len({len(n) for n in folders}) == 1 and any(re.search(r"(?<!\d)0\d", n) for n in folders))
    return len(folders) >= _MIN_FOLDERS and len(forms) == 1 and filled and all(map(looks_like_id, folders))


def says_fold(folder: str) -> bool:
    """Whether a folder is called like a fold of a given split.

    Example:
        >>> says_fold("fold_1"), says_fold("Pli 3"), says_fold("folder1"), says_fold("fold")
        (True, True, False, False)
    """
    return re.fullmatch(r"(?:k?fold|pli|cv)[0-9]+", "".join(tokens(folder))) is not None


def says_kind(name: str) -> bool:
    """Whether a name with a number is a magnification, a day, a grade … and no id.

    Example:
        >>> says_kind("40x"), says_kind("Grade 3"), says_kind("A1043")
        (True, True, False)
    """
    return _NO_ID.fullmatch("".join(tokens(name))) is not None


def _beginning(names: Sequence[str], stems: Sequence[str], split: Sequence[Sequence[str]], k: int) -> str:
    """The expression for the first ``k`` tokens, as plain as the names allow."""
    signs = sorted({c for s in stems for c in "".join(_SIGNS.findall(s))})
    no = "[^" + "".join("\\s" if c.isspace() else c for c in sorted(signs, key=lambda c: c == "-")) + "]"
    one = signs[0] if len(signs) == 1 and not signs[0].isspace() and signs[0] != "." else _SIGN
    if k == 1 and all(t[0].isdecimal() and n.startswith(t[0]) for t, n in zip(split, names, strict=True)):
        return f"^([0-9]+){one}"
    rest = "" if k == 1 else f"(?:{one}+{no}+)" if k == 2 else f"(?:{one}+{no}+){{{k - 1}}}"
    return f"^({no}+{rest}){one}"
