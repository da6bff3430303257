"""Agreement of two partitions into cells: V_rand and V_info of the ISBI 2012 challenge, and the adapted Rand error.

Cells are 4-connected components of each 2-D slice, separated by membrane. Only pixels that are cell in the truth
count (the foreground restriction). Among these, a pixel that the prediction calls membrane is a segment of its own,
as in the challenge's scripts; ``thin=True`` first grows the predicted cells into the predicted membrane until it is
one pixel wide and remains only where two cells meet, so that the width of a membrane costs nothing.

Everything is additive over slices: :func:`clustering_rows` gives one row per slice, sums of rows give pooled scores,
and intervals resample rows.

Reference: Arganda-Carreras et al. (2015), doi:10.3389/fnana.2015.00142
"""

from __future__ import annotations

import numpy as np

from lamelle.metrics.counts import ratio

ROW = ("pairs_both", "pairs_truth", "pairs_predicted", "information", "entropy_truth", "entropy_predicted")
"""What a row holds: sums of squared counts (shared, truth, prediction); then nats times foreground pixels."""


def partition(cells: np.ndarray, *, thin: bool) -> np.ndarray:
    """Numbered cells, int32 like ``cells``: 0 = membrane, 1, 2 … = 4-connected components of each slice.

    Args:
        cells: Boolean [(Z,) Y, X].
        thin: Grow the cells into the membrane, until it is one pixel wide and only between two cells.

    Example:
        >>> partition(np.array([[True, False, False, False, True]]), thin=False)
        array([[1, 0, 0, 0, 2]], dtype=int32)
        >>> partition(np.array([[True, False, False, False, True]]), thin=True)
        array([[1, 1, 0, 2, 2]], dtype=int32)
    """
    from scipy.ndimage import label

    stack = _stack(cells)
    in_plane = np.zeros((3, 3, 3), bool)
    in_plane[1] = [[False, True, False], [True, True, True], [False, True, False]]
    labels = np.empty(stack.shape, np.int32)
    label(stack, structure=in_plane, output=labels)
    if thin:
        for z, plane in enumerate(labels):
            labels[z] = _grown(plane)
    return labels.reshape(np.shape(cells))


def _grown(plane: np.ndarray) -> np.ndarray:
    """One slice whose cells are flooded over the membrane at equal speed, with a line where two of them meet."""
    from skimage.segmentation import watershed

    if not plane.any() or plane.all():
        return plane
    return watershed(np.zeros(plane.shape, np.uint8), markers=plane, connectivity=1, watershed_line=True)


def _stack(array: np.ndarray) -> np.ndarray:
    array = np.asarray(array)
    if array.ndim not in (2, 3):
        raise ValueError(f"cells are [(Z,) Y, X], not {array.ndim}-dimensional")
    return array.reshape(-1, *array.shape[-2:])


def clustering_rows(target_cells: np.ndarray, prediction_cells: np.ndarray, *, thin: bool) -> np.ndarray:
    """Sufficient statistics (``ROW``) of each slice, float64 [Z, 6]; a single image gives one row.

    Args:
        target_cells: Where the truth says cell, boolean [(Z,) Y, X]; ignored pixels are False.
        prediction_cells: Where the prediction says cell, boolean, the same shape.
        thin: Thin the predicted membrane first.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> truth = np.array([[True, True, False, True, True]])
        >>> clustering_rows(truth, np.ones_like(truth), thin=False).round(2)
        array([[ 8.  ,  8.  , 16.  ,  0.  ,  2.77,  0.  ]])
    """
    if np.shape(target_cells) != np.shape(prediction_cells):
        raise ValueError(f"the shapes differ: target {np.shape(target_cells)}, prediction {np.shape(prediction_cells)}")
    truth = _stack(partition(target_cells, thin=False))
    predicted = _stack(partition(prediction_cells, thin=thin))
    return np.stack([_row(one, other) for one, other in zip(truth, predicted, strict=True)])


