"""How far training has come, and the learning rate there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

Knots = Sequence[tuple[int, int]]
"""(step, total): from this step on, training was expected to end after ``total`` steps."""


def progress(step: int, knots: Knots) -> float:
    """Share of the training that lies behind ``step``, from 0 to 1; linear between knots and never falling.

    A run of known length has one knot. A run with a time budget gets a new one whenever its end is estimated again,
    so that the rate still ends at its floor.

    Example:
        >>> progress(50, [(0, 100)]), progress(75, [(0, 100), (50, 100)])
        (0.5, 0.75)
        >>> progress(60, [(0, 100), (50, 60)])
        1.0
    """
    done = 0.0
    for (begin, total), (end, _) in pairwise([*knots, (max(step, knots[-1][0]), 0)]):
        reached = min(step, end)
        if reached > begin:
            done += (1 - done) * min(1.0, (reached - begin) / max(total - begin, 1))
    return done


def rate(done: float, *, schedule: str, warmup: float) -> float:
    """Factor of the peak learning rate after ``done`` of the training: linear rise, then ``cosine`` to 0 or
    ``constant``.

    Example:
        >>> rate(0.5, schedule="cosine", warmup=0.0)
        0.5
    """
    if done < warmup:
        return max(done / warmup, 1e-3)
    if schedule == "constant":
        return 1.0
    rest = (done - warmup) / max(1 - warmup, 1e-9)
    return 0.5 * (1 + math.cos(math.pi * min(rest, 1.0)))
