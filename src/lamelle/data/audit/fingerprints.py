"""Images as short codes that stay alike under cropping, borders, small rotations, mirroring and inversion.

Each image is described as it is (an *entry*: whole and centre, in eight orientations, bright or inverted), and as it
would look if it had been cropped or rotated (a *view*). A copy shows as a view of one image that is an entry of
another. What is described are the lowest waves of the cosine transform, without the mean, of which the signs make the
code: Zauner (2010), Implementation and benchmarking of perceptual image hash functions.
"""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np

WAVES = 8
GRID = 32
"""Rows and columns of what is described."""
CENTRE = 0.8
"""Side of the centre, by that of the image: what is left of it when it is rotated by 10°."""
INSETS = (0.0, 0.1, 0.2)
"""Parts cut off a side, by the side of the image; of two opposite sides together 0.2 at most."""
ANGLES = (-9.0, -6.0, -3.0, 3.0, 6.0, 9.0)
GROWN = (-10.0, -7.0, -4.0, 4.0, 7.0, 10.0)
"""Rotations, in degrees, for which the frame grew so that no corner is lost."""
TURNS = tuple((swap, x, y) for swap in (False, True) for x in (1, -1) for y in (1, -1))
"""Orientations: whether x and y change places, and the signs."""


def turn_matrix(turn: int) -> np.ndarray:
    """Where a place ``(x, y)`` of the turned image lies in the image, ``[2, 2]``."""
    swap, x, y = TURNS[turn]
    return np.array([[0, x], [y, 0]] if swap else [[x, 0], [0, y]], np.float64)


@cache
def windows() -> tuple[tuple[float, float], ...]:
    """(start, end) of the parts of a side that are compared, from −1 to 1."""
    return tuple((2 * a - 1, 1 - 2 * b) for a in INSETS for b in INSETS if a + b <= INSETS[-1] + 1e-9)


@cache
def views() -> np.ndarray:
    """Where places ``(x, y, 1)`` of each view lie in the image, ``[V, 2, 3]``: of the whole, then of the centre."""
    matrices = []
    for top, bottom in windows():
        for left, right in windows():
            matrices.append([[(right - left) / 2, 0, (left + right) / 2], [0, (bottom - top) / 2, (top + bottom) / 2]])
    for angles, grown in (((0.0, *ANGLES), False), (GROWN, True)):
        for angle in angles:
            a = np.radians(angle)
            scale = CENTRE / (np.cos(a) + abs(np.sin(a)) if grown else 1.0)
            matrices.append([[scale * np.cos(a), -scale * np.sin(a), 0], [scale * np.sin(a), scale * np.cos(a), 0]])
    return np.array(matrices)


def whole_views() -> int:
    """How many of the views are of the whole."""
    return len(windows()) ** 2


def parts() -> tuple[slice, slice]:
    """Which views are of the whole, and which of the centre."""
    return slice(0, whole_views()), slice(whole_views(), len(views()))


@lru_cache(maxsize=64)
def _cosines(start: float, end: float) -> np.ndarray:
    """Weights ``[WAVES, GRID]`` of the waves of a part of a side."""
    steps = 4 * GRID
    place = (np.arange(steps) + 0.5) / steps
    waves = np.cos(np.pi * np.arange(WAVES)[:, None] * place) / steps
    return waves @ _linear(start + (end - start) * place)


def _linear(places: np.ndarray) -> np.ndarray:
    """Weights ``[places, GRID]`` of linear interpolation at places from −1 to 1."""
    at = np.clip((places + 1) * GRID / 2 - 0.5, 0, GRID - 1)
    return np.clip(1 - np.abs(at[:, None] - np.arange(GRID)), 0, None)


@cache
def _turned_waves() -> np.ndarray:
    """Weights ``[views, GRID², WAVES²]`` of the waves of the views of the centre."""
    place = (np.arange(GRID) + 0.5) * 2 / GRID - 1
    y, x = (a.ravel() for a in np.meshgrid(place, place, indexing="ij"))
    wave = np.cos(np.pi * np.arange(WAVES)[:, None] * (place + 1) / 2) / GRID
    basis = np.einsum("vy,ux->vuyx", wave, wave).reshape(WAVES * WAVES, -1)
    weights = []
    for matrix in views()[whole_views() :]:
        across, down = matrix @ np.stack([x, y, np.ones_like(x)])
        sampled = (_linear(down)[:, :, None] * _linear(across)[:, None, :]).reshape(len(x), -1)
        weights.append((basis @ sampled).T)
    return np.array(weights, np.float32)


def _frequencies() -> np.ndarray:
    wave = np.arange(WAVES)
    return np.hypot(wave[:, None], wave).ravel()[1:]


def waves_of(squares: np.ndarray) -> np.ndarray:
    """Waves float32 ``[N, V, 63]`` of the views of squares ``[N, 32, 32]``, of length 1, the finer ones raised."""
    sides = np.concatenate([_cosines(a, b) for a, b in windows()]).astype(np.float32)
    count = len(windows())
    whole = (sides @ squares @ sides.T).reshape(-1, count, WAVES, count, WAVES)
    whole = whole.transpose(0, 1, 3, 2, 4).reshape(len(squares), -1, WAVES * WAVES)
    turned = np.tensordot(squares.reshape(len(squares), -1), _turned_waves(), (1, 1))
    return _unit(np.concatenate([whole, turned], axis=1)[:, :, 1:] * _frequencies().astype(np.float32))


def _unit(waves: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(waves, axis=-1, keepdims=True)
    return waves / np.maximum(length, 1e-6)


@cache
def _orders() -> tuple[np.ndarray, np.ndarray]:
    """For each orientation the order ``[8, 63]`` of the waves and their signs."""
    v, u = np.divmod(np.arange(WAVES * WAVES), WAVES)
    orders, signs = [], []
    for swap, x, y in TURNS:
        order = (u * WAVES + v) if swap else (v * WAVES + u)
        across, down = (v, u) if swap else (u, v)
        sign = np.where(x < 0, (-1.0) ** across, 1) * np.where(y < 0, (-1.0) ** down, 1)
        orders.append(order[1:] - 1)
        signs.append(sign[1:])
    return np.array(orders), np.array(signs, np.float32)


def oriented_waves(waves: np.ndarray) -> np.ndarray:
    """Waves ``[N, 63]`` of the eight orientations, ``[N, 8, 63]``."""
    orders, signs = _orders()
    return waves[:, orders] * signs


def packed(waves: np.ndarray) -> np.ndarray:
    """Signs of waves ``[…, 63]`` as uint64 ``[…]``."""
    bits = np.zeros((*waves.shape[:-1], 64), bool)
    bits[..., : waves.shape[-1]] = waves > 0
    return np.packbits(bits, axis=-1).view(np.uint64)[..., 0]
