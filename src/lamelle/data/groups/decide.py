"""The one place that decides what a group is: asked for, or said by a column, a header, a folder, file names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from lamelle.data.column_words import plain
from lamelle.data.groups import names, spec
from lamelle.data.groups.candidate import Candidate
from lamelle.data.groups.class_numbers import numbered_classes, without_numbers
from lamelle.data.groups.headers import by_header, no_patient
from lamelle.data.groups.id_columns import id_columns
from lamelle.data.groups.missing_cells import known_only
from lamelle.data.groups.name_ends import counts_from_one
from lamelle.data.groups.spec import NONE, Spec
from lamelle.data.groups.spellings import one_spelling
from lamelle.data.groups.words import folder_rank, maybe_group, mentions_group, rank_of
from lamelle.data.layouts.pairing import names_of
from lamelle.data.tables import POSITION_COLUMNS, is_blank
from lamelle.types import SPLITS, Index, Problem, Record

_OF_SPLIT = ("groups.taken_", "layouts.split_", "layouts.fold_", "plan.gap")
"""How the codes begin that say which group is in use, what a column says of the split, and what no split uses."""
_SHOWN = 3
_PERSON = 1
"""Rank up to which two groups are groups too: two patients are not enough for three splits, and that is said."""
_COUNTED = 3
"""Rank from which things are counted anew in each of what holds them: the eyes, slides, visits of a patient."""
_FOLDERS = 3
"""Folders in each class from which they are rather patients than kinds."""
_RISING = 0.6
"""Share of the images with a higher number than the one before, from which slices are counted in each volume."""
_LAST = 99
_DECIMAL = re.compile(r"[-+]?\d*[.,]\d+(?:[eE][-+]?\d{1,2})?")
"""A number with a fraction; ``78e41602`` is a hash."""
_NO_OR_YES = {"0", "1"}
"""Cells that are rather an answer than two patients."""


def grouped(index: Index, requested: str | None) -> Index:
    """The Index with the group of each record, and what is said about it among its problems.

    What is sure is taken and said: a column, folder or name with a word for a patient, an animal, a slide and the
    like; the header of a DICOM file. What is probable is named, with the key that takes it.

    Args:
        requested: The value of ``data.group``; None = find out, ``none`` = only what is one volume belongs together.

    Raises:
        RequestError: If what was asked for is not there.

    Example:
        >>> from lamelle.types import ClassNames, Source
        >>> root = Path("/data")
        >>> paths = [root / f"patient {p}/{k}.png" for p in range(3) for k in range(2)]
        >>> records = tuple(Record(p.name, Source(p), ClassNames(("x",))) for p in paths)
        >>> index = grouped(Index(root, "class_folders", records), None)
        >>> index.records[0].group, [(p.code, p.values["key"]) for p in index.problems]
        ('patient 0', [('groups.taken_folder', 'data.group=folder:1')])
    """
    records = index.records
    if not records:
        return index
    if requested is not None and requested != NONE:
        wanted = spec.resolved(spec.parse(requested), records)
        clean = known_only if wanted.kind == "column" else _blank
        candidate = Candidate(wanted, tuple(clean(spec.values(wanted, records, index.root))), sure=True, rank=0)
        return _taken(_of_classes(index, candidate), candidate)
    if requested is None:
        index = replace(index, problems=(*index.problems, *numbered_classes(index, by_user=False)))
    candidates = list(_candidates(records, index.root)) if requested is None else []
    candidates = [c for c in candidates if not (c.sure and _restarts(c, candidates, records))]
    sure = [c for c in candidates if c.sure and _holds_volumes(c, records)]
    if sure:
        best = sure[0]
        wider = [c for c in candidates if not c.sure and best.rank > _PERSON and _wider(c, best)]
        return _named(_taken(replace(index, problems=(*index.problems, *no_patient(best))), best), wider[:1])
    maybe = [c for c in candidates if not c.sure and _holds_volumes(c, records)]
    return _named(_volumes(index, alone=not maybe), maybe)


def _of_classes(index: Index, candidate: Candidate) -> Index:
    """The Index with classes without the numbers that were asked for as groups; of other numbers it is said."""
    if candidate.spec.kind == "folder" and (without := without_numbers(index, candidate.values)) is not index:
        return without
    return replace(index, problems=(*index.problems, *numbered_classes(index, by_user=True)))


def problems_of_split(problems: Sequence[Problem]) -> list[Problem]:
    """Those that say what belongs together, and what a column says of the split."""
    return [p for p in problems if p.severity == "note" and p.code.startswith(_OF_SPLIT)]


def _taken(index: Index, candidate: Candidate) -> Index:
    """The records with their groups, each in one spelling; a patient's folder is no stratum."""
    values, respelt = one_spelling(candidate.values)
    candidate = replace(candidate, values=values)
    records = tuple(
        replace(r, group=group or r.id, stratum=None if r.stratum and _is_patient(r.stratum, group) else r.stratum)
        for r, group in zip(index.records, candidate.values, strict=True)
    )
    n, blank = len(candidate.groups), sum(v is None for v in candidate.values)
    about = {"n": n, "images": len(records), "value": candidate.spec.value, "key": candidate.spec.key}
    problems = [Problem(f"groups.taken_{candidate.spec.kind}", "", "note", about), *respelt]
    if blank and candidate.spec.kind == "dicom":
        first = names_of([r.id for r, v in zip(records, candidate.values, strict=True) if v is None], most=_SHOWN)
        problems.append(Problem("groups.blank_header", "", "warning", about | {"count": blank, "first": first}))
    elif blank:
        problems.append(_without(candidate, records, blank))
    if (
        candidate.spec.kind == "folder"
        and _is_class(candidate.values, records)
        and all(folder_rank(v) is not None for v in candidate.groups)
    ):
        problems.append(
            Problem("groups.patients_as_classes", "", "error", {"names": names_of(sorted(candidate.groups))})
        )
    return replace(index, records=records, problems=(*index.problems, *problems))


