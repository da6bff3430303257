"""One training from a Plan to a Package: build the network, train it, freeze what validation decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lamelle.data.augment.options import Augment
from lamelle.data.augment.parameters import margin
from lamelle.data.layouts.volumes import are_slices
from lamelle.data.preparation import Preparation
from lamelle.data.profile import profile_of
from lamelle.data.samples import Reader, Samples, training_statistics
from lamelle.data.store import Store
from lamelle.evaluation.measure import fit
from lamelle.messages import text
from lamelle.prediction import package
from lamelle.prediction.package import Package
from lamelle.prediction.predictor import Predictor, of_package, reorder
from lamelle.runs.folder import RunFolder
from lamelle.runs.initial_model import InitialModel
from lamelle.runs.plan import Plan
from lamelle.training import budget, resources
from lamelle.training.budget import Clock
from lamelle.training.checkpoint import State
from lamelle.training.features import Features
from lamelle.training.features import folder as features_folder
from lamelle.training.feed import Feed, Images
from lamelle.training.loop import Job, Training
from lamelle.training.progress import Progress
from lamelle.training.recorder import Recorder
from lamelle.types import Spacing

if TYPE_CHECKING:
    from lamelle.models.frozen_features import Boundary


def train(
    plan: Plan, built: InitialModel, run: RunFolder, store: Store, progress: Progress, *, resume: bool
) -> Package:
    """Train to the end, and write the Package.

    The recipe in the Run is rewritten with the values that were resolved here (device, precision, threads; the steps of
    a budget), so that resume and repeat use the same.
    """
    model = built.model
    _say(built.notes, run, progress)
    resolved = resources.resolve(plan.recipe.train, model)
    plan = _written(plan, run, device=resolved.device, precision=resolved.precision, threads=resolved.threads)
    keys, dims = plan.recipe.train, plan.audit.statistics.dims
    fabric = resources.set_up(resolved)
    preparation = prepare(plan, store)
    predictor = Predictor(
        reorder(model, dims),
        plan.task,
        preparation,
        dims=dims,
        tile=plan.recipe.evaluate.tile or keys.patch,
        whole=plan.recipe.evaluate.tile is None,
        overlap=plan.recipe.evaluate.overlap,
        flips=False,  # validation after each epoch has to be quick
        device=fabric.device,
        precision=keys.precision,
    )
    reader = Reader(store, plan.task.targets, preparation)
    clock = Clock()
    feed = make_feed(plan, predictor, reader, progress, clock)
    clock.prepared = clock.seconds
    if isinstance(feed, Features):
        plan = _written(plan, run, draws=feed.draws)
        keys = plan.recipe.train
    job = Job(_recorder(run), keys, plan.recipe.augment, plan.task, model, feed, reader, clock, fabric, progress)
    state = Training(job, resume=resume).fit()
    short = _judge_budget(job, run, state, on_processor=resolved.device == "cpu")
    if keys.budget:
        plan = _written(plan, run, schedule_points=tuple(state.knots))
    done = Package(
        task=plan.task,
        architecture=built.architecture,
        model=model,
        preparation=preparation,
        dims=dims,
        tile=predictor.tile,
        whole=predictor.whole,
        overlap=predictor.overlap,
        flips=plan.recipe.evaluate.flips,
        spacing=_spacing(plan),
        fitted=plan.task.Fitted(),
        naming=plan.naming,
        profile=profile_of((*plan.of("train"), *plan.of("validation")), store, span=plan.recipe.data.range),
        axes=plan.recipe.data.axes,
        provenance=_provenance(plan, state) | built.about | short,
    )
    fitted, sweeps = fit(plan.of("validation"), of_package(done), reader)
    done = replace(done, fitted=fitted, sweeps=sweeps, slices=are_slices(plan.records))
    _keep(done, run)
    return done


def _say(lines: Sequence[str], run: RunFolder, progress: Progress) -> None:
    for line in lines:
        progress.say(line)
        run.note(line)


def _recorder(run: RunFolder) -> Recorder:
    return Recorder(run.path, run.checkpoints, run.tensorboard, lambda table: run.write_text(run.history, table))


def _keep(done: Package, run: RunFolder) -> None:
    """Write the Package into its Run."""
    run.forget(run.model)
    run.seal(*package.save(done, run.model), *run.tensorboard.glob("*"))


def _judge_budget(job: Job, run: RunFolder, state: State, *, on_processor: bool) -> dict[str, object]:
    """Say what the budget allowed; where that was less than an epoch it stands beside the scores instead: what goes
    into the provenance of the Package.
    """
    steps = len(job.feed) // min(job.keys.batch, len(job.feed))
    if short := budget.too_short(job.keys, state, job.clock, steps=steps, on_processor=on_processor):
        return {"too_short": short}
    _say(budget.remarks(job.keys, state, job.clock, on_processor=on_processor), run, job.progress)
    other = budget.busy(job.keys, job.clock, on_processor=on_processor)
    return {"busy": other} if other else {}


def _written(plan: Plan, run: RunFolder, **resolved: object) -> Plan:
    """The plan with resolved training keys, which the Run's recipe then says too."""
    recipe = plan.recipe.model_copy(update={"train": plan.recipe.train.model_copy(update=resolved)})
    run.write_text(run.recipe, recipe.to_yaml())
    return replace(plan, recipe=recipe)


