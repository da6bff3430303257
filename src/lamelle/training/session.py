"""One training from a Plan to a Package: build the network, train it, freeze what validation decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lamelle import package
from lamelle.data.augment.parameters import AugmentOptions, margin
from lamelle.data.preparation import Preparation
from lamelle.data.samples import Reader, Samples, training_statistics
from lamelle.data.store import Store
from lamelle.errors import RequestError
from lamelle.evaluation import fit
from lamelle.keys import Recipe, TimmKeys, TimmUnetKeys
from lamelle.messages import text
from lamelle.package import Package
from lamelle.plan import Plan
from lamelle.platform import home
from lamelle.prediction.predictor import Predictor, of_package, reorder
from lamelle.run import RunFolder
from lamelle.training import resources
from lamelle.training.checkpoint import State
from lamelle.training.loop import Job, Training
from lamelle.training.progress import Progress
from lamelle.types import Spacing

if TYPE_CHECKING:
    from lamelle.models.encoders import TimmClassifier, TimmUNet
    from lamelle.models.freeze import Freezable


def train(plan: Plan, run: RunFolder, store: Store, progress: Progress, *, resume: bool) -> Package:
    """Train to the end, and write the Package.

    The recipe in the Run is rewritten with the values that were resolved here (device, precision, threads; the steps of
    a budget), so that resume and repeat use the same.
    """
    import torch

    torch.manual_seed(plan.recipe.train.seed)
    model, spec, said = build(plan)
    for line in said:
        progress.say(line)
        run.note(line)
    found = resources.resolve(plan.recipe.train, model)
    plan = _written(plan, run, device=found.device, precision=found.precision, threads=found.threads)
    keys, dims = plan.recipe.train, plan.audit.statistics.dims
    fabric = resources.set_up(found)
    preparation = prepare(plan, store)
    predictor = Predictor(
        reorder(model, dims),
        plan.task,
        preparation,
        dims=dims,
        tile=plan.recipe.evaluate.tile or keys.patch,
        overlap=plan.recipe.evaluate.overlap,
        flips=False,  # validation after each epoch has to be quick
        device=fabric.device,
        precision=keys.precision,
    )
    reader = Reader(store, plan.task, preparation)
    samples, augmentation = training_samples(plan, reader)
    job = Job(run, keys, plan.task, samples, plan.of("validation"), augmentation, predictor, fabric, progress)
    state = Training(job, resume=resume).fit()
    if keys.budget:
        plan = _written(plan, run, knots=tuple(state.knots))
    done = Package(
        task=plan.task,
        spec=spec,
        model=model,
        preparation=preparation,
        dims=dims,
        tile=predictor.tile,
        overlap=predictor.overlap,
        flips=plan.recipe.evaluate.flips,
        spacing=_spacing(plan),
        fitted={},
        provenance=_provenance(plan, state),
    )
    done = replace(done, fitted=fit(plan.of("validation"), of_package(done), reader))
    run.seal(*package.save(done, run.model))
    return done


def _written(plan: Plan, run: RunFolder, **resolved: object) -> Plan:
    """The plan with resolved training keys, which the Run's recipe then says too."""
    recipe = plan.recipe.model_copy(update={"train": plan.recipe.train.model_copy(update=resolved)})
    run.write_text(run.recipe, recipe.to_yaml())
    return replace(plan, recipe=recipe)


def _spacing(plan: Plan) -> Spacing | None:
    """The most frequent pixel size."""
    spacings = plan.audit.statistics.spacings
    return spacings[0][0] if spacings else None


def _provenance(plan: Plan, state: State) -> dict[str, Any]:
    return {
        "records": len(plan.of("train")),
        "epochs": state.epoch,
        "best_epoch": state.best_epoch,
        "steps": state.step,
        "seconds": round(state.elapsed, 1),
        "precision": plan.recipe.train.precision,
    }


def training_samples(plan: Plan, reader: Reader) -> tuple[Samples, AugmentOptions]:
    """The training set as positions of epochs, read with the margin that its augmentation needs."""
    keys = plan.recipe.train
    augmentation = AugmentOptions(**plan.recipe.augment.model_dump(exclude={"mixup", "cutmix"}))
    # slices are augmented in their plane; only volumes need to know how thick a slice is
    thick = _spacing(plan) if plan.audit.statistics.dims == 3 else None
    window = None
    if keys.patch is not None:
        beyond = margin(augmentation, size=keys.patch, spacing=thick)
        window = tuple(p + m for p, m in zip(keys.patch, beyond, strict=True))
    samples = Samples(
        plan.of("train"), reader, patch=keys.patch, window=window, length=keys.samples, seed=keys.seed, spacing=thick
    )
    return samples, augmentation


