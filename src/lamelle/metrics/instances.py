"""Agreement of two images of numbered objects: AP, panoptic quality, aggregated Jaccard index, adapted Rand error.

Objects are the numbers above 0 in integer arrays [(Z,) Y, X]; pixels that are not to be scored are 0 in both. One
table of the pairs that overlap is counted, and a row of sums (``ROW``) follows from it: rows of images, tiles or slices
add up, so that a sum of rows gives the pooled score, a row by itself the score of the image, and intervals resample
rows. StarDist reports AP pooled, Cellpose the mean over images: say which.

The rule for empty images: no object in truth and prediction = NaN; objects in one of them only = 0. The adapted Rand
error is NaN without an object in the truth, and near 1 without one in the prediction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamelle.metrics.counts import ratio

THRESHOLDS = tuple(percent / 100 for percent in range(50, 95, 5))
"""The IoU at which an object counts as found: 0.5, 0.55 … 0.9."""

_OTHER = (
    *("truth", "predicted", "matched", "iou_matched", "aji_shared", "aji_union"),
    *("pairs_both", "pairs_truth", "pairs_predicted"),
)
ROW = (*(f"tp{round(100 * t)}" for t in THRESHOLDS), *_OTHER)
"""What a row holds: objects found at each threshold; objects in all; those with IoU above 0.5 and the sum of their IoU;
pixels of the aggregated Jaccard index; sums of squared counts of pixels inside the truth."""
_AT = {name: place for place, name in enumerate(ROW)}


@dataclass(frozen=True, slots=True)
class Overlaps:
    """Which objects overlap, and by how much; objects are indices into ``truth`` and ``predicted``."""

    truth: np.ndarray
    """Pixels of each object of the truth, int64 [T]."""
    predicted: np.ndarray
    """Pixels of each object of the prediction, int64 [P]."""
    pairs: np.ndarray
    """Indices (truth, prediction) of the pairs that share a pixel, int64 [N, 2], in order."""
    shared: np.ndarray
    """Pixels that each pair shares, int64 [N]."""

    @property
    def union(self) -> np.ndarray:
        """Pixels of each pair together, int64 [N]."""
        return self.truth[self.pairs[:, 0]] + self.predicted[self.pairs[:, 1]] - self.shared

    @property
    def iou(self) -> np.ndarray:
        """Intersection over union of each pair, float64 [N], in (0, 1]."""
        return self.shared / self.union


def overlaps(target: np.ndarray, prediction: np.ndarray) -> Overlaps:
    """Table of the pairs of objects that overlap; memory grows with the objects, not with their product.

    Raises:
        ValueError: If the shapes differ, or an array holds no integers or negative ones.

    Example:
        >>> found = overlaps(np.array([[7, 7, 7, 0]]), np.array([[0, 2, 2, 2]]))
        >>> found.shared, found.iou
        (array([2]), array([0.5]))
    """
    target, prediction = np.asarray(target), np.asarray(prediction)
    if target.shape != prediction.shape:
        raise ValueError(f"the shapes differ: target {target.shape}, prediction {prediction.shape}")
    for name, labels in (("target", target), ("prediction", prediction)):
        if labels.dtype.kind not in "bui":
            raise ValueError(f"{name} holds {labels.dtype}, but objects are numbered by integers")
        if labels.dtype.kind == "i" and labels.size and labels.min() < 0:
            raise ValueError(f"{name} has label {labels.min()}, but objects are numbered from 1")
    inside = (target > 0) | (prediction > 0)
    codes = [np.unique(labels[inside], return_inverse=True) for labels in (target, prediction)]
    (numbers, rows), (others, columns) = codes
    width = max(len(others), 1)
    joint, counts = np.unique(rows.astype(np.int64) * width + columns, return_counts=True)
    row, column = np.divmod(joint, width)
    real, predicted = numbers[row] > 0, others[column] > 0
    sizes = np.bincount(row[real], counts[real], minlength=len(numbers)).astype(np.int64)
    covered = np.bincount(column[predicted], counts[predicted], minlength=len(others)).astype(np.int64)
    both = real & predicted
    empty = [int(len(n) > 0 and n[0] == 0) for n in (numbers, others)]
    pairs = np.stack([row[both], column[both]], axis=1) - empty
    return Overlaps(sizes[empty[0] :], covered[empty[1] :], pairs, counts[both].astype(np.int64))


def instance_row(target: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Sufficient statistics of an image, float64 [R] as named in ``ROW``.

    Arguments and errors as in :func:`overlaps`.

    Example:
        >>> row = instance_row(np.array([[1, 1, 1, 0, 2]]), np.array([[0, 1, 1, 1, 0]]))
        >>> dict(zip(ROW, row.tolist()))["tp50"], float(ap_of(row, threshold=0.5))
        (1.0, 0.5)
    """
    return row_of(overlaps(target, prediction))


