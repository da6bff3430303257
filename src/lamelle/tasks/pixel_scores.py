"""Scores of pixels, outlines, centre lines and connected parts, from rows of sums.

Pixels that the target ignores are counted nowhere. Scores of shape (outlines, centre lines, connected parts) need to
see the shapes: where less than half of an image is labelled, it has none.

The rule for empty masks, class by class: truth and prediction both empty = NaN, the image is left out of means; one of
them empty = Dice, IoU, boundary F, NSD, clDice and the scores of parts are 0, and HD95 is NaN, for there is no distance
(``one_empty`` says how often). Pooled scores add up the pixels of all images before they divide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamelle.metrics import boundary, centrelines, clustering, counts, instances, intervals, regions
from lamelle.metrics.counts import ratio
from lamelle.metrics.ranking import macro
from lamelle.tasks import calibrating
from lamelle.tasks.base import Row, Table
from lamelle.types import IGNORE, Spacing

BLOCKS = 16
"""Blocks of the plane, for intervals where all items come from one volume."""
DENSE = 0.5
"""Share of an image's pixels that must be labelled for scores of shape."""
OUTLINES = ("boundary_f", "nsd", "hd95", "one_empty")
MICROMETRES = "hd95_um"
"""HD95 in µm; a table has it where every row does."""
REGIONS = {"dice": regions.dice, "iou": regions.iou, "precision": regions.precision, "recall": regions.recall}
COMPONENTS = ("ap50", "pq", "aji")
_IN_TABLE = ("confusion", "cells", "lines", "components", "calibration", "uncalibrated", *OUTLINES, MICROMETRES)


def pixel_row(
    target: np.ndarray,
    labels: np.ndarray,
    *,
    classes: int,
    tolerance: float,
    lines: bool,
    components: bool,
    spacing: Spacing | None,
) -> Row:
    """Sums of one item [(Z,) Y, X].

    Args:
        labels: Predicted classes.
        tolerance: Pixels of the finest axis that outlines may be apart.
        lines: Also centre lines, which take long.
        components: Also connected parts of the foreground, of two classes.
        spacing: Pixel size in µm; where it is known, HD95 is given in µm as well.

    Example:
        >>> truth = np.array([[0, 1, 1, -1]])
        >>> said, known = truth.clip(0), {"classes": 2, "tolerance": 1.0, "lines": False, "components": False}
        >>> row = pixel_row(truth, said, spacing=None, **known)
        >>> row["confusion"], row["hd95"]
        ([[1, 0], [0, 2]], [0.0, 0.0])
    """
    seen = target != IGNORE
    dense = bool(seen.mean() >= DENSE) if seen.size else False
    found: Row = {"confusion": counts.confusion(target, labels, classes=classes).tolist()}
    found |= _outlines(target, labels, seen, classes=classes, tolerance=tolerance, dense=dense, spacing=spacing)
    found["blocks"] = [
        counts.confusion(target[(..., *b)], labels[(..., *b)], classes=classes).tolist()
        for b in intervals.spatial_blocks(target.shape[-2:], blocks=BLOCKS)
    ]
    if lines:
        none = np.zeros(len(centrelines.ROW))
        each = [
            centrelines.centreline_row((target == c) & seen, (labels == c) & seen) if dense else none
            for c in range(1, classes)
        ]
        found["lines"] = np.array(each).tolist()
    if components:
        found["components"] = _parts(target, labels, seen).tolist() if dense else [0.0] * len(instances.ROW)
    return found


def _outlines(
    target: np.ndarray,
    labels: np.ndarray,
    seen: np.ndarray,
    *,
    classes: int,
    tolerance: float,
    dense: bool,
    spacing: Spacing | None,
) -> Row:
    """Scores of the outlines of each class, in pixels of the finest axis; HD95 also in µm where these are known."""
    known = spacing is not None and len(spacing) >= target.ndim
    edges = spacing[-target.ndim :] if spacing is not None and known else (1.0,) * target.ndim
    finest = min(edges)
    found = {name: [float("nan")] * classes for name in OUTLINES}
    if dense:
        steps = tuple(edge / finest for edge in edges)
        each = [
            boundary.boundary_scores((target == c) & seen, (labels == c) & seen, tolerance=tolerance, spacing=steps)
            for c in range(classes)
        ]
        found = {name: [one[name] for one in each] for name in OUTLINES}
    return found | ({MICROMETRES: [finest * d for d in found["hd95"]]} if known else {})


