"""What a data set holds and what is wrong with it, as tables for a page."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lamelle.errors import kinds
from lamelle.messages import text
from lamelle.reports import figures
from lamelle.reports.html import percent, short, whole
from lamelle.results.audit import Audit
from lamelle.runs.splitting import Outlook
from lamelle.types import SPLITS, Problem, Record, Severity

SHOWN = 40
"""Rows of a table; the number of the others is said."""
PLACES = 2000
"""Places listed of one problem; the number of the others is said."""
_LISTED, _CLASSES = 6, 10
Row = list[str]


@dataclass(frozen=True, slots=True)
class ProblemGroup:
    """Everything that is wrong in one way."""

    code: str
    severity: str
    count: int
    sentence: str
    """What all places have in common; empty if each has its own."""
    places: list[tuple[str, str]]
    """Place, and what is wrong there unless all have it in common."""
    more: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a table with bars."""

    name: str
    values: list[str]
    share: float
    """Length of the bar, 0 to 1."""
    colour: str = ""
    """Colour of its swatch, if it has one."""


def problem_groups(problems: Sequence[Problem], *, least: Severity) -> list[ProblemGroup]:
    """Problems by code, errors first.

    Args:
        least: Least severity that is shown.
    """
    found = []
    for members in kinds(problems, least=least):
        said = [text(p.code, **p.values) for p in members]
        common = _capital(said[0]) if len(set(said)) == 1 else ""
        places = [(p.where, "" if common else s) for p, s in zip(members, said, strict=True) if p.where or not common]
        shown = places[:PLACES]
        more = len(places) - len(shown)
        found.append(ProblemGroup(members[0].code, members[0].severity, len(members), common, shown, more))
    return found


def _capital(said: str) -> str:
    """A sentence with a capital, unless it begins with the name of a key."""
    return said[:1].upper() + said[1:] if said.partition(" ")[0].isalpha() else said


def facts(audit: Audit, *, layout: str | None) -> list[tuple[str, str]]:
    """What the files are like: label and value."""
    statistics = audit.statistics
    rows = [(text("report.images"), whole(statistics.records))]
    if layout:
        rows.append((text("report.layout"), layout))
    if statistics.groups:
        rows.append((text("report.groups"), whole(statistics.groups)))
    for name in ("sizes", "channels", "dtypes", "formats"):
        if counts := audit.totals.get(name):
            rows.append((text(f"report.{name}"), _listed(counts)))
    if statistics.spacings:
        sizes = {" × ".join(short(s) for s in spacing) + " µm": n for spacing, n in statistics.spacings}
        rows.append((text("report.spacing"), _listed(sizes)))
    else:
        rows.append((text("report.spacing"), text("report.unknown")))
    if statistics.objects:
        low, median, high = statistics.objects
        rows.append((text("report.objects"), text("report.from_to", low=low, median=short(median), high=high)))
    rows.append((text("report.decoded"), f"{whole(max(1, round(statistics.bytes / 2**20)))} MiB"))
    return rows


def _listed(counts: Mapping[str, int]) -> str:
    shown = ", ".join(f"{name} ({whole(n)})" if len(counts) > 1 else name for name, n in list(counts.items())[:_LISTED])
    return f"{shown} … (+{len(counts) - _LISTED})" if len(counts) > _LISTED else shown


def pixels(audit: Audit) -> list[Row]:
    """Pixel statistics: one row a channel."""
    s = audit.statistics
    return [
        [str(c), short(low), short(mean), short(std), short(high)]
        for c, (low, mean, std, high) in enumerate(zip(s.low, s.mean, s.std, s.high, strict=True))
    ]


def value_range(audit: Audit) -> str:
    """Smallest and largest pixel value."""
    return f"{short(audit.statistics.minimum)} … {short(audit.statistics.maximum)}"


def counted(counts: Mapping[str, int]) -> list[Bar]:
    """A bar for each name, with count and share."""
    total, most = sum(counts.values()) or 1, max(counts.values(), default=1)
    return [Bar(name, [whole(n), percent(n / total)], n / most) for name, n in counts.items()]


def label_values(audit: Audit, described: Mapping[str, Any] | None) -> list[Bar]:
    """Label values with their class if it is known, pixels, share, and number of images.

    Args:
        described: ``classes``, ``mapping`` and ``ignore`` of the trained task, if there is one.
    """
    from lamelle.pictures.overlay import colour

    labels, images = audit.statistics.labels, audit.statistics.label_images
    total = sum(labels.values()) or 1
    mapping = {int(k): int(v) for k, v in described["mapping"]} if described else {}
    rows = []
    for value, n in sorted(labels.items(), key=lambda v: -v[1])[:SHOWN]:
        index = mapping.get(value)
        known = described is not None and index is not None and 0 <= index < len(described["classes"])
        name = described["classes"][index] if described and known and index is not None else ""
        if described and not known:
            name = text("report.ignored")
        coloured = described is not None and known and len(described["classes"]) > 2 and index is not None
        swatch = "#{:02x}{:02x}{:02x}".format(*colour(index)) if coloured and index is not None else ""
        values = [*([name] if described else []), whole(n), percent(n / total), whole(images.get(value, 0))]
        rows.append(Bar(str(value), values, n / max(labels.values()), swatch))
    return rows


