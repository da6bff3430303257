"""Scores of probabilities and of the order they give: areas under curves, Brier score, log loss.

One class: target [N] of 0 and 1, score [N]. Several classes: target int [N] or multi-hot [N, K], probabilities [N,
K]. Items may carry weights [..., N], such as the counts of a bootstrap; the result then has their leading axes.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from lamelle.metrics.counts import ratio

CERTAIN = 1e-7
"""A probability of 0 or 1 counts as this far from it, so that one sure mistake does not make a mean infinite."""


def steps(
    target: np.ndarray, score: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Negatives and positives at or above each distinct score, descending [..., S]; and the distinct scores [S].

    Raises:
        ValueError: If the shapes differ, the target holds something else than 0 and 1, or a score is NaN.

    Example:
        >>> steps(np.array([0, 1, 1]), np.array([0.2, 0.2, 0.9]), None)
        (array([0., 1.]), array([1., 2.]), array([0.9, 0.2]))
    """
    target, score = np.asarray(target), np.asarray(score)
    if target.shape != score.shape or target.ndim != 1:
        raise ValueError(f"target and score are [N], not {target.shape} and {score.shape}")
    if not np.isin(target, (0, 1)).all():
        raise ValueError("target has a label other than 0 and 1")
    if np.isnan(score).any():
        raise ValueError("a score is NaN")
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1) if len(ordered) else np.empty(0, np.int64)
    weight = np.ones(len(score)) if weights is None else np.asarray(weights, np.float64)
    weight, truth = weight[..., order], target[order].astype(bool)
    positives = np.cumsum(np.where(truth, weight, 0.0), axis=-1)[..., last]
    negatives = np.cumsum(np.where(truth, 0.0, weight), axis=-1)[..., last]
    return negatives, positives, ordered[last].astype(np.float64)


def _from_zero(sums: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros((*sums.shape[:-1], 1)), sums], axis=-1)


def roc_auc(target: np.ndarray, score: np.ndarray, *, weights: np.ndarray | None = None) -> np.ndarray:
    """Area under the ROC curve [...] of one class; NaN where one of the two truths is missing.

    Raises:
        ValueError: If the shapes differ, or the target holds something else than 0 and 1.

    Example:
        >>> float(roc_auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])))
        0.75

    Reference: Fawcett (2006), doi:10.1016/j.patrec.2005.10.010
    """
    negatives, positives, _ = steps(target, score, weights)
    negatives, positives = _from_zero(negatives), _from_zero(positives)
    area = (np.diff(negatives) * (positives[..., 1:] + positives[..., :-1]) / 2).sum(-1)
    return ratio(area, negatives[..., -1] * positives[..., -1])


def pr_auc(target: np.ndarray, score: np.ndarray, *, weights: np.ndarray | None = None) -> np.ndarray:
    """Average precision [...] of one class: precision at each step of recall; NaN without a positive.

    A random order gives the share of positives, which belongs beside it. Errors as in :func:`roc_auc`.

    Example:
        >>> round(float(pr_auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))), 4)
        0.8333

    Reference: Davis and Goadrich (2006), doi:10.1145/1143844.1143874
    """
    negatives, positives, _ = steps(target, score, weights)
    gained = np.diff(_from_zero(positives))
    precision = np.nan_to_num(ratio(positives, positives + negatives))
    total = positives[..., -1] if positives.shape[-1] else np.zeros(positives.shape[:-1])
    return ratio((gained * precision).sum(-1), total)


def one_hot(target: np.ndarray, *, classes: int) -> np.ndarray:
    """Multi-hot int64 [N, K] of a target of classes [N], or of one that is multi-hot already.

    Example:
        >>> one_hot(np.array([1, 0]), classes=2)
        array([[0, 1],
               [1, 0]])
    """
    target = np.asarray(target)
    if target.ndim == 2:
        return target.astype(np.int64)
    return (target[:, None] == np.arange(classes)).astype(np.int64)


def roc_auc_each(target: np.ndarray, probabilities: np.ndarray, *, weights: np.ndarray | None = None) -> np.ndarray:
    """Area under the ROC curve of each class against the others [..., K].

    Example:
        >>> roc_auc_each(np.array([0, 1, 1]), np.array([[0.8, 0.2, 0], [0.3, 0.7, 0], [0.4, 0.6, 0]]))
        array([ 1.,  1., nan])
    """
    hot = one_hot(target, classes=probabilities.shape[1])
    return np.stack([roc_auc(t, p, weights=weights) for t, p in zip(hot.T, probabilities.T, strict=True)], axis=-1)


def pr_auc_each(target: np.ndarray, probabilities: np.ndarray, *, weights: np.ndarray | None = None) -> np.ndarray:
    """Average precision of each class against the others [..., K].

    Example:
        >>> pr_auc_each(np.array([0, 1, 1]), np.array([[0.8, 0.2, 0], [0.3, 0.7, 0], [0.4, 0.6, 0]]))
        array([ 1.,  1., nan])
    """
    hot = one_hot(target, classes=probabilities.shape[1])
    return np.stack([pr_auc(t, p, weights=weights) for t, p in zip(hot.T, probabilities.T, strict=True)], axis=-1)