def row_of(pairs: Overlaps) -> np.ndarray:
    """Sufficient statistics of a table of overlaps, float64 [R] as named in ``ROW``.

    Example:
        >>> row_of(overlaps(np.array([[1, 1]]), np.array([[3, 3]])))[:9]
        array([1., 1., 1., 1., 1., 1., 1., 1., 1.])
    """
    iou = pairs.iou
    good = iou > 0.5
    rest = (
        *(len(pairs.truth), len(pairs.predicted), good.sum(), iou[good].sum()),
        *_aji_sums(pairs),
        *_squares(pairs),
    )
    return np.array([*(_matches(pairs.pairs[iou >= t]) for t in THRESHOLDS), *rest], np.float64)


def _matches(pairs: np.ndarray) -> int:
    """How many of these pairs can hold at once, each object in one; their IoU is 0.5 or more.

    Above 0.5 all can. At 0.5 exactly, an object may consist of the halves of two: one of these is taken.
    """
    _, first = np.unique(pairs[:, 0], return_index=True)
    return len(np.unique(pairs[first, 1]))


def _aji_sums(pairs: Overlaps) -> tuple[int, int]:
    """Shared and united pixels of the aggregated Jaccard index: each true object with the prediction of best IoU."""
    order = np.lexsort((-pairs.iou, pairs.pairs[:, 0]))
    _, first = np.unique(pairs.pairs[order, 0], return_index=True)
    best = order[first]
    lost = np.ones(len(pairs.truth), bool)
    lost[pairs.pairs[best, 0]] = False
    unused = np.ones(len(pairs.predicted), bool)
    unused[pairs.pairs[best, 1]] = False
    united = pairs.union[best].sum() + pairs.truth[lost].sum() + pairs.predicted[unused].sum()
    return int(pairs.shared[best].sum()), int(united)


def _squares(pairs: Overlaps) -> tuple[float, float, float]:
    """Pairs of pixels inside the truth that are one object in both, in the truth, in the prediction.

    Each pixel that the prediction leaves out is an object of its own, as in :mod:`lamelle.metrics.clustering`.
    """
    shared = pairs.shared.astype(np.float64)
    by_prediction = np.bincount(pairs.pairs[:, 1], shared, minlength=len(pairs.predicted))
    truth = np.square(pairs.truth.astype(np.float64)).sum()
    single = float(pairs.truth.sum() - shared.sum())
    return np.square(shared).sum() + single, truth, np.square(by_prediction).sum() + single


