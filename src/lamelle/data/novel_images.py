"""Which of some new images are of another kind, though the others are not: a few inverted X-rays in a worklist.

How unlike each image is, is one number; reference images have it as well, each seen without its own group. Two
questions are asked of it. Do more of the new images exceed an edge than chance puts there? That is Fisher's exact test:
among 24 beside a hundred reference ones, of which none does, three are enough. Does one lie so far beyond all reference
ones that their number does not explain it? The tail is then taken to fall off as an exponential, so that of ``m``
reference ones the farthest lies about ``log m`` lengths from the middle, and another ``c`` times as far is expected
``Γ(1 + c) / m**c`` times.

Polarity has no distance of its own: an X-ray and its negative have the same sharpness, noise and contrast. But every
reference image can be inverted, so the difference can be learnt from them: a ridge regression on a Gaussian kernel that
changes its sign with the polarity, asked of images it has not seen. Where light and dark ones were trained on, it says
of either that they are as they should be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamelle.data.outliers import distances, parted

MIN_IMAGES = 8
"""Reference images below which nothing is said."""
_COUNTED, _SWAPPED = 0.005, 0.01
"""Probability at each edge of more distances, and more polarities, beyond it; of whole numbers it is far less."""
_RARE = 0.002
"""Probability of one image so far beyond all others."""
_GROUPS_FAR, _GROUPS_SWAPPED = 100, 30
"""Reference groups from which the tail of distances is known, and that of polarity."""
_INNER = 0.97
"""Share of the reference images that lie within the inner edge of distances; within the outer one do all."""
_HALF_SWAPPED = 0.5
"""Share of the usual polarity that an image has of the opposite one beyond the second edge."""
_RIDGE = 0.1
_ROUGH = 4.0
"""Spreads at which a measure is cut off."""
_AT_ONCE = 4096
_NEAR, _FARTHEST = 0.95, 1.5
"""Share of the reference images that lie as near to the others as most images must once they are inverted, and how many
times as far as the farthest of them each may lie.
"""
_ODD = ("skew", "tail", "tone", "points")
"""Measures whose sign changes with the polarity."""
_ENDS = ("mean", "darkest", "brightest")
"""Those that are then seen from white."""
_COLOURS = ("red", "blue", "chroma", "mottle", "link", "vivid", "red_dye", "blue_dye")


def far_among(reference: np.ndarray, groups: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Boolean ``[n]``: new points ``[n, F]`` that lie farther from the reference ones ``[m, F]`` than chance explains.

    Example:
        >>> draw = np.random.default_rng(0)
        >>> reference, alike, other = draw.normal(size=(200, 3)), draw.normal(size=(20, 3)), draw.normal(9, size=(4, 3))
        >>> far_among(reference, np.arange(200), np.concatenate([alike, other])).nonzero()[0]
        array([20, 21, 22, 23])
    """
    if len(reference) < MIN_IMAGES or not len(new):
        return np.zeros(len(new), bool)
    own, new_distances = (np.log(each + 0.1) for each in distances(reference, groups, new))
    return _beyond(
        own,
        new_distances,
        groups,
        [float(np.quantile(own, _INNER)), float(own.max())],
        level=_COUNTED,
        least=_GROUPS_FAR,
    )


@dataclass(frozen=True, slots=True)
class Swapped:
    """New images in which light and dark are swapped."""

    which: np.ndarray
    """Boolean ``[n]``."""
    apart: float = 0.0
    """How far they lie from the nearest reference ones (median), in spreads of the reference ones."""
    turned: float = 0.0
    """The same of their negatives."""
    usual: float = 0.0
    """How far 95 % of the reference ones lie from each other at most."""


def swapped_among(reference: np.ndarray, groups: np.ndarray, new: np.ndarray, names: Sequence[str]) -> Swapped:
    """New images that would be like the reference ones if light and dark were swapped, and are not so.

    Args:
        reference: Measures ``[m, F]``.
        new: Measures ``[n, F]``.
        names: Of the measures.
    """
    nobody = Swapped(np.zeros(len(new), bool))
    if len(reference) < MIN_IMAGES or not len(new) or not set(names) & set(_ODD):
        return nobody
    own, new_polarity = _polarity(reference, groups, new, names)
    half = _HALF_SWAPPED * (usual := max(float(np.median(own)), 1e-6))
    if not (swapped := _beyond(-own, -new_polarity, groups, [0.0, half], level=_SWAPPED, least=_GROUPS_SWAPPED)).any():
        return nobody
    grey = [i for i, name in enumerate(names) if name not in _COLOURS]
    both = np.concatenate([new[:, grey], inverted(new, names)[:, grey]])
    own_apart, distant = distances(reference[:, grey], groups, both)
    apart, turned = np.split(distant, 2)
    like = (turned < apart) & (turned <= _FARTHEST * own_apart.max())
    near, some = float(np.quantile(own_apart, _NEAR)), swapped & like
    if some.any() and np.median(turned[some]) > near:
        return nobody
    new_polarity[swapped & ~like] = usual
    which = _beyond(-own, -new_polarity, groups, [0.0, half], level=_SWAPPED, least=_GROUPS_SWAPPED)
    if not which.any():
        return nobody
    return Swapped(which, float(np.median(apart[which])), float(np.median(turned[which])), near)


