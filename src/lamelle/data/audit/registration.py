"""Two small pictures brought over each other, and how far their details then agree.

An affine movement with gain and offset is fitted by Gauss–Newton steps on the moved picture: Baker and Matthews (2004),
Lucas-Kanade 20 years on, doi:10.1023/B:VISI.0000011205.11775.fd. Places that fit badly (text burnt in, corners that a
rotation left black) weigh less with each step. A movement maps places ``(x, y)`` of the fixed picture, from −1 to 1, to
places of the moved one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

BLOCKS = 8
"""Parts along a side in which details are compared one by one."""
WORST = 0.35
"""Part of them that need not agree: text burnt in, corners that a rotation left black."""
_EVEN, _RIM, _SIDE = 2.0, 0.17, 2
FINE = 64
"""Side of the pictures."""


@cache
def _blur(side: int, sigma: float) -> np.ndarray:
    """Weights ``[side, side]`` of a Gaussian that ends at the edge."""
    place = np.arange(side)
    weights = np.exp(-((place[:, None] - place) ** 2) / (2 * sigma**2))
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def details(squares: np.ndarray, masks: np.ndarray, *, fine: float, coarse: float) -> np.ndarray:
    """What lies between two widths of blurring, in pixels, of squares float32 ``[N, S, S]``, where ``masks`` are 1."""
    side = squares.shape[-1]
    result = np.zeros_like(squares)
    for width, sign in ((fine, 1), (coarse, -1)):
        blur = _blur(side, width)
        share = blur @ masks @ blur.T
        result += sign * (blur @ (squares * masks) @ blur.T) / np.maximum(share, 1e-3)
    return result * masks


@cache
def places(side: int) -> np.ndarray:
    """``(x, y, 1)`` of every pixel, float32 ``[3, side²]``."""
    along = (np.arange(side) + 0.5) * 2 / side - 1
    y, x = np.meshgrid(along, along, indexing="ij")
    return np.stack([x.ravel(), y.ravel(), np.ones(side * side)]).astype(np.float32)


def moved(squares: np.ndarray, warps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squares ``[N, S, S]`` looked up where ``warps`` ``[N, 3, 3]`` say, and which places lie inside, both ``[N, S²]``.

    Example:
        >>> half = np.array([[[1.0, 0, 1], [0, 1, 0], [0, 0, 1]]])  # one half of the side to the right
        >>> values, inside = moved(np.eye(4, dtype=np.float32)[None], half)
        >>> values.reshape(4, 4)[:, 0].tolist(), int(inside.sum())
        ([0.0, 0.0, 1.0, 0.0], 8)
    """
    count, side = len(squares), squares.shape[-1]
    at_places = warps[:, :2].astype(np.float32) @ places(side)
    inside = np.abs(at_places).max(axis=1) <= 1
    at = np.clip((at_places + 1) * np.float32(side / 2) - np.float32(0.5), 0, side - 1)
    whole = np.minimum(at.astype(np.int32), side - 2)
    x, y = (at - whole).transpose(1, 0, 2)
    corner = whole[:, 1] * side + whole[:, 0] + (np.arange(count, dtype=np.int32) * side * side)[:, None]
    flat = np.ascontiguousarray(squares).reshape(-1)
    above = flat[corner] * (1 - x) + flat[corner + 1] * x
    below = flat[corner + side] * (1 - x) + flat[corner + side + 1] * x
    return above * (1 - y) + below * y, inside


def solid(squares: np.ndarray) -> np.ndarray:
    """1 where squares ``[N, S, S]`` show something; 0 along their sides, and near them where they are all black or all
    white, as the corners are that a rotation left empty.

    Example:
        >>> corner = 10.0 * np.arange(256).reshape(1, 16, 16)
        >>> corner[0, :2, :2] = 0
        >>> solid(corner)[0, :4, :4].tolist()
        [[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0]]
    """
    side = squares.shape[-1]
    low, high = squares.min((1, 2), keepdims=True), squares.max((1, 2), keepdims=True)
    empty = np.pad((squares <= low + _EVEN) | (squares >= high - _EVEN), ((0, 0), (1, 1), (1, 1)))
    depth = round(_RIM * side) + 1
    empty[:, depth:-depth, depth:-depth] = False
    empty = empty[:, :-2] | empty[:, 1:-1] | empty[:, 2:]
    empty = empty[:, :, :-2] | empty[:, :, 1:-1] | empty[:, :, 2:]
    for line in range(_SIDE):  # a slight rotation leaves them half empty, all along a side
        empty[:, [line, -1 - line]] = empty[:, :, [line, -1 - line]] = True
    return (~empty).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Squares:
    """Pictures and where they show something, both float32 ``[N, S, S]``."""

    values: np.ndarray
    masks: np.ndarray

    @staticmethod
    def of(small: np.ndarray) -> Squares:
        """Pictures ``[N, 64, 64]`` of any type."""
        values = small.astype(np.float32)
        return Squares(values, solid(values))

    def at(self, rows: np.ndarray) -> Squares:
        """Some of them."""
        return Squares(self.values[rows], self.masks[rows])

    def smaller(self, factor: int) -> Squares:
        """The same with fewer pixels."""
        side = self.values.shape[-1] // factor
        values, masks = (
            z.reshape(-1, side, factor, side, factor).mean((2, 4), dtype=np.float32) for z in (self.values, self.masks)
        )
        return Squares(values, (masks >= 0.5).astype(np.float32))


