"""clDice: how much of the centre lines of one mask lies inside the other; boolean masks [(Z,) Y, X].

Centre lines are skeletons one pixel thin (scikit-image; of Lee's method in volumes). A row of counts (``ROW``) is taken
of each image and rows add up: a sum of rows gives the pooled score. Pixels that are not to be scored are False in both.
The rule for empty masks: both empty = NaN, one empty = 0.
"""

from __future__ import annotations

import numpy as np

from lamelle.metrics.counts import ratio

ROW = ("truth_found", "truth", "predicted_inside", "predicted")
"""Pixels of the true centre line, those inside the prediction first; then of the predicted one and inside the truth."""


def centreline_row(target: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Counts of an image, float64 [4] as named in ``ROW``.

    Raises:
        ValueError: If the shapes differ, or the masks are neither images nor volumes.

    Example:
        >>> line = np.zeros((5, 9), bool)
        >>> line[2, 1:8] = True
        >>> half = line & (np.arange(9) < 5)
        >>> centreline_row(line, half)
        array([4., 7., 4., 4.])
    """
    target, prediction = np.asarray(target, bool), np.asarray(prediction, bool)
    if target.shape != prediction.shape:
        raise ValueError(f"the shapes differ: target {target.shape}, prediction {prediction.shape}")
    if target.ndim not in (2, 3):
        raise ValueError(f"masks are [(Z,) Y, X], not {target.ndim}-dimensional")
    true_line, line = _centreline(target), _centreline(prediction)
    masks = ((true_line & prediction), true_line, (line & target), line)
    return np.array([np.count_nonzero(part) for part in masks], np.float64)


def _centreline(mask: np.ndarray) -> np.ndarray:
    from skimage.morphology import skeletonize

    if not mask.any():
        return mask
    if 1 in mask.shape:  # of a volume of one slice, the skeleton of the slice
        flat = mask.squeeze()
        return (skeletonize(flat) if flat.ndim == 2 else mask).reshape(mask.shape)
    return skeletonize(mask)


def cldice_of(rows: np.ndarray) -> np.ndarray:
    """clDice [...] of rows [..., 4]: harmonic mean of the shares of either centre line that lie inside the other mask.

    Example:
        >>> float(cldice_of(np.array([4.0, 7.0, 4.0, 4.0])).round(3))
        0.727

    Reference: Shit et al. (2021), doi:10.1109/CVPR46437.2021.01629
    """
    sensitivity, inside = sensitivity_of(rows), precision_of(rows)
    none = np.asarray(rows, np.float64)[..., [1, 3]].sum(-1) == 0
    missing = np.isnan(sensitivity) | np.isnan(inside)
    both = np.where(missing, 0.0, sensitivity + inside)
    mean = np.where(both == 0, 0.0, ratio(2 * sensitivity * inside, both))
    return np.where(none, np.nan, mean)


def sensitivity_of(rows: np.ndarray) -> np.ndarray:
    """Share of the true centre line that lies inside the prediction [...]; NaN if there is none.

    Example:
        >>> float(sensitivity_of(np.array([4.0, 8.0, 4.0, 4.0])))
        0.5

    Reference: Shit et al. (2021), doi:10.1109/CVPR46437.2021.01629
    """
    rows = np.asarray(rows, np.float64)
    return ratio(rows[..., 0], rows[..., 1])


def precision_of(rows: np.ndarray) -> np.ndarray:
    """Share of the predicted centre line that lies inside the truth [...]; NaN if there is none.

    Example:
        >>> float(precision_of(np.array([4.0, 8.0, 4.0, 4.0])))
        1.0

    Reference: Shit et al. (2021), doi:10.1109/CVPR46437.2021.01629
    """
    rows = np.asarray(rows, np.float64)
    return ratio(rows[..., 2], rows[..., 3])


def cldice(target: np.ndarray, prediction: np.ndarray) -> float:
    """clDice of two masks; arguments as in :func:`centreline_row`.

    Example:
        >>> line = np.zeros((5, 9), bool)
        >>> line[1:4, 1:8] = True
        >>> cldice(line, line), cldice(line, ~line), cldice(line, np.zeros_like(line))
        (1.0, 0.0, 0.0)

    Reference: Shit et al. (2021), doi:10.1109/CVPR46437.2021.01629
    """
    return float(cldice_of(centreline_row(target, prediction)))
