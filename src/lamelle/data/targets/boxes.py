"""Boxes: found around objects, cut, resized, stacked, moved and mixed as the images are in which they lie.

A corner is a place between pixels: pixel i reaches from i to i + 1, so that a box of one pixel is [i, i + 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from lamelle.data.augment.mixing import Mixed
from lamelle.data.augment.parameters import Parameters
from lamelle.data.augment.warp import spline
from lamelle.types import IGNORE, Boxes

if TYPE_CHECKING:
    from torch import Tensor

_ACROSS = 5
"""Points along each edge of a box that is bent."""
_STEPS = 6
"""Steps in which the place is found that was bent to a point; displacements are smooth and small."""


def around(parts: Mapping[int, np.ndarray], shape: tuple[int, ...]) -> Boxes:
    """The boxes around numbered objects.

    Args:
        parts: Class → int [(Z,) Y, X], 0 = none, numbered 1, 2, 3 …
        shape: Of the image.

    Example:
        >>> found = around({1: np.array([[0, 1, 1], [2, 0, 1]])}, (2, 3))
        >>> found.corners.tolist(), found.classes.tolist()
        ([[[0.0, 1.0], [2.0, 3.0]], [[1.0, 0.0], [2.0, 1.0]]], [1, 1])
    """
    from scipy.ndimage import find_objects

    corners, classes = [], []
    for number, labels in parts.items():
        for where in find_objects(np.maximum(labels, 0).astype(np.int32)):
            if where is not None:
                corners.append([[side.start for side in where], [side.stop for side in where]])
                classes.append(number)
    return Boxes(np.array(corners, np.float32).reshape(-1, 2, len(shape)), np.array(classes, np.int64), tuple(shape))


def drawn(boxes: Boxes) -> np.ndarray:
    """Labels int64 [(Z,) Y, X] with a number for each box, whose pixels it fills; a later one lies on top.

    Example:
        >>> drawn(Boxes(np.array([[[0, 1], [1, 3]]], np.float32), np.array([1]), (2, 3))).tolist()
        [[0, 1, 1], [0, 0, 0]]
    """
    labels = np.zeros(boxes.shape, np.int64)
    corners = np.clip(np.round(boxes.corners), 0, boxes.shape).astype(np.int64)
    for number, (start, stop) in enumerate(corners, 1):
        labels[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = number
    return labels


def cut(boxes: Boxes, start: Sequence[int], size: Sequence[int]) -> Boxes:
    """The boxes in a window, as far as they lie in it."""
    corners, kept = _inside(boxes.corners - np.asarray(start, np.float32), size)
    return Boxes(corners[kept], boxes.classes[kept], tuple(size))


def resized(boxes: Boxes, size: Sequence[int]) -> Boxes:
    """The boxes in their image at another size."""
    factor = np.asarray(size, np.float32) / np.asarray(boxes.shape, np.float32)
    return Boxes(boxes.corners * factor, boxes.classes, tuple(size))


def stacked(many: Sequence[Boxes]) -> Tensor:
    """A batch float32 [N, M, 1 + 2 d]: class, first and last corner; class ``IGNORE`` where an image has fewer than M.

    Example:
        >>> one = Boxes(np.array([[[0, 1], [2, 3]]], np.float32), np.array([1]), (4, 4))
        >>> none = Boxes(np.zeros((0, 2, 2), np.float32), np.zeros(0, np.int64), (4, 4))
        >>> stacked([one, none]).tolist()
        [[[1.0, 0.0, 1.0, 2.0, 3.0]], [[-1.0, 0.0, 0.0, 0.0, 0.0]]]
    """
    import torch

    d = len(many[0].shape)
    batch = np.zeros((len(many), max(len(b.classes) for b in many), 1 + 2 * d), np.float32)
    batch[..., 0] = IGNORE
    for row, boxes in zip(batch, many, strict=True):
        row[: len(boxes.classes), 0] = boxes.classes
        row[: len(boxes.classes), 1:] = boxes.corners.reshape(-1, 2 * d)
    return torch.from_numpy(batch)


def unstacked(batch: Tensor, shape: tuple[int, ...]) -> list[Boxes]:
    """The boxes of each image of a batch."""
    rows = [row[row[:, 0] != IGNORE] for row in batch.detach().cpu().numpy()]
    return [
        Boxes(
            row[row[:, 0] != IGNORE, 1:].reshape(-1, 2, len(shape)), row[row[:, 0] != IGNORE, 0].astype(np.int64), shape
        )
        for row in rows
    ]


def moved(parameters: Parameters, batch: Tensor, whole: tuple[int, ...], size: tuple[int, ...]) -> Tensor:
    """The boxes of a batch where augmentation takes them: around what was in them, as far as it is seen.

    What is mirrored in at the edges of an image has no box.

    Args:
        parameters: One set for each image, sampled for ``size``.
        batch: float32 [N, M, 1 + 2 d], see `stacked`.
        whole: Size of the images before, (Z,) Y, X.
        size: Size of the images after.
    """
    many = unstacked(batch, whole)
    return stacked([_moved(parameters, n, boxes, size) for n, boxes in enumerate(many)]).to(batch.device)


def _moved(parameters: Parameters, n: int, boxes: Boxes, size: tuple[int, ...]) -> Boxes:
    import torch

    d, matrix = len(size), parameters.matrices[n]
    bent = None
    if parameters.control is not None and parameters.control[n].any():
        bent = spline(torch.from_numpy(parameters.control[n : n + 1]), size)[0].numpy()
    steps = np.linspace(0, 1, 2 if bent is None else _ACROSS)
    share = np.array(list(product(steps, repeat=d)))  # [p, d]
    low, high = boxes.corners[:, :1].astype(np.float64), boxes.corners[:, 1:].astype(np.float64)
    there = low + (high - low) * share - np.array(boxes.shape) / 2 - matrix[:, d]
    back = np.linalg.inv(matrix[:, :d]).T
    here = there @ back
    for _ in range(0 if bent is None else _STEPS):
        assert bent is not None
        place = np.rint(here + np.array(size) / 2 - 0.5).astype(np.int64)
        where = tuple(np.clip(place[..., axis], 0, length - 1) for axis, length in enumerate(size))
        here = (there - np.stack([one[where] for one in bent], -1)) @ back
    here = here + np.array(size) / 2
    corners, kept = _inside(np.stack([here.min(1), here.max(1)], 1), size)
    return Boxes(corners[kept].astype(np.float32), boxes.classes[kept], size)


def mixed_boxes(mixed: Mixed, batch: Tensor) -> list[tuple[float, Tensor]]:
    """Weights and boxes of a mixed batch, see `mix_targets`.

    Of images into which a part of a partner was pasted those boxes count whose middle is seen: the image's own outside
    that part, the partner's inside, as far as they lie in it.
    """
    import torch

    if mixed.share == 1:
        return [(1.0, batch)]
    others = batch[mixed.partner]
    if mixed.box is None:
        parts = ((mixed.share, batch), (1 - mixed.share, others))
        return [(weight, part) for weight, part in parts if weight > 0]
    d = len(mixed.box)
    low, high = (torch.tensor([getattr(s, end) for s in mixed.box], device=batch.device) for end in ("start", "stop"))

    def middle_inside(some: Tensor) -> Tensor:
        middle = (some[..., 1 : 1 + d] + some[..., 1 + d :]) / 2
        return ((middle >= low) & (middle < high)).all(-1)

    own, theirs = batch.clone(), others.clone()
    own[..., 0] = own[..., 0].masked_fill(middle_inside(batch), IGNORE)
    theirs[..., 0] = theirs[..., 0].masked_fill(~middle_inside(others), IGNORE)
    for first in (1, 1 + d):
        theirs[..., first : first + d] = theirs[..., first : first + d].clamp(low, high)
    return [(1.0, torch.cat([own, theirs], 1))]


def _inside(corners: np.ndarray, size: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes as far as they lie in an image, and which of them do at all."""
    corners = np.clip(corners, 0, np.asarray(size, corners.dtype))
    return corners, np.asarray((corners[:, 1] > corners[:, 0]).all(1))