def build(plan: Plan) -> tuple[Freezable, dict[str, Any], list[str]]:
    """The network of a plan with its starting weights; its spec; and what a user should know about them."""
    from lamelle.models.build import build as build_model
    from lamelle.models.build import resolve
    from lamelle.models.freeze import freeze_encoder, parameters

    recipe = plan.recipe
    spec = resolve(model_spec(recipe, plan))
    model = build_model(spec)
    said: list[str] = []
    keys = recipe.model
    if recipe.train.start:
        said.append(_start_from(model, recipe.train.start))
    elif isinstance(keys, TimmKeys | TimmUnetKeys):
        said.append(_pretrained(model, keys))
    if isinstance(keys, TimmKeys | TimmUnetKeys):
        freeze_encoder(model, keys.freeze)
    count = parameters(model)
    said.append(text("train.parameters", trainable=count.trainable, total=count.total))
    return model, spec, said


def model_spec(recipe: Recipe, plan: Plan) -> dict[str, Any]:
    """What the registry of networks takes: the recipe's keys, and what follows from data and task."""
    keys = recipe.model.model_dump(exclude={"weights", "freeze", "bn_momentum", "bn_frozen"})
    channels = recipe.data.channels or 1
    if keys["kind"] == "timm":
        return keys | {"in_channels": channels, "classes": plan.task.outputs}
    spec = keys | {"in_channels": channels, "out_channels": plan.task.outputs}
    if keys["kind"] == "unet":
        # dropout is for the deepest level alone
        spec |= {"dims": plan.audit.statistics.dims, "dropout": [0.0] * (len(keys["filters"]) - 1) + [keys["dropout"]]}
    return spec


def _pretrained(model: Freezable, keys: TimmKeys | TimmUnetKeys) -> str:
    from lamelle.models.weights import find_weights, load_encoder_weights

    if keys.weights is None:
        return text("train.random_start", name=keys.name)
    path = find_weights(keys.name, file=None if keys.weights == "home" else Path(keys.weights), home=home())
    report = load_encoder_weights(cast("TimmClassifier | TimmUNet", model), path)
    return text("train.pretrained", file=path.name, n=len(report.loaded), name=keys.name)


def _start_from(model: Freezable, start: str) -> str:
    """Take over every tensor of a Package that has the same name and shape.

    Raises:
        RequestError: If the networks have nothing in common.
    """
    theirs = package.load(start).model.state_dict()
    ours = model.state_dict()
    same = {k: v for k, v in theirs.items() if k in ours and v.shape == ours[k].shape}
    fresh = [k for k in ours if k not in same]
    if len(same) < len(ours) / 2:
        raise RequestError("train.start_differs", start=start, same=len(same), n=len(ours))
    model.load_state_dict(ours | same)
    return text("train.started_from", start=start, same=len(same), fresh=", ".join(fresh[:4]) or "–")


def prepare(plan: Plan, store: Store) -> Preparation:
    """How images become network input, with the training set's statistics where they are needed."""
    data = plan.recipe.data
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    if data.normalise == "dataset":
        mean, std = training_statistics(store, plan.of("train"))
    return Preparation(data.channels or 1, data.resize, data.normalise, mean, std)


def started_from(asked: Mapping[str, Any], start: str) -> dict[str, Any]:
    """What a fine-tuning takes over from a Package unless it was asked for: network and preparation."""
    found = package.load(start)
    keys = {k: v for k, v in found.spec.items() if k not in {"in_channels", "out_channels", "classes", "dims"}}
    known = {"filters", "up", "norm", "residual", "kernel", "pool", "name", "hidden", "kind"}
    model = {k: v for k, v in keys.items() if k in known} | dict(asked.get("model", {}))
    preparation = found.preparation
    data = {"channels": preparation.channels, "resize": preparation.resize, "normalise": preparation.normalise}
    return {"model": model, "data": data | dict(asked.get("data", {}))}
