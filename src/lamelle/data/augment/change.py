"""What a change of intensity is: its keys, what is drawn for each image, and what is done with that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lamelle.data.randomness import generator
from lamelle.options import Options

if TYPE_CHECKING:
    from torch import Tensor


class ChangeOptions(Options):
    """Keys of a change: the first is its amount, 0 = none; others end in ``_probability`` and the like."""


@dataclass(frozen=True, slots=True, eq=False)
class UniformDraws:
    """Uniform numbers of N positions, of which each change makes its own amounts."""

    first: Mapping[str, np.ndarray]
    """Those that were there first [N], by name; see `parameters`."""
    seeds: np.ndarray
    """int64 [N]: a number of each position, from its own generator."""
    ratio: np.ndarray
    """Pixels of each axis in the length of one along X [d]."""
    colour: bool
    """Whether the images have three channels that are colours."""
    _streams: dict[str, np.ndarray] = field(default_factory=dict)

    def signed(self, name: str) -> np.ndarray:
        """A number from -1 to 1 of those that were there first [N]."""
        return 2 * self.first[name] - 1

    def own(self, stream: str, count: int) -> np.ndarray:
        """So many numbers from 0 to 1 of each position [count, N], from a stream of their own.

        Nothing else that is drawn depends on them: a new change takes its numbers here, and all others keep theirs.

        Example:
            >>> draws = UniformDraws({}, np.array([5, 8]), np.ones(2), colour=False)
            >>> draws.own("haze", 3).shape, bool((draws.own("haze", 3)[:, 1] == draws.own("haze", 3)[:, 1]).all())
            ((3, 2), True)
        """
        if stream not in self._streams:
            drawn = [generator(stream, seed).random(count) for seed in self.seeds]
            self._streams[stream] = np.array(drawn).reshape(-1, count).T
        return self._streams[stream]


class Change:
    """What all changes of intensity have; what is not said in a row is as it is here."""

    name: ClassVar[str]
    off: ClassVar[float] = 0.0
    """The amount that changes nothing."""
    colour: ClassVar[bool] = False
    """Only for images of three channels."""
    Options: ClassVar[type[ChangeOptions]] = ChangeOptions
    """Its keys, which stand below ``augment``."""

    @staticmethod
    def draw(options: Any, draws: UniformDraws) -> np.ndarray:
        """How much each position is changed [N, ...]; ``off`` where it is not."""
        raise NotImplementedError

    @staticmethod
    def joined(amounts: np.ndarray, policy: Mapping[str, np.ndarray], draws: UniformDraws) -> np.ndarray:
        """The same with what a policy drew on top (`policy.drawn`); as they are, where it has no such operation."""
        return amounts

    @staticmethod
    def apply(images: Tensor, amounts: np.ndarray, seeds: np.ndarray) -> Tensor:
        """Images of the positions that are changed.

        Each depends on nothing else in its batch, to the bit.

        Args:
            images: [n, C, (Z,) Y, X], float32.
            amounts: Of each image [n, ...], none of them ``off``.
            seeds: Of each image, for what is drawn pixel by pixel.
        """
        raise NotImplementedError
