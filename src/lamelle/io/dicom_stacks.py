"""The slices of a DICOM series, one file each: which belong together, their order along the patient, what is wrong.

Order, direction and distance come from the positions in the headers (ImagePositionPatient along the normal of
ImageOrientationPatient), never from names or instance numbers. Values of a header that could name a patient are not
quoted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np

from lamelle.errors import FileError
from lamelle.io.axes import sizes
from lamelle.io.common import Header, ReadOptions, warning
from lamelle.io.dicom_slices import Slice, slice_files, slice_of
from lamelle.io.formats import dicom
from lamelle.io.geometry import located
from lamelle.types import Geometry, Problem

_SAME_WAY = 1e-3
"""Difference of two direction cosines, and part of a pixel size, that are the same, written with few digits."""
_ROUNDED = 1e-3
"""Millimetres that are nothing."""
_SAME_PLACE = 1e-2
"""Part of the usual distance within which two slices lie in one place."""
_GAP = 1.5
"""Distances of slices, in usual ones, from which one is missing between them."""
_EVEN, _UNEVEN = 0.1, 0.5
"""Part of a distance by which slices may lie off an even row without a word, and with one."""
_TILTED = 1.0
"""Degrees between the row of slices and their normal that are said."""


@dataclass(frozen=True, slots=True)
class SliceStack:
    """A series that is a volume."""

    files: tuple[Path, ...]
    """Along their normal."""
    geometry: Geometry
    """Of the slices in this order."""
    image: Header
    """Shape ``[C, Z, Y, X]`` as stored, in this order."""
    labels: Header


def stacks(folder: Path) -> Mapping[str, SliceStack | Problem]:
    """The series of a folder: what each is called → its slices in order, or why they make no volume.

    The files lie in the folder itself, or in the only folder that is inside it. Headers are read once.

    Raises:
        FileError: If a file is no DICOM or cannot be read.
    """
    files = slice_files(folder)
    return _stacks(folder, tuple((p, (s := p.stat()).st_size, s.st_mtime_ns) for p in files))


@lru_cache(maxsize=4096)
def _stacks(folder: Path, files: tuple[tuple[Path, int, int], ...]) -> Mapping[str, SliceStack | Problem]:
    """By the files' sizes and times too, so that what was changed is read again."""
    series: dict[tuple[str, str], list[Slice]] = {}
    others: list[Path] = []
    for path, _, _ in files:
        if (one := slice_of(path)) is None:
            others.append(path)
        else:
            series.setdefault((one.number, one.uid), []).append(one)
    warnings = (warning("files.series_others", folder, count=len(others), name=others[0].name),) if others else ()
    made: dict[str, SliceStack | Problem] = {}
    for name, slices in _named(series).items():
        try:
            made[name] = _stack(folder, slices, warnings)
        except FileError as error:
            made[name] = error.problem
    return MappingProxyType(made)


def _named(series: Mapping[tuple[str, str], list[Slice]]) -> dict[str, list[Slice]]:
    """Series by their number in the study, or where that tells none apart by the hash of their UID."""
    counts = Counter(number for number, _ in series)
    return {number if number and counts[number] == 1 else uid: slices for (number, uid), slices in series.items()}


def _stack(folder: Path, slices: Sequence[Slice], problems: tuple[Problem, ...]) -> SliceStack:
    """Put slices in order.

    Raises:
        FileError: If one does not say where it lies or is unlike the others, or they make no even row.
    """
    for one in slices:
        if len(one.image.shape) != 3:
            raise FileError("convert.stack_inside", one.path, shape=sizes(one.image.shape))
        lacking = [tag for tag, there in (("ImagePositionPatient", one.position),
                                          ("ImageOrientationPatient", one.direction),
                                          ("PixelSpacing", one.pixel)) if not there]  # fmt: skip
        if lacking:
            raise FileError("files.series_no_place", one.path, tag=lacking[0])
    _alike(slices, "Rows × Columns", lambda s: s.image.shape, lambda s: sizes(s.image.shape[1:]))
    _alike(slices, "PixelSpacing", lambda s: s.pixel, lambda s: " \\ ".join(f"{v:g}" for v in s.pixel), _SAME_WAY)
    way = _alike(
        slices,
        "ImageOrientationPatient",
        lambda s: s.direction,
        lambda s: " \\ ".join(f"{v:.3g}" for v in s.direction),
        _SAME_WAY,
    )
    direction = np.array(way.direction)
    normal = np.cross(direction[:3], direction[3:])
    if not normal.any():
        raise FileError("files.series_no_place", way.path, tag="ImageOrientationPatient")
    normal /= np.linalg.norm(normal)
    ordered = sorted(slices, key=lambda s: float(np.array(s.position) @ normal))
    ordered, copies = _once(ordered, normal)
    step, uneven = _step(folder, ordered, normal)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = direction[:3] * way.pixel[1], direction[3:] * way.pixel[0]
    affine[:3, 2], affine[:3, 3] = step, ordered[0].position
    affine[:2] *= -1  # DICOM counts to the left and the back
    rows, columns = way.image.shape[1:]
    geometry = located(affine, (columns, rows, len(ordered)))
    if geometry is None:
        raise FileError("files.series_no_place", way.path, tag="ImageOrientationPatient")
    all_problems = (*problems, *copies, *uneven)
    heads = [_whole(folder, [getattr(s, name) for s in ordered], all_problems) for name in ("image", "labels")]
    return SliceStack(tuple(s.path for s in ordered), geometry, heads[0], heads[1])


