"""The page of ``lamelle check``: what is in a folder, what is wrong with it, and how to mend it."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from lamelle.data.store import Store
from lamelle.io import atomic
from lamelle.messages import labelled, text
from lamelle.reports import describing, figures, pictures
from lamelle.reports.html import number, render, whole
from lamelle.reports.page import severities
from lamelle.results.audit import Audit, ImageMeasures, ImagePair
from lamelle.runs.splitting import Outlook
from lamelle.tasks.table import tasks_for
from lamelle.types import Index

SECTIONS = ("verdict", "problems", "shortcuts", "copies", "contents", "outlook", "pixels", "previews")
"""In the order of the page; a section with nothing to show is left out."""
_PREVIEWS, _PAIRS, _VALUES, _ROWS = 24, 12, 6, 12
_ANGLE, _PART = 1.0, 0.95  # degrees and parts of an image that are worth a word
_SHORTCUT = "audit.class_equals_"
Values = dict[str, Any]


def write_check(path: Path, index: Index, audit: Audit, store: Store, outlook: Outlook) -> Path:
    """Write a self-contained page about a folder.

    Args:
        path: The page.
        index: What was found in the folder.
        audit: What a look at every pixel showed.
        store: For the pictures.
        outlook: The split that a training would make.

    Returns:
        Path of the page.

    Raises:
        FileError: If the page cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, page(index, audit, store, outlook))
    return path


def page(index: Index, audit: Audit, store: Store, outlook: Outlook) -> str:
    """The page as text; the same for the same folder."""
    parts: dict[str, Values] = {
        "verdict": {"verdict": verdict(audit), "cards": _cards(index, audit)},
        "problems": _problems(audit),
        "shortcuts": _shortcuts(index, audit),
        "copies": _copies(index, audit, store),
        "contents": _contents(index, audit),
        "outlook": _outlook(outlook),
        "pixels": _pixels(index, audit),
        "previews": _previews(index, store),
    }
    return render(
        "check.html",
        title=text("report.check_title", name=index.root.name),
        kicker=text("report.check_kicker"),
        heading=index.root.name,
        tags=[*tasks_for(index)[:1], index.layout],
        sections=[(name, text(f"report.section_{name}")) for name in SECTIONS if parts[name]],
        severity=severities(),
        **{name: value for part in parts.values() for name, value in part.items()},
    )


def verdict(audit: Audit) -> tuple[str, str, str]:
    """Kind (``error``, ``warning``, ``good``), verdict in a word, and how many problems of each severity there are."""
    n = Counter(p.severity for p in audit.problems)
    kind = "error" if n["error"] else "warning" if n["warning"] else "good"
    counts = text("report.counts", errors=n["error"], warnings=n["warning"], notes=n["note"])
    return kind, text(f"report.verdict_{kind}"), counts


def _cards(index: Index, audit: Audit) -> list[tuple[str, str, str]]:
    size = "×".join(map(str, audit.statistics.size_median)) or "–"
    classes = audit.totals.get("classes") or {}
    readable = text("report.readable", n=whole(len(audit.rows)))
    cards = [(text("report.images"), whole(len(index.records)), readable)]
    if classes:
        cards.append(
            (text("report.classes"), whole(len(classes)), text("report.smallest_class", n=whole(min(classes.values()))))
        )
    elif audit.statistics.labels:
        cards.append((text("report.label_values"), whole(len(audit.statistics.labels)), ""))
    cards.append((text("report.median_size"), size, text("report.in_pixels")))
    groups = whole(audit.statistics.groups) if audit.statistics.groups else "–"
    about = "" if audit.statistics.groups else text("report.no_groups")
    return [*cards, (text("report.groups"), groups, about)]


def _problems(audit: Audit) -> Values:
    groups = describing.problem_groups(audit.problems, least="note")
    return {"problems": groups} if groups else {}


