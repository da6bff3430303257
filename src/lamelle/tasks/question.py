"""What is asked about an answer: which output of the network stands for a class, and where in the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamelle.errors import RequestError
from lamelle.types import ClassScores, LabelMap, ObjectMap


@dataclass(frozen=True, slots=True)
class Question:
    """One class of one answer."""

    predicted: str
    """Classes that were predicted, joined by ``|``; empty where the prediction is an image."""
    number: int
    """Of the class that is asked about."""
    channel: int
    """Of the network's output."""
    sign: int
    """−1 where the class is what the channel speaks against."""
    region: np.ndarray | None
    """Pixels [(Z,) Y, X] that are asked about; None where the answer is about the whole image."""
    probability: float
    """Of the class; its mean over the region, NaN if that is empty or not known."""


def about_image(answer: ClassScores, number: int | None, *, classes: Sequence[str], outputs: int) -> Question:
    """The question about a class of an image.

    Args:
        number: Of the class; None = the likeliest of those predicted.
        outputs: Channels of the network's output.

    Example:
        >>> answer = ClassScores(np.array([0.2, 0.8], np.float32), (1,))
        >>> about_image(answer, None, classes=("cat", "dog"), outputs=2).predicted
        'dog'
    """
    p = answer.probabilities
    if number is None:
        number = max(answer.chosen or range(len(classes)), key=lambda k: p[k])
    predicted = "|".join(classes[k] for k in answer.chosen)
    return Question(predicted, number, *channel_of(number, classes=classes, outputs=outputs), None, float(p[number]))


def about_pixels(
    answer: LabelMap | ObjectMap,
    number: int | None,
    region: np.ndarray | None,
    *,
    classes: Sequence[str],
    outputs: int,
) -> Question:
    """The question about a class of pixels.

    Args:
        number: Of the class; None = the commonest but the background.
        region: Pixels [(Z,) Y, X] that are asked about; None = those predicted as the class.
        outputs: Channels of the network's output.

    Raises:
        RequestError: If no channel stands for the class.

    Example:
        >>> p = np.array([[[0.9, 0.7, 0.1]]], np.float32)
        >>> answer = LabelMap((p[0] > 0.5).astype(int), p)
        >>> asked = about_pixels(answer, None, None, classes=("background", "cell"), outputs=1)
        >>> asked.region.tolist(), round(asked.probability, 2)
        ([[True, True, False]], 0.8)
    """
    if number is None:
        counts = np.bincount(np.minimum(answer.labels, len(classes) - 1).ravel(), minlength=len(classes))
        number = 1 + int(counts[1:].argmax())
    if region is None:
        numbered = isinstance(answer, ObjectMap)  # every object is of the one class
        region = np.equal(answer.labels > 0, number > 0) if numbered else np.equal(answer.labels, number)
    channel, sign = channel_of(number, classes=classes, outputs=outputs)
    mean = float("nan")
    if answer.probabilities is not None and region.any():
        mean = float(answer.probabilities[channel][region].mean())
    return Question("", number, channel, sign, region, mean if sign > 0 else 1 - mean)


def channel_of(number: int, *, classes: Sequence[str], outputs: int) -> tuple[int, int]:
    """Channel of the output that stands for a class, and its sign: one channel may stand for two classes.

    Raises:
        RequestError: If no channel stands for the class.

    Example:
        >>> channel_of(0, classes=("background", "cell"), outputs=1), channel_of(2, classes=("", "a", "b"), outputs=2)
        ((0, -1), (1, 1))
    """
    if outputs == len(classes):
        return number, 1
    if outputs == len(classes) - 1 > 1:  # a sigmoid for each class but the background
        if not number:
            raise RequestError("explain.no_channel", name=classes[0], known=", ".join(classes[1:]))
        return number - 1, 1
    return 0, 1 if number else -1
