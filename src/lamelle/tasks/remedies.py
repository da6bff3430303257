"""The table of remedies for rare classes, a class for each: in the loss, in the sampling, or in both.

The functions themselves are pure and stand in `imbalance`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from lamelle.options import Fraction, Options
from lamelle.registry import Registry
from lamelle.tasks import imbalance


class Remedy(Options):
    """What all remedies have; one that is not overridden changes nothing."""

    name: Any
    softmax: ClassVar[bool] = False
    """Works on classes that exclude each other only."""
    stronger: ClassVar[str | None] = None
    """The remedy to try where this one did not help; None where there is none."""

    def weights(self, counts: Sequence[int]) -> np.ndarray | None:
        """Weights of the classes in the loss [K]; None = all alike.

        Args:
            counts: Training records of each class [K].
        """
        return None

    def sampling(self, counts: Sequence[int], members: Sequence[Sequence[int]]) -> np.ndarray | None:
        """Relative frequency of each training record; None = all alike.

        Args:
            counts: Training records of each class [K].
            members: Numbers of the classes of each record.
        """
        return None

    def prior(self, counts: Sequence[int]) -> np.ndarray | None:
        """What is added to the logits in training, and only there [K]; None = nothing."""
        return None


class NoRemedy(Remedy):
    """Classes count as often as they come."""

    name: Literal["none"] = "none"
    stronger: ClassVar[str | None] = "weights"


class Weights(Remedy):
    """Weights in the loss, inverse to the images. King and Zeng (2001), doi:10.1093/oxfordjournals.pan.a004868"""

    name: Literal["weights"] = "weights"
    stronger: ClassVar[str | None] = "oversample"

    def weights(self, counts: Sequence[int]) -> np.ndarray:
        return imbalance.inverse_frequency(counts)


class Effective(Remedy):
    """Weights in the loss by the effective number of images. Cui et al. (2019), doi:10.1109/CVPR.2019.00949"""

    name: Literal["effective"] = "effective"
    stronger: ClassVar[str | None] = "oversample"
    beta: float = Field(default=0.999, ge=0, lt=1, description="weights (1−β)/(1−β^n)")

    def weights(self, counts: Sequence[int]) -> np.ndarray:
        return imbalance.effective_number(counts, beta=self.beta)


class Oversample(Remedy):
    """Classes are drawn evenly. Buda, Maki and Mazurowski (2018), doi:10.1016/j.neunet.2018.07.011"""

    name: Literal["oversample"] = "oversample"

    def sampling(self, counts: Sequence[int], members: Sequence[Sequence[int]]) -> np.ndarray:
        return imbalance.oversampling(counts, members)


class Both(Remedy):
    """A part of the remedy in the sampling, the rest in the weights of the loss."""

    name: Literal["both"] = "both"
    alpha: Fraction = Field(default=0.5, description="0 = all by weights, 1 = all by sampling (sampling ∝ n^(1−α))")

    def weights(self, counts: Sequence[int]) -> np.ndarray:
        return imbalance.controlled_weights(counts, alpha=self.alpha)

    def sampling(self, counts: Sequence[int], members: Sequence[Sequence[int]]) -> np.ndarray:
        return imbalance.controlled_sampling(counts, members, alpha=self.alpha)


class LogitAdjustment(Remedy):
    """The share of each class is added to its logit in training. Menon et al. (2021), doi:10.48550/arXiv.2007.07314"""

    name: Literal["logit_adjustment"] = "logit_adjustment"
    tau: float = Field(default=1.0, ge=0, description="strength")
    softmax: ClassVar[bool] = True

    def prior(self, counts: Sequence[int]) -> np.ndarray:
        return imbalance.log_prior(counts, tau=self.tau)


REMEDIES: Registry[type[Remedy]] = Registry("remedy", NoRemedy, Weights, Effective, Oversample, Both, LogitAdjustment)