def _alike(
    slices: Sequence[Slice],
    what: str,
    value: Callable[[Slice], tuple[float, ...]],
    shown: Callable[[Slice], str],
    tolerance: float = 0.0,
) -> Slice:
    """Check that slices agree in something.

    Returns:
        One that is as most are.

    Raises:
        FileError: If not: the first of those that differ from most.
    """
    counts = Counter(tuple(round(float(v), 3) for v in value(s)) for s in slices)
    common = counts.most_common(1)[0][0]
    usual = next(s for s in slices if tuple(round(float(v), 3) for v in value(s)) == common)
    wanted = np.array(value(usual), np.float64)
    for one in slices:
        values = np.array(value(one), np.float64)
        if values.shape != wanted.shape or np.abs(values - wanted).max() > tolerance:
            about = {"what": what, "found": shown(one), "wanted": shown(usual), "all": len(slices)}
            raise FileError("files.series_differs", one.path, count=counts[common], **about)
    return usual


def _once(ordered: Sequence[Slice], normal: np.ndarray) -> tuple[list[Slice], tuple[Problem, ...]]:
    """Slices with one in each place: copies are left out, and said.

    Raises:
        FileError: If several in one place have other pixels.
    """
    along = [float(np.array(s.position) @ normal) for s in ordered]
    steps = np.diff(along)
    apart = steps[steps > _ROUNDED]
    least = _SAME_PLACE * float(np.median(apart)) if apart.size else np.inf
    double = [i + 1 for i, step in enumerate(steps) if step <= least]
    for i in double:
        if not _same_pixels(ordered[i].path, ordered[i - 1].path):
            values = {"other": ordered[i - 1].path.name, "place": f"{along[i]:.5g}", "count": len(double)}
            raise FileError("files.series_same_place", ordered[i].path, **values)
    if not double:
        return list(ordered), ()
    first = ordered[double[0]]
    values = {"count": len(double), "other": ordered[double[0] - 1].path.name}
    kept = [s for i, s in enumerate(ordered) if i not in set(double)]
    return kept, (warning("files.series_copies", first.path, **values),)


def _same_pixels(one: Path, other: Path) -> bool:
    first, second = (dicom.read(path, ReadOptions()).array for path in (one, other))
    return np.array_equal(first, second)


def _step(folder: Path, ordered: Sequence[Slice], normal: np.ndarray) -> tuple[np.ndarray, tuple[Problem, ...]]:
    """The way from one slice to the next in millimetres, and what is to be said about it.

    Raises:
        FileError: If slices are missing, or lie in no even row.
    """
    positions = np.array([s.position for s in ordered])
    if len(ordered) == 1:
        return normal * (ordered[0].thickness or 1.0), ()
    steps = np.diff(positions @ normal)
    usual = float(np.median(steps))
    for i, step in enumerate(steps):
        if step > _GAP * usual:
            values = {"other": ordered[i].path.name, "distance": f"{step:.4g}", "usual": f"{usual:.4g}"}
            missing = max(1, round(float(step) / usual) - 1)
            raise FileError("files.series_gap", ordered[i + 1].path, missing=missing, **values)
    step = (positions[-1] - positions[0]) / (len(ordered) - 1)
    off = np.linalg.norm(positions - positions[0] - np.arange(len(ordered))[:, None] * step, axis=1)
    far, length = float(off.max()), float(np.linalg.norm(step))
    problems: list[Problem] = []
    values = {"far": f"{far:.3g}", "usual": f"{length:.4g}"}
    if far > _UNEVEN * length:
        raise FileError("files.series_crooked", ordered[int(off.argmax())].path, **values)
    if far > _EVEN * length:
        problems.append(warning("files.series_uneven", ordered[int(off.argmax())].path, **values))
    degrees = float(np.degrees(np.arccos(np.clip(step @ normal / length, -1, 1))))
    if degrees > _TILTED:
        problems.append(warning("files.series_tilted", folder, degrees=f"{degrees:.3g}"))
    return step, tuple(problems)


def _whole(folder: Path, heads: Sequence[Header], problems: tuple[Problem, ...]) -> Header:
    """The header of all slices, in the type that holds the values of each."""
    first = heads[0]
    dtype = np.result_type(*{h.dtype for h in heads if h.dtype is not None})
    bits = first.bits if {(h.bits, h.dtype) for h in heads} == {(first.bits, first.dtype)} else None
    own = {(p.code, repr(sorted(p.values.items()))): replace(p, where=str(folder)) for h in heads for p in h.problems}
    return Header(
        "dicom series",
        (first.shape[0], len(heads), *first.shape[1:]),
        dtype,
        bits=bits,
        problems=(*problems, *own.values()),
    )
