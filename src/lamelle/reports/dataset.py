"""What a data set holds, how it is split, and what is wrong with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from lamelle.errors import kinds, sentence
from lamelle.messages import text
from lamelle.pictures.overlay import colour
from lamelle.reports import classes, figures
from lamelle.reports.blocks import (
    Block,
    Box,
    Cell,
    Column,
    Columns,
    Facts,
    Heading,
    Paragraph,
    Plot,
    Strip,
    Strips,
    Swatches,
    Table,
    numeric,
)
from lamelle.reports.html import percent, short, whole
from lamelle.reports.pictures import views
from lamelle.reports.scores import split_name
from lamelle.results.audit import Audit
from lamelle.runs.bundle import RunBundle
from lamelle.runs.splitting import Outlook
from lamelle.types import SPLITS, ClassNames, Problem, Record, Severity

SHOWN = 40
"""Rows of a table; the number of the others is said."""
PLACES = 2000
"""Places listed of one problem; the number of the others is said."""
_LISTED, _CLASSES = 6, 10
_STRIPS, _MANY = 4, 3
_SAID = ("given", "block", "group", "record", "record_plain")
Row = list[str]


def data(bundle: RunBundle) -> list[Block]:
    """Files, classes and grey levels; images beside their masks, or of each class."""
    audit = bundle.audit
    if audit is None:
        return []
    named, colours = names_classes(bundle.records), class_colours(bundle)
    counts = [] if named else counted(audit.totals.get("classes", {}), text("report.class"), "classes_caption")
    values = label_values(audit, bundle.label_classes, bundle.classes)
    layout = bundle.plan.index.layout if bundle.plan else None
    blocks: list[Block] = [Columns([[facts(audit, layout=layout)], [*counts, *values, pixels(audit)]])]
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
    return [(name, css(colour(i))) for i, name in enumerate(names)] if len(names) >= _MANY else []


def css(rgb: tuple[int, int, int]) -> str:
    """A colour as style sheets write it."""
    return "#{:02x}{:02x}{:02x}".format(*rgb)


def _pairs(bundle: RunBundle, name: str) -> list[Strip]:
    """Of one split some images beside their masks, from each folder in it."""
    some = [one for one in bundle.pictures.data.masks if one.split == name]
    return [Strip(views(bundle, {"image": o.image, "mask": o.mask}, name=o.id), o.folder) for o in some]


def split(bundle: RunBundle) -> list[Block]:
    """How the images were split, the counts of each part, and the volumes slice by slice."""
    by = bundle.split_by
    if by == "record" and not any(r.stratum for r in bundle.records):
        by = "record_plain"
    how = [text(f"report.by_{by}") if by in _SAID else by]
    if folds := bundle.recipe.split.folds:
        how.append(text("report.by_fold", folds=folds))
    how += [sentence(p) for p in bundle.split_notes()]
    columns, rows = splits(bundle.records, strata=not names_classes(bundle.records))
    heads: list[Column | str] = [text("report.split"), *numeric(*columns)]
    cells = [[split_name(name), *values] for name, values in rows]
    blocks: list[Block] = [Paragraph(" ".join(how)), Table(heads, cells, caption=text("report.split_caption"))]
    if volumes := strips(bundle.records, _STRIPS):
        colours = [(split_name(name), f"var(--c{i + 1})") for i, name in enumerate(SPLITS)]
        blocks.append(Swatches([*colours, (split_name("gap"), "var(--line)")]))
        blocks += [Plot(svg, text("report.strip_alt", name=name), name) for name, svg in volumes]
    return blocks


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
    found = []
    for members in kinds(problems, least=least):
        said = [text(p.code, **p.values) for p in members]
        common = _capital(said[0]) if len(set(said)) == 1 else ""
        places = [(p.where, "" if common else s) for p, s in zip(members, said, strict=True) if p.where or not common]
        more, first = len(places) - PLACES, members[0]
        found.append(
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
    return found


def _capital(said: str) -> str:
    """A sentence with a capital, unless it begins with the name of a key."""
    return said[:1].upper() + said[1:] if said.partition(" ")[0].isalpha() else said


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


def pixels(audit: Audit) -> Table:
    """Pixel statistics: one row a channel."""
    s = audit.statistics
    rows = [
        [str(c), short(low), short(mean), short(std), short(high)]
        for c, (low, mean, std, high) in enumerate(zip(s.low, s.mean, s.std, s.high, strict=True))
    ]
    first, last = (text("report.percentile", n=n) for n in (1, 99))
    columns = [text("report.channel"), *numeric(first, text("report.mean"), text("report.std"), last)]
    caption = text("report.pixels_caption", range=f"{short(s.minimum)} … {short(s.maximum)}")
    return Table(columns, rows, caption, caption)


def counted(counts: Mapping[str, int], first: str, caption: str) -> list[Block]:
    """A table with a bar for each name, count and share; nothing where nothing was counted.

    Args:
        first: Head of the first column.
        caption: The entry of its sentence.
    """
    total, most = sum(counts.values()) or 1, max(counts.values(), default=1)
    rows = [[name, whole(n), percent(n / total), Cell(bar=n / most)] for name, n in list(counts.items())[:SHOWN]]
    said = text(f"report.{caption}")
    columns = [first, *numeric(text("report.images"), text("report.share")), ""]
    return [Table(columns, rows, said, said, look="bars")] if rows else []


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
        swatch = css(colour(k)) if k is not None and len(names) >= _MANY else ""
        numbers = [Cell(v, "n") for v in (whole(n), percent(n / total), whole(images.get(value, 0)))]
        rows.append([Cell(str(value), head=True, swatch=swatch), *name, *numbers, Cell(bar=n / max(labels.values()))])
    said = text("report.labels_caption")
    columns = [text("report.label_value"), *([] if meaning is None else [text("report.class")]),
               *numeric(text("report.pixels"), text("report.share"), text("report.images")), ""]  # fmt: skip
    return [Table(columns, rows, said, said, look="bars")] if rows else []


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
