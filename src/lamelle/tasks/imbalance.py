"""Remedies for rare classes: pure functions of how many training records each class has, n [K].

A class without a record counts as one record, so that nothing is divided by 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def inverse_frequency(counts: Sequence[int]) -> np.ndarray:
    """Weights of the classes in the loss [K], n / (K · n_k): every class weighs the same over the training set.

    Their mean over the records is 1.

    Example:
        >>> inverse_frequency([3, 1]).round(3)
        array([0.667, 2.   ])

    Reference: King and Zeng (2001), doi:10.1093/oxfordjournals.pan.a004868
    """
    return controlled_weights(counts, alpha=0.0)


def effective_number(counts: Sequence[int], *, beta: float) -> np.ndarray:
    """Weights of the classes in the loss [K], (1 − β) / (1 − β^n_k), divided by their mean over the classes.

    β = 0 weighs all alike; β → 1 approaches the inverse frequency.

    Example:
        >>> effective_number([300, 100], beta=0.0)
        array([1., 1.])
        >>> effective_number([300, 100], beta=0.999).round(2)
        array([0.54, 1.46])

    Reference: Cui et al. (2019), doi:10.1109/CVPR.2019.00949
    """
    n = _known(counts)
    # 1 − β^n without cancellation, which matters for β close to 1
    weights = (1 - beta) / (-np.expm1(n * np.log(beta)) if beta > 0 else np.ones_like(n))
    return weights / weights.mean()


def controlled_weights(counts: Sequence[int], *, alpha: float) -> np.ndarray:
    """Weights of the classes in the loss [K] ∝ n^−(1−α), beside :func:`controlled_sampling`.

    Sampling gives class k a share ∝ n_k^(1−α) of the samples, so share · weight is the same for all classes whatever
    α is: α moves the remedy from the loss (0) to the sampling (1). The mean weight over the samples is 1: at α = 0
    the weights are n / (K · n_k), at α = 1 they are 1.

    Example:
        >>> controlled_weights([9, 1], alpha=0.5).round(3)
        array([0.667, 2.   ])
        >>> controlled_weights([9, 1], alpha=1.0)
        array([1., 1.])
    """
    share = _known(counts) ** (1 - alpha)
    return share.sum() / (len(share) * share)


def controlled_sampling(counts: Sequence[int], members: Sequence[Sequence[int]], *, alpha: float) -> np.ndarray:
    """Relative frequency of each record [records], n^−α of its class, so that class k has a share ∝ n_k^(1−α).

    α = 0 draws records as they come, α = 1 draws all classes evenly. A record of several classes counts as one of
    its rarest; a record of none as one of the most frequent.

    Args:
        members: Numbers of the classes of each record.

    Example:
        >>> controlled_sampling([4, 1], [[0], [0], [0], [0], [1]], alpha=0.5)
        array([0.5, 0.5, 0.5, 0.5, 1. ])
    """
    n = _known(counts)
    rarest = np.array([n[list(classes)].min() if len(classes) else n.max() for classes in members])
    return rarest**-alpha


def oversampling(counts: Sequence[int], members: Sequence[Sequence[int]]) -> np.ndarray:
    """Relative frequency of each record [records], such that classes are drawn evenly: 1 / n of its class.

    Args:
        members: Numbers of the classes of each record, as in :func:`controlled_sampling`.

    Example:
        >>> oversampling([2, 1], [[0], [0], [1], [0, 1]])
        array([0.5, 0.5, 1. , 1. ])

    Reference: Buda, Maki and Mazurowski (2018), doi:10.1016/j.neunet.2018.07.011
    """
    return controlled_sampling(counts, members, alpha=1.0)


def log_prior(counts: Sequence[int], *, tau: float) -> np.ndarray:
    """What is added to the logits in the loss, and only there [K]: τ · log of each class's share.

    The network then learns logits that treat all classes alike: its most probable class minimises the balanced error
    (τ = 1) without any weight.

    Example:
        >>> log_prior([3, 1], tau=1.0).round(3)
        array([-0.288, -1.386])

    Reference: Menon et al. (2021), doi:10.48550/arXiv.2007.07314
    """
    n = _known(counts)
    return tau * np.log(n / n.sum())


def _known(counts: Sequence[int]) -> np.ndarray:
    return np.maximum(np.asarray(counts, np.float64), 1.0)
