"""What images, and their label images, say about the size of their pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from lamelle.errors import FileError
from lamelle.results.audit import ImageMeasures
from lamelle.types import Problem, Record, Source, Spacing

_SAME = 0.01
"""Relative difference up to which two pixel sizes are one, written with fewer digits."""


def spacing_problems(rows: Sequence[ImageMeasures], records: Sequence[Record]) -> list[Problem]:
    """Pixel sizes that are missing, that differ, or that an image and its labels contradict.

    Args:
        rows: The records that were measured.
        records: The same records.
    """
    counts = Counter(r.spacing for r in rows if r.spacing is not None)
    missing = [r.id for r in rows if r.spacing is None]
    labelled = _labelled(rows, records)
    files = {(t.path, t.key): t for record in labelled for t in _sources(record)}
    labels = {file: _of_labels(target) for file, target in files.items()}
    problems = _contradicting(rows, labelled, labels)
    if missing and not counts and (of_labels := Counter(s for s in labels.values() if s is not None)):
        spacing, count = of_labels.most_common(1)[0]
        values = {"count": count, "spacing": _shown(spacing)}
        problems.append(Problem("audit.spacing_of_labels", "", "warning", values))
    elif missing and (counts or any(len(r.size) == 3 for r in rows)):
        values = {"count": len(missing), "all": len(rows), "example": missing[0]}
        problems.append(Problem("audit.spacing_missing", "", "warning", values))
    elif missing:
        problems.append(Problem("audit.spacing_unknown", "", "note"))
    finest = {_shown(spacing): n for spacing, n in counts.most_common()}
    if len(finest) > 1:
        listed = ", ".join(f"{spacing} ({n})" for spacing, n in finest.items())
        problems.append(Problem("audit.spacing_differs", "", "warning", {"found": listed}))
    return problems


def _contradicting(
    rows: Sequence[ImageMeasures], records: Sequence[Record], said_by: Mapping[tuple[Path, str | None], Spacing | None]
) -> list[Problem]:
    """One warning for all images whose labels say another pixel size, at the first of them."""
    spacings = {row.id: row.spacing for row in rows}
    by_file: dict[Path, tuple[Record, Spacing, Spacing]] = {}
    for record in records:
        target = _sources(record)[0]
        image, labels = spacings[record.id], said_by[target.path, target.key]
        if image is None or labels is None:
            continue
        if any(abs(a - b) > _SAME * max(a, b) for a, b in zip(image[::-1], labels[::-1], strict=False)):
            by_file.setdefault(record.image.path, (record, image, labels))
    if not by_file:
        return []
    record, image, labels = next(iter(by_file.values()))
    values = {"count": len(by_file), "labels": _shown(labels), "image": _shown(image), "of": record.id}
    return [Problem("audit.spacing_contradicts", str(_sources(record)[0].path), "warning", values)]


def _labelled(rows: Sequence[ImageMeasures], records: Sequence[Record]) -> list[Record]:
    """Records whose label image is one file of its own that could be read, and is asked for more than its values."""
    return [
        record
        for row, record in zip(rows, records, strict=True)
        if row.labels and (sources := _sources(record)) and len(sources) == 1 and sources[0].directions is None
    ]


def _sources(record: Record) -> tuple[Source, ...]:
    return record.labels.sources if record.labels else ()


def _of_labels(target: Source) -> Spacing | None:
    """What the header of the label image says; nothing where it cannot be read."""
    from lamelle.io.images import header

    try:
        return header(target.path, key=target.key).spacing
    except FileError:
        return None


def _shown(spacing: Spacing) -> str:
    return " × ".join(f"{float(f'{s:.3g}'):g}" for s in spacing)
