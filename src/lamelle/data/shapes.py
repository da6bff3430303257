"""Boxes and outlines that stand in text files: read in each format of a table, drawn as labels or as numbered objects.

A pixel belongs to an outline if its middle lies inside; places count from the upper left corner of the image, so that
the first pixel reaches from 0 to 1.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from lamelle.data.store_entries import Pixels
from lamelle.errors import FileError, printable
from lamelle.registry import Registry
from lamelle.types import IGNORE, Boxes, Problem

_CORNERS = 3
"""Points from which there is an outline."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One object, or a region that is not told apart."""

    value: int
    """Of its class in a label image: 1, 2, 3 …"""
    box: tuple[float, float, float, float]
    """Y and X of its begin, Y and X of its end, in pixels."""
    outlines: tuple[np.ndarray, ...] = ()
    """Each float64 [n, 2], Y and X of the corners."""
    runs: tuple[tuple[int, int], ...] = ()
    """First pixel and the one after the last of each run, column after column."""
    open: bool = False
    """It is not known which of its pixels are of the class: many objects in one, or a box among outlines."""


@dataclass(frozen=True, slots=True)
class ShapeFormat:
    """A row of the table: how boxes and outlines are written into a file."""

    name: str
    outlines: bool
    """Whether the pixels of an object are known, or a box around it alone."""
    read: Callable[[Path, str | None, tuple[int, ...]], Sequence[Shape]]
    """The shapes of one image: of a file, the part of it that is meant, and the size (Y, X) of the image."""
    about: str


# ---- YOLO


def yolo(path: Path, key: str | None, size: tuple[int, ...]) -> list[Shape]:
    """A line for each object: the number of its class, then middle and size of a box, or corners, as shares.

    Raises:
        FileError: If a line is no such one, with its number.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.txt"
        >>> _ = path.write_text("0 0.5 0.5 0.5 1\\n")
        >>> yolo(path, None, (4, 8))
        [Shape(value=1, box=(0.0, 2.0, 4.0, 6.0), outlines=(), runs=(), open=False)]
    """
    return [_yolo_line(path, n, kind, numbers, size) for n, kind, numbers in yolo_lines(path)]


def yolo_lines(path: Path) -> list[tuple[int, int, list[float]]]:
    """Number of the line, of the class, and the shares behind it.

    Raises:
        FileError: If the file cannot be read, or a line is none of YOLO.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileError("files.unreadable", path, reason=getattr(error, "strerror", None) or "UTF-8") from error
    parsed = []
    for n, line in enumerate(lines, 1):
        cells = line.split()
        if not cells:
            continue
        try:
            kind, numbers = int(cells[0]), [float(c) for c in cells[1:]]
        except ValueError:
            kind, numbers = -1, []
        fits = len(numbers) == 4 or (len(numbers) >= 2 * _CORNERS and len(numbers) % 2 == 0)
        if kind < 0 or not fits or not all(-0.01 <= v <= 1.01 for v in numbers):
            raise FileError("data.shapes_line", path, line=n, text=printable(line[:60]))
        parsed.append((n, kind, numbers))
    return parsed


def _yolo_line(path: Path, n: int, kind: int, numbers: Sequence[float], size: tuple[int, ...]) -> Shape:
    height, width = size
    if len(numbers) == 4:
        x, y, w, h = numbers
        box = ((y - h / 2) * height, (x - w / 2) * width, (y + h / 2) * height, (x + w / 2) * width)
        return Shape(kind + 1, box)
    outline = np.array(numbers).reshape(-1, 2)[:, ::-1] * (height, width)
    return Shape(kind + 1, _around(outline), (outline,))


# ---- COCO


@dataclass(frozen=True, slots=True)
class Coco:
    """A file of COCO, as far as it is used."""

    names: Mapping[int, str]
    """Value in label images → name of the category, in the order of their numbers."""
    images: Mapping[str, tuple[int, ...]]
    """``file_name`` → size (Y, X) that the file says."""
    shapes: Mapping[str, tuple[Shape, ...]]
    """``file_name`` → what is annotated in it."""
    outlines: bool
    """Whether any object has more than a box."""


def read_coco(path: Path) -> Coco:
    """The images, categories and annotations of a file.

    Raises:
        FileError: If it is none of COCO, with what is wrong first.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise FileError("files.unreadable", path, reason=error.strerror) from error
    return _read_coco(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=8)
