"""What is done to each sample: parameters that are drawn, and how far beyond its window they reach."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from lamelle.data.augment import policy
from lamelle.data.augment.affine import is_thick, linear, magnification, pixel_ratio, reach
from lamelle.data.augment.options import Augment
from lamelle.data.randomness import generator
from lamelle.types import Spacing

_AXES = "zyx"
_DRAWS = (
    *("flip0", "flip1", "flip2", "turn", "rotate", "zoom", "shift0", "shift1", "shift2", "shear"),
    *("brightness", "contrast", "gamma", "blur", "blur_gate", "noise_seed", "noise_gate", "elastic_gate"),
)
"""One uniform number each, drawn whether used or not: switching one change on leaves the others as they were."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parameters:
    """What is done to each of N positions, whose sizes and dimensions (d) are the same; plain arrays, picklable."""

    matrices: np.ndarray
    """float64 [N, d, d+1]: offset from the output's centre, in pixels → offset from the input's centre."""
    control: np.ndarray | None
    """float32 [N, d, (gz,) gy, gx]: displacements in input pixels at the control points of a cubic B-spline."""
    invert: np.ndarray
    """bool [N]: bright becomes dark, about the middle of the image's own range."""
    gamma: np.ndarray
    """float64 [N]: exponent; 1 = none."""
    contrast: np.ndarray
    """float64 [N]: factor; 1 = none."""
    brightness: np.ndarray
    """float64 [N]: what is added."""
    blur: np.ndarray
    """float64 [N, d]: sigma in pixels along each axis; 0 = none."""
    sharpen: np.ndarray
    """float64 [N]: share of the image's fine details that is added; 0 = none."""
    saturation: np.ndarray
    """float64 [N]: factor of the difference from grey; 1 = none. For images of three channels."""
    tint: np.ndarray
    """float64 [N, 3]: what is added to each channel; 0 = none. For images of three channels."""
    noise: np.ndarray
    """float64 [N]: standard deviation; 0 = none."""
    noise_seed: np.ndarray
    """int64 [N]: seed of the noise."""

    def __len__(self) -> int:
        return len(self.matrices)

    def __getitem__(self, positions: slice | np.ndarray) -> Parameters:
        """The parameters of some of the positions."""
        parts: dict[str, Any] = {}
        for f in fields(self):
            part = getattr(self, f.name)
            parts[f.name] = None if part is None else part[positions]
        return Parameters(**parts)

    @classmethod
    def concatenate(cls, parts: Sequence[Parameters]) -> Parameters:
        """The parameters of a batch from those of its positions, sampled with the same options and size.

        Raises:
            ValueError: If there are no parts, or some have control points and some have none.
        """
        if len({part.control is None for part in parts}) != 1:
            raise ValueError(f"cannot join {len(parts)} parameters: they were sampled with different options")
        joined: dict[str, Any] = {}
        for f in fields(cls):
            group = [getattr(part, f.name) for part in parts]
            joined[f.name] = None if group[0] is None else np.concatenate(group)
        return cls(**joined)


def sample(
    options: Augment,
    *,
    generators: Sequence[np.random.Generator],
    size: tuple[int, ...],
    spacing: Spacing | None = None,
    colour: bool = False,
) -> Parameters:
    """Draw the parameters of each position from its own generator.

    Args:
        options: How far samples may be changed.
        generators: One for each position.
        size: Output size in pixels, (Z,) Y, X.
        spacing: Size of a pixel along each axis, in any unit; ``None`` is isotropic. Rotation and shear keep angles,
            displacement and blur along Z shrink as slices get thicker, and slices thicker than ``THICK`` pixels are
            shifted by whole slices and not zoomed along Z.
        colour: The images have three channels that are colours, and the policy may change them.

    Raises:
        ValueError: If the size has not two or three axes, or the spacing not as many.

    Example:
        >>> from lamelle.data.randomness import generator
        >>> keys = [generator(1, "augment", 0, position) for position in range(4)]
        >>> sample(Augment(flip=True, rotate=15), generators=keys, size=(64, 64)).matrices.shape
        (4, 2, 3)
    """
    ratio = pixel_ratio(size, spacing)
    uniform = np.array([random.random(len(_DRAWS)) for random in generators]).reshape(-1, len(_DRAWS))
    drawn = dict(zip(_DRAWS, uniform.T, strict=True))
    signed = {name: 2 * column - 1 for name, column in drawn.items()}
    blur = options.blur * drawn["blur"] * (drawn["blur_gate"] < options.blur_probability)
    noise_seed = (drawn["noise_seed"] * 2**53).astype(np.int64)
    invert, strong, tint, hue = _colours(noise_seed)
    parameters = Parameters(
        matrices=_matrices(options, drawn, size, ratio),
        control=_control(options, generators, drawn["elastic_gate"] < options.elastic_probability, size, ratio),
        invert=invert < options.invert,
        gamma=np.exp(options.gamma * signed["gamma"]),
        contrast=1 + options.contrast * signed["contrast"],
        brightness=options.brightness * signed["brightness"],
        blur=blur[:, None] * ratio,
        sharpen=np.zeros(len(generators)),
        saturation=1 + options.saturation * (2 * strong - 1) * colour,
        tint=policy.tints(options.tint * tint * colour, 2 * np.pi * hue),
        noise=options.noise * (drawn["noise_gate"] < options.noise_probability),
        noise_seed=noise_seed,
    )
    return _with_policy(parameters, options, size, ratio, colour) if options.policy else parameters


