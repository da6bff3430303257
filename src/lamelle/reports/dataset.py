"""What a data set holds, how it is split, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lamelle.errors import kinds
from lamelle.messages import text
from lamelle.pictures.overlay import colour
from lamelle.reports import classes
from lamelle.reports.blocks import (
    Block,
    Box,
    Cell,
    Facts,
    Heading,
    Paragraph,
    SideBySide,
    Strip,
    Strips,
    Swatches,
    TableBlock,
    numeric,
)
from lamelle.reports.html import percent, short, whole
from lamelle.reports.pictures import views
from lamelle.reports.scores import split_name
from lamelle.results.audit import Audit
from lamelle.runs.bundle import RunBundle
from lamelle.types import SPLITS, ClassNames, Problem, Record, Severity

SHOWN = 40
"""Rows of a table; the number of the others is said."""
PLACES = 2000
"""Places listed of one problem; the number of the others is said."""
_LISTED = 6
_MIN_NAMED = 3


def draw(bundle: RunBundle) -> list[Block]:
    """Files, classes and grey levels; images beside their masks, or of each class."""
    audit = bundle.audit
    if audit is None:
        return []
    named, colours = names_classes(bundle.records), class_colours(bundle)
    counts = [] if named else counted(audit.totals.get("classes", {}), text("report.class"), "classes_caption")
    values = label_values(audit, bundle.label_classes, bundle.classes)
    layout = bundle.plan.index.layout if bundle.plan else None
    blocks: list[Block] = [SideBySide([[facts(audit, layout=layout)], [*counts, *values, pixels(audit)]])]
    blocks += classes.draw(bundle, audit) if named else []
    pairs = [(split_name(name), _pairs(bundle, name)) for name in SPLITS]
    if any(some for _, some in pairs):
        blocks += [Heading(text("report.previews_masks")), *([Swatches(colours)] if colours and not named else [])]
        for name, some in pairs:
            blocks += [Heading(name, 4), Strips(some)] if some else []
    return [*blocks, *(classes.previews(bundle) if named else [])]


def names_classes(records: Sequence[Record]) -> bool:
    """Whether names say the classes of the images, not pixels."""
    return any(isinstance(record.target, ClassNames) for record in records)


def class_colours(bundle: RunBundle) -> list[tuple[str, str]]:
    """The colours of classes in masks; none where there are so few that nobody has to be told."""
    names = bundle.classes if bundle.plan else ()
    return [(name, css(colour(i))) for i, name in enumerate(names)] if len(names) >= _MIN_NAMED else []


def css(rgb: tuple[int, int, int]) -> str:
    """A colour as style sheets write it."""
    return "#{:02x}{:02x}{:02x}".format(*rgb)


def _pairs(bundle: RunBundle, name: str) -> list[Strip]:
    """Of one split some images beside their masks, from each folder in it."""
    some = [one for one in bundle.pictures.data.masks if one.split == name]
    return [Strip(views(bundle, {"image": o.image, "mask": o.mask}, name=o.id), o.folder) for o in some]


def warnings(bundle: RunBundle) -> list[Block]:
    """What is wrong with the data, and what its splits share although they should not."""
    problems = [*bundle.leaks(), *(bundle.audit.problems if bundle.audit else ())]
    boxes = problem_boxes(problems, least="warning")
    return [Paragraph(text("report.warnings_caption"), "muted"), *boxes] if boxes else []


def problem_boxes(problems: Sequence[Problem], *, least: Severity) -> list[Box]:
    """Problems by code, errors first.

    Args:
        least: Least severity that is shown.
    """
    boxes = []
    for members in kinds(problems, least=least):
        sentences = [text(p.code, **p.values) for p in members]
        common = _capital(sentences[0]) if len(set(sentences)) == 1 else ""
        places = [
            (p.where, "" if common else s) for p, s in zip(members, sentences, strict=True) if p.where or not common
        ]
        more, first = len(places) - PLACES, members[0]
        boxes.append(
            Box(
                text("report.found_times", n=len(members)),
                first.severity,
                badge=text(f"report.severity_{first.severity}"),
                code=first.code,
                lines=[common] if common else (),
                places=places[:PLACES],
                more=text("report.more_places", n=more) if more > 0 else "",
            )
        )
    return boxes


def _capital(words: str) -> str:
    """A sentence with a capital, unless it begins with the name of a key."""
    return words[:1].upper() + words[1:] if words.partition(" ")[0].isalpha() else words


def facts(audit: Audit, *, layout: str | None) -> Facts:
    """What the files are like."""
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
    return Facts(rows, text("report.facts_caption"))


def _listed(counts: Mapping[str, int]) -> str:
    shown = ", ".join(f"{name} ({whole(n)})" if len(counts) > 1 else name for name, n in list(counts.items())[:_LISTED])
    return f"{shown} … (+{len(counts) - _LISTED})" if len(counts) > _LISTED else shown


def pixels(audit: Audit) -> TableBlock:
    """Pixel statistics: one row a channel."""
    s = audit.statistics
    rows = [
        [str(c), short(low), short(mean), short(std), short(high)]
        for c, (low, mean, std, high) in enumerate(zip(s.low, s.mean, s.std, s.high, strict=True))
    ]
    first, last = (text("report.percentile", n=n) for n in (1, 99))
    columns = [text("report.channel"), *numeric(first, text("report.mean"), text("report.std"), last)]
    caption = text("report.pixels_caption", range=f"{short(s.minimum)} … {short(s.maximum)}")
    return TableBlock(columns, rows, caption, caption)


def counted(counts: Mapping[str, int], first: str, caption: str) -> list[Block]:
    """A table with a bar for each name, count and share; nothing where nothing was counted.

    Args:
        first: Head of the first column.
        caption: The entry of its sentence.
    """
    total, most = sum(counts.values()) or 1, max(counts.values(), default=1)
    rows = [[name, whole(n), percent(n / total), Cell(bar=n / most)] for name, n in list(counts.items())[:SHOWN]]
    words = text(f"report.{caption}")
    columns = [first, *numeric(text("report.images"), text("report.share")), ""]
    return [TableBlock(columns, rows, words, words, look="bars")] if rows else []


def label_values(audit: Audit, meaning: Mapping[int, int] | None, names: Sequence[str]) -> list[Block]:
    """Label values with their class if it is known, pixels, share, and number of images; nothing if there are none.

    Args:
        meaning: Label value → number of its class, if there is a model that knows.
        names: Of the classes.
    """
    labels, images = audit.statistics.labels, audit.statistics.label_images
    total, rows = sum(labels.values()) or 1, []
    for value, n in sorted(labels.items(), key=lambda v: -v[1])[:SHOWN]:
        k = None if meaning is None else meaning.get(value)
        name = [] if meaning is None else [text("report.ignored") if k is None else names[k]]
        swatch = css(colour(k)) if k is not None and len(names) >= _MIN_NAMED else ""
        numbers = [Cell(v, "n") for v in (whole(n), percent(n / total), whole(images.get(value, 0)))]
        rows.append([Cell(str(value), head=True, swatch=swatch), *name, *numbers, Cell(bar=n / max(labels.values()))])
    words = text("report.labels_caption")
    columns = [text("report.label_value"), *([] if meaning is None else [text("report.class")]),
               *numeric(text("report.pixels"), text("report.share"), text("report.images")), ""]  # fmt: skip
    return [TableBlock(columns, rows, words, words, look="bars")] if rows else []
