"""Whether label values are classes, or numbers of objects: 1, 2, 3 … anew in each image, one part each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from lamelle.types import Problem

_LEAST = 4
"""Objects in the fullest image: three organs, of which some images lack the last, are not numbers."""
_DIFFERENT = 3
"""Different numbers of objects: classes come in sets that are alike from image to image."""
_MOST_PIXELS = 1 << 26
"""Larger label images are not looked at: they take long, and their values are classes in all likelihood."""


def numbered(labels: np.ndarray, counts: Mapping[int, int]) -> int | None:
    """How many objects a label image [(Z,) Y, X] numbers; None if its values cannot be numbers of objects.

    They are 1 to n, and the pixels of each one hang together. An image of nothing, or of one value, says 0 or 1.

    Args:
        counts: Pixels per value.

    Example:
        >>> two = np.array([[1, 1, 0, 2], [1, 0, 0, 2]])
        >>> numbered(two, {0: 3, 1: 3, 2: 2}), numbered(np.array([[1, 0, 1]]), {0: 1, 1: 2})
        (2, None)
    """
    from skimage.measure import label

    values = sorted(v for v in counts if v != 0)
    if values != list(range(1, len(values) + 1)) or labels.size > _MOST_PIXELS:
        return None
    parts = cast(np.ndarray, label(np.asarray(labels), background=0, connectivity=labels.ndim))
    return len(values) if int(parts.max(initial=0)) == len(values) else None


def numbering_problems(found: Sequence[int | None], places: Sequence[str]) -> list[Problem]:
    """An error if every label image numbers its objects, and not all have as many.

    Args:
        found: What `numbered` says of each label image.
        places: Their files.
    """
    known = [n for n in found if n is not None]
    if len(known) < len(found) or max(known, default=0) < _LEAST or len({*known} - {0}) < _DIFFERENT:
        return []
    most = max(range(len(known)), key=lambda i: known[i])
    return [Problem("audit.values_objects", places[most], "error", {"most": known[most], "least": min(known)})]