def _without(candidate: Candidate, records: Sequence[Record], count: int) -> Problem:
    """A warning of images of no group; words that are read as such are named."""
    column = candidate.spec.value
    cells = [r.columns.get(column) for r, v in zip(records, candidate.values, strict=True) if v is None]
    words = list(dict.fromkeys(c for c in cells if c is not None and not is_blank(c)))
    values = {"column": column, "count": count, "words": names_of(words, most=_SHOWN)}
    return Problem("groups.blank_words" if words else "groups.blank", "", "warning", values)


def _is_patient(stratum: str, group: str | None) -> bool:
    return stratum == group or folder_rank(stratum) is not None


def _named(index: Index, candidates: Sequence[Candidate]) -> Index:
    """What may be a group, each way of parting the images once."""
    by_values: dict[tuple[str | None, ...], Candidate] = {}
    for one in candidates:
        if not (one.alone and no_patient(one)):
            by_values.setdefault(one.values, one)
    unknown = [p for c in candidates if c.alone for p in no_patient(c)]
    problems = [
        Problem(
            f"groups.maybe_{'folds' if all(map(names.says_fold, c.groups)) else c.spec.kind}",
            "",
            "warning",
            {"value": c.spec.value, "n": len(c.groups), "key": c.spec.key, "first": _example(c, index)},
        )
        for c in by_values.values()
    ]
    return replace(index, problems=(*index.problems, *unknown, *problems))


def _example(candidate: Candidate, index: Index) -> str:
    """Two images of one group, by name."""
    most = Counter(v for v in candidate.values if v).most_common(1)[0][0]
    return ", ".join([r.id for r, v in zip(index.records, candidate.values, strict=True) if v == most][:2])


def _volumes(index: Index, *, alone: bool) -> Index:
    """Slices of three volumes or more: each volume is a group. Slices of nobody knows what are of one volume.

    Unless their numbers restart: then they are of several, nobody knows which, and their numbers say nothing.

    Args:
        alone: Nothing else may tell one volume from another.
    """
    records = index.records
    if any(r.group for r in records) or any(r.position is None for r in records):
        return index
    volumes = {r.columns.get("volume") for r in records}
    if len(volumes) >= len(SPLITS):
        return replace(index, records=tuple(replace(r, group=r.columns.get("volume")) for r in records))
    positions = [r.position or 0 for r in records]
    if volumes == {None} and _slices_restart(positions):
        values = {"n": len(records), "count": len({*positions}), "most": max(Counter(positions).values())}
        notes = Problem("groups.slices_restart", "", "warning", values)
        free = tuple(replace(r, position=None) for r in records)
        return replace(index, records=free, problems=(*index.problems, notes))
    if volumes == {None} and alone:
        name = index.root.resolve().name
        column = next((c for c in records[0].columns if plain(c) in POSITION_COLUMNS), None)
        values = {"column": column, "n": len(records)}
        notes = [Problem("groups.taken_slices", "", "note", values)] if column else []
        records = tuple(replace(r, columns={**r.columns, "volume": name}) for r in records)
        return replace(index, records=records, problems=(*index.problems, *notes))
    return index