def counts_of(rows: np.ndarray, *, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True positives, false positives and false negatives [...] of rows [..., R].

    Raises:
        ValueError: If the threshold is none of ``THRESHOLDS``.

    Example:
        >>> row = instance_row(np.array([[1, 1, 1, 0, 2]]), np.array([[0, 1, 1, 1, 0]]))
        >>> [int(n) for n in counts_of(row, threshold=0.5)]
        [1, 0, 1]
    """
    if threshold not in THRESHOLDS:
        raise ValueError(f"rows know the IoU thresholds {THRESHOLDS}, not {threshold}")
    hits = _column(rows, f"tp{round(100 * threshold)}")
    return hits, _column(rows, "predicted") - hits, _column(rows, "truth") - hits


def ap_of(rows: np.ndarray, *, threshold: float) -> np.ndarray:
    """TP / (TP + FP + FN) at an IoU of the threshold or more [...], which StarDist and Cellpose call AP.

    It is no area under a curve: objects have no scores to rank them by.

    Example:
        >>> row = instance_row(np.array([[1, 1, 1, 0, 2]]), np.array([[0, 1, 1, 1, 0]]))
        >>> float(ap_of(row, threshold=0.5)), float(ap_of(row, threshold=0.75))
        (0.5, 0.0)

    Reference: Schmidt et al. (2018), doi:10.1007/978-3-030-00934-2_30
    """
    hits, false, missed = counts_of(rows, threshold=threshold)
    return ratio(hits, hits + false + missed)


def mean_ap_of(rows: np.ndarray) -> np.ndarray:
    """Mean of AP over ``THRESHOLDS`` [...].

    Example:
        >>> float(mean_ap_of(instance_row(np.array([[1, 1, 1]]), np.array([[1, 1, 0]]))).__round__(3))
        0.444
    """
    return np.mean([ap_of(rows, threshold=t) for t in THRESHOLDS], axis=0)


def f1_of(rows: np.ndarray) -> np.ndarray:
    """F1 of the objects at an IoU of 0.5 or more [...]: 2 TP / (2 TP + FP + FN).

    Example:
        >>> float(f1_of(instance_row(np.array([[1, 1, 1, 0, 2]]), np.array([[0, 1, 1, 1, 0]]))).round(3))
        0.667
    """
    return ratio(2 * _column(rows, "tp50"), _column(rows, "truth") + _column(rows, "predicted"))


def precision_of(rows: np.ndarray) -> np.ndarray:
    """Share of the predicted objects that are there, at an IoU of 0.5 or more [...]; NaN if nothing is predicted.

    Example:
        >>> float(precision_of(instance_row(np.array([[1, 1, 0, 2]]), np.array([[1, 1, 0, 0]]))))
        1.0
    """
    return ratio(_column(rows, "tp50"), _column(rows, "predicted"))


def recall_of(rows: np.ndarray) -> np.ndarray:
    """Share of the true objects that are found, at an IoU of 0.5 or more [...]; NaN if there are none.

    Example:
        >>> float(recall_of(instance_row(np.array([[1, 1, 0, 2]]), np.array([[1, 1, 0, 0]]))))
        0.5
    """
    return ratio(_column(rows, "tp50"), _column(rows, "truth"))


def sq_of(rows: np.ndarray) -> np.ndarray:
    """Segmentation quality: mean IoU of the objects that match with an IoU above 0.5 [...]; NaN if none does.

    Example:
        >>> float(sq_of(instance_row(np.array([[1, 1, 1, 0, 2]]), np.array([[0, 1, 1, 0, 0]]))).round(3))
        0.667

    Reference: Kirillov et al. (2019), doi:10.1109/CVPR.2019.00963
    """
    return ratio(_column(rows, "iou_matched"), _column(rows, "matched"))


def rq_of(rows: np.ndarray) -> np.ndarray:
    """Recognition quality: F1 of the objects that match with an IoU above 0.5 [...].

    Example:
        >>> float(rq_of(instance_row(np.array([[1, 1, 1, 0, 2]]), np.array([[0, 1, 1, 0, 0]]))).round(3))
        0.667

    Reference: Kirillov et al. (2019), doi:10.1109/CVPR.2019.00963
    """
    return ratio(2 * _column(rows, "matched"), _column(rows, "truth") + _column(rows, "predicted"))


def pq_of(rows: np.ndarray) -> np.ndarray:
    """Panoptic quality = segmentation × recognition quality: sum of the matches' IoU / (TP + FP/2 + FN/2) [...].

    Matches have an IoU above 0.5, as published; AP at 0.5 counts those of exactly 0.5 as well.

    Example:
        >>> float(pq_of(instance_row(np.array([[1, 1, 1, 0, 2]]), np.array([[0, 1, 1, 0, 0]]))).round(3))
        0.444

    Reference: Kirillov et al. (2019), doi:10.1109/CVPR.2019.00963
    """
    return ratio(2 * _column(rows, "iou_matched"), _column(rows, "truth") + _column(rows, "predicted"))


def aji_of(rows: np.ndarray) -> np.ndarray:
    """Aggregated Jaccard index: pixels shared by each true object and its best prediction, over all their pixels [...].

    As published, one prediction may be the best of several true objects; those that are nobody's add to the union.

    Example:
        >>> float(aji_of(instance_row(np.array([[1, 1, 1, 0, 2]]), np.array([[0, 1, 1, 1, 0]]))))
        0.4

    Reference: Kumar et al. (2017), doi:10.1109/TMI.2017.2677499
    """
    return ratio(_column(rows, "aji_shared"), _column(rows, "aji_union"))


def are_of(rows: np.ndarray) -> np.ndarray:
    """Adapted Rand error: 1 − F-score of the pairs of pixels that belong together, inside the true objects [...].

    Each pixel that the prediction leaves out is an object of its own, as in :mod:`lamelle.metrics.clustering`.

    Example:
        >>> float(are_of(instance_row(np.array([[1, 1, 2, 2]]), np.array([[3, 3, 3, 3]]))).round(3))
        0.333

    Reference: Arganda-Carreras et al. (2015), doi:10.3389/fnana.2015.00142
    """
    pairs = _column(rows, "pairs_truth") + _column(rows, "pairs_predicted")
    return ratio(pairs - 2 * _column(rows, "pairs_both"), np.where(_column(rows, "truth") > 0, pairs, 0.0))


def _column(rows: np.ndarray, name: str) -> np.ndarray:
    return np.asarray(rows, np.float64)[..., _AT[name]]
