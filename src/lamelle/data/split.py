"""Who trains, who chooses, who judges: deterministic splits into train, validation and test.

Records that belong together stay together: those of one group (patient, animal), and those of one block of a volume,
with a guard gap between two blocks. What the data itself says (folders, a column) is kept as it is.
"""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from lamelle.data.changed_files import Content
from lamelle.data.randomness import generator
from lamelle.data.splits.options import Split
from lamelle.errors import RequestError
from lamelle.types import SPLITS, Record

GAP = "gap"
"""What ``split.csv`` says of a record that lies in a guard gap: it is used by no split."""


def assign(records: Sequence[Record], options: Split) -> tuple[tuple[Record, ...], str]:
    """Give every labelled record its split.

    Returns:
        The records, each with ``split`` set (``GAP`` where it is used by none), and how they were split: ``given``,
        ``block``, ``group`` or ``record``.

    Raises:
        RequestError: If a split would stay empty, or positions or groups that were asked for are not known.
    """
    given = {r.split for r in records if r.split}
    if given and not options.by_hand:
        return _complete(records, options), "given"
    by = _unit(records) if options.by == "auto" else options.by
    if options.by_hand:
        names, by = _by_hand(records, options.by_hand), "block"
    elif by == "block":
        names = _by_block(records, options)
    elif by == "group":
        names = _by_group(records, options)
    else:
        names = _by_record(records, options)
    done = tuple(replace(r, split=n) for r, n in zip(records, names, strict=True))
    _none_empty(done, [s for s, share in options.shares.items() if share > 0], by)
    return done, by


def as_fold(records: Sequence[Record], *, fold: int, folds: int) -> tuple[Record, ...]:
    """Records split into numbered folds → fold ``fold`` tests, the next one validates, the others train."""
    names = {str(fold): "test", str((fold + 1) % folds): "validation", GAP: GAP}
    return tuple(replace(r, split=names.get(r.split or "", "train")) for r in records)


def given_folds(records: Sequence[Record]) -> int:
    """How many folds the data itself says; 0 where it says none, or splits.

    Raises:
        RequestError: If some records have a fold and others none.
    """
    folds = [r.fold for r in records if r.fold is not None]
    if not folds or any(r.split for r in records):
        return 0
    if missing := [r.id for r in records if r.fold is None]:
        raise RequestError("split.partly_given", count=len(missing), first=", ".join(missing[:3]))
    return max(folds) + 1


def by_given_folds(records: Sequence[Record], *, fold: int | None, folds: int) -> tuple[Record, ...]:
    """Split by the folds that the data says: one tests, the next one validates, the others train.

    Args:
        fold: The one that tests; None = the first.
        folds: Number of folds that was asked for; 0 = as many as there are.

    Raises:
        RequestError: If another number of folds was asked for, or a fold that is not there.
    """
    have = given_folds(records)
    if folds not in (0, have) or (fold or 0) >= have:
        raise RequestError("split.other_folds", folds=folds, fold=fold or 0, have=have, last=have - 1)
    placed = [replace(r, split=str(r.fold)) for r in records]
    return as_fold(placed, fold=fold or 0, folds=have)


def _unit(records: Sequence[Record]) -> str:
    if len({r.group for r in records if r.group}) >= len(SPLITS):
        return "group"
    if all(r.position is not None for r in records):
        return "block"
    return "group" if all(r.group for r in records) else "record"


def _volume(record: Record) -> str:
    return record.columns.get("volume", "")


def _complete(records: Sequence[Record], options: Split) -> tuple[Record, ...]:
    """Keep the given splits; a missing validation or test set is taken from the training set."""
    if missing := [r.id for r in records if not r.split]:
        raise RequestError("split.partly_given", count=len(missing), first=", ".join(missing[:3]))
    have = {r.split for r in records}
    if "train" not in have or have == {"train"}:
        raise RequestError("split.given_incomplete", have=", ".join(sorted(filter(None, have))))
    missing = [s for s in ("validation", "test") if s not in have and options.shares[s] > 0]
    if not missing:
        return tuple(records)
    training = [replace(r, split=None) for r in records if r.split == "train"]
    shares = {k: options.shares[k] for k in ("train", *missing)}
    again, _ = assign(training, options.but(**{name: shares.get(name, 0.0) for name in SPLITS}))
    renewed = {r.id: r for r in again}
    return tuple(renewed.get(r.id, r) for r in records)


def _quota(n: int, shares: Mapping[str, float], owed: Mapping[str, float] | None = None) -> dict[str, int]:
    """``n`` items in proportion to the shares, by largest remainder.

    Args:
        owed: What rounding has kept from each split in other strata, so that many small strata starve none.
    """
    total = sum(shares.values())
    exact = {k: n * v / total + (owed or {}).get(k, 0.0) for k, v in shares.items()}
    counts = {k: max(0, int(v)) for k, v in exact.items()}
    while sum(counts.values()) > n:
        counts[max((k for k in counts if counts[k]), key=lambda k: counts[k] - exact[k])] -= 1
    while sum(counts.values()) < n:
        counts[min(counts, key=lambda k: counts[k] - exact[k])] += 1
    return counts


def _at_least_one(counts: dict[str, int]) -> dict[str, int]:
    """Every split gets one if there are enough: the largest gives."""
    if sum(counts.values()) >= len(counts):
        for k in (k for k in counts if counts[k] == 0):
            counts[max(counts, key=counts.__getitem__)] -= 1
            counts[k] = 1
    return counts