def _colours(seeds: np.ndarray) -> np.ndarray:
    """Four uniform numbers of each position [4, N], from a stream of their own, as the policy's are."""
    return np.array([generator("colours", seed).random(4) for seed in seeds]).reshape(-1, 4).T


def _with_policy(
    parameters: Parameters, options: Augment, size: tuple[int, ...], ratio: np.ndarray, colour: bool
) -> Parameters:
    """The policy's operations on top: offsets add up, factors multiply, blur and noise add up in their variances."""
    amounts = policy.drawn(options.policy, options.policy_strength, seeds=parameters.noise_seed, colour=colour)
    return replace(
        parameters,
        matrices=policy.moved(parameters.matrices, amounts, size, ratio),
        gamma=parameters.gamma * np.exp(amounts["gamma"]),
        contrast=parameters.contrast * (1 + amounts["contrast"]),
        brightness=parameters.brightness + amounts["brightness"],
        blur=np.hypot(parameters.blur, amounts["blur"][:, None] * ratio),
        sharpen=amounts["sharpen"],
        saturation=parameters.saturation * (1 + amounts["saturation"]),
        tint=parameters.tint + policy.tints(amounts["tint"], amounts["hue"]),
        noise=np.hypot(parameters.noise, amounts["noise"]),
    )


def margin(options: Augment, *, size: tuple[int, ...], spacing: Spacing | None = None) -> tuple[int, ...]:
    """Pixels to read beyond ``size`` along each axis, both sides together, so that nothing need be reflected.

    Even, so that the centres of window and output agree; at most half the size: beyond, reflection is cheaper.

    Raises:
        ValueError: If the size has not two or three axes, or the spacing not as many.

    Example:
        >>> margin(Augment.none(shift=0.1), size=(100, 100)), margin(Augment(flip=True), size=(100, 100))
        ((20, 20), (0, 0))
    """
    ratio = pixel_ratio(size, spacing)
    half = (np.array(size) - 1) / 2 / ratio  # in widths of a pixel along X
    box, quarters = half, options.rot90 and _square(size, ratio)
    if options.policy:
        box = policy.widened(half, options.policy, options.policy_strength, size=size, ratio=ratio, quarters=quarters)
    under = reach(box, rotate=options.rotate, shear=options.shear, zoom=options.zoom[0], ratio=ratio)
    beyond = (under - half) * ratio + options.shift * np.array(size) + options.elastic * ratio
    cap = np.array(size) // 4
    return tuple(int(2 * min(max(math.ceil(one - 1e-6), 0), most)) for one, most in zip(beyond, cap, strict=True))


def _square(size: tuple[int, ...], ratio: np.ndarray) -> bool:
    """Whether a quarter turn leaves the plane as it is."""
    return bool(size[-2] == size[-1] and ratio[-2] == 1)


def _mirrored(flip: bool | tuple[str, ...], d: int) -> np.ndarray:
    """Which axes may be mirrored [d]."""
    return np.array([flip if isinstance(flip, bool) else axis in flip for axis in _AXES[-d:]])


def _matrices(options: Augment, drawn: dict[str, np.ndarray], size: tuple[int, ...], ratio: np.ndarray) -> np.ndarray:
    """Input offset = zoom · shear · rotation · quarter turn · flip · output offset + shift [N, d, d+1].

    Whole numbers stay whole: with flips and quarter turns only, the matrices are exact.
    """
    d = len(size)
    matrices = np.zeros((len(drawn["turn"]), d, d + 1))
    angle, lean = (np.radians(getattr(options, name)) * (2 * drawn[name] - 1) for name in ("rotate", "shear"))
    matrices[:, :, :d] = linear(angle, lean, ratio)
    if options.rot90:
        whole, half = np.floor(drawn["turn"] * 4), 2 * np.floor(drawn["turn"] * 2)
        turns = (whole if _square(size, ratio) else half).astype(int)
        quarters = np.array([np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), k) for k in range(4)])
        matrices[:, -2:, -3:-1] = matrices[:, -2:, -3:-1] @ quarters[turns]
    flips = np.stack([drawn[f"flip{i}"] < 0.5 for i in range(d)], axis=1)[:, ::-1] & _mirrored(options.flip, d)
    matrices[:, :, :d] *= np.where(flips, -1.0, 1.0)[:, None]
    low, high = options.zoom
    matrices /= magnification(low + (high - low) * drawn["zoom"], ratio)[:, :, None]
    shift = options.shift * np.stack([2 * drawn[f"shift{i}"] - 1 for i in range(d)], axis=1)[:, ::-1] * size
    matrices[:, :, d] = np.concatenate([np.trunc(shift[:, :1]), shift[:, 1:]], axis=1) if is_thick(ratio) else shift
    return matrices


def _control(
    options: Augment,
    generators: Sequence[np.random.Generator],
    chosen: np.ndarray,
    size: tuple[int, ...],
    ratio: np.ndarray,
) -> np.ndarray | None:
    """Displacements of the control points [N, d, (gz,) gy, gx]; 0 for positions that are not ``chosen``."""
    if options.elastic == 0:
        return None
    d = len(size)
    spans = [max(1, round((s - 1) / max(1.0, options.elastic_spacing * r))) for s, r in zip(size, ratio, strict=True)]
    shape = (d, *(span + 3 for span in spans))
    uniform = np.array([random.random(shape) for random in generators]).reshape(-1, *shape)
    amplitude = (options.elastic * ratio).reshape(d, *(1,) * d) * chosen.reshape(-1, 1, *(1,) * d)
    return ((2 * uniform - 1) * amplitude).astype(np.float32)
