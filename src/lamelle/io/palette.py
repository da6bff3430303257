"""The colours of classes, on pictures and in label files."""

from __future__ import annotations

import numpy as np

COLOURS = np.array(
    [
        (0, 0, 0),
        (255, 176, 0),
        (100, 143, 255),
        (220, 38, 127),
        (0, 158, 115),
        (254, 97, 0),
        (120, 94, 240),
        (240, 228, 66),
    ],
    dtype=np.uint8,
)
"""Background, then classes; told apart with the common colour-vision deficiencies (after Okabe & Ito, and IBM)."""
_DIM = 64
"""Label values below which a viewer shows nothing but black."""


def colours_of(labels: np.ndarray) -> np.ndarray:
    """Colours uint8 [..., 3] of labels [...]; classes beyond the palette start again after the background.

    Example:
        >>> colours_of(np.array([0, 1, 8])).tolist()
        [[0, 0, 0], [255, 176, 0], [255, 176, 0]]
    """
    turn = np.where(labels < len(COLOURS), labels, 1 + (labels.astype(np.int64) - 1) % (len(COLOURS) - 1))
    return COLOURS[np.maximum(turn, 0).astype(np.intp)]


def table_for(array: np.ndarray) -> np.ndarray | None:
    """The colour table uint8 [256, 3] for labels whose values are too small to be seen; None where they are seen.

    Example:
        >>> table_for(np.array([0, 255], np.uint8)) is None, table_for(np.array([0, 2], np.uint8)).shape
        (True, (256, 3))
    """
    if array.dtype != np.uint8 or not 0 < int(array.max(initial=0)) < _DIM:
        return None
    return colours_of(np.arange(256))