def _by_block(records: Sequence[Record], options: Split) -> list[str]:
    """Cut the positions of each volume into consecutive blocks with a gap between them."""
    if missing := [r.id for r in records if r.position is None]:
        raise RequestError("split.no_position", count=len(missing), first=", ".join(missing[:3]))
    place: dict[tuple[str, int], str] = {}
    for volume in sorted({_volume(r) for r in records}):
        positions = sorted({r.position for r in records if _volume(r) == volume and r.position is not None})
        used = [s for s, share in options.shares.items() if share > 0]
        free = len(positions) - options.gap * (len(used) - 1)
        if free < len(used):
            raise RequestError(
                "split.too_few_positions", volume=volume, n=len(positions), gap=options.gap, splits=len(used)
            )
        quota, start = _at_least_one(_quota(free, {s: options.shares[s] for s in used})), 0
        for split in used:
            stop = start + quota[split]
            place |= {(volume, p): split for p in positions[start:stop]}
            place |= {(volume, p): GAP for p in positions[stop : stop + options.gap]}
            start = stop + options.gap
    return [place[_volume(r), r.position or 0] for r in records]


def _by_hand(records: Sequence[Record], blocks: Mapping[str, str]) -> list[str]:
    place: dict[int, str] = {}
    for split, spans in blocks.items():
        for span in str(spans).split(","):
            first, _, last = span.strip().partition("-")
            if not first.isdigit() or (last and not last.isdigit()):
                raise RequestError("split.bad_span", split=split, given=span)
            for position in range(int(first), int(last or first) + 1):
                if place.setdefault(position, split) != split:
                    raise RequestError("split.span_twice", position=position, splits=f"{place[position]}, {split}")
    if all(r.position is None for r in records):
        raise RequestError("split.no_position", count=len(records), first=records[0].id)
    return [place.get(-1 if r.position is None else r.position, GAP) for r in records]


def _by_record(records: Sequence[Record], options: Split) -> list[str]:
    """Within each stratum, shuffle and cut."""
    names = [""] * len(records)
    strata: dict[str, list[int]] = defaultdict(list)
    for i, record in enumerate(records):
        strata[record.stratum or ""].append(i)
    shares = {k: v for k, v in options.shares.items() if v > 0}
    owed = dict.fromkeys(shares, 0.0)
    for stratum, members in sorted(strata.items()):
        members.sort(key=lambda i: records[i].id)
        order = generator("split", options.seed, stratum).permutation(len(members))
        counts = _quota(len(members), shares, owed) if len(strata) > 1 else _at_least_one(_quota(len(members), shares))
        for k, share in shares.items():
            owed[k] += len(members) * share / sum(shares.values()) - counts[k]
        cuts = [k for k, n in counts.items() for _ in range(n)]
        for place, name in zip(order, cuts, strict=True):
            names[members[place]] = name
    return names


def _by_group(records: Sequence[Record], options: Split) -> list[str]:
    """Whole groups, largest first, each to the split that then lies nearest to its share of every stratum."""
    if missing := [r.id for r in records if not r.group]:
        raise RequestError("split.no_group", count=len(missing), first=", ".join(missing[:3]))
    strata = sorted({r.stratum or "" for r in records})
    content: dict[str, np.ndarray] = {}
    for r in records:
        content.setdefault(r.group or "", np.zeros(len(strata)))[strata.index(r.stratum or "")] += 1
    if len(content) < len([s for s in options.shares.values() if s > 0]):
        raise RequestError("split.too_few_groups", n=len(content), splits=sum(s > 0 for s in options.shares.values()))
    splits = [s for s, share in options.shares.items() if share > 0]
    share = np.array([options.shares[s] for s in splits]) / sum(options.shares[s] for s in splits)
    total = sum(content.values(), np.zeros(len(strata)))
    aim = share[:, None] * total[None, :]
    draw = generator("split", options.seed, "groups").random(len(content))
    order = sorted(zip(sorted(content), draw, strict=True), key=lambda g: (-content[g[0]].sum(), g[1]))
    have, place, members = np.zeros_like(aim), dict[str, str](), Counter[str]()
    for rank, (group, _) in enumerate(order):
        cost = [
            (((have + content[group] * (np.arange(len(splits)) == k)[:, None] - aim) ** 2) / np.maximum(aim, 1)).sum()
            for k in range(len(splits))
        ]
        empty = [k for k, s in enumerate(splits) if not members[s]]
        must_fill = len(order) - rank <= len(empty)
        best = min(empty if must_fill else range(len(splits)), key=lambda k: cost[k])
        have[best] += content[group]
        place[group] = splits[best]
        members[splits[best]] += 1
    return [place[r.group or ""] for r in records]


def _none_empty(records: Sequence[Record], wanted: Sequence[str], by: str) -> None:
    have = Counter(r.split for r in records)
    if empty := [s for s in wanted if not have[s]]:
        raise RequestError("split.empty", empty=", ".join(empty), n=len(records), by=by)


FIELDS = ("id", "split", "group", "stratum", "position")
HASHES = ("image_sha256", "label_sha256")


def to_csv(records: Sequence[Record], contents: Mapping[str, Content] | None = None) -> str:
    """The split as a table: one row a record.

    Args:
        contents: Content hashes of the records, to be written beside them.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FIELDS if contents is None else (*FIELDS, *HASHES))
    for r in records:
        row = [r.id, r.split, r.group or "", r.stratum or "", "" if r.position is None else r.position]
        writer.writerow(row if contents is None else [*row, contents[r.id].image, contents[r.id].label])
    return out.getvalue()


def of_split(records: Sequence[Record], split: str) -> tuple[Record, ...]:
    """The records of one split."""
    return tuple(r for r in records if r.split == split)
