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
from lamelle.data.units import Span

WINDOW, WINDOWS, PLANES = 96, 3, 4
"""Side of a window that is looked at, windows along each axis, and planes of a volume."""
_LAGS = (1, 2, 4, 8)
"""Distances in pixels over which grey levels are compared."""
_SCALES = (1, 2, 4)
"""Pixels along each side that are averaged before detail is taken."""
_IMMERKAER = (np.pi / 2) ** 0.5 / 6
"""Mean detail times this is the standard deviation of noise, doi:10.1006/cviu.1996.0060."""
_TINY = 1e-4
"""Least contrast and least difference, as a share of an image's own range: below, it is a flat image."""
_FAINT = 4e-4
"""Added to detail before a ratio is taken of it, as a share of an image's own range."""
_FINEST = 1e-3
"""Added to detail as a share of black to white, before its logarithm."""
_COLOURLESS = 0.01
"""Added to the detail of colours as a share of that of grey levels."""
_OPAQUE, _CLEAR = 1 / 256, 0.02
"""Least transmission that absorption is taken of, and what is added to absorption before a ratio."""
_LINKED = 0.999
"""Largest correlation of two colours that is told from 1."""
_TINT = 0.01
"""Least mean difference between the colours, as a share of the range of an image: below, it is a grey image, whether
its file holds one channel or three that are alike but for rounding.
"""
_GREY = (float(np.log(_COLOURLESS)), float(np.arctanh(_LINKED)), 0.0)
"""mottle, link and vivid of a grey image: where the colours of an image end that lose all difference."""
_DARKEST = 0.02
"""Least mean brightness that colours are compared with, as a share of the range."""
_DOUBLE = 257
"""A byte twice: 8 bits as 16."""
_QUANTILES = (1, 5, 50, 95, 99)


@dataclass(frozen=True, slots=True)
class Measure:
    """One row of what is measured."""

    name: str
    kind: str
    """What is said of a change: ``shift.KIND_more`` and ``shift.KIND_less`` in the messages."""
    absolute: bool = False
    """It depends on which values are black and white."""
    subtle: bool = False
    """It is named only where no plainer one shows a difference."""


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
    Measure("detail", "contrast", absolute=True, subtle=True),
    Measure("blur", "sharpness", subtle=True),
    Measure("wide_blur", "sharpness", subtle=True),
    Measure("tone", "tone", subtle=True),
    Measure("points", "polarity", subtle=True),
    Measure("grain", "noise", subtle=True),
    Measure("mottle", "noise"),
    Measure("link", "colour", subtle=True),
    Measure("vivid", "colour", subtle=True),
    Measure("red_dye", "colour", absolute=True, subtle=True),
    Measure("blue_dye", "colour", absolute=True, subtle=True),
)
NAMES = tuple(m.name for m in MEASURES)


@dataclass(frozen=True, slots=True)
class Appearance:
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
    """Mean of red, green and blue; empty for images without colour."""
    chroma: float
    """Mean over the pixels of the largest difference between the colours."""
    shape: tuple[float, ...]
    """Measures that black and white do not change: skew to noise."""
    texture: tuple[float, ...]
    """Others that they do not change: blur, wide_blur, tone, points and grain."""
    detail: float
    """Mean detail of the grey levels."""
    dyes: tuple[float, ...]
    """Measures of colour that they do not change: mottle, link and vivid."""

    def measures(self, span: Span) -> np.ndarray:
        """Float64 ``[len(MEASURES)]``, brightness and colour as shares of the span."""
        black, range_ = span[0], max(span[1] - span[0], 1e-12)
        places = [(v - black) / range_ for v in (self.mean, self.low, self.high)]
        colours, absorbed = (0.0, 0.0, 0.0), (0.0, 0.0)
        if self.channels:
            red, green, blue = self.channels
            light = max(places[0], _DARKEST) * range_
            colours = ((red - green) / light, (blue - green) / light, self.chroma / light)
            passed = np.clip([(v - black) / range_ for v in self.channels], _OPAQUE, 1)
            logs = np.log(_CLEAR - np.log(passed))
            absorbed = (float(logs[0] - logs[1]), float(logs[2] - logs[1]))
        detail = float(np.log(self.detail / range_ + _FINEST))
        of_values = (*places, self.contrast / range_, *self.shape, *colours)
        return np.array([*of_values, detail, *self.texture, *self.dyes, *absorbed])


