"""The changes of intensity, a row each, in the order in which they are done: inversion first, noise last.

A new one goes to the end of the table and takes its numbers from a stream of its own (`UniformDraws.own`): what was
drawn before stays as it was. Channels change together but for saturation and tint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from lamelle.data.augment.change import Change, ChangeOptions, UniformDraws
from lamelle.data.augment.edges import reflected
from lamelle.data.augment.policy import tints
from lamelle.options import Fraction
from lamelle.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

Drawn = Mapping[str, np.ndarray]


class Invert(Change):
    """Bright becomes dark: mirrored about the middle of the image's range, its 1st to 99th percentile.

    Percentiles, for one hot pixel would move the middle. They are of every fourth pixel in the plane, image by image.
    """

    name = "invert"

    class Options(ChangeOptions):
        invert: Fraction = Field(default=0.0, description="share of images whose bright becomes dark")

    @staticmethod
    def draw(options: Options, draws: UniformDraws) -> np.ndarray:
        return _colours(draws)[0] < options.invert

    @staticmethod
    def apply(images: Tensor, amounts: np.ndarray, seeds: np.ndarray) -> Tensor:
        import torch

        ends = torch.tensor([0.01, 0.99], device=images.device)
        middle = torch.stack([torch.quantile(image[..., ::4, ::4].flatten(), ends).sum() for image in images])
        return middle.view(-1, *(1,) * (images.ndim - 1)) - images


class Gamma(Change):
    """Each image's range, from its smallest to its largest value, is bent by a power."""

    name, off = "gamma", 1.0

    class Options(ChangeOptions):
        gamma: float = Field(default=0.0, ge=0, description="gamma between exp(−this) and exp(this)")

    @staticmethod
    def draw(options: Options, draws: UniformDraws) -> np.ndarray:
        return np.exp(options.gamma * draws.signed("gamma"))

    @staticmethod
    def joined(amounts: np.ndarray, policy: Drawn, draws: UniformDraws) -> np.ndarray:
        return amounts * np.exp(policy["gamma"])

    @staticmethod
    def apply(images: Tensor, amounts: np.ndarray, seeds: np.ndarray) -> Tensor:
        axes = tuple(range(1, images.ndim))
        low = images.amin(axes, keepdim=True)
        extent = images.amax(axes, keepdim=True) - low
        unit = (images - low) / extent.where(extent > 0, 1.0)
        return unit.pow(_column(amounts, images)) * extent + low


class Contrast(Change):
    """Each image is stretched about its mean, taken image by image to be the same to the bit in every batch."""

    name, off = "contrast", 1.0

    class Options(ChangeOptions):
        contrast: float = Field(default=0.0, ge=0, lt=1, description="contrast factor 1 ± this")

    @staticmethod
    def draw(options: Options, draws: UniformDraws) -> np.ndarray:
        return 1 + options.contrast * draws.signed("contrast")

    @staticmethod
    def joined(amounts: np.ndarray, policy: Drawn, draws: UniformDraws) -> np.ndarray:
        return amounts * (1 + policy["contrast"])

    @staticmethod
    def apply(images: Tensor, amounts: np.ndarray, seeds: np.ndarray) -> Tensor:
        import torch

        mean = torch.stack([image.mean() for image in images]).view(-1, *(1,) * (images.ndim - 1))
        return (images - mean) * _column(amounts, images) + mean


class Brightness(Change):
    """A number is added to all pixels of an image."""

    name = "brightness"

    class Options(ChangeOptions):
        brightness: float = Field(
            default=0.0, ge=0, description="added up to ± this (in units of normalised intensity)"
        )

    @staticmethod
    def draw(options: Options, draws: UniformDraws) -> np.ndarray:
        return options.brightness * draws.signed("brightness")

    @staticmethod
    def joined(amounts: np.ndarray, policy: Drawn, draws: UniformDraws) -> np.ndarray:
        return amounts + policy["brightness"]

    @staticmethod
    def apply(images: Tensor, amounts: np.ndarray, seeds: np.ndarray) -> Tensor:
        return images + _column(amounts, images)


class Saturation(Change):
    """Each pixel's colour is stretched about its grey, the mean of its channels."""

    name, off, colour = "saturation", 1.0, True

    class Options(ChangeOptions):
        saturation: Fraction = Field(default=0.0, description="colours stronger or paler: factor 1 ± this")

    @staticmethod
    def draw(options: Options, draws: UniformDraws) -> np.ndarray:
        return 1 + options.saturation * (2 * _colours(draws)[1] - 1) * draws.colour

    @staticmethod
    def joined(amounts: np.ndarray, policy: Drawn, draws: UniformDraws) -> np.ndarray:
        return amounts * (1 + policy["saturation"])

    @staticmethod
    def apply(images: Tensor, amounts: np.ndarray, seeds: np.ndarray) -> Tensor:
        grey = images.mean(1, keepdim=True)
        return (images - grey) * _column(amounts, images) + grey