def outlook(planned: Outlook) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Names of the columns, and for each split that a training would make its images, share, groups and classes.

    Of a class the images that hold it are counted, and in brackets the groups; the rarest classes come first.
    """
    counts = _images_of_classes(planned)
    named = sorted(counts, key=lambda name: (counts[name], name))[:_CLASSES]
    grouped = any(r.group for r in planned.records)
    columns = [text("report.images"), text("report.share"), *([text("report.groups")] if grouped else []), *named]
    table = []
    for split in (*SPLITS, *sorted({r.split or "" for r in planned.records} - set(SPLITS))):
        members = [r for r in planned.records if r.split == split]
        if members:
            values = [whole(len(members)), percent(len(members) / len(planned.records))]
            values += [_groups(members)] if grouped else []
            holding = [[r for r in members if name in planned.classes.get(r.id, ())] for name in named]
            values += [whole(len(some)) + (f" ({_groups(some)})" if grouped else "") for some in holding]
            table.append((split_name(split), values))
    return columns, table


def _groups(records: Sequence[Record]) -> str:
    return whole(len({r.group for r in records if r.group}))


def _images_of_classes(planned: Outlook) -> Counter[str]:
    return Counter(name for r in planned.records for name in planned.classes.get(r.id, ()))


def smallest_class(planned: Outlook) -> str:
    """The class with the fewest images, how many there are, and how many of them test; empty if all images hold all."""
    counts = _images_of_classes(planned)
    name = min(counts, key=lambda c: (counts[c], c), default="")
    if len(counts) < 2 or counts[name] == len(planned.records):
        return ""
    testing = [r for r in planned.records if r.split == "test" and name in planned.classes.get(r.id, ())]
    said = {"name": name, "n": whole(counts[name]), "test": whole(len(testing))}
    if any(r.group for r in testing):
        return text("report.smallest_of_groups", groups=_groups(testing), **said)
    return text("report.smallest_of_images", **said)


def splits(records: Sequence[Record], *, strata: bool) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Names of the columns, and for each split its records, share, groups and records of each class.

    Args:
        strata: Count the records of each class, or of each folder.
    """
    if all(_span(r) for r in records):  # volumes cut into blocks: slices say how much is where
        return _splits_of_slices(records)
    counted = Counter(r.stratum for r in records if strata and r.stratum)
    named = [s for s, _ in counted.most_common(10)]
    grouped = any(r.group for r in records)
    columns = [text("report.images"), text("report.share")] + ([text("report.groups")] if grouped else []) + named
    names = [*SPLITS, *sorted({r.split or "" for r in records} - set(SPLITS))]
    table = []
    for name in names:
        members = [r for r in records if r.split == name]
        if not members:
            continue
        values = [whole(len(members)), percent(len(members) / len(records))]
        if grouped:
            values.append(whole(len({r.group for r in members if r.group})))
        values += [whole(sum(r.stratum == s for r in members)) for s in named]
        table.append((name, values))
    return columns, table


def _splits_of_slices(records: Sequence[Record]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """The same, of blocks of slices: sub-volumes, their slices and the share of these."""
    depth = Counter[str]()
    for row in records:
        depth[row.split or ""] += len(_span(row))
    blocks = Counter(row.split or "" for row in records)
    names = [n for n in (*SPLITS, *sorted(set(depth) - set(SPLITS))) if n in depth]
    columns = [text("report.blocks"), text("report.slices_column"), text("report.share")]
    total = sum(depth.values())
    return columns, [(n, [whole(blocks[n]), whole(depth[n]), percent(depth[n] / total)]) for n in names]


def _span(record: Record) -> range:
    """The slices of a record that is a sub-volume; none for any other."""
    return range(*record.image.span) if record.image.span else range(0)


def split_name(name: str) -> str:
    """A split's name for people."""
    known = (*SPLITS, "gap")
    return text(f"report.split_{name}") if name in known else name


def strips(records: Sequence[Record], most: int) -> list[tuple[str, str]]:
    """Name of each volume that is split by blocks, and its slices as a figure; the first volumes only."""
    volumes: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in records:
        for position in [row.position] if row.position is not None else _span(row):
            volumes[row.id.rpartition("#")[0]][position].add(row.split or "")
    found = []
    for name, positions in volumes.items():
        if len(positions) < 2 or any(len(s) > 1 for s in positions.values()):
            continue
        runs: list[tuple[int, int, int]] = []
        for position in sorted(positions):
            split = next(iter(positions[position]))
            which = SPLITS.index(split) if split in SPLITS else -1
            if runs and runs[-1][2] == which and runs[-1][1] == position - 1:
                runs[-1] = (runs[-1][0], position, which)
            else:
                runs.append((position, position, which))
        found.append((name, figures.strip(runs, first=min(positions), last=max(positions))))
    return found[:most]
