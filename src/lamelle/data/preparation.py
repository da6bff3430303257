"""From pixels as they are on disk to network input: channels, size and an affine change of intensity.

What a Preparation holds is stored in the Package, so that prediction does what training did, without looking
anything up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lamelle.errors import WorkError

if TYPE_CHECKING:
    from lamelle.data.units import UnitChange

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
SAMPLED = 1_000_000
"""Pixels looked at to find an image's own intensity range."""
_PICTURE = (1, 3)
"""Channels of grey and of colour images, which are lit alike; others are stains, each with a range of its own."""
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as every image library does


@dataclass(frozen=True, slots=True)
class Preparation:
    """How to make network input from an image.

    Example:
        >>> unit = Preparation(channels=1, resize=None, normalise="unit", mean=(), std=())
        >>> scale, offset = unit.affine(np.full((1, 2, 2), 255, np.uint8), bits=None)
        >>> float(scale[0] * 255 + offset[0])
        1.0
    """

    channels: int
    resize: tuple[int, ...] | None
    """Size [(Z,) Y, X] that whole images are brought to; None = native."""
    normalise: str
    """``dataset``: (x − mean) / std of the training set; ``image``: the image's own 1st and 99th percentile → −1 and
    1, of each channel by itself unless they are grey or colours; ``unit``: the full range of the pixel type → 0 and 1;
    ``imagenet``: unit, then ImageNet's mean and std; ``symmetric``: −1 and 1."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    context: int = 0
    """Neighbouring planes on either side whose channels come with a plane's own, before and after them."""
    range: tuple[float, float] | None = None
    """The values that mean black and white; None = the full range of the pixel type."""

    @property
    def inputs(self) -> int:
        """Channels that the network takes."""
        return self.channels * (2 * self.context + 1)

    def affine(
        self, image: np.ndarray, *, bits: int | None, units: UnitChange | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scale [inputs] and offset [inputs] that turn ``image`` [C, (Z,) Y, X] into network input.

        With neighbours among the channels, all are changed as the plane in the middle is.

        Args:
            units: How the values become those of the training images, where they are in other units.
        """
        each = image.shape[0] // (2 * self.context + 1)
        dtype, bits = (np.dtype(units.dtype), units.bits) if units else (image.dtype, bits)
        scale, offset = self._affine(image[self.context * each : (self.context + 1) * each], dtype, bits)
        if units:
            scale, offset = scale * units.scale, offset + scale * units.offset
        return np.tile(scale, 2 * self.context + 1), np.tile(offset, 2 * self.context + 1)

    def _affine(self, image: np.ndarray, dtype: np.dtype, bits: int | None) -> tuple[np.ndarray, np.ndarray]:
        if self.normalise == "dataset":
            scale = 1 / np.maximum(np.asarray(self.std), 1e-6)
            return _channels(scale, self.channels), _channels(-np.asarray(self.mean) * scale, self.channels)
        if self.normalise == "image":
            each = [image] if len(image) in _PICTURE else [channel[None] for channel in image]
            low, high = np.transpose([intensity_range(part) for part in each])
            scale = 2 / np.maximum(high - low, 1e-6)
            return _channels(scale, self.channels), _channels(-low * scale - 1, self.channels)
        black, white = self.range or (0.0, full_range(dtype, bits))
        mean, std = np.zeros(self.channels), np.ones(self.channels)
        if self.normalise == "symmetric":
            mean, std = mean + 0.5, std / 2
        if self.normalise == "imagenet":
            mean, std = (
                _channels(np.array(IMAGENET_MEAN), self.channels),
                _channels(np.array(IMAGENET_STD), self.channels),
            )
        scale = 1 / ((white - black) * std)
        return scale, -black * scale - mean / std

    def apply(self, window: np.ndarray, affine: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Network input, float32 [inputs, (Z,) Y, X], from a window of an image [C, (Z,) Y, X]."""
        planes = np.split(window, 2 * self.context + 1) if self.context else [window]
        pixels = np.concatenate([to_channels(plane, self.channels) for plane in planes])
        shape = (-1,) + (1,) * (pixels.ndim - 1)
        scale, offset = (a.astype(np.float32).reshape(shape) for a in affine)
        return pixels * scale + offset


def _channels(values: np.ndarray, channels: int) -> np.ndarray:
    return values if len(values) == channels else np.full(channels, values.mean())


def full_range(dtype: np.dtype, bits: int | None) -> float:
    """The largest value the pixels can take; 1 for floats, whose range is declared to be [0, 1]."""
    if bits:
        return float(2**bits - 1)
    return float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1.0


def intensity_range(image: np.ndarray) -> tuple[float, float]:
    """1st and 99th percentile of an image's pixels, from an even sample of large images."""
    stride = max(1, int(np.ceil((image.size / SAMPLED) ** (1 / (image.ndim - 1)))))
    sample = image[(slice(None), *[slice(None, None, stride)] * (image.ndim - 1))]
    low, high = np.percentile(np.asarray(sample, dtype=np.float32), [1, 99])
    if high <= low:
        low, high = float(sample.min()), float(sample.max())
    return float(low), float(high)


def fits(have: int, want: int) -> bool:
    """Whether images of so many channels can honestly be given those of a network; see `to_channels`."""
    return have == want or {have, want} == set(_PICTURE)


def to_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """Grey or colour as the network wants it, float32 [channels, (Z,) Y, X].

    Raises:
        WorkError: If there is no honest way, such as from 2 channels to 3.
    """
    have = image.shape[0]
    pixels = np.asarray(image, dtype=np.float32)
    if have == channels:
        return pixels
    if fits(have, channels):
        grey = pixels if have == 1 else np.tensordot(np.array(_LUMA, np.float32), pixels, axes=1)[None]
        return np.repeat(grey, channels, axis=0)
    raise WorkError("data.channels", have=have, want=channels)


def read_window(image: np.ndarray, start: Sequence[int], size: Sequence[int]) -> np.ndarray:
    """A window of an array [..., (Z,) Y, X]; what lies outside is mirrored.

    Example:
        >>> read_window(np.arange(4)[None], [-1], [4]).tolist()
        [[1, 0, 1, 2]]
    """
    lead = image.ndim - len(start)
    inner, pads = [slice(None)] * lead, [(0, 0)] * lead
    for begin, length, full in zip(start, size, image.shape[lead:], strict=True):
        low, high = max(0, begin), min(full, begin + length)
        if high <= low:  # wholly outside: the nearest pixel stands in
            low = min(max(begin, 0), full - 1)
            high = low + 1
        inner.append(slice(low, high))
        before = min(max(0, low - begin), length - 1)
        pads.append((before, max(0, length - before - (high - low))))
    part = np.asarray(image[tuple(inner)])
    if not any(a or b for a, b in pads):
        return part
    return np.pad(part, pads, mode="reflect")
