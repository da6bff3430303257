"""Explain what models say of images: one map for each image and model, with all that is needed to judge it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lamelle.data.neighbour_slices import with_neighbours
from lamelle.data.resize import resize_labels
from lamelle.data.store import Store
from lamelle.errors import RequestError
from lamelle.explanation.inside import Share
from lamelle.prediction.package import Package
from lamelle.prediction.predictor import WHOLE, Predictor, of_package
from lamelle.types import Boxes, Classes, LabelMap, Record

if TYPE_CHECKING:
    from torch import Tensor

    from lamelle.explanation.attribution import Answer
    from lamelle.explanation.layers import Layer


@dataclass(frozen=True, slots=True)
class ExplainOptions:
    """How maps are made."""

    method: str
    """One of `lamelle.explanation.attribution.METHODS`."""
    layer: str | None
    """Where methods that look at a layer take their map; None = the last with places."""
    check: bool
    """Compare each map with that of the same network with random weights."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """One map, and what it is about."""

    record: Record
    model: str
    image: np.ndarray
    """As read, [C, (Z,) Y, X]."""
    predicted: str
    """Classes that were predicted, joined by ``|``; empty where the prediction is an image."""
    explained: str
    """The class that the map is about."""
    probability: float
    """Of that class; of a segmenter its mean over the region; NaN if there is no region."""
    layer: str
    """Where the map was taken; empty if at the pixels."""
    values: np.ndarray
    """The map, float32 [(Z,) Y, X], positive where the image speaks for the class."""
    check: float
    """Rank correlation with the map of the network with random weights; NaN if not asked for or not defined."""
    share: Share | None = None
    """How much lies inside a mask."""


class ExplainedModel:
    """A model that is explained."""

    def __init__(self, name: str, package: Package) -> None:
        self.name, self.package = name, package
        self.predictor: Predictor = of_package(package)
        for parameter in package.model.parameters():
            parameter.requires_grad_(False)

    @cached_property
    def randomised(self) -> Package:
        """The same package around a copy of the network, whose weights may be spoilt."""
        return replace(self.package, model=copy.deepcopy(self.package.model))

    def known(self, name: str) -> int:
        """The number of a class.

        Raises:
            RequestError: If the model does not know it.
        """
        if name not in self.package.task.classes:
            classes = ", ".join(self.package.task.classes)
            raise RequestError("explain.no_class", name=name, model=self.name, known=classes)
        return self.package.task.classes.index(name)


def open_subjects(paths: Sequence[Path], load: Callable[[Path], Package]) -> list[ExplainedModel]:
    """Models under names of their own: that of the folder, numbered where two are alike.

    Args:
        load: Reads the model of a Run, checked against what the Run wrote, or a package.

    Raises:
        RequestError: If one is no Run or package, or they take images of different dimensions.
        FileError: If one is damaged.
    """
    subjects: list[ExplainedModel] = []
    for path in paths:
        folder = path.resolve()
        name = folder.parent.name if folder.name == "model" else folder.name
        number = sum(s.name == name or s.name.startswith(f"{name}-") for s in subjects) + 1
        subjects.append(ExplainedModel(name if number == 1 else f"{name}-{number}", load(path)))
    first = subjects[0].package
    for other in subjects[1:]:
        if (other.package.dims, other.package.task.output) != (first.dims, first.task.output):
            raise RequestError("explain.unlike", first=subjects[0].name, other=other.name)
    return subjects


def explain(
    subject: ExplainedModel,
    record: Record,
    store: Store,
    asked: ExplainOptions,
    *,
    name: str | None,
    region: np.ndarray | None,
    seed: int,
) -> Attribution:
    """The map of one image.

    Args:
        name: The class that is asked about; None = the one that is predicted.
        region: Pixels [(Z,) Y, X] that a segmenter is asked about; None = those predicted as the class.
        seed: Of the random weights that the map is compared with.

    Raises:
        RequestError: If the model does not know the class, or there is no such layer.
        FileError: If the image cannot be read.
    """
    from lamelle.explanation import attribution, layers

    package, predictor = subject.package, subject.predictor
    pixels = with_neighbours(store, record.image, context=package.preparation.context)
    bits = store.bits(record.image)
    found = predictor.probabilities(pixels, bits=bits)
    said = package.task.decode(found, package.fitted, store.spacing(record.image))
    if isinstance(said, Boxes):
        raise RequestError("explain.boxes", model=subject.name, task=package.task.name)
    predicted, explained = _named(subject, said, name)
    number = subject.known(explained)
    where = _region(said, number, region) if isinstance(said, LabelMap) else None
    values, layer, check = np.zeros(pixels.shape[1:], np.float32), None, float("nan")
    inputs = _inputs(predictor, pixels, bits, record)
    shape = tuple(inputs.shape[2:])
    small = None if where is None else resize_labels(where.astype(np.int64), shape)
    if small is None or small.any():
        answer = _answer(package, number, small, inputs)
        whole = layers.padded(package.model, inputs)
        if asked.method in attribution.LAYERED:
            seen = layers.candidates(package.model, answer, whole)
            layer = layers.choose(seen, asked=asked.layer, spatial=where is not None)
        values = attribution.resized(_map(answer, whole, asked, layer, shape, signed=False), pixels.shape[1:])
        if asked.check:
            check = _check(subject, answer, whole, asked, layer, seed=seed)
    return Attribution(
        record,
        subject.name,
        np.asarray(store.image(record.image)),
        predicted,
        explained,
        _probability(subject, said, number, where),
        layer.name if layer else "",
        values,
        check,
    )


def _named(subject: ExplainedModel, said: Classes | LabelMap, name: str | None) -> tuple[str, str]:
    """What was predicted, and the class that is asked about."""
    classes = subject.package.task.classes
    if isinstance(said, Classes):
        likely = max(said.chosen or range(len(classes)), key=lambda k: said.probabilities[k])
        return "|".join(classes[k] for k in said.chosen), name or classes[likely]
    counts = np.bincount(np.minimum(said.labels, len(classes) - 1).ravel(), minlength=len(classes))
    return "", name or classes[1 + int(counts[1:].argmax())]


def _region(said: LabelMap, number: int, given: np.ndarray | None) -> np.ndarray:
    """Pixels that a segmenter is asked about."""
    if given is not None:
        return given
    return (said.labels > 0) == (number > 0) if said.objects is not None else said.labels == number


def _channel(package: Package, number: int) -> tuple[int, int]:
    """Channel of the output that stands for a class, and its sign: one channel may stand for two classes.

    Raises:
        RequestError: If no channel stands for the class.
    """
    classes, outputs = len(package.task.classes), package.task.outputs
    if outputs == classes:
        return number, 1
    if outputs == classes - 1 > 1:  # a sigmoid for each class but the background
        if not number:
            known = ", ".join(package.task.classes[1:])
            raise RequestError("explain.no_channel", name=package.task.classes[0], known=known)
        return number - 1, 1
    return 0, 1 if number else -1


def _probability(subject: ExplainedModel, said: Classes | LabelMap, number: int, where: np.ndarray | None) -> float:
    """The probability that the model gives to a class; of a segmenter its mean over the region."""
    found = said.probabilities
    if isinstance(said, Classes):
        return float(said.probabilities[number])
    if found is None or where is None or not where.any():
        return float("nan")
    channel, sign = _channel(subject.package, number)
    mean = float(found[channel][where].mean())
    return mean if sign > 0 else 1 - mean


def _inputs(predictor: Predictor, pixels: np.ndarray, bits: int | None, record: Record) -> Tensor:
    """Network input, a tensor [1, C, (Z,) Y, X].

    Raises:
        RequestError: If the image is too large to be computed in one piece.
    """
    import torch

    size = predictor.preparation.resize or pixels.shape[1:]
    if np.prod(size) > WHOLE[predictor.dims]:
        said = " × ".join(map(str, size))
        raise RequestError("explain.too_large", image=record.id, size=said, most=WHOLE[predictor.dims])
    prepared = predictor.prepared(pixels, bits=bits)
    return torch.from_numpy(np.ascontiguousarray(prepared))[None].to(predictor.device)


def _answer(package: Package, number: int, region: np.ndarray | None, inputs: Tensor) -> Answer:
    """What is asked about one image; the region [(Z,) Y, X] is padded as the network pads."""
    import torch
    from torch.nn import functional

    from lamelle.explanation.attribution import Answer
    from lamelle.explanation.layers import padded

    channel, sign = _channel(package, number)
    if region is None:
        return Answer(package.model, channel=channel, sign=sign, region=None)
    where = torch.from_numpy(region).to(inputs)
    more = [b - a for a, b in zip(where.shape, padded(package.model, inputs).shape[2:], strict=True)]
    where = functional.pad(where, [n for p in reversed(more) for n in (0, p)])
    return Answer(package.model, channel=channel, sign=sign, region=where)


def _map(
    answer: Answer, whole: Tensor, asked: ExplainOptions, layer: Layer | None, shape: tuple[int, ...], *, signed: bool
) -> np.ndarray:
    """The map [(Z,) Y, X] at the size of the network's input, without its padding."""
    from lamelle.explanation.attribution import attribute

    found = attribute(answer, whole, method=asked.method, layer=layer, signed=signed)
    return found[tuple(slice(n) for n in shape)].cpu().numpy()


def _check(
    subject: ExplainedModel, answer: Answer, whole: Tensor, asked: ExplainOptions, layer: Layer | None, *, seed: int
) -> float:
    """Rank correlation of the map with that of the same network with random weights."""
    from lamelle.explanation import attribution

    spoilt = subject.randomised.model
    spoilt.load_state_dict(subject.package.model.state_dict())
    attribution.randomise(spoilt, seed=seed)
    other = attribution.Answer(spoilt, channel=answer.channel, sign=answer.sign, region=answer.region)
    shape = tuple(whole.shape[2:])
    own, random = (_map(one, whole, asked, layer, shape, signed=True) for one in (answer, other))
    return attribution.rank_correlation(own, random)
