"""How records are split: the counts of each part, volumes slice by slice, and the split that a training would make."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from lamelle.errors import sentence
from lamelle.messages import text
from lamelle.reports import figures
from lamelle.reports.blocks import Block, Column, Paragraph, Plot, Swatches, TableBlock, numeric
from lamelle.reports.dataset import names_classes
from lamelle.reports.html import percent, whole
from lamelle.reports.scores import split_name
from lamelle.runs.bundle import RunBundle
from lamelle.runs.splitting import Outlook
from lamelle.types import SPLITS, Record

_STRIPS, _CLASSES = 4, 10
_SAID = ("given", "block", "group", "record", "record_plain")


def draw(bundle: RunBundle) -> list[Block]:
    """How the images were split, the counts of each part, and the volumes slice by slice."""
    by = bundle.split_by
    if by == "record" and not any(r.stratum for r in bundle.records):
        by = "record_plain"
    how = [text(f"report.by_{by}") if by in _SAID else by]
    if folds := bundle.recipe.split.folds:
        how.append(text("report.by_fold", folds=folds))
    how += [sentence(p) for p in bundle.split_notes()]
    columns, rows = counts(bundle.records, strata=not names_classes(bundle.records))
    heads: list[Column | str] = [text("report.split"), *numeric(*columns)]
    cells = [[split_name(name), *values] for name, values in rows]
    blocks: list[Block] = [Paragraph(" ".join(how)), TableBlock(heads, cells, caption=text("report.split_caption"))]
    if volumes := strips(bundle.records, _STRIPS):
        colours = [(split_name(name), f"var(--c{i + 1})") for i, name in enumerate(SPLITS)]
        blocks.append(Swatches([*colours, (split_name("gap"), "var(--line)")]))
        blocks += [Plot(svg, text("report.strip_alt", name=name), name) for name, svg in volumes]
    return blocks


def outlook(planned: Outlook) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Names of the columns, and for each split that a training would make its images, share, groups and classes.

    Of a class the images that hold it are counted, and in brackets the groups; the rarest classes come first.
    """
    images = _images_of_classes(planned)
    named = sorted(images, key=lambda name: (images[name], name))[:_CLASSES]
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
    values = {"name": name, "n": whole(counts[name]), "test": whole(len(testing))}
    if any(r.group for r in testing):
        return text("report.smallest_of_groups", groups=_groups(testing), **values)
    return text("report.smallest_of_images", **values)


def counts(records: Sequence[Record], *, strata: bool) -> tuple[list[str], list[tuple[str, list[str]]]]:
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


def strips(records: Sequence[Record], most: int) -> list[tuple[str, str]]:
    """Name of each volume that is split by blocks, and its slices as a figure; the first volumes only."""
    volumes: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in records:
        for position in [row.position] if row.position is not None else _span(row):
            volumes[row.id.rpartition("#")[0]][position].add(row.split or "")
    drawn = []
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
        drawn.append((name, figures.strip(runs, first=min(positions), last=max(positions))))
    return drawn[:most]
