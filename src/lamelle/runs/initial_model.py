"""The network of a plan: built, filled with the weights it starts from, and partly frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pydantic import ValidationError

from lamelle.errors import RequestError
from lamelle.io import atomic
from lamelle.messages import text
from lamelle.models import build as networks
from lamelle.models.build import Architecture
from lamelle.models.options import Encoded
from lamelle.platform import home
from lamelle.runs.model import load_model
from lamelle.runs.plan import Plan
from lamelle.runs.recipe import Recipe, refused

if TYPE_CHECKING:
    from lamelle.models import encoders
    from lamelle.models.freezable import Freezable


@dataclass(frozen=True, slots=True)
class InitialModel:
    """A network that is ready to learn."""

    model: Freezable
    architecture: Architecture
    """From which it can be built again, anywhere."""
    notes: tuple[str, ...]
    """What a user should know about it."""
    about: dict[str, object]
    """For the provenance of the Package: numbers of parameters, and the pretrained weights with their licence."""


def build(plan: Plan) -> InitialModel:
    """The network of a plan with its starting weights.

    Raises:
        RequestError: If the network cannot be built as asked, or its weights are not there.
    """
    import torch

    from lamelle.models.freeze import parameters

    recipe = plan.recipe
    torch.manual_seed(recipe.train.seed)
    architecture = architecture_of(recipe, plan)
    model = networks.build(architecture)
    notes: list[str] = []
    about: dict[str, object] = {}
    keys = recipe.model
    if recipe.train.start:
        notes.append(_start_from(model, recipe.train.start))
    elif isinstance(keys, Encoded):
        line, about = _pretrained(model, keys)
        notes.append(line)
    keys.limit(model)
    count = parameters(model)
    numbers = {"trainable": count.trainable, "total": count.total, "whole": count.with_statistics}
    notes.append(text("train.parameters_statistics" if count.statistics else "train.parameters", **numbers))
    about |= {"trainable": count.trainable, "parameters": count.total}
    about["parameters_with_statistics"] = count.with_statistics
    anywhere = architecture.but(options=keys.without_paths())
    return InitialModel(model, anywhere, tuple(notes), about)


def architecture_of(recipe: Recipe, plan: Plan) -> Architecture:
    """The network of a recipe for the data and the task of a plan.

    Raises:
        RequestError: If no network can have so many channels, or its images such a size.
    """
    channels = (recipe.data.channels or 1) * (2 * recipe.data.context + 1)
    values = {"inputs": channels, "outputs": plan.task.outputs, "dims": plan.audit.statistics.dims}
    values |= {"options": recipe.model, "size": recipe.model.size_for(recipe.data.resize)}
    try:
        return Architecture.model_validate(values)
    except ValidationError as error:
        raise refused(error) from None


def _pretrained(model: Freezable, keys: Encoded) -> tuple[str, dict[str, object]]:
    """Fill the encoder; what was said, and what the Package tells of the weights."""
    from lamelle.models.pretrained import resolve_weights
    from lamelle.models.weights import load_encoder_weights

    if keys.weights is None:
        return text("train.random_start", name=keys.name), {}
    path = resolve_weights(keys.name, keys.weights, home(), save=atomic.writing)
    report = load_encoder_weights(cast("encoders.TimmClassifier | encoders.TimmUNet", model), path)
    terms = report.licence or text("train.no_licence")
    line = text("train.pretrained", file=path.name, n=len(report.loaded), name=keys.name, licence=terms)
    about = {"file": path.name, "licence": report.licence, "origin": report.origin, "sha256": atomic.sha256(path)}
    return line, {"weights": {k: v for k, v in about.items() if v}}


def _start_from(model: Freezable, start: str) -> str:
    """Take over every tensor of a Package that has the same name and shape.

    Raises:
        RequestError: If the networks have nothing in common.
    """
    theirs = load_model(start).model.state_dict()
    ours = model.state_dict()
    same = {k: v for k, v in theirs.items() if k in ours and v.shape == ours[k].shape}
    fresh = [k for k in ours if k not in same]
    if len(same) < len(ours) / 2:
        raise RequestError("train.start_differs", start=start, same=len(same), n=len(ours))
    model.load_state_dict(ours | same)
    return text("train.started_from", start=start, same=len(same), fresh=", ".join(fresh[:4]) or "–")
