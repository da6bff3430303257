"""The geometry of augmentation: one resampling of image and target at the same coordinates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from lamelle.data.augment.edges import reflected
from lamelle.data.augment.parameters import Parameters
from lamelle.types import IGNORE

if TYPE_CHECKING:
    from torch import Tensor, device

Outside = Literal["reflect", "ignore"]
_Copy = tuple[tuple[slice, ...], tuple[int, ...], tuple[int, ...]]
"""A window of the input, the axes to mirror, the order of the axes."""


def warp(
    parameters: Parameters, images: Tensor, targets: Tensor | None, *, size: tuple[int, ...], outside: Outside
) -> tuple[Tensor, Tensor | None]:
    """Images [N, C, (Z,) Y, X] linearly and targets [N, (Z,) Y, X] by nearest pixel at the parameters' coordinates.

    The output's centre lies on the input's centre. What lies outside the input is reflected at its outer pixels; with
    ``outside="ignore"`` the target is ``IGNORE`` there. Positions that are only mirrored, turned by quarters or shifted
    by whole pixels are copied exactly. The results are new tensors.

    Raises:
        ValueError: If there is not one target of the size of its image for each.
    """
    import torch

    if targets is not None and targets.shape != (len(images), *images.shape[2:]):
        raise ValueError(f"targets {tuple(targets.shape)} do not fit images {tuple(images.shape)}")

    whole = tuple(images.shape[2:])
    warped = images.new_empty((*images.shape[:2], *size))
    labels = None if targets is None else targets.new_empty((len(targets), *size))
    copies = {n: copy for n in range(len(images)) if (copy := _exact(parameters, n, whole, size)) is not None}
    for n, copy in copies.items():
        warped[n] = _copied(images[n], copy)
        if labels is not None and targets is not None:
            labels[n] = _copied(targets[n], copy)
    rest = np.array([n for n in range(len(images)) if n not in copies], np.int64)
    if len(rest):
        chosen = torch.from_numpy(rest).to(images.device)
        where = coordinates(parameters[rest], whole, size, images.device)
        warped[chosen] = _linear(images[chosen], where)
        if labels is not None and targets is not None:
            labels[chosen] = _nearest(targets[chosen], where, outside)
    return warped, labels


def coordinates(parameters: Parameters, whole: tuple[int, ...], size: tuple[int, ...], on: device) -> list[Tensor]:
    """Where each output pixel comes from: for each axis of the input, pixels counted from its first [N, (Z,) Y, X].

    Sums are written out one by one, so that they are the same to the bit in every batch.
    """
    import torch

    d = len(size)
    matrices = torch.from_numpy(parameters.matrices.astype(np.float32)).to(on)
    offsets = []
    for axis, length in enumerate(size):
        shape = [-1 if i == axis else 1 for i in range(d)]
        steps = torch.arange(length, dtype=torch.float32, device=on)
        offsets.append((steps - (length - 1) / 2).view(shape))
    where = []
    for axis, length in enumerate(whole):
        row = matrices[:, axis].reshape(-1, d + 1, *(1,) * d)
        place = row[:, d] + (length - 1) / 2
        for other in range(d):
            place = place + row[:, other] * offsets[other]
        where.append(place)
    if parameters.control is not None:
        bent = spline(torch.from_numpy(parameters.control).to(on), size)
        where = [place + bent[:, axis] for axis, place in enumerate(where)]
    return where


def spline(control: Tensor, size: tuple[int, ...]) -> Tensor:
    """Uniform cubic B-spline through control points [N, d, (gz,) gy, gx] → displacements [N, d, (Z,) Y, X].

    Smooth to the second derivative and never larger than the control points.

    Reference: Rueckert et al. (1999), doi:10.1109/42.796284
    """
    import torch

    for axis in range(len(size) + 1, 1, -1):  # the last first: gathering along it is slow, and rows are still few
        length = size[axis - 2]
        spans = control.shape[axis] - 3
        t = np.arange(length) * (spans / max(length - 1, 1))
        first = np.minimum(t.astype(np.int64), spans - 1)
        f = t - first
        weights = (1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4, -3 * f**3 + 3 * f**2 + 3 * f + 1, f**3
        shape = [-1 if i == axis else 1 for i in range(control.ndim)]
        total = None
        for tap, weight in enumerate(weights):
            taken = control.index_select(axis, torch.from_numpy(first + tap).to(control.device))
            term = taken * torch.from_numpy((weight / 6).astype(np.float32)).to(control.device).view(shape)
            total = term if total is None else total + term
        assert total is not None
        control = total
    return control


def _linear(images: Tensor, where: list[Tensor]) -> Tensor:
    """Linear interpolation at the coordinates, reflected outside."""
    import torch

    lengths = images.shape[2:]
    places = [2 * at / max(length - 1, 1) - 1 for at, length in zip(where, lengths, strict=True)]
    grid = torch.stack(torch.broadcast_tensors(*places[::-1]), dim=-1)
    return torch.nn.functional.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=True)


def _nearest(targets: Tensor, where: list[Tensor], outside: Outside) -> Tensor:
    """The nearest label at the coordinates."""
    import torch

    flat, inside = torch.zeros((), dtype=torch.int64, device=targets.device), None
    for at, length in zip(where, targets.shape[1:], strict=True):
        nearest = at.round().long()
        within = (nearest >= 0) & (nearest < length)
        inside = within if inside is None else inside & within
        flat = flat * length + reflected(nearest, length)
    assert inside is not None
    taken = targets.flatten(1).gather(1, flat.flatten(1)).view(flat.shape)
    return taken.masked_fill(~inside, IGNORE) if outside == "ignore" else taken


def _exact(parameters: Parameters, n: int, whole: tuple[int, ...], size: tuple[int, ...]) -> _Copy | None:
    """How to make the output by copying alone, or None if pixels must be interpolated or reflected."""
    d = len(size)
    matrix, shift = parameters.matrices[n, :, :d], parameters.matrices[n, :, d]
    if parameters.control is not None and parameters.control[n].any():
        return None
    ones = np.abs(matrix) == 1
    if (ones.sum(0) != 1).any() or (ones.sum(1) != 1).any() or np.count_nonzero(matrix) != d:
        return None
    output_axis = [int(np.flatnonzero(row)[0]) for row in ones]  # of each input axis
    window, mirrored = [], []
    for axis, length in enumerate(whole):
        extent = size[output_axis[axis]]
        start = (length - extent) / 2 + shift[axis]
        if start != math.floor(start) or start < 0 or start + extent > length:
            return None
        window.append(slice(int(start), int(start) + extent))
        if matrix[axis, output_axis[axis]] < 0:
            mirrored.append(axis)
    return tuple(window), tuple(mirrored), tuple(int(i) for i in np.argsort(output_axis))


def _copied(array: Tensor, copy: _Copy) -> Tensor:
    """Window, mirror and reorder the last axes of an array [..., (Z,) Y, X]."""
    window, mirrored, order = copy
    lead = array.ndim - len(order)
    taken = array[(..., *window)].flip([lead + axis for axis in mirrored])
    return taken.permute(*range(lead), *(lead + axis for axis in order))