def _shortcuts(index: Index, audit: Audit) -> Values:
    """How often each class has each format, size … that goes with it."""
    found = [p.code.removeprefix(_SHORTCUT) for p in audit.problems if p.code.startswith(_SHORTCUT)]
    classes = {r.id: r.names[0] for r in index.records if len(r.names) == 1}
    tables = []
    for name in found:
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for row in audit.rows:
            if row.id in classes:
                counts[classes[row.id]][_property(row, name)] += 1
        columns = [v for v, _ in sum(counts.values(), Counter()).most_common(_VALUES)]
        rows = [(label, [(n[v], n[v] / n.total()) for v in columns]) for label, n in sorted(counts.items())]
        tables.append((text(f"report.property_{name}"), columns, rows))
    return {"shortcuts": tables} if tables else {}


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


def _copies(index: Index, audit: Audit, store: Store) -> Values:
    if not audit.pairs:
        return {}
    first = sorted(audit.pairs, key=lambda p: (p.kind != "exact", -p.correlation, p.first, p.second))[:_PAIRS]
    said = [(pair.first, pair.second, _likeness(pair)) for pair in first]
    shown = pictures.pairs(index, said, store)
    caption = text("report.copies_caption", n=len(audit.pairs), shown=len(shown))
    return {"copies": shown, "copies_caption": caption} if shown else {}


def _likeness(pair: ImagePair) -> str:
    """How the second of two copies differs from the first."""
    if pair.kind == "exact":
        return text("report.pair_exact")
    found = [text("report.pair_mirrored")] if pair.mirrored else []
    if abs(pair.angle) >= _ANGLE:
        found.append(text("report.pair_turned", angle=number(pair.angle, 0)))
    if pair.inverted:
        found.append(text("report.pair_inverted"))
    for name, part in (("cropped", pair.of_first), ("wider", pair.of_second)):
        if part < _PART:
            found.append(text(f"report.pair_{name}", part=f"{100 * part:.0f}"))
    sentence = text("report.pair_near", r=number(pair.correlation, 2))
    return labelled(sentence, ", ".join(found)) if found else sentence


def _contents(index: Index, audit: Audit) -> Values:
    totals = audit.totals
    sizes = sorted(totals.get("groups", {}).values())
    groups = ""
    if sizes:
        values = {"n": len(sizes), "low": sizes[0], "median": sizes[len(sizes) // 2], "high": sizes[-1]}
        groups = text("report.group_sizes", **values)
    return {
        "facts": describing.facts(audit, layout=index.layout),
        "classes": describing.counted(totals.get("classes", {}))[: describing.SHOWN],
        "label_values": describing.label_values(audit, None),
        "splits": describing.counted({describing.split_name(k): n for k, n in totals.get("splits", {}).items()}),
        "groups": groups,
        "skipped": [(reason, whole(n)) for reason, n in index.skipped.items()],
    }


def _outlook(planned: Outlook) -> Values:
    if not planned.records:
        return {}
    columns, rows = describing.outlook(planned)
    return {
        "outlook_by": text("report.outlook_by", by=text(f"verbs.by_{planned.by}")),
        "outlook_columns": columns,
        "outlook_rows": rows,
        "outlook_smallest": describing.smallest_class(planned),
    }


def _pixels(index: Index, audit: Audit) -> Values:
    if not audit.rows:
        return {}
    strata = {r.id: r.stratum or "" for r in index.records}
    means: dict[str, list[float]] = defaultdict(list)
    for row in audit.rows:
        means[strata.get(row.id, "")].append(sum(row.mean) / len(row.mean))
    names = sorted(means, key=lambda s: -len(means[s]))[:_ROWS]
    legend = (
        [(f"{i + 1}: {name}", *figures.legend(i, dash=0)) for i, name in enumerate(names)] if len(names) > 1 else []
    )
    return {
        "pixels": describing.pixels(audit),
        "value_range": describing.value_range(audit),
        "brightness": figures.brightness([means[name] for name in names]) if len(audit.rows) > 1 else "",
        "brightness_legend": legend,
    }


def _previews(index: Index, store: Store) -> Values:
    shown = pictures.previews(index.records, store, number=_PREVIEWS)
    return {"previews": shown} if shown else {}