def macro(each: np.ndarray) -> np.ndarray:
    """Mean over the classes that have a value, [..., K] → [...]; NaN where none has.

    Example:
        >>> float(macro(np.array([0.5, 1.0, np.nan])))
        0.75
    """
    defined = ~np.isnan(each)
    return ratio(np.where(defined, each, 0.0).sum(-1), defined.sum(-1))


def weighted_of_labels(values: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Mean [...] over the classes, each weighted by its rows in the truth.

    Example:
        >>> weighted_of_labels(np.array([0.5, np.nan, np.nan]), np.array([3.0, 1.0, 0.0]))
        array(0.375)
    """
    return ratio((support * np.nan_to_num(values)).sum(-1), support.sum(-1))


def heights(
    target: np.ndarray, score: np.ndarray, *, kind: Literal["roc", "pr"], weights: np.ndarray, x: np.ndarray
) -> np.ndarray:
    """Height of the ROC or precision-recall curve at each x [B, X]; NaN where a resample lacks what it needs.

    ROC: recall at 1 − specificity = x, straight between two points. Precision-recall: precision where recall first is
    x or more, since no straight line joins two points of it. Over resamples this is vertical averaging.

    Args:
        weights: How often each item counts [B, N].
        x: Places between 0 and 1 [X].

    Example:
        >>> target, score = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])
        >>> heights(target, score, kind="roc", weights=np.array([[1, 1, 1, 1], [0, 2, 1, 1]]), x=np.array([0, 0.5, 1]))
        array([[0.5, 1. , 1. ],
               [0.5, 0.5, 1. ]])

    Reference: Fawcett (2006), doi:10.1016/j.patrec.2005.10.010; Davis and Goadrich (2006), doi:10.1145/1143844.1143874
    """
    negatives, positives, distinct = steps(target, score, weights)
    if not distinct.size:
        return np.full((len(weights), len(x)), np.nan)
    at = _roc_at if kind == "roc" else _pr_at
    return np.array([at(false, true, x) for false, true in zip(negatives, positives, strict=True)])


def _roc_at(false: np.ndarray, true: np.ndarray, x: np.ndarray) -> np.ndarray:
    if false[-1] == 0 or true[-1] == 0:
        return np.full(len(x), np.nan)
    return np.interp(x, np.append(0.0, false / false[-1]), np.append(0.0, true / true[-1]))


def _pr_at(false: np.ndarray, true: np.ndarray, x: np.ndarray) -> np.ndarray:
    if true[-1] == 0:
        return np.full(len(x), np.nan)
    kept = true + false > 0  # where nothing was drawn yet, there is no precision
    true, false = true[kept], false[kept]
    place = np.searchsorted(true / true[-1], x - 1e-12)
    return true[place] / (true + false)[place]


def brier_each(target: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Brier score of each item [N]; its mean is the Brier score.

    Classes [N] and [N, K]: the squares are summed over the classes, in [0, 2]. Multi-hot [N, K]: every class is a
    question of its own, and the squares are averaged over them, in [0, 1].

    Example:
        >>> brier_each(np.array([0, 1]), np.array([[1.0, 0.0], [0.5, 0.5]]))
        array([0. , 0.5])

    Reference: Brier (1950), doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2
    """
    squares = (np.asarray(probabilities, np.float64) - one_hot(target, classes=probabilities.shape[1])) ** 2
    return squares.sum(-1) if np.ndim(target) == 1 else squares.mean(-1)


def log_loss_each(target: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Negative log-likelihood of each item [N], in nats; multi-hot [N, K]: averaged over the classes.

    Example:
        >>> log_loss_each(np.array([0]), np.array([[0.5, 0.5]])).round(3)
        array([0.693])

    Reference: Good (1952), doi:10.1111/j.2517-6161.1952.tb00104.x
    """
    p = np.clip(np.asarray(probabilities, np.float64), CERTAIN, 1 - CERTAIN)
    hot = one_hot(target, classes=p.shape[1])
    if np.ndim(target) == 1:
        return -(hot * np.log(p)).sum(-1)
    return -(hot * np.log(p) + (1 - hot) * np.log1p(-p)).mean(-1)


def brier(target: np.ndarray, probabilities: np.ndarray) -> float:
    """Brier score, 0 = perfect: mean squared error of the probability; over classes the squares are summed.

    [N] and [N] give a value in [0, 1]; classes [N] and [N, K] give one in [0, 2]; NaN without an item.

    Example:
        >>> round(brier(np.array([0, 1]), np.array([0.1, 0.8])), 4)
        0.025

    Reference: Brier (1950), doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2
    """
    if not len(target):
        return float("nan")
    truth = target if probabilities.ndim == 1 else one_hot(target, classes=probabilities.shape[1])
    squares = (np.asarray(probabilities, np.float64) - truth) ** 2
    return float((squares if squares.ndim == 1 else squares.sum(-1)).mean())
