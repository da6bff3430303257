"""The training loop, from the first step to the best weights.

Everything random is a function of the seed and of where the training stands (`lamelle.data.samples`), so a killed
training that goes on from its last checkpoint takes exactly the steps it would have taken, to bit-identical weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from lamelle.data.augment.mixing import Mixed, mix
from lamelle.data.augment.options import Augment
from lamelle.data.randomness import generator, seed_device
from lamelle.data.samples import Batch, EpochOrder, Reader
from lamelle.durations import enough, spelled
from lamelle.errors import WorkError, setting
from lamelle.messages import text
from lamelle.platform import StopSignal
from lamelle.prediction.predictor import channels_last
from lamelle.results.history import Epoch, to_csv
from lamelle.tasks.base import Task
from lamelle.training import checkpoint, tracking
from lamelle.training.budget import Clock
from lamelle.training.checkpoint import State
from lamelle.training.feed import Feed
from lamelle.training.optimiser import Average, make_optimizer
from lamelle.training.options import Train
from lamelle.training.progress import Progress
from lamelle.training.recorder import Recorder
from lamelle.training.schedule import progress as progressed
from lamelle.training.schedule import rate
from lamelle.training.validation import loss_of, quick_rows, scores_of

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor

    from lamelle.models.freezable import Freezable

_FIRST_ESTIMATE = 4
"""Steps after which a budgeted training first estimates its end."""
_SHARE = 20
"""A checkpoint at the end of an epoch waits until this many times its own duration has passed: at most 5 % of the
time."""
_TOLD = 1.0
"""Seconds between two writings of ``history.csv``, where epochs are shorter than that."""


_NAMED = 5
"""Images that are named where the loss of many is not finite."""


class Interrupted(WorkError):
    """A signal ended the training after a checkpoint."""


class Untrained(WorkError):
    """The budget was spent before the first step; there is nothing to be scored."""


class NonFinite(WorkError):
    """Loss, gradient or weights became NaN or infinite; the weights of the last checkpoint are finite."""


@dataclass(frozen=True, slots=True)
class Job:
    """All that a training works with."""

    recorder: Recorder
    keys: Train
    mixing: Augment
    task: Task
    network: Freezable
    feed: Feed
    reader: Reader
    clock: Clock
    """Running since before the features of a frozen part were computed."""
    fabric: Fabric
    progress: Progress


class Training:
    """One training; `fit` runs it to its end."""

    def __init__(self, job: Job, *, resume: bool) -> None:
        self.job, self.keys = job, job.keys
        self.state = State(knots=[(a, b) for a, b in job.keys.schedule_points])
        network = self._network = job.network
        self._limit = tuple(network.frozen)
        self._unbounded = {*checkpoint.not_finite(network)} & {name for name, _ in network.named_buffers()}
        """What is infinite by nature, such as the bounds of an encoder that clips nothing yet."""
        optimizer = make_optimizer(network, job.keys)
        newest = checkpoint.newest(job.recorder.checkpoints, self._damaged) if resume else None
        tensors: dict[str, Tensor] = {}
        if newest is not None:
            self.state, tensors, groups = newest
            job.clock.go_on(self.state.elapsed)
            checkpoint.restore(tensors, groups, network, optimizer)
            sentence = "train.finished" if self.state.done else "train.resumed"
            job.progress.say(text(sentence, epoch=self.state.epoch + 1, step=self.state.step))
        self._average = None
        if job.keys.ema:
            averaged = {k[8:]: v for k, v in tensors.items() if k.startswith("average.")} if newest else None
            self._average = Average(network, job.keys.ema, averaged)
        self.model, self.optimizer = job.fabric.setup(job.feed.learner, optimizer)
        self._scaler = getattr(job.fabric.strategy.precision, "scaler", None)
        if self._scaler is not None and self.state.scaler:
            self._scaler.load_state_dict(self.state.scaler)
        self._best = checkpoint.best_weights(job.recorder.checkpoints, self.state) if newest else None
        self._best_is_new = False
        self._saved_at, self._save_cost, self._told_at = time.monotonic(), 0.0, 0.0
        self._began, self._reserve = (job.clock.seconds, self.state.step), 0.0
        batch = min(job.keys.batch, len(job.feed))
        self._batch, self._steps = batch, len(job.feed) // batch
        if not self.state.knots:
            total = 10**9 if job.keys.budget else job.keys.epochs * self._steps
            self.state.knots = [(0, total)]
        self._logger = tracking.tensorboard(job.recorder.tensorboard) if job.keys.tensorboard else None

    def _damaged(self, path: Path) -> None:
        self.job.progress.say(text("train.checkpoint_damaged", path=path))

    def fit(self) -> State:
        """Train to the end.

        Returns:
            The final state; the best weights are in the network.

        Raises:
            Interrupted: If a signal came; what was done is saved.
            NonFinite: If loss, gradient or weights stopped being finite; the message names the images.
            Untrained: If the budget was over before the first step.
        """
        if self.state.step == 0 and self._finished():
            spent = self.job.clock.seconds
            given, more = spelled(self.keys.budget or 0.0), enough(4 * spent)
            raise Untrained("train.budget_no_step", budget=given, spent=f"{spent:.1f}", more=more)
        with StopSignal() as stop:
            while not self.state.done:
                self._epoch(stop)
        last = checkpoint.weights(self._network) if self._average is None else self._average.tensors()
        self._network.load_state_dict(last if self._best is None else self._best)
        if self._logger is not None:
            self._logger.close()
        return self.state

    # one epoch -------------------------------------------------------------------------------------------------------

    def _epoch(self, stop: StopSignal) -> None:
        state, begun = self.state, time.monotonic()
        order = self.job.feed.order(state.epoch)
        if self.keys.unfreeze_every:
            from lamelle.models.freeze import unfreeze_to

            unfreeze_to(self._network, 1 + state.epoch // self.keys.unfreeze_every, limit=self._limit)
        self._network.train()
        for batch in self._batches(order):
            with self.job.clock.step():
                loss = self._step(batch)
            state.step, state.batch = state.step + 1, state.batch + 1
            state.elapsed = self.job.clock.seconds
            self.job.progress.step(epoch=state.epoch, done=progressed(state.step, state.knots), loss=loss)
            if stop.name:
                self._interrupt(stop)
            if self.keys.budget and state.step == _FIRST_ESTIMATE and not self.keys.schedule_points:
                self._estimate()
            if self._finished():
                break
            if time.monotonic() - self._saved_at > self.keys.checkpoint_every:
                self._save()
        self._end_of_epoch(begun, stop)
        if stop.name and not state.done:
            self._interrupt(stop)

    def _interrupt(self, stop: StopSignal) -> NoReturn:
        self._save()
        raise Interrupted("train.interrupted", signal=stop.name, run=self.job.recorder.folder)

    def _batches(self, order: EpochOrder) -> Iterator[Batch]:
        """Batches of the rest of the epoch, read ahead by threads; their number changes nothing but speed."""
        first = self._steps if self.state.batch and self._finished() else self.state.batch  # an epoch has a step
        todo = [range(i * self._batch, (i + 1) * self._batch) for i in range(first, self._steps)]
        epoch, feed, workers = self.state.epoch, self.job.feed, self.keys.workers
        if workers == 0:
            yield from (feed.batch(epoch, positions, order) for positions in todo)
            return
        with ThreadPoolExecutor(workers) as pool:
            ahead = [pool.submit(feed.batch, epoch, positions, order) for positions in todo[: workers + 1]]
            try:
                for i in range(len(todo)):
                    batch = ahead.pop(0).result()
                    if i + workers + 1 < len(todo):
                        ahead.append(pool.submit(feed.batch, epoch, todo[i + workers + 1], order))
                    yield batch
            finally:
                for future in ahead:
                    future.cancel()

    def _step(self, batch: Batch) -> float:
        keys, state = self.keys, self.state
        seed_device(keys.seed, state.step, 0)
        factor = rate(progressed(state.step, state.knots), schedule=keys.schedule, warmup=keys.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = keys.lr * factor * group["scale"]
        images, targets = self.job.feed.inputs(batch, self.job.fabric.device)
        mixed = self._mix(images)
        output = self.model(channels_last(images if mixed is None else mixed.images))
        loss = self._loss(output, targets, mixed)
        value = float(loss.detach())
        if not math.isfinite(value):
            files = ", ".join(dict.fromkeys(batch.ids))
            raise NonFinite("train.nan_loss", loss=value, step=state.step, files=files, kept=self._kept())
        self.optimizer.zero_grad(set_to_none=True)
        self.job.fabric.backward(loss)
        self._clip(batch, images.shape[2:])
        self.optimizer.step()
        state.loss_sum += value
        if self._average is not None:
            self._average.update(self._network, state.step)
        if mixed is None:  # the score of a mixed image would say nothing
            state.rows += quick_rows(self.job.task, output[0] if isinstance(output, list) else output, targets)
        return value

    def _mix(self, images: Tensor) -> Mixed | None:
        """Two images in one, where that was asked for; the partners depend on seed and step alone."""
        keys = self.job.mixing
        if not keys.mixup and not keys.cutmix:
            return None
        random = generator("mix", self.keys.seed, self.state.step)
        return mix(images, mixup=keys.mixup, cutmix=keys.cutmix, generator=random)

    def _loss(self, output: Tensor | list[Tensor], targets: Tensor, mixed: Mixed | None) -> Tensor:
        """The task's loss: its mean over levels where the network gives several, and over both images of a mixture."""
        from lamelle.models.deep_supervision import full, over_levels

        loss = self.job.task.loss
        if mixed is None:
            return over_levels(output, targets, loss)
        parts = self.job.task.targets.mix(mixed, targets)
        zero = full(output).new_zeros(())
        return sum((weight * over_levels(output, part, loss) for weight, part in parts), start=zero)

    def _clip(self, batch: Batch, size: Sequence[int]) -> None:
        """Bound the gradient's norm; a norm that is not finite stops the training before it reaches the weights."""
        limit = self.keys.clip or math.inf
        norm = self.job.fabric.clip_gradients(self.model, self.optimizer, max_norm=limit, error_if_nonfinite=False)
        if self._scaler is None and norm is not None and not math.isfinite(float(norm)):
            files = ", ".join(dict.fromkeys(batch.ids))
            values = {"step": self.state.step, "files": files, "kept": self._kept()}
            if self.state.step:
                raise NonFinite("train.nan_gradient", **values)
            larger = setting("train.patch" if self.keys.patch else "data.resize", [2 * n for n in size])
            raise NonFinite("train.nan_gradient_first", **values, size=" × ".join(map(str, size)), larger=larger)

    # the end of an epoch -------------------------------------------------------------------------------------------

    def _end_of_epoch(self, begun: float, stop: StopSignal) -> None:
        state, keys = self.state, self.keys
        finished = self._finished()
        row = Epoch(
            epoch=state.epoch + 1,
            step=state.step,
            lr=self.optimizer.param_groups[0]["lr"],
            train_loss=state.loss_sum / max(state.batch, 1),
            train=scores_of(self.job.task, state.rows, each=False),
        )
        if finished or (state.epoch + 1) % keys.validate_every == 0:
            started = time.monotonic()
            with nullcontext() if self._average is None else self._average.applied(self._network):
                validated = self._validate(stop)
                if validated is not None:
                    row = row.model_copy(update={"loss": validated[0], "validation": validated[1]})
                    row = row.model_copy(update={"best": self._note_best(row)})
            if validated is None:
                self._interrupt(stop)
            self._reserve = time.monotonic() - started
            finished = finished or self._finished()  # no time for another validation
        state.elapsed = self.job.clock.seconds
        row = row.model_copy(update={"seconds": round(time.monotonic() - begun, 3)})
        state.history.append(row)
        state.epoch, state.batch, state.loss_sum, state.rows = state.epoch + 1, 0, 0.0, []
        stalled = bool(keys.patience) and state.stale >= keys.patience
        state.done = finished or stalled
        if state.done and keys.budget:
            state.knots.append((state.step, state.step))
        if keys.budget and not state.done and not keys.schedule_points:
            self._estimate()
        now = time.monotonic()
        save = state.done or now - self._saved_at > _SHARE * self._save_cost
        if save or now - self._told_at > _TOLD:
            # before the checkpoint: a kill behind the last one would otherwise leave the last row out
            self.job.recorder.write_history(to_csv(state.history))
            self._told_at = now
        if save:
            self._save()
        if self._logger is not None:
            tracking.log(self._logger, row)
        self.job.progress.epoch(row, monitor=self.job.task.monitor)

    def _validate(self, stop: StopSignal) -> tuple[float, dict[str, float | None]] | None:
        """Loss and every score of the validation set, images at their own size.

        A signal ends it where it stands (None); the checkpoint then lies before the validation, which is done again.

        Raises:
            NonFinite: If the loss of an image is not finite.
        """
        task, losses, rows, broken = self.job.task, [], [], list[str]()
        for record, probabilities in self.job.feed.validated():
            target = self.job.reader.target(record)
            losses.append(loss_of(task, probabilities, target))
            broken += [] if math.isfinite(losses[-1]) else [record.id]
            rows.append(task.quick_row(probabilities, target))
            if stop.name:
                return None
        if broken:
            files = ", ".join(broken[:_NAMED]) + (" …" if len(broken) > _NAMED else "")
            loss, step = float(np.mean(losses)), self.state.step
            about = {"loss": loss, "step": step, "files": files, "kept": self._kept()}
            raise NonFinite("train.nan_validation", epoch=self.state.epoch + 1, **about)
        return float(np.mean(losses)), scores_of(task, rows, each=True)

    def _note_best(self, row: Epoch) -> bool:
        """Keep the weights if this validation is the best so far; one whose loss or score is not finite never is.

        Of equal ones the lower loss is better: where validation holds no object every score is 0. Patience is not
        renewed by that.
        """
        state, loss = self.state, float(row.loss if row.loss is not None else math.nan)
        score = row.score(self.job.task.monitor) or 0.0
        value = {"score": score, "loss": -loss, "last": float(row.epoch)}[self.keys.monitor]
        finite = math.isfinite(value) and math.isfinite(loss)
        higher = finite and (state.best is None or value > state.best)
        lower = finite and value == state.best and state.best_loss is not None and loss < state.best_loss
        better = higher or lower
        state.stale = 0 if higher else state.stale + 1
        if better:
            state.best, state.best_loss, state.best_epoch = value, loss, state.epoch + 1
            self._best, self._best_is_new = checkpoint.weights(self._network), True
        return better

    # time and safety -----------------------------------------------------------------------------------------------

    def _finished(self) -> bool:
        budget = None if self.keys.schedule_points else self.keys.budget
        out_of_time = budget is not None and self.job.clock.seconds + self._reserve >= budget
        return out_of_time or progressed(self.state.step, self.state.knots) >= 1

    def _estimate(self) -> None:
        """Bend the schedule so that it ends with the budget."""
        state, budget = self.state, self.keys.budget or 0.0
        now, (begun, first) = self.job.clock.seconds, self._began
        pace = (now - begun) / max(state.step - first, 1)
        left = max(1, int((budget - now) / max(pace, 1e-6)))
        if state.step == _FIRST_ESTIMATE:
            state.knots = [(0, state.step + left)]
        else:
            state.knots.append((state.step, state.step + left))

    def _kept(self) -> str:
        """What a training that stops has left to go on from, in a sentence."""
        recorder = self.job.recorder
        last = checkpoint.last(recorder.checkpoints)
        if last is None:
            return text("train.kept_nothing")
        return text("train.kept", path=last, run=recorder.folder)

    def _save(self) -> None:
        """A checkpoint, which the next one replaces only if it is finite too.

        Raises:
            NonFinite: If the weights are not.
        """
        begun = time.monotonic()
        if broken := checkpoint.not_finite(self._network, but=self._unbounded):
            raise NonFinite("train.nan_weights", step=self.state.step, tensor=broken[0], kept=self._kept())
        if self._scaler is not None:
            self.state.scaler = self._scaler.state_dict()
        best = self._best if self._best_is_new else None
        average = None if self._average is None else self._average.tensors()
        checkpoint.save(self.job.recorder.checkpoints, self.state, self._network, self.optimizer, best, average)
        self._best_is_new = False
        self._saved_at = time.monotonic()
        self._save_cost = self._saved_at - begun
