"""How two pictures may lie over each other, by their waves: which looks at the other, in which view and orientation."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from lamelle.data.audit import fingerprints
from lamelle.data.audit.candidates import Pairs, SmallPictures

_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class Starts:
    """Of each pair the most alike ways, each of another orientation or seen from the other picture: ``[P, T]``."""

    swapped: np.ndarray
    """Whether the second picture is moved over the first, not the first over the second."""
    view: np.ndarray
    """Of the moved picture."""
    turn: np.ndarray
    """Orientation of the other."""
    alike: np.ndarray
    """Correlation of their waves, the most alike first."""

    def at(self, rows: np.ndarray) -> Starts:
        """Those of some of the pairs."""
        return Starts(*(getattr(self, f.name)[rows] for f in fields(self)))

    def warps(self) -> np.ndarray:
        """Movements ``[P, T, 3, 3]`` that they stand for."""
        warps = np.tile(np.eye(3), (*self.view.shape, 1, 1))
        warps[..., :2, :] = fingerprints.views()[self.view]
        back = np.array([np.linalg.inv(fingerprints.turn_matrix(t)) for t in range(len(fingerprints.TURNS))])[self.turn]
        scale = np.where(self.view >= fingerprints.whole_views(), fingerprints.CENTRE, 1.0)
        warps[..., :2, :2] = warps[..., :2, :2] @ (back / scale[..., None, None])
        return warps


def starts(first: SmallPictures, second: SmallPictures, pairs: Pairs, most: int) -> Starts:
    """The ``most`` best ways for each pair of numbers.

    Args:
        first: SmallPictures of the one set.
        second: Of the other, or the same.
        pairs: Numbers in both, ``[P]`` each.
        most: Ways, T.
    """
    count, turns = len(pairs[0]), len(fingerprints.TURNS)
    best = Starts(*(np.zeros((count, most), t) for t in (bool, np.int64, np.int64, np.float32)))
    for start in range(0, count, _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        one, other = pairs[0][part], pairs[1][part]
        there, back = _seen(first, one, second, other), _seen(second, other, first, one)
        view, alike = (np.concatenate(z, axis=1) for z in zip(there, back, strict=True))
        order = np.argsort(-alike, axis=1, kind="stable")[:, :most]
        best.swapped[part], best.turn[part] = order >= turns, order % turns
        best.view[part], best.alike[part] = (np.take_along_axis(z, order, axis=1) for z in (view, alike))
    return best


def _seen(
    moving: SmallPictures, one: np.ndarray, fixed: SmallPictures, other: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Best view of each moving picture for every orientation of the other, and its correlation, ``[P, 8]`` each."""
    every = []
    for part, mean in zip(fingerprints.parts(), fixed.common, strict=True):
        waves = _unit(moving.waves[one, part] - mean)
        turned = fingerprints.oriented_waves(fixed.waves[other, part.start].astype(np.float32))
        both = [waves @ _unit(sign * turned - mean).transpose(0, 2, 1) for sign in (1, -1)]  # as it is, and inverted
        every.append(np.maximum(*both))
    alike = np.concatenate(every, axis=1)
    view = alike.argmax(axis=1)
    return view, np.take_along_axis(alike, view[:, None], axis=1)[:, 0]


def _unit(waves: np.ndarray) -> np.ndarray:
    return waves / np.maximum(np.sqrt(np.einsum("...k,...k->...", waves, waves))[..., None], np.float32(1e-6))
