"""Which way a score is better, and whether it lies between 0 and 1."""

from __future__ import annotations

import math

_ERRORS = ("hd95", "hd95_um", "one_empty", "are", "brier", "log_loss", "ece")
_UNBOUNDED = ("hd95", "hd95_um", "brier", "log_loss", "mcc")


def less_is_better(score: str) -> bool:
    """Whether a smaller value of this score is the better one.

    Example:
        >>> less_is_better("hd95"), less_is_better("recall/tumour"), less_is_better("ece_uncalibrated")
        (True, False, True)
    """
    return _stem(score) in _ERRORS


def is_share(score: str) -> bool:
    """Whether a score lies between 0 and 1.

    Example:
        >>> is_share("dice/cell"), is_share("log_loss_uncalibrated"), is_share("mcc")
        (True, False, False)
    """
    return _stem(score) not in _UNBOUNDED


def limits(score: str) -> tuple[float, float]:
    """The least and the largest value that a score can have.

    Example:
        >>> limits("recall/tumour"), limits("mcc"), limits("hd95")
        ((0.0, 1.0), (-1.0, 1.0), (0.0, inf))
    """
    if is_share(score):
        return 0.0, 1.0
    return (-1.0, 1.0) if _stem(score) == "mcc" else (0.0, math.inf)


def _stem(score: str) -> str:
    return score.partition("/")[0].removesuffix("_uncalibrated").removeprefix("image_")
