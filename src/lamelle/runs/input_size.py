"""Whether the network of a plan takes the images as it will get them, asked of it before anything is trained.

A size that the plan chose is changed to the nearest that the network takes; one that was asked for is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from lamelle.errors import RequestError, setting
from lamelle.models.options import Encoded
from lamelle.prediction.predictor import in_one_piece
from lamelle.runs.plan import Plan

if TYPE_CHECKING:
    from lamelle.models.build import Architecture
    from lamelle.models.freezable import Freezable

Size = tuple[int, ...]
_COLOUR = 3
_GRIDS = (8, 14, 16, 32, 48, 56, 64, 112, 128, 224, 256)
"""Multiples that strides, patches and windows of networks ask for."""
_SIDES = (32, 64, 96, 128, 160, 192, 224, 240, 256, 288, 320, 384, 448, 512)
_TRIES = 30
_PIECES = 6
"""Sizes of whole images that a network is asked about, the smallest and the largest among them."""


def fitted(plan: Plan) -> Plan:
    """The plan, with sizes that its network takes in a training step, in validation and on the test set.

    Raises:
        RequestError: If the network cannot be built, or does not take what was asked for; the message names the
            nearest sizes that it takes, and the key.
    """
    trial = _Trial(plan)
    if any(map(trial.step, trial.trained)) and "data.channels" in plan.planned and trial.in_colour:
        plan, trial = _changed(plan, "data.channels", _COLOUR)
    if trial.key in plan.planned and trial.in_crops and trial.only is not None:
        plan, trial = _changed(plan, trial.key, trial.only)
    for size in trial.trained:
        if (why := trial.step(size)) is None:
            continue
        near = trial.near(size) if trial.key in plan.planned else []
        if not near:
            raise trial.refusal(trial.key, size, why)
        plan, trial = _changed(plan, trial.key, near[0])
    if trial.in_crops and plan.recipe.evaluate.tile is None and trial.refused():
        plan, trial = _changed(plan, "evaluate.tile", trial.only or trial.trained[0])
    for size, why in trial.refused():
        raise trial.refusal("evaluate.tile" if trial.in_crops else trial.key, size, why)
    return plan


class _Trial:
    """The network of a plan without memory for its weights, and the sizes of images that it will get."""

    def __init__(self, plan: Plan) -> None:
        """Build it, and see that images that are trained whole share one size.

        Raises:
            RequestError: If the network cannot be built, or images that are stacked differ in size.
        """
        recipe = self.recipe = plan.recipe
        self.plan, self.in_crops, self.dims = plan, plan.task.crops, plan.audit.statistics.dims
        self.key = "train.patch" if self.in_crops and recipe.data.resize is None else "data.resize"
        given = recipe.train.patch or recipe.data.resize
        self.trained = [given] if given else _some(self._images("train"))
        whole = len(plan.of("train")) if recipe.train.patch is None else recipe.train.batch
        self.batch = min(recipe.train.batch, recipe.train.samples or max(1, whole))
        self.channels = (recipe.data.channels or 1) * (2 * recipe.data.context + 1)
        self._networks: dict[Architecture, Freezable] = {}
        self.only = self._network(self.trained[0]).image_size if self.trained else None
        if len(self.trained) > 1 and self.batch > 1:
            sizes, usual = ", ".join(map(_shown, self.trained)), list(plan.audit.statistics.size_median)
            raise RequestError("sizing.differ", sizes=sizes, cure=setting(self.key, usual))

    @cached_property
    def in_colour(self) -> bool:
        """Whether the network takes no grey images, but takes them in three channels."""
        if self.recipe.data.channels != 1 or self.recipe.data.context or not self.trained:
            return False
        sizes = [size for size in (self.trained[0], self._published) if size is not None]
        grey, colour = ([self._refusal(s, batch=self.batch, channels=n) is None for s in sizes] for n in (1, _COLOUR))
        return not any(grey) and any(colour)

    def step(self, size: Size) -> str | None:
        """Why the network cannot be trained with images of a size, and asked about one of them."""
        return self._refusal(size, batch=self.batch)

    def refused(self) -> list[tuple[Size, str]]:
        """What the network will be asked to predict and does not take, each with the reason."""
        reasons = [(size, self._refusal(size, batch=None)) for size in _some(self._predicted())]
        return [(size, why) for size, why in reasons if why is not None]

    def near(self, size: Size, *, batch: int | None = None) -> list[Size]:
        """Sizes that the network takes, the nearest first: one that is smaller and one that is larger, if there are."""
        nearest: dict[bool, Size] = {}
        for other in _near(size, self._published):
            larger = math.prod(other) > math.prod(size)
            if larger not in nearest and self._refusal(other, batch=batch or self.batch) is None:
                nearest[larger] = other
            if len(nearest) == 2:
                break
        return sorted(nearest.values(), key=lambda other: _apart(other, size))

    def refusal(self, key: str, size: Size, why: str) -> RequestError:
        """The error for a size that was asked for: what would be taken in its place."""
        if self.batch == 1 and self._refusal(size, batch=2) is None:
            cure = setting("train.batch", 2)
            return RequestError("sizing.batch", name=self._name, size=_shown(size), cure=cure)
        if self.in_colour:
            return RequestError("sizing.channels", name=self._name, cure=setting("data.channels", _COLOUR))
        values: dict[str, object] = {"name": self._name, "size": _shown(size), "reason": why}
        if near := self.near(size):
            sizes = ", ".join(_shown(other) for other in near)
            return RequestError("sizing.size", **values, near=sizes, cure=setting(key, list(near[0])))
        return RequestError("sizing.none", **values, key=key)

    def _refusal(self, size: Size, *, batch: int | None, channels: int | None = None) -> str | None:
        from lamelle.models.size_check import refusal

        try:
            net = self._network(size, channels)
        except RequestError as error:
            if error.code != "models.arguments":
                raise
            return str(error)  # an encoder that cannot be built for another size than its own
        return refusal(net, size, channels=channels or self.channels, batch=batch)

    def _network(self, size: Size, channels: int | None = None) -> Freezable:
        """The network as it is built where it is trained with images of a size."""
        from lamelle.models.build import sketch
        from lamelle.runs.initial_model import architecture_of

        recipe = self.recipe
        if recipe.data.resize is not None and recipe.train.patch is None:
            recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"resize": size})})
        architecture = architecture_of(recipe, self.plan)
        architecture = architecture.but(inputs=channels) if channels else architecture
        if architecture not in self._networks:
            net = self._networks[architecture] = sketch(architecture)
            recipe.model.limit(net)
        return self._networks[architecture]

    @cached_property
    def _published(self) -> Size | None:
        from lamelle.models.pretrained import published_size

        model = self.recipe.model
        return published_size(model.name) if isinstance(model, Encoded) else None

    @property
    def _name(self) -> str:
        return self.recipe.model.title

    def _images(self, split: str | None = None) -> set[Size]:
        """Sizes of the images, as they are or as all are resized."""
        if self.recipe.data.resize is not None:
            return {self.recipe.data.resize}
        sizes = {row.id: tuple(row.size) for row in self.plan.audit.rows if len(row.size) == self.dims}
        wanted = {r.id for r in self.plan.records if r.split == split} & sizes.keys() if split else sizes.keys()
        return {sizes[key] for key in wanted or sizes.keys()}

    def _predicted(self) -> set[Size]:
        """Sizes of what is predicted at once: whole images, or tiles of them."""
        recipe, sizes = self.recipe, self._images()
        tile = recipe.evaluate.tile or recipe.train.patch
        if not self.in_crops or tile is None or recipe.evaluate.overlap == "field":
            return sizes
        whole = recipe.evaluate.tile is None
        return {
            size
            if in_one_piece(size, tile, whole=whole, dims=self.dims)
            else tuple(min(pair) for pair in zip(size, tile, strict=True))
            for size in sizes
        }


def _changed(plan: Plan, key: str, value: Size | int) -> tuple[Plan, _Trial]:
    """The plan with another value that nobody asked for."""
    section, _, name = key.partition(".")
    part = getattr(plan.recipe, section).model_copy(update={name: value})
    recipe = plan.recipe.model_copy(update={section: part})
    plain = list(value) if isinstance(value, tuple) else value
    plan = replace(plan, recipe=recipe, planned={**plan.planned, key: plain})
    return plan, _Trial(plan)


def _some(sizes: Iterable[Size]) -> list[Size]:
    """At most a few of many sizes, from the smallest to the largest.

    Example:
        >>> _some((n, n) for n in range(1, 100))
        [(1, 1), (21, 21), (40, 40), (60, 60), (79, 79), (99, 99)]
    """
    ordered = sorted(set(sizes), key=lambda size: (math.prod(size), size))
    places = np.linspace(0, len(ordered) - 1, min(len(ordered), _PIECES)).round().astype(int)
    return [ordered[i] for i in places]


def _near(size: Size, published: Size | None) -> Iterator[Size]:
    """Sizes that a network may take, the nearest first; at the end the one that it was published for.

    Example:
        >>> from itertools import islice
        >>> list(islice(_near((45, 45), (224, 224)), 4))
        [(48, 48), (42, 42), (40, 40), (56, 56)]
    """
    if len(size) != 2:
        return
    around = {pair for m in _GRIDS for pair in product(*({n // m * m, -(-n // m) * m} - {0} for n in size))}
    around |= {(side, side) for side in _SIDES}
    if len(set(size)) == 1:
        around = {other for other in around if len(set(other)) == 1}
    ordered = sorted(around - {size}, key=lambda other: (_apart(other, size), other))[:_TRIES]
    yield from ordered
    if published is not None and published not in (*ordered, size):
        yield published


def _apart(one: Size, other: Size) -> float:
    """How much has to be stretched from one size to another."""
    return sum(abs(math.log(a / b)) for a, b in zip(one, other, strict=True))


def _shown(size: Size) -> str:
    return " × ".join(map(str, size))
