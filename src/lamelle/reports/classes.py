"""What each class of a classifier's data looks like: counts, sizes, grey levels and some of its images."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean, median

from lamelle.messages import text
from lamelle.reports import figures
from lamelle.reports.blocks import Block, Cell, Gallery, Heading, Paragraph, Plot, ShownPicture, TableBlock, numeric
from lamelle.reports.html import percent, short, whole
from lamelle.reports.pictures import embedded
from lamelle.reports.scores import split_name
from lamelle.results.audit import Audit, ImageMeasures
from lamelle.runs.bundle import RunBundle
from lamelle.runs.data_pictures import SAMPLED
from lamelle.types import SPLITS, Record

SHOWN = 40
"""Classes that are described; the number of the others is said."""
DRAWN = 8
"""Classes of which lines are drawn: more could not be told apart."""


def draw(bundle: RunBundle, audit: Audit) -> list[Block]:
    """A table of the classes, and the grey levels of the most frequent ones."""
    names, records = bundle.classes, bundle.records
    counts = Counter(name for r in records for name in names_of(r, names))
    most = {name for name, _ in counts.most_common(DRAWN)}
    drawn = [name for name in names if name in most]
    blocks = _table(bundle, audit) if bundle.split_by else []
    levels = bundle.pictures.data.grey_levels
    if levels is not None:
        some = text("report.roc_some", n=len(drawn), all=len(names)) if len(drawn) < len(names) else ""
        caption = f"{text('report.histogram_caption', n=SAMPLED)} {some}"
        legend = [(name, *figures.legend(i)) for i, name in enumerate(levels.shares)]
        svg = figures.histogram(list(levels.edges), [list(s) for s in levels.shares.values()])
        blocks += [Heading(text("report.histogram")), Plot(svg, text("report.histogram_alt"), caption, legend, "w80")]
    if svg := brightness(records, audit, drawn):
        legend = [(f"{i + 1}: {name}", *figures.legend(i, dash=0)) for i, name in enumerate(drawn)]
        title, caption = text("report.brightness"), text("report.brightness_caption")
        blocks += [Heading(title), Plot(svg, title, caption, legend if len(legend) > 1 else (), "w80")]
    return blocks


def _table(bundle: RunBundle, audit: Audit) -> list[Block]:
    rows = table(bundle.records, audit, bundle.classes)
    title, more = text("report.classes"), len(bundle.classes) - SHOWN
    numbers = [text(f"report.{name}") for name in ("sizes", "mean", "std")]
    heads = [text("report.class"), "", *numeric(text("report.images"), text("report.share"), *map(split_name, SPLITS),
             *numbers, *(text("report.percentile", n=n) for n in (1, 99)))]  # fmt: skip
    shown = TableBlock(heads, rows, text("report.described_caption"), title, look="bars tight")
    rest = [Paragraph(text("report.more_classes", n=more), "muted small")] if more > 0 else []
    return [Heading(title), shown, *rest] if rows else []


def names_of(record: Record, classes: Sequence[str]) -> tuple[str, ...]:
    """The classes of a record that are among these."""
    return tuple(name for name in record.names if name in classes)


def table(records: Sequence[Record], audit: Audit, classes: Sequence[str]) -> list[list[Cell | str]]:
    """Every class with its images, in each split too, their sizes and their grey levels in native units.

    Args:
        records: All of the Run, each with its split.
        audit: What a look at every pixel showed.
        classes: Names in order.

    Returns:
        Of each class: name, bar, images and their share, images of each of ``SPLITS``, median size (and the range where
        sizes differ), mean, standard deviation, 1st and 99th percentile as means over the images.
    """
    measured = {row.id: row for row in audit.rows}
    members = {name: [r for r in records if name in r.names] for name in classes}
    most, rows = max((len(some) for some in members.values()), default=0) or 1, list[list[Cell | str]]()
    for name, some in list(members.items())[:SHOWN]:
        seen = [measured[r.id] for r in some if r.id in measured]
        edges = (_average([row.low for row in seen]), _average([row.high for row in seen]))
        counts, share = Counter(r.split for r in some), percent(len(some) / len(records)) if records else "–"
        numbers = [whole(len(some)), share, *(whole(counts[split]) for split in SPLITS)]
        rows.append([name, Cell(bar=len(some) / most), *numbers, _size(seen), *map(short, (*_pooled(seen), *edges))])
    return rows


def _pooled(rows: Sequence[ImageMeasures]) -> tuple[float, float]:
    """Mean and standard deviation over all pixels of the images, each image weighing the same."""
    if not rows:
        return math.nan, math.nan
    mean = _average([r.mean for r in rows])
    square = _average([tuple(m * m + s * s for m, s in zip(r.mean, r.std, strict=True)) for r in rows])
    return mean, math.sqrt(max(square - mean * mean, 0.0))


def _average(each: Sequence[tuple[float, ...]]) -> float:
    """Over channels, then over images."""
    return fmean(fmean(e) for e in each) if each else math.nan


def _size(rows: Sequence[ImageMeasures]) -> str:
    sizes = [row.size for row in rows]
    if not sizes:
        return "–"
    if len(set(sizes)) == 1:
        return "×".join(map(str, sizes[0]))
    if len({len(s) for s in sizes}) > 1:
        return "…"
    edges = list(zip(*sizes, strict=True))

    def written(which: Callable[[tuple[int, ...]], float]) -> str:
        return "×".join(f"{which(edge):.0f}" for edge in edges)

    return f"{written(median)} ({written(min)} … {written(max)})"


def brightness(records: Sequence[Record], audit: Audit, classes: Sequence[str]) -> str:
    """Mean grey level of each image as one box a class, in the order given; empty if nothing was measured."""
    measured = {row.id: _average([row.mean]) for row in audit.rows}
    groups: dict[str, list[float]] = {name: [] for name in classes}
    for record in records:
        for name in names_of(record, classes):
            if name in groups and record.id in measured:
                groups[name].append(measured[record.id])
    return figures.brightness(list(groups.values())) if any(groups.values()) else ""


def previews(bundle: RunBundle) -> list[Block]:
    """Some images of each class, under its name."""
    galleries: dict[str, list[ShownPicture]] = {}
    for one in bundle.pictures.data.classes:
        alt = text("report.alt_label", name=one.id, label=one.label)
        galleries.setdefault(one.name, []).append(
            embedded(bundle, one.image, alt=alt, caption=one.id, detail=one.label)
        )
    blocks: list[Block] = [Heading(text("report.previews_class"))] if galleries else []
    for name, some in galleries.items():
        blocks += [Heading(name, 4), Gallery(some)]
    return blocks
