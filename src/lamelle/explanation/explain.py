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
from lamelle.tasks.question import Question
from lamelle.types import Record

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

    def class_number(self, name: str) -> int:
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
    options: ExplainOptions,
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
        RequestError: If the model does not know the class, nothing of its answers can be explained, or there is no
            such layer.
        FileError: If the image cannot be read.
    """
    from lamelle.explanation import attribution, layers

    package, predictor = subject.package, subject.predictor
    pixels = with_neighbours(store, record.image, context=package.preparation.context)
    bits = store.bits(record.image)
    probabilities = predictor.probabilities(pixels, bits=bits)
    prediction = package.task.decode(probabilities, package.fitted, store.spacing(record.image))
    question = package.task.question(prediction, None if name is None else subject.class_number(name), region)
    where = question.region
    values, layer, check = np.zeros(pixels.shape[1:], np.float32), None, float("nan")
    inputs = _inputs(predictor, pixels, bits, record)
    shape = tuple(inputs.shape[2:])
    small = None if where is None else resize_labels(where.astype(np.int64), shape)
    if small is None or small.any():
        answer = _answer(package, question, small, inputs)
        whole = layers.padded(package.model, inputs)
        if options.method in attribution.LAYERED:
            seen = layers.candidates(package.model, answer, whole)
            layer = layers.choose(seen, wanted=options.layer, spatial=where is not None)
        values = attribution.resized(_map(answer, whole, options, layer, shape, signed=False), pixels.shape[1:])
        if options.check:
            check = _check(subject, answer, whole, options, layer, seed=seed)
    return Attribution(
        record,
        subject.name,
        np.asarray(store.image(record.image)),
        question.predicted,
        package.task.classes[question.number],
        question.probability,
        layer.name if layer else "",
        values,
        check,
    )


def _inputs(predictor: Predictor, pixels: np.ndarray, bits: int | None, record: Record) -> Tensor:
    """Network input, a tensor [1, C, (Z,) Y, X].

    Raises:
        RequestError: If the image is too large to be computed in one piece.
    """
    import torch

    size = predictor.preparation.resize or pixels.shape[1:]
    if np.prod(size) > WHOLE[predictor.dims]:
        shown = " × ".join(map(str, size))
        raise RequestError("explain.too_large", image=record.id, size=shown, most=WHOLE[predictor.dims])
    prepared = predictor.prepared(pixels, bits=bits)
    return torch.from_numpy(np.ascontiguousarray(prepared))[None].to(predictor.device)


def _answer(package: Package, question: Question, region: np.ndarray | None, inputs: Tensor) -> Answer:
    """The number that is asked about; the region [(Z,) Y, X], as large as the inputs, is padded as the network pads."""
    import torch
    from torch.nn import functional

    from lamelle.explanation.attribution import Answer
    from lamelle.explanation.layers import padded

    channel, sign = question.channel, question.sign
    if region is None:
        return Answer(package.model, channel=channel, sign=sign, region=None)
    where = torch.from_numpy(region).to(inputs)
    more = [b - a for a, b in zip(where.shape, padded(package.model, inputs).shape[2:], strict=True)]
    where = functional.pad(where, [n for p in reversed(more) for n in (0, p)])
    return Answer(package.model, channel=channel, sign=sign, region=where)


def _map(
    answer: Answer, whole: Tensor, options: ExplainOptions, layer: Layer | None, shape: tuple[int, ...], *, signed: bool
) -> np.ndarray:
    """The map [(Z,) Y, X] at the size of the network's input, without its padding."""
    from lamelle.explanation.attribution import attribute

    values = attribute(answer, whole, method=options.method, layer=layer, signed=signed)
    return values[tuple(slice(n) for n in shape)].cpu().numpy()


def _check(
    subject: ExplainedModel, answer: Answer, whole: Tensor, options: ExplainOptions, layer: Layer | None, *, seed: int
) -> float:
    """Rank correlation of the map with that of the same network with random weights."""
    from lamelle.explanation import attribution

    spoilt = subject.randomised.model
    spoilt.load_state_dict(subject.package.model.state_dict())
    attribution.randomise(spoilt, seed=seed)
    other = attribution.Answer(spoilt, channel=answer.channel, sign=answer.sign, region=answer.region)
    shape = tuple(whole.shape[2:])
    own, random = (_map(one, whole, options, layer, shape, signed=True) for one in (answer, other))
    return attribution.rank_correlation(own, random)
