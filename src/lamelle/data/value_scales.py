"""Whether images whose files say the same of their values hold them in several scales: 12 bits beside 16, 0 to 1 beside
0 to 255.

Nothing in such files tells them apart, but the largest value of each does: those of one scale lie together, with a gap
to the others that is wider than they are apart, and nearly reach the white of a scale that cameras and programs write.
Dark and bright images of one camera leave no such gap.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lamelle.data.layouts.pairing import names_of
from lamelle.data.units import PixelKind, Values, alike, kinds_of

_WHITES = (1.0, 100.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0, float(2**32 - 1))
"""What means white: fractions, percent, and the depths of cameras."""
_FRACTIONS = 0.05
"""Share of white that the brightest image reaches, at least: of fractions, which nothing else is taken for."""
_REACHED = 0.5
"""Of all other scales that have a larger one beside them."""
_FAINT = 0.25
"""Of the larger one."""
_FULLY = 0.95
"""Of scales in bytes, whose black and white are certain where nothing else is."""
_GAP, _FEW = 1.0, 2.0
"""Least gap between the largest values of two scales, in bits, and what is added to it where a single file has one of
them; half of it for two files, and so on.
"""
_NAMED = 3
"""Images of a scale that a sentence names."""
_LIKE = 0.5
"""Share of the contrast, in its own scale, of the flattest images that others of another scale have."""
_FLATTEST = 0.1


@dataclass(frozen=True, slots=True)
class _Cluster:
    """Files whose largest values lie together."""

    tops: tuple[float, ...]
    """In order."""
    places: tuple[int, ...]
    """Of their images."""

    @property
    def white(self) -> float:
        """White of the least scale that holds all values."""
        return next((w for w in _WHITES if self.tops[-1] <= w), self.tops[-1])

    @property
    def spread(self) -> float:
        """In bits."""
        return float(np.log2(self.tops[-1] / self.tops[0]))

    def joined(self, other: _Cluster) -> _Cluster:
        return _Cluster((*self.tops, *other.tops), (*self.places, *other.places))


def scales_of(looks: Sequence[Values], files: Sequence[Hashable], trained: Sequence[PixelKind] = ()) -> list[list[int]]:
    """The images of each scale, the smallest scale first, of all pixel types that hold several; else nothing.

    Args:
        files: Of each image its file: planes of one file have one scale.
        trained: Kinds of image that a model was trained on; what is as dark as some of these is merely dark.

    Example:
        >>> from lamelle.data.appearance import look
        >>> steps = np.linspace(0, 1, 4096).reshape(1, 64, 64)
        >>> images = [(steps * top).astype(np.uint16) for top in (1000, 60000, 1023, 65535)]
        >>> scales_of([look(one) for one in images], "abcd")
        [[0, 2], [1, 3]]
        >>> tops = (900, 1700, 3000, 7000, 13000, 25000, 65535)
        >>> scales_of([look((steps * top).astype(np.uint16)) for top in tops], "abcdefg")
        []
    """
    types: dict[str, list[int]] = {}
    for i, one in enumerate(looks):
        if one.bits is None and one.minimum != one.maximum:
            types.setdefault("float" if one.dtype.startswith("float") else one.dtype, []).append(i)
    scales: list[list[int]] = []
    for places in types.values():
        clusters = _apart(_together(looks, files, places), looks, trained)
        scales += [sorted(c.places) for c in clusters] if len(clusters) > 1 else []
    return scales


def listed_scales(scales: Sequence[Sequence[int]], looks: Sequence[Values], names: Sequence[str]) -> list[str]:
    """Of each scale the number of images, from where to where their values go, and the first names."""
    lines = []
    for places in scales:
        low, high = min(looks[i].minimum for i in places), max(looks[i].maximum for i in places)
        first = names_of(list(dict.fromkeys(names[i] for i in places)), most=_NAMED)
        lines.append(f"{len(places)} × {low:.6g} … {high:.6g} ({first})")
    return lines


def white_of(looks: Sequence[Values]) -> float:
    """White of the least scale that holds the values of some images."""
    return _Cluster((max(map(_top, looks)),), ()).white


def _top(one: Values) -> float:
    if one.doubled:  # bytes as 16 bits
        return _WHITES[-2]
    return max(one.maximum, -one.minimum)


def _together(looks: Sequence[Values], files: Sequence[Hashable], places: Sequence[int]) -> list[_Cluster]:
    """Files between which there is no gap."""
    tops: dict[Hashable, float] = {}
    images: dict[Hashable, list[int]] = {}
    for i in places:
        tops[files[i]] = max(tops.get(files[i], 0.0), _top(looks[i]))
        images.setdefault(files[i], []).append(i)
    clusters: list[_Cluster] = []
    for file in sorted(tops, key=lambda name: tops[name]):
        one = _Cluster((tops[file],), tuple(images[file]))
        if clusters and np.log2(tops[file] / clusters[-1].tops[-1]) < _GAP:
            clusters[-1] = clusters[-1].joined(one)
        else:
            clusters.append(one)
    return clusters


def _apart(clusters: list[_Cluster], looks: Sequence[Values], trained: Sequence[PixelKind]) -> list[_Cluster]:
    """Clusters of which each neighbours are of two scales: others are joined, the closest first."""
    while wrong := [at for at, (a, b) in enumerate(pairwise(clusters)) if not _are_two(a, b, looks, trained)]:
        at = min(wrong, key=lambda i: clusters[i + 1].tops[0] / clusters[i].tops[-1])
        clusters = [*clusters[:at], clusters[at].joined(clusters[at + 1]), *clusters[at + 2 :]]
    return clusters


def _are_two(low: _Cluster, high: _Cluster, looks: Sequence[Values], trained: Sequence[PixelKind]) -> bool:
    gap = float(np.log2(high.tops[0] / low.tops[-1]))
    narrow, wide = sorted((low.spread, high.spread))
    if gap < max(wide + narrow / 2, _GAP + _FEW / min(len(low.tops), len(high.tops))):
        return False
    least = _FULLY if looks[low.places[0]].dtype == "uint8" else _FRACTIONS if low.white == 1 else _REACHED
    if low.white == high.white or low.tops[-1] < least * low.white or high.tops[-1] < _FAINT * high.white:
        return False
    small, large = ([looks[i] for i in c.places] for c in (low, high))
    if max(one.high for one in small) >= np.quantile([one.high for one in large], _FLATTEST):
        return False  # but for a few pixels they are as bright
    flattest = float(np.quantile([_contrast(one) for one in large], _FLATTEST))
    if np.median([_contrast(one) for one in small]) < _LIKE * flattest:
        return False  # blank fields
    kinds: Mapping[str, PixelKind] = {kind.dtype: kind for kind in kinds_of(small)}
    return not any(
        kind.bits is None
        and kind.dtype in kinds
        and _Cluster((max(kind.maximum, -kind.minimum),), ()).white == high.white
        and alike(kinds[kind.dtype], kind)
        for kind in trained
    )


def _contrast(one: Values) -> float:
    """As a share of the largest value."""
    return (one.high - one.low) / _top(one)