def _parts(target: np.ndarray, labels: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Sums of the face-connected parts of the foreground, as if each were an object."""
    from scipy.ndimage import label

    numbered = np.zeros((2, *target.shape), np.int32)
    for mask, numbers in zip((target == 1, (labels == 1) & seen), numbered, strict=True):
        label(mask, output=numbers)
    return instances.instance_row(numbered[0], numbered[1])


def cell_row(target: np.ndarray, cells: np.ndarray) -> list[float]:
    """Sums of the cells of one item: 4-connected parts of class 0, slice by slice.

    Args:
        cells: Where the prediction says cell, boolean.

    Example:
        >>> truth = np.array([[0, 0, 1, 0]])
        >>> len(cell_row(truth, truth == 0))
        6
    """
    if target.size and (target != IGNORE).mean() >= DENSE:
        return clustering.clustering_rows(target == 0, cells, thin=True).sum(0).tolist()
    return [0.0] * len(clustering.ROW)


def pixel_table(rows: Sequence[Row]) -> Table:
    """Rows as columns [n, ...]; what JSON wrote as null is NaN again.

    Example:
        >>> pixel_table([{"confusion": [[1, 0], [0, 2]], "hd95": [None, 1.0]}])["hd95"]
        array([[nan,  1.]])
    """
    return {n: np.array([numbers(r[n]) for r in rows]) for n in _IN_TABLE if rows and all(n in r for r in rows)}


def pixel_scores(table: Table, weights: np.ndarray, *, classes: Sequence[str]) -> dict[str, np.ndarray]:
    """Every score [B]: ``name`` = mean over the classes but the background, ``name/class`` = one class.

    Pooled over the pixels (cells, lines, parts) of all images; scores of outlines, and those named ``image_…``, are
    means over images.

    Example:
        >>> table = {"confusion": np.array([[[1, 0], [0, 2]]], float)}
        >>> pixel_scores(table, np.ones((1, 1)), classes=("background", "cell"))["dice"]
        array([1.])
    """
    matrices = table["confusion"]
    pooled = np.einsum("bn,nij->bij", weights, matrices)
    scores = {"accuracy": regions.accuracy(pooled)}
    for name, score in REGIONS.items():
        scores |= _by_class(name, score(pooled), classes)
    for name in ("dice", "iou"):
        scores |= _by_class(f"image_{name}", weighted_mean(REGIONS[name](matrices), weights), classes)
    for name in (*OUTLINES, MICROMETRES):
        if name in table:
            scores |= _by_class(name, weighted_mean(table[name], weights), classes)
    if "cells" in table:
        summed = weights @ table["cells"]
        v_rand = clustering.v_rand_of(summed)
        scores |= {"v_rand": v_rand, "v_info": clustering.v_info_of(summed), "are": 1 - v_rand}
    for name, end in (("calibration", ""), ("uncalibrated", calibrating.BEFORE)):
        if name in table:
            scores |= {f"{n}{end}": v for n, v in calibrating.pixel_scores(weights @ table[name]).items()}
    if "lines" in table:
        each = centrelines.cldice_of(np.einsum("bn,nkr->bkr", weights, table["lines"]))
        alone = weighted_mean(centrelines.cldice_of(table["lines"]), weights)
        scores |= _of_foreground("cldice", each, classes) | _of_foreground("image_cldice", alone, classes)
    if "components" in table:
        for name in COMPONENTS:
            score = instances.INSTANCE_SCORES[name]
            scores[f"component_{name}"] = score(weights @ table["components"])
            scores[f"image_component_{name}"] = weighted_mean(score(table["components"])[:, None], weights)[:, 0]
    return scores


def of_images(name: str) -> bool:
    """Whether a score is a mean over the images that have one, not pooled over all.

    Example:
        >>> of_images("image_dice/cell"), of_images("boundary_f"), of_images("dice")
        (True, True, False)
    """
    of = name.partition("/")[0]
    return of.startswith("image_") or of in (*OUTLINES, MICROMETRES)


def _by_class(name: str, values: np.ndarray, classes: Sequence[str]) -> dict[str, np.ndarray]:
    return {name: macro(values[..., 1:])} | {f"{name}/{c}": values[..., k] for k, c in enumerate(classes)}


def _of_foreground(name: str, values: np.ndarray, classes: Sequence[str]) -> dict[str, np.ndarray]:
    return {name: macro(values)} | {f"{name}/{c}": values[..., k] for k, c in enumerate(classes[1:])}


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean [B, K] over the items [n, K] that have a value, item i counted ``weights[b, i]`` times.

    Example:
        >>> weighted_mean(np.array([[1.0], [np.nan], [4.0]]), np.array([[2.0, 1.0, 1.0]]))
        array([[2.]])
    """
    known = ~np.isnan(values)
    return ratio(weights @ np.where(known, values, 0.0), weights @ known.astype(np.float64))


def numbers(value: Any) -> np.ndarray:
    """A row's entry as float64; what JSON wrote as null is NaN again.

    Example:
        >>> numbers([None, 1])
        array([nan,  1.])
    """
    return np.array(value, dtype=np.float64)