def look(image: np.ndarray, *, bits: int | None = None) -> Appearance:
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
    fine, halved, quartered = (_details([_reduced(g, by) for g in greys]) for by in _SCALES)
    finest, *coarser = (float(np.abs(one).mean()) for one in (fine, halved, quartered))
    faint = max(_FAINT * (maximum - minimum), 1e-12)
    shape = (
        (p95 + p5 - 2 * middle) / spread,
        float(np.sign(tail) * np.log1p(abs(tail))),
        *(float(np.log(b / a)) for a, b in pairwise(differences)),
        float(np.log(max(finest * _IMMERKAER, floor) / deviation)),
    )
    blurs = [float(np.log((b + faint) / (a + faint))) for a, b in pairwise((finest, *coarser))]
    chroma = float(np.mean([np.ptp(p, axis=0).mean() for p in parts])) if len(parts[0]) == 3 else 0.0
    tinted = chroma > _TINT * (maximum - minimum)
    means = [float(np.average([p[c].mean() for p in parts])) for c in range(3)] if tinted else []
    whole = image.dtype.kind in "bui" or all(np.array_equal(p, np.rint(p)) for p in parts)
    doubled = image.dtype == np.uint16 and maximum > 0 and not any((p % _DOUBLE).any() for p in parts)
    return Appearance(
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
        chroma=chroma if tinted else 0.0,
        shape=shape,
        texture=(*blurs, _tone(greys, fine, faint), _points(halved, faint), _grain(fine, finest, faint)),
        detail=finest,
        dyes=_dyes(parts, finest, faint) if tinted else _GREY,
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


def _reduced(grey: np.ndarray, by: int) -> np.ndarray:
    """Means of squares of ``by`` pixels."""
    if by == 1:
        return grey
    height, width = (length // by for length in grey.shape)
    return grey[: height * by, : width * by].reshape(height, by, width, by).mean((1, 3))


def _details(greys: Sequence[np.ndarray]) -> np.ndarray:
    """How each pixel differs from those around it by Immerkær's mask, flat; one 0 where no image is large enough."""
    curvatures = [_curved(g).reshape(-1) for g in greys if min(g.shape) > 2]
    return np.concatenate(curvatures) if curvatures else np.zeros(1, np.float32)


def _curved(grey: np.ndarray) -> np.ndarray:
    rows = grey[:-2] - 2 * grey[1:-1] + grey[2:]
    return rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]


def _tone(greys: Sequence[np.ndarray], fine: np.ndarray, faint: float) -> float:
    """Logarithm of detail in the brightest third of the pixels over that in the darkest: a tone curve moves it."""
    inner = [g[1:-1, 1:-1].reshape(-1) for g in greys if min(g.shape) > 2]
    if not inner:
        return 0.0
    level, strength = np.concatenate(inner), np.abs(fine)
    dark, bright = np.percentile(level[:: max(1, level.size >> 14)], [100 / 3, 200 / 3])
    least, most = (strength[some].mean() if some.any() else 0.0 for some in (level <= dark, level >= bright))
    return float(np.log((most + faint) / (least + faint)))


def _points(details: np.ndarray, faint: float) -> float:
    """Whether small structures are bright (to 1) or dark (to -1)."""
    spread = max(float(np.sqrt(np.square(details / faint).mean())) * faint, faint)
    return float(np.tanh(np.mean((details / spread) ** 3) / 2))


def _grain(details: np.ndarray, mean: float, faint: float) -> float:
    """Logarithm of mean over root mean square detail: large if it is everywhere alike, small if it lies in edges."""
    spread = float(np.sqrt(np.square(details / faint).mean())) * faint
    return float(np.log((mean + faint) / (spread + faint)))


def _dyes(parts: Sequence[np.ndarray], finest: float, faint: float) -> tuple[float, float, float]:
    """Detail of the colours over that of grey levels; correlation of red and blue with green; contrast of red over
    that of green; as logarithms and Fisher's z.
    """
    apart = float(np.mean([np.abs(_details([p[c] - p[1] for p in parts])).mean() for c in (0, 2)]))
    mottle = float(np.log(apart / (finest + faint) + _COLOURLESS))
    pixels = np.concatenate([p.reshape(3, -1) for p in parts], axis=1)
    pixels = pixels[:, :: max(1, pixels.shape[1] >> 14)].astype(np.float64)
    both = np.cov(pixels, bias=True) + faint**2 * np.eye(3)
    spread = np.sqrt(np.diag(both))
    linked = [float(both[c, 1] / (spread[c] * spread[1])) for c in (0, 2)]
    link = float(np.mean(np.arctanh(np.clip(linked, -_LINKED, _LINKED))))
    return mottle, link, float(np.log((spread[0] + 10 * faint) / (spread[1] + 10 * faint)))
