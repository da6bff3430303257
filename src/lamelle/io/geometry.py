"""Where voxels lie: from the affine of a file to one orientation, and back.

Handed out is Z to the head, Y to the back, X to the left (``LPS``), as DICOM shows slices; a single slice keeps its
plane, with its rows from head to feet if it stands. An oblique grid is turned to the nearest axes, not resampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from lamelle.types import Geometry, Spacing

CANONICAL = "LPS"
"""Where X, Y, Z as handed out run to."""
_LETTERS = ("LR", "PA", "IS")
"""Where x, y, z of the room run to, backwards and forwards."""
_FLAT = 1e-6
"""Volume of a cell with edges of length one below which an affine has lost an axis."""
_DIGITS = 7
"""Significant digits of a header's float32."""


@dataclass(frozen=True, slots=True)
class Turn:
    """How a stored grid becomes the one that is handed out, as views."""

    order: tuple[int, ...]
    """For Z, Y, X as handed out: which of the stored z, y, x it is."""
    flipped: tuple[bool, ...]
    """Whether Z, Y, X as handed out run the other way."""

    def apply(self, array: np.ndarray, *, dims: int) -> np.ndarray:
        """Turn the last ``dims`` axes (3, or 2: a plane) of a stored array [..., (z,) y, x]."""
        order, flipped, lead = self._of(dims, array.ndim)
        turned = array.transpose(*range(lead), *(lead + axis for axis in order))
        return turned[(..., *(slice(None, None, -1 if flip else None) for flip in flipped))]

    def undo(self, array: np.ndarray, *, dims: int) -> np.ndarray:
        """The stored array of one that was handed out."""
        order, flipped, lead = self._of(dims, array.ndim)
        straight = array[(..., *(slice(None, None, -1 if flip else None) for flip in flipped))]
        return straight.transpose(*range(lead), *(lead + int(axis) for axis in np.argsort(order)))

    def sizes(self, stored: tuple) -> tuple:
        """Sizes or spacing ((z,) y, x) as stored, in the order that is handed out."""
        order, _, _ = self._of(len(stored), len(stored))
        return tuple(stored[axis] for axis in order)

    def stored(self, place: tuple[int, int, int], size: tuple[int, int, int]) -> tuple[int, ...]:
        """The stored voxel (x, y, z) of a voxel (Z, Y, X) that is handed out.

        Args:
            size: Of what is stored, x, y, z.
        """
        corner = [0, 0, 0]
        for axis, flip, at in zip(self.order, self.flipped, place, strict=True):
            corner[axis] = size[2 - axis] - 1 - at if flip else at
        return tuple(reversed(corner))

    @property
    def plain(self) -> bool:
        """Whether nothing is moved."""
        return self.order == (0, 1, 2) and not any(self.flipped)

    @property
    def streams(self) -> bool:
        """Whether the planes come out in the order in which they are stored."""
        return self.order[0] == 0 and not self.flipped[0]

    def _of(self, dims: int, ndim: int) -> tuple[tuple[int, ...], tuple[bool, ...], int]:
        drop = 3 - dims
        return tuple(axis - drop for axis in self.order[drop:]), self.flipped[drop:], ndim - dims


AS_STORED = Turn((0, 1, 2), (False, False, False))


def located(affine: np.ndarray, size: tuple[int, ...]) -> Geometry | None:
    """The geometry of an affine [4, 4] in millimetres; None if it is not finite, or flat.

    Args:
        size: Stored voxels along x, y(, z).

    Example:
        >>> geometry = located(np.diag([0.5, 0.5, 2.0, 1.0]), (40, 30, 8))
        >>> directions(geometry), spacing_of(geometry)
        ('RAS', (2000.0, 500.0, 500.0))
    """
    affine = np.array(affine, np.float64)
    whole = (*size[:3], *(1,) * (3 - len(size)))
    if np.isfinite(affine).all() and whole[2] == 1 and not affine[:3, 2].any():
        affine[:3, 2] = np.cross(affine[:3, 0], affine[:3, 1])  # of a plane, what lies across does not matter
    edges = np.linalg.norm(affine[:3, :3], axis=0)
    if not (np.isfinite(affine).all() and edges.all() and abs(np.linalg.det(affine[:3, :3] / edges)) > _FLAT):
        return None
    return Geometry(tuple(tuple(float(v) for v in row) for row in affine), (whole[0], whole[1], whole[2]))


