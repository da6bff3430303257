"""The page of ``lamelle check``: what is in a folder, what is wrong with it, and how to mend it."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

from lamelle.io import atomic
from lamelle.messages import labelled, text
from lamelle.pictures.encode import EncodedPicture
from lamelle.registry import Registry
from lamelle.reports import dataset, figures, splits
from lamelle.reports.blocks import (
    Block,
    Card,
    Cards,
    Cell,
    Column,
    Facts,
    Gallery,
    Heading,
    Notice,
    Notices,
    Pairs,
    Paragraph,
    Plot,
    ShownPicture,
    SideBySide,
    TableBlock,
    numeric,
)
from lamelle.reports.html import DrawnPage, number, percent, render, whole
from lamelle.reports.pictures import uri_of
from lamelle.reports.scores import split_name
from lamelle.reports.sections import Section, drawn
from lamelle.results.audit import ImageMeasures, ImagePair
from lamelle.runs.checked_folder import CheckedFolder

_VALUES, _ROWS = 6, 12
_ANGLE, _PART = 1.0, 0.95  # degrees and parts of an image that are worth a word
_SHORTCUT = "audit.class_equals_"


def write_check(path: Path, checked: CheckedFolder) -> Path:
    """Write a self-contained page about a folder.

    Args:
        path: The page.
        found: What was seen in the folder.

    Returns:
        Path of the page.

    Raises:
        FileError: If the page cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, page(checked))
    return path


def page(checked: CheckedFolder) -> str:
    """The page as text; the same for the same folder."""
    name = checked.index.root.name
    return render(
        DrawnPage(
            title=text("report.check_title", name=name),
            kicker=text("report.check_kicker"),
            heading=name,
            tags=[tag for tag in (checked.task, checked.index.layout) if tag],
            sections=drawn(SECTIONS, checked),
        )
    )


def _verdict(checked: CheckedFolder) -> list[Block]:
    """Whether it is ready, how many problems of each severity there are, and a few large numbers."""
    n = Counter(p.severity for p in checked.audit.problems)
    kind = "error" if n["error"] else "warning" if n["warning"] else "good"
    counts = text("report.counts", errors=n["error"], warnings=n["warning"], notes=n["note"])
    return [Notices([Notice(counts, kind, strong=text(f"report.verdict_{kind}"))]), Cards(_cards(checked))]


def _cards(checked: CheckedFolder) -> list[Card]:
    statistics, classes = checked.audit.statistics, checked.audit.totals.get("classes") or {}
    readable = text("report.readable", n=whole(len(checked.audit.rows)))
    cards = [Card(text("report.images"), whole(len(checked.index.records)), [readable])]
    if classes:
        smallest = text("report.smallest_class", n=whole(min(classes.values())))
        cards.append(Card(text("report.classes"), whole(len(classes)), [smallest]))
    elif statistics.labels:
        cards.append(Card(text("report.label_values"), whole(len(statistics.labels)), ()))
    size = "×".join(map(str, statistics.size_median)) or "–"
    groups = whole(statistics.groups) if statistics.groups else "–"
    about = [] if statistics.groups else [text("report.no_groups")]
    return [
        *cards,
        Card(text("report.median_size"), size, [text("report.in_pixels")]),
        Card(text("report.groups"), groups, about),
    ]


def _problems(checked: CheckedFolder) -> list[Block]:
    boxes = dataset.problem_boxes(checked.audit.problems, least="note")
    return [Paragraph(text("report.problems_caption"), "muted"), *boxes] if boxes else []


def _shortcuts(checked: CheckedFolder) -> list[Block]:
    """How often each class has each format, size … that goes with it."""
    names = [p.code.removeprefix(_SHORTCUT) for p in checked.audit.problems if p.code.startswith(_SHORTCUT)]
    classes = {r.id: r.names[0] for r in checked.index.records if len(r.names) == 1}
    blocks: list[Block] = []
    for name in names:
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for row in checked.audit.rows:
            if row.id in classes:
                counts[classes[row.id]][_property(row, name)] += 1
        columns = [v for v, _ in sum(counts.values(), Counter()).most_common(_VALUES)]
        rows = [[label, *(_share(n[v], n.total()) for v in columns)] for label, n in sorted(counts.items())]
        title = text(f"report.property_{name}")
        blocks += [Heading(title), TableBlock([text("report.class"), *columns], rows, label=title, look="matrix")]
    return [Paragraph(text("report.shortcuts_caption"), "muted"), *blocks] if blocks else []


def _share(n: int, of: int) -> Cell:
    return Cell(whole(n), small=(percent(n / of),), shade=n / of)


def _property(row: ImageMeasures, name: str) -> str:
    if name == "format":
        return row.format
    if name == "size":
        return " × ".join(map(str, row.size))
    if name == "dtype":
        return f"{row.dtype}/{row.bits}" if row.bits else row.dtype
    if name == "spacing":
        return " × ".join(f"{s:g}" for s in row.spacing) if row.spacing else "?"
    return "RGB" if row.coloured else "R=G=B" if row.channels == 3 else f"C={row.channels}"