def over(
    moving: Squares, fixed: Squares, warps: np.ndarray, *, fine: float, coarse: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Details of ``moving`` after a movement, those of ``fixed``, and where both are seen, float32 ``[N, S, S]``."""
    values, inside = moved(moving.values, warps)
    kept, _ = moved(moving.masks, warps)
    masks = (inside & (kept > 0.99)).reshape(fixed.masks.shape) * fixed.masks
    seen, still = (
        details(z, masks, fine=fine, coarse=coarse) for z in (values.reshape(fixed.values.shape), fixed.values)
    )
    return seen, still, masks


def register(
    moving: Squares, fixed: Squares, warps: np.ndarray, *, fine: float, coarse: float, steps: int
) -> np.ndarray:
    """Better movements ``[N, 3, 3]``, from near ones, of squares over others.

    An inverted picture is fitted as well: its gain is negative. Slopes are the mean of those of both pictures, which
    brings farther: Benhimane and Malis (2004), doi:10.1109/IROS.2004.1389474.
    """
    near, still, masks = over(moving, fixed, warps, fine=fine, coarse=coarse)
    count, side = len(still), still.shape[-1]
    x, y, one = places(side)
    target, seen, rest = still.reshape(count, -1), masks.reshape(count, -1), np.zeros((count, side * side), np.float32)
    columns = np.empty((count, 8, side * side), np.float32)
    columns[:, 1] = one
    its = _slopes(still)
    correction = np.tile(np.eye(3), (count, 1, 1))
    for step in range(steps):
        values, inside = moved(near, correction)
        weights = inside * seen
        gain = (values * target * weights).sum(1) / np.maximum((values**2 * weights).sum(1), 1e-6)
        ours = _slopes(values.reshape(still.shape))
        down, across = ((a + gain[:, None] * b) * np.float32(0.5) for a, b in zip(its, ours, strict=True))
        columns[:, 0] = values
        for n, slope in ((2, across), (5, down)):
            columns[:, n], columns[:, n + 1], columns[:, n + 2] = slope * x, slope * y, slope
        if step:  # a place that did not fit weighs less
            spread = np.sqrt((rest**2 * weights).sum(1, keepdims=True) / np.maximum(weights.sum(1, keepdims=True), 1))
            weights = weights / (1 + (rest / np.maximum(spread, 1e-6)) ** 2)
        weighted = columns * weights[:, None]
        normal = weighted @ columns.transpose(0, 2, 1)
        ridge = np.einsum("nkk->nk", normal) * np.float32(1e-3) + np.float32(1e-4)
        normal[:, np.arange(8), np.arange(8)] += ridge
        solved = np.linalg.solve(normal, weighted @ target[:, :, None])
        rest = target - (columns.transpose(0, 2, 1) @ solved)[:, :, 0]
        change = np.tile(np.eye(3), (count, 1, 1))
        change[:, :2] -= np.clip(solved[:, 2:, 0].reshape(count, 2, 3), -0.1, 0.1)
        correction = correction @ np.linalg.inv(change)
    return warps @ correction


def _slopes(squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Change downwards and across, per half side, of squares ``[N, S, S]``, both ``[N, S²]``."""
    side = squares.shape[-1]
    down, across = np.gradient(squares, np.float32(2 / side), axis=(1, 2))
    return down.reshape(len(squares), -1), across.reshape(len(squares), -1)


def agreement(moving: np.ndarray, fixed: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How far details agree that ``over`` brought together.

    Returns:
        Correlation that all but ``WORST`` of the blocks that both pictures show reach (−1 … 1, of inverted pictures
        too), each weighing as the details it has, up to half of what is usual; the part of the blocks that bear it;
        its sign.
    """
    a, b, mask = (_blocks(z) for z in (moving, fixed, masks))
    count = np.maximum(mask.sum(-1), 1)
    a, b = ((z - ((z * mask).sum(-1) / count)[..., None]) * mask for z in (a, b))
    product, own, its = ((p * q).sum(-1) for p, q in ((a, b), (a, a), (b, b)))
    sign = np.where(product.sum(1) < 0, -1.0, 1.0)
    correlation = product / np.sqrt(np.maximum(own * its, 1e-9)) * sign[:, None]
    seen = count >= 0.5 * mask.shape[-1]
    strength = [np.sqrt(e / count) * seen for e in (own, its)]
    usual = [e.sum(1, keepdims=True) / np.maximum(seen.sum(1, keepdims=True), 1) for e in strength]
    weight = np.minimum(*(e / np.maximum(u, 1e-9) for e, u in zip(strength, usual, strict=True))).clip(0, 0.5)
    bearing = weight.sum(1) ** 2 / np.maximum((weight**2).sum(1) * seen.sum(1), 1e-12)
    order = np.argsort(correlation, axis=1, kind="stable")
    below = np.cumsum(np.take_along_axis(weight, order, 1), axis=1)
    place = (below >= below[:, -1:] * WORST).argmax(1)
    reached = np.take_along_axis(correlation, np.take_along_axis(order, place[:, None], 1), 1)[:, 0]
    return reached, bearing, sign


def _blocks(squares: np.ndarray) -> np.ndarray:
    """Squares ``[N, S, S]`` as ``[N, BLOCKS², pixels]``."""
    part = squares.shape[-1] // BLOCKS
    parts = squares.reshape(-1, BLOCKS, part, BLOCKS, part).transpose(0, 1, 3, 2, 4)
    return parts.reshape(len(squares), BLOCKS * BLOCKS, part * part)