def _spacing(plan: Plan) -> Spacing | None:
    """The most frequent pixel size."""
    spacings = plan.audit.statistics.spacings
    return spacings[0][0] if spacings else None


def _provenance(plan: Plan, state: State) -> dict[str, object]:
    return {
        "records": len(plan.of("train")),
        "epochs": state.epoch,
        "best_epoch": state.best_epoch,
        "steps": state.step,
        "seconds": round(state.elapsed, 1),
        "seconds_per_epoch": round(state.elapsed / max(state.epoch, 1), 3),
        "precision": plan.recipe.train.precision,
    }


def make_feed(plan: Plan, predictor: Predictor, reader: Reader, progress: Progress, clock: Clock) -> Feed:
    """What the loop is fed with.

    Where a few augmentations of each image are asked for and a part of the network is frozen, that part is computed
    once for each of them.
    """
    samples, augmentation = training_samples(plan, reader)
    validation = plan.of("validation")
    images = Images(samples, augmentation, predictor, validation)
    if not plan.recipe.train.draws or not plan.recipe.train.features:
        return images
    boundary, why = _boundary(plan, predictor)
    if boundary is None:
        progress.say(text("train.features_off", why=text(f"train.features_{why}")))
        return images
    predictor.model.to(predictor.device)
    room, keys = reader.store.budget, plan.recipe.train
    features = Features(boundary, samples, augmentation, predictor, validation, root=features_folder(), budget=room)
    features.prepare(limit=None if keys.schedule_points else keys.budget, clock=clock, say=progress.say)
    return features


def _boundary(plan: Plan, predictor: Predictor) -> tuple[Boundary | None, str]:
    """The network in its frozen and its learning part; or why there are no features to be kept."""
    from lamelle.models.frozen_features import split

    keys = plan.recipe
    if keys.augment.mixup or keys.augment.cutmix:
        return None, "mixed"
    if keys.train.unfreeze_every:
        return None, "unfreezing"
    if not predictor.stacks:
        return None, "sizes"
    return split(predictor.model), "nothing_frozen"


def training_samples(plan: Plan, reader: Reader) -> tuple[Samples, Augment]:
    """The training set as positions of epochs, read with the margin that its augmentation needs."""
    keys = plan.recipe.train
    augmentation = plan.recipe.augment
    # slices are augmented in their plane; only volumes need to know how thick a slice is
    thick = _spacing(plan) if plan.audit.statistics.dims == 3 else None
    window = None
    if keys.patch is not None:
        beyond = margin(augmentation, size=keys.patch, spacing=thick)
        window = tuple(p + m for p, m in zip(keys.patch, beyond, strict=True))
    samples = Samples(
        plan.of("train"),
        reader,
        patch=keys.patch,
        window=window,
        length=keys.samples,
        draws=keys.draws if keys.budget else min(keys.draws, keys.epochs),
        seed=keys.seed,
        spacing=thick,
        colour=plan.audit.statistics.channels[0] == plan.recipe.data.channels == 3 and not plan.recipe.data.context,
        weights=plan.task.sampling(plan.of("train")),
        foreground=keys.foreground,
    )
    return samples, augmentation


def prepare(plan: Plan, store: Store) -> Preparation:
    """How images become network input, with the training set's statistics where they are needed."""
    data = plan.recipe.data
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    if data.normalise == "dataset":
        mean, std = training_statistics(store, plan.of("train"))
    return Preparation(data.channels or 1, data.resize, data.normalise, mean, std, data.context, data.range)
