"""Scores of a confusion matrix [..., K, K] (rows truth, columns prediction), vectorised over its leading axes.

The leading axes are images, or resamples of a bootstrap. The matrix may hold counts or weights. Scores of a class are
[..., K], NaN where the class gives nothing to divide by; scores over classes are [...] and average over the classes
that the truth holds. Dice of a class is its F1.
"""

from __future__ import annotations

import numpy as np

from lamelle.metrics.counts import ratio


def _parts(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Per class [..., K]: hits, what the truth holds, what was predicted; and the total [..., 1]."""
    matrix = np.asarray(matrix, np.float64)
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    truth, predicted = matrix.sum(-1), matrix.sum(-2)
    return hits, truth, predicted, truth.sum(-1, keepdims=True)


def of_present(values: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Scores of the classes [..., K] where the truth holds them; NaN where it does not.

    Of a class that the truth lacks, one answer would be all that its score is about.

    Args:
        truth: How much of each class the truth holds [..., K].

    Example:
        >>> of_present(np.array([0.9, 0.0]), np.array([12, 0]))
        array([0.9, nan])
    """
    return np.where(np.asarray(truth) > 0, values, np.nan)


def mean_of_present(values: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean [...] over the classes that the truth holds [..., K]; one of them without a value counts as 0.

    Args:
        truth: How much of each class the truth holds [..., K].

    Example:
        >>> mean_of_present(np.array([0.5, np.nan, 0.0]), np.array([4, 2, 0]))
        array(0.25)
    """
    present = np.asarray(truth) > 0
    return ratio(np.where(present, np.nan_to_num(values), 0.0).sum(-1), present.sum(-1))


def dice(matrix: np.ndarray) -> np.ndarray:
    """Dice coefficient (F1) of each class [..., K]; NaN where truth and prediction both lack it.

    Example:
        >>> dice(np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]])).round(3)
        array([0.857, 0.8  ,   nan])

    Reference: Dice (1945), doi:10.2307/1932409
    """
    hits, truth, predicted, _ = _parts(matrix)
    return ratio(2 * hits, truth + predicted)


def iou(matrix: np.ndarray) -> np.ndarray:
    """Intersection over union of each class [..., K]; NaN where truth and prediction both lack it.

    Example:
        >>> iou(np.array([[3, 1], [0, 2]])).round(3)
        array([0.75 , 0.667])

    Reference: Jaccard (1912), doi:10.1111/j.1469-8137.1912.tb05611.x
    """
    hits, truth, predicted, _ = _parts(matrix)
    return ratio(hits, truth + predicted - hits)


def precision(matrix: np.ndarray) -> np.ndarray:
    """Share of what is predicted as a class that is it [..., K]; NaN where the class is never predicted.

    Example:
        >>> precision(np.array([[3, 1], [0, 2]])).round(3)
        array([1.   , 0.667])
    """
    hits, _, predicted, _ = _parts(matrix)
    return ratio(hits, predicted)


def recall(matrix: np.ndarray) -> np.ndarray:
    """Share of a class that is found (sensitivity) [..., K]; NaN where the truth lacks the class.

    Example:
        >>> recall(np.array([[3, 1], [0, 2]]))
        array([0.75, 1.  ])
    """
    hits, truth, _, _ = _parts(matrix)
    return ratio(hits, truth)


def specificity(matrix: np.ndarray) -> np.ndarray:
    """Share of what is not a class that is not predicted as it [..., K]; NaN where the truth holds nothing else.

    Example:
        >>> specificity(np.array([[3, 1], [0, 2]]))
        array([1.  , 0.75])
    """
    hits, truth, predicted, total = _parts(matrix)
    return ratio(total - truth - predicted + hits, total - truth)


def accuracy(matrix: np.ndarray) -> np.ndarray:
    """Share of all that is right [...]; NaN where nothing was counted.

    Example:
        >>> float(accuracy(np.array([[3, 1], [0, 4]])))
        0.875
    """
    hits, _, _, total = _parts(matrix)
    return ratio(hits.sum(-1), total[..., 0])


def balanced_accuracy(matrix: np.ndarray) -> np.ndarray:
    """Mean recall over the classes that the truth holds [...].

    Example:
        >>> float(balanced_accuracy(np.array([[3, 1], [0, 2]])))
        0.875

    Reference: Brodersen et al. (2010), doi:10.1109/ICPR.2010.764
    """
    return mean_of_present(recall(matrix), _parts(matrix)[1])


def macro_f1(matrix: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes that the truth holds [...]; an answer that names another one is still a wrong one.

    Example:
        >>> round(float(macro_f1(np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]]))), 4)
        0.8286
        >>> round(float(macro_f1(np.array([[3, 0, 1], [0, 2, 0], [0, 0, 0]]))), 4)
        0.9286

    Reference: Opitz and Burst (2019), arXiv:1911.03347 (mean of the F1, not F1 of the means)
    """
    return mean_of_present(dice(matrix), _parts(matrix)[1])


def weighted_f1(matrix: np.ndarray) -> np.ndarray:
    """Mean F1 over classes, each weighted by its size in the truth [...].

    Example:
        >>> round(float(weighted_f1(np.array([[3, 1], [0, 2]]))), 4)
        0.8381
    """
    _, truth, _, total = _parts(matrix)
    return ratio((truth * np.nan_to_num(dice(matrix))).sum(-1), total[..., 0])


def macro_precision(matrix: np.ndarray) -> np.ndarray:
    """Mean precision over the classes that the truth holds [...]; one that is never predicted counts as 0.

    Example:
        >>> float(macro_precision(np.array([[3, 1, 0], [0, 2, 0], [1, 0, 0]])).round(4))
        0.4722
    """
    return mean_of_present(precision(matrix), _parts(matrix)[1])


def weighted_precision(matrix: np.ndarray) -> np.ndarray:
    """Mean precision over classes, each weighted by its size in the truth [...]; one never predicted counts as 0.

    Example:
        >>> round(float(weighted_precision(np.array([[3, 1], [0, 2]]))), 4)
        0.8889
    """
    _, truth, _, total = _parts(matrix)
    return ratio((truth * np.nan_to_num(precision(matrix))).sum(-1), total[..., 0])


def mcc(matrix: np.ndarray) -> np.ndarray:
    """Matthews correlation of truth and prediction over all classes, in [−1, 1] [...]; NaN where either is constant.

    Example:
        >>> round(float(mcc(np.array([[3, 1], [0, 2]]))), 4)
        0.7071

    Reference: Gorodkin (2004), doi:10.1016/j.compbiolchem.2004.09.006
    """
    hits, truth, predicted, total = _parts(matrix)
    # shares instead of counts: products of pixel counts leave the range in which float64 is exact
    scale = np.where(total == 0, 1.0, total)
    hits, truth, predicted = hits / scale, truth / scale, predicted / scale
    covariance = hits.sum(-1) - (truth * predicted).sum(-1)
    truth_variance, predicted_variance = 1 - (truth**2).sum(-1), 1 - (predicted**2).sum(-1)
    spread = np.sqrt(np.maximum(truth_variance, 0) * np.maximum(predicted_variance, 0))
    return ratio(covariance, np.where(total[..., 0] == 0, 0.0, spread))
