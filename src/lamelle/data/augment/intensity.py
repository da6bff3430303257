"""The changes of intensity, position by position, in the order of `adjust`: inversion first, noise last.

A position is touched only by what its parameters ask for, and by nothing else in its batch. Channels change together
but for saturation and tint, which images without three channels do not have.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lamelle.data.augment.parameters import Parameters
from lamelle.data.augment.warp import reflected

if TYPE_CHECKING:
    from torch import Tensor


def adjust(parameters: Parameters, images: Tensor) -> Tensor:
    """Images [N, C, (Z,) Y, X], float32, changed in place and returned."""
    import torch

    colour = images.shape[1] == 3
    changes = (
        (_invert, parameters.invert, parameters.invert),
        (_gamma, parameters.gamma, parameters.gamma != 1),
        (_contrast, parameters.contrast, parameters.contrast != 1),
        (_brightness, parameters.brightness, parameters.brightness != 0),
        (_saturation, parameters.saturation, (parameters.saturation != 1) & colour),
        (_tint, parameters.tint, parameters.tint.any(axis=1) & colour),
        (_blur, parameters.blur, parameters.blur.any(axis=1)),
        (_sharpen, parameters.sharpen, parameters.sharpen != 0),
    )
    for change, values, active in changes:
        chosen = np.flatnonzero(active)
        if len(chosen) == 0:
            continue
        rows = torch.from_numpy(chosen).to(images.device)
        images[rows] = change(images[rows], values[chosen])
    for n in np.flatnonzero(parameters.noise):
        random = torch.Generator(images.device).manual_seed(int(parameters.noise_seed[n]))
        noise = torch.randn(images[n].shape, generator=random, device=images.device)
        images[n] += noise * float(parameters.noise[n])
    return images


def _column(values: np.ndarray, images: Tensor) -> Tensor:
    """One number per image, in the shape that spreads over it."""
    import torch

    column = torch.from_numpy(values.astype(np.float32)).to(images.device)
    return column.view(-1, *(1,) * (images.ndim - 1))


def _invert(images: Tensor, chosen: np.ndarray) -> Tensor:
    """Mirror each image's values about the middle of its range, from the 1st to the 99th percentile of its pixels.

    Percentiles, for one hot pixel would move the middle. They are of every fourth pixel in the plane, image by image.
    """
    import torch

    ends = torch.tensor([0.01, 0.99], device=images.device)
    middle = torch.stack([torch.quantile(image[..., ::4, ::4].flatten(), ends).sum() for image in images])
    return middle.view(-1, *(1,) * (images.ndim - 1)) - images


def _gamma(images: Tensor, exponents: np.ndarray) -> Tensor:
    """Bend each image's range, from its smallest to its largest value, by a power."""
    axes = tuple(range(1, images.ndim))
    low = images.amin(axes, keepdim=True)
    extent = images.amax(axes, keepdim=True) - low
    unit = (images - low) / extent.where(extent > 0, 1.0)
    return unit.pow(_column(exponents, images)) * extent + low


def _contrast(images: Tensor, factors: np.ndarray) -> Tensor:
    """Stretch each image about its mean, which is taken image by image to be the same to the bit in every batch."""
    import torch

    mean = torch.stack([image.mean() for image in images]).view(-1, *(1,) * (images.ndim - 1))
    return (images - mean) * _column(factors, images) + mean


def _brightness(images: Tensor, added: np.ndarray) -> Tensor:
    return images + _column(added, images)


def _saturation(images: Tensor, factors: np.ndarray) -> Tensor:
    """Stretch each pixel's colour about its grey, the mean of its channels."""
    grey = images.mean(1, keepdim=True)
    return (images - grey) * _column(factors, images) + grey


def _tint(images: Tensor, added: np.ndarray) -> Tensor:
    import torch

    colours = torch.from_numpy(added.astype(np.float32)).to(images.device)
    return images + colours.view(*colours.shape, *(1,) * (images.ndim - 2))


def _sharpen(images: Tensor, shares: np.ndarray) -> Tensor:
    """Unsharp mask in the plane: the difference from a Gaussian of sigma 1 pixel is added."""
    sigmas = np.zeros((len(shares), images.ndim - 2))
    sigmas[:, -2:] = 1.0
    return images + (images - _blur(images, sigmas)) * _column(shares, images)


def _blur(images: Tensor, sigmas: np.ndarray) -> Tensor:
    """Gaussian of its own width [N, d] for each image, axis by axis, cut at four sigmas, reflected at the edges."""
    import torch

    for axis, sigma in enumerate(sigmas.T, start=2):
        radius = math.ceil(4 * sigma.max())
        steps = np.arange(-radius, radius + 1)
        reach = np.ceil(4 * sigma)[:, None]
        weights = np.where(np.abs(steps) <= reach, np.exp(-0.5 * (steps / np.maximum(sigma, 1e-6)[:, None]) ** 2), 0.0)
        weights /= weights.sum(axis=1, keepdims=True)
        length = images.shape[axis]
        around = torch.arange(-radius, length + radius, device=images.device)
        padded = images.index_select(axis, reflected(around, length))
        images = torch.zeros_like(images)
        for tap, weight in enumerate(weights.T):
            images += padded.narrow(axis, tap, length) * _column(weight, images)
    return images
