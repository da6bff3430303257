"""What an image looks like, in a few numbers: brightness, contrast, polarity, sharpness, noise and colour.

The one place where such measures are taken: of the training images when a model is packaged, and of new images when
it is used. They come from a fixed choice of pixels spread over the image, so that they cost little beside a prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lamelle.data.preparation import fits, to_channels

WINDOW, WINDOWS, PLANES = 96, 3, 4
"""Side of a window that is looked at, windows along each axis, and planes of a volume."""
_LAGS = (1, 2, 4, 8)
"""Distances in pixels over which grey levels are compared."""
_TINY = 1e-4
"""Least contrast and least difference, as a share of an image's own range: below, it is a flat image."""
_DARKEST = 0.02
"""Least mean brightness that colours are compared with, as a share of the range."""
_DOUBLE = 257
"""A byte twice: 8 bits as 16."""
_QUANTILES = (1, 5, 50, 95, 99)

Span = tuple[float, float]
"""The values that mean black and white."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One row of what is measured."""

    name: str
    kind: str
    """What is said of a change: ``shift.KIND_more`` and ``shift.KIND_less`` in the messages."""
    absolute: bool = False
    """It depends on which values are black and white."""


MEASURES = (
    Measure("mean", "brightness", absolute=True),
    Measure("darkest", "brightness", absolute=True),
    Measure("brightest", "brightness", absolute=True),
    Measure("contrast", "contrast", absolute=True),
    Measure("skew", "polarity"),
    Measure("tail", "polarity"),
    Measure("fine", "sharpness"),
    Measure("middle", "sharpness"),
    Measure("coarse", "sharpness"),
    Measure("noise", "noise"),
    Measure("red", "colour", absolute=True),
    Measure("blue", "colour", absolute=True),
    Measure("chroma", "colour", absolute=True),
)
NAMES = tuple(m.name for m in MEASURES)


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of one image, in its own values."""

    dtype: str
    bits: int | None
    minimum: float
    maximum: float
    low: float
    """1st percentile of its grey levels."""
    high: float
    """99th percentile."""
    whole: bool
    """All values are whole numbers."""
    doubled: bool
    """All are bytes times 257, as 16 bits are made of 8."""
    mean: float
    contrast: float
    """From the 5th to the 95th percentile."""
    channels: tuple[float, ...]
    """Mean of red, green and blue; empty for other images."""
    chroma: float
    """Mean over the pixels of the largest difference between the colours."""
    shape: tuple[float, ...]
    """The measures that black and white do not change: skew to noise."""

    def measures(self, span: Span) -> np.ndarray:
        """Float64 ``[len(MEASURES)]``, brightness and colour as shares of the span."""
        black, range_ = span[0], max(span[1] - span[0], 1e-12)
        places = [(v - black) / range_ for v in (self.mean, self.low, self.high)]
        colours = (0.0, 0.0, 0.0)
        if self.channels:
            red, green, blue = self.channels
            light = max(places[0], _DARKEST) * range_
            colours = ((red - green) / light, (blue - green) / light, self.chroma / light)
        return np.array([*places, self.contrast / range_, *self.shape, *colours])


def look(image: np.ndarray, *, bits: int | None = None) -> Look:
    """Look at an image ``[C, (Z,) Y, X]``.

    Args:
        bits: Significant bits, where fewer than the type holds.

    Example:
        >>> steps = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
        >>> look(steps).measures((0, 255)).round(1)[:4].tolist()
        [0.1, 0.0, 0.2, 0.2]
    """
    parts = _windows(image)
    greys = [_grey(part) for part in parts]
    flat = np.concatenate([g.reshape(-1) for g in greys])
    low, p5, middle, p95, high = (float(v) for v in np.percentile(flat[:: max(1, flat.size >> 14)], _QUANTILES))
    minimum, maximum = min(float(p.min()) for p in parts), max(float(p.max()) for p in parts)
    floor = max(_TINY * (maximum - minimum), 1e-12)
    mean, spread, deviation = float(flat.mean()), max(p95 - p5, floor), max(float(flat.std()), floor)
    tail = float(np.mean(((flat - mean) / deviation) ** 3))
    differences = [max(_difference(greys, lag), floor) for lag in _LAGS]
    shape = (
        (p95 + p5 - 2 * middle) / spread,
        float(np.sign(tail) * np.log1p(abs(tail))),
        *(float(np.log(b / a)) for a, b in pairwise(differences)),
        float(np.log(max(_noise(greys), floor) / deviation)),
    )
    colours = len(parts[0]) == 3
    means = [float(np.average([p[c].mean() for p in parts])) for c in range(3)] if colours else []
    chroma = float(np.mean([np.ptp(p, axis=0).mean() for p in parts])) if colours else 0.0
    whole = image.dtype.kind in "bui" or all(np.array_equal(p, np.rint(p)) for p in parts)
    doubled = image.dtype == np.uint16 and maximum > 0 and not any((p % _DOUBLE).any() for p in parts)
    return Look(
        dtype=image.dtype.name,
        bits=bits,
        minimum=minimum,
        maximum=maximum,
        low=low,
        high=high,
        whole=whole,
        doubled=doubled,
        mean=mean,
        contrast=p95 - p5,
        channels=tuple(means),
        chroma=chroma,
        shape=shape,
    )


def _windows(image: np.ndarray) -> list[np.ndarray]:
    """Parts float32 ``[C, y, x]`` of an image that lie evenly over it; all of a small one."""
    planes = [image] if image.ndim == 3 else [image[:, z] for z in _places(image.shape[1], 1, PLANES)]
    return [
        np.asarray(plane[:, y : y + WINDOW, x : x + WINDOW], np.float32)
        for plane in planes
        for y in _places(plane.shape[1], WINDOW, WINDOWS)
        for x in _places(plane.shape[2], WINDOW, WINDOWS)
    ]


def _places(length: int, size: int, most: int) -> list[int]:
    """Where the parts of an axis begin."""
    number = min(most, -(-length // size))
    return [round(i) for i in np.linspace(0, max(0, length - size), number)]


def _grey(part: np.ndarray) -> np.ndarray:
    """Grey levels ``[y, x]`` of ``[C, y, x]``; stains are averaged."""
    return to_channels(part, 1)[0] if fits(len(part), 1) else part.mean(axis=0)


def _difference(greys: Sequence[np.ndarray], lag: int) -> float:
    """Root mean square of the differences between pixels ``lag`` apart; 0 where no image is that large."""
    total, count = 0.0, 0
    for grey in greys:
        for step in (grey[lag:] - grey[:-lag], grey[:, lag:] - grey[:, :-lag]):
            total, count = total + float(np.square(step).sum()), count + step.size
    return (total / max(count, 1)) ** 0.5


def _noise(greys: Sequence[np.ndarray]) -> float:
    """Standard deviation of the noise by Immerkær's estimate, doi:10.1006/cviu.1996.0060."""
    rows = [g[:-2] - 2 * g[1:-1] + g[2:] for g in greys if min(g.shape) > 2]
    found = [np.abs(r[:, :-2] - 2 * r[:, 1:-1] + r[:, 2:]).reshape(-1) for r in rows]
    return float(np.concatenate(found).mean()) * (np.pi / 2) ** 0.5 / 6 if found else 0.0