def directions(geometry: Geometry) -> str:
    """Where the stored x, y, z run to, by the nearest axes, as nibabel's ``aff2axcodes`` names it.

    Example:
        >>> directions(Geometry(((0, 0, 2, 0), (-1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 0, 1)), (40, 30, 8)))
        'PSR'
    """
    edges = np.array(geometry.affine)[:3, :3]
    left, _, right = np.linalg.svd(edges / np.linalg.norm(edges, axis=0))
    rotation, axes = left @ right, {}
    for column in np.argsort(-np.abs(rotation).max(axis=0), kind="stable"):  # the surest first
        axis = int(np.argmax(np.abs(rotation[:, column])))
        axes[int(column)] = _LETTERS[axis][int(rotation[axis, column] > 0)]
        rotation[axis] = 0
    return "".join(axes[column] for column in range(3))


def turn_of(where: str | None, size: tuple[int, ...]) -> Turn:
    """The way from a stored grid to the one that is handed out.

    Args:
        where: Directions of the stored x, y, z (see `directions`); None = nothing is known, nothing is turned.
        size: Stored voxels along x, y(, z).

    Example:
        >>> turn_of("LPS", (40, 30, 8)).plain, turn_of("PSR", (40, 30, 8)).order
        (True, (1, 2, 0))
    """
    if where is None:
        return AS_STORED
    room = [next(i for i, letters in enumerate(_LETTERS) if letter in letters) for letter in where]
    order = [2 - room.index(axis) for axis in (2, 1, 0)]
    wanted = ["S", "P", "L"]
    sizes = (*(1,) * (3 - len(size)), *reversed(size))
    across = next((axis for axis in range(3) if sizes[axis] == 1), None)
    if across is not None:  # a slice stays one, whichever way it was cut
        wanted = ["I" if axis == "S" and order[0] != across else axis for axis in wanted]
        place = order.index(across)
        order.insert(0, order.pop(place))
        wanted.insert(0, wanted.pop(place))
    return Turn(tuple(order), tuple(where[2 - axis] != want for axis, want in zip(order, wanted, strict=True)))


def own_turn(geometry: Geometry | None) -> Turn:
    """How what lies in a file with this geometry is turned when it is read."""
    return AS_STORED if geometry is None else turn_of(directions(geometry), geometry.size)


def spacing_of(geometry: Geometry) -> Spacing:
    """Size of a stored voxel in µm: z, y, x."""
    edges = np.linalg.norm(np.array(geometry.affine)[:3, :3], axis=0)[::-1] * 1e3
    return tuple(float(f"{edge:.{_DIGITS}g}") for edge in edges)


def apart(image: Geometry, labels: Geometry) -> tuple[float, float]:
    """How far voxels of two grids of one size lie from each other where they should be the same: at most at a corner.

    Returns:
        The distance in millimetres, and in voxels of the image along one of its axes.

    Example:
        >>> image, moved = located(np.diag([-1, -1, 2, 1]), (9, 9, 5)), np.diag([-1.0, -1.0, 2.0, 1.0])
        >>> moved[2, 3] = 3
        >>> apart(image, located(moved, (9, 9, 5)))
        (3.0, 1.5)
    """
    between = _corners(labels) - _corners(image)
    voxels = np.linalg.solve(np.array(image.affine)[:3, :3], between.T)
    return float(np.linalg.norm(between, axis=1).max()), float(np.abs(voxels).max())


def _corners(geometry: Geometry) -> np.ndarray:
    """Millimetres [8, 3] of the corners of what is handed out, in its order."""
    turn = own_turn(geometry)
    ends = [(0, n - 1) for n in turn.sizes(geometry.size[::-1])]
    stored = np.array([turn.stored((z, y, x), geometry.size) for z, y, x in product(*ends)], np.float64)
    affine = np.array(geometry.affine)
    return stored @ affine[:3, :3].T + affine[:3, 3]
