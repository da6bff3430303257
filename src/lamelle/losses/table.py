"""The table of losses, a class for each: its name, its keys, what it can take, and how it is computed.

The functions themselves are pure and stand in `entropy`, `overlap`, `centrelines` and `borders`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from lamelle.options import Fraction, Options, Positive
from lamelle.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor


class Loss(Options):
    """What all losses have; what is not said in a row is as it is here."""

    name: Any
    weighs: ClassVar[bool] = True
    """Takes the weights (w−, w+) where there is one channel; weights of several classes every loss takes."""
    of_items: ClassVar[bool] = True
    """May be asked for where an answer is about a whole image."""
    softmax: ClassVar[bool] = True
    """Channels whose classes exclude each other compete; else each is a yes or no of its own even then."""
    smooths: ClassVar[bool] = False
    """Takes ``smoothing``, the share of the target that is spread over all classes."""

    @property
    def needs_objects(self) -> bool:
        """Whether it has to know which pixel belongs to which object."""
        return False

    def alone(self) -> Loss:
        """The same loss for one channel by itself."""
        return self

    def guessed(self, classes: int) -> float | None:
        """The loss of who says that every class is as likely as another; None where that is not known.

        Args:
            classes: How many there are, at least two.
        """
        return None

    def shared(self, target: Tensor, *, objects: Tensor | None = None) -> dict[str, Tensor]:
        """Further arguments that are the same for every channel of a batch, computed once.

        Args:
            target: Classes, int64 [N, (Z,) Y, X].
            objects: Numbers of the objects, like the target; none = not known.
        """
        return {}

    def __call__(self, output: Tensor, target: Tensor, *, weights: Tensor | None = None, **shared: Any) -> Tensor:
        """A float32 scalar from logits [N, K, ...] and a target; see `lamelle.losses`.

        Raises:
            ValueError: If weights are given that it does not take.
        """
        raise NotImplementedError


class Ce(Loss):
    """Cross-entropy of classes that exclude each other; of each class by itself it is `bce`."""

    name: Literal["ce"] = "ce"
    smooths: ClassVar[bool] = True

    def alone(self) -> Loss:
        return Bce()

    def guessed(self, classes: int) -> float:
        """The logarithm of their number.

        Example:
            >>> round(Ce().guessed(2), 3), round(Focal().guessed(2), 3), round(Bce().guessed(5), 3)
            (0.693, 0.173, 0.693)
        """
        return math.log(classes)

    def __call__(self, output: Tensor, target: Tensor, *, weights: Tensor | None = None, **shared: Any) -> Tensor:
        from lamelle.losses import entropy

        return entropy.ce(output, target, weights=weights, **shared)


class Bce(Loss):
    """Binary cross-entropy: each class is a yes or no of its own."""

    name: Literal["bce"] = "bce"
    softmax: ClassVar[bool] = False

    def guessed(self, classes: int) -> float:
        return math.log(2)

    def __call__(self, output: Tensor, target: Tensor, *, weights: Tensor | None = None, **shared: Any) -> Tensor:
        from lamelle.losses import entropy

        return entropy.bce(output, target, weights=weights)


class Focal(Loss):
    """Cross-entropy times (1 − p)^gamma: what is hard counts more. Lin et al. (2017), doi:10.1109/ICCV.2017.324"""

    name: Literal["focal"] = "focal"
    gamma: float = Field(default=2.0, ge=0, description="exponent")

    def guessed(self, classes: int) -> float:
        return (1 - 1 / classes) ** self.gamma * math.log(classes)

    def __call__(self, output: Tensor, target: Tensor, *, weights: Tensor | None = None, **shared: Any) -> Tensor:
        from lamelle.losses import entropy

        return entropy.focal(output, target, weights=weights, gamma=self.gamma)


class OfRegions(Loss):
    """What losses of whole regions have: one channel is one region, and there is nothing to weigh."""

    weighs: ClassVar[bool] = False
    of_items: ClassVar[bool] = False


class Dice(OfRegions):
    """1 − soft Dice of the whole batch. Milletari, Navab and Ahmadi (2016), doi:10.1109/3DV.2016.79"""

    name: Literal["dice"] = "dice"

    def __call__(self, output: Tensor, target: Tensor, *, weights: Tensor | None = None, **shared: Any) -> Tensor:
        from lamelle.losses import overlap

        return overlap.dice(output, target, weights=weights)


class DiceCe(Loss):
    """Dice + cross-entropy. Isensee et al. (2021), doi:10.1038/s41592-020-01008-z"""

    name: Literal["dice_ce"] = "dice_ce"
    of_items: ClassVar[bool] = False

    def __call__(self, output: Tensor, target: Tensor, *, weights: Tensor | None = None, **shared: Any) -> Tensor:
        from lamelle.losses import overlap

        return overlap.dice_ce(output, target, weights=weights)


class Tversky(OfRegions):
    """Dice with a price for each kind of mistake. Salehi et al. (2017), doi:10.1007/978-3-319-67389-9_44"""

    name: Literal["tversky"] = "tversky"
    alpha: float = Field(default=0.3, ge=0, description="price of a false positive")
    beta: float = Field(default=0.7, ge=0, description="price of a false negative")

    def __call__(self, output: Tensor, target: Tensor, *, weights: Tensor | None = None, **shared: Any) -> Tensor:
        from lamelle.losses import overlap

        return overlap.tversky(output, target, weights=weights, alpha=self.alpha, beta=self.beta)


class FocalTversky(OfRegions):
    """Tversky loss to a power: what is missed counts. Abraham and Khan (2019), doi:10.1109/ISBI.2019.8759329"""

    name: Literal["focal_tversky"] = "focal_tversky"
    alpha: float = Field(default=0.3, ge=0, description="price of a false positive")
    beta: float = Field(default=0.7, ge=0, description="price of a false negative")
    gamma: float = Field(default=4 / 3, gt=0, description="the loss is raised to 1/this")

    def __call__(self, output: Tensor, target: Tensor, *, weights: Tensor | None = None, **shared: Any) -> Tensor:
        from lamelle.losses import overlap

        prices = {"alpha": self.alpha, "beta": self.beta, "gamma": self.gamma}
        return overlap.focal_tversky(output, target, weights=weights, **prices)


class Lovasz(OfRegions):
    """The IoU itself, made differentiable. Berman, Triki and Blaschko (2018), doi:10.1109/CVPR.2018.00464"""

    name: Literal["lovasz"] = "lovasz"

    def __call__(self, output: Tensor, target: Tensor, *, weights: Tensor | None = None, **shared: Any) -> Tensor:
        from lamelle.losses import overlap

        return overlap.lovasz(output, target, weights=weights)


class ClDice(OfRegions):
    """Dice of masks and of their centre lines. Shit et al. (2021), doi:10.1109/CVPR46437.2021.01629"""

    name: Literal["cldice"] = "cldice"
    alpha: Fraction = Field(default=0.5, description="share of clDice; the rest is Dice")
    iterations: Positive = Field(default=3, description="largest half width of a line, in pixels")

    def __call__(self, output: Tensor, target: Tensor, *, weights: Tensor | None = None, **shared: Any) -> Tensor:
        from lamelle.losses import centrelines

        return centrelines.cldice(output, target, weights=weights, alpha=self.alpha, iterations=self.iterations)


class BoundaryCe(Loss):
    """Cross-entropy that presses between two objects. Ronneberger et al. (2015), doi:10.1007/978-3-319-24574-4_28"""

    name: Literal["boundary_ce"] = "boundary_ce"
    w0: float = Field(default=10.0, ge=0, description="height of the weights between two objects")
    sigma: float = Field(default=5.0, gt=0, description="width of these weights in pixels")
    between: int = Field(default=0, ge=0, description="number of the class that lies between objects")
    of_items: ClassVar[bool] = False

    @property
    def needs_objects(self) -> bool:
        return self.between == 0

    def shared(self, target: Tensor, *, objects: Tensor | None = None) -> dict[str, Tensor]:
        """The maps of the weights: between the objects of all classes, in every channel."""
        from lamelle.losses.borders import border_maps

        numbered = objects is not None
        height = {"w0": self.w0, "sigma": self.sigma, "between": self.between}
        return {"maps": border_maps(objects if numbered else target, numbered=numbered, **height)}

    def __call__(self, output: Tensor, target: Tensor, *, weights: Tensor | None = None, **shared: Any) -> Tensor:
        from lamelle.losses import borders

        height = {"w0": self.w0, "sigma": self.sigma, "between": self.between}
        return borders.boundary_ce(output, target, weights=weights, **height, **shared)


LOSSES: Registry[type[Loss]] = Registry(
    "loss", Ce, Bce, Focal, Dice, DiceCe, Tversky, FocalTversky, Lovasz, ClDice, BoundaryCe
)