def inverted(measures: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """What the measures ``[n, F]`` of the inverted images are; those of colour are left as they are.

    Example:
        >>> from lamelle.data.appearance import NAMES, look
        >>> steps = (np.arange(4096) ** 1.5 / 1029).astype(np.uint8).reshape(1, 64, 64)
        >>> seen, turned = (look(one).measures((0, 255))[None] for one in (steps, 255 - steps))
        >>> bool(np.abs(inverted(seen, NAMES) - turned).max() < 1e-3)
        True
    """
    out, at = measures.copy(), {name: i for i, name in enumerate(names)}
    for name, other in (("mean", "mean"), ("darkest", "brightest"), ("brightest", "darkest")):
        if name in at and other in at:
            out[:, at[name]] = 1 - measures[:, at[other]]
    for name in _ODD:
        if name in at:
            out[:, at[name]] *= -1
    return out


def _beyond(
    own: np.ndarray, others: np.ndarray, groups: np.ndarray, edges: Sequence[float], *, level: float, least: int
) -> np.ndarray:
    """Which of the new values are beyond what the reference ones explain, boolean ``[n]``.

    Args:
        edges: Those beyond which new values are counted; the one with the least probability counts.
        level: Probability that is taken for chance no more.
        least: Reference groups from which their tail is known.
    """
    from scipy.stats import hypergeom

    m, n = len(own), len(others)
    best, named = 1.0, np.zeros(n, bool)
    for edge in edges:
        mine, its = int((own > edge).sum()), others > edge
        p = float(hypergeom.sf(its.sum() - 1, m + n, mine + its.sum(), n)) if its.any() else 1.0
        if p < min(best, level):
            best, named = p, its
    return named | _alone(own, others, groups, least)


def _alone(own: np.ndarray, others: np.ndarray, groups: np.ndarray, least: int) -> np.ndarray:
    """Which new values lie so far beyond all reference ones that no one of as many as there are would."""
    from scipy.special import gammaln

    number = len(np.unique(groups))
    if number < least:
        return np.zeros(len(others), bool)
    middle = float(np.median(own))
    times = np.maximum((others - middle) / max(float(own.max()) - middle, 1e-9), 1.0)
    return np.log(len(others)) + gammaln(1 + times) - times * np.log(number) < np.log(_RARE)


def _polarity(
    reference: np.ndarray, groups: np.ndarray, new: np.ndarray, names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """How much the polarity of reference images ``[m]``, each seen by other groups, and of new ones ``[n]`` is the
    usual one: about 1, or about -1 if it is the opposite one.
    """
    own = np.zeros(len(reference))
    for mine in parted(groups):
        if not mine.all():
            own[mine] = _fitted(reference[~mine], reference[mine], names)
    return own, _fitted(reference, new, names)


def _fitted(reference: np.ndarray, new: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The regression of 1 on the reference images and -1 on their inverse ones, asked of others ``[n]``."""
    odd, even = _odd(reference, names), _even(reference, names)
    size = np.sqrt((odd**2).mean(0)) + 1e-6
    low, middle, high = np.quantile(even, [0.05, 0.5, 0.95], axis=0)
    spread = np.maximum((high - low) / 3.3, 0.02)

    def scaled(measures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sides = np.clip(_odd(measures, names) / size, -_ROUGH, _ROUGH)
        return sides, np.clip((_even(measures, names) - middle) / spread, -_ROUGH, _ROUGH)

    at = scaled(reference)
    table = _kernel(at, at)
    power = float(np.trace(table)) / len(reference) + 1e-12
    weights = np.linalg.solve(table / power + _RIDGE * np.eye(len(reference)), np.ones(len(reference)))
    parts = [_kernel(scaled(new[i : i + _AT_ONCE]), at) / power @ weights for i in range(0, len(new), _AT_ONCE)]
    return np.concatenate(parts)


def _kernel(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Gaussian kernel ``[n, m]`` less that with the other polarity."""
    (sides, same), (others, theirs) = a, b
    width = 2 * (sides.shape[1] + same.shape[1])
    between = (same**2).sum(1)[:, None] + (theirs**2).sum(1)[None] - 2 * same @ theirs.T
    between = between + (sides**2).sum(1)[:, None] + (others**2).sum(1)[None]
    cross = 2 * sides @ others.T
    return np.exp(-(between - cross) / width) - np.exp(-(between + cross) / width)


def _odd(measures: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """What changes its sign with the polarity ``[n, K]``."""
    at = {name: i for i, name in enumerate(names)}
    columns = [measures[:, at[name]] for name in _ODD if name in at]
    if set(_ENDS) <= set(names):
        mean, darkest, brightest = (measures[:, at[name]] for name in _ENDS)
        columns += [2 * mean - 1, darkest + brightest - 1]
    return np.stack(columns, axis=1)


def _even(measures: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """What does not, without colours ``[n, L]``."""
    return measures[:, [i for i, name in enumerate(names) if name not in (*_ODD, *_ENDS, *_COLOURS)]]