def _copies(checked: CheckedFolder) -> list[Block]:
    """The first pairs of copies side by side, and how each second one differs."""
    if not checked.copies:
        return []
    pairs = []
    for one in checked.copies:
        names = (one.pair.first, one.pair.second)
        alts = [text("report.alt_image", name=name) for name in names]
        first, second = map(_picture, one.pictures, alts, names, one.labels)
        pairs.append((_likeness(one.pair), first, second))
    caption = text("report.copies_caption", n=len(checked.audit.pairs), shown=len(pairs))
    return [Paragraph(caption, "muted"), Pairs(pairs)]


def _picture(one: EncodedPicture, alt: str, name: str, label: str) -> ShownPicture:
    return ShownPicture(uri_of(one.content, lossy=one.lossy), alt, name, label, coarse=one.coarse)


def _likeness(pair: ImagePair) -> str:
    """How the second of two copies differs from the first."""
    if pair.kind == "exact":
        return text("report.pair_exact")
    differences = [text("report.pair_mirrored")] if pair.mirrored else []
    if abs(pair.angle) >= _ANGLE:
        differences.append(text("report.pair_turned", angle=number(pair.angle, 0)))
    if pair.inverted:
        differences.append(text("report.pair_inverted"))
    for name, part in (("cropped", pair.of_first), ("wider", pair.of_second)):
        if part < _PART:
            differences.append(text(f"report.pair_{name}", part=f"{100 * part:.0f}"))
    sentence = text("report.pair_near", r=number(pair.correlation, 2))
    return labelled(sentence, ", ".join(differences)) if differences else sentence


def _contents(checked: CheckedFolder) -> list[Block]:
    """Files, classes, label values, groups, and what was passed over."""
    audit, totals = checked.audit, checked.audit.totals
    parts = {split_name(k): n for k, n in totals.get("splits", {}).items()}
    counts = [
        *dataset.counted(totals.get("classes", {}), text("report.class"), "classes_caption"),
        *dataset.label_values(audit, None, ()),
        *dataset.counted(parts, text("report.split"), "given_splits"),
    ]
    blocks: list[Block] = [SideBySide([[dataset.facts(audit, layout=checked.index.layout)], counts])]
    if sizes := sorted(totals.get("groups", {}).values()):
        values = {"n": len(sizes), "low": sizes[0], "median": sizes[len(sizes) // 2], "high": sizes[-1]}
        blocks.append(Paragraph(text("report.group_sizes", **values), "small"))
    if skipped := [(reason, whole(n)) for reason, n in checked.index.skipped.items()]:
        blocks.append(Facts(skipped, text("report.skipped")))
    return blocks


def _outlook(checked: CheckedFolder) -> list[Block]:
    """The split that a training would make."""
    planned = checked.outlook
    if not planned.records:
        return []
    columns, rows = splits.outlook(planned)
    heads: list[Column | str] = [text("report.split"), *numeric(*columns)]
    smallest = splits.smallest_class(planned)
    return [
        Paragraph(text("report.outlook_by", by=text(f"verbs.by_{planned.by}"))),
        TableBlock(heads, [[name, *values] for name, values in rows], text("report.outlook_caption")),
        *([Paragraph(smallest, "small")] if smallest else []),
    ]


def _pixels(checked: CheckedFolder) -> list[Block]:
    """Grey levels of the channels, and the mean of each image by folder or class."""
    rows = checked.audit.rows
    if not rows:
        return []
    strata = {r.id: r.stratum or "" for r in checked.index.records}
    means: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        means[strata.get(row.id, "")].append(sum(row.mean) / len(row.mean))
    names = sorted(means, key=lambda s: -len(means[s]))[:_ROWS]
    several = len(names) > 1
    legend = [(f"{i + 1}: {name}", *figures.legend(i, dash=0)) for i, name in enumerate(names)] if several else []
    title, caption = text("report.brightness"), text("report.brightness_caption") if several else ""
    svg = figures.brightness([means[name] for name in names]) if len(rows) > 1 else ""
    plot = [Heading(title), Plot(svg, title, caption, legend, "w80")] if svg else []
    return [dataset.pixels(checked.audit), *plot]


def _previews(checked: CheckedFolder) -> list[Block]:
    """Some of the images."""
    shown = []
    for record, picture in checked.previews:
        label = ", ".join(record.names) or (record.stratum or "")
        alt = text(f"report.alt_{'label' if label else 'image'}", name=record.id, label=label)
        shown.append(_picture(picture, alt, record.id, label))
    return [Gallery(shown)] if shown else []


SECTIONS: Registry[Section[CheckedFolder]] = Registry(
    "check_section",
    Section("verdict", "Verdict", _verdict, plain=True),
    Section("problems", "Problems", _problems),
    Section("shortcuts", "Possible shortcuts", _shortcuts),
    Section("copies", "Copies", _copies),
    Section("contents", "Contents", _contents),
    Section("outlook", "The split of a training", _outlook),
    Section("pixels", "Pixel values", _pixels),
    Section("previews", "Images", _previews),
)
"""The sections of the page, in its order."""
