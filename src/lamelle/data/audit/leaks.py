"""What train, validation and test must not share."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from lamelle.data.audit.duplicates import copies, listed
from lamelle.results.audit import Audit
from lamelle.types import Problem, Record

_COLUMNS = {"slice": ("slice", "z", "plane"), "y": ("y", "row"), "x": ("x", "col", "column")}


def leaks(records: Sequence[Record], audit: Audit) -> tuple[Problem, ...]:
    """Groups, pixels, near copies and overlapping patches that lie in two splits.

    Args:
        records: With their split; records without one are not looked at.
        audit: Of the same records.

    Example:
        >>> from pathlib import Path
        >>> from lamelle.results.audit import DataStatistics
        >>> from lamelle.types import Source
        >>> a, b = (Record(s, Source(Path(s)), ("x",), group="7", split=s) for s in ("train", "test"))
        >>> [p.code for p in leaks([a, b], Audit((), (), (), {}, DataStatistics()))]
        ['audit.group_in_splits']
    """
    records = [r for r in records if r.split is not None]
    return (*torn_groups(records), *_copies(records, audit), *_overlaps(records, audit))


def torn_groups(records: Sequence[Record]) -> list[Problem]:
    """An error for each group that lies in several splits."""
    splits: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        if record.group is not None:
            splits[record.group][str(record.split)] += 1
    return [
        Problem("audit.group_in_splits", "", "error", {"group": group, "splits": _counted(counts)})
        for group, counts in splits.items()
        if len(counts) > 1
    ]


def _copies(records: Sequence[Record], audit: Audit) -> list[Problem]:
    problems = []
    ids = [r.id for r in records]
    exact = copies(audit.pairs, ids, exact=True)
    reported = {i for group in exact for i in group if len({records[j].split for j in group}) > 1}
    for kind, groups in (("pixels", exact), ("near", copies(audit.pairs, ids, exact=False))):
        for group in groups:
            splits = Counter(str(records[i].split) for i in group)
            if len(splits) < 2 or (kind == "near" and set(group) <= reported):
                continue
            others = listed([f"{records[i].id} ({records[i].split})" for i in group[1:]])
            values = {"others": others, "split": records[group[0]].split, "splits": _counted(splits)}
            severity = "error" if kind == "pixels" else "warning"
            problems.append(Problem(f"audit.{kind}_in_splits", records[group[0]].id, severity, values))
    return problems


def _overlaps(records: Sequence[Record], audit: Audit) -> list[Problem]:
    """Patches of one slice, in different splits, whose centres or corners lie closer than a patch is wide."""
    sizes = {row.id: row.size for row in audit.rows}
    slices: dict[tuple[str, str], list[tuple[Record, float, float]]] = defaultdict(list)
    for record in records:
        if (place := _place(record.columns)) is not None and record.id in sizes:
            name, y, x = place
            slices[(record.columns.get("volume", ""), name)].append((record, y, x))
    counts: Counter[tuple[str, str]] = Counter()
    example: dict[tuple[str, str], tuple[str, str]] = {}
    for patches in slices.values():
        corners = np.array([(y, x) for _, y, x in patches])
        extent = np.array([sizes[r.id][-2:] for r, _, _ in patches], np.float64)
        splits = np.array([str(r.split) for r, _, _ in patches])
        for i, (record, _, _) in enumerate(patches):
            near = np.abs(corners[i + 1 :] - corners[i]) < (extent[i + 1 :] + extent[i]) / 2
            for j in np.nonzero(near.all(1) & (splits[i + 1 :] != splits[i]))[0] + i + 1:
                first, second = sorted(((splits[i], record.id), (splits[j], patches[j][0].id)))
                splits_of_pair = (str(first[0]), str(second[0]))
                counts[splits_of_pair] += 1
                example.setdefault(splits_of_pair, (first[1], second[1]))
    return [
        Problem(
            "audit.patches_overlap",
            "",
            "warning",
            {"pairs": n, "first": a, "second": b, "one": example[a, b][0], "other": example[a, b][1]},
        )
        for (a, b), n in counts.items()
    ]


def _place(columns: Mapping[str, str]) -> tuple[str, float, float] | None:
    """Slice, y and x of a patch, where the user's table has them."""
    lower = {name.lower(): value for name, value in columns.items()}
    values = {key: next((lower[n] for n in names if n in lower), None) for key, names in _COLUMNS.items()}
    name, y, x = values["slice"], values["y"], values["x"]
    try:
        return None if name is None or y is None or x is None else (name, float(y), float(x))
    except ValueError:
        return None


def _counted(splits: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {n}" for name, n in sorted(splits.items()))