def _row(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Statistics of one slice of labels; 0 in the prediction is one segment per pixel."""
    inside = truth > 0
    pixels = int(inside.sum())
    if not pixels:
        return np.zeros(len(ROW))
    one, other = truth[inside].astype(np.int64), predicted[inside].astype(np.int64)
    single = int((other == 0).sum())
    sizes = np.bincount(one)
    covered = np.bincount(other)
    covered[0] = 0
    apart = other > 0
    _, shared = np.unique(one[apart] * len(covered) + other[apart], return_counts=True)
    squares = [float((s.astype(np.float64) ** 2).sum()) for s in (shared, sizes, covered)]
    # N·H = N ln N − Σ c ln c; a segment of one pixel adds nothing to the sum
    joint, truth_h, predicted_h = (pixels * np.log(pixels) - _c_log_c(c) for c in (shared, sizes, covered))
    information = max(truth_h + predicted_h - joint, 0.0)
    return np.array([squares[0] + single, squares[1], squares[2] + single, information, truth_h, predicted_h])


def _c_log_c(counts: np.ndarray) -> float:
    counts = counts[counts > 0].astype(np.float64)
    return float((counts * np.log(counts)).sum())


def v_rand_of(rows: np.ndarray) -> np.ndarray:
    """V_rand [...] of summed rows [..., 6]: shared pairs over the mean of the pairs of truth and of prediction.

    Example:
        >>> float(v_rand_of(np.array([8.0, 8.0, 16.0, 0.0, 2.77, 0.0])).round(3))
        0.667
    """
    rows = np.asarray(rows, np.float64)
    return ratio(2 * rows[..., 0], rows[..., 1] + rows[..., 2])


def v_info_of(rows: np.ndarray) -> np.ndarray:
    """V_info [...] of summed rows [..., 6]: shared information over mean entropy; NaN where both are one cell.

    Example:
        >>> float(v_info_of(np.array([8.0, 8.0, 16.0, 0.0, 2.77, 0.0])))
        0.0
    """
    rows = np.asarray(rows, np.float64)
    return ratio(2 * rows[..., 3], rows[..., 4] + rows[..., 5])


def v_rand(target_cells: np.ndarray, prediction_cells: np.ndarray, *, thin: bool) -> float:
    """Foreground-restricted Rand score, in (0, 1], 1 = the same cells; NaN without a cell in the truth.

    Pooled over slices. The F-score with equal weight of splits and mergers; 1 − :func:`adapted_rand_error`. Arguments
    as in :func:`clustering_rows`.

    Example:
        >>> truth = np.array([[True, True, False, True, True]])
        >>> v_rand(truth, truth, thin=True), round(v_rand(truth, np.ones_like(truth), thin=True), 3)
        (1.0, 0.667)

    Reference: Arganda-Carreras et al. (2015), doi:10.3389/fnana.2015.00142
    """
    return float(v_rand_of(clustering_rows(target_cells, prediction_cells, thin=thin).sum(0)))


def v_info(target_cells: np.ndarray, prediction_cells: np.ndarray, *, thin: bool) -> float:
    """Foreground-restricted information score, in [0, 1], 1 = the same cells; NaN without two cells anywhere.

    Information and entropies are those within slices, summed over slices. Arguments as in :func:`clustering_rows`.

    Example:
        >>> truth = np.array([[True, True, False, True, True]])
        >>> v_info(truth, truth, thin=True), v_info(truth, np.ones_like(truth), thin=True)
        (1.0, 0.0)

    Reference: Arganda-Carreras et al. (2015), doi:10.3389/fnana.2015.00142
    """
    return float(v_info_of(clustering_rows(target_cells, prediction_cells, thin=thin).sum(0)))


def adapted_rand_error(target_cells: np.ndarray, prediction_cells: np.ndarray, *, thin: bool) -> float:
    """1 − V_rand: the error of SNEMI3D and of the first ISBI tables; 0 = the same cells.

    Example:
        >>> truth = np.array([[True, True, False, True, True]])
        >>> adapted_rand_error(truth, truth, thin=True)
        0.0
    """
    return 1 - v_rand(target_cells, prediction_cells, thin=thin)