class Tint(Change):
    """Red, green and blue each get a number of their own [n, 3], whose sum is 0."""

    name, colour = "tint", True

    class Options(ChangeOptions):
        tint: float = Field(default=0.0, ge=0, description="cast of a random colour up to this (as brightness)")

    @staticmethod
    def draw(options: Options, draws: UniformDraws) -> np.ndarray:
        _, _, share, hue = _colours(draws)
        return tints(options.tint * share * draws.colour, 2 * np.pi * hue)

    @staticmethod
    def joined(amounts: np.ndarray, policy: Drawn, draws: UniformDraws) -> np.ndarray:
        return amounts + tints(policy["tint"], policy["hue"])

    @staticmethod
    def apply(images: Tensor, amounts: np.ndarray, seeds: np.ndarray) -> Tensor:
        import torch

        colours = torch.from_numpy(amounts.astype(np.float32)).to(images.device)
        return images + colours.view(*colours.shape, *(1,) * (images.ndim - 2))


class Blur(Change):
    """A Gaussian of its own width along each axis [n, d] for each image, cut at four sigmas, reflected at the edges."""

    name = "blur"

    class Options(ChangeOptions):
        blur: float = Field(default=0.0, ge=0, description="largest sigma of a blur in pixels")
        blur_probability: Fraction = Field(default=0.5, description="share of images blurred")

    @staticmethod
    def draw(options: Options, draws: UniformDraws) -> np.ndarray:
        sigma = options.blur * draws.first["blur"] * (draws.first["blur_gate"] < options.blur_probability)
        return sigma[:, None] * draws.ratio

    @staticmethod
    def joined(amounts: np.ndarray, policy: Drawn, draws: UniformDraws) -> np.ndarray:
        return np.hypot(amounts, policy["blur"][:, None] * draws.ratio)

    @staticmethod
    def apply(images: Tensor, amounts: np.ndarray, seeds: np.ndarray) -> Tensor:
        import torch

        for axis, sigma in enumerate(amounts.T, start=2):
            radius = math.ceil(4 * sigma.max())
            steps = np.arange(-radius, radius + 1)
            reach, wide = np.ceil(4 * sigma)[:, None], np.maximum(sigma, 1e-6)[:, None]
            weights = np.where(np.abs(steps) <= reach, np.exp(-0.5 * (steps / wide) ** 2), 0.0)
            weights /= weights.sum(axis=1, keepdims=True)
            length = images.shape[axis]
            around = torch.arange(-radius, length + radius, device=images.device)
            padded = images.index_select(axis, reflected(around, length))
            images = torch.zeros_like(images)
            for tap, weight in enumerate(weights.T):
                images += padded.narrow(axis, tap, length) * _column(weight, images)
        return images


class Sharpen(Change):
    """Unsharp mask in the plane: the difference from a Gaussian of sigma 1 pixel is added. Only of a policy."""

    name = "sharpen"

    @staticmethod
    def draw(options: ChangeOptions, draws: UniformDraws) -> np.ndarray:
        return np.zeros(len(draws.seeds))

    @staticmethod
    def joined(amounts: np.ndarray, policy: Drawn, draws: UniformDraws) -> np.ndarray:
        return policy["sharpen"]

    @staticmethod
    def apply(images: Tensor, amounts: np.ndarray, seeds: np.ndarray) -> Tensor:
        sigmas = np.zeros((len(amounts), images.ndim - 2))
        sigmas[:, -2:] = 1.0
        return images + (images - Blur.apply(images, sigmas, seeds)) * _column(amounts, images)


class Noise(Change):
    """Noise of a normal distribution, of its own seed for each image."""

    name = "noise"

    class Options(ChangeOptions):
        noise: float = Field(default=0.0, ge=0, description="standard deviation of added noise")
        noise_probability: Fraction = Field(default=0.5, description="share of images with noise")

    @staticmethod
    def draw(options: Options, draws: UniformDraws) -> np.ndarray:
        return options.noise * (draws.first["noise_gate"] < options.noise_probability)

    @staticmethod
    def joined(amounts: np.ndarray, policy: Drawn, draws: UniformDraws) -> np.ndarray:
        return np.hypot(amounts, policy["noise"])

    @staticmethod
    def apply(images: Tensor, amounts: np.ndarray, seeds: np.ndarray) -> Tensor:
        import torch

        for image, amount, seed in zip(images, amounts, seeds, strict=True):
            random = torch.Generator(images.device).manual_seed(int(seed))
            image += torch.randn(image.shape, generator=random, device=images.device) * float(amount)
        return images


CHANGES: Registry[type[Change]] = Registry(
    "augmentation", Invert, Gamma, Contrast, Brightness, Saturation, Tint, Blur, Sharpen, Noise
)


def _colours(draws: UniformDraws) -> np.ndarray:
    """The numbers [4, N] of inversion, saturation and tint (two), which came with each other."""
    return draws.own("colours", 4)


def _column(values: np.ndarray, images: Tensor) -> Tensor:
    """One number per image, in the shape that spreads over it."""
    import torch

    column = torch.from_numpy(values.astype(np.float32)).to(images.device)
    return column.view(-1, *(1,) * (images.ndim - 1))