def _slices_restart(positions: Sequence[int]) -> bool:
    """Whether numbers of slices rise from image to image and begin anew, most of them several times.

    Those of patches that are drawn from one volume, many from a slice, do not rise.
    """
    several = sum(n for n in Counter(positions).values() if n > 1)
    rising = sum(b > a for a, b in pairwise(positions))
    return 2 * several > len(positions) and rising >= _RISING * (len(positions) - 1)


def _candidates(records: Sequence[Record], root: Path) -> Iterator[Candidate]:
    """Every way to say what belongs together; of the sure ones what goes before comes first."""
    columns = list(_by_column(records))
    yield from sorted((c for c in columns if c.sure), key=lambda c: (c.alone, c.rank))
    headers = list(by_header(records))
    yield from (c for c in headers if c.sure and all(c.values))
    folders = list(_by_folder(records, root))
    yield from sorted((c for c in folders if c.sure), key=lambda c: c.rank)
    yield from sorted(_by_name(records), key=lambda c: c.rank if c.sure else _LAST)
    yield from (c for c in headers if not (c.sure and all(c.values)))
    yield from (c for c in (*columns, *folders) if not c.sure)


def _by_column(records: Sequence[Record]) -> Iterator[Candidate]:
    have = dict.fromkeys(c for r in records for c in r.columns)
    columns = {c: tuple(known_only([r.columns.get(c) for r in records])) for c in have}
    probable = id_columns(columns, [_label(r) for r in records])
    order = {column: place for place, column in enumerate(probable)}
    for column, cells in sorted(columns.items(), key=lambda item: order.get(item[0], -1)):
        rank = rank_of(column)
        named = maybe_group(column) or _are_ids(cells, mentioned=mentions_group(column))
        if rank is None and not named and column not in order:
            continue
        if all(c == r.id.partition("#")[0] for c, r in zip(cells, records, strict=True)):
            continue  # the layout's own word for a volume
        groups = {c for c in cells if c}
        several = len(groups) >= (2 if rank is not None and rank <= _PERSON else len(SPLITS))
        if not several or any(_is_measure(c) for c in groups) or (rank != 0 and _is_class(cells, records)):
            continue
        sure = rank is not None and groups != _NO_OR_YES
        candidate = Candidate(Spec("column", column), cells, sure=sure, rank=rank or 0)
        if candidate.sure or not candidate.alone:
            yield candidate


def _by_folder(records: Sequence[Record], root: Path) -> Iterator[Candidate]:
    """Levels of folders, counted from above or from the image, that are called after patients, or have ids."""
    parts, labels = [spec.folders(r, root) for r in records], [_label(r) for r in records]
    files = len({r.image.path for r in records})
    depth = min(map(len, parts))
    seen: set[tuple[str | None, ...]] = set()
    for level in (*map(str, (*range(1, depth + 1), *range(-1, -depth - 1, -1))), spec.NAMED):
        values = tuple(spec.at_level(p, level) for p in parts)
        groups = {v for v in values if v}
        if values in seen or not all(values) or not 2 <= len(groups) < files:
            continue
        seen.add(values)
        ranks = [rank for v in groups if (rank := folder_rank(v)) is not None]
        candidate = Candidate(Spec("folder", level), values, sure=len(ranks) == len(groups), rank=min(ranks, default=0))
        enough = len(groups) >= len(SPLITS) or (candidate.sure and candidate.rank <= _PERSON)
        called = all(map(names.looks_like_id, groups)) or names.are_people([v or "" for v in values], labels)
        ids = called and not _is_class(values, records)
        inner = ids or (_inside_classes(values, records) and not any(map(_says_else, groups)))
        if enough and (candidate.sure or inner or all(map(names.says_fold, groups))):
            yield candidate


