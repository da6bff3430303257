"""The network of a plan: built, filled with the weights it starts from, and partly frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from lamelle.errors import RequestError
from lamelle.io import atomic
from lamelle.messages import text
from lamelle.models.options import Cnn, Network, Timm, TimmUNet
from lamelle.models.pretrained import expected_size
from lamelle.platform import home
from lamelle.runs.model import load_model
from lamelle.runs.plan import Plan
from lamelle.runs.recipe import Recipe

if TYPE_CHECKING:
    from lamelle.models import encoders
    from lamelle.models.freezable import Freezable

_NOT_BUILT = {"weights", "freeze", "bn_momentum", "bn_frozen"}
"""Keys about a network that are not part of its description."""


@dataclass(frozen=True, slots=True)
class InitialModel:
    """A network that is ready to learn."""

    model: Freezable
    spec: dict[str, Any]
    """Its description, from which it can be built again."""
    said: tuple[str, ...]
    """What a user should know about it."""
    about: dict[str, Any]
    """For the provenance of the Package: numbers of parameters, and the pretrained weights with their licence."""


def build(plan: Plan) -> InitialModel:
    """The network of a plan with its starting weights.

    Raises:
        RequestError: If the network cannot be built as asked, or its weights are not there.
    """
    import torch

    from lamelle.models.build import build as build_model
    from lamelle.models.build import resolve
    from lamelle.models.freeze import parameters

    recipe = plan.recipe
    torch.manual_seed(recipe.train.seed)
    spec = resolve(model_spec(recipe, plan))
    model = build_model(spec)
    said: list[str] = []
    about: dict[str, Any] = {}
    keys = recipe.model
    if recipe.train.start:
        said.append(_start_from(model, recipe.train.start))
    elif isinstance(keys, Timm | TimmUNet):
        line, about = _pretrained(model, keys)
        said.append(line)
    limit(model, keys)
    count = parameters(model)
    numbers = {"trainable": count.trainable, "total": count.total, "whole": count.with_statistics}
    said.append(text("train.parameters_statistics" if count.statistics else "train.parameters", **numbers))
    about |= {"trainable": count.trainable, "parameters": count.total}
    about["parameters_with_statistics"] = count.with_statistics
    return InitialModel(model, spec, tuple(said), about)


def limit(model: Freezable, keys: Network) -> None:
    """Freeze the parts of a network that are asked not to learn, and set its batch norms."""
    from lamelle.models.freeze import freeze_encoder, set_batch_norm

    if isinstance(keys, Timm | TimmUNet):
        freeze_encoder(model, keys.freeze)
    if isinstance(keys, Timm):
        set_batch_norm(model, momentum=keys.bn_momentum, frozen_statistics=keys.bn_frozen)


def model_spec(recipe: Recipe, plan: Plan) -> dict[str, Any]:
    """What the registry of networks takes: the recipe's keys, and what follows from data and task."""
    keys = recipe.model.model_dump(exclude=_NOT_BUILT)
    channels = (recipe.data.channels or 1) * (2 * recipe.data.context + 1)
    if isinstance(recipe.model, Cnn):
        if recipe.data.resize is None:
            raise RequestError("train.no_size", name=recipe.model.name)
        keys["size"] = list(recipe.data.resize)
    if isinstance(recipe.model, Timm) and recipe.data.resize not in (None, expected_size(recipe.model.name)):
        # an encoder that takes one size only is built for the images' size
        keys["arguments"] = {"img_size": list(recipe.data.resize)} if expected_size(recipe.model.name) else {}
    if isinstance(recipe.model, Cnn | Timm):
        return keys | {"in_channels": channels, "classes": plan.task.outputs}
    spec = keys | {"in_channels": channels, "out_channels": plan.task.outputs}
    if keys["kind"] == "unet":
        # dropout is for the deepest level alone
        spec |= {"dims": plan.audit.statistics.dims, "dropout": [0.0] * (len(keys["filters"]) - 1) + [keys["dropout"]]}
    return spec


def _pretrained(model: Freezable, keys: Timm | TimmUNet) -> tuple[str, dict[str, Any]]:
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
