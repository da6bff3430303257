"""A policy in the manner of RandAugment: a few random operations on each image, and one strength for all.

Its operations are those of biomedical images. What would change what a picture means is left out: inversion (bright
nuclei or dark membranes are a property of the microscope; who has both asks for it by ``augment.invert``),
posterisation and equalisation (grey levels are measurements), erasing (see ``mixing``).

It differs from the paper in three points. Operations of one image differ from each other, so that their amounts add up
in a known way and geometry is still resampled once. An amount is drawn evenly up to the strength, in both directions,
instead of being the strength itself. The order is the order of the package, not the order of the draw.

Reference: Cubuk et al. (2020), doi:10.1109/CVPRW50498.2020.00359
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from lamelle.data.augment.affine import composed, linear, magnification, reach
from lamelle.data.randomness import generator


@dataclass(frozen=True, slots=True)
class Operation:
    """What one operation may do at strength 1; at strength s it may do s times as much."""

    most: float
    """Largest amount, in the unit of the table's comment."""
    both: bool = True
    """Whether the amount may be negative too."""
    colour: bool = False
    """Whether it is for colour images only."""


OPERATIONS = {
    # geometry, of image and target
    "rotate": Operation(30.0),  # degrees
    "zoom": Operation(0.3),  # logarithm of the magnification: 0.74 to 1.35
    "shift_y": Operation(0.2),  # share of the height
    "shift_x": Operation(0.2),  # share of the width
    "shear": Operation(20.0),  # degrees of X along Y
    # intensity, of the image
    "brightness": Operation(0.8),  # added, in units of normalised intensity
    "contrast": Operation(0.6),  # factor about the mean: 0.4 to 1.6
    "gamma": Operation(0.7),  # logarithm of the exponent: 0.5 to 2
    "blur": Operation(2.0, both=False),  # sigma, pixels
    "sharpen": Operation(2.0, both=False),  # unsharp mask of sigma 1 pixel: how much of the difference is added
    "noise": Operation(0.4, both=False),  # standard deviation, in units of normalised intensity
    "saturation": Operation(0.8, colour=True),  # factor about the grey of each pixel: 0.2 to 1.8
    "tint": Operation(0.4, both=False, colour=True),  # added to one channel; the others share the opposite
}
"""Every operation. A new one goes to the end of the table, and changes what is drawn where there is a policy."""

GEOMETRY = ("rotate", "zoom", "shift_y", "shift_x", "shear")
GREY = sum(not operation.colour for operation in OPERATIONS.values())
"""Operations that every image can have: the most that may be asked for."""


def drawn(count: int, strength: float, *, seeds: np.ndarray, colour: bool) -> dict[str, np.ndarray]:
    """Amount of each operation for each position [N], 0 where it is not chosen, and the ``hue`` of the tint, radians.

    Args:
        count: Operations of each position, all different.
        strength: 0 does nothing, 1 goes to the ends of the table.
        seeds: A number of each position [N], from its own generator. The policy has a stream of its own, so that
            nothing else that is drawn depends on it.
        colour: Whether operations of colour are among those to choose from.

    Example:
        >>> amounts = drawn(2, 0.5, seeds=np.arange(100), colour=False)
        >>> sum(int(amounts[name][7] != 0) for name in OPERATIONS), bool(abs(amounts["rotate"]).max() <= 15)
        (2, True)
    """
    k = len(OPERATIONS)
    uniform = np.array([generator("policy", seed).random(2 * k + 1) for seed in seeds]).reshape(-1, 2 * k + 1)
    order = uniform[:, :k].copy()
    order[:, [operation.colour and not colour for operation in OPERATIONS.values()]] = 2.0
    chosen = np.zeros(order.shape, bool)
    np.put_along_axis(chosen, np.argsort(order, axis=1, kind="stable")[:, :count], True, axis=1)
    amounts: dict[str, np.ndarray] = {}
    for i, (name, operation) in enumerate(OPERATIONS.items()):
        part = 2 * uniform[:, k + i] - 1 if operation.both else uniform[:, k + i]
        amounts[name] = np.where(chosen[:, i], strength * operation.most * part, 0.0)
    return amounts | {"hue": 2 * np.pi * uniform[:, -1]}


def moved(matrices: np.ndarray, amounts: dict[str, np.ndarray], size: tuple[int, ...], ratio: np.ndarray) -> np.ndarray:
    """The matrices [N, d, d+1] with the policy's geometry on top, so that one resampling does both.

    Where no operation of geometry is chosen the matrix stays as it is to the bit.
    """
    n, d, _ = matrices.shape
    inner = np.zeros((n, d, d + 1))
    inner[:, :, :d] = linear(np.radians(amounts["rotate"]), np.radians(amounts["shear"]), ratio)
    inner[:, :, :d] /= magnification(np.exp(amounts["zoom"]), ratio)[:, :, None]
    inner[:, -2, d], inner[:, -1, d] = amounts["shift_y"] * size[-2], amounts["shift_x"] * size[-1]
    changed = np.any([amounts[name] != 0 for name in GEOMETRY], axis=0)
    return np.where(changed[:, None, None], composed(matrices, inner), matrices)


def tints(amounts: np.ndarray, hues: np.ndarray) -> np.ndarray:
    """What is added to red, green and blue [N, 3], from amounts [N] and hues [N], radians.

    Their sum is 0, so that brightness stays.
    """
    return amounts[:, None] * np.cos(hues[:, None] - np.radians([0.0, 120.0, 240.0]))


def widened(
    box: np.ndarray, count: int, strength: float, *, size: tuple[int, ...], ratio: np.ndarray, quarters: bool
) -> np.ndarray:
    """Half extents [d] under a box of half extents [d], in widths of a pixel along X, whatever the policy draws."""
    widest = box
    for names in itertools.combinations(GEOMETRY, min(count, len(GEOMETRY))):
        most = {name: strength * OPERATIONS[name].most if name in names else 0.0 for name in GEOMETRY}
        under = reach(box, rotate=most["rotate"], shear=most["shear"], zoom=float(np.exp(-most["zoom"])), ratio=ratio)
        under[-2:] += np.array([most["shift_y"], most["shift_x"]]) * size[-2:] / ratio[-2:]
        if quarters:
            under[-2:] = under[-2:].max()
        widest = np.maximum(widest, under)
    return widest
