"""What is done to each sample: parameters that are drawn, and how far beyond its window they reach."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lamelle.data.augment import policy
from lamelle.data.augment.affine import is_thick, linear, magnification, pixel_ratio, reach
from lamelle.data.augment.change import UniformDraws
from lamelle.data.augment.changes import CHANGES
from lamelle.data.augment.options import Augment
from lamelle.types import Spacing

_AXES = "zyx"
_DRAWS = (
    *("flip0", "flip1", "flip2", "turn", "rotate", "zoom", "shift0", "shift1", "shift2", "shear"),
    *("brightness", "contrast", "gamma", "blur", "blur_gate", "noise_seed", "noise_gate", "elastic_gate"),
)
"""One uniform number each, drawn whether used or not: switching one change on leaves the others as they were. The
list is closed; what came later takes its numbers from streams of its own (`UniformDraws.own`)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parameters:
    """What is done to each of N positions, whose sizes and dimensions (d) are the same; plain arrays, picklable."""

    matrices: np.ndarray
    """float64 [N, d, d+1]: offset from the output's centre, in pixels → offset from the input's centre."""
    control: np.ndarray | None
    """float32 [N, d, (gz,) gy, gx]: displacements in input pixels at the control points of a cubic B-spline."""
    amounts: Mapping[str, np.ndarray]
    """Of each change of intensity, by name, how much of it there is [N, ...]; see `changes`."""
    seeds: np.ndarray
    """int64 [N]: for what is drawn pixel by pixel, such as noise."""

    def __len__(self) -> int:
        return len(self.matrices)

    def __getitem__(self, positions: slice | np.ndarray) -> Parameters:
        """The parameters of some of the positions."""
        return Parameters(
            matrices=self.matrices[positions],
            control=None if self.control is None else self.control[positions],
            amounts={name: amounts[positions] for name, amounts in self.amounts.items()},
            seeds=self.seeds[positions],
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Parameters]) -> Parameters:
        """The parameters of a batch from those of its positions, sampled with the same options and size.

        Raises:
            ValueError: If there are no parts, or some have control points and some have none.
        """
        if len({part.control is None for part in parts}) != 1:
            raise ValueError(f"cannot join {len(parts)} parameters: they were sampled with different options")
        control = [part.control for part in parts if part.control is not None]
        return cls(
            matrices=np.concatenate([part.matrices for part in parts]),
            control=np.concatenate(control) if control else None,
            amounts={name: np.concatenate([part.amounts[name] for part in parts]) for name in parts[0].amounts},
            seeds=np.concatenate([part.seeds for part in parts]),
        )


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
    draws = UniformDraws(drawn, (drawn["noise_seed"] * 2**53).astype(np.int64), ratio, colour)
    matrices, amounts = _matrices(options, drawn, size, ratio), _amounts(options, draws)
    if options.policy:
        more = policy.drawn(options.policy, options.policy_strength, seeds=draws.seeds, colour=colour)
        matrices = policy.moved(matrices, more, size, ratio)
        amounts = {name: CHANGES[name].joined(one, more, draws) for name, one in amounts.items()}
    return Parameters(
        matrices=matrices,
        control=_control(options, generators, drawn["elastic_gate"] < options.elastic_probability, size, ratio),
        amounts=amounts,
        seeds=draws.seeds,
    )


def _amounts(options: Augment, draws: UniformDraws) -> dict[str, np.ndarray]:
    """How much of each change of intensity there is, without what a policy adds."""
    return {name: change.draw(options, draws) for name, change in CHANGES.items()}


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
