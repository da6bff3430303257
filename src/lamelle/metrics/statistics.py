"""The table of statistics: what each item adds, and how it is measured.

The rule for empty masks, class by class: truth and prediction both empty = NaN, the image is left out of means; one of
them empty = Dice, IoU, boundary F, NSD, clDice and the scores of parts are 0, and HD95 is NaN, for there is no distance
(``one_empty`` says how often).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from lamelle.metrics import calibration, centrelines, clustering, counts, instances
from lamelle.metrics.blocks import spatial_blocks
from lamelle.metrics.metric import Columns, Statistic
from lamelle.metrics.pairs import OUTLINES, PixelPair
from lamelle.registry import Registry

BLOCKS = 16
"""Blocks of the plane, for intervals where all items come from one volume."""
PIXELS = ("labels", "objects")


def measured(names: Collection[str], pair: Any) -> dict[str, np.ndarray]:
    """The statistics of one item that are measured, of those named.

    Args:
        pair: Truth and prediction, as the statistics of its view take them (`lamelle.metrics.pairs`).

    Example:
        >>> pair = PixelPair(np.array([[0, 1, 1, -1]]), np.array([[0, 1, 1, 0]]), classes=2)
        >>> measured(("confusion",), pair)["confusion"]
        array([[1, 0],
               [0, 2]])
    """
    sums = {}
    for name in names:
        measure = STATISTICS[name].measure
        value = measure(pair) if measure is not None else None
        if value is not None:
            sums[name] = np.asarray(value)
    return sums


def derived(columns: Columns, *, classes: int, view: str = "classes") -> dict[str, np.ndarray]:
    """The same columns, and those that follow from what is listed in them."""
    made = dict(columns)
    for one in STATISTICS.values():
        if view in one.of and one.derive is not None and one.name not in made:
            column = one.derive(made, classes)
            if column is not None:
                made[one.name] = column
    return made


# items with classes --------------------------------------------------------------------------------------------------


def _several(columns: Columns) -> bool:
    return columns["truth"].ndim == 2


def _class_confusion(columns: Columns, classes: int) -> np.ndarray | None:
    """Of each item the matrix with its one answer [n, K, K], where classes exclude each other."""
    if _several(columns):
        return None
    cells = columns["truth"].astype(np.int64) * classes + columns["chosen"].astype(np.int64)
    return (cells[:, None] == np.arange(classes**2)).astype(np.float64).reshape(-1, classes, classes)


def _questions(columns: Columns, classes: int) -> np.ndarray | None:
    """Of each item a yes or no for each class [n, K, 2, 2], where several may hold."""
    if not _several(columns):
        return None
    cells = columns["truth"].astype(np.int64) * 2 + columns["chosen"].astype(np.int64)
    return (cells[..., None] == np.arange(4)).astype(np.float64).reshape(-1, classes, 2, 2)


def _all_right(columns: Columns, classes: int) -> np.ndarray | None:
    """Of each item whether all its labels are right, as a matrix [n, 2, 2] with that one answer."""
    if not _several(columns):
        return None
    right = (columns["chosen"] == columns["truth"]).all(1)
    counts = np.zeros((len(right), 2, 2))
    counts[:, 0, 0], counts[:, 0, 1] = right, ~right
    return counts


def _item_calibration(columns: Columns, classes: int) -> np.ndarray:
    return calibration.item_rows(columns["truth"], columns["probabilities"])


def _item_uncalibrated(columns: Columns, classes: int) -> np.ndarray | None:
    return None if "before" not in columns else calibration.item_rows(columns["truth"], columns["before"])


def _before(columns: Columns, classes: int) -> np.ndarray | None:
    """Probabilities [n, K] as they were before they were calibrated, each at the temperature that its fold fitted."""
    if "temperature" not in columns:
        return None
    return calibration.uncalibrated(columns["probabilities"], columns["temperature"], exclusive=not _several(columns))


def _label_calibration(columns: Columns, classes: int) -> np.ndarray | None:
    """Bins of each class [n, K, 3, bins], where each is a question of its own."""
    if not _several(columns):
        return None
    truth, p = columns["truth"], columns["probabilities"]
    each = [calibration.binned(truth[:, k : k + 1], p[:, k : k + 1], bins=calibration.BINS) for k in range(classes)]
    return np.stack(each, axis=1)


# pixels --------------------------------------------------------------------------------------------------------------


def _blocks(pair: PixelPair) -> np.ndarray:
    """The confusion matrix of each block of the plane [B, K, K]."""
    blocks = spatial_blocks(pair.truth.shape[-2:], blocks=BLOCKS)
    return np.array(
        [counts.confusion(pair.truth[(..., *b)], pair.labels[(..., *b)], classes=pair.classes) for b in blocks]
    )


def _micrometres(pair: PixelPair) -> np.ndarray | None:
    """HD95 in µm of each class [K], where the pixel size is known."""
    return None if pair.edges is None else min(pair.edges) * pair.outlines[OUTLINES.index("hd95")]


def _pixel_calibration(pair: PixelPair) -> np.ndarray | None:
    return _bins(pair, pair.probabilities)


def _pixel_uncalibrated(pair: PixelPair) -> np.ndarray | None:
    return _bins(pair, pair.uncalibrated)


def _bins(pair: PixelPair, probabilities: np.ndarray | None) -> np.ndarray | None:
    if probabilities is None:
        return None
    return calibration.pixel_row(pair.truth, probabilities, exclusive=pair.exclusive)


def _lines(pair: PixelPair) -> np.ndarray:
    """Centre lines of each class but the background [K − 1, 4]."""
    if not pair.dense:
        return np.zeros((pair.classes - 1, len(centrelines.ROW)))
    labelled = pair.known
    each = [
        centrelines.centreline_row((pair.truth == c) & labelled, (pair.labels == c) & labelled)
        for c in range(1, pair.classes)
    ]
    return np.array(each)


def _components(pair: PixelPair) -> np.ndarray:
    """Sums of the face-connected parts of the foreground, as if each were an object."""
    from scipy.ndimage import label

    if not pair.dense:
        return np.zeros(len(instances.ROW))
    numbered = np.zeros((2, *pair.truth.shape), np.int32)
    for mask, numbers in zip((pair.truth == 1, (pair.labels == 1) & pair.known), numbered, strict=True):
        label(mask, output=numbers)
    return instances.instance_row(numbered[0], numbered[1])


def _cells(pair: PixelPair) -> np.ndarray | None:
    """Sums of the cells: 4-connected parts of class 0, slice by slice."""
    if pair.cells is None:
        return None
    if not pair.dense:
        return np.zeros(len(clustering.ROW))
    return clustering.clustering_rows(pair.truth == 0, pair.cells, thin=True).sum(0)


def _objects(pair: PixelPair) -> np.ndarray | None:
    if pair.numbers is None or pair.predicted_numbers is None:
        return None
    return instances.instance_row(pair.numbers, pair.predicted_numbers)


STATISTICS: Registry[Statistic] = Registry(
    "statistic",
    # what is listed of items with classes comes first: the others follow from it
    Statistic("truth", of=("classes",), measure=lambda pair: pair.truth, listed=True),
    Statistic("probabilities", of=("classes",), measure=lambda pair: pair.probabilities, listed=True),
    Statistic("chosen", of=("classes",), measure=lambda pair: pair.chosen, listed=True),
    Statistic("temperature", of=("classes",), measure=lambda pair: pair.temperature, listed=True),
    Statistic(
        "confusion",
        of=("classes", *PIXELS),
        measure=lambda pair: counts.confusion(pair.truth, pair.labels, classes=pair.classes),
        derive=_class_confusion,
    ),
    Statistic("questions", of=("classes",), derive=_questions, questions=True),
    Statistic("all_right", of=("classes",), derive=_all_right),
    Statistic("before", of=("classes",), derive=_before, listed=True),
    Statistic("calibration", of=("classes", "labels"), measure=_pixel_calibration, derive=_item_calibration),
    Statistic("uncalibrated", of=("classes", "labels"), measure=_pixel_uncalibrated, derive=_item_uncalibrated),
    Statistic("label_calibration", of=("classes",), derive=_label_calibration),
    Statistic("outlines", of=("labels",), measure=lambda pair: pair.outlines),
    Statistic("hd95_um", of=("labels",), measure=_micrometres),
    Statistic("lines", of=("labels",), measure=_lines),
    Statistic("components", of=("labels",), measure=_components),
    Statistic("cells", of=("labels",), measure=_cells),
    Statistic("objects", of=("objects",), measure=_objects),
    Statistic("blocks", of=PIXELS, measure=_blocks, listed=True),
)
"""Every statistic by its name; those of items with classes, but for what is listed, follow from it."""