def _read_coco(path: Path, stamp: int, size: int) -> Coco:
    where = "{"
    try:
        plain = json.loads(path.read_text(encoding="utf-8-sig"))
        where = "categories"
        kinds = {int(c["id"]): str(c["name"]) for c in plain["categories"]}
        values = {number: value for value, number in enumerate(sorted(kinds), 1)}
        where = "images"
        names = {i["id"]: str(i["file_name"]) for i in plain["images"]}
        sizes = {str(i["file_name"]): (int(i["height"]), int(i["width"])) for i in plain["images"]}
        by_image: dict[str, list[Shape]] = defaultdict(list)
        for n, one in enumerate(plain["annotations"]):
            where = f"annotations[{n}]"
            by_image[names[one["image_id"]]].append(_annotation(one, values))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileError("data.coco_broken", path, where=where, reason=f"{type(error).__name__}: {error}") from error
    shapes = {name: tuple(by_image.get(name, ())) for name in sizes}
    outlines = any(s.outlines or s.runs for some in shapes.values() for s in some)
    return Coco({values[k]: kinds[k] for k in values}, sizes, shapes, outlines)


def _annotation(one: Mapping[str, object], values: Mapping[int, int]) -> Shape:
    value, crowd = values[int(str(one["category_id"]))], bool(one.get("iscrowd", 0))
    drawn = one.get("segmentation")
    outlines: tuple[np.ndarray, ...] = ()
    runs: tuple[tuple[int, int], ...] = ()
    if isinstance(drawn, Mapping):
        counts = drawn["counts"]
        lengths = _unpacked(counts) if isinstance(counts, str) else [int(n) for n in counts]
        ends = np.cumsum(lengths).tolist()
        runs = tuple((a, b) for a, b in zip(ends[::2], ends[1::2], strict=False) if b > a)
        height, width = (int(n) for n in drawn["size"])
        if sum(lengths) != height * width:
            raise ValueError(f"{sum(lengths)} pixels in the runs of {height} × {width}")
    elif drawn:
        outlines = tuple(np.array(o, np.float64).reshape(-1, 2)[:, ::-1] for o in drawn if len(o) >= 2 * _CORNERS)  # type: ignore[attr-defined]
    x, y, w, h = (float(v) for v in one.get("bbox") or _box_of(outlines))  # type: ignore[attr-defined]
    if not all(map(math.isfinite, (x, y, w, h))):
        raise ValueError("bbox")
    return Shape(value, (y, x, y + h, x + w), outlines, runs, crowd)


def _box_of(outlines: Sequence[np.ndarray]) -> tuple[float, float, float, float]:
    if not outlines:
        raise KeyError("bbox")
    low, high = np.concatenate(outlines).min(0), np.concatenate(outlines).max(0)
    return float(low[1]), float(low[0]), float(high[1] - low[1]), float(high[0] - low[0])


def _unpacked(text: str) -> list[int]:
    """Run lengths from COCO's compressed text: six bits a sign, differences to the last but one."""
    lengths: list[int] = []
    value, shift = 0, 0
    for sign in text:
        bits = ord(sign) - 48
        if not 0 <= bits < 64:
            raise ValueError("counts")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (1 << shift) if bits & 16 else 0
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value, shift = 0, 0
    return lengths


def coco(path: Path, key: str | None, size: tuple[int, ...]) -> Sequence[Shape]:
    """The annotations of the image of that ``file_name``.

    Raises:
        FileError: If the file is none of COCO, or says another size than the image has.
    """
    read = read_coco(path)
    key = key or ""
    if key not in read.shapes:
        raise FileError("data.coco_broken", path, where="images", reason=printable(key))
    if read.images[key] != size:
        stated, have = (" × ".join(map(str, s)) for s in (read.images[key], size))
        raise FileError("data.coco_size", path, name=printable(key), said=stated, size=have)
    return read.shapes[key]


