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
    known = Counter(r.spacing for r in rows if r.spacing is not None)
    missing = [r.id for r in rows if r.spacing is None]
    labelled = _labelled(rows, records)
    files = {(t.path, t.key): t for record in labelled for t in _sources(record)}
    labels = {file: _of_labels(target) for file, target in files.items()}
    problems = _contradicting(rows, labelled, labels)
    if missing and not known and (found := Counter(s for s in labels.values() if s is not None)):
        spacing, count = found.most_common(1)[0]
        said = {"count": count, "spacing": _said(spacing)}
        problems.append(Problem("audit.spacing_of_labels", "", "warning", said))
    elif missing and (known or any(len(r.size) == 3 for r in rows)):
        said = {"count": len(missing), "all": len(rows), "example": missing[0]}
        problems.append(Problem("audit.spacing_missing", "", "warning", said))
    elif missing:
        problems.append(Problem("audit.spacing_unknown", "", "note"))
    finest = {_said(spacing): n for spacing, n in known.most_common()}
    if len(finest) > 1:
        listed = ", ".join(f"{spacing} ({n})" for spacing, n in finest.items())
        problems.append(Problem("audit.spacing_differs", "", "warning", {"found": listed}))
    return problems


def _contradicting(
    rows: Sequence[ImageMeasures], records: Sequence[Record], said_by: Mapping[tuple[Path, str | None], Spacing | None]
) -> list[Problem]:
    """One warning for all images whose labels say another pixel size, at the first of them."""
    spacings = {row.id: row.spacing for row in rows}
    found: dict[Path, tuple[Record, Spacing, Spacing]] = {}
    for record in records:
        target = _sources(record)[0]
        image, labels = spacings[record.id], said_by[target.path, target.key]
        if image is None or labels is None:
            continue
        if any(abs(a - b) > _SAME * max(a, b) for a, b in zip(image[::-1], labels[::-1], strict=False)):
            found.setdefault(record.image.path, (record, image, labels))
    if not found:
        return []
    record, image, labels = next(iter(found.values()))
    said = {"count": len(found), "labels": _said(labels), "image": _said(image), "of": record.id}
    return [Problem("audit.spacing_contradicts", str(_sources(record)[0].path), "warning", said)]


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


def _said(spacing: Spacing) -> str:
    return " × ".join(f"{float(f'{s:.3g}'):g}" for s in spacing)
