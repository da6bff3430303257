"""Outlines of labels as polygons along the edges of pixels, and files of them that QuPath and Fiji open.

A corner is a place between pixels: pixel i reaches from i to i + 1, as in both programs. So the area of an outline is
the number of its pixels, and whoever fills it has the labels again.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lamelle.errors import RequestError
from lamelle.io import atomic
from lamelle.io.palette import colours_of

if TYPE_CHECKING:
    from roifile import ImagejRoi

_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0
"""Segments of a path in Java, of which a ROI with holes is made."""


@dataclass(frozen=True, slots=True)
class Outline:
    """The outline of one label in one plane."""

    label: int
    plane: int | None
    """Of a volume; None of an image."""
    polygons: tuple[tuple[np.ndarray, ...], ...]
    """Of each part: its outer ring, then its holes; rings are corners (x, y), int64 [N, 2], none of them twice."""


def outlines(labels: np.ndarray) -> Iterator[Outline]:
    """The outlines of labels int [(Z,) Y, X], plane by plane; 0 and less have none.

    Parts that touch at a corner alone are parts of their own.

    Example:
        >>> [outline] = outlines(np.array([[0, 3, 3], [0, 0, 3]]))
        >>> outline.label, [ring.tolist() for part in outline.polygons for ring in part]
        (3, [[[1, 0], [3, 0], [3, 2], [2, 2], [2, 1], [1, 1]]])
    """
    if labels.ndim == 3:
        for z, plane in enumerate(labels):
            yield from (Outline(one.label, z, one.polygons) for one in outlines(plane))
        return
    from scipy.ndimage import find_objects, label

    values, numbers = np.unique(np.maximum(labels, 0), return_inverse=True)
    numbers = numbers.reshape(labels.shape) + int(values[0] > 0)
    for number, box in enumerate(find_objects(numbers.astype(np.int32)), 1):
        if box is None:
            continue
        mask = numbers[box] == number
        parts = np.zeros(mask.shape, np.int32)
        label(mask, output=parts)
        corner = np.array([box[1].start, box[0].start])
        polygons = tuple(tuple(ring + corner for ring in _rings(parts == n)) for n in range(1, int(parts.max()) + 1))
        yield Outline(int(values[number - int(values[0] > 0)]), None, polygons)


def _rings(mask: np.ndarray) -> list[np.ndarray]:
    """The rings of a part that hangs together by the edges of its pixels: the outer one, clockwise as seen, then holes.

    The inside lies to the right of each edge; where two edges leave one corner, the way turns right, so that pixels
    that touch at this corner alone are not joined.
    """
    steps = _steps(np.pad(mask, 1))
    rings = []
    while steps:
        start = here = next(iter(steps))
        ring, last = [], (0, 0)
        while True:
            choices = steps[here]
            step = choices[0] if len(choices) == 1 or not ring else (-last[1], last[0])
            choices.remove(step)
            if not choices:
                del steps[here]
            if step != last:
                ring.append(here)
            last, here = step, (here[0] + step[0], here[1] + step[1])
            if here == start and start not in steps:
                break
            if here == start and (-last[1], last[0]) not in steps[start]:
                break
        if ring[0] != start or _straight(ring):
            ring = ring[1:]
        rings.append(np.array(ring, np.int64) - 1)
    return sorted(rings, key=_area, reverse=True)


def _steps(mask: np.ndarray) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """From each corner (x, y) of a mask the steps along its outline that leave it."""
    down, right = np.diff(mask.astype(np.int8), axis=0), np.diff(mask.astype(np.int8), axis=1)
    steps: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for differences, value, (dx, dy), step in (
        (down, 1, (0, 1), (1, 0)),
        (down, -1, (1, 1), (-1, 0)),
        (right, 1, (1, 1), (0, -1)),
        (right, -1, (1, 0), (0, 1)),
    ):
        for y, x in np.argwhere(differences == value).tolist():
            steps.setdefault((x + dx, y + dy), []).append(step)
    return steps


def _straight(ring: Sequence[tuple[int, int]]) -> bool:
    """Whether the first corner of a ring lies on the line from its last to its second."""
    (ax, ay), (bx, by), (cx, cy) = ring[-1], ring[0], ring[1]
    return (bx - ax) * (cy - by) == (by - ay) * (cx - bx)


def _area(ring: np.ndarray) -> float:
    """Positive of an outer ring, negative of a hole."""
    x, y = ring[:, 0], ring[:, 1]
    return 0.5 * float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def write_geojson(path: Path, outlines: Iterable[Outline], *, class_of: Callable[[int], str], objects: bool) -> None:
    """Write outlines as GeoJSON that QuPath imports: a feature each, with its class and the colour of its class.

    Args:
        class_of: Name of the class of a label.
        objects: Labels number objects: each is a detection with a number; else an annotation.

    Reference: Butler et al. (2016), RFC 7946; coordinates are pixels, as QuPath has them.
    """
    features = [_feature(one, class_of(one.label), path.name, objects=objects) for one in outlines]
    written = json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False)
    atomic.write_text(path, written + "\n")


def _feature(outline: Outline, name: str, file: str, *, objects: bool) -> dict[str, object]:
    polygons = [[[*ring.tolist(), ring[0].tolist()] for ring in part] for part in outline.polygons]
    geometry: dict[str, object] = (
        {"type": "Polygon", "coordinates": polygons[0]}
        if len(polygons) == 1
        else {"type": "MultiPolygon", "coordinates": polygons}
    )
    if outline.plane is not None:
        geometry["plane"] = {"c": -1, "z": outline.plane, "t": 0}
    colour = colours_of(np.array([1 if objects else outline.label]))[0].tolist()
    properties: dict[str, object] = {
        "objectType": "detection" if objects else "annotation",
        "classification": {"name": name, "color": colour},
    }
    if objects:
        properties["name"] = str(outline.label)
    # the same for the same labels, and another in each file
    identity = uuid.uuid5(uuid.NAMESPACE_OID, f"{file}/{outline.plane}/{outline.label}")
    return {"type": "Feature", "id": str(identity), "geometry": geometry, "properties": properties}


def write_rois(path: Path, outlines: Iterable[Outline], *, class_of: Callable[[int], str], objects: bool) -> None:
    """Write outlines as a ZIP of ROIs that the ROI Manager of Fiji opens; each has the number of its slice.

    Args:
        class_of: Name of the class of a label.
        objects: Labels number objects, and the name of a ROI ends in that number.

    Raises:
        RequestError: If the library roifile is not installed.
    """
    try:
        from roifile import roiwrite
    except ImportError:
        raise RequestError("files.no_roifile") from None
    rois: list[ImagejRoi] = []
    times: Counter[str] = Counter()
    for one in outlines:
        name = f"{class_of(one.label)}-{one.label}" if objects else class_of(one.label)
        name = name if one.plane is None else f"{name}-z{one.plane + 1}"
        times[name] += 1
        name = name if times[name] == 1 else f"{name}-{times[name]}"  # Fiji keeps one ROI of a name
        rois.append(_roi(one, name, 1 if objects else one.label))
    with atomic.writing(path) as temporary:
        temporary.unlink(missing_ok=True)
        roiwrite(temporary, rois, name=[roi.name for roi in rois])


def _roi(outline: Outline, name: str, coloured: int) -> ImagejRoi:
    from roifile import ROI_TYPE, ImagejRoi

    rings = [ring for part in outline.polygons for ring in part]
    position = outline.plane
    roi = ImagejRoi.frompoints(rings[0], name=name, position=position)
    if len(rings) == 1:
        roi.roitype = ROI_TYPE.TRACED
    else:
        path = np.concatenate([_path(ring) for ring in rings]).astype(np.float32)
        every = np.concatenate(rings)
        roi.roitype, roi.n_coordinates, roi.integer_coordinates = ROI_TYPE.RECT, 0, None
        (roi.left, roi.top), (roi.right, roi.bottom) = every.min(0).tolist(), every.max(0).tolist()
        roi.multi_coordinates, roi.shape_roi_size = path, len(path)
    red, green, blue = colours_of(np.array([coloured]))[0].tolist()
    roi.stroke_color = bytes((255, red, green, blue))
    return roi


def _path(ring: np.ndarray) -> np.ndarray:
    """A ring as a path of Java: to its first corner, lines to the others, closed."""
    segments = [np.array([_MOVE if i == 0 else _LINE, x, y]) for i, (x, y) in enumerate(ring.tolist())]
    return np.concatenate([*segments, np.array([_CLOSE])])