SHAPES = Registry(
    "shape_format",
    ShapeFormat("yolo_outlines", True, yolo, "a text for each image: class and corners of each object"),
    ShapeFormat("yolo_boxes", False, yolo, "a text for each image: class and box of each object"),
    ShapeFormat("coco_outlines", True, coco, "a JSON file with polygons or run lengths of each object"),
    ShapeFormat("coco_boxes", False, coco, "a JSON file with a box for each object"),
)


# ---- drawn


def drawn(format: str, shapes: Sequence[Shape], size: tuple[int, ...], *, objects: bool) -> Pixels:
    """Labels int32 ``[Y, X]``: of each object its class, or its number; ``IGNORE`` where it is not known.

    A later object lies over an earlier one.
    """
    labels, overlaps, boxes = np.zeros(size, np.int32), 0, 0
    outlined = SHAPES[format].outlines
    for number, shape in enumerate(shapes, 1):
        lone = outlined and not shape.outlines and not shape.runs
        boxes += lone
        where = _inside(shape, size)
        overlaps += int(np.count_nonzero(labels[where] > 0))
        labels[where] = IGNORE if shape.open or lone else number if objects else shape.value
    problems = []
    if overlaps:
        problems.append(Problem("audit.objects_overlap", "", "note", {"pixels": overlaps}))
    if boxes:
        problems.append(Problem("data.shapes_boxes", "", "warning", {"count": boxes}))
    return Pixels.whole(labels, problems=tuple(problems))


def boxes_of(shapes: Sequence[Shape], size: tuple[int, ...]) -> Boxes:
    """The boxes of objects, as far as they lie in the image; regions that are not told apart have none."""
    kept = [s for s in shapes if not s.open]
    corners = np.array([s.box for s in kept], np.float32).reshape(-1, 2, 2)
    corners = np.clip(corners, 0, np.array(size, np.float32))
    seen = np.asarray((corners[:, 1] > corners[:, 0]).all(1))
    return Boxes(corners[seen], np.array([s.value for s in kept], np.int64)[seen], tuple(size))


def _inside(shape: Shape, size: tuple[int, ...]) -> np.ndarray:
    """Which pixels are of an object, bool [Y, X]."""
    inside = np.zeros(size, bool)
    if shape.runs:
        flat = np.zeros(size[0] * size[1], bool)
        for first, stop in shape.runs:
            flat[first:stop] = True
        return flat.reshape(size[::-1]).T
    if not shape.outlines:
        y0, x0, y1, x1 = (max(0, round(v)) for v in shape.box)
        inside[y0:y1, x0:x1] = True
    for outline in shape.outlines:
        _fill(inside, outline)
    return inside


def _fill(inside: np.ndarray, outline: np.ndarray) -> None:
    """Mark the pixels whose middle lies in an outline, by the crossings of each row with its edges."""
    first, second = outline, np.roll(outline, -1, axis=0)
    low, high = max(0, math.floor(outline[:, 0].min())), min(len(inside), math.ceil(outline[:, 0].max()))
    for row in range(low, high):
        y = row + 0.5
        crossed = (first[:, 0] <= y) != (second[:, 0] <= y)
        a, b = first[crossed], second[crossed]
        places = np.sort(a[:, 1] + (y - a[:, 0]) / (b[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1]))
        for left, right in zip(places[::2], places[1::2], strict=False):
            inside[row, max(0, math.ceil(left - 0.5)) : max(0, math.ceil(right - 0.5))] = True


def _around(outline: np.ndarray) -> tuple[float, float, float, float]:
    (y0, x0), (y1, x1) = outline.min(0).tolist(), outline.max(0).tolist()
    return y0, x0, y1, x1