def _inside_classes(values: Sequence[str | None], records: Sequence[Record]) -> bool:
    """Whether folders part the classes that are folders too: some in each, each with several images and in one class.

    A class has folders inside for something, and often for what its images are of: ``ill/MUE/1.png``.
    """
    pairs = Counter((_label(r), v) for v, r in zip(values, records, strict=True))
    classes = Counter(label for label, _ in pairs)
    several = len(classes) > 1 and "" not in classes and min(classes.values()) >= _FOLDERS
    lone = len({v for _, v in pairs}) == len(pairs)
    folders = all(label in r.image.path.parts[:-2] for r in records for label in [_label(r)])
    return several and lone and folders and min(pairs.values()) > 1


def _says_else(folder: str) -> bool:
    """Whether a folder is called after images, a split, a magnification, a day …"""
    return bool(names.split_of(folder) or names.holds(folder) or names.says_kind(folder))


def _by_name(records: Sequence[Record]) -> Iterator[Candidate]:
    first = {r.image.path: r for r in reversed(records)}
    for pattern in names.patterns([spec.file_name(r) for r in first.values()], [_label(r) for r in first.values()]):
        by_pattern = Spec("name", pattern.regex)
        values = tuple(spec.values(by_pattern, records, Path()))
        yield Candidate(by_pattern, values, sure=pattern.sure, rank=pattern.rank)


def _are_ids(cells: Sequence[str | None], *, mentioned: bool) -> bool:
    """Whether a column of whatever name holds ids with a letter, ``R104``; bare numbers may be years or places.

    Args:
        mentioned: A word of its name is one for a group; then numbers of which each stands twice on average are ids.
    """
    ids = {c for c in cells if c}
    lettered = all(any(map(str.isalpha, c)) for c in ids)
    return names.numbered_alike(ids) and (lettered or (mentioned and 2 * len(ids) <= len(cells)))


def _is_measure(cell: str) -> bool:
    """Whether a cell is a measured number, as of a volume in ml."""
    return bool(_DECIMAL.fullmatch(cell.strip())) and not float(cell.replace(",", ".")).is_integer()


def _is_class(values: Sequence[str | None], records: Sequence[Record]) -> bool:
    """Whether groups and classes are one and the same."""
    pairs = {(v, _label(r)) for v, r in zip(values, records, strict=True)}
    return any(label for _, label in pairs) and len(pairs) == len({v for v, _ in pairs}) == len({s for _, s in pairs})


def _label(record: Record) -> str:
    """The class of a record; empty where a label image tells it."""
    return "|".join(record.names)


def _blank(cells: Sequence[str | None]) -> list[str | None]:
    return [None if c is None or is_blank(c) else c for c in cells]


def _holds_volumes(candidate: Candidate, records: Sequence[Record]) -> bool:
    """Whether what the layout says to be one (the slices of a volume) is in one group."""
    pairs = {(r.group, v) for r, v in zip(records, candidate.values, strict=True) if r.group}
    return len(pairs) == len({g for g, _ in pairs})


def _restarts(one: Candidate, others: Sequence[Candidate], records: Sequence[Record]) -> bool:
    """Whether slides, visits … are counted anew in each of what another candidate names: slide 1 of every mouse.

    Then the slides 1 of all mice would be one group, and each mouse would lie in several splits.
    """
    if one.rank < _COUNTED or not counts_from_one(one.groups):
        return False
    above = [
        o for o in others if (o.rank < one.rank if o.sure else o.spec.kind == "name" or not counts_from_one(o.groups))
    ]
    return any(_crosses(one, o) and not _is_class(o.values, records) for o in above if o is not one)


def _crosses(one: Candidate, other: Candidate) -> bool:
    """Whether most groups of either hold images of several groups of the other."""
    pairs = {(a, b) for a, b in zip(one.values, other.values, strict=True) if a and b}
    return all(
        2 * sum(n > 1 for n in Counter(p[i] for p in pairs).values()) > len(c.groups) for i, c in ((0, one), (1, other))
    )


def _wider(one: Candidate, other: Candidate) -> bool:
    """Whether each group of the other lies in one of this, and this has fewer."""
    return len(set(zip(one.values, other.values, strict=True))) == len(other.groups) > len(one.groups)
