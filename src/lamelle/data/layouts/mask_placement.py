"""Whether labels lie on their image, as the headers of both say; and how they are laid on it where one says nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from lamelle.errors import FileError, printable
from lamelle.io.common import Header, Lattice
from lamelle.io.files import says_places
from lamelle.io.geometry import CANONICAL, apart, directions, turn_of
from lamelle.io.images import header
from lamelle.types import Geometry, Index, Problem, Record, Severity, Source, Target, with_sources

_ROUNDED = 0.1
"""Voxels by which two headers of one place may differ: float32, or an affine written with fewer digits."""
_APART = 0.5
"""Voxels from which a label belongs to the next voxel."""
_ANGLE = 0.05
"""Degrees between two axes that are worth a word."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Labels as they are laid on their image."""

    size: tuple[int, ...]
    """((Z,) Y, X) as they are read then."""
    directions: str | None = None
    """That of the image as it is stored, where the label's own are not asked (see `lamelle.types.Source`)."""
    code: str | None = None
    """What is to be said about it."""
    severity: Severity = "note"
    values: Mapping[str, object] = field(default_factory=dict)


def over(image: Header, labels: Header) -> Placement:
    """Lay labels on their image: by the affines of both, or voxel on voxel as stored where one has none.

    An affine of ones, which is what programs write that have lost the true one, counts where it agrees with the other.

    Example:
        >>> from lamelle.io.geometry import located
        >>> here = located(np.diag([-1, -1, 2, 1]), (9, 8, 5))
        >>> over(Header("nifti", (1, 5, 8, 9), geometry=here), Header("tiff", (1, 5, 8, 9))).directions
        'LPS'
    """
    first, second = image.geometry, labels.geometry
    size = tuple(labels.shape[1:])
    if first is None and second is None:
        return Placement(size) if tuple(image.shape[1:]) != size else _on_lattice(image.lattice, labels.lattice, size)
    stored = tuple(reversed(second.size[: len(size)])) if second else size
    where = directions(first) if first else CANONICAL
    as_stored = Placement(turn_of(where, stored[::-1]).sizes(stored), where)
    if first is None or second is None:
        code = "layouts.place_of_labels" if first else "layouts.place_of_images"
        return replace(as_stored, code=code)
    far, voxels = apart(first, second) if tuple(image.shape[1:]) == size else (np.inf, np.inf)
    values = {"distance": f"{far:.3g} mm", "voxels": f"{voxels:.2g}", "way": _way(first, second)}
    if voxels < _APART:
        return Placement(size, None, "layouts.nearly_apart" if voxels > _ROUNDED else None, "warning", values)
    if (_lost(first) or _lost(second)) and as_stored.size == tuple(image.shape[1:]):
        return replace(as_stored, code="layouts.place_lost", severity="warning")
    return Placement(size, None, "layouts.apart" if np.isfinite(far) else None, "error", values)


def _on_lattice(image: Lattice | None, labels: Lattice | None, size: tuple[int, ...]) -> Placement:
    """Labels of files that say the place of their pixels without directions, as OME-Zarr does."""
    if image is None or labels is None or image.unit != labels.unit or len(image.step) != len(labels.step):
        return Placement(size)
    first, second = np.array(image.start), np.array(labels.start)
    between = second - first
    last = between + (np.array(labels.step) - image.step) * (np.array(size[-len(first) :]) - 1)
    far = np.maximum(np.abs(between), np.abs(last))
    voxels = float((far / image.step).max())
    ways = {"scale": (image.step, labels.step), "translation": (image.start, labels.start)}
    way = ", ".join(f"{name} {_numbers(a)} / {_numbers(b)}" for name, (a, b) in ways.items() if a != b)
    distance = f"{np.linalg.norm(far):.3g} {image.unit}".strip()
    values = {"distance": distance, "voxels": f"{voxels:.2g}", "way": way}
    if voxels <= _APART:  # half a pixel, where one file counts from the middle of a pixel and the other from its edge
        return Placement(size, None, "layouts.nearly_apart" if voxels > _ROUNDED else None, "warning", values)
    if any(not any(one.start) and set(one.step) == {1.0} for one in (image, labels)):
        return Placement(size, None, "layouts.scale_lost", "warning", values)
    return Placement(size, None, "layouts.apart_scaled", "error", values)


def _lost(geometry: Geometry) -> bool:
    return np.array_equal(geometry.affine, np.eye(4))


def _way(image: Geometry, labels: Geometry) -> str:
    """How the two affines differ, in the letters and numbers in which other programs show them."""
    one, other = np.array(image.affine), np.array(labels.affine)
    edges, others = (np.linalg.norm(a[:3, :3], axis=0) for a in (one, other))
    ways = {
        "directions": (directions(image), directions(labels)),
        "mm": (_numbers(edges), _numbers(others)),
        "offset": (_numbers(one[:3, 3]), _numbers(other[:3, 3])),
    }
    differences = [f"{name} {a} / {b}" for name, (a, b) in ways.items() if a != b]
    turned = np.degrees(np.arccos(np.clip((one[:3, :3] / edges * other[:3, :3] / others).sum(0), -1, 1))).max()
    if turned >= _ANGLE and directions(image) == directions(labels):
        differences.append(f"angle {turned:.3g}°")
    return ", ".join(differences)


def _numbers(values: Iterable[float]) -> str:
    return " ".join(f"{float(v):.5g}" for v in values)


def laid_over(index: Index) -> Index:
    """The index with labels that are read as they lie on their images, and with what is to be said about it.

    Labels that lie elsewhere are an error for each file; a file that cannot be read is left to whoever reads it.
    """
    ways: dict[tuple[Source, Source], Placement | None] = {}
    records = tuple(replace(r, target=_laid(r, ways)) for r in index.records)
    by_code: dict[str, list[tuple[Source, Source, Placement]]] = {}
    for (image, labels), way in ways.items():
        if way is not None and way.code:
            by_code.setdefault(way.code, []).append((image, labels, way))
    problems = [p for code, some in by_code.items() for p in _problems_of(code, some, index.root)]
    return replace(index, records=records, problems=(*index.problems, *problems))


def _laid(record: Record, ways: dict[tuple[Source, Source], Placement | None]) -> Target | None:
    target = record.labels
    if target is None or not any(says_places(s.path) for s in (record.image, *target.sources)):
        return record.target
    laid = []
    for source in target.sources:
        pair = (_whole(record.image), _whole(source))
        if pair not in ways:
            ways[pair] = _over(*pair)
        way = ways.get(pair)
        laid.append(source if way is None else replace(source, directions=way.directions))
    return with_sources(target, laid)


def _whole(source: Source) -> Source:
    return replace(source, index=None, span=None, directions=None)


def _over(image: Source, labels: Source) -> Placement | None:
    try:
        return over(header(image.path, key=image.key, axes=image.axes), header(labels.path, key=labels.key))
    except FileError:
        return None


def _problems_of(code: str, pairs_of_code: list[tuple[Source, Source, Placement]], root: Path) -> list[Problem]:
    """An error for each pair; of what is only to be known, the number and an example."""
    pairs = [(_below(labels, root), _below(image, root), way) for image, labels, way in pairs_of_code]
    if pairs_of_code[0][2].severity == "error":
        return [Problem(code, labels, "error", {"image": image, **way.values}) for labels, image, way in pairs]
    labels, image, way = pairs[0]
    return [Problem(code, labels, way.severity, {"image": image, "count": len(pairs), **way.values})]


def _below(source: Source, root: Path) -> str:
    return printable(Path(os.path.relpath(source.path, root if root.is_dir() else root.parent)).as_posix())
